//! Reads of the catalog and of whole datacenters (`docs/spec/rpc-and-state.md` §4.1, §4.5).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::msgpack::{Error, from_slice, to_vec};

use super::group::request;
use super::shape::Shape;
use crate::QuerySource;
use crate::method::{ChecksInStateRequest, DatacenterRequest, NodeRequest, ServiceRequest, SnapshotRequest};

type Strings = BTreeMap<String, String>;

/// `QuerySource`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Source<'a> {
    pub(super) datacenter: Cow<'a, str>,
    pub(super) segment: Cow<'a, str>,
    pub(super) node: Cow<'a, str>,
    pub(super) node_partition: Cow<'a, str>,
    /// Address of who asks, for prepared queries near `_ip`.
    pub(super) ip: Cow<'a, str>,
}

impl<'a> From<&'a QuerySource> for Source<'a> {
    fn from(source: &'a QuerySource) -> Source<'a> {
        Source {
            datacenter: Cow::Borrowed(&source.datacenter),
            segment: Cow::Borrowed(&source.segment),
            node: Cow::Borrowed(&source.node),
            ..Source::default()
        }
    }
}

impl From<Source<'_>> for QuerySource {
    fn from(source: Source<'_>) -> QuerySource {
        QuerySource {
            datacenter: source.datacenter.into_owned(),
            node: source.node.into_owned(),
            segment: source.segment.into_owned(),
        }
    }
}

/// What is read of a peer must not be answered with what is registered here.
fn refuse_peer(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Ok(());
    }
    Err(Error::Message("objects imported from a peer are not there yet".to_owned()))
}

request! {
    /// `DCSpecificRequest`.
    DcSpecific<'a> {
        "Datacenter" datacenter: Cow<'a, str>,
        "NodeMetaFilters" node_meta: Cow<'a, Strings>,
        "Source" source: Source<'a>,
        "PeerName" peer_name: Cow<'a, str>,
    }
}

impl Shape<DatacenterRequest> for DcSpecific<'static> {
    fn encode(request: &DatacenterRequest) -> Result<Vec<u8>, Error> {
        let body = DcSpecific {
            datacenter: Cow::Borrowed(&request.options.datacenter),
            node_meta: Cow::Borrowed(&request.node_meta),
            source: Source::from(&request.source),
            ..DcSpecific::default()
        };
        to_vec(&body.with(&request.options))
    }

    fn decode(body: &[u8]) -> Result<DatacenterRequest, Error> {
        let mut body: DcSpecific<'static> = from_slice(body)?;
        refuse_peer(&body.peer_name)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter);
        Ok(DatacenterRequest { node_meta: body.node_meta.into_owned(), source: body.source.into(), options })
    }
}

/// Only the datacenter matters.
impl Shape<String> for DcSpecific<'static> {
    fn encode(datacenter: &String) -> Result<Vec<u8>, Error> {
        to_vec(&DcSpecific { datacenter: Cow::Borrowed(datacenter), ..DcSpecific::default() })
    }

    fn decode(body: &[u8]) -> Result<String, Error> {
        let body: DcSpecific<'static> = from_slice(body)?;
        Ok(body.datacenter.into_owned())
    }
}

impl Shape<SnapshotRequest> for DcSpecific<'static> {
    fn encode(request: &SnapshotRequest) -> Result<Vec<u8>, Error> {
        to_vec(&DcSpecific {
            datacenter: Cow::Borrowed(&request.datacenter),
            token: Cow::Borrowed(&request.token),
            allow_stale: request.allow_stale,
            ..DcSpecific::default()
        })
    }

    fn decode(body: &[u8]) -> Result<SnapshotRequest, Error> {
        let body: DcSpecific<'static> = from_slice(body)?;
        Ok(SnapshotRequest {
            datacenter: body.datacenter.into_owned(),
            token: body.token.into_owned(),
            allow_stale: body.allow_stale,
        })
    }
}

request! {
    /// `NodeSpecificRequest`.
    NodeSpecific<'a> {
        "Datacenter" datacenter: Cow<'a, str>,
        "Node" node: Cow<'a, str>,
        "PeerName" peer_name: Cow<'a, str>,
        "MergeCentralConfig" merge_central_config: bool,
    }
}

