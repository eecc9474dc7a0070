//! Inodes: what an entry is, and for each kind what is to be known of it.

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::directory::Listing;
use crate::error::Error;
use crate::metadata::{Cursor, Reader};

/// Bytes of a link's target: twice `PATH_MAX`.
const LINK_BYTES: u32 = 8 << 10;

/// In place of a fragment's number: the file has none.
const NO_FRAGMENT: u32 = u32::MAX;

/// Where an inode is: its metadata block, counted from the inode table, above 16 bits of offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InodeRef(pub(crate) u64);

impl InodeRef {
    pub(crate) fn new(block: u32, offset: u16) -> Self {
        Self(u64::from(block) << 16 | u64::from(offset))
    }

    /// As a number that [`InodeRef::from_number`] takes again.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// The other way round.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// What is known of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode {
    /// The time of the last change in seconds since 1970.
    pub modified: u32,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has entries.
    Directory(Listing),
    /// It has bytes.
    File(File),
    /// It points to a path.
    Link(Vec<u8>),
    /// A device, a pipe or a socket.
    Special,
}

/// A file, whose blocks [`Reader::layout`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub(crate) size: u64,
    pub(crate) start: u64,
    pub(crate) fragment: Option<Fragment>,
    /// Where the lengths of its blocks are listed.
    pub(crate) lengths: InodeEnd,
}

/// Where the end of a file is that fills no block: in a block of such ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) number: u32,
    pub(crate) offset: u32,
}

/// The place behind the fixed part of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InodeEnd {
    pub(crate) block: u64,
    pub(crate) offset: usize,
}

impl File {
    /// Bytes in the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    fn new(size: u64, start: u64, number: u32, offset: u32, end: Cursor) -> Self {
        let fragment = (number != NO_FRAGMENT).then_some(Fragment { number, offset });
        let lengths = InodeEnd { block: end.block, offset: end.offset };
        Self { size, start, fragment, lengths }
    }
}

impl Reader<'_> {
    /// Reads an inode.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Corrupt`] and [`Error::Limit`].
    pub fn inode(&mut self, at: InodeRef) -> Result<Inode, Error> {
        let table = self.image.superblock.inode_table;
        let offset = usize::try_from(at.0 & 0xFFFF).unwrap_or_default();
        let mut cursor = Cursor { block: table.saturating_add(at.0 >> 16), offset };
        let head: [u8; 16] = self.array(&mut cursor)?;
        let kind = match u16_at(&head, 0) {
            1 => {
                let rest: [u8; 16] = self.array(&mut cursor)?;
                let size = u16_at(&rest, 8).into();
                Kind::Directory(Listing { block: u32_at(&rest, 0), offset: u16_at(&rest, 10), size })
            }
            8 => {
                let rest: [u8; 24] = self.array(&mut cursor)?;
                let size = u32_at(&rest, 4);
                Kind::Directory(Listing { block: u32_at(&rest, 8), offset: u16_at(&rest, 18), size })
            }
            2 => {
                let rest: [u8; 16] = self.array(&mut cursor)?;
                let (start, size) = (u32_at(&rest, 0).into(), u32_at(&rest, 12).into());
                Kind::File(File::new(size, start, u32_at(&rest, 4), u32_at(&rest, 8), cursor))
            }
            9 => {
                let rest: [u8; 40] = self.array(&mut cursor)?;
                let (start, size) = (u64_at(&rest, 0), u64_at(&rest, 8));
                Kind::File(File::new(size, start, u32_at(&rest, 28), u32_at(&rest, 32), cursor))
            }
            3 | 10 => {
                let rest: [u8; 8] = self.array(&mut cursor)?;
                let length = u32_at(&rest, 4);
                if length > LINK_BYTES {
                    return Err(Error::Corrupt("a link's target is too long"));
                }
                let mut target = vec![0; usize::try_from(length).unwrap_or_default()];
                self.read(&mut cursor, &mut target)?;
                Kind::Link(target)
            }
            4..=7 | 11..=14 => Kind::Special,
            _ => return Err(Error::Corrupt("an inode is of no known type")),
        };
        Ok(Inode { modified: u32_at(&head, 8), kind })
    }
}
