//! The first 96 bytes of an image.

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::compression::Compression;
use crate::error::Error;
use crate::reference::InodeRef;

/// Bytes of the superblock.
pub const SUPERBLOCK_BYTES: usize = 96;

const MAGIC: &[u8] = b"hsqs";

/// The smallest and the largest block that the format allows, as powers of two.
const BLOCK_LOGS: std::ops::RangeInclusive<u16> = 12..=20;

/// The superblock: the image's size, block size, compression and tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    pub(crate) compression: Compression,
    pub(crate) block_size: u32,
    pub(crate) fragments: u32,
    pub(crate) root: InodeRef,
    pub(crate) size: u64,
    pub(crate) inode_table: u64,
    pub(crate) directory_table: u64,
    pub(crate) fragment_table: u64,
}

impl Superblock {
    /// Reads the first [`SUPERBLOCK_BYTES`] of an image.
    ///
    /// # Errors
    ///
    /// Any of [`Error`] but `Io`, `Truncated` and `Limit`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if !bytes.starts_with(MAGIC) || bytes.len() < SUPERBLOCK_BYTES {
            return Err(Error::NotAnImage);
        }
        let version = (u16_at(bytes, 28), u16_at(bytes, 30));
        if version != (4, 0) {
            return Err(Error::Version(version.0, version.1));
        }
        let (block_size, block_log) = (u32_at(bytes, 12), u16_at(bytes, 22));
        if !BLOCK_LOGS.contains(&block_log)
            || block_size.checked_ilog2() != Some(block_log.into())
            || !block_size.is_power_of_two()
        {
            return Err(Error::Corrupt("its block size makes no sense"));
        }
        let superblock = Self {
            compression: Compression::from_number(u16_at(bytes, 20))?,
            block_size,
            fragments: u32_at(bytes, 16),
            root: InodeRef::from_number(u64_at(bytes, 32)),
            size: u64_at(bytes, 40),
            inode_table: u64_at(bytes, 64),
            directory_table: u64_at(bytes, 72),
            fragment_table: u64_at(bytes, 80),
        };
        let tables = [superblock.inode_table, superblock.directory_table];
        let is_inside = |table: &u64| (96..superblock.size).contains(table);
        if !tables.iter().all(is_inside)
            || (superblock.fragments > 0 && !is_inside(&superblock.fragment_table))
        {
            return Err(Error::Corrupt("its tables lie outside of it"));
        }
        Ok(superblock)
    }

    /// Bytes of the image. A file may be longer, because tools pad it.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}
