//! How each method's request and reply travel between agents (`docs/spec/rpc-and-state.md` §2, §4), and where a request
//! belongs (§3.5).
//!
//! [`RpcMethod`] is there for every method of [`crate::method`]. What a request or a reply looks like on the wire is a
//! struct of the reference's, that borrows from the value while it is written: nothing is copied on the way out.

mod element;
mod gossip_request;
mod group;
mod operator;
mod reply;
mod request;
mod shape;
mod store_request;
#[cfg(test)]
mod tests;

use std::time::Duration;

use wire::msgpack::Error;

use crate::autopilot::AutopilotSetConfigRequest;
use crate::method::{self, Method};
use crate::method::{
    ChecksInStateRequest, DatacenterRequest, EventFireRequest, KeyListRequest, KeyRequest, KeyringRequest, NodeRequest,
    QueryExecuteRequest, QuerySpecificRequest, RaftRemovePeerRequest, ServiceRequest, SessionSpecificRequest,
    SnapshotRequest, TxnReadRequest,
};
use crate::{
    Consistency, CoordinateUpdate, DeregisterRequest, KvRequest, PreparedQueryRequest, QueryOptions, RegisterRequest,
    SessionRequest, TxnRequest, Want,
};
use element::Areas;
use gossip_request::{EventBody, KeyringBody};
use operator::{HealthBody, KeyringAnswers, RaftConfiguration, StateBody};
use reply::{
    CheckedInstances, Checks, Coordinates, Entries, Executed, Explained, GatewayServices, Instances, Keys, Nodes,
    Queries, Roots, ServiceListOfNode, Services, ServicesOfNode, Sessions, TxnFound,
};
use request::{ChecksInState, DcSpecific, NodeSpecific, ServiceSpecific};
use shape::{Empty, Plain, Shape};
use store_request::{KeyNames, Keyed, QueryExecute, QuerySpecific, Renewal, SessionSpecific, SessionWrite, TxnReads};

/// Which server of which datacenter answers a request (`docs/spec/rpc-and-state.md` §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The leader of the request's datacenter; any server of it a read that may be stale.
    Leader,
    /// Any server of the request's datacenter.
    AnyServer,
    /// The server that was asked, whatever datacenter the request names.
    Here,
}

/// A method as it travels.
pub trait RpcMethod: Method {
    /// Who answers.
    const ROUTE: Route;
    /// Appends the request's bytes, one msgpack value.
    ///
    /// # Errors
    /// A value that msgpack cannot express: a string or list longer than 4 GiB.
    fn encode_request(request: &Self::Request, out: &mut Vec<u8>) -> Result<(), Error>;
    /// The request of these bytes, one msgpack value.
    ///
    /// # Errors
    /// What the bytes hold instead of the method's request, or a feature of it that is not there yet.
    fn decode_request(body: &[u8]) -> Result<Self::Request, Error>;
    /// Appends the reply's bytes, one msgpack value.
    ///
    /// # Errors
    /// As for [`RpcMethod::encode_request`].
    fn encode_reply(reply: &Self::Reply, out: &mut Vec<u8>) -> Result<(), Error>;
    /// The reply of these bytes, one msgpack value.
    ///
    /// # Errors
    /// What the bytes hold instead of the method's reply.
    fn decode_reply(body: &[u8]) -> Result<Self::Reply, Error>;
    /// The datacenter a request is for; empty for the local one.
    fn datacenter(request: &Self::Request) -> &str;
    /// The place of the datacenter in a request that has one. Servers of the reference take no empty name.
    fn datacenter_mut(request: &mut Self::Request) -> Option<&mut String>;
    /// Options of a read, as far as they matter for where and how long it is asked; none for a write, and for what must
    /// not be done twice.
    fn read_options(request: &Self::Request) -> Option<&QueryOptions>;
}

/// Calls a macro with the names of all methods, in the order of [`crate::method::METHODS`]:
/// `callback! { KvApply KvGet … }`. They stand in [`crate::method`].
#[macro_export]
macro_rules! for_each_method {
    ($callback:ident) => {
        $callback! {
            KvApply KvGet KvList KvListKeys
            SessionApply SessionGet SessionList SessionNodeSessions SessionRenew
            TxnApply TxnRead
            CatalogRegister CatalogDeregister CatalogListDatacenters CatalogListNodes CatalogListServices
            CatalogServiceNodes CatalogNodeServices
            HealthNodeChecks HealthServiceChecks HealthChecksInState HealthServiceNodes
            CatalogGatewayServices CatalogVirtualIpForService
            PreparedQueryApply PreparedQueryGet PreparedQueryList PreparedQueryExplain PreparedQueryExecute
            CoordinateUpdateOne CoordinateListDatacenters CoordinateListNodes CoordinateNode
            ConnectCaRoots
            EventFire
            StatusLeader StatusPeers StatusPing StatusRaftStats
            CatalogNodeServiceList
            OperatorRaftRemovePeerById OperatorRaftRemovePeerByAddress
            OperatorAutopilotGetConfiguration OperatorAutopilotSetConfiguration
            OperatorServerHealth OperatorAutopilotState
            InternalKeyringOperation
            OperatorRaftGetConfiguration
        }
    };
}

