//! Reads of keys, sessions and prepared queries, and transactions that only read
//! (`docs/spec/rpc-and-state.md` §4.2).

use std::borrow::Cow;

use serde::Deserialize;
use wire::msgpack::{Error, from_slice, to_vec};

use super::group::request;
use super::request::Source;
use super::shape::Shape;
use crate::method::{
    DatacenterRequest, KeyListRequest, KeyRequest, QueryExecuteRequest, QuerySpecificRequest, SessionSpecificRequest,
    TxnReadRequest,
};
use crate::{Session, SessionOp, SessionRequest, TxnOp, TxnRequest};

request! {
    /// `KeyRequest`.
    Keyed<'a> {
        "Datacenter" datacenter: Cow<'a, str>,
        #[serde(with = "wire::msgpack::bytes")]
        "Key" key: Cow<'a, [u8]>,
    }
}

impl Shape<KeyRequest> for Keyed<'static> {
    fn encode(request: &KeyRequest) -> Result<Vec<u8>, Error> {
        let body = Keyed {
            datacenter: Cow::Borrowed(&request.options.datacenter),
            key: Cow::Borrowed(request.key.as_bytes()),
            ..Keyed::default()
        };
        to_vec(&body.with(&request.options))
    }

    fn decode(body: &[u8]) -> Result<KeyRequest, Error> {
        let mut body: Keyed<'static> = from_slice(body)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter);
        Ok(KeyRequest { key: body.key.into_owned().into(), options })
    }
}

request! {
    /// `KeyListRequest`; the reference spells its last field so.
    KeyNames<'a> {
        "Datacenter" datacenter: Cow<'a, str>,
        #[serde(with = "wire::msgpack::bytes")]
        "Prefix" prefix: Cow<'a, [u8]>,
        #[serde(with = "wire::msgpack::bytes")]
        "Seperator" separator: Cow<'a, [u8]>,
    }
}

impl Shape<KeyListRequest> for KeyNames<'static> {
    fn encode(request: &KeyListRequest) -> Result<Vec<u8>, Error> {
        let body = KeyNames {
            datacenter: Cow::Borrowed(&request.options.datacenter),
            prefix: Cow::Borrowed(request.prefix.as_bytes()),
            separator: Cow::Borrowed(&request.separator),
            ..KeyNames::default()
        };
        to_vec(&body.with(&request.options))
    }

    fn decode(body: &[u8]) -> Result<KeyListRequest, Error> {
        let mut body: KeyNames<'static> = from_slice(body)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter);
        Ok(KeyListRequest { prefix: body.prefix.into_owned().into(), separator: body.separator.into_owned(), options })
    }
}

request! {
    /// `SessionSpecificRequest`.
    SessionSpecific<'a> {
        "Datacenter" datacenter: Cow<'a, str>,
        "SessionID" session_id: Cow<'a, str>,
        /// Where older clients put the ID.
        "Session" session: Cow<'a, str>,
    }
}

impl<'a> From<&'a SessionSpecificRequest> for SessionSpecific<'a> {
    fn from(request: &'a SessionSpecificRequest) -> SessionSpecific<'a> {
        let body = SessionSpecific {
            datacenter: Cow::Borrowed(&request.options.datacenter),
            session_id: Cow::Borrowed(&request.session_id),
            ..SessionSpecific::default()
        };
        body.with(&request.options)
    }
}

impl Shape<SessionSpecificRequest> for SessionSpecific<'static> {
    fn encode(request: &SessionSpecificRequest) -> Result<Vec<u8>, Error> {
        to_vec(&SessionSpecific::from(request))
    }

    fn decode(body: &[u8]) -> Result<SessionSpecificRequest, Error> {
        let mut body: SessionSpecific<'static> = from_slice(body)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter);
        let id = if body.session_id.is_empty() { body.session } else { body.session_id };
        Ok(SessionSpecificRequest { session_id: id.into_owned(), options })
    }
}

/// A list of sessions names none.
impl Shape<DatacenterRequest> for SessionSpecific<'static> {
    fn encode(request: &DatacenterRequest) -> Result<Vec<u8>, Error> {
        let datacenter = Cow::Borrowed(request.options.datacenter.as_str());
        let body = SessionSpecific { datacenter, ..SessionSpecific::default() };
        to_vec(&body.with(&request.options))
    }

    fn decode(body: &[u8]) -> Result<DatacenterRequest, Error> {
        let mut body: SessionSpecific<'static> = from_slice(body)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        Ok(DatacenterRequest { options: body.take_options(datacenter), ..DatacenterRequest::default() })
    }
}

/// `SessionSpecificRequest` of a renewal, which only the leader can do: a server of the reference would take one that
/// allows stale answers for a read (`docs/spec/rpc-and-state.md` §10, 25).
pub(super) enum Renewal {}

