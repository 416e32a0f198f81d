use proptest::prelude::*;

use super::super::compress::{compress, compress_if_shorter};
use super::super::lzw;
use super::*;

const LIMIT: usize = 1 << 20;

fn packed(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    lzw::compress(input, &mut out);
    out
}

/// A stream as older and newer toolchains of the reference write it: 9-bit codes, lowest bit first.
fn codes(codes: &[u32]) -> Vec<u8> {
    let mut bits: u128 = 0;
    for (index, code) in codes.iter().enumerate() {
        bits |= u128::from(*code) << (9 * index);
    }
    bits.to_le_bytes()[..(codes.len() * 9).div_ceil(8)].to_vec()
}

#[test]
fn a_message_is_compressed_as_in_the_vector() {
    let message = b"\x00aaaaaaaa";
    assert_eq!(compress(message), hex("0982a4416c676f00a3427566a700c20c24383020"));
    for vector in ["0982a4416c676f00a3427566a700c20c24383020", "0982a4416c676f00a3427566a80001841948706040"] {
        assert_eq!(decompress(&hex(vector)[1..], LIMIT).unwrap(), message, "{vector}");
    }
}

#[test]
fn both_forms_of_a_stream_are_read() {
    let rows: [(Vec<u8>, &[u8]); 7] = [
        (codes(&[257]), b""),
        (codes(&[256, 257]), b""),
        (codes(&[97, 98, 257]), b"ab"),
        (codes(&[256, 97, 98, 257]), b"ab"),
        (codes(&[97, 258, 257]), b"aaa"),
        (codes(&[97, 98, 258, 256, 99, 257]), b"ababc"),
        ([codes(&[97, 257]), b"behind".to_vec()].concat(), b"a"),
    ];
    for (stream, plain) in rows {
        assert_eq!(lzw::decompress(&stream, LIMIT).unwrap(), plain, "{stream:?}");
    }
}

#[test]
fn broken_streams_are_refused() {
    for (stream, error) in [
        (codes(&[]), "unexpected EOF"),
        (codes(&[97, 98]), "unexpected EOF"),
        (codes(&[258, 257]), "lzw: invalid code"),
        (codes(&[97, 259, 257]), "lzw: invalid code"),
        (codes(&[97, 256, 258, 257]), "lzw: invalid code"),
    ] {
        let found = lzw::decompress(&stream, LIMIT).unwrap_err().to_string();
        assert_eq!(found, format!("failed to decompress payload: {error}"), "{stream:?}");
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let bomb = packed(&vec![0; 1 << 20]);
    assert!(bomb.len() < 4096);
    assert_eq!(lzw::decompress(&bomb, 1 << 20).unwrap().len(), 1 << 20);
    let error = lzw::decompress(&bomb, (1 << 20) - 1).unwrap_err().to_string();
    assert_eq!(error, "failed to decompress payload: decompressed payload is too large");
}

#[test]
fn another_algorithm_is_refused() {
    assert!(decompress(b"\x82\xa4Algo\x01\xa3Buf\xa1x", LIMIT).is_err());
}

#[test]
fn packets_are_compressed_only_when_that_is_shorter() {
    assert_eq!(compress_if_shorter(b"short"), None);
    let incompressible: Vec<u8> = (0..=255).collect();
    assert_eq!(compress_if_shorter(&incompressible), None);
    for length in 0..64 {
        let best = vec![7; length];
        let expected = Some(compress(&best)).filter(|compressed| compressed.len() < length);
        assert_eq!(compress_if_shorter(&best), expected, "{length} bytes");
    }
}

#[test]
fn long_inputs_pass_the_end_of_the_table() {
    // Enough different pairs to run out of codes several times.
    let mut rng = crate::random::Rng::new(1);
    let random: Vec<u8> = (0..40_000).map(|_| rng.below(256) as u8).collect();
    assert_eq!(lzw::decompress(&packed(&random), LIMIT).unwrap(), random);
    let few: Vec<u8> = (0..200_000).map(|_| rng.below(3) as u8).collect();
    assert_eq!(lzw::decompress(&packed(&few), LIMIT).unwrap(), few);
}

proptest! {
    #[test]
    fn what_was_compressed_comes_back(
        input in proptest::collection::vec(any::<u8>(), 0..600),
        alphabet in 1_u8..=255,
    ) {
        let input: Vec<u8> = input.iter().map(|byte| byte % alphabet).collect();
        prop_assert_eq!(lzw::decompress(&packed(&input), LIMIT).unwrap(), input);
    }

    #[test]
    fn no_stream_of_a_stranger_panics(stream in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(plain) = lzw::decompress(&stream, 1 << 16) {
            prop_assert!(plain.len() <= 1 << 16);
        }
    }
}