/// Options of a read that has none of its own.
static DEFAULT_READ: QueryOptions = read_with(Consistency::Default);
/// The same for one that any server may answer.
static STALE_READ: QueryOptions = read_with(Consistency::Stale);

const fn read_with(consistency: Consistency) -> QueryOptions {
    QueryOptions {
        datacenter: String::new(),
        token: String::new(),
        consistency,
        max_stale: Duration::ZERO,
        min_index: 0,
        max_wait: Duration::ZERO,
        filter: String::new(),
        want: Want::Answer,
    }
}

/// What is asked of a request before it is sent.
trait Asked {
    fn datacenter(&self) -> &str;

    fn datacenter_mut(&mut self) -> Option<&mut String>;

    fn options(&self) -> &QueryOptions {
        &DEFAULT_READ
    }
}

macro_rules! asked {
    (reads: [$($read:ty,)*] writes: [$($write:ty,)*]) => {
        $(impl Asked for $read {
            fn datacenter(&self) -> &str { &self.options.datacenter }
            fn datacenter_mut(&mut self) -> Option<&mut String> { Some(&mut self.options.datacenter) }
            fn options(&self) -> &QueryOptions { &self.options }
        })*
        $(impl Asked for $write {
            fn datacenter(&self) -> &str { &self.datacenter }
            fn datacenter_mut(&mut self) -> Option<&mut String> { Some(&mut self.datacenter) }
        })*
    };
}

asked! {
    reads: [KeyRequest, KeyListRequest, SessionSpecificRequest, DatacenterRequest, NodeRequest, ServiceRequest,
        QuerySpecificRequest, QueryExecuteRequest, ChecksInStateRequest, TxnReadRequest,]
    writes: [KvRequest, SessionRequest, TxnRequest, RegisterRequest, DeregisterRequest, PreparedQueryRequest,
        CoordinateUpdate, EventFireRequest, RaftRemovePeerRequest, AutopilotSetConfigRequest,]
}

impl Asked for () {
    fn datacenter(&self) -> &str {
        ""
    }

    fn datacenter_mut(&mut self) -> Option<&mut String> {
        None
    }
}

/// The datacenter's name is all there is.
impl Asked for String {
    fn datacenter(&self) -> &str {
        self
    }

    fn datacenter_mut(&mut self) -> Option<&mut String> {
        Some(self)
    }
}

impl Asked for SnapshotRequest {
    fn datacenter(&self) -> &str {
        &self.datacenter
    }

    fn datacenter_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.datacenter)
    }

    fn options(&self) -> &QueryOptions {
        if self.allow_stale { &STALE_READ } else { &DEFAULT_READ }
    }
}

impl Asked for KeyringRequest {
    fn datacenter(&self) -> &str {
        &self.datacenter
    }

    fn datacenter_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.datacenter)
    }
}

/// [`RpcMethod::read_options`] of a read.
fn reads<T: Asked>(request: &T) -> Option<&QueryOptions> {
    Some(request.options())
}

/// [`RpcMethod::read_options`] of a read that only the leader answers.
fn reads_leader<T>(_: &T) -> Option<&QueryOptions> {
    Some(&DEFAULT_READ)
}

/// [`RpcMethod::read_options`] of what changes something.
fn writes<T>(_: &T) -> Option<&QueryOptions> {
    None
}

fn append(out: &mut Vec<u8>, bytes: Vec<u8>) {
    if out.is_empty() {
        *out = bytes;
    } else {
        out.extend_from_slice(&bytes);
    }
}

