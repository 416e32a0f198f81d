//! The DNS wire format, as far as this crate needs it (`docs/decisions/dns-codec.md`).

mod kind;
mod name;
mod read;
mod write;

pub(crate) use kind::{Kind, Rcode};
pub(crate) use name::{Name, ends_with_domain, labels, unescape};
pub(crate) use read::{Edns, Opcode, Question, Refusal, Request, Subnet, request, response};
pub(crate) use write::{Unencodable, Writer};

/// Bytes of a message's header.
pub(crate) const HEADER_BYTES: usize = 12;

/// Bits of the header's second word.
pub(crate) mod flag {
    /// This is a response.
    pub(crate) const QR: u16 = 0x8000;
    /// Authoritative answer.
    pub(crate) const AA: u16 = 0x0400;
    /// Truncated.
    pub(crate) const TC: u16 = 0x0200;
    /// Recursion desired.
    pub(crate) const RD: u16 = 0x0100;
    /// Recursion available.
    pub(crate) const RA: u16 = 0x0080;
    /// Authentic data.
    pub(crate) const AD: u16 = 0x0020;
    /// Checking disabled.
    pub(crate) const CD: u16 = 0x0010;
}

/// The only class answers have.
pub(crate) const CLASS_IN: u16 = 1;
