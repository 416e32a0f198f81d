//! Checks to which results are sent: critical when none comes in time. One task for all of them.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Shared;

/// Runs until the agent stops.
pub(crate) async fn expire(shared: Arc<Shared>, stopping: CancellationToken) {
    loop {
        let next = shared.registry.lock().ttls.first();
        let over = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = shared.ttls_moved.notified() => {}
            () = over => shared.expire_ttls(),
        }
    }
}

impl Shared {
    fn expire_ttls(&self) {
        let expired = self.change(|registry, now| registry.expire_ttls(now));
        for check in expired {
            tracing::warn!(target: "agent", check = check.as_str(), "Check missed TTL, is now critical");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use config::{CheckDefinition, CheckSpec};

    use super::*;
    use crate::local::{CheckSettings, Local, LocalSettings, Source};
    use crate::{AgentError, Identity};

    fn shared(stopping: &CancellationToken) -> Arc<Shared> {
        let identity = Identity {
            node_name: "one".to_owned(),
            node_id: String::new(),
            datacenter: "dc1".to_owned(),
            node_meta: Default::default(),
            advertise: [127, 0, 0, 1].into(),
            server: true,
            bootstrap: false,
            disable_remote_exec: true,
            disable_coordinates: true,
        };
        let settings = LocalSettings {
            data_dir: None,
            checks: CheckSettings::default(),
            tls: Default::default(),
            advertise: identity.advertise,
            node_tagged_addresses: Default::default(),
            expose_ports: 21500..21755,
            services: Vec::new(),
            check_definitions: Vec::new(),
        };
        Shared::new(&identity, &settings, stopping.clone()).0
    }

    fn ttl(id: &str, secs: u64) -> CheckDefinition {
        let spec = CheckSpec { ttl: Duration::from_secs(secs), status: "passing".to_owned(), ..CheckSpec::default() };
        CheckDefinition { id: id.to_owned(), spec, ..CheckDefinition::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn checks_become_critical_in_time_and_not_before() -> Result<(), AgentError> {
        let stopping = CancellationToken::new();
        let shared = shared(&stopping);
        let local = Local { shared: shared.clone() };
        shared.load(Vec::new(), vec![ttl("slow", 30)])?;
        let task = tokio::spawn(expire(shared.clone(), stopping.clone()));
        // A check that comes later may be the first whose time is over.
        tokio::task::yield_now().await;
        shared.add_check(&ttl("fast", 10), Source::Api).unwrap();
        let status = |id| local.check(id).unwrap().status.clone();
        tokio::time::sleep(Duration::from_millis(9_900)).await;
        assert_eq!((status("fast"), status("slow")), ("passing".to_owned(), "passing".to_owned()));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!((status("fast"), status("slow")), ("critical".to_owned(), "passing".to_owned()));
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(local.check("slow").unwrap().output, "TTL expired");
        stopping.cancel();
        task.await.unwrap();
        Ok(())
    }
}
