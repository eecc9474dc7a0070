//! The order in which the directories of an image are read.

use crate::index::arrays::{Index, position};
use crate::kind::NodeKind;

/// The directories of a growing index, breadth first: the node array is its own queue.
pub(crate) struct DirectoryQueue {
    next: u32,
    depth: usize,
    level_end: usize,
}

impl DirectoryQueue {
    pub(crate) fn new() -> DirectoryQueue {
        DirectoryQueue { next: 0, depth: 0, level_end: 1 }
    }

    /// The next directory and its depth in the tree.
    pub(crate) fn next(&mut self, index: &Index) -> Option<(u32, usize)> {
        while position(self.next) < index.nodes.len() {
            let id = self.next;
            if position(id) == self.level_end {
                self.depth = self.depth.saturating_add(1);
                self.level_end = index.nodes.len();
            }
            self.next = id.saturating_add(1);
            if index.get(id).kind() == NodeKind::Directory {
                return Some((id, self.depth));
            }
        }
        None
    }
}
