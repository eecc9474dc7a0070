//! An index in memory: the entries of a tree whose format has no order that can be searched. Children are
//! contiguous and sorted, so a look-up is a binary search. Paths are resolved by the rules of ISO trees:
//! links never lead outside, `..` stops at the root.

use std::cell::LazyCell;
use std::cmp::Ordering;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use iso_reader::limits::{LINK_HOPS, LINK_NAMES};

use crate::trees::matching::{Matching, bare, without_version};
use crate::trees::search::{Matches, Search, below};
use component::{Entry, LookupError};

/// The number of the root, in each index.
pub(super) const ROOT: u32 = 0;

/// A tree's entries. They never change.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) nodes: Vec<Node>,
    pub(super) text: Vec<u8>,
    /// Node numbers in case-folded order, each directory's children in their own range. Made when it is first
    /// needed.
    pub(super) folded: OnceLock<Box<[u32]>>,
}

/// An entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) name: Text,
    pub(super) parent: u32,
    /// Seconds since 1970.
    pub(super) modified: u32,
    pub(super) kind: EntryKind,
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) enum EntryKind {
    /// Its children are contiguous. One that is damaged had more of them.
    Directory { first: u32, count: u32, damaged: bool },
    /// A file; its format finds the bytes.
    File(Stored),
    /// A symbolic link to a path.
    Link(Text),
}

/// Where a file's bytes are. The format gives `place` its meaning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) place: u64,
    pub(super) size: u64,
    /// Not all of its bytes are in the image.
    pub(super) damaged: bool,
}

/// A run of the index's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub(super) offset: u32,
    pub(super) length: u32,
}

impl Index {
    /// The entry that a path leads to, all links followed.
    pub(super) fn find(&self, path: &[Vec<u8>], matching: Matching) -> Result<u32, LookupError> {
        self.resolve(path.iter().map(Vec::as_slice), matching)
    }

    pub(super) fn node(&self, id: u32) -> &Node {
        // Numbers come from this index; any other leads to the root.
        self.nodes.get(position(id)).unwrap_or(&self.nodes[0])
    }

    /// What is in a directory.
    pub(super) fn entries(&self, directory: u32) -> Vec<Entry> {
        let path = self.path(directory);
        self.children(directory).iter().filter_map(|node| self.entry(&path, node)).collect()
    }

    /// A link is listed as what it leads to; one that leads nowhere is left out, for it could not be fetched.
    fn entry(&self, directory: &[&[u8]], node: &Node) -> Option<Entry> {
        let name = self.text(node.name);
        let target = match node.kind {
            EntryKind::Link(_) => {
                self.node(self.resolve(directory.iter().copied().chain([name]), Matching::Exact).ok()?)
            }
            _ => node,
        };
        let size = match target.kind {
            EntryKind::Directory { .. } => None,
            EntryKind::File(stored) => Some(stored.size),
            EntryKind::Link(_) => return None,
        };
        Some(Entry { name: name.to_vec(), size, modified: Some(target.modified()) })
    }

    /// Searches everything below a directory.
    pub(super) fn search(&self, top: u32, search: Search) -> Result<Matches, LookupError> {
        let length = self.path(top).join(&b'/').len();
        search.run(
            top,
            |directory| below(&self.path(*directory).join(&b'/'), length),
            |directory, search, waiting| {
                let path = LazyCell::new(|| self.path(*directory));
                let EntryKind::Directory { first, .. } = self.node(*directory).kind else { return Ok(()) };
                for (id, node) in (first..).zip(self.children(*directory)) {
                    if !search.visit(self.text(node.name), || self.entry(&path, node)) {
                        break;
                    }
                    waiting.extend(matches!(node.kind, EntryKind::Directory { .. }).then_some(id));
                }
                Ok(())
            },
        )
    }

    /// The paths of damaged files and directories. The root has none.
    pub(super) fn damaged(&self) -> impl Iterator<Item = Vec<u8>> {
        let numbers = (0_u32..).zip(&self.nodes).skip(1).filter(|(_, node)| node.kind.is_damaged());
        numbers.map(|(id, _)| self.path(id).join(&b'/'))
    }

    /// Bytes of memory, with those that lenient look-ups will add.
    pub(super) fn memory(&self) -> u64 {
        (self.nodes.capacity() * (size_of::<Node>() + size_of::<u32>()) + self.text.capacity()) as u64
    }

