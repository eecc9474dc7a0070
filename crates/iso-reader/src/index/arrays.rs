//! The arrays that a tree consists of: nodes, one blob of text, one table of extents.
//!
//! The children of a directory are contiguous and sorted by the bytes of their names, so a listing is a
//! slice.

use crate::error::{Error, LimitReached};
use crate::index::extent::{Extent, ExtentData, Extents, StoredExtent};
use crate::index::stored::{DAMAGED, IN_TABLE, StoredNode};
use crate::kind::NodeKind;
use crate::limits::Limits;
use crate::warnings::Warnings;

/// The arrays, growing or complete.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) nodes: Vec<StoredNode>,
    text: Vec<u8>,
    extents: Vec<StoredExtent>,
}

/// The fields of a node before it has a number; see [`StoredNode`].
pub(crate) struct NewNode<'a> {
    pub(crate) kind: NodeKind,
    pub(crate) mode: u16,
    pub(crate) modified: Option<i64>,
    pub(crate) parent: u32,
    pub(crate) name: &'a [u8],
    pub(crate) a: u64,
    pub(crate) b: u64,
    pub(crate) flags: u16,
}

impl Index {
    /// Appends a node and returns its number. The caller has checked its name.
    pub(crate) fn push(&mut self, new: &NewNode<'_>, limits: &Limits) -> Result<u32, Error> {
        let full = || Error::Limit(LimitReached::Entries);
        let count = self.nodes.len();
        let id = u32::try_from(count).ok().filter(|_| count < limits.entries).ok_or_else(full)?;
        let name_offset = self.push_text(new.name, limits.text_bytes)?;
        let name_length = u16::try_from(new.name.len()).unwrap_or_default();
        let mut node = StoredNode::new(new.kind, new.mode, name_offset, name_length);
        (node.a, node.b, node.parent) = (new.a, new.b, new.parent);
        node.modified = new.modified.map_or(0, clamp_time);
        node.set(new.flags);
        self.nodes.push(node);
        Ok(id)
    }

    /// Makes the nodes from `first` on the children of a directory. One that became a link has none.
    pub(crate) fn adopt(&mut self, directory: u32, first: usize) {
        let count = self.nodes.len().saturating_sub(first);
        let node = self.nodes.get_mut(position(directory));
        if let Some(node) = node.filter(|node| node.kind() == NodeKind::Directory) {
            node.a = u64::try_from(first).unwrap_or(u64::MAX);
            node.b = u64::try_from(count).unwrap_or(u64::MAX);
        }
    }

    /// The path of a node from the root, names separated by `/`. The root's is empty.
    pub(crate) fn path(&self, id: u32) -> Vec<u8> {
        let (mut names, mut here) = (Vec::new(), id);
        while here != 0 {
            let node = self.get(here);
            names.push(self.name(node));
            here = node.parent;
        }
        names.reverse();
        names.join(&b'/')
    }

    pub(crate) fn flag(&mut self, id: u32, flag: u16) {
        if let Some(node) = self.nodes.get_mut(position(id)) {
            node.set(flag);
        }
    }

    pub(crate) fn get(&self, id: u32) -> &StoredNode {
        self.nodes.get(position(id)).unwrap_or(&StoredNode::MISSING)
    }

    pub(crate) fn name(&self, node: &StoredNode) -> &[u8] {
        slice(&self.text, u64::from(node.name_offset), u64::from(node.name_length()))
    }

    /// The target of a link; nothing for other kinds.
    pub(crate) fn target(&self, node: &StoredNode) -> &[u8] {
        match node.kind() {
            NodeKind::Link => slice(&self.text, node.b, node.a),
            NodeKind::Directory | NodeKind::File => &[],
        }
    }

    /// The children of a directory as a range of node numbers; empty for other kinds.
    pub(crate) fn children(&self, node: &StoredNode) -> std::ops::Range<u32> {
        let end = node.a.saturating_add(node.b);
        match (node.kind(), u32::try_from(node.a), u32::try_from(end)) {
            (NodeKind::Directory, Ok(first), Ok(end)) if position(end) <= self.nodes.len() => first..end,
            _ => 0..0,
        }
    }

