//! References to inodes and to blocks of data, as an image records them.

/// The position of an inode: its metadata block, counted from the inode table, above 16 bits of offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InodeRef(u64);

impl InodeRef {
    pub(crate) fn new(block: u32, offset: u16) -> Self {
        Self(u64::from(block) << 16 | u64::from(offset))
    }

    /// As a number that [`InodeRef::from_number`] accepts.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// The reverse of [`InodeRef::number`].
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The position of the metadata block, counted from the inode table.
    pub(crate) fn block(self) -> u64 {
        self.0 >> 16
    }

    /// The offset in the decompressed metadata block.
    pub(crate) fn offset(self) -> usize {
        usize::try_from(self.0 & 0xFFFF).unwrap_or_default()
    }
}

/// A block of data as it lies in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub(crate) position: u64,
    pub(crate) length: u32,
    pub(crate) compressed: bool,
}

impl Block {
    /// Where it begins in the image.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}