macro_rules! rpc_methods {
    ($($name:ident $route:ident $options:ident $request:ty => $reply:ty;)*) => {
        $(impl RpcMethod for method::$name {
            const ROUTE: Route = Route::$route;

            fn encode_request(request: &Self::Request, out: &mut Vec<u8>) -> Result<(), Error> {
                append(out, <$request as Shape<Self::Request>>::encode(request)?);
                Ok(())
            }

            fn decode_request(body: &[u8]) -> Result<Self::Request, Error> {
                <$request as Shape<Self::Request>>::decode(body)
            }

            fn encode_reply(reply: &Self::Reply, out: &mut Vec<u8>) -> Result<(), Error> {
                append(out, <$reply as Shape<Self::Reply>>::encode(reply)?);
                Ok(())
            }

            fn decode_reply(body: &[u8]) -> Result<Self::Reply, Error> {
                <$reply as Shape<Self::Reply>>::decode(body)
            }

            fn datacenter(request: &Self::Request) -> &str {
                Asked::datacenter(request)
            }

            fn datacenter_mut(request: &mut Self::Request) -> Option<&mut String> {
                Asked::datacenter_mut(request)
            }

            fn read_options(request: &Self::Request) -> Option<&QueryOptions> {
                $options(request)
            }
        })*
    };
}

rpc_methods! {
    KvApply Leader writes Plain => Plain;
    KvGet Leader reads Keyed<'static> => Entries<'static>;
    KvList Leader reads Keyed<'static> => Entries<'static>;
    KvListKeys Leader reads KeyNames<'static> => Keys<'static>;
    SessionApply Leader writes SessionWrite => Plain;
    SessionGet Leader reads SessionSpecific<'static> => Sessions<'static>;
    SessionList Leader reads SessionSpecific<'static> => Sessions<'static>;
    SessionNodeSessions Leader reads NodeSpecific<'static> => Sessions<'static>;
    SessionRenew Leader writes Renewal => Sessions<'static>;
    TxnApply Leader writes Plain => Plain;
    TxnRead Leader reads TxnReads<'static> => TxnFound<'static>;
    CatalogRegister Leader writes Plain => Empty;
    CatalogDeregister Leader writes Plain => Empty;
    CatalogListDatacenters Here reads Empty => Plain;
    CatalogListNodes Leader reads DcSpecific<'static> => Nodes<'static>;
    CatalogListServices Leader reads DcSpecific<'static> => Services<'static>;
    CatalogServiceNodes Leader reads ServiceSpecific<'static> => Instances<'static>;
    CatalogNodeServices Leader reads NodeSpecific<'static> => ServicesOfNode<'static>;
    HealthNodeChecks Leader reads NodeSpecific<'static> => Checks<'static>;
    HealthServiceChecks Leader reads ServiceSpecific<'static> => Checks<'static>;
    HealthChecksInState Leader reads ChecksInState<'static> => Checks<'static>;
    HealthServiceNodes Leader reads ServiceSpecific<'static> => CheckedInstances<'static>;
    CatalogGatewayServices Leader reads ServiceSpecific<'static> => GatewayServices<'static>;
    CatalogVirtualIpForService Leader reads ServiceSpecific<'static> => Plain;
    PreparedQueryApply Leader writes Plain => Plain;
    PreparedQueryGet Leader reads QuerySpecific<'static> => Queries<'static>;
    PreparedQueryList Leader reads DcSpecific<'static> => Queries<'static>;
    PreparedQueryExplain Leader reads QueryExecute<'static> => Explained<'static>;
    PreparedQueryExecute Leader reads QueryExecute<'static> => Executed<'static>;
    CoordinateUpdateOne Leader writes Plain => Empty;
    CoordinateListDatacenters Here reads Empty => Areas<'static>;
    CoordinateListNodes Leader reads DcSpecific<'static> => Coordinates<'static>;
    CoordinateNode Leader reads NodeSpecific<'static> => Coordinates<'static>;
    ConnectCaRoots Leader reads DcSpecific<'static> => Roots<'static>;
    EventFire AnyServer writes EventBody<'static> => Empty;
    StatusLeader AnyServer reads DcSpecific<'static> => Plain;
    StatusPeers AnyServer reads DcSpecific<'static> => Plain;
    StatusPing Here reads Empty => Empty;
    StatusRaftStats Here reads Empty => Plain;
    CatalogNodeServiceList Leader reads NodeSpecific<'static> => ServiceListOfNode<'static>;
    OperatorRaftRemovePeerById Leader writes Plain => Empty;
    OperatorRaftRemovePeerByAddress Leader writes Plain => Empty;
    OperatorAutopilotGetConfiguration Leader reads DcSpecific<'static> => Plain;
    OperatorAutopilotSetConfiguration Leader writes Plain => Plain;
    OperatorServerHealth Leader reads_leader DcSpecific<'static> => HealthBody<'static>;
    OperatorAutopilotState Leader reads_leader DcSpecific<'static> => StateBody<'static>;
    InternalKeyringOperation Here reads KeyringBody<'static> => KeyringAnswers<'static>;
    OperatorRaftGetConfiguration Leader reads DcSpecific<'static> => RaftConfiguration<'static>;
}