    fn resolve<'p>(
        &self,
        path: impl IntoIterator<Item = &'p [u8]>,
        matching: Matching,
    ) -> Result<u32, LookupError> {
        let (mut here, mut hops, mut names) = (ROOT, 0, 0);
        for name in path {
            here = self.step(here, name, matching).ok_or_else(|| self.missing(here))?;
            // The remaining names of the links on the way, the innermost link last.
            let mut pending = Vec::new();
            loop {
                if let EntryKind::Link(target) = self.node(here).kind {
                    hops += 1;
                    let target = self.text(target);
                    if hops > LINK_HOPS || target.is_empty() {
                        return Err(LookupError::NotFound);
                    }
                    here = if target.starts_with(b"/") { ROOT } else { self.node(here).parent };
                    pending.push(target.split(|&byte| byte == b'/'));
                } else if let Some(rest) = pending.last_mut() {
                    let Some(name) = rest.next() else {
                        pending.pop();
                        continue;
                    };
                    names += 1;
                    if names > LINK_NAMES {
                        return Err(LookupError::NotFound);
                    }
                    here = self.step(here, name, matching).ok_or_else(|| self.missing(here))?;
                } else {
                    break;
                }
            }
        }
        Ok(here)
    }

    /// Why an entry has no child of some name: a damaged directory may have had one.
    fn missing(&self, id: u32) -> LookupError {
        match self.node(id).kind {
            EntryKind::Directory { damaged: true, .. } => LookupError::Unreadable,
            _ => LookupError::NotFound,
        }
    }

    /// One name of a path, from an entry that is no link.
    fn step(&self, here: u32, name: &[u8], matching: Matching) -> Option<u32> {
        let node = self.node(here);
        match name {
            b"" => return Some(here),
            _ if !matches!(node.kind, EntryKind::Directory { .. }) => return None,
            b"." => return Some(here),
            b".." => return Some(node.parent),
            _ => {}
        }
        let exact = self.child(here, name);
        if exact.is_some() || matching == Matching::Exact {
            return exact;
        }
        let mut tries = vec![name, without_version(name), bare(name)];
        tries.dedup();
        for wanted in tries {
            match self.child(here, wanted).map(Ok).or_else(|| self.folded_child(here, wanted).transpose()) {
                Some(Ok(found)) => return Some(found),
                // An ambiguous name leads nowhere.
                Some(Err(Ambiguous)) => return None,
                None => {}
            }
        }
        None
    }

    fn children(&self, directory: u32) -> &[Node] {
        self.nodes.get(self.range(directory)).unwrap_or_default()
    }

    fn range(&self, directory: u32) -> std::ops::Range<usize> {
        match self.node(directory).kind {
            EntryKind::Directory { first, count, .. } => {
                position(first)..position(first.saturating_add(count))
            }
            _ => 0..0,
        }
    }

    fn child(&self, directory: u32, name: &[u8]) -> Option<u32> {
        let found = self.children(directory).binary_search_by(|node| self.text(node.name).cmp(name)).ok()?;
        u32::try_from(self.range(directory).start + found).ok()
    }

    /// The only child whose name is equal but for the case of ASCII letters.
    fn folded_child(&self, directory: u32, name: &[u8]) -> Result<Option<u32>, Ambiguous> {
        let order = self.folded_order().get(self.range(directory)).unwrap_or_default();
        let name_of = |id: u32| self.text(self.node(id).name);
        let first = order.partition_point(|&id| fold_cmp(name_of(id), name).is_lt());
        let matches = |id: &u32| name_of(*id).eq_ignore_ascii_case(name);
        let mut found = order.iter().copied().skip(first).take_while(matches);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Ambiguous),
            (only, None) => Ok(only),
        }
    }

    fn folded_order(&self) -> &[u32] {
        self.folded.get_or_init(|| {
            let count = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            let mut order: Box<[u32]> = (0..count).collect();
            for directory in 0..count {
                if let Some(children) = order.get_mut(self.range(directory)) {
                    let name = |id: u32| self.text(self.node(id).name);
                    children.sort_unstable_by(|&one, &other| fold_cmp(name(one), name(other)));
                }
            }
            order
        })
    }

    /// The names from the root to an entry.
    fn path(&self, id: u32) -> Vec<&[u8]> {
        let (mut names, mut here) = (Vec::new(), id);
        while here != ROOT {
            names.push(self.text(self.node(here).name));
            here = self.node(here).parent;
        }
        names.reverse();
        names
    }

    pub(super) fn text(&self, text: Text) -> &[u8] {
        slice(&self.text, text)
    }
}

impl EntryKind {
    fn is_damaged(self) -> bool {
        match self {
            Self::Directory { damaged, .. } | Self::File(Stored { damaged, .. }) => damaged,
            Self::Link(_) => false,
        }
    }
}

