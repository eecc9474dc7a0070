//! Compression methods. Each decoder fills a buffer of the caller and never more than that.

use std::fmt;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::Error;
use crate::lzo;

/// The largest window of a decoder. mksquashfs uses a block at most; an image that asks for more memory is
/// refused.
const WINDOW_BYTES: u64 = 2 << 20;

/// The same in KiB, as `lzma-rust2` counts it: with its own tables.
const LZMA_KIB: u32 = 40 + 64 + 2048;

/// How the blocks of an image are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// zlib (RFC 1950), which squashfs calls gzip.
    Gzip,
    /// LZMA with the header of `.lzma` files, as images before xz had it. Linux does not read it.
    Lzma,
    /// LZO1X.
    Lzo,
    /// An xz stream.
    Xz,
    /// A bare LZ4 block.
    Lz4,
    /// A zstd frame (RFC 8878).
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gzip => "gzip",
            Self::Lzma => "lzma",
            Self::Lzo => "lzo",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

impl Compression {
    pub(crate) fn from_number(number: u16) -> Result<Self, Error> {
        match number {
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Lzma),
            3 => Ok(Self::Lzo),
            4 => Ok(Self::Xz),
            5 => Ok(Self::Lz4),
            6 => Ok(Self::Zstd),
            other => Err(Error::Compression(other)),
        }
    }

    /// Decodes `stored` into `buffer` and returns the number of bytes. `None` if `stored` is damaged or gives
    /// more than that.
    pub(crate) fn decode(self, stored: &[u8], buffer: &mut [u8]) -> Option<usize> {
        // A decoder that panics has met a damaged block, which must not end the caller's thread.
        let decode = || match self {
            Self::Gzip => gzip(stored, buffer),
            Self::Lzma => lzma(stored, buffer),
            Self::Lzo => lzo::decode(stored, buffer),
            Self::Xz => xz(stored, buffer),
            Self::Lz4 => lz4_flex::block::decompress_into(stored, buffer).ok(),
            Self::Zstd => zstd(stored, buffer),
        };
        catch_unwind(AssertUnwindSafe(decode)).ok().flatten()
    }
}

fn gzip(stored: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let mut decoder = flate2::Decompress::new(true);
    let status = decoder.decompress(stored, buffer, flate2::FlushDecompress::Finish).ok()?;
    let count = usize::try_from(decoder.total_out()).ok()?;
    (status == flate2::Status::StreamEnd).then_some(count)
}

fn lzma(stored: &[u8], buffer: &mut [u8]) -> Option<usize> {
    read_to_end(lzma_rust2::LzmaReader::new_mem_limit(stored, LZMA_KIB, None).ok()?, buffer)
}

fn xz(stored: &[u8], buffer: &mut [u8]) -> Option<usize> {
    read_to_end(lzma_rust2::XzReader::new_mem_limit(stored, false, LZMA_KIB), buffer)
}

fn read_to_end(mut decoder: impl Read, buffer: &mut [u8]) -> Option<usize> {
    let mut count = 0_usize;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match decoder.read(rest).ok()? {
            0 => return Some(count),
            read => count = count.checked_add(read)?,
        }
    }
    // One more read reaches the end of the stream, where the decoder compares what follows.
    (decoder.read(&mut [0]).ok()? == 0).then_some(count)
}

fn zstd(stored: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let mut decoder = ruzstd::decoding::FrameDecoder::new();
    decoder.set_max_window_size(WINDOW_BYTES);
    decoder.decode_all(stored, buffer).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `squashfs ` three times, by xz with a CRC-32 and a window of 64 KiB.
    const STREAM: [u8; 72] = [
        0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22, 0xde, 0x36, 0x02, 0x00, 0x21, 0x01, 0x08,
        0x00, 0x00, 0x00, 0xd8, 0x0f, 0x23, 0x13, 0xe0, 0x00, 0x1a, 0x00, 0x10, 0x5d, 0x00, 0x39, 0x9c, 0x4b,
        0x02, 0x08, 0x68, 0x2d, 0x1c, 0x39, 0x23, 0xf7, 0xa8, 0x01, 0xc0, 0x00, 0x00, 0x00, 0xed, 0x12, 0xac,
        0xb7, 0x00, 0x01, 0x28, 0x1b, 0x6d, 0xd2, 0xbe, 0xf7, 0x90, 0x42, 0x99, 0x0d, 0x01, 0x00, 0x00, 0x00,
        0x00, 0x01, 0x59, 0x5a,
    ];

    #[test]
    fn a_block_that_fills_the_buffer_is_checked_to_its_end() {
        let mut buffer = [0; 27];
        assert_eq!(Compression::Xz.decode(&STREAM, &mut buffer), Some(27));
        assert_eq!(&buffer, b"squashfs squashfs squashfs ");
        assert_eq!(Compression::Xz.decode(&STREAM, &mut [0; 26]), None, "more than the buffer holds");
        let mut damaged = STREAM;
        damaged[48] ^= 1;
        assert_eq!(Compression::Xz.decode(&damaged, &mut buffer), None, "another checksum");
    }

    #[test]
    fn a_window_of_8_mib_is_refused() {
        let mut large = STREAM;
        // The size of the window, and the checksum of the header that holds it.
        large[16] = 0x16;
        large[20..24].copy_from_slice(&[0x74, 0x2f, 0xe5, 0xa3]);
        assert_eq!(Compression::Xz.decode(&large, &mut [0; 27]), None);
    }
}