impl Shape<SessionSpecificRequest> for Renewal {
    fn encode(request: &SessionSpecificRequest) -> Result<Vec<u8>, Error> {
        to_vec(&SessionSpecific { allow_stale: false, ..SessionSpecific::from(request) })
    }

    fn decode(body: &[u8]) -> Result<SessionSpecificRequest, Error> {
        <SessionSpecific<'static> as Shape<SessionSpecificRequest>>::decode(body)
    }
}

/// `SessionRequest`. It is written as it is; read, an operation nobody knows is named as the reference names it.
pub(super) enum SessionWrite {}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct SessionBody {
    datacenter: String,
    op: String,
    session: Session,
    token: String,
}

impl Shape<SessionRequest> for SessionWrite {
    fn encode(request: &SessionRequest) -> Result<Vec<u8>, Error> {
        to_vec(request)
    }

    fn decode(body: &[u8]) -> Result<SessionRequest, Error> {
        let SessionBody { datacenter, op, session, token } = from_slice(body)?;
        let op = match op.as_str() {
            "create" => SessionOp::Create,
            "destroy" => SessionOp::Destroy,
            _ => return Err(Error::Message(format!("Invalid session operation {op:?}"))),
        };
        Ok(SessionRequest { datacenter, op, session, token })
    }
}

request! {
    /// `PreparedQuerySpecificRequest`.
    QuerySpecific<'a> {
        "Datacenter" datacenter: Cow<'a, str>,
        "QueryID" query_id: Cow<'a, str>,
    }
}

impl Shape<QuerySpecificRequest> for QuerySpecific<'static> {
    fn encode(request: &QuerySpecificRequest) -> Result<Vec<u8>, Error> {
        let body = QuerySpecific {
            datacenter: Cow::Borrowed(&request.options.datacenter),
            query_id: Cow::Borrowed(&request.query_id),
            ..QuerySpecific::default()
        };
        to_vec(&body.with(&request.options))
    }

    fn decode(body: &[u8]) -> Result<QuerySpecificRequest, Error> {
        let mut body: QuerySpecific<'static> = from_slice(body)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter);
        Ok(QuerySpecificRequest { query_id: body.query_id.into_owned(), options })
    }
}

request! {
    /// `PreparedQueryExecuteRequest`.
    QueryExecute<'a> {
        "Datacenter" datacenter: Cow<'a, str>,
        "QueryIDOrName" query_id_or_name: Cow<'a, str>,
        "Limit" limit: i64,
        "Connect" connect: bool,
        "Source" source: Source<'a>,
        "Agent" agent: Source<'a>,
    }
}

impl Shape<QueryExecuteRequest> for QueryExecute<'static> {
    fn encode(request: &QueryExecuteRequest) -> Result<Vec<u8>, Error> {
        let body = QueryExecute {
            datacenter: Cow::Borrowed(&request.options.datacenter),
            query_id_or_name: Cow::Borrowed(&request.query_id_or_name),
            limit: request.limit,
            connect: request.connect,
            source: Source { ip: Cow::Borrowed(&request.source_ip), ..Source::from(&request.source) },
            agent: Source::from(&request.agent),
            ..QueryExecute::default()
        };
        to_vec(&body.with(&request.options))
    }

    fn decode(body: &[u8]) -> Result<QueryExecuteRequest, Error> {
        let mut body: QueryExecute<'static> = from_slice(body)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter);
        Ok(QueryExecuteRequest {
            query_id_or_name: body.query_id_or_name.into_owned(),
            limit: body.limit,
            connect: body.connect,
            source_ip: std::mem::take(&mut body.source.ip).into_owned(),
            source: body.source.into(),
            agent: body.agent.into(),
            options,
        })
    }
}

request! {
    /// `TxnReadRequest`.
    TxnReads<'a> {
        "Datacenter" datacenter: Cow<'a, str>,
        "Ops" ops: Cow<'a, [TxnOp]>,
    }
}

impl Shape<TxnReadRequest> for TxnReads<'static> {
    fn encode(request: &TxnReadRequest) -> Result<Vec<u8>, Error> {
        let body = TxnReads {
            datacenter: Cow::Borrowed(&request.options.datacenter),
            ops: Cow::Borrowed(&request.txn.ops),
            ..TxnReads::default()
        };
        to_vec(&body.with(&request.options))
    }

    fn decode(body: &[u8]) -> Result<TxnReadRequest, Error> {
        let mut body: TxnReads<'static> = from_slice(body)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter);
        let (datacenter, token) = (options.datacenter.clone(), options.token.clone());
        Ok(TxnReadRequest { txn: TxnRequest { datacenter, ops: body.ops.into_owned(), token }, options })
    }
}
