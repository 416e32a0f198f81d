//! The little of DER that private keys need: tags, lengths and contents.

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const SEQUENCE: u8 = 0x30;
/// Constructed context-specific tags 0 and 1.
pub(crate) const CONTEXT_0: u8 = 0xa0;
pub(crate) const CONTEXT_1: u8 = 0xa1;

/// A length of 128 and more is written as this bit and the count of its bytes.
const LONG_FORM: u8 = 0x80;
/// Bytes of a length at most; keys are far below 64 KiB.
const LENGTH_BYTES_MAX: usize = 2;

/// An element with these parts one after the other as its contents.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let mut out = vec![tag];
    if contents.len() < usize::from(LONG_FORM) {
        out.push(contents.len() as u8);
    } else {
        let length: Vec<u8> = contents.len().to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        out.push(LONG_FORM | length.len() as u8);
        out.extend(length);
    }
    out.extend(contents);
    out
}

/// Reads elements one after the other.
pub(crate) struct Elements<'a>(pub(crate) &'a [u8]);

impl<'a> Elements<'a> {
    /// The contents of the next element if it has this tag; what is left starts behind it.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        if found != tag {
            return None;
        }
        let (length, rest) = length(rest)?;
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(contents)
    }
}

fn length(input: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = input.split_first()?;
    if first < LONG_FORM {
        return Some((first.into(), rest));
    }
    let count = usize::from(first & !LONG_FORM);
    if count == 0 || count > LENGTH_BYTES_MAX {
        return None;
    }
    let (bytes, rest) = rest.split_at_checked(count)?;
    Some((bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for len in [0, 1, 127, 128, 255, 256, 65_535] {
            let contents = vec![7; len];
            let written = element(OCTET_STRING, &[&contents]);
            let mut elements = Elements(&written);
            assert_eq!(elements.take(OCTET_STRING), Some(&*contents), "{len}");
            assert!(elements.0.is_empty());
        }
    }

    #[test]
    fn a_broken_element_is_refused() {
        let broken: [&[u8]; 6] = [&[], &[4], &[4, 1], &[4, 0x80], &[4, 0x82, 1], &[4, 0x84, 0, 0, 0, 1, 9]];
        for bytes in broken {
            assert_eq!(Elements(bytes).take(OCTET_STRING), None, "{bytes:?}");
        }
    }
}
