//! Which block holds which bytes of a file.

use crate::bytes::{u32_at, u64_at};
use crate::error::Error;
use crate::inode::File;
use crate::metadata::{Cursor, Reader};
use crate::reference::Block;

/// Blocks of one file, at most: 512 GiB in blocks of 128 KiB, and 16 MiB of memory for their lengths.
const BLOCKS: u64 = 4 << 20;

/// Fragments that one metadata block of the fragment table lists.
const FRAGMENTS_IN_BLOCK: u32 = 512;

/// The flag in a block's length that says that the block is not compressed.
const UNCOMPRESSED: u32 = 1 << 24;

/// One position is kept for so many lengths. The others are summed up from it.
const STRIDE: usize = 64;

/// A run of a file's bytes that one block holds, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Bytes of the run, from the requested offset on.
    pub length: u64,
    /// Where these bytes are.
    pub location: Location,
}

/// Where a run of bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// In no block: they are zeros.
    Zeros,
    /// In a block, when it is decoded.
    Block {
        /// The block.
        block: Block,
        /// Where in the decoded block they begin.
        skip: u32,
    },
}

/// Where all bytes of a file are.
#[derive(Clone, Debug)]
pub struct Layout {
    size: u64,
    block_size: u32,
    /// Lengths of the blocks as recorded.
    lengths: Vec<u32>,
    /// The position of each 64th block.
    positions: Vec<u64>,
    /// The fragment with the last bytes, and where in it they begin.
    tail: Option<(Block, u32)>,
}

impl Reader<'_> {
    /// Reads the positions of a file's blocks, all of which lie inside the image.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Corrupt`] and [`Error::Limit`].
    pub fn layout(&mut self, file: &File) -> Result<Layout, Error> {
        let superblock = &self.image.superblock;
        let (block_size, end) = (superblock.block_size, superblock.size);
        let full = file.size.checked_div(block_size.into()).unwrap_or_default();
        let rest = file.size.checked_rem(block_size.into()).unwrap_or_default();
        let tail = match file.fragment {
            Some(fragment) if rest > 0 => {
                let tail = u64::from(fragment.offset).saturating_add(rest);
                if tail > block_size.into() {
                    return Err(Error::Corrupt("a file's end lies outside of its fragment"));
                }
                Some((self.fragment(fragment.number)?, fragment.offset))
            }
            _ => None,
        };
        let count = full.saturating_add(u64::from(rest > 0 && tail.is_none()));
        if count > BLOCKS {
            return Err(Error::Limit("a file has too many blocks"));
        }
        let mut cursor = file.lengths;
        let (mut lengths, mut positions) = (Vec::new(), Vec::new());
        let mut position = file.start;
        for _ in 0..count {
            let length = u32_at(&self.array::<4>(&mut cursor)?, 0);
            if lengths.len().is_multiple_of(STRIDE) {
                positions.push(position);
            }
            let stored = length & !UNCOMPRESSED;
            if stored > block_size {
                return Err(Error::Corrupt("a block is longer than blocks are"));
            }
            position = position.saturating_add(stored.into());
            lengths.push(length);
        }
        if position > end && count > 0 {
            return Err(Error::Corrupt("a file lies outside of the image"));
        }
        Ok(Layout { size: file.size, block_size, lengths, positions, tail })
    }

    /// Reads the entry of a fragment in the fragment table.
    fn fragment(&mut self, number: u32) -> Result<Block, Error> {
        let superblock = &self.image.superblock;
        if number >= superblock.fragments {
            return Err(Error::Corrupt("there is no such fragment"));
        }
        let (entry, list) = (number % FRAGMENTS_IN_BLOCK, number / FRAGMENTS_IN_BLOCK);
        let pointer = superblock.fragment_table.saturating_add(u64::from(list).saturating_mul(8));
        let block = u64_at(&self.image.read_inside(self.source, pointer, 8)?, 0);
        let offset = usize::try_from(entry).unwrap_or_default().saturating_mul(16);
        let entry: [u8; 16] = self.array(&mut Cursor { block, offset })?;
        let (position, length) = (u64_at(&entry, 0), u32_at(&entry, 8));
        let stored = length & !UNCOMPRESSED;
        if stored > superblock.block_size {
            return Err(Error::Corrupt("a fragment is longer than blocks are"));
        }
        Ok(Block { position, length: stored, compressed: length & UNCOMPRESSED == 0 })
    }
}

impl Layout {
    /// Bytes in the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of memory that the layout takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.lengths.capacity().saturating_mul(4).saturating_add(self.positions.capacity().saturating_mul(8))
    }

    /// The run of bytes that begins at `offset`; `None` at the end of the file.
    #[must_use]
    pub fn part(&self, offset: u64) -> Option<Part> {
        let left = self.size.checked_sub(offset).filter(|left| *left > 0)?;
        let number = usize::try_from(offset.checked_div(self.block_size.into())?).ok()?;
        let skip = u32::try_from(offset.checked_rem(self.block_size.into())?).ok()?;
        let length = left.min(u64::from(self.block_size.checked_sub(skip)?));
        let Some(recorded) = self.lengths.get(number) else {
            let (block, begin) = self.tail?;
            let location = Location::Block { block, skip: begin.checked_add(skip)? };
            return Some(Part { length, location });
        };
        let stored = recorded & !UNCOMPRESSED;
        if stored == 0 {
            return Some(Part { length, location: Location::Zeros });
        }
        let stride = number.checked_div(STRIDE)?;
        let before = self.lengths.get(stride.checked_mul(STRIDE)?..number)?;
        let before: u64 = before.iter().map(|length| u64::from(length & !UNCOMPRESSED)).sum();
        let position = self.positions.get(stride)?.checked_add(before)?;
        let block = Block { position, length: stored, compressed: recorded & UNCOMPRESSED == 0 };
        Some(Part { length, location: Location::Block { block, skip } })
    }
}
