//! CRC-64 with the ECMA polynomial, bit-reflected, as `meta.json` holds it (`docs/spec/rpc-and-state.md` §9.1).

/// The polynomial of ECMA-182, reflected.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

/// Bytes taken in one step ("slicing by 8").
const SLICES: usize = 8;

static TABLES: [[u64; 256]; SLICES] = tables();

const fn tables() -> [[u64; 256]; SLICES] {
    let mut tables = [[0; 256]; SLICES];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut slice = 1;
    while slice < SLICES {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[slice - 1][byte];
            tables[slice][byte] = crc >> 8 ^ tables[0][(crc & 0xFF) as usize];
            byte += 1;
        }
        slice += 1;
    }
    tables
}

pub(super) struct Crc64(u64);

impl Crc64 {
    pub(super) fn new() -> Crc64 {
        Crc64(u64::MAX)
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<SLICES>();
        for chunk in chunks {
            let mixed = (self.0 ^ u64::from_le_bytes(*chunk)).to_le_bytes();
            self.0 = (0..SLICES).fold(0, |crc, at| crc ^ TABLES[SLICES - 1 - at][usize::from(mixed[at])]);
        }
        for byte in rest {
            self.0 = self.0 >> 8 ^ TABLES[0][usize::from(self.0 as u8 ^ byte)];
        }
    }

    pub(super) fn finish(&self) -> u64 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_catalogue() {
        // CRC-64/XZ in the catalogue of parametrised CRC algorithms.
        let mut crc = Crc64::new();
        crc.update(b"123456789");
        assert_eq!(crc.finish(), 0x995D_C9BB_DF19_39FA);
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut whole = Crc64::new();
        whole.update(&bytes);
        for cut in 0..bytes.len() {
            let mut pieces = Crc64::new();
            pieces.update(&bytes[..cut]);
            pieces.update(&bytes[cut..]);
            assert_eq!(pieces.finish(), whole.finish(), "cut at {cut}");
        }
    }
}
