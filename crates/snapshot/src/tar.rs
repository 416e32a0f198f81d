//! The little of the tar format that archives need: plain files with short names, streamed, bounded.

use std::io::{self, Read, Write};

use crate::Error;
use crate::error::stream_text;

pub(crate) const BLOCK_BYTES: usize = 512;
/// Bound on extension headers before one file. They are needed for states of 8 GiB and more, and take one block then.
const EXTENSIONS_LIMIT_BYTES: u64 = 64 << 10;

const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const OWNER: std::ops::Range<usize> = 108..116;
const GROUP: std::ops::Range<usize> = 116..124;
const SIZE: std::ops::Range<usize> = 124..136;
const MODIFIED: std::ops::Range<usize> = 136..148;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const TYPE: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..265;
const PREFIX: std::ops::Range<usize> = 345..500;

const USTAR: &[u8; 8] = b"ustar\x0000";
/// Set on the first byte of a number that is binary, not octal.
const BINARY: u8 = 0x80;
/// Largest size that eleven octal digits hold.
const MAX_OCTAL_SIZE: u64 = 0o777_7777_7777;

/// One file's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) size: u64,
    /// False for links, folders and devices.
    pub(crate) regular: bool,
}

/// The header of the next file, `None` at the end of the archive. `source` must stand at a block boundary.
pub(crate) fn next_entry(source: &mut impl Read) -> Result<Option<Entry>, Error> {
    let mut extensions = Extensions::default();
    let mut extension_bytes = 0_u64;
    loop {
        let Some(block) = read_block(source)? else { return Ok(None) };
        if is_zero(&block) {
            // The end is two such blocks; a file that ends behind the first is read as the reference reads it.
            return match read_block(source)? {
                Some(second) if !is_zero(&second) => Err(Error::TarHeader),
                _ => Ok(None),
            };
        }
        if !has_valid_checksum(&block) {
            return Err(Error::TarHeader);
        }
        let size = number(&block[SIZE]).ok_or(Error::TarHeader)?;
        let kind = block[TYPE];
        if !matches!(kind, b'x' | b'g' | b'L' | b'K') {
            let name = extensions.name.unwrap_or_else(|| header_name(&block));
            let size = extensions.size.unwrap_or(size);
            return Ok(Some(Entry { name, size, regular: matches!(kind, b'0' | b'\0') }));
        }

        extension_bytes = size.saturating_add(extension_bytes).saturating_add(BLOCK_BYTES as u64);
        if extension_bytes > EXTENSIONS_LIMIT_BYTES {
            return Err(Error::TooLarge { what: "a tar header", limit_bytes: EXTENSIONS_LIMIT_BYTES });
        }
        let content = read_extension(source, size)?;
        match kind {
            b'x' => extensions.read_pax(&content)?,
            b'L' => extensions.name = Some(until_nul(&content).to_vec()),
            // Global headers and link targets say nothing about a plain file.
            _ => {}
        }
    }
}

/// Bytes between the end of a file of this size and the next block boundary.
pub(crate) fn padding(size: u64) -> u64 {
    let block = BLOCK_BYTES as u64;
    (block - size % block) % block
}

/// Writes the header of a plain file that only its owner may read.
pub(crate) fn write_header(out: &mut impl Write, name: &str, size: u64, unix_seconds: u64) -> io::Result<()> {
    let mut block = [0_u8; BLOCK_BYTES];
    block[NAME][..name.len()].copy_from_slice(name.as_bytes());
    put_octal(&mut block[MODE], 0o600);
    put_octal(&mut block[OWNER], 0);
    put_octal(&mut block[GROUP], 0);
    if size <= MAX_OCTAL_SIZE {
        put_octal(&mut block[SIZE], size);
    } else {
        let field = &mut block[SIZE];
        let first = field.len() - 8;
        field[0] = BINARY;
        field[first..].copy_from_slice(&size.to_be_bytes());
    }
    put_octal(&mut block[MODIFIED], unix_seconds);
    block[TYPE] = b'0';
    block[MAGIC].copy_from_slice(USTAR);
    let (unsigned, _) = checksums(&block);
    // Six digits, a NUL and a space, as every writer has it.
    put_octal(&mut block[CHECKSUM][..7], unsigned);
    block[CHECKSUM][7] = b' ';
    out.write_all(&block)
}

