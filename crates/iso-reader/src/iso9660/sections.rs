//! A file recorded in several sections (ECMA-119 6.5.1): consecutive records with one identifier, all
//! but the last marked as continued. Each holds less than 4 GiB, so a larger file has several.

use crate::index::{DAMAGED, Extent, ExtentData, IN_TABLE, Index, StoredExtent, ZISOFS, ZISOFS2, position};
use crate::warnings::Warnings;
use crate::zisofs::Zisofs;

/// The sections collected so far.
pub(crate) struct Sections {
    /// The node of the file.
    node: u32,
    identifier: Vec<u8>,
    /// Where the first section begins, which may have no bytes.
    start: u64,
    extents: Vec<Extent>,
    size: u64,
    damaged: bool,
}

impl Sections {
    pub(crate) fn new(node: u32, identifier: &[u8], start: u64) -> Sections {
        let (identifier, extents) = (identifier.to_vec(), Vec::new());
        Sections { node, identifier, start, extents, size: 0, damaged: false }
    }

    pub(crate) fn node(&self) -> u32 {
        self.node
    }

    pub(crate) fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// Appends a section. A section that starts where the last one ends, as most writers arrange it, extends
    /// that one. `false` for the first section beyond `limit`.
    pub(crate) fn add(&mut self, offset: u64, length: u64, limit: usize) -> bool {
        self.size = self.size.saturating_add(length);
        let last = self.extents.last_mut();
        if let Some(last) = last.filter(|last| last.offset.checked_add(last.length) == Some(offset)) {
            last.length = last.length.saturating_add(length);
        } else if self.extents.len() >= limit {
            return std::mem::replace(&mut self.damaged, true);
        } else if length > 0 {
            self.extents.push(Extent { offset, length, data: ExtentData::Recorded });
        }
        true
    }

    /// Counts the bytes of a section that cannot be read, and marks the file as damaged.
    pub(crate) fn add_missing(&mut self, length: u64) {
        self.size = self.size.saturating_add(length);
        self.damaged = true;
    }

    /// Writes the file's size and extents into its node.
    pub(crate) fn finish(mut self, index: &mut Index, warnings: &mut Warnings) {
        let node = index.get(self.node);
        let is_zisofs = node.has(ZISOFS | ZISOFS2);
        let table_end = if node.has(ZISOFS) { Zisofs::unpack(node.a).table_end() } else { 0 };
        if !self.damaged && node.size() > 0 && self.size < table_end {
            warnings
                .add(|| format!("\"{}\": it is too short for its pointers", self.identifier.escape_ascii()));
            self.damaged = true;
        }
        let stored: Option<Vec<StoredExtent>> = self.extents.iter().copied().map(StoredExtent::new).collect();
        let content = match (stored, self.extents.as_slice()) {
            _ if self.damaged => None,
            (_, []) if !is_zisofs => Some((self.start, 0)),
            (_, [extent]) if !is_zisofs => Some((extent.offset, 0)),
            (Some(extents), _) => index.push_extents(&extents).map(|range| (range, IN_TABLE)),
            (None, _) => None,
        };
        let Some(node) = index.nodes.get_mut(position(self.node)) else { return };
        // The size of a compressed file is that of its content, which its `ZF` entry states.
        if !is_zisofs {
            node.a = self.size;
        }
        let (b, flag) = content.unwrap_or((0, DAMAGED));
        node.b = b;
        node.set(flag);
    }
}
