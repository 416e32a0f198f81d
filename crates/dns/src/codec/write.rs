//! Messages written, with name compression.

use super::{CLASS_IN, Kind, Name, name};
use crate::message::{Data, Record};

/// Only names that start before this byte can be pointed at.
const POINTABLE_BYTES: usize = 0x4000;
/// What points at the first name behind the header: the question's.
const QUESTION_POINTER: u16 = 0xc00c;
/// A character string holds at most this many bytes.
const STRING_MAX_BYTES: usize = 255;
/// A message has at most this many bytes.
const MESSAGE_MAX_BYTES: usize = 65_535;

/// A reply cannot be written; nothing is sent then (`docs/spec/dns.md` §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unencodable {
    /// A label is empty or over 63 bytes.
    #[error("dns: bad rdata")]
    Name,
    /// A text is over 255 bytes.
    #[error("dns: string exceeded 255 bytes in txt")]
    Text,
    /// The message is over 65535 bytes, or a section has more records than can be counted.
    #[error("dns: message too large")]
    Length,
}

/// Writes one message, names compressed as the reference's library does it: a name points at the longest end of it that
/// stands in the message already, letter for letter.
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    compress: bool,
    question: Option<Name>,
    suffixes: Suffixes,
    wire: Vec<u8>,
    starts: Vec<usize>,
    hashes: Vec<u32>,
}

