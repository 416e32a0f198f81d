//! Exchanges over streams (`docs/spec/gossip.md` §3.3, §8): full state in both directions, pings, messages of the upper
//! layer.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::roster::OWN;
use super::state::fits;
use super::{Candidate, ExchangeId, JoinId, Membership, MembershipEffect, NodeState, StreamId, Time, Upper};
use crate::keyring::KeyringError;
use crate::measures::millis;
use crate::wire::{
    Ack, Failure, FullState, Kind, NodeStateRecord, Ping, Versions, WireError, decode, encode, read_state,
    read_user_message, write_state,
};

/// An exchange of ours under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    purpose: Purpose,
    began: Time,
}

/// What an exchange of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To join.
    Join(JoinId),
    /// Periodic.
    PushPull,
    /// A ping with this number.
    Ping(u32),
}

impl Exchange {
    /// A ping with this number.
    pub(super) fn ping(sequence: u32, now: Time) -> Exchange {
        Exchange { purpose: Purpose::Ping(sequence), began: now }
    }
}

impl Membership {
    /// Exchanges full state with the node at this address to join its pool. It ends in [`MembershipEffect::Joined`].
    /// `node` is the name expected there, if one is.
    pub(crate) fn join(&mut self, id: JoinId, node: Option<&str>, to: SocketAddr, now: Time, up: &mut dyn Upper) {
        let name = node.unwrap_or_default();
        self.log.debug(format_args!("memberlist: Initiating push/pull sync with: {name} {to}"));
        let started = match self.schedule {
            None => Err("the pool is shut down".to_owned()),
            Some(_) => self.start_state_exchange(Purpose::Join(id), to, now, up).map_err(|error| error.to_string()),
        };
        if let Err(error) = started {
            self.effects.push_back(MembershipEffect::Joined { id, result: Err(error) });
        }
    }

    /// The periodic exchange, with a random node that is alive.
    pub(super) fn start_push_pull(&mut self, now: Time, up: &mut dyn Upper) {
        let chosen = self.roster.pick(1, &mut self.rng, |slot, node| slot != OWN && node.state == NodeState::Alive);
        let Some(to) = chosen.first().and_then(|&slot| self.roster.node(slot)).map(|node| node.address) else {
            return;
        };
        if let Err(error) = self.start_state_exchange(Purpose::PushPull, to, now, up) {
            self.log.error(format_args!("memberlist: Push/Pull with {to} failed: {error}"));
        }
    }

    fn start_state_exchange(
        &mut self,
        purpose: Purpose,
        to: SocketAddr,
        now: Time,
        up: &mut dyn Upper,
    ) -> Result<ExchangeId, KeyringError> {
        let state = self.own_state(matches!(purpose, Purpose::Join(_)), up);
        let timeout = self.settings.profile.tcp_timeout;
        self.start_exchange(Exchange { purpose, began: now }, to, &state, timeout)
    }

    pub(super) fn start_exchange(
        &mut self,
        exchange: Exchange,
        to: SocketAddr,
        message: &[u8],
        timeout: Duration,
    ) -> Result<ExchangeId, KeyringError> {
        let frame = self.pipeline.frame_request(message)?;
        self.next_exchange += 1;
        let id = ExchangeId(self.next_exchange);
        self.exchanges.insert(id, exchange);
        self.effects.push_back(MembershipEffect::Exchange { id, to, frame, wants_reply: true, timeout });
        Ok(id)
    }

    /// An exchange of ours ended: with the frame that came back, or the reason why none did.
    pub(crate) fn exchange_reply(
        &mut self,
        id: ExchangeId,
        reply: Result<Bytes, String>,
        now: Time,
        up: &mut dyn Upper,
    ) {
        let Some(exchange) = self.exchanges.remove(&id) else {
            return;
        };
        self.wake_up(now);
        let Exchange { purpose, began } = exchange;
        let is_join = matches!(purpose, Purpose::Join(_));
        match purpose {
            Purpose::Ping(sequence) => match reply.and_then(|frame| self.read_ack(&frame, sequence)) {
                Ok(()) => self.contacted(sequence),
                Err(error) => self.log.debug(format_args!("memberlist: Failed fallback TCP ping: {error}")),
            },
            Purpose::Join(_) | Purpose::PushPull => {
                let result = reply.and_then(|frame| self.merge_reply(&frame, is_join, now, up));
                self.measures.push_pulls.push(millis(now.saturating_sub(began)));
                match (purpose, result) {
                    (Purpose::Join(id), result) => {
                        self.effects.push_back(MembershipEffect::Joined { id, result });
                    }
                    (_, Err(error)) => self.log.error(format_args!("memberlist: Push/Pull failed: {error}")),
                    (_, Ok(())) => {}
                }
            }
        }
        self.settle_tickets();
    }

