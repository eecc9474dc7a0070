//! Kinds of trees, of entries and of encodings, and the number of an entry: the words that all modules share.

use std::fmt;
use std::str::FromStr;

/// The number of an entry in its tree. It means nothing in another tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// It has children.
    Directory,
    /// It has bytes.
    File,
    /// It points to another entry by path (Rock Ridge and UDF only).
    Link,
}

/// How the extents of a file relate to its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// The extents, one after the other, are the file.
    Plain,
    /// The extents hold blocks compressed by zisofs, version 1 (Rock Ridge `ZF`).
    ///
    /// [`Node::size`](crate::Node::size) is the size before compression, and
    /// [`Tree::read_at`](crate::Tree::read_at) inflates.
    Zisofs,
    /// The extents hold blocks compressed by zisofs, version 2. Not decoded.
    Zisofs2,
    /// The file shares its extent with another in alternating units (ECMA-119 6.4.3). Not decoded.
    Interleaved,
}

impl fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Encoding::Plain => "plain",
            Encoding::Zisofs => "compressed (zisofs)",
            Encoding::Zisofs2 => "compressed (zisofs version 2)",
            Encoding::Interleaved => "interleaved",
        })
    }
}

/// The trees an image may hold side by side, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TreeKind {
    /// ISO 9660 with POSIX names, modes, times and links.
    RockRidge,
    /// The file system of DVDs and of Windows installation media.
    Udf,
    /// A second ISO 9660 tree with names in UTF-16.
    Joliet,
    /// A second ISO 9660:1999 tree with names of up to 207 bytes.
    Enhanced,
    /// Bare ISO 9660.
    Plain,
}

impl TreeKind {
    /// `rockridge`, `udf`, `joliet`, `enhanced` or `plain`: what `parse` accepts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TreeKind::RockRidge => "rockridge",
            TreeKind::Udf => "udf",
            TreeKind::Joliet => "joliet",
            TreeKind::Enhanced => "enhanced",
            TreeKind::Plain => "plain",
        }
    }
}

impl fmt::Display for TreeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text is not the name of a [`TreeKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTreeKindError;

impl fmt::Display for ParseTreeKindError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected rockridge, udf, joliet, enhanced or plain")
    }
}

impl std::error::Error for ParseTreeKindError {}

impl FromStr for TreeKind {
    type Err = ParseTreeKindError;

    fn from_str(text: &str) -> Result<TreeKind, ParseTreeKindError> {
        let all = [TreeKind::RockRidge, TreeKind::Udf, TreeKind::Joliet, TreeKind::Enhanced, TreeKind::Plain];
        all.into_iter().find(|kind| kind.as_str() == text).ok_or(ParseTreeKindError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_what_they_say() {
        for text in ["rockridge", "udf", "joliet", "enhanced", "plain"] {
            assert_eq!(text.parse::<TreeKind>().map(TreeKind::as_str), Ok(text));
        }
        for text in ["", "Plain", "joliet ", "iso"] {
            assert_eq!(text.parse::<TreeKind>(), Err(ParseTreeKindError));
        }
    }
}
