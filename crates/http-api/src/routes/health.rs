//! `/v1/health/` (`docs/spec/http-api.md` §5).

use std::sync::Arc;

use bytes::Bytes;
use filter::Filter;
use types::method::{
    ChecksInStateRequest, HealthChecksInState, HealthNodeChecks, HealthServiceChecks, HealthServiceNodes, NodeRequest,
    ServiceRequest,
};
use types::{CheckServiceNode, CheckStatus, HealthCheck, QueryOptions};

use super::catalog::{service_key, service_request, source};
use super::discover;
use super::view::{CheckView, HealthView, List};
use crate::params::{Enterprise, parse_bool};
use crate::pipeline::Call;
use crate::reads::{CacheKind, Key, Read, Subscription, followed};
use crate::reply::{Answer, Failure, Reply, write_json};

fn check_list(call: &Call, mut checks: Vec<Arc<HealthCheck>>, filter: &Filter<HealthCheck>) -> Result<Bytes, Failure> {
    checks.retain(|check| filter.matches(check));
    write_json(&List(&checks, |check| CheckView::from(&**check)), call.pretty())
}

/// A node's checks.
pub(crate) async fn node(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    let node = call.required_argument("Missing node name")?;
    let filter = call.filter_with_metadata()?;
    let request = |options| NodeRequest { node: node.clone(), options };
    let (checks, metadata) = discover::<HealthNodeChecks, _>(call, options, true, request).await?;
    Ok(Reply::written_json(check_list(call, checks, &filter)?).with_metadata(&metadata))
}

/// A service's checks.
pub(crate) async fn checks(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    let service = call.required_argument("Missing service name")?;
    let filter = call.filter_with_metadata()?;
    let request = ServiceRequest {
        service,
        node_meta: call.query.node_meta(),
        source: source(call),
        ..ServiceRequest::default()
    };
    let key = service_key("health/checks", &options, &request);
    let read = Read { call, options, key, only_passing: false, kept_in: None, metadata_with_errors: true };
    let request = |options| ServiceRequest { options, ..request.clone() };
    read.answer::<HealthServiceChecks, _>(request, |checks| check_list(call, checks, &filter)).await
}

/// Checks with a status.
pub(crate) async fn state(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    let state = call.required_argument("Missing check state")?;
    let filter = call.filter_with_metadata()?;
    let request = ChecksInStateRequest {
        state,
        node_meta: call.query.node_meta(),
        source: source(call),
        ..ChecksInStateRequest::default()
    };
    let key = state_key(&options, &request);
    let read = Read { call, options, key, only_passing: false, kept_in: None, metadata_with_errors: true };
    let request = |options| ChecksInStateRequest { options, ..request.clone() };
    read.answer::<HealthChecksInState, _>(request, |checks| check_list(call, checks, &filter)).await
}

fn state_key(options: &QueryOptions, request: &ChecksInStateRequest) -> Key {
    Key::new("health/state")
        .with(options.token.as_bytes())
        .with(options.datacenter.as_bytes())
        .with(options.filter.as_bytes())
        .with(request.state.as_bytes())
        .with_all(request.node_meta.keys())
        .with_all(request.node_meta.values())
        .with(request.source.node.as_bytes())
}

/// A service's instances with their checks.
pub(crate) async fn service(call: &mut Call) -> Answer {
    instances(call, Lookup::Service).await
}

/// A service's instances in the mesh with their checks.
pub(crate) async fn connect(call: &mut Call) -> Answer {
    instances(call, Lookup::Connect).await
}

/// A service's ingress gateways with their checks.
pub(crate) async fn ingress(call: &mut Call) -> Answer {
    instances(call, Lookup::Ingress).await
}

/// The endpoints that list instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    Service,
    Connect,
    Ingress,
}

impl Lookup {
    const fn family(self, streamed: bool) -> &'static str {
        match (self, streamed) {
            (Lookup::Service, false) => "health/service",
            (Lookup::Service, true) => "streamed health/service",
            (Lookup::Connect, false) => "health/connect",
            (Lookup::Connect, true) => "streamed health/connect",
            (Lookup::Ingress, _) => "health/ingress",
        }
    }
}

/// Lists instances with their checks. Errors carry no metadata here, but for a bad `passing`.
async fn instances(call: &Call, lookup: Lookup) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    let service = call.required_argument("Missing service name")?;
    let subscription = match lookup {
        Lookup::Service | Lookup::Connect => Subscription::of(call, &options)?,
        Lookup::Ingress => None,
    };
    let filter = filter(call, subscription.is_some())?;
    let request = ServiceRequest {
        connect: lookup == Lookup::Connect,
        ingress: lookup == Lookup::Ingress,
        peer_name: call.query.text("peer").into_owned(),
        ..service_request(call, service)
    };
    let (key, request) = match subscription {
        None => (service_key(lookup.family(false), &options, &request), request),
        Some(_) => {
            let request = ServiceRequest { service: request.service.to_lowercase(), ..request };
            let key = service_key(lookup.family(true), &options, &request);
            // Metadata of nodes is compared here, by a subscription's rule.
            (key, ServiceRequest { node_meta: Default::default(), ..request })
        }
    };
    let kept_in = if subscription.is_some() { Some(CacheKind::Subscription) } else { followed(call) };
    let request = |options| ServiceRequest { options, ..request.clone() };
    let only_passing = match passing(call) {
        Ok(only_passing) => only_passing,
        Err(failure) => {
            // It is found out after the query ran.
            let (_, metadata) = discover::<HealthServiceNodes, _>(call, options, false, request).await?;
            return Err(failure.with_metadata(metadata));
        }
    };
    let read = Read { call, options, key, only_passing, kept_in, metadata_with_errors: false };
    let body = |mut instances: Vec<CheckServiceNode>| {
        if let Some(subscription) = &subscription {
            subscription.apply(&mut instances);
        }
        if only_passing {
            instances.retain(is_passing);
        }
        instances.retain(|instance| filter.matches(instance));
        write_json(&List(&instances, HealthView::from), call.pretty())
    };
    read.answer::<HealthServiceNodes, _>(request, body).await
}

fn is_passing(instance: &CheckServiceNode) -> bool {
    instance.checks.iter().all(|check| check.status == CheckStatus::Passing.as_str())
}

/// The filter. A subscription tells its faults without the usual prefix (`docs/spec/http-api.md` §1.7).
fn filter(call: &Call, streamed: bool) -> Result<Filter<CheckServiceNode>, Failure> {
    if streamed {
        return Filter::new(&call.query.text("filter")).map_err(|error| Failure::internal(error.to_string()));
    }
    call.filter()
}

/// Whether only passing instances are asked for; on when the parameter is there without a value.
fn passing(call: &Call) -> Result<bool, Failure> {
    if !call.query.has("passing") {
        return Ok(false);
    }
    match call.query.text("passing").as_ref() {
        "" => Ok(true),
        value => parse_bool(value).ok_or_else(|| Failure::bad_request("Invalid value for ?passing")),
    }
}
