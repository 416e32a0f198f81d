use std::sync::Arc;

use proptest::prelude::*;

use super::super::compress::compress;
use super::*;
use crate::keyring::Keyring;

const LIMIT: usize = 1 << 16;

fn pipeline(key: Option<u8>, label: &str, verify_incoming: bool) -> Pipeline {
    let keys: Vec<Vec<u8>> = key.into_iter().map(|byte| vec![byte; 16]).collect();
    Pipeline::new(Arc::new(Keyring::new(&keys).unwrap()), label, verify_incoming, true)
}

fn record(name: &str) -> NodeStateRecord<'_> {
    NodeStateRecord {
        addr: address("10.0.0.1"),
        name: name.into(),
        port: 8301,
        vsn: crate::wire::Versions::all([1, 5, 2, 2, 5, 4]),
        ..NodeStateRecord::default()
    }
}

fn state() -> Vec<u8> {
    write_state(true, [record("a"), record("b")].into_iter(), 2, b"\x02user")
}

/// What the decoder makes of bytes that come in pieces of this size.
fn decoded(bytes: &[u8], piece: usize) -> Result<Option<bytes::Bytes>, String> {
    let mut decoder = StreamDecoder::new(LIMIT);
    for bytes in bytes.chunks(piece) {
        if let Some(frame) = decoder.push(bytes)? {
            return Ok(Some(frame));
        }
    }
    Ok(None)
}

#[test]
fn a_stream_is_decrypted_as_in_the_vector() {
    let key: Vec<u8> = (0..16).collect();
    let ring = Arc::new(Keyring::new(&[key]).unwrap());
    let frame = hex("0a000000260100000000000000000000000042572200fceae8e3e27455ae45eaa99b9c4004765182ee92a7");
    let opened = Pipeline::new(ring, "", true, true).open_request(&frame).unwrap();
    assert_eq!(opened, hex("0b81a55365714e6f01"));
}

#[test]
fn a_state_comes_back() {
    let message = state();
    let read = read_state(&message[1..]).unwrap();
    assert!(read.join);
    assert_eq!(read.nodes, [record("a"), record("b")]);
    assert_eq!(read.user, b"\x02user");
    assert!(read_state(&message[1..message.len() - 1]).is_err());
    assert!(read_state(b"\x81\xa5Nodes\xff").is_err());
    assert!(read_state(b"\x81\xa5Nodes\xcf\x7f\xff\xff\xff\xff\xff\xff\xff").is_err());
}

#[test]
fn frames_come_back_with_and_without_key_and_label() {
    for key in [None, Some(1)] {
        for label in ["", "blue"] {
            let pipeline = pipeline(key, label, true);
            let request = pipeline.frame_request(&state()).unwrap();
            assert_eq!(request[0] == 0xf4, !label.is_empty());
            assert_eq!(pipeline.open_request(&request).unwrap(), state());
            let reply = pipeline.frame_reply(&state()).unwrap();
            assert_eq!(reply[0], if key.is_some() { 10 } else { 9 }, "no label on replies");
            assert_eq!(pipeline.open_reply(&reply).unwrap(), state());
        }
    }
    // The label is authenticated though it is not sent.
    let reply = pipeline(Some(1), "blue", true).frame_reply(&state()).unwrap();
    assert!(pipeline(Some(1), "red", true).open_reply(&reply).is_err());
}

#[test]
fn streams_are_compressed_even_when_that_is_longer() {
    let frame = pipeline(None, "", true).frame_request(b"\x00\x80").unwrap();
    assert_eq!(frame, compress(b"\x00\x80"));
    assert!(frame.len() > 2);
}

#[test]
fn encryption_must_match_what_is_configured() {
    let plain = pipeline(None, "", true).frame_request(&state()).unwrap();
    let encrypted = pipeline(Some(1), "", true).frame_request(&state()).unwrap();
    let text = |result: Result<Vec<u8>, WireError>| result.unwrap_err().to_string();
    assert_eq!(
        text(pipeline(None, "", true).open_request(&encrypted)),
        "Remote state is encrypted and encryption is not configured"
    );
    assert_eq!(
        text(pipeline(Some(1), "", true).open_request(&plain)),
        "Encryption is configured but remote state is not encrypted"
    );
    assert_eq!(pipeline(Some(1), "", false).open_request(&plain).unwrap(), state());
    assert_eq!(
        text(pipeline(Some(2), "", true).open_request(&encrypted)),
        "No installed keys could decrypt the message"
    );
    let huge = hex("0a01400001");
    assert_eq!(
        text(pipeline(Some(1), "", true).open_request(&huge)),
        "Remote node state is larger than limit (20971521)"
    );
}

#[test]
fn the_decoder_finds_the_end_of_every_frame() {
    let user = [&b"\x08\x81\xaaUserMsgLen\x05"[..], b"hello"].concat();
    let frames = [
        encode(Kind::Ping, &Ping { node: "a".into(), ..Ping::default() }),
        encode(Kind::Ack, &Ack::default()),
        encode(Kind::Failure, &Failure { error: "no".into() }),
        user.clone(),
        [&b"\xf4\x04blue"[..], &user].concat(),
        state(),
        write_state(false, std::iter::empty(), 0, b""),
        pipeline(None, "", true).frame_request(&state()).unwrap().to_vec(),
        pipeline(Some(1), "blue", true).frame_request(&state()).unwrap().to_vec(),
    ];
    for frame in frames {
        for piece in [1, 2, 7, LIMIT] {
            assert_eq!(decoded(&frame, piece).unwrap().as_deref(), Some(&frame[..]));
            assert_eq!(decoded(&frame[..frame.len() - 1], piece).unwrap(), None);
            let longer = [&frame[..], b"behind"].concat();
            assert_eq!(decoded(&longer, piece).unwrap().as_deref(), Some(&frame[..]));
        }
    }
}

#[test]
fn the_decoder_refuses_what_is_no_frame_or_too_long() {
    for (bytes, error) in [
        (hex("04"), "message type (4) not supported"),
        (hex("f400"), "label header is malformed"),
        (hex("f40161f4"), "message type (244) not supported"),
        (hex("0a01400001"), "Remote node state is larger than limit (20971521)"),
        // Encrypted, longer than this decoder takes.
        (hex("0a00010001"), "Remote node state is larger than limit (65536)"),
        // A string of 4 GiB.
        (hex("0981a3427566dbffffffff"), "Remote node state is larger than limit (65536)"),
        (hex("0881aa557365724d73674c656ece00ffffff"), "Remote node state is larger than limit (65536)"),
        (hex("0881aa557365724d73674c656eff"), "-1 is no length"),
    ] {
        assert_eq!(decoded(&bytes, 1).unwrap_err(), error);
    }
    let endless = [&b"\x06\x81\xa5Nodes\xce\x7f\xff\xff\xff"[..], &[0xc0; LIMIT]].concat();
    assert_eq!(decoded(&endless, 1000).unwrap_err(), "Remote node state is larger than limit (65536)");
}

proptest! {
    #[test]
    fn no_stream_of_a_stranger_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        piece in 1_usize..50,
    ) {
        let _ = decoded(&bytes, piece);
        for key in [None, Some(1)] {
            let _ = pipeline(key, "", false).open_request(&bytes);
        }
    }
}