    fn read_ack(&self, frame: &[u8], sequence: u32) -> Result<(), String> {
        let message = self.pipeline.open_reply(frame).map_err(|error| error.to_string())?;
        match message.split_first() {
            Some((&kind, body)) if kind == Kind::Ack as u8 => {
                let ack: Ack<'_> = decode(body).map_err(|error| error.to_string())?;
                if ack.seq_no != sequence {
                    return Err(format!("Sequence number from ack ({}) doesn't match ping ({sequence})", ack.seq_no));
                }
                Ok(())
            }
            other => Err(unexpected(other, Kind::Ack, "ackRespMsg")),
        }
    }

    fn merge_reply(&mut self, frame: &[u8], join: bool, now: Time, up: &mut dyn Upper) -> Result<(), String> {
        let message = self.pipeline.open_reply(frame).map_err(|error| error.to_string())?;
        match message.split_first() {
            Some((&kind, body)) if kind == Kind::PushPull as u8 => {
                let state = read_state(body).map_err(|error| error.to_string())?;
                self.measures.remote_sizes.push(message.len() as f64);
                self.merge_state(&state, join, now, up)
            }
            Some((&kind, body)) if kind == Kind::Failure as u8 => {
                let failure: Failure<'_> = decode(body).map_err(|error| error.to_string())?;
                Err(format!("remote error: {}", failure.error))
            }
            other => Err(unexpected(other, Kind::PushPull, "pushPullMsg")),
        }
    }

    /// Answers a request that came on a stream; every request gets a [`MembershipEffect::StreamReply`], at once.
    pub(crate) fn stream_request(
        &mut self,
        id: StreamId,
        from: SocketAddr,
        frame: &[u8],
        now: Time,
        up: &mut dyn Upper,
    ) {
        if self.schedule.is_none() {
            self.reply(id, None);
            return;
        }
        self.wake_up(now);
        match self.pipeline.open_request(frame) {
            Ok(message) => {
                if let Err(error) = self.serve(id, &message, now, up) {
                    self.log.error(format_args!("memberlist: failed to serve a stream: {error} from={from}"));
                    self.reply(id, None);
                }
            }
            Err(error) => {
                self.log.error(format_args!("memberlist: failed to receive: {error} from={from}"));
                // The label keeps pools apart that have nothing to say to each other.
                let silent =
                    matches!(error, WireError::MalformedLabel | WireError::UnexpectedLabel(_) | WireError::Truncated);
                let failure = (!silent).then(|| encode(Kind::Failure, &Failure { error: error.to_string().into() }));
                self.reply(id, failure.as_deref());
            }
        }
        self.settle_tickets();
    }

    /// A stream broke before its answer. Answers are given at once, so nothing waits for it.
    pub(crate) fn stream_broken(&mut self, id: StreamId) {
        self.log.debug(format_args!("memberlist: stream {} broke", id.0));
    }

    /// Answers a request, unless it cannot be read; then nothing was answered yet.
    fn serve(&mut self, id: StreamId, message: &[u8], now: Time, up: &mut dyn Upper) -> Result<(), WireError> {
        let (&kind, body) = message.split_first().ok_or(WireError::Truncated)?;
        match Kind::of(kind) {
            Some(Kind::User) => {
                let message = read_user_message(body)?;
                self.reply(id, None);
                up.user_message(message, now);
            }
            Some(Kind::Ping) => {
                let ping: Ping<'_> = decode(body)?;
                if !self.is_for_us(&ping) {
                    return Err(WireError::Field(format!("Got ping for unexpected node {}", ping.node)));
                }
                let ack = encode(Kind::Ack, &Ack { seq_no: ping.seq_no, ..Ack::default() });
                self.reply(id, Some(&ack));
            }
            Some(Kind::PushPull) => {
                let state = read_state(body)?;
                self.measures.remote_sizes.push(message.len() as f64);
                // Our state as it was: the other learns of its own state from it, before we take that in.
                let own = self.own_state(state.join, up);
                self.reply(id, Some(&own));
                if let Err(error) = self.merge_state(&state, state.join, now, up) {
                    self.log.error(format_args!("memberlist: Failed push/pull merge: {error}"));
                }
            }
            _ => return Err(WireError::UnexpectedType(kind)),
        }
        Ok(())
    }

