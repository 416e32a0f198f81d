//! Instances of services, plain, in the mesh, and behind ingress gateways (`docs/spec/dns.md` §5.2).

use types::method::{HealthServiceNodes, ServiceRequest};
use types::{CheckServiceNode, Consistency, QueryOptions, RpcError};

use super::Ask;
use crate::answer::{self, Answer, Composed, Origin};
use crate::codec::Kind;
use crate::name::Place;
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
) -> Result<Vec<CheckServiceNode>, RpcError> {
    let settings = &ask.live.settings;
    let agent = &ask.context.agent;
    let request = |consistency| wanted.request(ask.options(datacenter, consistency));
    let found = agent.call::<HealthServiceNodes>(request(ask.consistency())).await?;
    // What the reference would read from its cache has no age that counts.
    let age_counts = settings.allow_stale && !settings.use_cache && !settings.max_stale.is_zero();
    if age_counts && found.meta.last_contact > settings.max_stale {
        tracing::warn!(target: "agent.dns", "Query results too stale, re-requesting");
        return Ok(agent.call::<HealthServiceNodes>(request(Consistency::Default)).await?.value);
    }
    Ok(found.value)
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
