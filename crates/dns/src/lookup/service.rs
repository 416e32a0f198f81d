//! Instances of services, plain, in the mesh, and behind ingress gateways (`docs/spec/dns.md` §5.2).

use std::sync::Arc;
use std::time::Duration;

use agent::ReadSource;
use types::method::{HealthServiceNodes, ServiceRequest};
use types::{CheckServiceNode, Consistency, QueryOptions, RpcError, Want};

use super::Ask;
use crate::answer::{self, Answer, Composed, Origin};
use crate::codec::Kind;
use crate::name::Place;
use crate::views::{Key, View};
use crate::{external, health, srv};

/// Which instances are wanted.
#[derive(Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    /// The service, as the name spells it in lower case.
    pub(super) service: &'a str,
    /// A tag they must have.
    pub(super) tag: Option<&'a str>,
    /// Those that speak for it in the mesh.
    pub(super) connect: bool,
    /// Gateways that expose it.
    pub(super) ingress: bool,
}

impl Wanted<'_> {
    fn key(&self, options: &QueryOptions) -> Key {
        Key {
            service: self.service.to_owned(),
            tag: self.tag.map(str::to_owned),
            connect: self.connect,
            ingress: self.ingress,
            datacenter: options.datacenter.clone(),
            token: options.token.clone(),
        }
    }

    fn request(&self, options: QueryOptions) -> ServiceRequest {
        ServiceRequest {
            service: self.service.to_owned(),
            tags: self.tag.into_iter().map(str::to_owned).collect(),
            connect: self.connect,
            ingress: self.ingress,
            options,
            ..ServiceRequest::default()
        }
    }
}

/// Answers about the wanted instances.
pub(super) async fn find(ask: &Ask<'_>, wanted: Wanted<'_>, place: &Place) -> Result<Answer, RpcError> {
    // There are no peers yet.
    if !place.peer.is_empty() {
        return Ok(Answer::not_found());
    }
    let ttl = ask.live.service_ttl.of(wanted.service);
    let origin = Origin { datacenter: ask.datacenter(&place.datacenter), peer: "" };
    let instances = read(ask, wanted, origin.datacenter).await?;
    let usable = health::usable(&instances, ask.live.settings.only_passing);
    if usable.is_empty() {
        return Ok(Answer::not_found());
    }
    Ok(answer_of(ask, origin, ttl, &usable).await)
}

/// The wanted instances. Too old an answer is read again from the leader (`docs/spec/dns.md` §18).
pub(super) async fn read(
    ask: &Ask<'_>,
    wanted: Wanted<'_>,
    datacenter: &str,
) -> Result<Arc<[CheckServiceNode]>, RpcError> {
    let settings = &ask.live.settings;
    let (instances, last_contact) = read_as(ask, wanted, ask.options(datacenter, ask.consistency())).await?;
    // What the reference would read from its cache has no age that counts.
    let age_counts = settings.allow_stale && !settings.use_cache && !settings.max_stale.is_zero();
    if age_counts && last_contact > settings.max_stale {
        tracing::warn!(target: "agent.dns", "Query results too stale, re-requesting");
        return Ok(read_as(ask, wanted, ask.options(datacenter, Consistency::Default)).await?.0);
    }
    Ok(instances)
}

/// The wanted instances, and the age of the answer. A list of the version that the server has now is not read again.
async fn read_as(
    ask: &Ask<'_>,
    wanted: Wanted<'_>,
    options: QueryOptions,
) -> Result<(Arc<[CheckServiceNode]>, Duration), RpcError> {
    let (agent, views) = (&ask.context.agent, &ask.context.views);
    // With its cache, a client answers from what it follows.
    let source = if ask.live.settings.use_cache { ReadSource::Subscription } else { ReadSource::Servers };
    let key = wanted.key(&options);
    if let Some(kept) = views.get(&key) {
        let options = QueryOptions { want: Want::Version, ..options.clone() };
        let (current, _) = agent.read::<HealthServiceNodes>(wanted.request(options), source).await?;
        if current.meta.version == Some(kept.version) {
            return Ok((kept.instances.clone(), current.meta.last_contact));
        }
    }
    let (found, _) = agent.read::<HealthServiceNodes>(wanted.request(options), source).await?;
    let instances: Arc<[CheckServiceNode]> = found.value.into();
    if let Some(version) = found.meta.version {
        views.keep(key, View { version, instances: instances.clone() });
    }
    Ok((instances, found.meta.last_contact))
}

/// Answers about instances in this order.
pub(super) async fn answer_of(ask: &Ask<'_>, origin: Origin<'_>, ttl: u32, instances: &[&CheckServiceNode]) -> Answer {
    let composed = compose(ask, origin, ttl, instances);
    if composed.follow.is_empty() {
        return Answer::of_instances(composed);
    }
    // Boxed, for it is large and rare.
    Answer::of_instances(Box::pin(external::follow(ask, composed, ttl)).await)
}

fn compose(ask: &Ask<'_>, origin: Origin<'_>, ttl: u32, instances: &[&CheckServiceNode]) -> Composed {
    let settings = &ask.live.settings;
    match ask.kind {
        Kind::SRV => srv::records(settings, ask.asked(), origin, ttl, instances),
        _ => answer::addresses(settings, ask.asked(), origin, ttl, instances),
    }
}
