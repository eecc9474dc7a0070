//! What a path leads to, and the lines of a listing.

use std::path::PathBuf;
use std::sync::Arc;

use file_transport::OpenFile;

use model::content::Content;

/// Damaged files that are named. An operator with more of them needs another copy of the image, not a list.
pub(super) const MAX_DAMAGED: usize = 100;

/// What a path leads to.
#[derive(Debug)]
pub enum Found {
    /// A file.
    File(Content),
    /// A directory, to be listed by the tree that found it.
    Directory(Directory),
}

/// A directory of the tree that handed it out.
#[derive(Debug)]
pub enum Directory {
    /// In an ISO's index.
    Node(iso_reader::NodeId),
    /// In the index of another image.
    Entry(u32),
    /// On disk.
    Open {
        /// The open folder.
        folder: Arc<OpenFile>,
        /// Its path from the tree's root.
        path: PathBuf,
    },
}

/// Oddities of an image, for people. Both lists are bounded; the summary has the counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The first oddities that were passed over.
    pub warnings: Vec<String>,
    /// The paths, as bytes, of the first files and folders that are not wholly in the image.
    pub damaged: Vec<Vec<u8>>,
}
