//! `/v1/health/` (`docs/spec/http-api.md` §5).

use std::sync::Arc;

use filter::Filter;
use types::method::{
    ChecksInStateRequest, HealthChecksInState, HealthNodeChecks, HealthServiceChecks, HealthServiceNodes, NodeRequest,
    ServiceRequest,
};
use types::{CheckServiceNode, CheckStatus, HealthCheck};

use super::catalog::{refuse_missing_features, service_request, source};
use super::discover;
use super::view::{CheckView, HealthView, List};
use crate::meta::Metadata;
use crate::params::{Enterprise, parse_bool};
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};

fn check_list(
    call: &Call,
    mut checks: Vec<Arc<HealthCheck>>,
    filter: &Filter<HealthCheck>,
    metadata: &Metadata,
) -> Answer {
    checks.retain(|check| filter.matches(check));
    let view = List(&checks, |check| CheckView::from(&**check));
    Ok(Reply::json(&view, call.pretty())?.with_metadata(metadata))
}

/// A node's checks.
pub(crate) async fn node(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    let node = call.required_argument("Missing node name")?;
    let filter = call.filter_with_metadata()?;
    let request = |options| NodeRequest { node: node.clone(), options };
    let (checks, metadata) = discover::<HealthNodeChecks, _>(call, options, true, request).await?;
    check_list(call, checks, &filter, &metadata)
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
    let request = |options| ServiceRequest { options, ..request.clone() };
    let (checks, metadata) = discover::<HealthServiceChecks, _>(call, options, true, request).await?;
    check_list(call, checks, &filter, &metadata)
}

/// Checks with a status.
pub(crate) async fn state(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    let state = call.required_argument("Missing check state")?;
    let filter = call.filter_with_metadata()?;
    let (node_meta, source) = (call.query.node_meta(), source(call));
    let request = |options| ChecksInStateRequest {
        state: state.clone(),
        node_meta: node_meta.clone(),
        source: source.clone(),
        options,
    };
    let (checks, metadata) = discover::<HealthChecksInState, _>(call, options, true, request).await?;
    check_list(call, checks, &filter, &metadata)
}

/// A service's instances with their checks. Errors carry no metadata here, but for a bad `passing`.
pub(crate) async fn service(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let options = call.options()?;
    let service = call.required_argument("Missing service name")?;
    refuse_missing_features(call)?;
    let filter = filter(call, options.min_index > 0)?;
    let request = service_request(call, service);
    let request = |options| ServiceRequest { options, ..request.clone() };
    let (mut instances, metadata) = discover::<HealthServiceNodes, _>(call, options, false, request).await?;
    let passing = match passing(call) {
        Ok(passing) => passing,
        Err(failure) => return Err(failure.with_metadata(metadata)),
    };
    if passing {
        instances.retain(|instance| instance.checks.iter().all(|check| check.status == CheckStatus::Passing.as_str()));
    }
    instances.retain(|instance| filter.matches(instance));
    let view = List(&instances, HealthView::from);
    Ok(Reply::json(&view, call.pretty())?.with_metadata(&metadata))
}

/// The filter. Reads that the reference answers from a subscription tell its faults without the usual prefix
/// (`docs/spec/http-api.md` §1.7).
fn filter(call: &Call, blocking: bool) -> Result<Filter<CheckServiceNode>, Failure> {
    let streaming = (blocking || call.query.has("cached")) && call.query.bytes("near").is_empty();
    if streaming {
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
