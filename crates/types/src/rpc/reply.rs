//! Answers that carry the group `QM` (`docs/spec/rpc-and-state.md` §4.1, §4.2).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use wire::msgpack::{Error, from_slice, to_vec};

use super::element::{NodeWithServiceList, NodeWithServices};
use super::group::reply;
use super::shape::{Shape, each};
use crate::method::{Indexed, QueryExecuteReply, TxnReadReply};
use crate::prepared_query::QueryDns;
use crate::{
    CaRoot, CaRoots, CheckServiceNode, CoordinateEntry, DirEntry, GatewayService, HealthCheck, Key, Node, NodeServices,
    PreparedQuery, ServiceNode, Session, TxnError, TxnResponse, TxnResult,
};

/// Answers that are one list.
macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident $key:literal $item:ty;)*) => {$(
        reply! {
            $(#[$doc])*
            $name<'a> {
                $key items: Cow<'a, [$item]>,
            }
        }

        impl Shape<Indexed<Vec<$item>>> for $name<'static> {
            fn encode(found: &Indexed<Vec<$item>>) -> Result<Vec<u8>, Error> {
                let body = $name { items: Cow::Borrowed(&found.value), ..$name::default() };
                to_vec(&body.with(&found.meta))
            }

            fn decode(body: &[u8]) -> Result<Indexed<Vec<$item>>, Error> {
                let body: $name<'static> = from_slice(body)?;
                Ok(Indexed { meta: body.meta(), value: body.items.into_owned() })
            }
        }
    )*};
}

lists! {
    /// `IndexedDirEntries`.
    Entries "Entries" Arc<DirEntry>;
    /// `IndexedKeyList`.
    Keys "Keys" Key;
    /// `IndexedSessions`.
    Sessions "Sessions" Arc<Session>;
    /// `IndexedNodes`.
    Nodes "Nodes" Arc<Node>;
    /// `IndexedHealthChecks`.
    Checks "HealthChecks" Arc<HealthCheck>;
    /// `IndexedGatewayServices`.
    GatewayServices "Services" Arc<GatewayService>;
    /// `IndexedPreparedQueries`.
    Queries "Queries" Arc<PreparedQuery>;
    /// `IndexedCoordinates`.
    Coordinates "Coordinates" CoordinateEntry;
}

/// Answers that are a list of one or of nothing.
macro_rules! one_of {
    ($($name:ident $item:ty;)*) => {$(
        impl Shape<Indexed<Option<$item>>> for $name<'static> {
            fn encode(found: &Indexed<Option<$item>>) -> Result<Vec<u8>, Error> {
                let body = $name { items: Cow::Borrowed(found.value.as_slice()), ..$name::default() };
                to_vec(&body.with(&found.meta))
            }

            fn decode(body: &[u8]) -> Result<Indexed<Option<$item>>, Error> {
                let body: $name<'static> = from_slice(body)?;
                Ok(Indexed { meta: body.meta(), value: body.items.into_owned().into_iter().next() })
            }
        }
    )*};
}

one_of! {
    Entries Arc<DirEntry>;
    Sessions Arc<Session>;
}

type ServiceTags = BTreeMap<String, Vec<String>>;

reply! {
    /// `IndexedServices`.
    Services<'a> {
        "Services" services: Cow<'a, ServiceTags>,
    }
}

impl Shape<Indexed<ServiceTags>> for Services<'static> {
    fn encode(found: &Indexed<ServiceTags>) -> Result<Vec<u8>, Error> {
        let body = Services { services: Cow::Borrowed(&found.value), ..Services::default() };
        to_vec(&body.with(&found.meta))
    }

    fn decode(body: &[u8]) -> Result<Indexed<ServiceTags>, Error> {
        let body: Services<'static> = from_slice(body)?;
        Ok(Indexed { meta: body.meta(), value: body.services.into_owned() })
    }
}

