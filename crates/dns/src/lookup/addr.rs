//! Names that are addresses in hexadecimal digits (`docs/spec/dns.md` §5.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Ask;
use crate::answer::Answer;
use crate::codec::{Kind, Name, Rcode};
use crate::message::{Data, Record};

pub(super) fn find(ask: &Ask<'_>, digits: &str) -> Answer {
    compose(&ask.lower_owner(), ask.kind, ask.live.node_ttl, digits)
}

/// The address goes into the answer of a question for its family, and into Additional of any other question.
fn compose(owner: &Name, kind: Kind, ttl: u32, digits: &str) -> Answer {
    let address = match read(digits) {
        Read::Address(address) => address,
        Read::OtherLength => return Answer::empty(Rcode::NoError),
        Read::NoDigits => return Answer::not_found(),
    };
    let record = Record { owner: owner.clone(), ttl, data: Data::of_ip(address) };
    let answered = kind == Kind::ANY || kind == record.data.kind();
    let (answer, additional) = if answered { (vec![record], vec![]) } else { (vec![], vec![record]) };
    Answer { answer, additional, ..Answer::empty(Rcode::NoError) }
}

enum Read {
    Address(IpAddr),
    /// Neither family has so many digits; an odd one is a fault of a name of the right length only.
    OtherLength,
    NoDigits,
}

fn read(digits: &str) -> Read {
    let address = match digits.len() / 2 {
        4 => octets::<4>(digits).map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
        16 => octets::<16>(digits).map(|octets| IpAddr::V6(Ipv6Addr::from(octets))),
        _ => return Read::OtherLength,
    };
    address.map_or(Read::NoDigits, Read::Address)
}

fn octets<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    let mut octets = [0; N];
    for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
        *octet = (hex(*high)? << 4) | hex(*low)?;
    }
    (pairs.len() == N).then_some(octets)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(records: &[Record]) -> Vec<String> {
        let show = |record: &Record| match &record.data {
            Data::A(address) => address.to_string(),
            Data::Aaaa(address) => address.to_string(),
            other => format!("{other:?}"),
        };
        records.iter().map(show).collect()
    }

    #[test]
    fn lengths_types_and_digits() {
        let (ok, nx) = (Rcode::NoError, Rcode::NxDomain);
        let v6 = "2607112040051808ffffffffffff200e";
        for (digits, kind, rcode, answer, additional) in [
            ("7f000001", Kind::A, ok, &["127.0.0.1"][..], &[][..]),
            ("7f000001", Kind::ANY, ok, &["127.0.0.1"], &[]),
            ("7f000001", Kind::AAAA, ok, &[], &["127.0.0.1"]),
            ("7f000001", Kind::SRV, ok, &[], &["127.0.0.1"]),
            (v6, Kind::AAAA, ok, &["2607:1120:4005:1808:ffff:ffff:ffff:200e"], &[]),
            (v6, Kind::SRV, ok, &[], &["2607:1120:4005:1808:ffff:ffff:ffff:200e"]),
            ("00000000000000000000ffff01020304", Kind::ANY, ok, &["::ffff:1.2.3.4"], &[]),
            ("7f00000", Kind::A, ok, &[], &[]),
            ("7f0000011", Kind::A, nx, &[], &[]),
            ("7f00000g", Kind::A, nx, &[], &[]),
            ("20010db800000000000000000000000", Kind::AAAA, ok, &[], &[]),
            ("20010db8000000000000000000000000f", Kind::AAAA, nx, &[], &[]),
        ] {
            let got = compose(&Name::new("x.addr.consul"), kind, 33, digits);
            assert_eq!(got.rcode, rcode, "{digits} {kind}");
            assert_eq!(got.soa, rcode == nx, "{digits} {kind}");
            assert_eq!(addresses(&got.answer), answer, "{digits} {kind}");
            assert_eq!(addresses(&got.additional), additional, "{digits} {kind}");
        }
    }
}
