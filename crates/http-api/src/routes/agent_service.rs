//! `/v1/agent/service/` and `/v1/agent/services`: services registered with this agent (`docs/spec/http-api.md` §3.4).

pub(crate) mod definition;
mod proxy;
mod validate;
pub(crate) mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::agent::{Local, Source};
use http::StatusCode;
use http::header::HeaderValue;
use types::NodeService;

use super::agent::refusal;
use crate::meta::X_CONSUL_CONTENT_HASH;
use crate::params::{Enterprise, bounded_wait, index_and_wait};
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};
use view::AgentService;

/// Wait for another hash when the request names none.
const DEFAULT_HASH_WAIT: Duration = Duration::from_secs(300);
/// Longest wait for another hash.
const LONGEST_HASH_WAIT: Duration = Duration::from_secs(600);
/// Waits are longer by up to this part of them, so that clients do not come back all at once.
const JITTER_FRACTION: u32 = 16;

/// Registers a service, or replaces the one of the same ID.
pub(crate) async fn register(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let service = definition::read(&call.read_body().await?, &call.token())?;
    validate::check(&service)?;
    let replace_existing_checks = call.query.has("replace-existing-checks")
        && matches!(call.query.bytes("replace-existing-checks"), b"" | b"true");
    call.door.agent.register_service(service, Source::Api, replace_existing_checks).await.map_err(refusal)?;
    Ok(Reply::empty())
}

/// Reads a definition as [`register`] does, and drops it.
pub(crate) fn read_definition(body: &[u8]) {
    if let Ok(service) = definition::read(body, "") {
        let _ = validate::check(&service);
    }
}

/// Removes a service and its checks.
pub(crate) async fn deregister(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    call.door.agent.deregister_service(&call.argument_text()).await.map_err(refusal)?;
    Ok(Reply::empty())
}

/// All services of this agent, by ID.
pub(crate) async fn list(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let filter = call.filter::<NodeService>()?;
    let services = call.door.agent.local().services();
    let datacenter = &call.door.agent.identity().datacenter;
    let kept = services.iter().filter(|service| filter.matches(service));
    let views: BTreeMap<&str, AgentService<'_>> =
        kept.map(|service| (service.id.as_str(), AgentService::new(service, datacenter))).collect();
    Reply::json(&views, call.pretty())
}

/// One service with the hash of its content; waits while the hash is the given one.
pub(crate) async fn read(call: &mut Call) -> Answer {
    let (_, wait) = index_and_wait(&call.query)?;
    call.refuse_enterprise(Enterprise::Both)?;
    let id = call.argument_text();
    let wait = bounded_wait(wait, DEFAULT_HASH_WAIT, LONGEST_HASH_WAIT);
    let jitter = random_below(wait / JITTER_FRACTION);
    let found = settled(call.door.agent.local(), &id, &call.query.text("hash"), wait + jitter).await;
    let Some((service, hash)) = found else {
        return Err(Failure::new(StatusCode::NOT_FOUND, format!("unknown service ID: {id}")));
    };
    let view = AgentService::new(&service, &call.door.agent.identity().datacenter).with_hash(&hash);
    let mut reply = Reply::json(&view, call.pretty())?;
    if let Ok(value) = HeaderValue::from_str(&hash) {
        reply.headers.insert(X_CONSUL_CONTENT_HASH, value);
    }
    Ok(reply)
}

/// The service with its hash as soon as that differs from the given one, or after the wait. A service that a reload is
/// replacing counts once the reload has ended (`docs/spec/http-api.md` §3.4).
async fn settled(local: &Local, id: &str, given_hash: &str, wait: Duration) -> Option<(Arc<NodeService>, String)> {
    let mut changes = local.changes();
    let timeout = tokio::time::sleep(wait);
    tokio::pin!(timeout);
    let mut is_over = false;
    loop {
        changes.borrow_and_update();
        let found = local.service_hash(id);
        // A reload that begins or ends while this is read is either still going on, or has left a change.
        let is_settled = !local.is_paused() && !changes.has_changed().unwrap_or(false);
        let is_same = found.as_ref().is_some_and(|(_, hash)| hash == given_hash);
        if is_over || (is_settled && !is_same) {
            return found;
        }
        tokio::select! {
            () = &mut timeout => is_over = true,
            changed = changes.changed() => is_over = changed.is_err(),
        }
    }
}

fn random_below(limit: Duration) -> Duration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 { Duration::ZERO } else { Duration::from_nanos(random % nanos) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_below_its_limit() {
        for limit in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(37)] {
            let random = random_below(limit);
            assert!(random < limit || limit.is_zero(), "{random:?} of {limit:?}");
        }
    }
}
