//! Calls from the network: from a method's name to its endpoint (`docs/spec/rpc-and-state.md` §2.1, §4).

use std::net::SocketAddr;

use bytes::Bytes;
use filter::{CREATE_ERROR_PREFIX, Fields, Filter};
use net::BoxFuture;
use rpc::{Dispatch, DispatchError};
use types::method::{
    self, CatalogListNodes, CatalogNodeServiceList, CatalogNodeServices, CatalogServiceNodes, HealthChecksInState,
    HealthNodeChecks, HealthServiceChecks, HealthServiceNodes, Indexed, METHODS, Method,
};
use types::rpc::RpcMethod;
use types::{CheckServiceNode, HealthCheck, Node, NodeService, NodeServices, ServiceNode};

use crate::server::{Handle, Server};

/// What all methods about access control begin with.
const ACL_PREFIX: &str = "ACL.";
/// What they answer while there is no access control.
const ACL_DISABLED: &str = "ACL support disabled";

/// Answers the calls that come to the server port.
pub(crate) struct Dispatcher {
    server: Server,
}

impl Dispatcher {
    /// A dispatcher to this server's endpoints.
    pub(crate) fn new(server: Server) -> Dispatcher {
        Dispatcher { server }
    }

    async fn answer<M: RpcMethod>(&self, body: Bytes) -> Result<Vec<u8>, DispatchError>
    where
        Server: Handle<M>,
    {
        let request = decoded::<M>(body)?;
        let reply = self.server.call::<M>(request).await.map_err(failed)?;
        encoded::<M>(&reply)
    }

    /// The same for a method whose answer a filter of the caller's narrows.
    async fn filtered<M: Filterable>(&self, body: Bytes) -> Result<Vec<u8>, DispatchError>
    where
        Server: Handle<M>,
    {
        let request = decoded::<M>(body)?;
        let text = M::read_options(&request).map_or("", |options| options.filter.as_str());
        let filter = Filter::<M::Item>::new(text).map_err(|error| failed(format!("{CREATE_ERROR_PREFIX}{error}")))?;
        let mut reply = self.server.call::<M>(request).await.map_err(failed)?;
        if !filter.keeps_all() {
            M::retain(&mut reply, &filter);
        }
        encoded::<M>(&reply)
    }
}

/// The body is gone when its request is there: it may wait for long.
fn decoded<M: RpcMethod>(body: Bytes) -> Result<M::Request, DispatchError> {
    M::decode_request(&body).map_err(|error| DispatchError::BadRequest(error.to_string()))
}

fn encoded<M: RpcMethod>(reply: &M::Reply) -> Result<Vec<u8>, DispatchError> {
    let mut bytes = Vec::new();
    M::encode_reply(reply, &mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn failed(error: impl std::fmt::Display) -> DispatchError {
    DispatchError::Failed(error.to_string())
}

impl Dispatch for Dispatcher {
    fn call<'a>(
        &'a self,
        name: &'a str,
        body: Bytes,
        _from: SocketAddr,
    ) -> BoxFuture<'a, Result<Vec<u8>, DispatchError>> {
        macro_rules! by_name {
            ($($method:ident)*) => {
                match name {
                    $(<method::$method as Method>::NAME => Box::pin(self.answer::<method::$method>(body)),)*
                    _ => Box::pin(std::future::ready(Err(unknown(name)))),
                }
            };
        }
        match name {
            CatalogListNodes::NAME => Box::pin(self.filtered::<CatalogListNodes>(body)),
            CatalogServiceNodes::NAME => Box::pin(self.filtered::<CatalogServiceNodes>(body)),
            CatalogNodeServices::NAME => Box::pin(self.filtered::<CatalogNodeServices>(body)),
            CatalogNodeServiceList::NAME => Box::pin(self.filtered::<CatalogNodeServiceList>(body)),
            HealthNodeChecks::NAME => Box::pin(self.filtered::<HealthNodeChecks>(body)),
            HealthServiceChecks::NAME => Box::pin(self.filtered::<HealthServiceChecks>(body)),
            HealthChecksInState::NAME => Box::pin(self.filtered::<HealthChecksInState>(body)),
            HealthServiceNodes::NAME => Box::pin(self.filtered::<HealthServiceNodes>(body)),
            name if name.starts_with(ACL_PREFIX) => Box::pin(std::future::ready(Err(failed(ACL_DISABLED)))),
            _ => types::for_each_method!(by_name),
        }
    }
}

