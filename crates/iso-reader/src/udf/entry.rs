//! File entries and extended file entries (ECMA-167 4/14.9, 4/14.17): size, mode, time and extents of a file.

use std::fmt;

use crate::bytes::{byte, little_u16, little_u32, little_u64};
use crate::date;
use crate::udf::address::Address;
use crate::udf::tag;

/// Types of files (ECMA-167 4/14.6.6).
pub(crate) const UNSPECIFIED: u8 = 0;
pub(crate) const DIRECTORY: u8 = 4;
pub(crate) const REGULAR: u8 = 5;
pub(crate) const LINK: u8 = 12;
/// A file that should be read in real time (UDF 2.2.11), and otherwise is like any other.
pub(crate) const REAL_TIME: u8 = 249;

/// How the extents of a file are recorded (ECMA-167 4/14.6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Extents in the partition of the entry.
    Short,
    /// Extents in any partition.
    Long,
    /// Extents that may be compressed. UDF does not allow them (UDF 2.3.6.4).
    Extended,
    /// The bytes themselves.
    Embedded,
}

/// Why an entry cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryFault {
    Tag(tag::Fault),
    /// Its strategy is not 4, the only one for media that are written in one go (UDF 2.3.5.1).
    Strategy(u16),
    /// It does not fit into its block.
    Overflow,
}

impl fmt::Display for EntryFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EntryFault::Tag(fault) => fault.fmt(formatter),
            EntryFault::Strategy(number) => write!(formatter, "strategy {number} is not supported"),
            EntryFault::Overflow => formatter.write_str("its descriptor is longer than a block"),
        }
    }
}

/// An entry, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileEntry<'a> {
    pub(crate) address: Address,
    pub(crate) file_type: u8,
    pub(crate) form: Form,
    /// Bytes in the file.
    pub(crate) size: u64,
    /// The permission bits of POSIX.
    pub(crate) mode: u16,
    pub(crate) modified: Option<i64>,
    /// The allocation descriptors, or the bytes of the file.
    pub(crate) descriptors: &'a [u8],
    /// The byte of the block where they start.
    pub(crate) descriptors_at: usize,
}

/// Offsets of the fields that the two kinds of entries have at different bytes.
struct Layout {
    modified: usize,
    attributes_length: usize,
    attributes: usize,
}

const PLAIN: Layout = Layout { modified: 84, attributes_length: 168, attributes: 176 };
const EXTENDED: Layout = Layout { modified: 92, attributes_length: 208, attributes: 216 };

impl<'a> FileEntry<'a> {
    /// Reads the entry that was written for the block `address`. An entry whose location or CRC is wrong is
    /// an error, as in Linux: any of its fields may be wrong.
    pub(crate) fn parse(block: &'a [u8], address: Address) -> Result<FileEntry<'a>, EntryFault> {
        let kinds = [tag::FILE_ENTRY, tag::EXTENDED_FILE_ENTRY];
        let kind = tag::expect(block, &kinds, address.block).map_err(EntryFault::Tag)?;
        let layout = if kind == tag::EXTENDED_FILE_ENTRY { EXTENDED } else { PLAIN };
        match little_u16(block, 20) {
            Some(4) => FileEntry::fields(block, address, &layout).ok_or(EntryFault::Overflow),
            strategy => Err(EntryFault::Strategy(strategy.unwrap_or_default())),
        }
    }

    fn fields(block: &'a [u8], address: Address, layout: &Layout) -> Option<FileEntry<'a>> {
        let flags = little_u16(block, 34)?;
        let size_at = |at: usize| little_u32(block, at).and_then(|size| usize::try_from(size).ok());
        let attributes = size_at(layout.attributes_length)?;
        let descriptors = size_at(layout.attributes_length.checked_add(4)?)?;
        let descriptors_at = layout.attributes.checked_add(attributes)?;
        let end = descriptors_at.checked_add(descriptors)?;
        Some(FileEntry {
            address,
            file_type: byte(block, 27)?,
            form: match flags & 7 {
                0 => Form::Short,
                1 => Form::Long,
                3 => Form::Embedded,
                _ => Form::Extended,
            },
            size: little_u64(block, 56)?,
            mode: mode(little_u32(block, 44)?, flags),
            modified: block.get(layout.modified..).and_then(date::timestamp),
            descriptors: block.get(descriptors_at..end)?,
            descriptors_at,
        })
    }
}

/// Permissions as POSIX has them.
///
/// Those of UDF (ECMA-167 4/14.9.5) have five bits a class, of which the lower three are the same. The flags
/// (ECMA-167 4/14.6.8) hold set-user-id, set-group-id and sticky.
fn mode(permissions: u32, flags: u16) -> u16 {
    let class = |shift: u32| u16::try_from((permissions >> shift) & 7).unwrap_or_default();
    let special = (flags >> 6) & 7;
    // Bit 6 is set-user-id, bit 7 set-group-id, bit 8 sticky: the reverse of POSIX.
    let special = (special & 1) << 2 | (special & 2) | special >> 2;
    special << 9 | class(10) << 6 | class(5) << 3 | class(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(mode(0b00111_00101_00100, 0), 0o754);
        assert_eq!(mode(0x7FFF, 0), 0o777);
        assert_eq!(mode(u32::MAX, 0b111 << 6), 0o7777);
        assert_eq!(mode(0, 1 << 6), 0o4000);
        assert_eq!(mode(0, 1 << 7), 0o2000);
        assert_eq!(mode(0, 1 << 8), 0o1000);
        assert_eq!(mode(0, 0b10_1011), 0);
    }
}
