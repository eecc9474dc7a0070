//! Compression methods. Each decoder fills a buffer of the caller and never more than that.

use std::fmt;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::Error;

/// The largest window of a decoder. mksquashfs uses a block at most; an image that asks for more memory is
/// refused.
const WINDOW_BYTES: u64 = 2 << 20;

/// The same in KiB, as `lzma-rust2` counts it: with its own tables.
const XZ_KIB: u32 = 40 + 64 + 2048;

/// How the blocks of an image are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// zlib (RFC 1950), which squashfs calls gzip.
    Gzip,
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
            4 => Ok(Self::Xz),
            5 => Ok(Self::Lz4),
            6 => Ok(Self::Zstd),
            2 => Err(Error::Compression("lzma".to_owned())),
            3 => Err(Error::Compression("lzo".to_owned())),
            other => Err(Error::Compression(format!("method {other}"))),
        }
    }

    /// Decodes `stored` into `buffer` and returns the number of bytes. `None` if `stored` is damaged or gives
    /// more than that.
    pub(crate) fn decode(self, stored: &[u8], buffer: &mut [u8]) -> Option<usize> {
        // A decoder that panics has met a damaged block, which must not end the caller's thread.
        let decode = || match self {
            Self::Gzip => gzip(stored, buffer),
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

fn xz(stored: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let mut decoder = lzma_rust2::XzReader::new_mem_limit(stored, false, XZ_KIB);
    let mut count = 0_usize;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match decoder.read(rest).ok()? {
            0 => return Some(count),
            read => count = count.checked_add(read)?,
        }
    }
    // One more read reaches the end of the stream, where the decoder compares the checksum.
    (decoder.read(&mut [0]).ok()? == 0).then_some(count)
}

fn zstd(stored: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let mut decoder = ruzstd::decoding::FrameDecoder::new();
    decoder.set_max_window_size(WINDOW_BYTES);
    decoder.decode_all(stored, buffer).ok()
}
