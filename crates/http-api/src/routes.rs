//! One file for each family of routes, and what they share.

use ::agent::server::{Handle, Server};
use types::method::Indexed;
use types::rpc::RpcMethod;
use types::{Consistency, QueryOptions};

use crate::meta::Metadata;
use crate::pipeline::Call;
use crate::reply::{Failure, metadata};

pub(crate) mod acl;
pub(crate) mod agent;
pub(crate) mod agent_check;
pub(crate) mod agent_health;
pub(crate) mod agent_host;
pub(crate) mod agent_maintenance;
pub(crate) mod agent_metrics;
pub(crate) mod agent_service;
pub(crate) mod autopilot;
pub(crate) mod body;
pub(crate) mod catalog;
pub(crate) mod connect_ca;
pub(crate) mod coordinate;
pub(crate) mod event;
pub(crate) mod health;
pub(crate) mod keyring;
pub(crate) mod kv;
pub(crate) mod kv_json;
pub(crate) mod operator;
pub(crate) mod query;
pub(crate) mod session;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod txn;
pub(crate) mod txn_body;
pub(crate) mod view;

/// Asks a server for something with metadata.
pub(crate) async fn ask<M, T>(call: &Call, request: M::Request) -> Result<M::Reply, Failure>
where
    M: RpcMethod<Reply = Indexed<T>>,
    Server: Handle<M>,
{
    call.door.agent.call::<M>(request).await.map_err(Failure::from)
}

/// A read of catalog or health: an answer that is older than `max_stale` allows is asked for again, from the leader
/// (`docs/spec/http-api.md` §1.4). Errors carry zero metadata when `metadata_with_errors`.
pub(crate) async fn discover<M, T>(
    call: &Call,
    options: QueryOptions,
    metadata_with_errors: bool,
    request: impl Fn(QueryOptions) -> M::Request,
) -> Result<(T, Metadata), Failure>
where
    M: RpcMethod<Reply = Indexed<T>>,
    Server: Handle<M>,
{
    let fail = |failure: Failure| if metadata_with_errors { failure.with_zero_metadata() } else { failure };
    let reply = ask_young::<M, T>(call, &options, &request).await.map_err(fail)?;
    let metadata = metadata(reply.meta, Some(options.consistency), &options.token);
    Ok((reply.value, metadata))
}

/// The same without the headers.
pub(crate) async fn ask_young<M, T>(
    call: &Call,
    options: &QueryOptions,
    request: &impl Fn(QueryOptions) -> M::Request,
) -> Result<M::Reply, Failure>
where
    M: RpcMethod<Reply = Indexed<T>>,
    Server: Handle<M>,
{
    let reply = ask::<M, T>(call, request(options.clone())).await?;
    let bounded = options.consistency == Consistency::Stale && !options.max_stale.is_zero();
    if !bounded || reply.meta.last_contact <= options.max_stale {
        return Ok(reply);
    }
    let fresh =
        QueryOptions { consistency: Consistency::Default, max_stale: std::time::Duration::ZERO, ..options.clone() };
    ask::<M, T>(call, request(fresh)).await
}
