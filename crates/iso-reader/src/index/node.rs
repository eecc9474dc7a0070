//! One entry, as a caller sees it.

use std::fmt;

use crate::index::arrays::Index;
use crate::index::stored::{DAMAGED, StoredNode};
use crate::kind::{Encoding, NodeId, NodeKind};

/// One entry of a tree, borrowed from it.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    index: &'a Index,
    id: NodeId,
    stored: &'a StoredNode,
}

impl<'a> Node<'a> {
    pub(crate) fn new(index: &'a Index, id: NodeId) -> Node<'a> {
        Node { index, id, stored: index.get(id.0) }
    }

    /// The number this entry has in its tree.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The name in bytes: of Rock Ridge as recorded, of UDF and Joliet as UTF-8, of plain ISO 9660 in lower
    /// case without version.
    ///
    /// Never empty, `.` or `..`, never with `/` or NUL. Only the root has no name.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.index.name(self.stored)
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

    /// The time of the last change in seconds since 1970, 0 if unknown. Times before 1970 are 0, those
    /// after 2106 are the last second that 32 bits hold.
    #[must_use]
    pub fn modified(&self) -> i64 {
        i64::from(self.stored.modified)
    }

    /// The permission bits (`0o7777`) that Rock Ridge or UDF records, else `0o555` for directories and
    /// `0o444` for files.
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

    /// Whether part of the entry is missing.
    ///
    /// A file or a directory is damaged if its extents leave the image or are incomplete. A directory is also
    /// damaged if it exceeds the limits, or if it holds itself.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.stored.has(DAMAGED)
    }

    /// Whether [`Tree::read_at`](crate::Tree::read_at) gives the bytes of the file: it is undamaged, and
    /// [`Encoding::Plain`] or [`Encoding::Zisofs`].
    ///
    /// Only plain extents can be sent as they are. Compressed bytes are checked when they are read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let decoded = matches!(self.encoding(), Encoding::Plain | Encoding::Zisofs);
        self.kind() == NodeKind::File && !self.is_damaged() && decoded
    }

    /// The target of a link, `None` for other kinds: of Rock Ridge the bytes as recorded, of UDF a path in
    /// UTF-8.
    #[must_use]
    pub fn link_target(&self) -> Option<&'a [u8]> {
        (self.kind() == NodeKind::Link).then(|| self.index.target(self.stored))
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