/// Writes the two blocks that end an archive.
pub(crate) fn write_end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK_BYTES])
}

/// What extension headers say about the file that follows.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extensions {
    /// Records of the form `LENGTH KEY=VALUE\n`, where the length counts the whole record.
    fn read_pax(&mut self, mut content: &[u8]) -> Result<(), Error> {
        while !content.is_empty() {
            let space = content.iter().position(|byte| *byte == b' ').ok_or(Error::TarHeader)?;
            let length: usize = parse(&content[..space]).ok_or(Error::TarHeader)?;
            if length <= space || length > content.len() {
                return Err(Error::TarHeader);
            }
            let (record, rest) = content.split_at(length);
            content = rest;
            let record = record[space + 1..].strip_suffix(b"\n").ok_or(Error::TarHeader)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(Error::TarHeader)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"size" => self.size = Some(parse(value).ok_or(Error::TarHeader)?),
                _ => {}
            }
        }
        Ok(())
    }
}

fn parse<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// One block, or `None` when the source ends right here.
fn read_block(source: &mut impl Read) -> Result<Option<[u8; BLOCK_BYTES]>, Error> {
    let mut block = [0; BLOCK_BYTES];
    let mut filled = 0;
    while filled < BLOCK_BYTES {
        match source.read(&mut block[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(Error::Container("unexpected EOF".to_owned())),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Container(stream_text(&error))),
        }
    }
    Ok(Some(block))
}

fn read_extension(source: &mut impl Read, size: u64) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    source
        .take(size + padding(size))
        .read_to_end(&mut content)
        .map_err(|error| Error::Container(stream_text(&error)))?;
    if (content.len() as u64) < size + padding(size) {
        return Err(Error::Container("unexpected EOF".to_owned()));
    }
    content.truncate(content.len() - padding(size) as usize);
    Ok(content)
}

