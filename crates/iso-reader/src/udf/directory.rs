//! File identifier descriptors (ECMA-167 4/14.4): the names in a directory, and the entries that they stand
//! for.

use crate::bytes::{byte, little_u16, little_u32};
use crate::udf::address::Address;
use crate::udf::tag::{self, Tag};

/// Bytes of a descriptor before its variable part.
const FIXED: usize = 38;

const DIRECTORY: u8 = 0x02;
const DELETED: u8 = 0x04;
const PARENT: u8 = 0x08;

/// A file identifier descriptor, borrowed from the bytes of its directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identifier<'a> {
    /// The name, as recorded.
    pub(crate) name: &'a [u8],
    /// The address of the file's entry; `None` if the descriptor has none.
    pub(crate) entry: Option<Address>,
    /// Whether its CRC is right.
    pub(crate) is_intact: bool,
    characteristics: u8,
}

impl<'a> Identifier<'a> {
    /// The descriptor at the start of `bytes`, and its length.
    fn parse(bytes: &'a [u8]) -> Option<(Identifier<'a>, usize)> {
        let tag = Tag::parse(bytes).filter(|tag| tag.identifier == tag::FILE_IDENTIFIER)?;
        let name_length = usize::from(byte(bytes, 19)?);
        let start = FIXED.checked_add(usize::from(little_u16(bytes, 36)?))?;
        let end = start.checked_add(name_length)?;
        // Padding makes the length a multiple of four. Behind the last name it may be missing.
        let length = end.checked_next_multiple_of(4)?.min(bytes.len());
        let has_entry = little_u32(bytes, 20)? != 0;
        let identifier = Identifier {
            name: bytes.get(start..end)?,
            entry: Address::parse(bytes, 24).filter(|_| has_entry),
            is_intact: tag.is_intact(bytes.get(..length)?),
            characteristics: byte(bytes, 18)?,
        };
        Some((identifier, length))
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.characteristics & DIRECTORY != 0
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.characteristics & DELETED != 0
    }

    /// Whether this is the entry for the directory above.
    pub(crate) fn is_parent(&self) -> bool {
        self.characteristics & PARENT != 0
    }
}

/// The descriptors in the bytes of a directory.
pub(crate) struct Identifiers<'a> {
    rest: &'a [u8],
}

/// An item of [`Identifiers`].
pub(crate) enum IdentifierItem<'a> {
    Identifier(Identifier<'a>),
    /// Bytes that are no descriptor, up to the next one or the end.
    Damage,
}

pub(crate) fn identifiers(directory: &[u8]) -> Identifiers<'_> {
    Identifiers { rest: directory }
}

impl<'a> Iterator for Identifiers<'a> {
    type Item = IdentifierItem<'a>;

    fn next(&mut self) -> Option<IdentifierItem<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some((identifier, length)) = Identifier::parse(self.rest) {
            self.rest = self.rest.get(length..).unwrap_or_default();
            return Some(IdentifierItem::Identifier(identifier));
        }
        // Descriptors start at multiples of four, so a wrong length does not hide the next one.
        const IDENTIFIER: [u8; 2] = tag::FILE_IDENTIFIER.to_le_bytes();
        while let Some(rest) = self.rest.get(4..) {
            self.rest = rest;
            if rest.starts_with(&IDENTIFIER) && Identifier::parse(rest).is_some() {
                return Some(IdentifierItem::Damage);
            }
        }
        self.rest = &[];
        Some(IdentifierItem::Damage)
    }
}
