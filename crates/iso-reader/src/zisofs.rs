//! zisofs, version 1: a file stored as blocks of equal size that are compressed one by one, behind a
//! header and a table of pointers.
//!
//! The `ZF` entry of Rock Ridge announces it. No standard defines zisofs: this is the format that Linux reads
//! and that mkzftree and libisofs write.

use flate2::{Decompress, FlushDecompress, Status};

use crate::bytes::{array, byte, little_u32};
use crate::error::{Corrupt, Error};

/// The first bytes of the header.
const MAGIC: [u8; 8] = [0x37, 0xE4, 0x53, 0x96, 0xC9, 0xDB, 0xD6, 0x07];
/// Bytes of the header that have a meaning. A header may be longer.
const HEADER_BYTES: usize = 16;
/// Bytes of one pointer.
const POINTER_BYTES: u64 = 4;
/// Blocks of 32, 64 and 128 KiB, as powers of two.
const EXPONENTS: std::ops::RangeInclusive<u8> = 15..=17;
/// A compressed block has at most this many times the bytes of the block. zlib adds an eighth at most;
/// without a limit a wrong pointer would decide how much is allocated.
const LARGEST_FACTOR: u64 = 2;

/// How a `ZF` entry says that a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Version 1.
    Zisofs(Zisofs),
    /// Version 2, of a file with this many bytes.
    Zisofs2(u64),
    /// An algorithm or a block size that neither version has.
    Unknown,
}

impl Compression {
    /// Reads the fields of the entry; `None` if it is too short for them.
    pub(crate) fn parse(data: &[u8]) -> Option<Compression> {
        let (header_words, exponent) = (byte(data, 2)?, byte(data, 3)?);
        Some(match &array(data, 0)? {
            b"pz" => {
                let zisofs = Zisofs { size: little_u32(data, 4)?, header_words, exponent };
                if zisofs.is_sound() { Compression::Zisofs(zisofs) } else { Compression::Unknown }
            }
            b"PZ" => Compression::Zisofs2(array(data, 4).map(u64::from_le_bytes)?),
            _ => Compression::Unknown,
        })
    }
}

/// The layout of a compressed file, which both the `ZF` entry and the header of the file state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zisofs {
    /// Bytes before compression.
    size: u32,
    /// Bytes of the header, divided by four.
    header_words: u8,
    /// Bytes of a block before compression, as a power of two.
    exponent: u8,
}

impl Zisofs {
    /// All fields in 48 bits, the size in the lowest.
    pub(crate) fn pack(self) -> u64 {
        let [a, b, c, d] = self.size.to_le_bytes();
        u64::from_le_bytes([a, b, c, d, self.header_words, self.exponent, 0, 0])
    }

    pub(crate) fn unpack(packed: u64) -> Zisofs {
        let [a, b, c, d, header_words, exponent, ..] = packed.to_le_bytes();
        Zisofs { size: u32::from_le_bytes([a, b, c, d]), header_words, exponent }
    }

    pub(crate) fn size(self) -> u64 {
        u64::from(self.size)
    }

    fn is_sound(self) -> bool {
        self.header_bytes() >= u64::try_from(HEADER_BYTES).unwrap_or(u64::MAX)
            && EXPONENTS.contains(&self.exponent)
    }

    fn header_bytes(self) -> u64 {
        u64::from(self.header_words).saturating_mul(4)
    }

    fn block_bytes(self) -> u64 {
        1_u64.checked_shl(u32::from(self.exponent)).unwrap_or(u64::MAX)
    }

    /// Where the pointers end and the blocks start. The last pointer is to the end of the last block.
    pub(crate) fn table_end(self) -> u64 {
        let pointers = self.size().div_ceil(self.block_bytes()).saturating_add(1);
        self.header_bytes().saturating_add(pointers.saturating_mul(POINTER_BYTES))
    }

    /// Reads the header at the start of a file.
    fn parse_header(header: &[u8; HEADER_BYTES]) -> Option<Zisofs> {
        let layout = || {
            Some(Zisofs {
                size: little_u32(header, 8)?,
                header_words: byte(header, 12)?,
                exponent: byte(header, 13)?,
            })
        };
        header.starts_with(&MAGIC).then(layout).flatten()
    }
}

/// A compressed file as the image holds it.
pub(crate) trait PackedFile {
    /// Its bytes.
    fn length(&self) -> u64;

    /// Fills `buffer` from byte `offset` on. The caller keeps to the length.
    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error>;
}

/// Inflates the bytes from `offset` on into `buffer`, as many as it and the file hold. Returns their number.
/// Each block that the range touches is inflated once, one at a time.
pub(crate) fn read_at(
    file: &impl PackedFile,
    zisofs: Zisofs,
    buffer: &mut [u8],
    offset: u64,
) -> Result<usize, Error> {
    let rest = usize::try_from(zisofs.size().saturating_sub(offset)).unwrap_or(usize::MAX);
    let wanted = rest.min(buffer.len());
    if wanted == 0 {
        return Ok(0);
    }
    let mut reader = BlockReader::open(file, zisofs)?;
    let mut filled = 0_usize;
    while let Some(rest) = buffer.get_mut(filled..wanted).filter(|rest| !rest.is_empty()) {
        let position = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        filled = filled.saturating_add(reader.read_block(rest, position)?);
    }
    Ok(filled)
}

/// A file whose header has been checked.
struct BlockReader<'a, F> {
    file: &'a F,
    zisofs: Zisofs,
    inflater: Decompress,
    /// The current block, compressed.
    packed: Vec<u8>,
    /// The current block, if the caller wants only a part of it.
    whole: Vec<u8>,
}

