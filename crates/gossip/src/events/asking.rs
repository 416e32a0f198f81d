//! Queries of our own (`docs/spec/gossip.md` §14.1), and what is made of the answers.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::coming::unreadable;
use super::message::{self, ConflictMember, FLAG_ACK, Kind, Query, QueryFilter, QueryResponse, Raw};
use super::query::CONFLICT_QUERY;
use super::{Events, Phase, keys};
use crate::core::{CommandId, Effect, Outcome, QueryParams, QueryResult};
use crate::measures::SerfMeasures;
use crate::member::Status;
use crate::membership::Time;

/// Largest query, bytes.
const QUERY_MAX_BYTES: usize = 1024;
/// A query waits for so many rounds of gossip, times the digits of the pool's size.
const TIMEOUT_ROUNDS: u32 = 16;
/// Queries under way at once.
const QUERIES_MAX: usize = 256;
/// Random bits of an identifier.
const ID_BITS: u32 = 31;

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A command that wants the answers.
    Command(CommandId),
    /// A command that manages keys; it ends when so many nodes have answered.
    Keys {
        /// The command.
        id: CommandId,
        /// Nodes there are.
        nodes: usize,
    },
    /// Finding out whether our name is ours.
    Conflict,
}

/// A query under way.
#[derive(Debug)]
struct Active {
    id: u32,
    ltime: u64,
    deadline: Time,
    owner: Owner,
    /// Answers that are taken; more than there are members is more than there can be.
    capacity: usize,
    acks: Vec<String>,
    acked: BTreeSet<String>,
    responses: Vec<(String, Bytes)>,
    responded: BTreeSet<String>,
}

impl Active {
    fn take(&mut self, response: QueryResponse, measures: &mut SerfMeasures) {
        let QueryResponse { flags, from, payload, .. } = response;
        if flags & FLAG_ACK != 0 {
            if self.acked.contains(&from) {
                measures.duplicate_acks += 1;
            } else if self.acks.len() < self.capacity {
                measures.acks += 1;
                self.acked.insert(from.clone());
                self.acks.push(from);
            }
            return;
        }
        if self.responded.contains(&from) {
            measures.duplicate_responses += 1;
        } else if self.responses.len() < self.capacity {
            measures.responses += 1;
            self.responded.insert(from.clone());
            self.responses.push((from, payload.0.into()));
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self.owner, Owner::Keys { nodes, .. } if self.responses.len() >= nodes)
    }
}

/// All queries under way.
#[derive(Debug, Default)]
pub(super) struct Asking {
    active: Vec<Active>,
}

impl Asking {
    pub(super) fn has(&self, ltime: u64, id: u32) -> bool {
        self.active.iter().any(|active| (active.ltime, active.id) == (ltime, id))
    }

    /// When the next one ends.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.active.iter().map(|active| active.deadline).min()
    }
}

