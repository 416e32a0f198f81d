//! The GIF variant of LZW (`docs/spec/gossip.md` §3.2): bits from the lowest up, 8-bit literals, codes of 9 to 12 bits,
//! wider when the next code equals 2^width.

use super::WireError;

const CLEAR: u16 = 256;
const END: u16 = 257;
const FIRST_FREE: u16 = 258;
const MIN_WIDTH: u32 = 9;
const MAX_WIDTH: u32 = 12;
/// The encoder never assigns this code: instead it clears the table.
const LAST_CODE: u16 = (1 << MAX_WIDTH) - 1;
/// No code: 0 cannot be the child of anything.
const NONE: u16 = 0;

/// Appends the compressed input to `out`; it begins without a clear code, as every decoder accepts.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) {
    let mut writer = BitWriter { out, bits: 0, count: 0 };
    let mut table = Table::new();
    let mut bytes = input.iter().copied();
    if let Some(first) = bytes.next() {
        let mut code = u16::from(first);
        for byte in bytes {
            if let Some(longer) = table.find(code, byte) {
                code = longer;
                continue;
            }
            writer.write(code, table.width);
            if table.add(code, byte) {
                writer.write(CLEAR, table.width);
                table.clear();
            }
            code = byte.into();
        }
        writer.write(code, table.width);
        // The code before the end counts as one that adds to the table: it may widen the end code, or clear.
        if table.skip() {
            writer.write(CLEAR, table.width);
            table.clear();
        }
    }
    writer.write(END, table.width);
    writer.finish();
}

struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    bits: u32,
    count: u32,
}

impl BitWriter<'_> {
    fn write(&mut self, code: u16, width: u32) {
        self.bits |= u32::from(code) << self.count;
        self.count += width;
        while self.count >= 8 {
            self.out.push(self.bits as u8);
            self.bits >>= 8;
            self.count -= 8;
        }
    }

    fn finish(self) {
        if self.count > 0 {
            self.out.push(self.bits as u8);
        }
    }
}

/// The encoder's strings as a tree: each code's first child, and the next sibling of each. It grows with the input, so
/// a short one costs little.
struct Table {
    nodes: Vec<TreeNode>,
    width: u32,
    /// The code added last.
    last: u16,
}

#[derive(Clone, Copy)]
struct TreeNode {
    child: u16,
    sibling: u16,
    byte: u8,
}

impl Table {
    fn new() -> Table {
        let mut table = Table { nodes: Vec::with_capacity(512), width: MIN_WIDTH, last: END };
        table.clear();
        table
    }

    fn clear(&mut self) {
        self.nodes.clear();
        self.nodes.resize(FIRST_FREE.into(), TreeNode { child: NONE, sibling: NONE, byte: 0 });
        self.width = MIN_WIDTH;
        self.last = END;
    }

    fn find(&self, code: u16, byte: u8) -> Option<u16> {
        let mut at = self.nodes.get(usize::from(code))?.child;
        while at != NONE {
            let node = self.nodes.get(usize::from(at))?;
            if node.byte == byte {
                return Some(at);
            }
            at = node.sibling;
        }
        None
    }

    /// Gives the next code to the string of `code` and `byte`; true when the codes ran out and the table must be
    /// cleared instead.
    fn add(&mut self, code: u16, byte: u8) -> bool {
        if self.skip() {
            return true;
        }
        let new = self.last;
        if let Some(parent) = self.nodes.get_mut(usize::from(code)) {
            let sibling = std::mem::replace(&mut parent.child, new);
            self.nodes.push(TreeNode { child: NONE, sibling, byte });
        }
        false
    }

    /// Counts one code as assigned; true when that was the last.
    fn skip(&mut self) -> bool {
        self.last += 1;
        if self.last == 1 << self.width {
            self.width += 1;
        }
        self.last == LAST_CODE
    }
}

/// The decompressed input, at most `limit` bytes. Bytes after the end code are ignored; a missing end code is an error.
pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, WireError> {
    let mut out: Vec<u8> = Vec::with_capacity(limit.min(input.len().saturating_mul(2)));
    let mut reader = BitReader { input, at: 0, bits: 0, count: 0 };
    // Each assigned code as the place in the output where its string was first seen.
    let mut strings: Vec<(usize, usize)> = Vec::new();
    let mut last: Option<(usize, usize)> = None;
    let mut width = MIN_WIDTH;
    loop {
        let code = reader.read(width).ok_or(WireError::Compression("unexpected EOF"))?;
        if code == END {
            return Ok(out);
        }
        if code == CLEAR {
            strings.clear();
            last = None;
            width = MIN_WIDTH;
            continue;
        }
        let start = out.len();
        if let Ok(literal) = u8::try_from(code) {
            reserve(start, 1, limit)?;
            out.push(literal);
        } else if let Some(&(from, length)) = strings.get(usize::from(code - FIRST_FREE)) {
            reserve(start, length, limit)?;
            out.extend_from_within(from..from + length);
        } else if let Some((from, length)) = last
            && usize::from(code - FIRST_FREE) == strings.len()
        {
            // The code being assigned right now: the last string and its own first byte.
            reserve(start, length + 1, limit)?;
            out.extend_from_within(from..from + length);
            out.extend_from_within(from..from + 1);
        } else {
            return Err(WireError::Compression("lzw: invalid code"));
        }
        let room = strings.len() <= usize::from(LAST_CODE - FIRST_FREE);
        if let Some((from, length)) = last
            && room
        {
            strings.push((from, length + 1));
        }
        last = Some((start, out.len() - start));
        let next = usize::from(FIRST_FREE) + strings.len();
        if next >= 1 << width && width < MAX_WIDTH {
            width += 1;
        }
    }
}

fn reserve(used: usize, more: usize, limit: usize) -> Result<(), WireError> {
    if used + more > limit {
        return Err(WireError::Compression("decompressed payload is too large"));
    }
    Ok(())
}

struct BitReader<'a> {
    input: &'a [u8],
    at: usize,
    bits: u32,
    count: u32,
}

impl BitReader<'_> {
    fn read(&mut self, width: u32) -> Option<u16> {
        while self.count < width {
            let byte = *self.input.get(self.at)?;
            self.at += 1;
            self.bits |= u32::from(byte) << self.count;
            self.count += 8;
        }
        let code = self.bits & ((1 << width) - 1);
        self.bits >>= width;
        self.count -= width;
        Some(code as u16)
    }
}