impl<'a, F: PackedFile> BlockReader<'a, F> {
    fn open(file: &'a F, zisofs: Zisofs) -> Result<BlockReader<'a, F>, Error> {
        let mut header = [0; HEADER_BYTES];
        if file.length() < zisofs.table_end() {
            return Err(damage());
        }
        file.read(&mut header, 0)?;
        if Zisofs::parse_header(&header) != Some(zisofs) {
            return Err(damage());
        }
        let inflater = Decompress::new(true);
        Ok(BlockReader { file, zisofs, inflater, packed: Vec::new(), whole: Vec::new() })
    }

    /// Fills `buffer` from byte `position` of the file on, up to the end of the block there. Returns the
    /// number of bytes.
    fn read_block(&mut self, buffer: &mut [u8], position: u64) -> Result<usize, Error> {
        let block_bytes = self.zisofs.block_bytes();
        let number = position.checked_div(block_bytes).unwrap_or_default();
        let start = number.saturating_mul(block_bytes);
        let size = usize::try_from(block_bytes.min(self.zisofs.size().saturating_sub(start)));
        let skip = usize::try_from(position.saturating_sub(start));
        let (Ok(size), Ok(skip)) = (size, skip) else { return Err(damage()) };
        let count = size.saturating_sub(skip).min(buffer.len());
        let target = buffer.get_mut(..count).filter(|target| !target.is_empty()).ok_or_else(damage)?;

        let (packed_start, packed_end) = self.pointers(number)?;
        if packed_start == packed_end {
            // The image holds no bytes for a block of zeros.
            target.fill(0);
            return Ok(count);
        }
        let packed_bytes = usize::try_from(packed_end.saturating_sub(packed_start)).map_err(|_| damage())?;
        self.packed.resize(packed_bytes, 0);
        self.file.read(&mut self.packed, packed_start)?;
        if count == size {
            inflate(&mut self.inflater, &self.packed, target)?;
        } else {
            self.whole.resize(size, 0);
            inflate(&mut self.inflater, &self.packed, &mut self.whole)?;
            let part = self.whole.get(skip..).and_then(|rest| rest.get(..count)).ok_or_else(damage)?;
            target.copy_from_slice(part);
        }
        Ok(count)
    }

    /// Where a block starts and ends in the compressed file.
    ///
    /// Two pointers are read for each block: that costs nothing beside inflating it, and the table of a large
    /// file is never held.
    fn pointers(&self, number: u64) -> Result<(u64, u64), Error> {
        let mut pair = [0; 8];
        let at = self.zisofs.header_bytes().saturating_add(number.saturating_mul(POINTER_BYTES));
        self.file.read(&mut pair, at)?;
        let [a, b, c, d, rest @ ..] = pair;
        let start = u64::from(u32::from_le_bytes([a, b, c, d]));
        let end = u64::from(u32::from_le_bytes(rest));
        let is_sound = self.zisofs.table_end() <= start
            && start <= end
            && end <= self.file.length()
            && end.saturating_sub(start) <= self.zisofs.block_bytes().saturating_mul(LARGEST_FACTOR);
        if is_sound { Ok((start, end)) } else { Err(damage()) }
    }
}

/// Inflates one block, which must fill `block` exactly.
fn inflate(inflater: &mut Decompress, packed: &[u8], block: &mut [u8]) -> Result<(), Error> {
    inflater.reset(true);
    let status = inflater.decompress(packed, block, FlushDecompress::Finish);
    let is_full = usize::try_from(inflater.total_out()) == Ok(block.len());
    if is_full && matches!(status, Ok(Status::StreamEnd)) { Ok(()) } else { Err(damage()) }
}

fn damage() -> Error {
    Error::Corrupt(Corrupt::CompressedFile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_tell_version_and_shape() {
        let sound = Zisofs { size: 12345, header_words: 4, exponent: 15 };
        let cases: [(&[u8], Option<Compression>); 8] = [
            (b"pz\x04\x0F\x39\x30\0\0\0\0\x30\x39", Some(Compression::Zisofs(sound))),
            (b"pz\x04\x0E\x39\x30\0\0\0\0\x30\x39", Some(Compression::Unknown)),
            (b"pz\x04\x12\x39\x30\0\0\0\0\x30\x39", Some(Compression::Unknown)),
            (b"pz\x03\x0F\x39\x30\0\0\0\0\x30\x39", Some(Compression::Unknown)),
            (b"PZ\x06\x11\0\0\0\0\x02\0\0\0", Some(Compression::Zisofs2(2 << 32))),
            (b"xz\x04\x0F\0\0\0\0\0\0\0\0", Some(Compression::Unknown)),
            (b"pz\x04\x0F\x39\x30\0", None),
            (b"PZ\x04\x0F\x39\x30\0\0", None),
        ];
        for (data, expected) in cases {
            assert_eq!(Compression::parse(data), expected, "{}", data.escape_ascii());
        }
    }

    #[test]
    fn shapes_are_packed_and_know_their_table() {
        for (size, exponent, table_end) in
            [(0, 15, 20), (1, 15, 24), (1 << 15, 15, 24), ((1 << 15) + 1, 15, 28), (u32::MAX, 17, 131_092)]
        {
            let zisofs = Zisofs { size, header_words: 4, exponent };
            assert_eq!(Zisofs::unpack(zisofs.pack()), zisofs);
            assert_eq!((zisofs.size(), zisofs.table_end()), (u64::from(size), table_end));
        }
    }
}
