//! Messages read: questions of clients, replies of recursors.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::{HEADER_BYTES, Kind, Name, Rcode, flag, name};
use crate::message::{Data, Record, SoaData};

/// Code of the client-subnet option (RFC 7871).
const OPTION_SUBNET: u16 = 8;
/// Bits of a rejected request that come back: all but QR, opcode, AA, Z and the response code.
const REJECTED_KEEPS: u16 = flag::TC | flag::RD | flag::RA | flag::AD | flag::CD;

/// The operations that are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Opcode {
    Query = 0,
    Notify = 4,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// The name as typed.
    pub(crate) name: Name,
    /// The type asked for.
    pub(crate) kind: Kind,
    /// The class, which nothing looks at.
    pub(crate) class: u16,
}

/// What the OPT record of a request says (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edns {
    /// Bytes of UDP payload the client takes.
    pub(crate) udp_size: u16,
    /// The client's subnet, when a forwarder tells it.
    pub(crate) subnet: Option<Subnet>,
}

/// A client-subnet option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    /// The address with all bits that were sent; none for family 0.
    pub(crate) address: Option<IpAddr>,
    /// How many of its bits are known.
    pub(crate) source_prefix: u8,
}

/// A request that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Identifies the request.
    pub(crate) id: u16,
    /// What is to be done.
    pub(crate) opcode: Opcode,
    /// Bits of the header.
    pub(crate) flags: u16,
    /// The question; none in a message that ends after its header.
    pub(crate) question: Option<Question>,
    /// Its OPT record.
    pub(crate) edns: Option<Edns>,
    /// Where the message ends; what follows is ignored.
    pub(crate) end: usize,
}

/// Why a request is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody is told.
    Silence,
    /// Answered with a header, and the question when it could be read.
    Rejected {
        /// Identifies the request.
        id: u16,
        /// Bits of the answer's header.
        flags: u16,
        /// The question.
        question: Option<Question>,
    },
}

struct Header {
    id: u16,
    flags: u16,
    counts: [u16; 4],
}