    fn reply(&mut self, id: StreamId, message: Option<&[u8]>) {
        let frame = message.and_then(|message| {
            let frame = self.pipeline.frame_reply(message);
            frame.inspect_err(|error| self.log.error(format_args!("memberlist: {error}"))).ok()
        });
        self.effects.push_back(MembershipEffect::StreamReply { id, frame });
    }

    /// All we believe, for another node.
    fn own_state(&mut self, join: bool, up: &mut dyn Upper) -> Vec<u8> {
        let user = up.local_state(join);
        let records = self.roster.nodes().map(|node| NodeStateRecord {
            addr: node.address.ip().into(),
            incarnation: node.incarnation,
            meta: Cow::Borrowed(&*node.meta),
            name: Cow::Borrowed(&*node.name),
            port: node.address.port(),
            state: node.state as i64,
            vsn: Versions::all(node.vsn),
        });
        let state = write_state(join, records, self.roster.len(), &user);
        self.measures.local_size = Some(state.len());
        state
    }

    /// Takes in all another node believes, unless it or one of the others cannot be a member.
    fn merge_state(&mut self, state: &FullState<'_>, join: bool, now: Time, up: &mut dyn Upper) -> Result<(), String> {
        self.check_versions(&state.nodes)?;
        if join {
            let candidates = state.nodes.iter().map(candidate).collect::<Result<Vec<_>, String>>()?;
            up.admit(&candidates, true)?;
        }
        self.merge(&state.nodes, now, up);
        if !state.user.is_empty() {
            up.merge_remote_state(state.user, join, now);
        }
        Ok(())
    }

    /// Whether every node, here and there, speaks versions that all nodes alive understand.
    fn check_versions(&self, remote: &[NodeStateRecord<'_>]) -> Result<(), String> {
        let mut range = Understood::default();
        for record in remote.iter().filter(|record| record.state == 0 && record.vsn.announced > 0) {
            range.narrow(record.vsn.bytes);
        }
        for node in self.nodes().filter(|node| node.state == NodeState::Alive) {
            range.narrow(node.vsn);
        }
        for record in remote {
            range.check(&record.name, record.vsn.bytes)?;
        }
        self.nodes().try_for_each(|node| range.check(&node.name, node.vsn))
    }
}

/// The versions of both protocols that some nodes all understand.
struct Understood {
    protocol: (u8, u8),
    delegate: (u8, u8),
}

impl Default for Understood {
    fn default() -> Understood {
        Understood { protocol: (0, u8::MAX), delegate: (0, u8::MAX) }
    }
}

impl Understood {
    fn narrow(&mut self, [pmin, pmax, _, dmin, dmax, _]: [u8; 6]) {
        self.protocol = (self.protocol.0.max(pmin), self.protocol.1.min(pmax));
        self.delegate = (self.delegate.0.max(dmin), self.delegate.1.min(dmax));
    }

    fn check(&self, name: &str, [_, _, protocol, _, _, delegate]: [u8; 6]) -> Result<(), String> {
        for (what, (low, high), spoken) in
            [("protocol", self.protocol, protocol), ("delegate protocol", self.delegate, delegate)]
        {
            if spoken < low || spoken > high {
                return Err(format!("Node '{name}' {what} version ({spoken}) is incompatible: [{low}, {high}]"));
            }
        }
        Ok(())
    }
}

fn candidate(record: &NodeStateRecord<'_>) -> Result<Candidate, String> {
    let candidate = Candidate {
        name: Arc::from(&*record.name),
        address: record.addr.ip().map_err(|error| error.to_string())?,
        meta: Bytes::copy_from_slice(&record.meta),
        left: record.state == NodeState::Left as i64,
    };
    fits(&candidate)?;
    Ok(candidate)
}

fn unexpected(message: Option<(&u8, &[u8])>, wanted: Kind, name: &str) -> String {
    match message {
        Some((kind, _)) => format!("received invalid msgType ({kind}), expected {name} ({})", wanted as u8),
        None => "unexpected EOF".to_owned(),
    }
}