    /// The extents of a file. A damaged file has none, nor has a directory or a link.
    pub(crate) fn extents(&self, node: &StoredNode) -> Extents<'_> {
        if node.kind() != NodeKind::File || node.has(DAMAGED) {
            return Extents::new(None, &[]);
        }
        if node.has(IN_TABLE) {
            return Extents::new(None, self.table(node));
        }
        let extent = Extent { offset: node.b, length: node.a, data: ExtentData::Recorded };
        Extents::new(Some(extent).filter(|extent| extent.length > 0), &[])
    }

    /// The extents of a file that are in the table.
    fn table(&self, node: &StoredNode) -> &[StoredExtent] {
        let (first, count) = (node.b >> 32, node.b & u64::from(u32::MAX));
        let range = usize::try_from(first).ok().zip(usize::try_from(first.saturating_add(count)).ok());
        range.and_then(|(first, end)| self.extents.get(first..end)).unwrap_or_default()
    }

    /// Appends to the text and returns where it starts.
    pub(crate) fn push_text(&mut self, bytes: &[u8], limit: usize) -> Result<u32, Error> {
        let offset = u32::try_from(self.text.len()).map_err(|_| Error::Limit(LimitReached::TextBytes))?;
        if self.text.len().saturating_add(bytes.len()) > limit {
            return Err(Error::Limit(LimitReached::TextBytes));
        }
        self.text.extend_from_slice(bytes);
        Ok(offset)
    }

    /// Appends to the extent table and returns the value of [`StoredNode::b`] that finds it again.
    pub(crate) fn push_extents(&mut self, extents: &[StoredExtent]) -> Option<u64> {
        let first = u64::from(u32::try_from(self.extents.len()).ok()?);
        let count = u64::from(u32::try_from(extents.len()).ok()?);
        self.extents.extend_from_slice(extents);
        Some(first << 32 | count)
    }

    /// Gives a file other extents.
    pub(crate) fn replace_extents(&mut self, id: u32, size: u64, extents: &[Extent]) {
        let stored: Option<Vec<StoredExtent>> = extents.iter().copied().map(StoredExtent::new).collect();
        let range = stored.and_then(|extents| self.push_extents(&extents));
        if let Some(node) = self.nodes.get_mut(position(id)) {
            let (b, flag) = range.map_or((0, DAMAGED), |range| (range, IN_TABLE));
            (node.a, node.b) = (size, b);
            node.set(flag);
        }
    }

    /// Sorts the nodes from `first` on by name. Of several with one name only the first is kept.
    pub(crate) fn sort_children(&mut self, first: usize, warnings: &mut Warnings) {
        let text = &self.text;
        let name =
            |node: &StoredNode| slice(text, u64::from(node.name_offset), u64::from(node.name_length()));
        let Some(children) = self.nodes.get_mut(first..) else { return };
        // Names are stored in the order of the records, so the offset breaks ties as a stable sort would.
        children.sort_unstable_by(|one, other| {
            name(one).cmp(name(other)).then_with(|| one.name_offset.cmp(&other.name_offset))
        });
        if children.is_sorted_by(|one, other| name(one) < name(other)) {
            return;
        }
        let mut kept: Vec<StoredNode> = self.nodes.split_off(first);
        kept.dedup_by(|later, earlier| {
            let is_taken = name(later) == name(earlier);
            if is_taken {
                let name = name(later).escape_ascii();
                warnings.add(|| format!("two entries of one directory are named \"{name}\""));
            }
            is_taken
        });
        self.nodes.append(&mut kept);
    }

    /// Gives spare capacity back once the tree is complete.
    pub(crate) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
        self.text.shrink_to_fit();
        self.extents.shrink_to_fit();
    }

    /// Bytes held.
    pub(crate) fn memory(&self) -> usize {
        let nodes = self.nodes.capacity().saturating_mul(size_of::<StoredNode>());
        let extents = self.extents.capacity().saturating_mul(size_of::<StoredExtent>());
        nodes.saturating_add(extents).saturating_add(self.text.capacity())
    }
}

/// Seconds since 1970, within the range that a node can hold.
pub(crate) fn clamp_time(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}

/// `length` bytes of the text from `offset` on.
fn slice(text: &[u8], offset: u64, length: u64) -> &[u8] {
    let start = usize::try_from(offset).ok();
    let end = offset.checked_add(length).and_then(|end| usize::try_from(end).ok());
    start.zip(end).and_then(|(start, end)| text.get(start..end)).unwrap_or_default()
}

/// A node number as a position in the arrays.
pub(crate) fn position(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}
