//! From names to entries: exact and lenient look-up, and paths with links.
//!
//! No path leaves the tree: `..` stops at the root, and an absolute link starts there.

use std::cmp::Ordering;
use std::fmt;

use crate::index::{Lookup, position};
use crate::kind::{NodeId, NodeKind};
use crate::names::without_version;
use crate::tree::Tree;

/// How the names of a path are compared with those of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// Byte for byte.
    #[default]
    Exact,
    /// Byte for byte, else the only name that is equal but for the case of ASCII letters.
    ///
    /// Without a match the same two steps follow for the requested name without its version (`;1`), and then
    /// without one trailing dot.
    Lenient,
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// There is no entry of this name.
    NotFound,
    /// The path goes on below a file.
    NotADirectory,
    /// Several names are equal but for case, and none is equal in every byte.
    Ambiguous,
    /// More links than [`Limits::link_hops`](crate::Limits::link_hops), most often because they form a loop,
    /// or more names in them than [`Limits::link_names`](crate::Limits::link_names).
    TooManyLinks,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ResolveError::NotFound => "no such entry",
            ResolveError::NotADirectory => "the path goes on below a file",
            ResolveError::Ambiguous => "several names differ only in case",
            ResolveError::TooManyLinks => "too many links",
        })
    }
}

impl std::error::Error for ResolveError {}

impl Tree {
    /// The entry of `directory` with exactly this name.
    #[must_use]
    pub fn child(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        let lookup = self.lookup.get_or_init(|| Lookup::new(&self.index));
        lookup.find(&self.index, directory.0, name).map(NodeId)
    }

    /// The entry that a path of names leads to from the root, every link followed, also the last one.
    ///
    /// Empty names and `.` stay where they are, `..` goes up and stops at the root.
    ///
    /// # Errors
    ///
    /// See [`ResolveError`].
    pub fn resolve<'p>(
        &self,
        path: impl IntoIterator<Item = &'p [u8]>,
        matching: Matching,
    ) -> Result<NodeId, ResolveError> {
        let (mut hops, mut names) = (0_usize, 0_usize);
        let mut here = self.root();
        for name in path {
            here = self.step(here, name, matching)?;
            // The rest of the links met on the way, the innermost last.
            let mut pending: Vec<Components<'_>> = Vec::new();
            loop {
                if let Some(target) = self.node(here).link_target() {
                    hops = hops.saturating_add(1);
                    if hops > self.link_hops {
                        return Err(ResolveError::TooManyLinks);
                    }
                    if target.is_empty() {
                        return Err(ResolveError::NotFound);
                    }
                    here = if target.first() == Some(&b'/') { self.root() } else { self.node(here).parent() };
                    pending.push(components(target));
                } else if let Some(rest) = pending.last_mut() {
                    let Some(name) = rest.next() else {
                        pending.pop();
                        continue;
                    };
                    names = names.saturating_add(1);
                    if names > self.link_names {
                        return Err(ResolveError::TooManyLinks);
                    }
                    here = self.step(here, name, matching)?;
                } else {
                    break;
                }
            }
        }
        Ok(here)
    }

    /// [`Tree::resolve`] for a path whose names are separated by `/`.
    ///
    /// # Errors
    ///
    /// See [`ResolveError`].
    pub fn resolve_path(&self, path: impl AsRef<[u8]>, matching: Matching) -> Result<NodeId, ResolveError> {
        self.resolve(components(path.as_ref()), matching)
    }

    /// The path of an entry from the root, names separated by `/`. The root's is empty.
    #[must_use]
    pub fn path(&self, id: NodeId) -> Vec<u8> {
        self.index.path(id.0)
    }

    /// One name of a path, from a directory that is no link.
    fn step(&self, here: NodeId, name: &[u8], matching: Matching) -> Result<NodeId, ResolveError> {
        let node = self.node(here);
        match name {
            b"" => return Ok(here),
            _ if node.kind() != NodeKind::Directory => return Err(ResolveError::NotADirectory),
            b"." => return Ok(here),
            b".." => return Ok(node.parent()),
            _ => {}
        }
        match matching {
            Matching::Exact => self.child(here, name).ok_or(ResolveError::NotFound),
            Matching::Lenient => {
                // `KERNEL.;1`, what ISO 9660 makes of `kernel`, needs both to go.
                let unversioned = without_version(name);
                let bare = unversioned.strip_suffix(b".").unwrap_or(unversioned);
                let mut found = self.exact_or_folded(here, name);
                for (wanted, before) in [(unversioned, name), (bare, unversioned)] {
                    if found == Err(ResolveError::NotFound) && wanted.len() < before.len() {
                        found = self.exact_or_folded(here, wanted);
                    }
                }
                found
            }
        }
    }

    fn exact_or_folded(&self, directory: NodeId, name: &[u8]) -> Result<NodeId, ResolveError> {
        if let Some(child) = self.child(directory, name) {
            return Ok(child);
        }
        let children = self.index.children(self.index.get(directory.0));
        let order = self.folded_order();
        let order = order.get(position(children.start)..position(children.end)).unwrap_or_default();
        let first = order.partition_point(|&id| fold_cmp(self.node(NodeId(id)).name(), name).is_lt());
        let matches = |id: &NodeId| self.node(*id).name().eq_ignore_ascii_case(name);
        let mut found = order.iter().skip(first).copied().map(NodeId).take_while(matches);
        match (found.next(), found.next()) {
            (None, _) => Err(ResolveError::NotFound),
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => Err(ResolveError::Ambiguous),
        }
    }

    /// Each directory's children in case-folded order, in the range that they have among the nodes.
    ///
    /// Made at the first use: while clients spell names right, it is never needed.
    fn folded_order(&self) -> &[u32] {
        self.folded.get_or_init(|| {
            let mut order: Box<[u32]> = self.nodes().map(|id| id.0).collect();
            for node in &self.index.nodes {
                let children = self.index.children(node);
                if let Some(part) = order.get_mut(position(children.start)..position(children.end)) {
                    let name = |id: u32| self.index.name(self.index.get(id));
                    part.sort_unstable_by(|&one, &other| fold_cmp(name(one), name(other)));
                }
            }
            order
        })
    }
}

/// The names of a path.
struct Components<'a>(Option<&'a [u8]>);

fn components(path: &[u8]) -> Components<'_> {
    Components(Some(path))
}

impl<'a> Iterator for Components<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let path = self.0?;
        let mut parts = path.splitn(2, |&byte| byte == b'/');
        let name = parts.next();
        self.0 = parts.next();
        name
    }
}

/// Compares names as if all ASCII letters were lower case.
fn fold_cmp(one: &[u8], other: &[u8]) -> Ordering {
    one.iter().map(u8::to_ascii_lowercase).cmp(other.iter().map(u8::to_ascii_lowercase))
}
