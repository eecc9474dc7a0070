//! Inodes: the kind of an entry, and what each kind records.

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::directory::Listing;
use crate::error::Error;
use crate::metadata::{Cursor, Reader};
use crate::reference::InodeRef;

/// Bytes of a link's target: twice `PATH_MAX`.
const LINK_BYTES: u32 = 8 << 10;

/// The number of a fragment in an inode without one.
const NO_FRAGMENT: u32 = u32::MAX;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode {
    /// The time of the last change in seconds since 1970.
    pub modified: u32,
    /// What kind of entry it is.
    pub kind: Kind,
}

/// The kind of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory, whose entries [`Reader::entries`] lists.
    Directory(Listing),
    /// A regular file.
    File(File),
    /// A symbolic link and its target.
    Link(Vec<u8>),
    /// A device, a pipe or a socket.
    Special,
}

/// A regular file, whose blocks [`Reader::layout`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub(crate) size: u64,
    pub(crate) start: u64,
    pub(crate) fragment: Option<Fragment>,
    /// Where the lengths of its blocks are listed: behind the fixed part of the inode.
    pub(crate) lengths: Cursor,
}

/// The position of a file's end that fills no block: in a block of such ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) number: u32,
    pub(crate) offset: u32,
}

impl File {
    /// Bytes in the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    fn new(size: u64, start: u64, number: u32, offset: u32, lengths: Cursor) -> Self {
        let fragment = (number != NO_FRAGMENT).then_some(Fragment { number, offset });
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
        let mut cursor = Cursor { block: table.saturating_add(at.block()), offset: at.offset() };
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
