use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::keyring::Keyring;

/// A pool's layers: with this key (none: plaintext), label, and insistence on encryption in and out.
fn pipeline(key: Option<u8>, label: &str, verify_incoming: bool, verify_outgoing: bool) -> Pipeline {
    let keys: Vec<Vec<u8>> = key.into_iter().map(|byte| vec![byte; 16]).collect();
    Pipeline::new(Arc::new(Keyring::new(&keys).unwrap()), label, verify_incoming, verify_outgoing)
}

/// The message of a datagram.
fn open(pipeline: &Pipeline, datagram: &[u8]) -> Result<Vec<u8>, WireError> {
    pipeline.open_packet(datagram).map(std::borrow::Cow::into_owned)
}

fn nack() -> Bytes {
    hex("0b81a55365714e6f01").into()
}

#[test]
fn a_checksum_is_written_as_in_the_vector() {
    let plain = pipeline(None, "", true, true);
    let packet = plain.seal_packet(nack(), true).unwrap();
    assert_eq!(packet, hex("0c097351570b81a55365714e6f01"));
    assert_eq!(open(&plain, &packet).unwrap(), nack());
    assert_eq!(plain.seal_packet(nack(), false).unwrap(), nack());
    let mut damaged = packet.to_vec();
    damaged[5] ^= 1;
    assert!(matches!(plain.open_packet(&damaged), Err(WireError::Checksum { .. })));
}

#[test]
fn packets_come_back_through_every_layer() {
    let long: Bytes = vec![3; 1000].into();
    for key in [None, Some(1)] {
        for label in ["", "blue"] {
            for crc in [false, true] {
                for message in [nack(), long.clone()] {
                    let pipeline = pipeline(key, label, true, true);
                    let packet = pipeline.seal_packet(message.clone(), crc).unwrap();
                    let overhead = pipeline.packet_overhead() + if crc { 5 } else { 0 };
                    assert!(packet.len() <= message.len() + overhead);
                    let opened = open(&pipeline, &packet).unwrap();
                    let opened = match opened.split_first() {
                        Some((9, body)) => decompress(body, 1 << 16).unwrap(),
                        _ => opened,
                    };
                    assert_eq!(opened, message);
                }
            }
        }
    }
}

#[test]
fn an_encrypted_packet_shows_no_type() {
    let packet = pipeline(Some(1), "", true, true).seal_packet(nack(), true).unwrap();
    assert_eq!(packet[0], 1, "the encryption's version");
    assert_eq!(packet.len(), 29 + 5 + 9);
    assert!(matches!(pipeline(Some(2), "", true, true).open_packet(&packet), Err(WireError::Keyring(_))));
}

#[test]
fn plaintext_is_taken_only_while_encryption_is_not_insisted_on() {
    // docs/spec/gossip.md §20 case 10.
    let plain = pipeline(None, "", true, true).seal_packet(nack(), true).unwrap();
    assert!(pipeline(Some(1), "", true, true).open_packet(&plain).is_err());
    assert_eq!(open(&pipeline(Some(1), "", false, true), &plain).unwrap(), nack());
    let sent = pipeline(Some(1), "", false, false).seal_packet(nack(), false).unwrap();
    assert_eq!(sent, nack());
}

#[test]
fn another_pools_label_is_refused() {
    let packet = pipeline(None, "blue", true, true).seal_packet(nack(), false).unwrap();
    assert_eq!(packet[..6], *b"\xf4\x04blue");
    for label in ["", "red"] {
        let error = pipeline(None, label, true, true).open_packet(&packet).unwrap_err().to_string();
        assert_eq!(error, "unexpected label: \"blue\"");
    }
    let ours = pipeline(None, "", true, true);
    assert!(ours.open_packet(&nack()).is_ok());
    for malformed in [&b"\xf4"[..], b"\xf4\x00x", b"\xf4\x05blue"] {
        assert!(matches!(ours.open_packet(malformed), Err(WireError::MalformedLabel)));
    }
}

#[test]
fn overheads_are_those_of_the_budgets() {
    // docs/spec/gossip.md §7.2 and §20 case 44.
    for (pipeline, gossip, packet) in [
        (pipeline(None, "", true, true), 0, 0),
        (pipeline(Some(1), "", true, true), 29, 29),
        (pipeline(Some(1), "", true, false), 29, 0),
        (pipeline(Some(1), "blue", true, false), 35, 6),
    ] {
        assert_eq!(pipeline.gossip_overhead(), gossip);
        assert_eq!(pipeline.packet_overhead(), packet);
    }
}

#[test]
fn compound_messages_have_their_lengths_first() {
    let parts = [nack(), Bytes::from_static(b"\x08x")];
    let compound = write_compound(&parts);
    assert_eq!(compound, [&b"\x07\x02\x00\x09\x00\x02"[..], &nack()[..], b"\x08x"].concat());
    let read: Vec<&[u8]> = super::parts(&compound[1..]).unwrap().collect();
    assert_eq!(read, [&nack()[..], b"\x08x"]);
}

#[test]
fn parts_cut_off_are_dropped_and_a_cut_table_drops_all() {
    let compound = write_compound(&[nack(), nack()]);
    let cut = &compound[1..compound.len() - 1];
    assert_eq!(super::parts(cut).unwrap().collect::<Vec<_>>(), [&nack()[..]]);
    assert!(super::parts(&compound[1..5]).is_err());
    assert!(super::parts(&[]).is_err());
}