reply! {
    /// `IndexedServiceNodes`.
    Instances<'a> {
        #[serde(with = "each")]
        "ServiceNodes" nodes: Cow<'a, [ServiceNode]>,
    }
}

impl Shape<Indexed<Vec<ServiceNode>>> for Instances<'static> {
    fn encode(found: &Indexed<Vec<ServiceNode>>) -> Result<Vec<u8>, Error> {
        let body = Instances { nodes: Cow::Borrowed(&found.value), ..Instances::default() };
        to_vec(&body.with(&found.meta))
    }

    fn decode(body: &[u8]) -> Result<Indexed<Vec<ServiceNode>>, Error> {
        let body: Instances<'static> = from_slice(body)?;
        Ok(Indexed { meta: body.meta(), value: body.nodes.into_owned() })
    }
}

reply! {
    /// `IndexedCheckServiceNodes`.
    CheckedInstances<'a> {
        #[serde(with = "each")]
        "Nodes" nodes: Cow<'a, [CheckServiceNode]>,
    }
}

impl Shape<Indexed<Vec<CheckServiceNode>>> for CheckedInstances<'static> {
    fn encode(found: &Indexed<Vec<CheckServiceNode>>) -> Result<Vec<u8>, Error> {
        let body = CheckedInstances { nodes: Cow::Borrowed(&found.value), ..CheckedInstances::default() };
        to_vec(&body.with(&found.meta))
    }

    fn decode(body: &[u8]) -> Result<Indexed<Vec<CheckServiceNode>>, Error> {
        let body: CheckedInstances<'static> = from_slice(body)?;
        Ok(Indexed { meta: body.meta(), value: body.nodes.into_owned() })
    }
}

reply! {
    /// `IndexedNodeServices`.
    ServicesOfNode<'a> {
        "NodeServices" found: Option<NodeWithServices<'a>>,
    }
}

impl Shape<Indexed<Option<NodeServices>>> for ServicesOfNode<'static> {
    fn encode(found: &Indexed<Option<NodeServices>>) -> Result<Vec<u8>, Error> {
        let body =
            ServicesOfNode { found: found.value.as_ref().map(NodeWithServices::from), ..ServicesOfNode::default() };
        to_vec(&body.with(&found.meta))
    }

    fn decode(body: &[u8]) -> Result<Indexed<Option<NodeServices>>, Error> {
        let body: ServicesOfNode<'static> = from_slice(body)?;
        Ok(Indexed { meta: body.meta(), value: body.found.map(NodeServices::from) })
    }
}

reply! {
    /// `IndexedNodeServiceList`. Its struct is there for an unknown node too; it has no node then.
    ServiceListOfNode<'a> {
        "NodeServices" found: NodeWithServiceList<'a>,
    }
}

impl Shape<Indexed<Option<NodeServices>>> for ServiceListOfNode<'static> {
    fn encode(found: &Indexed<Option<NodeServices>>) -> Result<Vec<u8>, Error> {
        let list = found.value.as_ref().map(NodeWithServiceList::from).unwrap_or_default();
        let body = ServiceListOfNode { found: list, ..ServiceListOfNode::default() };
        to_vec(&body.with(&found.meta))
    }

    fn decode(body: &[u8]) -> Result<Indexed<Option<NodeServices>>, Error> {
        let body: ServiceListOfNode<'static> = from_slice(body)?;
        Ok(Indexed { meta: body.meta(), value: body.found.into_found() })
    }
}

reply! {
    /// `PreparedQueryExplainResponse`.
    Explained<'a> {
        "Query" query: Cow<'a, PreparedQuery>,
    }
}

impl Shape<Indexed<PreparedQuery>> for Explained<'static> {
    fn encode(found: &Indexed<PreparedQuery>) -> Result<Vec<u8>, Error> {
        let body = Explained { query: Cow::Borrowed(&found.value), ..Explained::default() };
        to_vec(&body.with(&found.meta))
    }

    fn decode(body: &[u8]) -> Result<Indexed<PreparedQuery>, Error> {
        let body: Explained<'static> = from_slice(body)?;
        Ok(Indexed { meta: body.meta(), value: body.query.into_owned() })
    }
}

