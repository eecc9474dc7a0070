//! A tree of files of any format.

use std::sync::Arc;

use crate::trees::folder::Folder;
use crate::trees::found::{Directory, Findings, Found};
use crate::trees::indexed::IndexedTree;
use crate::trees::iso::IsoTree;
use crate::trees::matching::Matching;
use crate::trees::search::{Matches, Search};
use component::{Entry, ListingSource, LookupError};
use model::identity::Identity;
use model::image::TreeSummary;

/// A tree of files.
#[derive(Debug)]
pub enum Tree {
    /// Inside an ISO.
    Iso(Box<IsoTree>),
    /// Inside a squashfs or a tar.
    Indexed(Box<IndexedTree>),
    /// On disk.
    Folder(Folder),
}

impl Tree {
    /// Looks up a path given as its components.
    pub fn find(&self, path: &[Vec<u8>], matching: Matching) -> Result<Found, LookupError> {
        match self {
            Self::Iso(tree) => tree.find(path, matching),
            Self::Indexed(tree) => tree.find(path, matching),
            Self::Folder(folder) => folder.find(path, matching),
        }
    }

    /// Lists a directory that this tree found. The order is the tree's own.
    pub fn entries(&self, directory: &Directory) -> Result<Vec<Entry>, LookupError> {
        match (self, directory) {
            (Self::Iso(tree), Directory::Node(node)) => Ok(tree.entries(*node)),
            (Self::Indexed(tree), Directory::Entry(entry)) => Ok(tree.entries(*entry)),
            (Self::Folder(folder), Directory::Open { folder: open, path }) => folder.entries(open, path),
            _ => Err(LookupError::NotFound),
        }
    }

    /// Searches everything below a directory that this tree found. Directories are entered where they stand,
    /// never by a link that leads to them, so each is entered once and the search ends.
    pub fn search(&self, directory: &Directory, search: Search) -> Result<Matches, LookupError> {
        match (self, directory) {
            (Self::Iso(tree), Directory::Node(node)) => tree.search(*node, search),
            (Self::Indexed(tree), Directory::Entry(entry)) => tree.search(*entry, search),
            (Self::Folder(folder), Directory::Open { path, .. }) => folder.search(path, search),
            _ => Err(LookupError::NotFound),
        }
    }

    /// How its names are to be compared with well-known ones: media without Rock Ridge do not keep the case
    /// of their files' names.
    pub(super) fn natural_matching(&self) -> Matching {
        match self {
            Self::Iso(tree) => tree.natural_matching(),
            Self::Indexed(_) | Self::Folder(_) => Matching::Exact,
        }
    }

    /// The file that holds the names in a directory of this tree: an image, or the folder itself.
    pub fn source(&self, directory: &Directory) -> Option<ListingSource> {
        match (self, directory) {
            (Self::Iso(tree), Directory::Node(_)) => Some(tree.source()),
            (Self::Indexed(tree), Directory::Entry(_)) => Some(tree.source()),
            (Self::Folder(_), Directory::Open { folder, .. }) => {
                Some((Arc::clone(folder), Identity::of(&folder.metadata().ok()?)))
            }
            _ => None,
        }
    }

    /// The oddities of the image; `None` if the kernel read it.
    pub fn findings(&self) -> Option<Findings> {
        match self {
            Self::Iso(tree) => Some(tree.findings()),
            Self::Indexed(tree) => Some(tree.findings()),
            Self::Folder(_) => None,
        }
    }

    /// Bytes of memory that its index takes.
    pub(super) fn memory(&self) -> u64 {
        match self {
            Self::Iso(tree) => tree.memory(),
            Self::Indexed(tree) => tree.memory(),
            Self::Folder(_) => 0,
        }
    }
}

/// The tree of an image, with the version of the file that it was read from.
#[derive(Debug)]
pub struct ImageTree {
    /// The files.
    pub tree: Tree,
    /// Identity of the file when it was opened.
    pub identity: Identity,
    /// The summary for its record.
    pub summary: TreeSummary,
}
