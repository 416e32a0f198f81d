//! How replies are cut to what a client takes (`docs/spec/dns.md` §15).

use std::collections::{HashMap, HashSet};

use crate::codec::{Kind, Unencodable};
use crate::message::{Cut, Data, Reply};
use crate::server::Transport;

/// UDP payload of a client that says nothing.
const UDP_BYTES: usize = 512;
/// The largest UDP payload: what an IPv4 packet holds, less 68 bytes.
const UDP_MAX_BYTES: usize = 65_535 - 68;
/// Answers over UDP stay this far below the client's size.
const UDP_MARGIN_BYTES: usize = 8;
/// Most answers without EDNS, whatever is configured.
const UDP_ANSWERS_MAX: usize = 8;
/// Bytes of a reply over TCP.
const TCP_BYTES: usize = 65_523;
/// Most answers over TCP.
const TCP_ANSWERS_MAX: usize = 4096;
/// Most SRV answers over TCP.
const TCP_SRV_ANSWERS_MAX: usize = 1024;
/// A reply that is too large by more than this loses many answers at once.
const SEARCH_FROM_BYTES: usize = 100;

/// What decides how much of a reply is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) transport: Transport,
    /// The size of the request's OPT record.
    pub(crate) udp_size: Option<u16>,
    pub(crate) udp_answer_limit: u32,
    /// Whether replies are sent compressed.
    pub(crate) compress: bool,
}

impl Limits {
    /// Whether the client takes no more than what plain UDP carries.
    fn is_plain(&self) -> bool {
        matches!(self.transport, Transport::Udp) && self.udp_size.is_none_or(|size| usize::from(size) <= UDP_BYTES)
    }

    /// Answers that are kept over plain UDP.
    fn plain_answers(&self) -> usize {
        usize::try_from(self.udp_answer_limit).unwrap_or(usize::MAX).min(UDP_ANSWERS_MAX)
    }

    /// Answers that are worth putting together: those that can be sent, and one more that tells of the others.
    pub(crate) fn most(&self) -> usize {
        if self.is_plain() { self.plain_answers() + 1 } else { usize::MAX }
    }
}

/// Decides what of the reply is sent.
pub(crate) fn trim(reply: &Reply, limits: &Limits) -> Result<Cut, Unencodable> {
    let cut = Cut::nothing(reply);
    let trimmer = Trimmer { reply, compress: limits.compress, index: None, scratch: Vec::new() };
    match limits.transport {
        Transport::Udp => trimmer.udp(cut, limits),
        Transport::Tcp => trimmer.tcp(cut),
    }
}

struct Trimmer<'a> {
    reply: &'a Reply,
    /// Whether sizes are those of compressed messages.
    compress: bool,
    /// Place of the first record of each owner in Additional, by lower-case name. Made when it is first needed.
    index: Option<HashMap<String, usize>>,
    scratch: Vec<u8>,
}

impl Trimmer<'_> {
    fn udp(mut self, mut cut: Cut, limits: &Limits) -> Result<Cut, Unencodable> {
        let max = limits.udp_size.map_or(0, usize::from).clamp(UDP_BYTES, UDP_MAX_BYTES);
        let most = limits.plain_answers();
        let all = cut.answers;
        if limits.is_plain() && all > most {
            // Whoever unpacks the reply on its way and packs it whole must still stay within 512 bytes.
            self.compress = false;
            self.keep(&mut cut, most);
        }
        self.shrink(&mut cut, max, max - UDP_MARGIN_BYTES)?;
        cut.truncated = cut.answers < all;
        Ok(cut)
    }

    fn tcp(mut self, mut cut: Cut) -> Result<Cut, Unencodable> {
        let srv = self.reply.question.as_ref().is_some_and(|question| question.kind == Kind::SRV);
        // This first cut neither counts as truncation nor touches Additional.
        cut.answers = cut.answers.min(if srv { TCP_SRV_ANSWERS_MAX } else { TCP_ANSWERS_MAX });
        let all = cut.answers;
        self.shrink(&mut cut, TCP_BYTES, TCP_BYTES)?;
        cut.truncated = cut.answers < all;
        Ok(cut)
    }

    /// Drops answers until one is left or the reply has at most `bound` bytes; `max` is what the client takes.
    fn shrink(&mut self, cut: &mut Cut, max: usize, bound: usize) -> Result<(), Unencodable> {
        while cut.answers > 1 && !self.fits(cut, bound)? {
            cut.authority = false;
            let answers = match self.size(cut)? > max + SEARCH_FROM_BYTES {
                true => self.search(cut, max)?,
                false => cut.answers - 1,
            };
            self.keep(cut, answers);
        }
        Ok(())
    }

    /// The largest number of answers with which the reply has at most `max` bytes, found by halving.
    fn search(&mut self, cut: &Cut, max: usize) -> Result<usize, Unencodable> {
        let (mut fitting, mut too_many) = (0, cut.answers);
        while too_many - fitting > 1 {
            let middle = fitting + (too_many - fitting) / 2;
            let mut tried = cut.clone();
            self.keep(&mut tried, middle);
            match self.fits(&tried, max)? {
                true => fitting = middle,
                false => too_many = middle,
            }
        }
        Ok(fitting)
    }

    /// Keeps the first answers, and of Additional only what belongs to them.
    fn keep(&mut self, cut: &mut Cut, answers: usize) {
        cut.answers = answers;
        if self.reply.additional.is_empty() && self.reply.edns.is_none() {
            return;
        }
        let reply = self.reply;
        let index = self.index.get_or_insert_with(|| index(reply));
        let mut kept = Vec::new();
        let mut seen = HashSet::new();
        for record in reply.answer.iter().take(answers) {
            let Data::Srv { target, .. } = &record.data else { continue };
            let mut name = target.as_str();
            while let Some(&place) = index.get(&name.to_ascii_lowercase()) {
                if !seen.insert(place) {
                    break;
                }
                kept.push(place);
                let Some(Data::Cname(next)) = reply.additional.get(place).map(|record| &record.data) else { break };
                name = next.as_str();
            }
        }
        cut.additional = Some(kept);
    }

    fn fits(&mut self, cut: &Cut, bound: usize) -> Result<bool, Unencodable> {
        Ok(self.reply.most_bytes(cut) <= bound || self.size(cut)? <= bound)
    }

    fn size(&mut self, cut: &Cut) -> Result<usize, Unencodable> {
        match self.reply.write(cut, self.compress, &mut self.scratch) {
            Ok(()) => Ok(self.scratch.len()),
            // Larger than any message: too large for certain.
            Err(Unencodable::Length) => Ok(usize::MAX),
            Err(error) => Err(error),
        }
    }
}

fn index(reply: &Reply) -> HashMap<String, usize> {
    let mut index = HashMap::with_capacity(reply.additional.len());
    for (place, record) in reply.additional.iter().enumerate() {
        index.entry(record.owner.as_str().to_ascii_lowercase()).or_insert(place);
    }
    index
}

#[cfg(test)]
#[path = "trim_tests.rs"]
mod tests;