impl Shape<NodeRequest> for NodeSpecific<'static> {
    fn encode(request: &NodeRequest) -> Result<Vec<u8>, Error> {
        let body = NodeSpecific {
            datacenter: Cow::Borrowed(&request.options.datacenter),
            node: Cow::Borrowed(&request.node),
            ..NodeSpecific::default()
        };
        to_vec(&body.with(&request.options))
    }

    fn decode(body: &[u8]) -> Result<NodeRequest, Error> {
        let mut body: NodeSpecific<'static> = from_slice(body)?;
        refuse_peer(&body.peer_name)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter);
        Ok(NodeRequest { node: body.node.into_owned(), options })
    }
}

request! {
    /// `ServiceSpecificRequest`.
    ServiceSpecific<'a> {
        "Datacenter" datacenter: Cow<'a, str>,
        "PeerName" peer_name: Cow<'a, str>,
        "NodeMetaFilters" node_meta: Cow<'a, Strings>,
        "ServiceName" service_name: Cow<'a, str>,
        "ServiceKind" service_kind: Cow<'a, str>,
        /// The only tag, of clients before 1.3; it goes before the list.
        "ServiceTag" service_tag: Cow<'a, str>,
        "ServiceTags" service_tags: Cow<'a, [String]>,
        "ServiceAddress" service_address: Cow<'a, str>,
        /// Whether the tags matter at all.
        "TagFilter" tag_filter: bool,
        "Source" source: Source<'a>,
        "Connect" connect: bool,
        "Ingress" ingress: bool,
        "MergeCentralConfig" merge_central_config: bool,
    }
}

impl ServiceSpecific<'_> {
    /// The tags that every instance must have.
    fn take_tags(&mut self) -> Vec<String> {
        let (one, all) = (std::mem::take(&mut self.service_tag), std::mem::take(&mut self.service_tags));
        if !self.tag_filter {
            return Vec::new();
        }
        if one.is_empty() { all.into_owned() } else { vec![one.into_owned()] }
    }
}

impl Shape<ServiceRequest> for ServiceSpecific<'static> {
    fn encode(request: &ServiceRequest) -> Result<Vec<u8>, Error> {
        let body = ServiceSpecific {
            datacenter: Cow::Borrowed(&request.options.datacenter),
            peer_name: Cow::Borrowed(&request.peer_name),
            node_meta: Cow::Borrowed(&request.node_meta),
            service_name: Cow::Borrowed(&request.service),
            service_tags: Cow::Borrowed(&request.tags),
            tag_filter: !request.tags.is_empty(),
            source: Source::from(&request.source),
            connect: request.connect,
            ingress: request.ingress,
            merge_central_config: request.merge_central_config,
            ..ServiceSpecific::default()
        };
        to_vec(&body.with(&request.options))
    }

    fn decode(body: &[u8]) -> Result<ServiceRequest, Error> {
        let mut body: ServiceSpecific<'static> = from_slice(body)?;
        if !body.service_address.is_empty() {
            return Err(Error::Message("services by address are not there yet".to_owned()));
        }
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter);
        Ok(ServiceRequest {
            tags: body.take_tags(),
            service: body.service_name.into_owned(),
            node_meta: body.node_meta.into_owned(),
            source: body.source.into(),
            connect: body.connect,
            ingress: body.ingress,
            peer_name: body.peer_name.into_owned(),
            merge_central_config: body.merge_central_config,
            options,
        })
    }
}

request! {
    /// `ChecksInStateRequest`.
    ChecksInState<'a> {
        "Datacenter" datacenter: Cow<'a, str>,
        "NodeMetaFilters" node_meta: Cow<'a, Strings>,
        "State" state: Cow<'a, str>,
        "Source" source: Source<'a>,
        "PeerName" peer_name: Cow<'a, str>,
    }
}

impl Shape<ChecksInStateRequest> for ChecksInState<'static> {
    fn encode(request: &ChecksInStateRequest) -> Result<Vec<u8>, Error> {
        let body = ChecksInState {
            datacenter: Cow::Borrowed(&request.options.datacenter),
            node_meta: Cow::Borrowed(&request.node_meta),
            state: Cow::Borrowed(&request.state),
            source: Source::from(&request.source),
            ..ChecksInState::default()
        };
        to_vec(&body.with(&request.options))
    }

    fn decode(body: &[u8]) -> Result<ChecksInStateRequest, Error> {
        let mut body: ChecksInState<'static> = from_slice(body)?;
        refuse_peer(&body.peer_name)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter);
        Ok(ChecksInStateRequest {
            state: body.state.into_owned(),
            node_meta: body.node_meta.into_owned(),
            source: body.source.into(),
            options,
        })
    }
}