/// What is wrong with a name that no method has.
fn unknown(name: &str) -> DispatchError {
    let is_service_known = METHODS.iter().any(|known| service_of(known) == service_of(name));
    if is_service_known { DispatchError::UnknownMethod } else { DispatchError::UnknownService }
}

/// What stands before the last dot.
fn service_of(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(service, _)| service)
}

/// A read whose answer is narrowed by the filter in its options. Agents of the reference leave that to the servers
/// (`docs/spec/http-api.md` §2).
trait Filterable: RpcMethod {
    /// What the filter looks at.
    type Item: Fields + 'static;

    /// Leaves what the filter keeps.
    fn retain(reply: &mut Self::Reply, filter: &Filter<Self::Item>);
}

macro_rules! filterable_lists {
    ($($method:ident $item:ty;)*) => {
        $(impl Filterable for $method {
            type Item = $item;

            fn retain(reply: &mut Self::Reply, filter: &Filter<$item>) {
                reply.value.retain(|item| filter.matches(item));
            }
        })*
    };
}

filterable_lists! {
    CatalogListNodes Node;
    CatalogServiceNodes ServiceNode;
    HealthNodeChecks HealthCheck;
    HealthServiceChecks HealthCheck;
    HealthChecksInState HealthCheck;
    HealthServiceNodes CheckServiceNode;
}

impl Filterable for CatalogNodeServices {
    type Item = NodeService;

    fn retain(reply: &mut Indexed<Option<NodeServices>>, filter: &Filter<NodeService>) {
        retain_services(reply, filter);
    }
}

impl Filterable for CatalogNodeServiceList {
    type Item = NodeService;

    fn retain(reply: &mut Indexed<Option<NodeServices>>, filter: &Filter<NodeService>) {
        retain_services(reply, filter);
    }
}

/// The node stays, whatever becomes of its services.
fn retain_services(reply: &mut Indexed<Option<NodeServices>>, filter: &Filter<NodeService>) {
    if let Some(found) = &mut reply.value {
        found.services.retain(|service| filter.matches(service));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_service_nobody_knows_and_a_method_it_has_not_are_told_apart() {
        for (name, want) in [
            ("Catalog.NodeServicesByMagic", DispatchError::UnknownMethod),
            ("KVS.", DispatchError::UnknownMethod),
            ("KVS.Apply.More", DispatchError::UnknownService),
            ("kvs.Apply", DispatchError::UnknownService),
            ("Nothing.Here", DispatchError::UnknownService),
            ("", DispatchError::UnknownService),
        ] {
            assert_eq!(unknown(name), want, "{name}");
        }
    }

    #[test]
    fn a_filter_narrows_what_it_looks_at() {
        let named = |name: &str| Arc::new(NodeService { service: name.to_owned(), ..NodeService::default() });
        let services = vec![named("web"), named("db")];
        let found = NodeServices { node: Arc::default(), services };
        let mut reply = Indexed { value: Some(found), ..Indexed::default() };
        CatalogNodeServices::retain(&mut reply, &Filter::new("Service == db").unwrap());
        let left = reply.value.unwrap().services;
        assert_eq!(left.iter().map(|service| service.service.as_str()).collect::<Vec<_>>(), ["db"]);

        let node = |name: &str| Arc::new(Node { node: name.to_owned(), ..Node::default() });
        let mut reply = Indexed { value: vec![node("a"), node("b")], ..Indexed::default() };
        CatalogListNodes::retain(&mut reply, &Filter::new("Node != a").unwrap());
        assert_eq!(reply.value, [node("b")]);
    }
}
