//! The vectors of `docs/spec/gossip.md` §4.1, and what strangers may send.

mod layers;
mod lzw;
mod streams;

use super::*;

/// Bytes from hexadecimal digits; spaces are ignored.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn address(text: &str) -> Address {
    text.parse::<std::net::IpAddr>().unwrap().into()
}

/// The alive message of the vector.
fn alive() -> Alive<'static> {
    Alive {
        addr: address("10.0.0.1"),
        incarnation: 1,
        meta: b"\xff\x81\xa4role\xa4node".as_slice().into(),
        node: "a".into(),
        port: 8301,
        vsn: Versions::all([1, 5, 2, 2, 5, 4]),
    }
}

#[test]
fn messages_are_written_and_read_as_in_the_vectors() {
    let ping = Ping {
        node: "b".into(),
        seq_no: 1,
        source_addr: address("127.0.0.1"),
        source_node: "a".into(),
        source_port: 8301,
    };
    let bytes = hex("0085a44e6f6465a162a55365714e6f01aa536f7572636541646472a47f000001
         aa536f757263654e6f6465a161aa536f75726365506f7274cd206d");
    assert_eq!(encode(Kind::Ping, &ping), bytes);
    assert_eq!(decode::<Ping<'_>>(&bytes[1..]).unwrap(), ping);

    let bytes = hex("0486a441646472a40a000001ab496e6361726e6174696f6e01a44d657461acff81a4726f6c65a46e6f6465
         a44e6f6465a161a4506f7274cd206da356736ea6010502020504");
    assert_eq!(encode(Kind::Alive, &alive()), bytes);
    assert_eq!(decode::<Alive<'_>>(&bytes[1..]).unwrap(), alive());

    let dead = Dead { from: "a".into(), incarnation: 2, node: "a".into() };
    let bytes = hex("0583a446726f6da161ab496e6361726e6174696f6e02a44e6f6465a161");
    assert_eq!(encode(Kind::Dead, &dead), bytes);
    assert_eq!(decode::<Dead<'_>>(&bytes[1..]).unwrap(), dead);

    let bytes = hex("0282a75061796c6f6164c0a55365714e6f01");
    assert_eq!(encode(Kind::Ack, &Ack { seq_no: 1, ..Ack::default() }), bytes);
    assert_eq!(decode::<Ack<'_>>(&bytes[1..]).unwrap(), Ack { seq_no: 1, ..Ack::default() });

    let bytes = hex("0b81a55365714e6f01");
    assert_eq!(encode(Kind::Nack, &Nack { seq_no: 1 }), bytes);
    assert_eq!(decode::<Nack>(&bytes[1..]).unwrap(), Nack { seq_no: 1 });
}

#[test]
fn fields_that_may_be_left_out_are_when_empty() {
    let ping = Ping { node: "b".into(), seq_no: 1, ..Ping::default() };
    assert_eq!(encode(Kind::Ping, &ping), b"\x00\x82\xa4Node\xa1b\xa5SeqNo\x01");
    let request = IndirectPing { target: address("10.0.0.1"), node: "b".into(), ..IndirectPing::default() };
    assert_eq!(
        encode(Kind::IndirectPing, &request),
        b"\x01\x85\xa4Nack\xc2\xa4Node\xa1b\xa4Port\x00\xa5SeqNo\x00\xa6Target\xa4\x0a\x00\x00\x01"
    );
}

#[test]
fn every_key_stands_in_sorted_order() {
    let ping = IndirectPing {
        source_addr: address("10.0.0.1"),
        source_node: "a".into(),
        source_port: 1,
        ..IndirectPing::default()
    };
    for message in [
        encode(Kind::IndirectPing, &ping),
        encode(Kind::Failure, &Failure::default()),
        encode(Kind::PushPull, &NodeStateRecord::default()),
        encode(Kind::PushPull, &message::StateHeader::default()),
    ] {
        let map: serde_json::Map<String, serde_json::Value> = decode(&message[1..]).unwrap();
        assert!(map.keys().is_sorted(), "{map:?}");
    }
}

#[test]
fn decoding_forgives_what_the_reference_forgives() {
    // Any order, unknown keys, nil for anything, bytes behind the map.
    let body = b"\x84\xa5SeqNo\xc0\xa5Other\x92\x01\x02\xa4Node\xa1b\xaaSourceAddr\xc0behind";
    assert_eq!(decode::<Ping<'_>>(body).unwrap(), Ping { node: "b".into(), ..Ping::default() });
    // Binary data is no string, but is bytes.
    assert!(decode::<Ping<'_>>(b"\x81\xa4Node\xc4\x01b").is_err());
    let ack: Ack<'_> = decode(b"\x81\xa7Payload\xc4\x01b").unwrap();
    assert_eq!(&*ack.payload, b"b");
    // What does not fit the field's width is refused.
    assert!(decode::<Ping<'_>>(b"\x81\xa5SeqNo\xcf\x00\x00\x00\x01\x00\x00\x00\x00").is_err());
    assert!(decode::<Ping<'_>>(b"\x81\xa5SeqNo\xff").is_err());
}

#[test]
fn addresses_have_4_or_16_bytes() {
    let read = |bytes: &[u8]| Address::from(bytes);
    assert_eq!(read(&[10, 0, 0, 1]).ip().unwrap().to_string(), "10.0.0.1");
    assert_eq!(read(&[0; 16]).ip().unwrap().to_string(), "::");
    let mapped = hex("00000000000000000000ffff0a000001");
    assert_ne!(read(&mapped), read(&[10, 0, 0, 1]), "docs/spec/gossip.md §20 case 3");
    let rows: [(&[u8], usize); 3] = [(b"", 0), (b"abc", 3), (&[0; 17], 17)];
    for (bytes, length) in rows {
        let error = read(bytes).ip().unwrap_err().to_string();
        assert_eq!(error, format!("IP byte length is invalid: {length} bytes is not either 4 or 16"));
    }
}

#[test]
fn versions_keep_how_many_were_announced() {
    let body = b"\x81\xa3Vsn\xa3\x01\x05\x02";
    let alive: Alive<'_> = decode(body).unwrap();
    assert_eq!(alive.vsn, Versions { bytes: [1, 5, 2, 0, 0, 0], announced: 3 });
    assert_ne!(Versions::from(&[1, 5, 2, 2, 5, 4, 9][..]), Versions::all([1, 5, 2, 2, 5, 4]));
}

proptest::proptest! {
    #[test]
    fn no_message_of_a_stranger_panics(body in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = decode::<Ping<'_>>(&body);
        let _ = decode::<IndirectPing<'_>>(&body);
        let _ = decode::<Ack<'_>>(&body);
        let _ = decode::<Alive<'_>>(&body);
        let _ = decode::<Suspect<'_>>(&body);
        let _ = read_state(&body);
        let _ = read_user_message(&body);
        let _ = decompress(&body, 1 << 16);
        if let Ok(parts) = parts(&body) {
            proptest::prop_assert!(parts.map(<[u8]>::len).sum::<usize>() <= body.len());
        }
    }
}