fn header(bytes: &[u8]) -> Option<Header> {
    let counts = [word(bytes, 4)?, word(bytes, 6)?, word(bytes, 8)?, word(bytes, 10)?];
    Some(Header { id: word(bytes, 0)?, flags: word(bytes, 2)?, counts })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn double_word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// Reads a request by the rules of `docs/spec/dns.md` §2.
pub(crate) fn request(bytes: &[u8]) -> Result<Request, Refusal> {
    let Some(header) = header(bytes) else { return Err(Refusal::Silence) };
    if header.flags & flag::QR != 0 {
        return Err(Refusal::Silence);
    }
    let Header { id, flags, counts } = header;
    let kept = flag::QR | (flags & REJECTED_KEEPS);
    let opcode = match (flags >> 11) & 0xf {
        0 => Opcode::Query,
        4 => Opcode::Notify,
        other => {
            let flags = kept | (other << 11) | Rcode::NotImp.bits();
            return Err(Refusal::Rejected { id, flags, question: None });
        }
    };
    let malformed = |question| Refusal::Rejected { id, flags: kept | Rcode::FormErr.bits(), question };
    if counts[0] != 1 || counts[1] > 1 || counts[2] > 1 || counts[3] > 2 {
        return Err(malformed(None));
    }
    if bytes.len() == HEADER_BYTES {
        return Ok(Request { id, opcode, flags, question: None, edns: None, end: HEADER_BYTES });
    }
    let Some((question, at)) = question(bytes, HEADER_BYTES) else { return Err(malformed(None)) };
    let Some((edns, end)) = behind_question(bytes, at, counts) else { return Err(malformed(Some(question))) };
    Ok(Request { id, opcode, flags, question: Some(question), edns, end })
}

/// A question whose end may be missing after its name or its type; zero stands for what is not there.
fn question(bytes: &[u8], at: usize) -> Option<(Question, usize)> {
    let (text, mut at) = name::read(bytes, at)?;
    let mut next = || {
        if at == bytes.len() {
            return Some(0);
        }
        let value = word(bytes, at);
        at += 2;
        value
    };
    let kind = Kind(next()?);
    let class = next()?;
    Some((Question { name: Name::new(&text), kind, class }, at))
}

/// The records of a request: its OPT record, the last one when there are more, and where the message ends.
fn behind_question(bytes: &[u8], mut at: usize, counts: [u16; 4]) -> Option<(Option<Edns>, usize)> {
    let mut edns = None;
    for (section, count) in counts.into_iter().enumerate().skip(1) {
        for _ in 0..count {
            // A count may promise more than there is.
            if at == bytes.len() {
                break;
            }
            let raw = RawRecord::read(bytes, at)?;
            at = raw.rdata.end;
            if raw.kind != Kind::OPT {
                raw.data(bytes)?;
                continue;
            }
            let options = options(bytes.get(raw.rdata.clone())?)?;
            if section == 3 {
                edns = Some(Edns { udp_size: raw.class, subnet: options });
            }
        }
    }
    Some((edns, at))
}

/// Checks the options of an OPT record and picks the client's subnet: the first, when there are more.
fn options(mut rdata: &[u8]) -> Option<Option<Subnet>> {
    let mut found = None;
    while !rdata.is_empty() {
        let (code, length) = (word(rdata, 0)?, usize::from(word(rdata, 2)?));
        let body = rdata.get(4..4 + length)?;
        rdata = rdata.get(4 + length..)?;
        if code == OPTION_SUBNET {
            let subnet = subnet(body)?;
            found.get_or_insert(subnet);
        }
    }
    Some(found)
}

fn subnet(body: &[u8]) -> Option<Subnet> {
    let [_, _, source_prefix, scope_prefix, sent @ ..] = body else { return None };
    let (source_prefix, scope_prefix) = (*source_prefix, *scope_prefix);
    // Missing bytes are zero, bytes too many are ignored.
    let (address, bits) = match word(body, 0)? {
        0 => (None, 0),
        1 => {
            let mut octets = [0; 4];
            octets.iter_mut().zip(sent).for_each(|(octet, byte)| *octet = *byte);
            (Some(IpAddr::V4(Ipv4Addr::from(octets))), 32)
        }
        2 => {
            let mut octets = [0; 16];
            octets.iter_mut().zip(sent).for_each(|(octet, byte)| *octet = *byte);
            (Some(IpAddr::V6(Ipv6Addr::from(octets))), 128)
        }
        _ => return None,
    };
    if source_prefix > bits || (address.is_some() && scope_prefix > bits) {
        return None;
    }
    Some(Subnet { address, source_prefix })
}

/// A record whose data is not looked at yet.
struct RawRecord {
    owner: String,
    kind: Kind,
    class: u16,
    ttl: u32,
    rdata: Range<usize>,
}

impl RawRecord {
    fn read(bytes: &[u8], at: usize) -> Option<RawRecord> {
        let (owner, at) = name::read(bytes, at)?;
        let (kind, class, ttl) = (Kind(word(bytes, at)?), word(bytes, at + 2)?, double_word(bytes, at + 4)?);
        let start = at + 10;
        let end = start + usize::from(word(bytes, at + 8)?);
        (end <= bytes.len()).then_some(RawRecord { owner, kind, class, ttl, rdata: start..end })
    }

    /// Its data, names decompressed. Nothing when it is not what its type wants.
    fn data(&self, bytes: &[u8]) -> Option<Data> {
        let Range { start, end } = self.rdata;
        let rdata = bytes.get(start..end)?;
        let opaque = || Data::Opaque { kind: self.kind, rdata: rdata.into() };
        if rdata.is_empty() {
            return Some(opaque());
        }
        // Names in the data may point anywhere in the message, but must end where the data does.
        let bytes = bytes.get(..end)?;
        let last_name = |at: usize| name::read(bytes, at).filter(|(_, next)| *next == end).map(|(n, _)| Name::new(&n));
        Some(match self.kind {
            Kind::A => Data::A(Ipv4Addr::from(<[u8; 4]>::try_from(rdata).ok()?)),
            Kind::AAAA => Data::Aaaa(Ipv6Addr::from(<[u8; 16]>::try_from(rdata).ok()?)),
            Kind::NS => Data::Ns(last_name(start)?),
            Kind::CNAME => Data::Cname(last_name(start)?),
            Kind::PTR => Data::Ptr(last_name(start)?),
            Kind::MX => Data::Mx { preference: word(bytes, start)?, exchange: last_name(start + 2)? },
            Kind::SRV => Data::Srv {
                priority: word(bytes, start)?,
                weight: word(bytes, start + 2)?,
                port: word(bytes, start + 4)?,
                target: last_name(start + 6)?,
            },
            Kind::SOA => Data::Soa(Box::new(soa(bytes, start, end)?)),
            Kind::TXT => {
                strings(rdata)?;
                opaque()
            }
            _ => opaque(),
        })
    }
}

fn soa(bytes: &[u8], start: usize, end: usize) -> Option<SoaData> {
    let (mname, at) = name::read(bytes, start)?;
    let (rname, at) = name::read(bytes, at)?;
    if at + 20 != end {
        return None;
    }
    Some(SoaData {
        mname: Name::new(&mname),
        rname: Name::new(&rname),
        serial: double_word(bytes, at)?,
        refresh: double_word(bytes, at + 4)?,
        retry: double_word(bytes, at + 8)?,
        expire: double_word(bytes, at + 12)?,
        minimum: double_word(bytes, at + 16)?,
    })
}

/// Holds when the data is a row of strings with their lengths.
fn strings(mut rdata: &[u8]) -> Option<()> {
    while let Some((&length, rest)) = rdata.split_first() {
        rdata = rest.get(usize::from(length)..)?;
    }
    Some(())
}

/// What matters of a recursor's reply.
#[derive(Debug)]
pub(crate) struct Response {
    /// Identifies the request.
    pub(crate) id: u16,
    /// Its response code.
    pub(crate) rcode: u16,
    /// Its answers.
    pub(crate) answer: Vec<Record>,
}

/// Reads a reply whole; nothing when it is not well-formed.
pub(crate) fn response(bytes: &[u8]) -> Option<Response> {
    let header = header(bytes)?;
    if header.flags & flag::QR == 0 {
        return None;
    }
    let [questions, sections @ ..] = header.counts;
    let mut at = HEADER_BYTES;
    for _ in 0..questions {
        if at == bytes.len() {
            break;
        }
        at = question(bytes, at)?.1;
    }
    let mut answer = Vec::new();
    for (section, count) in sections.into_iter().enumerate() {
        for _ in 0..count {
            if at == bytes.len() {
                break;
            }
            let raw = RawRecord::read(bytes, at)?;
            let data = raw.data(bytes)?;
            at = raw.rdata.end;
            if section == 0 {
                answer.push(Record { owner: Name::new(&raw.owner), ttl: raw.ttl, data });
            }
        }
    }
    Some(Response { id: header.id, rcode: header.flags & 0xf, answer })
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
