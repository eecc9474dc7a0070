//! The entries of a directory.

use crate::bytes::{u16_at, u32_at};
use crate::error::Error;
use crate::metadata::{Cursor, Reader};
use crate::reference::InodeRef;

/// The size of a listing includes three bytes for `.` and `..`, which it does not hold.
const UNRECORDED: u32 = 3;

/// Entries that a [`Reader`] shows at most: six times those of a desktop system. A cached block does not
/// count again, so this also bounds the work for any number of directories that share one listing.
pub const ENTRIES: u64 = 2 << 20;

/// Entries below one header, at most. The kernel refuses more.
const RUN: u32 = 256;

/// Bytes of the shortest run: a header, and an entry whose name has one byte.
const SHORTEST_RUN: u32 = 21;

/// The position of a directory's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    pub(crate) block: u32,
    pub(crate) offset: u16,
    pub(crate) size: u32,
}

impl Reader<'_> {
    /// Calls `visit` for the entries of a directory in the order of the image, with an unchecked name and the
    /// inode's position. Returns whether the listing is as long as its inode says.
    ///
    /// As in Linux, only the begin of a run of entries must be within that length: some writers leave the
    /// bytes for `.` and `..` out. Entries before damage are visited.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Corrupt`] and [`Error::Limit`].
    pub fn entries(
        &mut self,
        listing: &Listing,
        mut visit: impl FnMut(&[u8], InodeRef),
    ) -> Result<bool, Error> {
        let table = self.image.superblock.directory_table;
        let block = table.saturating_add(listing.block.into());
        let mut cursor = Cursor { block, offset: listing.offset.into() };
        let size = listing.size.saturating_sub(UNRECORDED);
        let mut taken = 0_u32;
        while taken < size {
            match self.run(&mut cursor, &mut visit) {
                Ok(bytes) => taken = taken.saturating_add(bytes),
                // So few bytes hold no run unless the size is too small.
                Err(Error::Corrupt(_)) if size.saturating_sub(taken) < SHORTEST_RUN => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken == size)
    }

    /// Reads a header and the entries below it; returns how many bytes they take.
    fn run(&mut self, cursor: &mut Cursor, visit: &mut impl FnMut(&[u8], InodeRef)) -> Result<u32, Error> {
        let head: [u8; 12] = self.array(cursor)?;
        let (others, inodes) = (u32_at(&head, 0), u32_at(&head, 4));
        if others >= RUN {
            return Err(Error::Corrupt("a directory has too many entries in a run"));
        }
        self.listed = self.listed.saturating_add(u64::from(others).saturating_add(1));
        if self.listed > ENTRIES {
            return Err(Error::Limit("it has too many entries"));
        }
        let mut taken = 12_u32;
        for _ in 0..=others {
            let entry: [u8; 8] = self.array(cursor)?;
            let length = usize::from(u16_at(&entry, 6)).saturating_add(1);
            if length > 256 {
                return Err(Error::Corrupt("a name is too long"));
            }
            let mut name = [0; 256];
            let name = name.get_mut(..length).unwrap_or_default();
            self.read(cursor, name)?;
            taken = taken.saturating_add(u32::try_from(length).unwrap_or(u32::MAX).saturating_add(8));
            visit(name, InodeRef::new(inodes, u16_at(&entry, 0)));
        }
        Ok(taken)
    }
}