impl<'a> Writer<'a> {
    /// Writes into `out`, whose content is dropped.
    pub(crate) fn new(out: &'a mut Vec<u8>, compress: bool) -> Writer<'a> {
        out.clear();
        let suffixes = Suffixes::default();
        Writer { out, compress, question: None, suffixes, wire: Vec::new(), starts: Vec::new(), hashes: Vec::new() }
    }

    /// The header.
    pub(crate) fn header(&mut self, id: u16, flags: u16, counts: [usize; 4]) -> Result<(), Unencodable> {
        self.word(id);
        self.word(flags);
        for count in counts {
            self.word(u16::try_from(count).map_err(|_| Unencodable::Length)?);
        }
        Ok(())
    }

    /// The question, directly behind the header.
    pub(crate) fn question(&mut self, name: &Name, kind: Kind, class: u16) -> Result<(), Unencodable> {
        self.name(name, true)?;
        self.question = Some(name.clone()).filter(|name| name.as_str() != ".");
        self.word(kind.0);
        self.word(class);
        Ok(())
    }

    /// A record.
    pub(crate) fn record(&mut self, record: &Record) -> Result<(), Unencodable> {
        self.name(&record.owner, true)?;
        self.word(record.data.kind().0);
        self.word(CLASS_IN);
        self.double_word(record.ttl);
        let length_at = self.out.len();
        self.word(0);
        self.data(&record.data)?;
        let length = u16::try_from(self.out.len() - length_at - 2).map_err(|_| Unencodable::Length)?;
        if let Some(place) = self.out.get_mut(length_at..length_at + 2) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        self.check_length()
    }

    /// An OPT record; `options` is its data.
    pub(crate) fn opt(&mut self, udp_size: u16, options: &[u8]) -> Result<(), Unencodable> {
        self.out.push(0);
        self.word(Kind::OPT.0);
        self.word(udp_size);
        self.double_word(0);
        self.word(u16::try_from(options.len()).map_err(|_| Unencodable::Length)?);
        self.out.extend_from_slice(options);
        self.check_length()
    }

    fn check_length(&self) -> Result<(), Unencodable> {
        if self.out.len() > MESSAGE_MAX_BYTES { Err(Unencodable::Length) } else { Ok(()) }
    }

    fn word(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    fn double_word(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    fn data(&mut self, data: &Data) -> Result<(), Unencodable> {
        match data {
            Data::A(address) => self.out.extend_from_slice(&address.octets()),
            Data::Aaaa(address) => self.out.extend_from_slice(&address.octets()),
            Data::Ns(name) | Data::Cname(name) | Data::Ptr(name) => self.name(name, true)?,
            Data::Soa(soa) => {
                self.name(&soa.mname, true)?;
                self.name(&soa.rname, true)?;
                for value in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] {
                    self.double_word(value);
                }
            }
            Data::Mx { preference, exchange } => {
                self.word(*preference);
                self.name(exchange, true)?;
            }
            Data::Srv { priority, weight, port, target } => {
                self.word(*priority);
                self.word(*weight);
                self.word(*port);
                // RFC 2782: not compressed, but later names may point into it.
                self.name(target, false)?;
            }
            Data::Txt(text) => {
                if text.len() > STRING_MAX_BYTES {
                    return Err(Unencodable::Text);
                }
                self.out.push(text.len() as u8);
                self.out.extend_from_slice(text);
            }
            Data::Opaque { rdata, .. } => self.out.extend_from_slice(rdata),
        }
        Ok(())
    }

    fn name(&mut self, name: &Name, may_point: bool) -> Result<(), Unencodable> {
        if self.compress && may_point && self.question.as_ref().is_some_and(|question| question.is(name)) {
            self.word(QUESTION_POINTER);
            return Ok(());
        }
        name::to_wire(name.as_str(), &mut self.wire, &mut self.starts)?;
        if !self.compress {
            self.out.extend_from_slice(&self.wire);
            return Ok(());
        }
        self.hash_suffixes();
        let begin = self.out.len();
        for (&start, &hash) in self.starts.iter().zip(&self.hashes) {
            let suffix = self.wire.get(start..).unwrap_or_default();
            match self.suffixes.find(hash, suffix, self.out) {
                Some(offset) if may_point => {
                    self.out.extend_from_slice(self.wire.get(..start).unwrap_or_default());
                    self.word(0xc000 | offset);
                    return Ok(());
                }
                Some(_) => {}
                None => {
                    if let Some(offset) =
                        u16::try_from(begin + start).ok().filter(|&o| usize::from(o) < POINTABLE_BYTES)
                    {
                        self.suffixes.insert(hash, offset);
                    }
                }
            }
        }
        self.out.extend_from_slice(&self.wire);
        Ok(())
    }

    /// Hashes every end of the name in `wire`, each from the one behind it.
    fn hash_suffixes(&mut self) {
        const FNV_OFFSET: u32 = 0x811c_9dc5;
        const FNV_PRIME: u32 = 0x0100_0193;
        self.hashes.clear();
        self.hashes.resize(self.starts.len(), 0);
        let mut hash = FNV_OFFSET;
        let mut end = self.wire.len();
        for (place, &start) in self.hashes.iter_mut().zip(&self.starts).rev() {
            for &byte in self.wire.get(start..end).unwrap_or_default() {
                hash = (hash ^ u32::from(byte)).wrapping_mul(FNV_PRIME);
            }
            *place = hash;
            end = start;
        }
    }
}

/// Ends of names that stand in the message: an open-addressing table of hash and offset. Offset 0 is a free slot, since
/// no name stands there.
#[derive(Default)]
struct Suffixes {
    slots: Vec<(u32, u16)>,
    used: usize,
}

/// Slots of a table at first; a power of two, as always.
const FIRST_SLOTS: usize = 32;

impl Suffixes {
    /// Where this end of a name stands in `message`.
    fn find(&self, hash: u32, suffix: &[u8], message: &[u8]) -> Option<u16> {
        for &(other, offset) in self.probe(hash) {
            if offset == 0 {
                return None;
            }
            if other == hash && stands_at(message, usize::from(offset), suffix) {
                return Some(offset);
            }
        }
        None
    }

    fn insert(&mut self, hash: u32, offset: u16) {
        if self.slots.len() < 2 * (self.used + 1) {
            let size = (self.slots.len() * 2).max(FIRST_SLOTS);
            let old = std::mem::replace(&mut self.slots, vec![(0, 0); size]);
            for (hash, offset) in old.into_iter().filter(|(_, offset)| *offset != 0) {
                self.place(hash, offset);
            }
        }
        self.place(hash, offset);
        self.used += 1;
    }

    fn place(&mut self, hash: u32, offset: u16) {
        let start = self.start_of(hash);
        let (wrapped, first) = self.slots.split_at_mut(start);
        if let Some(slot) = first.iter_mut().chain(wrapped).find(|(_, offset)| *offset == 0) {
            *slot = (hash, offset);
        }
    }

    fn probe(&self, hash: u32) -> impl Iterator<Item = &(u32, u16)> {
        let (wrapped, first) = self.slots.split_at(self.start_of(hash));
        first.iter().chain(wrapped)
    }

    /// The slot a search begins at; 0 in an empty table, which has none.
    fn start_of(&self, hash: u32) -> usize {
        if self.slots.is_empty() { 0 } else { hash as usize & (self.slots.len() - 1) }
    }
}

/// Whether the name at `at` of the message is this one, letter for letter. Pointers only lead back, so this ends.
fn stands_at(message: &[u8], mut at: usize, mut name: &[u8]) -> bool {
    loop {
        let Some(&length) = message.get(at) else { return false };
        if length & 0xc0 == 0xc0 {
            let Some(&low) = message.get(at + 1) else { return false };
            let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
            if target >= at {
                return false;
            }
            at = target;
            continue;
        }
        let bytes = usize::from(length) + 1;
        let (Some(label), Some((wanted, rest))) = (message.get(at..at + bytes), name.split_at_checked(bytes)) else {
            return false;
        };
        if label != wanted {
            return false;
        }
        if length == 0 {
            return true;
        }
        at += bytes;
        name = rest;
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
