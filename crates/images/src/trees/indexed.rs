//! Trees that are found by an [`Index`] of ours: squashfs and tar. They differ only in how the bytes of a
//! file are had.

use std::sync::Arc;

use file_transport::OpenFile;

use crate::trees::found::{Directory, Findings, Found, MAX_DAMAGED};
use crate::trees::index::{EntryKind, Index};
use crate::trees::matching::Matching;
use crate::trees::search::{Matches, Search};
use crate::trees::squashfs::Squashfs;
use component::{Entry, ListingSource, LookupError};
use model::content::{Content, Extent};
use model::identity::Identity;

/// An open image file with its index.
#[derive(Debug)]
pub struct IndexedTree {
    pub(super) file: Arc<OpenFile>,
    pub(super) identity: Identity,
    pub(super) index: Index,
    /// Warnings about the first entries that were left out.
    pub(super) warnings: Vec<String>,
    pub(super) format: Format,
}

/// How files are stored.
#[derive(Debug)]
pub(super) enum Format {
    /// As they are, at the place that the index tells.
    Tar,
    /// In blocks that have to be decoded; the index tells where the inode is.
    Squashfs(Squashfs),
}

impl IndexedTree {
    /// Bytes of memory that the index takes.
    pub fn memory(&self) -> u64 {
        self.index.memory()
    }

    pub(super) fn findings(&self) -> Findings {
        Findings {
            warnings: self.warnings.clone(),
            damaged: self.index.damaged().take(MAX_DAMAGED).collect(),
        }
    }

    /// The image as it was opened.
    pub(super) fn source(&self) -> ListingSource {
        (Arc::clone(&self.file), self.identity)
    }

    pub(super) fn find(&self, path: &[Vec<u8>], matching: Matching) -> Result<Found, LookupError> {
        let id = self.index.find(path, matching)?;
        let node = self.index.node(id);
        let stored = match node.kind {
            // Its listing would look like that of an empty one.
            EntryKind::Directory { count: 0, damaged: true, .. } => return Err(LookupError::Unreadable),
            EntryKind::Directory { .. } => return Ok(Found::Directory(Directory::Entry(id))),
            EntryKind::Link(_) => return Err(LookupError::NotFound),
            EntryKind::File(stored) if stored.damaged => return Err(LookupError::Unreadable),
            EntryKind::File(stored) => stored,
        };
        let (file, modified) = (Arc::clone(&self.file), node.modified());
        Ok(Found::File(match &self.format {
            Format::Tar => {
                let extent = Extent { offset: Some(stored.place), length: stored.size };
                Content::inside(file, &self.identity, vec![extent], modified)
            }
            Format::Squashfs(squashfs) => {
                let source = squashfs.file(&self.file, stored)?;
                let memory = source.memory();
                let place = (stored.place, stored.size);
                Content::computed(file, &self.identity, place, modified, (Arc::new(source), memory))
            }
        }))
    }

    pub(super) fn entries(&self, directory: u32) -> Vec<Entry> {
        self.index.entries(directory)
    }

    pub(super) fn search(&self, top: u32, search: Search) -> Result<Matches, LookupError> {
        self.index.search(top, search)
    }
}
