//! The directories that have been read, and further names of them.
//!
//! Linux shows a directory under each of its names. Here all but the first are links to that, so every
//! directory is read once, and no image makes its tree larger than its records.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::error::Error;
use crate::index::arrays::{Index, position};
use crate::index::stored::DAMAGED;
use crate::kind::NodeKind;
use crate::limits::Limits;
use crate::warnings::Warnings;

/// The directories that have been read, by their places in the image.
pub(crate) struct Directories<P> {
    read: HashMap<P, ReadDirectory>,
    /// The last directory with a second name in it, and all that hold it.
    holder: u32,
    holders: HashSet<u32>,
}

struct ReadDirectory {
    id: u32,
    path: Path,
}

/// The path of a directory, as the target of links.
enum Path {
    NotNeeded,
    TooLong,
    /// Length and offset in the text.
    Stored(u64, u64),
}

impl<P: Eq + Hash> Directories<P> {
    pub(crate) fn new() -> Directories<P> {
        Directories { read: HashMap::new(), holder: 0, holders: HashSet::from([0]) }
    }

    pub(crate) fn has(&self, place: &P) -> bool {
        self.read.contains_key(place)
    }

    pub(crate) fn insert(&mut self, place: P, id: u32) {
        self.read.insert(place, ReadDirectory { id, path: Path::NotNeeded });
    }

    /// Makes the directory `id` a link if the one at its place has been read under another name; `false` if
    /// it has not. A directory that holds itself stays empty, marked as damaged.
    pub(crate) fn link(
        &mut self,
        index: &mut Index,
        id: u32,
        place: &P,
        limits: &Limits,
        warnings: &mut Warnings,
    ) -> Result<bool, Error> {
        let Some(first) = self.read.get_mut(place) else { return Ok(false) };
        let holder = index.get(id).parent;
        if holder != self.holder {
            self.holder = holder;
            self.holders = HashSet::from([0]);
            let mut above = holder;
            while self.holders.insert(above) {
                above = index.get(above).parent;
            }
        }
        if let Path::NotNeeded = first.path {
            let path = [b"/".as_slice(), &index.path(first.id)].concat();
            first.path = if path.len() > limits.link_bytes {
                Path::TooLong
            } else {
                let offset = index.push_text(&path, limits.text_bytes)?;
                Path::Stored(u64::try_from(path.len()).unwrap_or_default(), u64::from(offset))
            };
        }
        let outcome = match first.path {
            _ if self.holders.contains(&first.id) => "it holds itself",
            Path::Stored(length, offset) => {
                if let Some(node) = index.nodes.get_mut(position(id)) {
                    node.become_link(length, offset);
                }
                "it is shown as a link"
            }
            _ => "its first path is too long",
        };
        if index.get(id).kind() == NodeKind::Directory {
            index.flag(id, DAMAGED);
        }
        warnings.add(|| {
            let [path, target] = [id, first.id].map(|id| index.path(id).escape_ascii().to_string());
            format!("\"{path}\" is the directory \"/{target}\" once more: {outcome}")
        });
        Ok(true)
    }
}