impl Events {
    /// Asks all nodes. The answers are handed to `owner` when the time for them is over.
    ///
    /// # Errors
    /// The query is too large, or too many are under way.
    pub(crate) fn query(&mut self, params: &QueryParams, owner: Owner, now: Time) -> Result<(), String> {
        if self.asking.active.len() >= QUERIES_MAX {
            return Err(format!("more than {QUERIES_MAX} queries are under way"));
        }
        let timeout = params.timeout.filter(|timeout| !timeout.is_zero()).unwrap_or_else(|| self.default_timeout());
        let query = Query {
            addr: Raw::from_ip(self.advertise.ip()),
            filters: filters(params),
            flags: if params.request_ack { FLAG_ACK } else { 0 },
            id: (self.rng.bits() >> (u64::BITS - ID_BITS)) as u32,
            ltime: self.clocks.query.time(),
            name: params.name.clone(),
            payload: Raw(params.payload.to_vec()),
            port: self.advertise.port(),
            relay_factor: params.relay_factor,
            source_node: self.name.clone(),
            timeout: i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX),
        };
        let message = message::encode(Kind::Query, &query);
        if message.len() > QUERY_MAX_BYTES {
            return Err(format!("query exceeds limit of {QUERY_MAX_BYTES} bytes"));
        }
        self.asking.active.push(Active {
            id: query.id,
            ltime: query.ltime,
            deadline: now.saturating_add(timeout),
            owner,
            capacity: self.members.len(),
            acks: Vec::new(),
            acked: BTreeSet::new(),
            responses: Vec::new(),
            responded: BTreeSet::new(),
        });
        self.handle_query(query, now);
        self.spread_query(message);
        Ok(())
    }

    /// As long as answers need in a pool of this size.
    fn default_timeout(&self) -> Duration {
        let alive = self.members.count(Status::Alive);
        let digits = alive.checked_ilog10().map_or(1, |log| log + 1);
        self.profile.gossip_interval.saturating_mul(TIMEOUT_ROUNDS * digits)
    }

    /// An answer came in.
    pub(super) fn take_response(&mut self, body: &[u8]) {
        let response: QueryResponse = match message::decode(body) {
            Ok(response) => response,
            Err(error) => {
                unreadable(self.log, "query response message", &error);
                return;
            }
        };
        let position =
            self.asking.active.iter().position(|active| (active.ltime, active.id) == (response.ltime, response.id));
        let Some(position) = position else {
            self.log.debug(format_args!(
                "serf: reply for non-running query ltime={ltime} id={id}",
                ltime = response.ltime,
                id = response.id
            ));
            return;
        };
        let Some(active) = self.asking.active.get_mut(position) else { return };
        active.take(response, &mut self.measures);
        if active.is_complete() {
            let complete = self.asking.active.swap_remove(position);
            self.finish_query(complete);
        }
    }

    /// Ends the queries whose time is over.
    pub(super) fn finish_queries(&mut self, now: Time) {
        while let Some(position) = self.asking.active.iter().position(|active| active.deadline <= now) {
            let over = self.asking.active.swap_remove(position);
            self.finish_query(over);
        }
    }

    fn finish_query(&mut self, query: Active) {
        match query.owner {
            Owner::Command(id) => {
                let result = QueryResult { acks: query.acks, responses: query.responses };
                self.wish(Effect::Done { id, outcome: Outcome::Queried(Ok(result)) });
            }
            Owner::Keys { id, nodes } => {
                let reply = keys::summarise(&query.responses, nodes);
                self.wish(Effect::Done { id, outcome: Outcome::Keys(reply) });
            }
            Owner::Conflict => self.judge_conflict(&query.responses),
        }
    }

    /// Another node claims our name: asks the others whom they know by it.
    pub(super) fn resolve_conflict(&mut self, now: Time) {
        if self.phase != Phase::Alive || self.asking.active.iter().any(|active| active.owner == Owner::Conflict) {
            return;
        }
        let params = QueryParams {
            name: CONFLICT_QUERY.to_owned(),
            payload: self.name.clone().into(),
            ..QueryParams::default()
        };
        if let Err(error) = self.query(&params, Owner::Conflict, now) {
            self.log.error(format_args!("serf: Failed to start name resolution query: {error}"));
        }
    }

    /// The name is ours if most know us by it; if nobody answers, it is not (edge case 25).
    fn judge_conflict(&mut self, responses: &[(String, Bytes)]) {
        // In whichever of its two forms an address comes.
        let own = (Some(self.advertise.ip().to_canonical()), self.advertise.port());
        let (mut counted, mut matching) = (0_usize, 0_usize);
        for (from, payload) in responses {
            let Some((Kind::ConflictResponse, body)) = message::split(payload) else {
                self.log.error(format_args!("serf: Invalid conflict query response type from {from}"));
                continue;
            };
            let known: Option<ConflictMember> = match message::decode(body) {
                Ok(known) => known,
                Err(error) => {
                    unreadable(self.log, "conflict query response", &error);
                    continue;
                }
            };
            counted += 1;
            if known.is_some_and(|known| (known.addr.to_ip().map(|ip| ip.to_canonical()), known.port) == own) {
                matching += 1;
            }
        }
        if matching > counted / 2 {
            self.log.info(format_args!("serf: majority in name conflict resolution [{matching} / {counted}]"));
            return;
        }
        let reason = format!("minority in name conflict resolution, quitting [{matching} / {counted}]");
        self.log.warn(format_args!("serf: {reason}"));
        self.phase = Phase::Shutdown;
        self.wish(Effect::Stopped { reason });
    }
}

fn filters(params: &QueryParams) -> Option<Vec<Raw>> {
    let mut filters = Vec::new();
    if !params.nodes.is_empty() {
        filters.push(QueryFilter::Nodes(params.nodes.clone()).encode());
    }
    for (tag, expression) in &params.tags {
        filters.push(QueryFilter::Tag { tag: tag.clone(), expression: expression.clone() }.encode());
    }
    Some(filters).filter(|filters| !filters.is_empty())
}
