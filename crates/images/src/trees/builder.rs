//! An index while it grows: entries come in any order, and one replaces another of its name as unpacking
//! would.

use std::collections::HashMap;
use std::sync::OnceLock;

use iso_reader::limits::{LINK_BYTES, NAME_BYTES, WARNINGS};

use crate::trees::index::{EntryKind, Index, Node, ROOT, Stored, Text, position, slice};

/// Entries of a tree: three times those of a whole desktop system, and some 200 MB while it is built.
const ENTRIES: usize = 1 << 20;

/// Bytes of all names and targets of links.
const TEXT_BYTES: usize = 128 << 20;

/// The tree is larger than any that is served, and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge(pub(super) &'static str);

/// An entry to be added.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'a> {
    Directory,
    File(Stored),
    Link(&'a [u8]),
}

/// A growing index. Numbers of entries mean nothing in the finished one.
pub(super) struct Builder {
    nodes: Vec<Node>,
    text: Vec<u8>,
    by_name: HashMap<(u32, Box<[u8]>), u32>,
    pub(super) warnings: Warnings,
}

/// Entries that are odd or had to be left out: their number, and the warnings about the first.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    pub(super) count: u64,
    pub(super) texts: Vec<String>,
}

impl Warnings {
    /// Warns of an entry that was left out or that is odd.
    pub(super) fn add(&mut self, name: &[u8], reason: &str) {
        // A tar can hold names of a megabyte.
        let name = name.get(..NAME_BYTES).unwrap_or(name);
        self.warn(|| format!("\"{}\": {reason}", name.escape_ascii()));
    }

    /// Warns of something about all of the image.
    pub(super) fn note(&mut self, text: String) {
        self.warn(|| text);
    }

    fn warn(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.texts.len() < WARNINGS {
            self.texts.push(text());
        }
    }
}

impl Builder {
    /// An index with only the root.
    pub(super) fn new() -> Self {
        let name = Text { offset: 0, length: 0 };
        let root = Node { name, parent: ROOT, modified: 0, kind: EMPTY };
        Self { nodes: vec![root], text: Vec::new(), by_name: HashMap::new(), warnings: Warnings::default() }
    }

    /// Adds an entry to a directory; `None` if it cannot be served or a directory in use has its name.
    pub(super) fn add(
        &mut self,
        parent: u32,
        name: &[u8],
        modified: u32,
        item: Item<'_>,
    ) -> Result<Option<u32>, TooLarge> {
        let is_name =
            !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| matches!(byte, b'/' | 0));
        let is_too_long = matches!(item, Item::Link(target) if target.len() > LINK_BYTES);
        if !is_name || name.len() > NAME_BYTES || is_too_long {
            let reason = if is_too_long { "the target of the link is too long" } else { "it is not a name" };
            self.warnings.add(name, reason);
            return Ok(None);
        }
        let there = self.child(parent, name);
        let kind = match (item, there.map(|id| self.nodes[position(id)].kind)) {
            // A directory keeps its entries when it comes again.
            (Item::Directory, Some(kind @ EntryKind::Directory { .. })) => kind,
            // A directory with entries is not replaced, as `rmdir` would refuse it.
            (_, Some(EntryKind::Directory { count: 1.., .. })) => {
                self.warnings.add(name, "a directory that is not empty has its name");
                return Ok(None);
            }
            (Item::Directory, _) => EMPTY,
            (Item::File(stored), _) => EntryKind::File(stored),
            (Item::Link(target), _) => EntryKind::Link(self.push_text(target)?),
        };
        if let Some(id) = there {
            let node = &mut self.nodes[position(id)];
            (node.kind, node.modified) = (kind, modified);
            return Ok(Some(id));
        }
        let id = u32::try_from(self.nodes.len()).ok().filter(|_| self.nodes.len() < ENTRIES);
        let id = id.ok_or(TooLarge("it has too many entries"))?;
        let text = self.push_text(name)?;
        self.by_name.insert((parent, name.into()), id);
        self.nodes.push(Node { name: text, parent, modified, kind });
        if let EntryKind::Directory { count, .. } = &mut self.nodes[position(parent)].kind {
            *count += 1;
        }
        Ok(Some(id))
    }

    /// The entry of this name.
    pub(super) fn child(&self, parent: u32, name: &[u8]) -> Option<u32> {
        self.by_name.get(&(parent, name.into())).copied()
    }

    /// The path of an entry from the root, names separated by `/`.
    pub(super) fn path(&self, id: u32) -> Vec<u8> {
        let (mut names, mut here) = (Vec::new(), id);
        while here != ROOT {
            let node = self.node(here);
            names.push(self.text(node.name));
            here = node.parent;
        }
        names.reverse();
        names.join(&b'/')
    }

    /// Whether an entry is `directory` or lies in it.
    pub(super) fn is_within(&self, id: u32, directory: u32) -> bool {
        let mut here = id;
        while here != directory && here != ROOT {
            here = self.node(here).parent;
        }
        here == directory
    }

    /// An entry that was added.
    pub(super) fn node(&self, id: u32) -> Node {
        self.nodes[position(id)]
    }

    /// The target of a link that was added.
    pub(super) fn text(&self, text: Text) -> &[u8] {
        slice(&self.text, text)
    }

    /// Marks a file whose bytes may be wrong, or a directory that lacks entries.
    pub(super) fn mark_damaged(&mut self, id: u32) {
        match &mut self.nodes[position(id)].kind {
            EntryKind::Directory { damaged, .. } | EntryKind::File(Stored { damaged, .. }) => *damaged = true,
            EntryKind::Link(_) => {}
        }
    }

    pub(super) fn set_modified(&mut self, id: u32, modified: u32) {
        self.nodes[position(id)].modified = modified;
    }

    fn push_text(&mut self, bytes: &[u8]) -> Result<Text, TooLarge> {
        let full = TooLarge("its names take too many bytes");
        if self.text.len() + bytes.len() > TEXT_BYTES {
            return Err(full);
        }
        let numbers = u32::try_from(self.text.len()).ok().zip(u32::try_from(bytes.len()).ok());
        let (offset, length) = numbers.ok_or(full)?;
        self.text.extend_from_slice(bytes);
        Ok(Text { offset, length })
    }

    /// Sorts the children of each directory and puts them side by side, directories before their children.
    pub(super) fn finish(self) -> (Index, Warnings) {
        let Self { nodes, mut text, by_name, warnings } = self;
        drop(by_name);
        let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (1..count).collect();
        let key = |id: &u32| {
            let node = nodes[position(*id)];
            (node.parent, slice(&text, node.name))
        };
        order.sort_unstable_by(|one, other| key(one).cmp(&key(other)));
        // The first child of each directory in that order; their number was counted before.
        let mut firsts = vec![0; nodes.len()];
        for (place, id) in order.iter().enumerate().rev() {
            firsts[position(nodes[position(*id)].parent)] = place;
        }
        let mut sorted: Vec<Node> = Vec::with_capacity(nodes.len());
        let mut old = vec![ROOT];
        sorted.push(nodes[0]);
        let mut id = 0;
        while id < sorted.len() {
            if let EntryKind::Directory { count, damaged, .. } = sorted[id].kind {
                let (first, parent) = (sorted.len(), u32::try_from(id).unwrap_or(u32::MAX));
                let begin = firsts[position(old[id])];
                for &child in &order[begin..begin + position(count)] {
                    old.push(child);
                    sorted.push(Node { parent, ..nodes[position(child)] });
                }
                let first = u32::try_from(first).unwrap_or(u32::MAX);
                sorted[id].kind = EntryKind::Directory { first, count, damaged };
            }
            id += 1;
        }
        text.shrink_to_fit();
        (Index { nodes: sorted, text, folded: OnceLock::new() }, warnings)
    }
}

