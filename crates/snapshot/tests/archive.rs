//! Archives: what is written can be read by anybody, and what is read can be trusted.

#![allow(clippy::unwrap_used, reason = "the helpers of these tests")]

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use snapshot::{Configuration, Meta, Server, Suffrage, read_archive, read_archive_within, write_archive};
use tar::EntryType;

const STATE: &[u8] = b"\x81\xa9LastIndex\x05\x02\x81\xa3Key\xa1a";

fn meta(size: u64) -> Meta {
    let servers =
        vec![Server { suffrage: Suffrage::Voter, id: "id-1".to_owned(), address: "127.0.0.1:8300".to_owned() }];
    Meta::new(13, 2, Configuration { servers }, 1, size, 1_602_222_343_947).unwrap()
}

fn written(state: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    write_archive(&mut archive, &meta(state.len() as u64), state).unwrap();
    archive
}

/// The state of an archive that is read, or the error's text.
fn read(archive: &[u8]) -> Result<Vec<u8>, String> {
    let mut state = Vec::new();
    read_archive(archive, &mut state).map(|_| state).map_err(|error| error.to_string())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

/// A member of an archive made by other means.
#[derive(Clone)]
struct Made {
    name: &'static str,
    content: Vec<u8>,
    kind: EntryType,
}

fn file(name: &'static str, content: impl Into<Vec<u8>>) -> Made {
    Made { name, content: content.into(), kind: EntryType::Regular }
}

fn odd(name: &'static str, kind: EntryType) -> Made {
    Made { name, content: Vec::new(), kind }
}

fn made(members: &[Made]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_ustar();
        // The builder refuses names that climb out of the archive: written past it.
        header.as_old_mut().name[..member.name.len()].copy_from_slice(member.name.as_bytes());
        header.set_entry_type(member.kind);
        header.set_size(member.content.len() as u64);
        header.set_cksum();
        builder.append(&header, member.content.as_slice()).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

fn sum(content: &[u8], name: &str) -> String {
    let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hash}  {name}\n")
}

fn meta_json(size: usize) -> Vec<u8> {
    meta(size as u64).to_json().unwrap()
}

/// The three members, consistent with each other.
fn members(meta_json: Vec<u8>, state: &[u8]) -> [Made; 3] {
    let sums = sum(&meta_json, "meta.json") + &sum(state, "state.bin");
    [file("meta.json", meta_json), file("state.bin", state), file("SHA256SUMS", sums)]
}

fn good() -> [Made; 3] {
    members(meta_json(STATE.len()), STATE)
}

#[test]
fn states_of_any_length_round_trip() {
    for length in [0, 1, 511, 512, 513, 70_000, 200_000] {
        let state: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
        let mut out = Vec::new();
        let read_meta = read_archive(written(&state).as_slice(), &mut out).unwrap();
        assert_eq!(read_meta, meta(length as u64));
        assert!(out == state, "{length}");
    }
}

#[test]
fn another_reader_finds_three_private_files_in_order() {
    let mut archive = tar::Archive::new(GzDecoder::new(io::Cursor::new(written(STATE))));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mode().unwrap(), 0o600);
        assert_eq!(entry.header().entry_type(), EntryType::Regular);
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.push((entry.path().unwrap().display().to_string(), content));
    }
    let expected = good().map(|member| (member.name.to_owned(), member.content));
    assert_eq!(found, expected);
}

