//! One request from bytes to bytes (`docs/spec/dns.md` §2, §3).

use std::net::SocketAddr;
use std::time::Instant;

use crate::codec::{
    self, Kind, Opcode, Question, Rcode, Refusal, Request, Unencodable, Writer, ends_with_domain, flag,
};
use crate::context::Context;
use crate::lookup::{self, Ask, LEVELS};
use crate::message::{Cut, Reply};
use crate::server::Transport;
use crate::settings::Live;
use crate::trim::{self, Limits};
use crate::{edns, recurse};

/// The domain of reverse names.
const REVERSE_DOMAIN: &str = "arpa.";

/// Who handles a name.
#[derive(Debug, PartialEq, Eq)]
enum Route {
    /// The catalog; so many bytes at the name's end are the domain.
    Catalog(usize),
    /// The reverse lookup.
    Reverse,
    /// The recursors.
    Recursors,
    /// Nobody.
    Nobody,
}

/// Answers a request into `out`. False when nothing is to be sent: the request gets no answer, or the reply cannot be
/// written.
pub(crate) async fn respond(
    context: &Context,
    packet: &[u8],
    transport: Transport,
    client: SocketAddr,
    out: &mut Vec<u8>,
) -> bool {
    let request = match codec::request(packet) {
        Ok(request) => request,
        Err(Refusal::Silence) => return false,
        Err(Refusal::Rejected { id, flags, question }) => return sent(reject(id, flags, question.as_ref(), out)),
    };
    let live = context.live.load_full();
    let asked = Asked { context, live: &live, request: &request, transport, client };
    let Some(question) = &request.question else {
        return asked.send(&asked.reply(Rcode::Refused), &live, out);
    };
    match route(&live, question) {
        Route::Catalog(domain_bytes) => asked.catalog(question, domain_bytes, out).await,
        // Boxed, for they are large and rarer than the first.
        Route::Reverse => Box::pin(asked.reverse(question, packet, out)).await,
        Route::Recursors => Box::pin(asked.recurse(question, packet, out)).await,
        Route::Nobody => asked.send(&asked.reply(Rcode::Refused), &live, out),
    }
}

fn reject(id: u16, flags: u16, question: Option<&Question>, out: &mut Vec<u8>) -> Result<(), Unencodable> {
    let mut writer = Writer::new(out, true);
    writer.header(id, flags, [usize::from(question.is_some()), 0, 0, 0])?;
    match question {
        Some(Question { name, kind, class }) => writer.question(name, *kind, *class),
        None => Ok(()),
    }
}

fn sent(written: Result<(), Unencodable>) -> bool {
    if let Err(error) = written {
        tracing::warn!(target: "agent.dns", error = %error, "failed to respond");
        return false;
    }
    true
}

fn route(live: &Live, question: &Question) -> Route {
    let name = question.name.as_str();
    // Who delegates a zone knows its DS record, not the zone itself.
    if question.kind == Kind::DS && !live.recursors.is_empty() {
        return Route::Recursors;
    }
    let domain = live.domain_of(name);
    if ends_with_domain(name, REVERSE_DOMAIN) && domain.is_none_or(|bytes| bytes <= REVERSE_DOMAIN.len()) {
        return Route::Reverse;
    }
    match domain {
        Some(bytes) => Route::Catalog(bytes),
        None if live.recursors.is_empty() => Route::Nobody,
        None => Route::Recursors,
    }
}

/// A request with all that surrounds it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    context: &'a Context,
    live: &'a Live,
    request: &'a Request,
    transport: Transport,
    client: SocketAddr,
}

