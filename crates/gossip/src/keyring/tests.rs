use super::*;
use crate::wire::tests::hex;

fn key(length: usize) -> Vec<u8> {
    (0..length).map(|byte| byte as u8).collect()
}

fn ring(keys: &[Vec<u8>]) -> Keyring {
    Keyring::new(keys).unwrap()
}

/// The nack of docs/spec/gossip.md §4.1.
const NACK: &str = "0b81a55365714e6f01";

#[test]
fn a_packet_encrypts_as_in_the_vector() {
    let mut out = Vec::new();
    ring(&[key(16)]).encrypt_with([0; NONCE_BYTES], &[&hex(NACK)], b"", &mut out).unwrap();
    assert_eq!(out, hex("0100000000000000000000000042572200fceae8e3e29b6b0279de217f4c9a05a5b0a23e795a"));
    assert_eq!(ring(&[key(16)]).decrypt(&out, b"").unwrap(), hex(NACK));
}

#[test]
fn every_key_length_encrypts_and_reads_its_own() {
    for length in [16, 24, 32] {
        let ring = ring(&[key(length)]);
        let mut out = b"before".to_vec();
        ring.encrypt(&[b"hel", b"lo"], b"label", &mut out).unwrap();
        assert_eq!(out.len(), 6 + OVERHEAD_BYTES + 5);
        let payload = &out[6..];
        assert_eq!(ring.decrypt(payload, b"label").unwrap(), b"hello");
        assert_eq!(ring.decrypt(payload, b"other"), Err(KeyringError::NoKeyFits));
        let mut damaged = payload.to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(ring.decrypt(&damaged, b"label"), Err(KeyringError::NoKeyFits));
    }
}

#[test]
fn aes_192_agrees_with_the_published_vector() {
    // Test case 8 of the GCM proposal (McGrew and Viega): zero key, zero nonce, one zero block.
    let mut out = Vec::new();
    ring(&[vec![0; 24]]).encrypt_with([0; NONCE_BYTES], &[&[0; 16]], b"", &mut out).unwrap();
    assert_eq!(out[13..], hex("98e7247c07f0fe411c267e4384b0f6002ff58d80033927ab8ef4d4587514f0fb"));
}

#[test]
fn any_key_of_the_ring_decrypts_and_the_first_encrypts() {
    let (old, new) = (key(16), key(32));
    let mut out = Vec::new();
    ring(std::slice::from_ref(&old)).encrypt(&[b"x"], b"", &mut out).unwrap();
    let both = ring(&[new.clone(), old.clone()]);
    assert_eq!(both.decrypt(&out, b"").unwrap(), b"x");
    out.clear();
    both.encrypt(&[b"x"], b"", &mut out).unwrap();
    assert_eq!(ring(&[old]).decrypt(&out, b""), Err(KeyringError::NoKeyFits));
}

#[test]
fn the_padded_format_is_read() {
    let key = Key::new(&key(16)).unwrap();
    for (text, padding) in [(&b"hello"[..], 11), (&[7; 16][..], 16)] {
        let mut padded = text.to_vec();
        padded.resize(text.len() + padding, padding as u8);
        let tag = key.seal([9; NONCE_BYTES], b"", &mut padded).unwrap();
        let payload = [&[PADDED_FORMAT][..], &[9; NONCE_BYTES][..], &padded[..], &tag[..]].concat();
        assert_eq!(ring(&[key.bytes().to_vec()]).decrypt(&payload, b"").unwrap(), text);
    }
}

#[test]
fn payloads_that_cannot_be_are_refused() {
    let ring = ring(&[key(16)]);
    let rows: [(&[u8], KeyringError); 5] = [
        (&[], KeyringError::TooSmall(0)),
        (&[1; 28], KeyringError::TooSmall(28)),
        (&[0; 44], KeyringError::TooSmall(44)),
        (&[2; 100], KeyringError::UnsupportedVersion(2)),
        (&[1; 100], KeyringError::NoKeyFits),
    ];
    for (payload, error) in rows {
        assert_eq!(ring.decrypt(payload, b""), Err(error));
    }
    assert_eq!(Keyring::default().encrypt(&[b"x"], b"", &mut Vec::new()), Err(KeyringError::CannotEncrypt));
}

#[test]
fn the_ring_keeps_its_order() {
    let (a, b, c) = (key(16), key(24), key(32));
    let ring = ring(&[a.clone(), b.clone()]);
    assert_eq!(ring.install(&[0; 15]), Err(KeyringError::KeySize));
    ring.install(&c).unwrap();
    ring.install(&a).unwrap();
    assert_eq!(ring.list(), [a.clone(), b.clone(), c.clone()]);
    ring.use_key(&c).unwrap();
    assert_eq!(ring.list(), [c.clone(), a.clone(), b.clone()]);
    assert_eq!(ring.primary(), Some(c.clone()));
    assert_eq!(ring.use_key(&[0; 16]), Err(KeyringError::NotInstalled));
    assert_eq!(ring.remove(&c), Err(KeyringError::RemovingPrimary));
    ring.remove(&a).unwrap();
    ring.remove(&a).unwrap();
    assert_eq!(ring.list(), [c, b]);
}

#[test]
fn debug_shows_no_key() {
    assert_eq!(format!("{:?}", ring(&[key(16)])), "Keyring { keys: 1 }");
}
