//! Requests about gossip: a user event to be spread, an operation on the keys (`docs/spec/rpc-and-state.md` §4.2).

use std::borrow::Cow;

use wire::msgpack::{Error, from_slice, to_vec};

use super::group::request;
use super::shape::Shape;
use crate::method::{EventFireRequest, KeyringRequest};
use crate::{Consistency, QueryOptions, UserEvent};

request! {
    /// `EventFireRequest`. The payload is the whole event as it is spread.
    EventBody<'a> {
        "Datacenter" datacenter: Cow<'a, str>,
        "Name" name: Cow<'a, str>,
        #[serde(with = "wire::msgpack::bytes")]
        "Payload" payload: Cow<'a, [u8]>,
    }
}

impl Shape<EventFireRequest> for EventBody<'static> {
    fn encode(request: &EventFireRequest) -> Result<Vec<u8>, Error> {
        // Any server can spread it.
        let consistency = Consistency::Stale;
        let options = QueryOptions { token: request.token.clone(), consistency, ..QueryOptions::default() };
        let body = EventBody {
            datacenter: Cow::Borrowed(&request.datacenter),
            name: Cow::Borrowed(&request.event.name),
            payload: Cow::Owned(request.event.to_broadcast()?),
            ..EventBody::default()
        };
        to_vec(&body.with(&options))
    }

    fn decode(body: &[u8]) -> Result<EventFireRequest, Error> {
        let mut body: EventBody<'static> = from_slice(body)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter);
        let event = UserEvent { name: body.name.into_owned(), ..UserEvent::from_broadcast(&body.payload)? };
        Ok(EventFireRequest { datacenter: options.datacenter, event, token: options.token })
    }
}

request! {
    /// `KeyringRequest`.
    KeyringBody<'a> {
        "Operation" operation: Cow<'a, str>,
        "Key" key: Cow<'a, str>,
        "Datacenter" datacenter: Cow<'a, str>,
        "Forwarded" forwarded: bool,
        "RelayFactor" relay_factor: u8,
        "LocalOnly" local_only: bool,
    }
}

impl Shape<KeyringRequest> for KeyringBody<'static> {
    fn encode(request: &KeyringRequest) -> Result<Vec<u8>, Error> {
        let body = KeyringBody {
            operation: Cow::Borrowed(&request.operation),
            key: Cow::Borrowed(&request.key),
            datacenter: Cow::Borrowed(&request.datacenter),
            forwarded: request.forwarded,
            relay_factor: request.relay_factor,
            local_only: request.local_only,
            ..KeyringBody::default()
        };
        to_vec(&body.with(&request.options))
    }

    fn decode(body: &[u8]) -> Result<KeyringRequest, Error> {
        let mut body: KeyringBody<'static> = from_slice(body)?;
        let datacenter = std::mem::take(&mut body.datacenter).into_owned();
        let options = body.take_options(datacenter.clone());
        Ok(KeyringRequest {
            operation: body.operation.into_owned(),
            key: body.key.into_owned(),
            datacenter,
            forwarded: body.forwarded,
            relay_factor: body.relay_factor,
            local_only: body.local_only,
            options,
        })
    }
}
