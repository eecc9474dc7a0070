//! One directory record (ECMA-119 9.1), borrowed from the bytes of its directory.

use crate::bytes::{both_u32, byte};
use crate::date;

/// Bytes of a record before its identifier.
const FIXED: usize = 33;
/// Bytes of the shortest record, whose identifier has one byte.
pub(crate) const SHORTEST: usize = 34;
/// Bytes of the longest record, whose length is one byte.
pub(crate) const LONGEST: u64 = 255;

const DIRECTORY: u8 = 0x02;
const ASSOCIATED: u8 = 0x04;
const CONTINUES: u8 = 0x80;

/// The fields of a record that a tree is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// The logical block where the data starts, behind the extended attribute record.
    pub(crate) block: u64,
    /// Bytes of data in this extent.
    pub(crate) length: u32,
    /// Bytes of the record itself.
    pub(crate) own_length: u64,
    /// The file identifier, as recorded.
    pub(crate) identifier: &'a [u8],
    /// The system use area, which follows the identifier.
    pub(crate) system_use: &'a [u8],
    /// Whether both byte orders agree.
    pub(crate) halves_agree: bool,
    date: &'a [u8],
    flags: u8,
    gap: u8,
}

impl<'a> Record<'a> {
    /// Reads a record that fills `bytes`; `None` if it is too short for its own fields.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Record<'a>> {
        let attributes = byte(bytes, 1)?;
        let start = both_u32(bytes, 2)?;
        let length = both_u32(bytes, 10)?;
        let name_length = usize::from(byte(bytes, 32)?);
        let (identifier, rest) = bytes.get(FIXED..)?.split_at_checked(name_length)?;
        // A padding byte follows identifiers of even length (ECMA-119 9.1.12).
        let padding = usize::from(name_length % 2 == 0);
        Some(Record {
            block: u64::from(start.value).checked_add(u64::from(attributes))?,
            length: length.value,
            own_length: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            identifier,
            system_use: rest.get(padding..).unwrap_or_default(),
            halves_agree: start.agrees && length.agrees,
            date: bytes.get(18..25)?,
            flags: byte(bytes, 25)?,
            gap: byte(bytes, 27)?,
        })
    }

    /// Whether this is the entry of a directory for itself (ECMA-119 6.8.2.2).
    pub(crate) fn is_itself(&self) -> bool {
        self.identifier == [0]
    }

    /// Whether this is the entry of a directory for its parent.
    pub(crate) fn is_parent(&self) -> bool {
        self.identifier == [1]
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.flags & DIRECTORY != 0
    }

    /// Whether this is a resource fork or the like, recorded beside the file of the same name.
    pub(crate) fn is_associated(&self) -> bool {
        self.flags & ASSOCIATED != 0
    }

    /// Whether the next record holds more of the same file.
    pub(crate) fn continues(&self) -> bool {
        self.flags & CONTINUES != 0
    }

    /// Whether there are gaps between the units of the extent (ECMA-119 6.4.3). Without gaps the units are
    /// one run, as in any file.
    pub(crate) fn is_interleaved(&self) -> bool {
        self.gap != 0
    }

    pub(crate) fn modified(&self) -> Option<i64> {
        date::short(self.date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &[u8], tail: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 33];
        bytes[1] = 1;
        bytes[2..10].copy_from_slice(&[20, 0, 0, 0, 0, 0, 0, 20]);
        bytes[10..18].copy_from_slice(&[5, 0, 0, 0, 0, 0, 0, 5]);
        bytes[18..25].copy_from_slice(&[70, 1, 1, 0, 0, 1, 0]);
        bytes[25] = DIRECTORY;
        bytes[32] = u8::try_from(name.len()).unwrap();
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(tail);
        bytes
    }

    #[test]
    fn fields_and_padding() {
        let bytes = sample(b"AB", b"\0XYZ");
        let record = Record::parse(&bytes).unwrap();
        assert_eq!((record.block, record.length), (21, 5));
        assert_eq!((record.identifier, record.system_use), (&b"AB"[..], &b"XYZ"[..]));
        assert_eq!(record.modified(), Some(1));
        assert!(record.is_directory() && record.halves_agree && !record.continues());
        let bytes = sample(b"ABC", b"XYZ");
        assert_eq!(Record::parse(&bytes).unwrap().system_use, b"XYZ");
    }

    #[test]
    fn a_name_longer_than_the_record_is_refused() {
        let mut bytes = sample(b"ABC", b"");
        assert!(Record::parse(&bytes).is_some());
        bytes[32] = 4;
        assert!(Record::parse(&bytes).is_none());
        assert!(Record::parse(&bytes[..20]).is_none());
    }
}
