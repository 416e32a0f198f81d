//! The model of a reply: records and sections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::codec::{HEADER_BYTES, Kind, Name, Opcode, Question, Rcode, Unencodable, Writer, flag};

/// Bytes of a record besides its owner and its data, and of a question besides its name: an upper bound.
const FIXED_BYTES: usize = 10;

/// Data of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Ns(Name),
    Cname(Name),
    Ptr(Name),
    Soa(Box<SoaData>),
    Mx {
        preference: u16,
        exchange: Name,
    },
    Srv {
        priority: u16,
        weight: u16,
        port: u16,
        target: Name,
    },
    /// One character string.
    Txt(Box<[u8]>),
    /// Anything else, as it came.
    Opaque {
        kind: Kind,
        rdata: Box<[u8]>,
    },
}

/// Data of an SOA record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SoaData {
    pub(crate) mname: Name,
    pub(crate) rname: Name,
    pub(crate) serial: u32,
    pub(crate) refresh: u32,
    pub(crate) retry: u32,
    pub(crate) expire: u32,
    pub(crate) minimum: u32,
}

impl Data {
    /// The type of a record with this data.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Data::A(_) => Kind::A,
            Data::Aaaa(_) => Kind::AAAA,
            Data::Ns(_) => Kind::NS,
            Data::Cname(_) => Kind::CNAME,
            Data::Ptr(_) => Kind::PTR,
            Data::Soa(_) => Kind::SOA,
            Data::Mx { .. } => Kind::MX,
            Data::Srv { .. } => Kind::SRV,
            Data::Txt(_) => Kind::TXT,
            Data::Opaque { kind, .. } => *kind,
        }
    }

    /// The record of an address.
    pub(crate) fn of_ip(address: IpAddr) -> Data {
        match address {
            IpAddr::V4(address) => Data::A(address),
            IpAddr::V6(address) => Data::Aaaa(address),
        }
    }

    /// Bytes it takes at most.
    fn most_bytes(&self) -> usize {
        match self {
            Data::A(_) => 4,
            Data::Aaaa(_) => 16,
            Data::Ns(name) | Data::Cname(name) | Data::Ptr(name) => most_bytes(name),
            Data::Soa(soa) => most_bytes(&soa.mname) + most_bytes(&soa.rname) + 20,
            Data::Mx { exchange, .. } => 2 + most_bytes(exchange),
            Data::Srv { target, .. } => 6 + most_bytes(target),
            Data::Txt(text) => 1 + text.len(),
            Data::Opaque { rdata, .. } => rdata.len(),
        }
    }
}

fn most_bytes(name: &Name) -> usize {
    name.as_str().len() + 1
}

/// A record; its class is always IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The name it belongs to.
    pub(crate) owner: Name,
    /// How long it may be kept, in seconds.
    pub(crate) ttl: u32,
    /// Its data.
    pub(crate) data: Data,
}

impl Record {
    fn most_bytes(&self) -> usize {
        most_bytes(&self.owner) + FIXED_BYTES + self.data.most_bytes()
    }
}

/// The OPT record of a reply (`docs/spec/dns.md` §16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplyEdns {
    /// The size the request named.
    pub(crate) udp_size: u16,
    /// Its options, as on the wire.
    pub(crate) options: Vec<u8>,
}

/// A reply before it is cut and written.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) id: u16,
    pub(crate) opcode: Opcode,
    /// Bits of the header without the response code.
    pub(crate) flags: u16,
    pub(crate) rcode: Rcode,
    pub(crate) question: Option<Question>,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    pub(crate) edns: Option<ReplyEdns>,
}

/// Which part of a reply is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The first so many answers.
    pub(crate) answers: usize,
    /// Whether Authority is.
    pub(crate) authority: bool,
    /// Places of the records of Additional, in order; none for all of them and the OPT record.
    pub(crate) additional: Option<Vec<usize>>,
    /// Whether the reply counts as truncated.
    pub(crate) truncated: bool,
}

impl Cut {
    /// Everything.
    pub(crate) fn nothing(reply: &Reply) -> Cut {
        Cut { answers: reply.answer.len(), authority: true, additional: None, truncated: false }
    }
}

impl Reply {
    /// Writes what `cut` leaves of the reply into `out`.
    pub(crate) fn write(&self, cut: &Cut, compress: bool, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let answer = self.answer.get(..cut.answers).unwrap_or(&self.answer);
        let authority = if cut.authority { self.authority.as_slice() } else { &[] };
        let edns = self.edns.as_ref().filter(|_| cut.additional.is_none());
        let additional = cut.additional.as_ref().map_or(self.additional.len(), Vec::len) + usize::from(edns.is_some());
        let opcode = (self.opcode as u16) << 11;
        let flags = flag::QR | opcode | self.flags | self.rcode.bits();
        let questions = usize::from(self.question.is_some());

        let mut writer = Writer::new(out, compress);
        writer.header(self.id, flags, [questions, answer.len(), authority.len(), additional])?;
        if let Some(Question { name, kind, class }) = &self.question {
            writer.question(name, *kind, *class)?;
        }
        for record in answer.iter().chain(authority).chain(self.additional_of(cut)) {
            writer.record(record)?;
        }
        if let Some(edns) = edns {
            writer.opt(edns.udp_size, &edns.options)?;
        }
        Ok(())
    }

    /// Bytes that what `cut` leaves takes at most, whatever is compressed.
    pub(crate) fn most_bytes(&self, cut: &Cut) -> usize {
        let question = self.question.as_ref().map_or(0, |question| most_bytes(&question.name) + FIXED_BYTES);
        let authority = if cut.authority { self.authority.as_slice() } else { &[] };
        let records = self.answer.iter().take(cut.answers).chain(authority).chain(self.additional_of(cut));
        let edns = self.edns.as_ref().map_or(0, |edns| 1 + FIXED_BYTES + edns.options.len());
        HEADER_BYTES + question + records.map(Record::most_bytes).sum::<usize>() + edns
    }

    fn additional_of<'a>(&'a self, cut: &'a Cut) -> impl Iterator<Item = &'a Record> {
        let all = if cut.additional.is_none() { self.additional.as_slice() } else { &[] };
        let some = cut.additional.iter().flatten().filter_map(move |&place| self.additional.get(place));
        all.iter().chain(some)
    }
}
