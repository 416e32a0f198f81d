//! Queries of others, and of ourselves as one of those who are asked (`docs/spec/gossip.md` §14.2-§14.5).

use std::net::SocketAddr;
use std::time::Duration;

use super::broadcasts::Lane;
use super::coming::unreadable;
use super::keys::KeyQuery;
use super::message::{
    self, ConflictMember, FLAG_ACK, FLAG_NO_BROADCAST, Kind, Query, QueryFilter, QueryResponse, Raw, Relayed,
};
use super::window::{Item, Verdict};
use super::{Events, Wish};
use crate::core::Effect;
use crate::member::{Member, Status};
use crate::membership::Time;

/// Largest answer, bytes.
pub(super) const RESPONSE_MAX_BYTES: usize = 1024;
/// What names of queries start with that nodes answer by themselves.
const INTERNAL_PREFIX: &str = "_serf_";
/// The query that asks who has a name.
pub(super) const CONFLICT_QUERY: &str = "_serf_conflict";
/// Membership protocol from which on a node passes answers on.
const RELAY_PROTOCOL_MIN: u8 = 5;

/// A query that was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueryId(u32);

/// Longest query taken; those of honest members are much shorter (`docs/spec/gossip.md` §14.1). Its filters are regular
/// expressions, and each costs its compilation.
const QUERY_BYTES_MAX: usize = 9 * 1024;
/// Filters of one query.
const FILTERS_MAX: usize = 32;

impl Item for QueryId {
    fn size(&self) -> usize {
        size_of::<QueryId>()
    }
}

/// A query as whoever answers it needs to know it. It is answered once: answering consumes it.
#[derive(Debug)]
pub(super) struct Question {
    id: u32,
    ltime: u64,
    asker: SocketAddr,
    asker_name: String,
    relay_factor: u8,
    deadline: Time,
    /// We asked it ourselves.
    ours: bool,
}

impl Question {
    /// An answer as it goes over the wire.
    pub(super) fn response(&self, from: &str, flags: u32, payload: Vec<u8>) -> Vec<u8> {
        let Question { id, ltime, .. } = *self;
        let response = QueryResponse { flags, from: from.to_owned(), id, ltime, payload: Raw(payload) };
        message::encode(Kind::QueryResponse, &response)
    }
}

impl Events {
    /// A query came in; whether to pass it on.
    pub(super) fn take_query(&mut self, body: &[u8], now: Time) -> bool {
        if body.len() > QUERY_BYTES_MAX {
            self.log.warn(format_args!("serf: dropping a query of {} bytes", body.len()));
            return false;
        }
        match message::decode(body) {
            Ok(query) => self.handle_query(query, now),
            Err(error) => unreadable(self.log, "query message", &error),
        }
    }

    pub(super) fn handle_query(&mut self, query: Query, now: Time) -> bool {
        let (ltime, name) = (query.ltime, &query.name);
        self.clocks.query.witness(ltime);
        let clock = self.clocks.query.time();
        match self.queries_seen.admit(ltime, clock, QueryId(query.id)) {
            Verdict::New => self.measures.queries.push(name),
            Verdict::Known => return false,
            Verdict::Old => {
                self.log.warn(format_args!("serf: received old query {name} from time {ltime} (current: {clock})"));
                return false;
            }
            Verdict::Full => {
                self.log.warn(format_args!("serf: too many queries, dropping {name} from time {ltime}"));
                return false;
            }
        }
        let pass_on = query.flags & FLAG_NO_BROADCAST == 0;
        if self.is_asked(&query) {
            self.answer(query, now);
        }
        pass_on
    }

    /// Whether all filters let us answer.
    fn is_asked(&self, query: &Query) -> bool {
        let own_tags = self.members.get(&self.name).map(|member| &member.tags);
        let filters = query.filters.as_deref().unwrap_or_default();
        if filters.len() > FILTERS_MAX {
            self.log.warn(format_args!("serf: query has {} filters, more than {FILTERS_MAX}", filters.len()));
            return false;
        }
        filters.iter().all(|filter| match QueryFilter::decode(filter) {
            Some(QueryFilter::Nodes(names)) => names.contains(&self.name),
            Some(QueryFilter::Tag { tag, expression }) => {
                let value = own_tags.and_then(|tags| tags.get(&tag)).map_or("", String::as_str);
                match filter::re2::compile(&expression) {
                    Ok(expression) => expression.is_match(value),
                    Err(error) => {
                        self.log.warn(format_args!("serf: failed to compile filter regex: {error}"));
                        false
                    }
                }
            }
            None => {
                self.log.warn(format_args!("serf: query has a filter of unknown type"));
                false
            }
        })
    }