impl Node {
    pub(super) fn modified(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.modified.into())
    }
}

/// More than one name matches.
struct Ambiguous;

pub(super) fn slice(text: &[u8], at: Text) -> &[u8] {
    let (first, length) = (position(at.offset), position(at.length));
    text.get(first..first.saturating_add(length)).unwrap_or_default()
}

/// A number of an entry or of a byte of text as a position in memory.
pub(super) fn position(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

/// Compares names as if all ASCII letters were in lower case.
fn fold_cmp(one: &[u8], other: &[u8]) -> Ordering {
    one.iter().map(u8::to_ascii_lowercase).cmp(other.iter().map(u8::to_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::builder::{Builder, Item};
    use component::Entry;

    fn index() -> Index {
        let mut builder = Builder::new();
        let file = |place| Item::File(Stored { place, size: place * 10, damaged: false });
        let boot = builder.add(ROOT, b"Boot", 5, Item::Directory).expect("room").expect("added");
        for (parent, name, item) in [
            (boot, &b"kernel"[..], file(1)),
            (boot, b"KERNEL.1", file(2)),
            (ROOT, b"two", file(3)),
            (ROOT, b"TWO", file(4)),
            (boot, b"up", Item::Link(b"../two")),
            (ROOT, b"rooted", Item::Link(b"/Boot/kernel")),
            (ROOT, b"out", Item::Link(b"../../Boot/../../two")),
            (ROOT, b"loop", Item::Link(b"loop")),
            (ROOT, b"dangling", Item::Link(b"none")),
            (ROOT, b"below-file", Item::Link(b"two/x")),
            (ROOT, b"folder", Item::Link(b"Boot/")),
            (ROOT, b"empty", Item::Link(b"")),
            (ROOT, b"long", Item::Link(&[&b"./".repeat(LINK_NAMES - 1)[..], b"two"].concat())),
            (ROOT, b"longer", Item::Link(&[&b"./".repeat(LINK_NAMES)[..], b"two"].concat())),
        ] {
            builder.add(parent, name, 7, item).expect("room").expect("added");
        }
        builder.finish().0
    }

    fn place(index: &Index, path: &str, matching: Matching) -> Option<u64> {
        let path: Vec<Vec<u8>> = path.split('/').map(|name| name.as_bytes().to_vec()).collect();
        match index.node(index.find(&path, matching).ok()?).kind {
            EntryKind::File(stored) => Some(stored.place),
            _ => Some(0),
        }
    }

    #[test]
    fn paths_lead_where_those_of_isos_would() {
        let index = index();
        for (path, exact, lenient) in [
            ("Boot/kernel", Some(1), Some(1)),
            ("boot/KERNEL", None, Some(1)),
            ("boot/kernel.1;7", None, Some(2)),
            ("boot/kernel.;1", None, Some(1)),
            ("two", Some(3), Some(3)),
            ("Two", None, None),
            ("two;1", None, Some(3)),
            ("Boot/up", Some(3), Some(3)),
            ("rooted", Some(1), Some(1)),
            ("out", Some(3), Some(3)),
            ("loop", None, None),
            ("dangling", None, None),
            ("below-file", None, None),
            ("two/x", None, None),
            ("folder", Some(0), Some(0)),
            ("folder/kernel", Some(1), Some(1)),
            ("empty", None, None),
            ("long", Some(3), Some(3)),
            ("longer", None, None),
            ("", Some(0), Some(0)),
        ] {
            assert_eq!(place(&index, path, Matching::Exact), exact, "{path}");
            assert_eq!(place(&index, path, Matching::Lenient), lenient, "{path}");
        }
    }

    #[test]
    fn listings_show_what_can_be_fetched() {
        let index = index();
        let list = |id| -> Vec<(String, Option<u64>)> {
            let name = |entry: Entry| (String::from_utf8(entry.name).expect("text"), entry.size);
            index.entries(id).into_iter().map(name).collect()
        };
        let expected = [
            ("Boot", None),
            ("TWO", Some(40)),
            ("folder", None),
            ("long", Some(30)),
            ("out", Some(30)),
            ("rooted", Some(10)),
            ("two", Some(30)),
        ];
        assert_eq!(list(ROOT), expected.map(|(name, size)| (name.to_owned(), size)));
        let boot = index.find(&[b"Boot".to_vec()], Matching::Exact).expect("is there");
        let expected = [("KERNEL.1", Some(20)), ("kernel", Some(10)), ("up", Some(30))];
        assert_eq!(list(boot), expected.map(|(name, size)| (name.to_owned(), size)));
    }
}
