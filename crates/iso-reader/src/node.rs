//! What a caller sees of one entry.

use std::fmt;

use crate::stored::{DAMAGED, StoredNode};
use crate::tree::Tree;

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
    /// It points to another entry by path (Rock Ridge only).
    Link,
}

/// How the extents of a file relate to its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// The extents, one after the other, are the file.
    Plain,
    /// The extents hold blocks compressed by zisofs, version 1 (Rock Ridge `ZF`). [`Node::size`] is the size
    /// before compression, [`Tree::read_at`] inflates.
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

/// One entry of a tree, borrowed from it.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) id: NodeId,
    pub(crate) stored: &'a StoredNode,
}

impl<'a> Node<'a> {
    /// The number this entry has in its tree.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The name in bytes, as served: Rock Ridge names as recorded, Joliet names as UTF-8, plain names in
    /// lower case without version. Never empty, `.` or `..`, never with `/` or NUL; only the root has no name.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.tree.index.name(self.stored)
    }

    /// Directory, file or link.
    #[must_use]
    pub fn kind(&self) -> NodeKind {
        self.stored.kind()
    }

    /// Bytes in a file, bytes in the target of a link, 0 for a directory.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.stored.kind() {
            NodeKind::Directory => 0,
            NodeKind::File | NodeKind::Link => self.stored.size(),
        }
    }

    /// The time of the last change in seconds since 1970, 0 if unknown. Times before 1970 are 0, times
    /// after 2106 end there.
    #[must_use]
    pub fn modified(&self) -> i64 {
        i64::from(self.stored.modified)
    }

    /// The permission bits (`0o7777`) as recorded by Rock Ridge, else `0o555` for directories and `0o444`.
    #[must_use]
    pub fn mode(&self) -> u16 {
        self.stored.permissions()
    }

    /// The directory that holds this entry; the root is its own parent.
    #[must_use]
    pub fn parent(&self) -> NodeId {
        NodeId(self.stored.parent)
    }

    /// How the extents relate to the bytes of the file.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.stored.encoding()
    }

    /// Whether part of the entry is missing: a file whose extents leave the image or are incomplete, a
    /// directory that does, or that is listed in a second place (its children are found in the first).
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.stored.has(DAMAGED)
    }

    /// Whether [`Tree::read_at`] gives the bytes of the file: it is undamaged, and [`Encoding::Plain`] or
    /// [`Encoding::Zisofs`]. Only the former's extents can be sent as they are. That compressed bytes are
    /// sound is known when they are read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let decoded = matches!(self.encoding(), Encoding::Plain | Encoding::Zisofs);
        self.kind() == NodeKind::File && !self.is_damaged() && decoded
    }

    /// The target of a link, in bytes as recorded; `None` for other kinds.
    #[must_use]
    pub fn link_target(&self) -> Option<&'a [u8]> {
        (self.kind() == NodeKind::Link).then(|| self.tree.index.target(self.stored))
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Node")
            .field("id", &self.id.0)
            .field("name", &self.name().escape_ascii().to_string())
            .field("kind", &self.kind())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}
