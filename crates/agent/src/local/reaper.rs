//! Services whose check stays critical for too long are removed (`docs/spec/server-operations.md` §12.7).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::Agent;

/// Between two looks at the checks.
const INTERVAL: Duration = Duration::from_secs(30);

/// Runs until the agent stops.
pub(crate) async fn reap(agent: Arc<Agent>) {
    loop {
        tokio::select! {
            () = agent.stopping().cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let overdue = agent.local().shared.registry.lock().overdue(Instant::now());
        for (service, check) in overdue {
            tracing::info!(
                target: "agent", service = service.as_str(), check = check.as_str(),
                "Deregistering a service whose check has been critical for too long"
            );
            if let Err(error) = agent.deregister_service(&service).await {
                tracing::error!(
                    target: "agent", service = service.as_str(), error = %error, "The service could not be deregistered"
                );
            }
        }
    }
}
