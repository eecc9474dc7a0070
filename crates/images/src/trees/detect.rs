//! The system in a tree. The work is bounded: the few small files that `profiles` names, of a few kilobytes
//! each.

use crate::profiles::{self, Contents, MAX_BYTES};
use crate::trees::found::Found;
use crate::trees::matching::Matching;
use crate::trees::tree::Tree;
use model::system::System;

/// The system in a tree of this label, if it is known. A file that cannot be read counts as missing.
pub(super) fn detect(tree: &Tree, label: &str) -> Option<System> {
    profiles::detect(&Marks { tree, label, matching: tree.natural_matching() })
}

struct Marks<'a> {
    tree: &'a Tree,
    label: &'a str,
    matching: Matching,
}

impl Marks<'_> {
    fn find(&self, path: &str) -> Option<Found> {
        let path: Vec<Vec<u8>> = path.split('/').map(|name| name.as_bytes().to_vec()).collect();
        self.tree.find(&path, self.matching).ok()
    }
}

impl Contents for Marks<'_> {
    fn label(&self) -> &str {
        self.label
    }

    fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    fn read(&self, path: &str) -> Option<String> {
        let Found::File(content) = self.find(path)? else { return None };
        if content.size > MAX_BYTES {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(content.size).ok()?];
        content.read(&mut bytes).ok()?;
        String::from_utf8(bytes).ok()
    }
}