fn is_zero(block: &[u8; BLOCK_BYTES]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

fn header_name(block: &[u8; BLOCK_BYTES]) -> Vec<u8> {
    let name = until_nul(&block[NAME]);
    let prefix = until_nul(&block[PREFIX]);
    if block[MAGIC] != *USTAR || prefix.is_empty() {
        return name.to_vec();
    }
    [prefix, name].join(&b'/')
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn has_valid_checksum(block: &[u8; BLOCK_BYTES]) -> bool {
    // Some old writers summed signed bytes.
    let (unsigned, signed) = checksums(block);
    number(&block[CHECKSUM]).is_some_and(|found| found == unsigned || i64::try_from(found) == Ok(signed))
}

/// The sum of a header's bytes, as unsigned and as signed ones, with spaces in the place of the sum itself.
fn checksums(block: &[u8; BLOCK_BYTES]) -> (u64, i64) {
    let bytes = block.iter().enumerate().map(|(at, byte)| if CHECKSUM.contains(&at) { b' ' } else { *byte });
    bytes.fold((0, 0), |(unsigned, signed), byte| {
        (unsigned + u64::from(byte), signed + i64::from(i8::from_ne_bytes([byte])))
    })
}

/// A number in octal digits between spaces and NULs, or in binary. `None` when it is neither, negative or too large.
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & BINARY != 0 {
        // The next bit is the sign.
        let head = u64::from(first & !BINARY);
        return if head & 0x40 != 0 { None } else { rest.iter().try_fold(head, |sum, byte| push_byte(sum, *byte)) };
    }
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let end = field.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    field[start..end].iter().try_fold(0_u64, |sum, byte| match byte {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

fn push_byte(sum: u64, byte: u8) -> Option<u64> {
    sum.checked_mul(256)?.checked_add(u64::from(byte))
}

/// Octal digits up to a final NUL. Numbers that do not fit keep their low digits; only a time past the year 2242 could.
fn put_octal(field: &mut [u8], mut value: u64) {
    let digits = field.len() - 1;
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + (value % 8) as u8;
        value /= 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, size: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_header(&mut bytes, name, size, 1_669_802_400).unwrap();
        bytes
    }

    /// Changes bytes of a header and makes its checksum fit again.
    fn patched(mut bytes: Vec<u8>, at: usize, patch: &[u8]) -> Vec<u8> {
        bytes[at..at + patch.len()].copy_from_slice(patch);
        let block: [u8; BLOCK_BYTES] = bytes[..BLOCK_BYTES].try_into().unwrap();
        let (sum, _) = checksums(&block);
        put_octal(&mut bytes[CHECKSUM][..7], sum);
        bytes
    }

    fn pax(records: &str) -> Vec<u8> {
        let mut bytes = patched(header("pax", records.len() as u64), TYPE, b"x");
        bytes.extend_from_slice(records.as_bytes());
        bytes.resize(bytes.len() + padding(records.len() as u64) as usize, 0);
        bytes
    }

    #[test]
    fn headers_round_trip_at_every_size() {
        for size in [0, 1, MAX_OCTAL_SIZE, MAX_OCTAL_SIZE + 1, u64::MAX] {
            let entry = next_entry(&mut header("state.bin", size).as_slice()).unwrap().unwrap();
            assert_eq!(entry, Entry { name: b"state.bin".to_vec(), size, regular: true });
        }
    }

    #[test]
    fn another_reader_understands_the_headers() {
        for size in [0, 1, MAX_OCTAL_SIZE, MAX_OCTAL_SIZE + 1] {
            let bytes = header("state.bin", size);
            let header = ::tar::Header::from_byte_slice(&bytes);
            assert_eq!(header.path_bytes().as_ref(), b"state.bin");
            assert_eq!(header.entry_size().unwrap(), size);
            assert_eq!(header.mode().unwrap(), 0o600);
            assert_eq!(header.mtime().unwrap(), 1_669_802_400);
            let block: [u8; BLOCK_BYTES] = bytes.as_slice().try_into().unwrap();
            assert_eq!(u64::from(header.cksum().unwrap()), checksums(&block).0);
        }
    }

    #[test]
    fn extended_headers_name_and_size_the_next_file() {
        let records = "13 path=meta\n21 size=123456789012\n";
        let mut archive = pax(records);
        archive.extend(header("x", 0));
        let entry = next_entry(&mut archive.as_slice()).unwrap().unwrap();
        assert_eq!(entry, Entry { name: b"meta".to_vec(), size: 123_456_789_012, regular: true });
    }

    #[test]
    fn broken_headers_are_refused() {
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("checksum", {
                let mut bytes = header("a", 1);
                bytes[0] ^= 1;
                bytes
            }),
            ("negative size", patched(header("a", 1), SIZE.start, &[0xFF; 12])),
            (
                "size beyond 64 bits",
                patched(header("a", 1), SIZE.start, b"\x80\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f"),
            ),
            ("size without digits", patched(header("a", 1), SIZE.start, b"zzz")),
            ("record length 0", pax("0 path=a\n")),
            ("record longer than the header", pax("99 path=a\n")),
            ("record without end", pax("8 path=a")),
            ("record without value", pax("7 path\n")),
            ("signed size", pax("10 size=-1\n")),
            ("one zero block", [vec![0; BLOCK_BYTES], header("a", 1)].concat()),
        ];
        for (name, bytes) in cases {
            let outcome = next_entry(&mut bytes.as_slice());
            assert!(matches!(outcome, Err(Error::TarHeader)), "{name}: {outcome:?}");
        }
    }

    #[test]
    fn extension_headers_are_bounded() {
        let long = patched(header("long", EXTENSIONS_LIMIT_BYTES), TYPE, b"L");
        assert!(matches!(next_entry(&mut long.as_slice()), Err(Error::TooLarge { .. })));
        let many = pax("9 path=ab\n").repeat(200);
        assert!(next_entry(&mut many.as_slice()).is_err());
    }

    #[test]
    fn links_and_folders_are_not_regular() {
        for kind in [b"1", b"2", b"3", b"5", b"6", b"S"] {
            let bytes = patched(header("state.bin", 0), TYPE, kind);
            assert!(!next_entry(&mut bytes.as_slice()).unwrap().unwrap().regular);
        }
    }
}
