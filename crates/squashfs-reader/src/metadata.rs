//! Metadata: inodes and directories, a stream of bytes in compressed blocks of 8 KiB.

use std::collections::HashMap;
use std::rc::Rc;

use crate::bytes::u16_at;
use crate::error::Error;
use crate::image::Image;
use crate::source::ReadAt;

/// Bytes of a metadata block when it is decompressed.
const BLOCK_BYTES: usize = 8 << 10;

/// Bytes of metadata that a [`Reader`] decodes at most. Each block counts as a full one, because reading it
/// is what costs. A million files need a tenth of this. An image in which each entry needs a block of its own
/// ends here.
pub const METADATA_BYTES: u64 = 1 << 30;

/// Blocks that a reader keeps: 2 MiB. Inodes lie in the order of the directories, so few are enough.
const KEPT: usize = 256;

/// Reads the metadata of one image. It keeps the last decompressed blocks.
pub struct Reader<'a> {
    pub(crate) image: &'a Image,
    pub(crate) source: &'a dyn ReadAt,
    kept: HashMap<u64, Rc<MetadataBlock>>,
    decoded: u64,
    /// Entries shown so far.
    pub(crate) listed: u64,
}

struct MetadataBlock {
    bytes: Vec<u8>,
    next: u64,
}

/// A position in metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Where the block begins in the image.
    pub(crate) block: u64,
    /// The offset in the decompressed block.
    pub(crate) offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads a fixed number of bytes.
    pub(crate) fn array<const N: usize>(&mut self, cursor: &mut Cursor) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.read(cursor, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `buffer` and moves the cursor behind the bytes.
    pub(crate) fn read(&mut self, cursor: &mut Cursor, buffer: &mut [u8]) -> Result<(), Error> {
        let mut rest = buffer;
        loop {
            let block = self.block(cursor.block)?;
            let left = block.bytes.get(cursor.offset..).ok_or(OUTSIDE)?;
            let count = left.len().min(rest.len());
            let (now, later) = rest.split_at_mut_checked(count).ok_or(OUTSIDE)?;
            now.copy_from_slice(left.get(..count).ok_or(OUTSIDE)?);
            cursor.offset = cursor.offset.saturating_add(count);
            if later.is_empty() {
                return Ok(());
            }
            *cursor = Cursor { block: block.next, offset: 0 };
            rest = later;
        }
    }

    fn block(&mut self, at: u64) -> Result<Rc<MetadataBlock>, Error> {
        if let Some(block) = self.kept.get(&at) {
            return Ok(Rc::clone(block));
        }
        let (bytes, next) = self.image.metadata_block(self.source, at)?;
        // A chain of empty blocks would keep the reader busy without giving it a byte.
        if bytes.is_empty() {
            return Err(Error::Corrupt("a metadata block is empty"));
        }
        self.decoded = self.decoded.saturating_add(u64::try_from(BLOCK_BYTES).unwrap_or(u64::MAX));
        if self.decoded > METADATA_BYTES {
            return Err(Error::Limit("its directories take too many bytes"));
        }
        if self.kept.len() >= KEPT {
            self.kept.clear();
        }
        let block = Rc::new(MetadataBlock { bytes, next });
        self.kept.insert(at, Rc::clone(&block));
        Ok(block)
    }
}

const OUTSIDE: Error = Error::Corrupt("a reference leads outside of its metadata block");

impl Image {
    /// Reads the image's inodes and directories. `source` is what the image was opened from.
    #[must_use]
    pub fn reader<'a>(&'a self, source: &'a dyn ReadAt) -> Reader<'a> {
        Reader { image: self, source, kept: HashMap::new(), decoded: 0, listed: 0 }
    }

    /// The bytes of the metadata block that begins at `at`, and where the next one does.
    fn metadata_block(&self, source: &dyn ReadAt, at: u64) -> Result<(Vec<u8>, u64), Error> {
        let head = self.read_inside(source, at, 2)?;
        let head = u16_at(&head, 0);
        let length = head & 0x7FFF;
        if usize::from(length) > BLOCK_BYTES {
            return Err(Error::Corrupt("a metadata block is too long"));
        }
        let begin = at.saturating_add(2);
        let stored = self.read_inside(source, begin, length.into())?;
        let bytes = match head & 0x8000 {
            0 => self.decompress(&stored, BLOCK_BYTES)?,
            _ => stored,
        };
        Ok((bytes, begin.saturating_add(length.into())))
    }
}