const EMPTY: EntryKind = EntryKind::Directory { first: 0, count: 0, damaged: false };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::matching::Matching;

    fn file(place: u64) -> Item<'static> {
        Item::File(Stored { place, size: 1, damaged: false })
    }

    #[test]
    fn the_last_of_a_name_wins_unless_a_directory_would_go_with_what_it_holds() {
        let mut builder = Builder::new();
        let full = builder.add(ROOT, b"full", 1, Item::Directory).expect("room").expect("added");
        for (parent, name, item, added) in [
            (full, &b"file"[..], file(1), true),
            (full, b"file", file(2), true),
            (ROOT, b"full", file(3), false),
            (ROOT, b"full", Item::Directory, true),
            (ROOT, b"empty", Item::Directory, true),
            (ROOT, b"empty", file(4), true),
            (ROOT, b"file", file(5), true),
            (ROOT, b"file", Item::Directory, true),
        ] {
            let result = builder.add(parent, name, 9, item).expect("room");
            assert_eq!(result.is_some(), added, "{}", name.escape_ascii());
        }
        let (index, _) = builder.finish();
        let kind = |path: &[&str]| {
            let path: Vec<Vec<u8>> = path.iter().map(|name| name.as_bytes().to_vec()).collect();
            index.node(index.find(&path, Matching::Exact).expect("is there")).kind
        };
        assert!(matches!(kind(&["full", "file"]), EntryKind::File(Stored { place: 2, .. })));
        assert!(matches!(kind(&["empty"]), EntryKind::File(Stored { place: 4, .. })));
        assert!(matches!(kind(&["file"]), EntryKind::Directory { count: 0, .. }));
        assert_eq!(index.nodes.len(), 5);
    }

    #[test]
    fn names_that_are_no_names_are_left_out() {
        let mut builder = Builder::new();
        for name in [&b""[..], b".", b"..", b"a/b", b"a\0b", &[b'x'; 256]] {
            assert_eq!(builder.add(ROOT, name, 0, file(1)), Ok(None), "{}", name.escape_ascii());
        }
        assert_eq!(builder.add(ROOT, b"l", 0, Item::Link(&[b'x'; LINK_BYTES + 1])), Ok(None));
        assert_eq!((builder.warnings.count, builder.warnings.texts.len()), (7, 7));
        assert!(builder.finish().0.entries(ROOT).is_empty());
    }
}