    fn answer(&mut self, query: Query, now: Time) {
        let Some(ip) = query.addr.to_ip() else { return };
        let question = Question {
            id: query.id,
            ltime: query.ltime,
            asker: SocketAddr::new(ip, query.port),
            asker_name: query.source_node,
            relay_factor: query.relay_factor,
            deadline: now + Duration::from_nanos(u64::try_from(query.timeout).unwrap_or_default()),
            ours: self.asking.has(query.ltime, query.id),
        };
        if query.flags & FLAG_ACK != 0 {
            let ack = question.response(&self.name, FLAG_ACK, Vec::new());
            self.send_response(&question, ack);
        }
        let Some(internal) = query.name.strip_prefix(INTERNAL_PREFIX) else {
            // Nobody here answers queries of applications, but after a restart old ones are to be old.
            let record = self.recorder.as_mut().and_then(|recorder| recorder.query(query.ltime));
            self.wishes.extend(record.map(|record| Wish::Effect(Effect::Record(record))));
            return;
        };
        match (internal, KeyQuery::from_name(internal)) {
            (_, Some(keys)) => self.answer_keys(keys, question, &query.payload.0, now),
            ("conflict", _) => self.answer_conflict(question, &query.payload.0, now),
            // The acknowledgement was the answer.
            ("ping", _) => {}
            _ => self.log.warn(format_args!("serf: Unhandled internal query '{}'", query.name)),
        }
    }

    /// Tells whom we know by this name. The one whose name it is cannot tell.
    fn answer_conflict(&mut self, question: Question, payload: &[u8], now: Time) {
        let name = String::from_utf8_lossy(payload);
        if name == self.name.as_str() {
            return;
        }
        self.log.debug(format_args!("serf: Got conflict resolution query for '{name}'"));
        let known: Option<ConflictMember> = self.members.get(&name).map(|member| ConflictMember::from(&**member));
        let answer = message::encode(Kind::ConflictResponse, &known);
        if let Err(error) = self.respond(question, answer, now) {
            self.log.error(format_args!("serf: Failed to respond to conflict query: {error}"));
        }
    }

    /// Answers a query.
    ///
    /// # Errors
    /// It is too late, or the answer is too long.
    pub(super) fn respond(&mut self, question: Question, payload: Vec<u8>, now: Time) -> Result<(), String> {
        if now > question.deadline {
            return Err("response is past the deadline".to_owned());
        }
        let response = question.response(&self.name, 0, payload);
        if response.len() > RESPONSE_MAX_BYTES {
            return Err(format!("response exceeds limit of {RESPONSE_MAX_BYTES} bytes"));
        }
        self.send_response(&question, response);
        Ok(())
    }

    fn send_response(&mut self, question: &Question, response: Vec<u8>) {
        if question.ours {
            self.take_response(response.get(1..).unwrap_or_default());
            return;
        }
        self.relay(question, &response);
        let node = Some(question.asker_name.clone()).filter(|name| !name.is_empty());
        self.wishes.push_back(Wish::Send { to: question.asker, node, message: response });
    }

    /// Sends an answer through some others as well, in case it does not get through by itself.
    fn relay(&mut self, question: &Question, response: &[u8]) {
        let factor = usize::from(question.relay_factor);
        if factor == 0 || self.members.len() < factor + 1 {
            return;
        }
        let relayed = message::relay(question.asker, &question.asker_name, response);
        if relayed.len() > RESPONSE_MAX_BYTES {
            self.log.error(format_args!(
                "serf: Failed to relay response: relayed response exceeds limit of {RESPONSE_MAX_BYTES} bytes"
            ));
            return;
        }
        let mut helpers: Vec<(String, SocketAddr)> =
            self.members.iter().filter(|member| self.may_relay(member)).map(|member| place(member)).collect();
        self.rng.shuffle(&mut helpers);
        for (name, to) in helpers.into_iter().take(factor) {
            self.wishes.push_back(Wish::Send { to, node: Some(name), message: relayed.clone() });
        }
    }

    fn may_relay(&self, member: &Member) -> bool {
        let [_, protocol_max, ..] = member.vsn;
        member.status == Status::Alive && protocol_max >= RELAY_PROTOCOL_MIN && member.name != self.name
    }

    /// Passes on what someone else wants to reach a third node.
    pub(super) fn pass_on(&mut self, body: &[u8]) {
        let Some(Relayed { to, node, message }) = message::decode_relay(body) else {
            self.log.error(format_args!("serf: Error decoding relay header"));
            return;
        };
        let node = Some(node).filter(|name| !name.is_empty());
        self.wishes.push_back(Wish::Send { to, node, message: message.to_vec() });
    }

    /// Passes on a query of ours.
    pub(super) fn spread_query(&mut self, message: Vec<u8>) {
        self.broadcasts.push(Lane::Queries, message, self.members.len());
    }
}

fn place(member: &Member) -> (String, SocketAddr) {
    (member.name.clone(), SocketAddr::new(member.address, member.port))
}
