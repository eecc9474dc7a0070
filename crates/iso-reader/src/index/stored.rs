//! How an entry is held in memory: in 32 bytes.

use crate::kind::{Encoding, NodeKind};
use crate::zisofs::Zisofs;

/// The longest name that can be stored, in bytes.
pub(crate) const LONGEST_NAME: usize = 0x3FF;

/// File types and permissions of POSIX, as in `st_mode`.
const TYPE_MASK: u16 = 0o170_000;
const TYPE_DIRECTORY: u16 = 0o040_000;
const TYPE_FILE: u16 = 0o100_000;
const TYPE_LINK: u16 = 0o120_000;

/// The part of [`StoredNode::name`] that is its length; the flags are above.
const LENGTH_MASK: u16 = 0x3FF;

/// Part of the entry is missing from the image, or it closes a loop.
pub(crate) const DAMAGED: u16 = 0x0400;
/// The file's extents are in the table.
pub(crate) const IN_TABLE: u16 = 0x0800;
/// The file is compressed by zisofs, version 1.
pub(crate) const ZISOFS: u16 = 0x1000;
/// The file is interleaved with another.
pub(crate) const INTERLEAVED: u16 = 0x2000;
/// The file is compressed by zisofs, version 2.
pub(crate) const ZISOFS2: u16 = 0x8000;

/// One entry. What `a` and `b` mean depends on the kind:
///
/// | kind | `a` | `b` |
/// | --- | --- | --- |
/// | directory | first child | number of children |
/// | ISO 9660 directory that waits to be read | byte offset in the image | bytes |
/// | UDF directory that waits to be read | block and partition of its entry | 0 if it is empty |
/// | file, one extent or none | size | byte offset in the image |
/// | file, extent table | size | first extent in the upper half, their number in the lower |
/// | file, zisofs | [`Zisofs`], packed | as above |
/// | link | length of the target | offset of the target in the text |
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredNode {
    pub(crate) a: u64,
    pub(crate) b: u64,
    pub(crate) name_offset: u32,
    pub(crate) parent: u32,
    /// Seconds since 1970.
    pub(crate) modified: u32,
    /// Type and permissions, as in `st_mode`.
    mode: u16,
    /// Ten bits of length, six for flags.
    name: u16,
}

const _: () = assert!(size_of::<StoredNode>() == 32);

impl StoredNode {
    /// What the number of an entry of another tree may lead to: a file without readable bytes.
    pub(crate) const MISSING: StoredNode =
        StoredNode { a: 0, b: 0, name_offset: 0, parent: 0, modified: 0, mode: TYPE_FILE, name: DAMAGED };

    /// An entry without flags. `name_length` is at most [`LONGEST_NAME`].
    pub(crate) fn new(kind: NodeKind, permissions: u16, name_offset: u32, name_length: u16) -> StoredNode {
        let file_type = match kind {
            NodeKind::Directory => TYPE_DIRECTORY,
            NodeKind::File => TYPE_FILE,
            NodeKind::Link => TYPE_LINK,
        };
        let mode = file_type | (permissions & !TYPE_MASK);
        StoredNode { a: 0, b: 0, name_offset, parent: 0, modified: 0, mode, name: name_length & LENGTH_MASK }
    }

    pub(crate) fn kind(&self) -> NodeKind {
        match self.mode & TYPE_MASK {
            TYPE_DIRECTORY => NodeKind::Directory,
            TYPE_LINK => NodeKind::Link,
            _ => NodeKind::File,
        }
    }

    /// Makes a directory a link, whose target is in the text.
    pub(crate) fn become_link(&mut self, length: u64, offset: u64) {
        self.mode = TYPE_LINK | self.permissions();
        self.name &= LENGTH_MASK;
        (self.a, self.b) = (length, offset);
    }

    pub(crate) fn permissions(&self) -> u16 {
        self.mode & !TYPE_MASK
    }

    pub(crate) fn set_permissions(&mut self, permissions: u16) {
        self.mode = (self.mode & TYPE_MASK) | (permissions & !TYPE_MASK);
    }

    pub(crate) fn name_length(&self) -> u16 {
        self.name & LENGTH_MASK
    }

    pub(crate) fn has(&self, flag: u16) -> bool {
        self.name & flag != 0
    }

    pub(crate) fn set(&mut self, flags: u16) {
        self.name |= flags & !LENGTH_MASK;
    }

    /// Bytes of a file or of a link's target.
    pub(crate) fn size(&self) -> u64 {
        if self.has(ZISOFS) { Zisofs::unpack(self.a).size() } else { self.a }
    }

    pub(crate) fn encoding(&self) -> Encoding {
        if self.has(INTERLEAVED) {
            Encoding::Interleaved
        } else if self.has(ZISOFS) {
            Encoding::Zisofs
        } else if self.has(ZISOFS2) {
            Encoding::Zisofs2
        } else {
            Encoding::Plain
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_share_bits_keep_apart() {
        for kind in [NodeKind::Directory, NodeKind::File, NodeKind::Link] {
            let mut node = StoredNode::new(kind, 0o177_777, 1, 0x3FF);
            assert_eq!((node.kind(), node.permissions(), node.name_length()), (kind, 0o7777, 0x3FF));
            assert!(!node.has(DAMAGED | IN_TABLE | ZISOFS | INTERLEAVED | ZISOFS2));
            node.set(ZISOFS | DAMAGED);
            node.set_permissions(0o4);
            assert_eq!((node.kind(), node.permissions(), node.name_length()), (kind, 0o4, 0x3FF));
            assert!(node.has(DAMAGED) && !node.has(IN_TABLE));
            assert_eq!(node.encoding(), Encoding::Zisofs);
        }
    }
}
