//! An image with a checked superblock, and the bytes of its blocks.

use crate::error::Error;
use crate::reference::{Block, InodeRef};
use crate::source::ReadAt;
use crate::superblock::{SUPERBLOCK_BYTES, Superblock};

/// An image. It holds no source: the caller keeps the file and may share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub(crate) superblock: Superblock,
}

impl Image {
    /// Checks that `source` is a complete image.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn open(source: &dyn ReadAt) -> Result<Self, Error> {
        let actual = source.size()?;
        let mut bytes = [0; SUPERBLOCK_BYTES];
        if actual < u64::try_from(bytes.len()).unwrap_or(u64::MAX) {
            return Err(Error::NotAnImage);
        }
        source.read_exact_at(&mut bytes, 0)?;
        let superblock = Superblock::parse(&bytes)?;
        if superblock.size > actual {
            return Err(Error::Truncated { declared: superblock.size, actual });
        }
        Ok(Self { superblock })
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> InodeRef {
        self.superblock.root
    }

    /// The bytes of a block of data.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Corrupt`].
    pub fn decode(&self, source: &dyn ReadAt, block: &Block) -> Result<Vec<u8>, Error> {
        let stored = self.read_inside(source, block.position, block.length.into())?;
        if !block.compressed {
            return Ok(stored);
        }
        self.decompress(&stored, usize::try_from(self.superblock.block_size).unwrap_or(usize::MAX))
    }

    /// Decompresses `stored` to `max` bytes at most.
    pub(crate) fn decompress(&self, stored: &[u8], max: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; max];
        let count = self.superblock.compression.decode(stored, &mut bytes);
        bytes.truncate(count.ok_or(Error::Corrupt("a block cannot be decompressed"))?);
        Ok(bytes)
    }

    /// Reads bytes that must lie inside the image. The caller has bounded `length`.
    pub(crate) fn read_inside(&self, source: &dyn ReadAt, at: u64, length: u64) -> Result<Vec<u8>, Error> {
        let end = at.checked_add(length).filter(|end| *end <= self.superblock.size);
        if end.is_none() {
            return Err(Error::Corrupt("a reference leads outside of the image"));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        source.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}