#[test]
fn nothing_follows_the_two_blocks_that_end_the_archive() {
    let plain = gunzip(&written(STATE));
    let members_bytes = 3 * (512 + 512);
    assert_eq!(plain.len(), members_bytes + 1024);
    assert!(plain[members_bytes..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_state_of_another_length_than_announced_is_not_archived() {
    let actual = STATE.len() as u64;
    for declared in [actual + 1, actual - 1] {
        let error = write_archive(io::sink(), &meta(declared), STATE).unwrap_err().to_string();
        assert_eq!(error, format!("failed to write snapshot, size didn't match ({actual} != {declared})"));
    }
}

#[test]
fn members_come_in_any_order() {
    let [meta, state, sums] = good();
    let orders = [[&meta, &state, &sums], [&sums, &state, &meta], [&state, &sums, &meta], [&state, &meta, &sums]];
    for order in orders {
        assert_eq!(read(&made(&order.map(Clone::clone))), Ok(STATE.to_vec()));
    }
}

#[test]
fn what_is_not_gzip_is_said_so() {
    let cases: [(&[u8], &str); 5] = [
        (b"", "EOF"),
        (b"\x1f\x8b\x08", "unexpected EOF"),
        (b"123456789", "unexpected EOF"),
        (b"1234567890", "gzip: invalid header"),
        (b"\x1f\x8b\x07\0\0\0\0\0\0\0\0", "gzip: invalid header"),
    ];
    for (archive, expected) in cases {
        assert_eq!(read(archive), Err(format!("failed to decompress snapshot: {expected}")), "{archive:?}");
    }
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let archive = written(STATE);
    for length in 0..archive.len() {
        let error = read(&archive[..length]).unwrap_err();
        assert!(error.ends_with("EOF"), "{length}: {error}");
    }
}

#[test]
fn a_container_cut_anywhere_is_refused() {
    let plain = gunzip(&written(STATE));
    let end_of_members = plain.len() - 1024;
    for length in 0..end_of_members {
        let error = read(&gzip(&plain[..length])).unwrap_err();
        assert!(error.starts_with("failed to read snapshot file: "), "{length}: {error}");
    }
    let cases = [
        (512 + 100, "failed to read snapshot metadata: unexpected EOF"),
        (1024 + 512 + 10, "failed to read or write snapshot data: unexpected EOF"),
        (2048 + 512 + 10, "failed to read snapshot hashes: unexpected EOF"),
        (1024 + 100, "failed reading snapshot: unexpected EOF"),
        (2048, "failed checking integrity of snapshot: file missing for \"meta.json\""),
    ];
    for (length, expected) in cases {
        assert_eq!(read(&gzip(&plain[..length])), Err(format!("failed to read snapshot file: {expected}")));
    }
}

#[test]
fn members_that_do_not_belong_are_refused() {
    let [meta, state, sums] = good();
    let all = [meta.clone(), state.clone(), sums.clone()];
    let with = |extra: Made| made(&[&all[..], &[extra]].concat());
    let cases = [
        (with(file("evil", "x")), "unexpected file \"evil\" in snapshot"),
        (with(file("../state.bin", "x")), "unexpected file \"../state.bin\" in snapshot"),
        (with(file("/etc/passwd", "x")), "unexpected file \"/etc/passwd\" in snapshot"),
        (with(odd("folder/", EntryType::Directory)), "unexpected file \"folder/\" in snapshot"),
        (with(odd("evil\nname", EntryType::Symlink)), "unexpected file \"evil\\nname\" in snapshot"),
        (with(odd("state.bin", EntryType::Symlink)), "\"state.bin\" in snapshot is not a regular file"),
        (with(odd("meta.json", EntryType::Link)), "\"meta.json\" in snapshot is not a regular file"),
        (with(odd("SHA256SUMS", EntryType::Fifo)), "\"SHA256SUMS\" in snapshot is not a regular file"),
        (with(state.clone()), "duplicate file \"state.bin\" in snapshot"),
        (with(meta.clone()), "duplicate file \"meta.json\" in snapshot"),
        (with(sums.clone()), "duplicate file \"SHA256SUMS\" in snapshot"),
    ];
    for (archive, expected) in cases {
        assert_eq!(read(&archive), Err(format!("failed to read snapshot file: {expected}")));
    }
}

#[test]
fn members_that_do_not_fit_each_other_are_refused() {
    let [meta, state, sums] = good();
    let empty_sums = sum(&meta.content, "meta.json") + &sum(b"", "state.bin");
    let cases = [
        (made(&[]), "file missing for \"meta.json\""),
        (made(&[meta.clone(), state.clone()]), "file missing for \"meta.json\""),
        (made(&[state.clone(), sums.clone()]), "hash check failed for \"meta.json\""),
        (made(&[meta.clone(), sums.clone()]), "hash check failed for \"state.bin\""),
        (made(&[meta.clone(), file("SHA256SUMS", empty_sums)]), "file missing for \"state.bin\""),
        (made(&[meta.clone(), file("state.bin", vec![7; STATE.len()]), sums]), "hash check failed for \"state.bin\""),
    ];
    for (archive, expected) in cases {
        let prefix = "failed to read snapshot file: failed checking integrity of snapshot: ";
        assert_eq!(read(&archive), Err(format!("{prefix}{expected}")));
    }
}

#[test]
fn a_state_of_another_length_than_the_metadata_says_is_refused() {
    let size = STATE.len();
    let expected =
        format!("failed to read snapshot file: \"state.bin\" has {size} bytes where \"meta.json\" says {}", size + 1);
    let [meta, state, sums] = members(meta_json(size + 1), STATE);
    assert_eq!(read(&made(&[meta.clone(), state.clone(), sums.clone()])), Err(expected.clone()));
    assert_eq!(read(&made(&[state, meta, sums])), Err(expected));
}

#[test]
fn bytes_behind_the_members_are_refused() {
    let plain = gunzip(&written(STATE));
    let archive = gzip(&plain);
    let mut bad_checksum = archive.clone();
    let checksum_at = archive.len() - 8;
    bad_checksum[checksum_at] ^= 1;
    let cases = [
        (gzip(&[&plain[..], b"abc"].concat()), "3 unread uncompressed bytes remain"),
        ([archive.clone(), gzip(b"abc")].concat(), "3 unread uncompressed bytes remain"),
        ([archive.clone(), b"garbage, and more of it".to_vec()].concat(), "gzip: invalid header"),
        (bad_checksum, "gzip: invalid checksum"),
    ];
    for (archive, expected) in cases {
        assert_eq!(read(&archive), Err(expected.to_owned()));
    }
}

/// Counts what is written to it, keeps nothing.
#[derive(Default)]
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_bomb_writes_nothing_beyond_the_declared_size_or_the_limit() {
    let bomb = vec![0; 4 << 20];
    let [meta, state, sums] = members(meta_json(16), &bomb);
    let mut counter = Counter::default();
    let error = read_archive(made(&[meta.clone(), state.clone(), sums.clone()]).as_slice(), &mut counter).unwrap_err();
    assert!(error.to_string().ends_with("\"state.bin\" has 4194304 bytes where \"meta.json\" says 16"), "{error}");
    let error = read_archive_within(made(&[state, meta, sums]).as_slice(), &mut counter, 1 << 20).unwrap_err();
    assert!(error.to_string().ends_with("state.bin is larger than the limit of 1048576 bytes"), "{error}");
    assert_eq!(counter.0, 0);
}

#[test]
fn members_that_are_kept_in_memory_are_bounded() {
    let cases = [
        (file("meta.json", vec![b' '; (1 << 20) + 1]), "meta.json is larger than the limit of 1048576 bytes"),
        (file("SHA256SUMS", vec![b' '; (64 << 10) + 1]), "SHA256SUMS is larger than the limit of 65536 bytes"),
    ];
    for (member, expected) in cases {
        assert_eq!(read(&made(&[member])), Err(format!("failed to read snapshot file: {expected}")));
    }
}

/// Fails as a full disk does.
struct FullDisk;

impl Write for FullDisk {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("no space left on device"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_named() {
    let error = read_archive(written(STATE).as_slice(), FullDisk).unwrap_err().to_string();
    let expected = "failed to read snapshot file: failed to read or write snapshot data: no space left on device";
    assert_eq!(error, expected);
    let error = write_archive(FullDisk, &meta(STATE.len() as u64), STATE).unwrap_err().to_string();
    assert_eq!(error, "failed to write snapshot archive: no space left on device");
}

proptest! {
    #[test]
    fn a_flipped_bit_never_changes_the_state_unnoticed(at in 0..4096_usize, bit in 0..8_u32) {
        let mut plain = gunzip(&written(STATE));
        let at = at % plain.len();
        plain[at] ^= 1 << bit;
        if let Ok(state) = read(&gzip(&plain)) {
            prop_assert_eq!(state, STATE);
        }
    }

    #[test]
    fn no_container_makes_the_reader_panic(blocks in prop::collection::vec(any::<u8>(), 0..2048)) {
        let _ = read(&gzip(&blocks));
        let _ = read(&blocks);
        let _ = snapshot::inspect(blocks.as_slice(), Some(&snapshot::KvGrouping { depth: 2, prefix: String::new() }));
    }
}
