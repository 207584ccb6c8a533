//! The texts of a head or page in one zstd frame. The compressor is kept per thread: making one
//! costs more than the frame does.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::compress_bound;

use super::wire::{Malformed, Reader, Writer};
use crate::base::limits::UNPACKED_BYTES;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// How much time packing takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// For heads, which every commit writes: zstd's level 1 takes twice the time and saves no write unit.
    Low,
    /// For pages, which are written once and read often.
    High,
}

impl Effort {
    const fn level(self) -> i32 {
        match self {
            Self::Low => -1,
            Self::High => 3,
        }
    }
}

thread_local! {
    static LOW: RefCell<Option<Packer>> = RefCell::new(Packer::new(Effort::Low));
    static HIGH: RefCell<Option<Packer>> = RefCell::new(Packer::new(Effort::High));
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> =
        RefCell::new(Decompressor::new().ok());
}

/// A compressor and the buffer that it writes to.
struct Packer {
    compressor: Compressor<'static>,
    buffer: Vec<u8>,
}

impl Packer {
    fn new(effort: Effort) -> Option<Self> {
        Some(Self { compressor: Compressor::new(effort.level()).ok()?, buffer: Vec::new() })
    }

    fn pack(&mut self, texts: &[u8]) -> Option<&[u8]> {
        // Room for any frame: whether one that is hardly shorter comes out of less room is chance,
        // and the same texts must give the same bytes everywhere.
        self.buffer.clear();
        self.buffer.reserve(compress_bound(texts.len()));
        let length = self.compressor.compress_to_buffer(texts, &mut self.buffer).ok()?;
        self.buffer.get(..length).filter(|packed| packed.len() < texts.len())
    }
}

/// Appends texts: compressed where that is shorter.
pub(super) fn pack(out: &mut Writer, texts: &[u8], effort: Effort) {
    let packer = match effort {
        Effort::Low => &LOW,
        Effort::High => &HIGH,
    };
    out.number(texts.len() as u64);
    packer.with_borrow_mut(|packer| match packer.as_mut().and_then(|packer| packer.pack(texts)) {
        Some(packed) => {
            out.byte(ZSTD);
            out.bytes(packed);
        }
        None => {
            out.byte(PLAIN);
            out.bytes(texts);
        }
    });
}

/// Reads [`pack`] to the end of the input.
pub(super) fn unpack(input: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let length = usize::try_from(input.number()?).unwrap_or(usize::MAX);
    if length > UNPACKED_BYTES {
        return Err(Malformed("texts over the limit"));
    }
    let method = input.byte()?;
    let bytes = input.rest();
    let texts = match method {
        PLAIN => bytes.to_vec(),
        ZSTD => DECOMPRESSOR
            .with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress(bytes, length).ok())
            .ok_or(Malformed("a damaged zstd frame"))?,
        _ => return Err(Malformed("an unknown compression")),
    };
    if texts.len() == length { Ok(texts) } else { Err(Malformed("texts of another length")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_texts_give_the_same_bytes_whatever_was_packed_before() {
        let mut used = Packer::new(Effort::High).expect("a packer");
        used.pack(&[7; 1 << 16]);
        for number in 0..3_000u64 {
            let payload = |at: u64| {
                let digits = (number * 31 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                format!("{{\"a\":\"{digits:x}\",\"b\":{}}}\n", digits % 97)
            };
            let texts: String = (0..2 + number % 9).map(payload).collect();
            let mut fresh = Packer::new(Effort::High).expect("a packer");
            assert_eq!(fresh.pack(texts.as_bytes()), used.pack(texts.as_bytes()), "{texts}");
        }
    }
}