impl Asked<'_> {
    async fn catalog(&self, question: &Question, domain_bytes: usize, out: &mut Vec<u8>) -> bool {
        let started = Instant::now();
        let ask = self.ask(question, domain_bytes);
        let answer = lookup::catalog(&ask).await;
        let mut reply = self.reply(answer.rcode);
        reply.flags |= flag::AA | self.recursion_available();
        reply.edns = self.request.edns.map(|edns| edns::reply(&edns, answer.by_subnet, answer.rcode));
        reply.answer = answer.answer;
        reply.authority = answer.authority;
        reply.additional = answer.additional;
        if answer.soa {
            reply.authority.push(lookup::soa_record(self.live, question.name.as_str()));
        }
        let is_sent = sent(self.trim_and_write(&mut reply, out));
        self.context.metrics.domain_query.record_since(started);
        tracing::debug!(target: "agent.dns", { name = %question.name, "type" = %question.kind, class = %class(question),
            latency = ?started.elapsed(), client = %self.client, client_network = self.network() },
            "request served from client");
        is_sent
    }

    async fn reverse(&self, question: &Question, packet: &[u8], out: &mut Vec<u8>) -> bool {
        let started = Instant::now();
        let ask = self.ask(question, 0);
        let is_sent = match lookup::reverse(&ask).await {
            Some(record) => {
                let mut reply = self.reply(Rcode::NoError);
                reply.flags |= flag::AA | self.recursion_available();
                reply.edns = self.request.edns.map(|edns| edns::reply(&edns, false, Rcode::NoError));
                reply.answer.push(record);
                if question.kind == Kind::SOA {
                    reply.authority.push(lookup::soa_record(self.live, question.name.as_str()));
                }
                self.send(&reply, self.live, out)
            }
            None => self.recurse(question, packet, out).await,
        };
        self.context.metrics.ptr_query.record_since(started);
        tracing::debug!(target: "agent.dns", question = %recurse::shown(question), latency = ?started.elapsed(),
            client = %self.client, client_network = self.network(), "request served from client");
        is_sent
    }

    async fn recurse(&self, question: &Question, packet: &[u8], out: &mut Vec<u8>) -> bool {
        let started = Instant::now();
        let found = recurse::forward(self.live, self.request, packet, self.transport).await;
        let is_sent = match found {
            Some(bytes) => {
                *out = bytes;
                true
            }
            None => {
                tracing::error!(target: "agent.dns", question = %recurse::shown(question), client = %self.client,
                    client_network = self.network(), "all resolvers failed for question from client");
                let mut reply = self.reply(Rcode::ServFail);
                reply.flags |= flag::RA;
                reply.edns = self.request.edns.map(|edns| edns::reply(&edns, false, Rcode::ServFail));
                self.send(&reply, self.live, out)
            }
        };
        tracing::debug!(target: "agent.dns", question = %recurse::shown(question), network = self.network(),
            latency = ?started.elapsed(), client = %self.client, client_network = self.network(),
            "request served from client");
        is_sent
    }

    fn ask<'a>(&'a self, question: &'a Question, domain_bytes: usize) -> Ask<'a> {
        let subnet = self.request.edns.and_then(|edns| edns.subnet).and_then(|subnet| subnet.address);
        Ask {
            context: self.context,
            live: self.live,
            name: &question.name,
            kind: question.kind,
            domain_bytes,
            edns: self.request.edns.is_some(),
            most: self.limits().most(),
            level: LEVELS,
            source_ip: Some(subnet.unwrap_or(self.client.ip()).to_canonical()),
        }
    }

    /// A reply without records: what it takes over from the request.
    fn reply(&self, rcode: Rcode) -> Reply {
        let request = self.request;
        let flags = match request.opcode {
            Opcode::Query => request.flags & (flag::RD | flag::CD),
            Opcode::Notify => 0,
        };
        Reply {
            id: request.id,
            opcode: request.opcode,
            flags,
            rcode,
            question: request.question.clone(),
            answer: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            edns: None,
        }
    }

    fn recursion_available(&self) -> u16 {
        if self.live.recursors.is_empty() { 0 } else { flag::RA }
    }

    fn network(&self) -> &'static str {
        self.transport.name()
    }

    /// Writes a reply whole.
    fn send(&self, reply: &Reply, live: &Live, out: &mut Vec<u8>) -> bool {
        sent(reply.write(&Cut::nothing(reply), !live.settings.disable_compression, out))
    }

    fn trim_and_write(&self, reply: &mut Reply, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let settings = &self.live.settings;
        let limits = self.limits();
        let cut = trim::trim(reply, &limits)?;
        if cut.truncated && settings.enable_truncate {
            reply.flags |= flag::TC;
        }
        reply.write(&cut, limits.compress, out)?;
        if cut.truncated {
            self.log_truncated(reply, &cut, out.len());
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        let settings = &self.live.settings;
        Limits {
            transport: self.transport,
            udp_size: self.request.edns.map(|edns| edns.udp_size),
            udp_answer_limit: settings.udp_answer_limit,
            compress: !settings.disable_compression,
        }
    }

    fn log_truncated(&self, reply: &Reply, cut: &Cut, kept_bytes: usize) {
        if !tracing::enabled!(target: "agent.dns", tracing::Level::DEBUG) {
            return;
        }
        let question = reply.question.as_ref().map(recurse::shown).unwrap_or_default();
        let records = format!("{}/{}", cut.answers, reply.answer.len());
        let size = format!("{}/{}", kept_bytes, reply.most_bytes(&Cut::nothing(reply)));
        tracing::debug!(target: "agent.dns", protocol = self.network(), question, records, size,
            "DNS response too large, truncated");
    }
}

/// A class as log lines show it.
fn class(question: &Question) -> String {
    match question.class {
        1 => "IN".to_owned(),
        3 => "CH".to_owned(),
        4 => "HS".to_owned(),
        255 => "ANY".to_owned(),
        other => format!("CLASS{other}"),
    }
}

#[cfg(test)]
#[path = "respond_tests.rs"]
mod tests;