reply! {
    /// `PreparedQueryExecuteResponse`.
    Executed<'a> {
        "Service" service: Cow<'a, str>,
        #[serde(with = "each")]
        "Nodes" nodes: Cow<'a, [CheckServiceNode]>,
        "DNS" dns: Cow<'a, QueryDns>,
        "Datacenter" datacenter: Cow<'a, str>,
        "PeerName" peer_name: Cow<'a, str>,
        "Failovers" failovers: u64,
    }
}

impl Shape<QueryExecuteReply> for Executed<'static> {
    fn encode(reply: &QueryExecuteReply) -> Result<Vec<u8>, Error> {
        let body = Executed {
            service: Cow::Borrowed(&reply.service),
            nodes: Cow::Borrowed(&reply.nodes),
            dns: Cow::Borrowed(&reply.dns),
            datacenter: Cow::Borrowed(&reply.datacenter),
            peer_name: Cow::Borrowed(&reply.peer_name),
            failovers: reply.failovers,
            ..Executed::default()
        };
        to_vec(&body.with(&reply.meta))
    }

    fn decode(body: &[u8]) -> Result<QueryExecuteReply, Error> {
        let body: Executed<'static> = from_slice(body)?;
        Ok(QueryExecuteReply {
            meta: body.meta(),
            service: body.service.into_owned(),
            nodes: body.nodes.into_owned(),
            dns: body.dns.into_owned(),
            datacenter: body.datacenter.into_owned(),
            peer_name: body.peer_name.into_owned(),
            failovers: body.failovers,
        })
    }
}

reply! {
    /// `TxnReadResponse`.
    TxnFound<'a> {
        "Results" results: Cow<'a, [TxnResult]>,
        "Errors" errors: Cow<'a, [TxnError]>,
    }
}

impl Shape<TxnReadReply> for TxnFound<'static> {
    fn encode(found: &TxnReadReply) -> Result<Vec<u8>, Error> {
        let body = TxnFound {
            results: Cow::Borrowed(&found.value.results),
            errors: Cow::Borrowed(&found.value.errors),
            ..TxnFound::default()
        };
        to_vec(&body.with(&found.meta))
    }

    fn decode(body: &[u8]) -> Result<TxnReadReply, Error> {
        let body: TxnFound<'static> = from_slice(body)?;
        let meta = body.meta();
        let value = TxnResponse { results: body.results.into_owned(), errors: body.errors.into_owned() };
        Ok(Indexed { value, meta })
    }
}

reply! {
    /// `IndexedCARoots`.
    Roots<'a> {
        "ActiveRootID" active_root_id: Cow<'a, str>,
        "TrustDomain" trust_domain: Cow<'a, str>,
        "Roots" roots: Cow<'a, [Arc<CaRoot>]>,
    }
}

impl Shape<Indexed<CaRoots>> for Roots<'static> {
    fn encode(found: &Indexed<CaRoots>) -> Result<Vec<u8>, Error> {
        let body = Roots {
            active_root_id: Cow::Borrowed(&found.value.active_root_id),
            trust_domain: Cow::Borrowed(&found.value.trust_domain),
            roots: Cow::Borrowed(&found.value.roots),
            ..Roots::default()
        };
        to_vec(&body.with(&found.meta))
    }

    fn decode(body: &[u8]) -> Result<Indexed<CaRoots>, Error> {
        let body: Roots<'static> = from_slice(body)?;
        let meta = body.meta();
        let value = CaRoots {
            active_root_id: body.active_root_id.into_owned(),
            trust_domain: body.trust_domain.into_owned(),
            roots: body.roots.into_owned(),
        };
        Ok(Indexed { value, meta })
    }
}
