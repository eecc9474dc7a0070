//! Descriptor tags (ECMA-167 3/7.2): the sixteen bytes with the kind of a descriptor, its location and its
//! CRC.

use std::fmt;

use crate::bytes::{array, byte, little_u16, little_u32};

pub(crate) const PRIMARY_VOLUME: u16 = 1;
pub(crate) const ANCHOR: u16 = 2;
pub(crate) const VOLUME_POINTER: u16 = 3;
pub(crate) const PARTITION: u16 = 5;
pub(crate) const LOGICAL_VOLUME: u16 = 6;
pub(crate) const TERMINATING: u16 = 8;
pub(crate) const FILE_SET: u16 = 256;
pub(crate) const FILE_IDENTIFIER: u16 = 257;
pub(crate) const ALLOCATION_EXTENT: u16 = 258;
pub(crate) const FILE_ENTRY: u16 = 261;
pub(crate) const EXTENDED_FILE_ENTRY: u16 = 266;

/// Bytes in a tag.
pub(crate) const LENGTH: usize = 16;

/// Why bytes are not the descriptor that should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The tag's own checksum is wrong: there is no descriptor.
    NoDescriptor,
    /// There is a descriptor of another kind.
    OtherKind,
    /// It was written for another block, and is left over from something else.
    Misplaced,
    /// Its bytes are not those that were written.
    Crc,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Fault::NoDescriptor => "there is no descriptor",
            Fault::OtherKind => "there is a descriptor of another kind",
            Fault::Misplaced => "its descriptor belongs to another block",
            Fault::Crc => "its descriptor is damaged",
        })
    }
}

/// A tag whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) identifier: u16,
    location: u32,
    crc: u16,
    crc_length: u16,
}

impl Tag {
    /// The tag at the start of `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Tag> {
        let tag: [u8; LENGTH] = array(bytes, 0)?;
        let checksum = byte(&tag, 4)?;
        let sum = tag.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        // Sixteen zeros have the right checksum, too.
        (sum.wrapping_sub(checksum) == checksum && tag != [0; LENGTH]).then_some(Tag {
            identifier: little_u16(&tag, 0)?,
            location: little_u32(&tag, 12)?,
            crc: little_u16(&tag, 8)?,
            crc_length: little_u16(&tag, 10)?,
        })
    }

    /// Whether the CRC of the descriptor is right. `bytes` are the most that may belong to it: a CRC over
    /// more is wrong.
    pub(crate) fn is_intact(&self, bytes: &[u8]) -> bool {
        let covered = bytes.get(LENGTH..).and_then(|rest| rest.get(..usize::from(self.crc_length)));
        covered.map(crc) == Some(self.crc)
    }

    /// Asserts that this is the tag of an intact descriptor that was written for block `location`.
    pub(crate) fn check(&self, bytes: &[u8], location: u32) -> Result<(), Fault> {
        match () {
            () if self.location != location => Err(Fault::Misplaced),
            () if !self.is_intact(bytes) => Err(Fault::Crc),
            () => Ok(()),
        }
    }
}

/// The kind of an intact descriptor of one of the `kinds` that was written for block `location`.
pub(crate) fn expect(bytes: &[u8], kinds: &[u16], location: u32) -> Result<u16, Fault> {
    let tag = Tag::parse(bytes).ok_or(Fault::NoDescriptor)?;
    if !kinds.contains(&tag.identifier) {
        return Err(Fault::OtherKind);
    }
    tag.check(bytes, location)?;
    Ok(tag.identifier)
}

/// The CRC of ITU-T V.41 with the initial value zero (ECMA-167 3/7.2.6).
///
/// Eight bytes are taken at a time: a disc has a descriptor or two for each of its files.
fn crc(bytes: &[u8]) -> u16 {
    let (groups, rest) = bytes.as_chunks::<8>();
    let crc = groups.iter().fold(0_u16, |crc, group| {
        let [first, second] = crc.to_be_bytes();
        let [a, b, others @ ..] = group;
        let group = [a ^ first, b ^ second].into_iter().chain(others.iter().copied());
        let term = |(table, byte): (&[u16; 256], u8)| table.get(usize::from(byte)).copied().unwrap_or(0);
        CRC_TABLES.iter().rev().zip(group).map(term).fold(0, |sum, term| sum ^ term)
    });
    rest.iter().fold(crc, |crc, byte| (crc << 8) ^ one_byte((crc >> 8) ^ u16::from(*byte)))
}

/// The CRC of one byte.
const fn one_byte(byte: u16) -> u16 {
    let mixed = byte ^ (byte >> 4);
    (mixed << 12) ^ (mixed << 5) ^ mixed
}

/// The CRCs of all bytes, each with as many zeros behind it as the number of its table.
static CRC_TABLES: [[u16; 256]; 8] = crc_tables();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "it runs in the compiler, which reports any fault"
)]
const fn crc_tables() -> [[u16; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let (mut at, mut byte) = (0, 0);
    while at < 256 {
        let (mut zeros, mut crc) = (0, one_byte(byte));
        while zeros < 8 {
            tables[zeros][at] = crc;
            crc = (crc << 8) ^ one_byte(crc >> 8);
            zeros += 1;
        }
        at += 1;
        byte += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A descriptor of kind 1 for block 7 with four bytes behind its tag, still without checksum and CRC.
    const DESCRIPTOR: [u8; 20] = [1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4, 0, 7, 0, 0, 0, 0x70, 0x6A, 0x77, 0x00];

    #[test]
    fn the_crc_of_the_standard() {
        // The example in ECMA-167 3/7.2.6.
        assert_eq!(crc(&[0x70, 0x6A, 0x77]), 0x3299);
        assert_eq!(crc(b"123456789"), 0x31C3);
        // Bit by bit, over every length of the last group.
        let bytes: Vec<u8> = (0..=255).chain(0..40).map(|at: u16| at.to_le_bytes()[0] ^ 0x5A).collect();
        for length in 0..bytes.len() {
            let bits = bytes[..length].iter().fold(0_u16, |crc, byte| {
                (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
                    if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
                })
            });
            assert_eq!(crc(&bytes[..length]), bits, "{length} bytes");
        }
        assert_eq!(crc(&[]), 0);
    }

    #[test]
    fn tags_are_checked() {
        let mut sound = DESCRIPTOR;
        let sum = crc(&sound[16..]).to_le_bytes();
        sound[8..10].copy_from_slice(&sum);
        sound[4] = 0;
        sound[4] = sound[..16].iter().fold(0, |sum, byte| sum.wrapping_add(*byte));
        assert_eq!(expect(&sound, &[9, 1], 7), Ok(1));
        assert_eq!(expect(&sound, &[9], 7), Err(Fault::OtherKind));
        assert_eq!(expect(&sound, &[1], 8), Err(Fault::Misplaced));
        assert_eq!(expect(&sound[..19], &[1], 7), Err(Fault::Crc));
        let flipped = |at: usize| {
            let mut bytes = sound;
            bytes[at] ^= 1;
            bytes
        };
        assert_eq!(expect(&flipped(17), &[1], 7), Err(Fault::Crc));
        assert_eq!(expect(&flipped(4), &[1], 7), Err(Fault::NoDescriptor));
        assert_eq!(expect(&[0; 20], &[0], 0), Err(Fault::NoDescriptor));
        assert_eq!(expect(&sound[..15], &[1], 7), Err(Fault::NoDescriptor));
    }
}
