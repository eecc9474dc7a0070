//! The shelf of trees: an image file opened for look-up, a mounted image, or a plain folder. All calls block on the disk.

mod blocks;
mod builder;
mod cache;
mod detect;
mod folder;
mod index;
mod indexed;
mod iso;
mod kind;
mod mounted;
mod order;
mod regular;
mod search;
mod squashfs;
mod tar;
mod tar_header;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use file_transport::OpenFile;
use iso_reader::TreeKind;

use crate::model::content::Content;
use crate::model::identity::Identity;
use crate::model::image::TreeSummary;
use crate::model::names::{ImageName, ImageVersion};

pub use folder::{Folder, Links};
pub use indexed::IndexedTree;
pub use iso::IsoTree;
use kind::check_unchanged;
pub use kind::{NOT_AN_IMAGE, SIGNATURE_BYTES, declared_size};
pub use mounted::Mounts;
pub use order::{sorted, text};
pub use regular::{FileError, open_regular};
pub use search::{Match, Matches, Search};

/// How strictly a requested name must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// Byte for byte.
    Exact,
    /// Else the only name that differs in ASCII case; else the same without `;1` or a final dot.
    Lenient,
}

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

/// A line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as bytes: file systems promise no encoding.
    pub name: Vec<u8>,
    /// The size of a file; `None` for a directory.
    pub size: Option<u64>,
    /// Last modification, where known.
    pub modified: Option<SystemTime>,
}

/// A path leads nowhere, or to bytes that are not all there.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Nothing of that name, or nothing that may be served.
    #[error("no such file")]
    NotFound,
    /// The image has changed, and it is not yet known whether it is still the one that was registered.
    #[error("the image's ISO has changed and is being looked at")]
    Unsettled,
    /// The image names the file, but its bytes are not (all) in it or are stored in a way that is not read.
    #[error("the image is damaged here: the file cannot be read whole")]
    Unreadable,
    /// The disk failed.
    #[error("cannot look up a file: {0}")]
    Io(#[from] io::Error),
}

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

    /// Looks through everything below a directory that this tree found. Directories are entered where they stand, never by a link that
    /// leads to them, so each is entered once and nothing goes in circles.
    pub fn search(&self, directory: &Directory, search: Search) -> Result<Matches, LookupError> {
        match (self, directory) {
            (Self::Iso(tree), Directory::Node(node)) => tree.search(*node, search),
            (Self::Indexed(tree), Directory::Entry(entry)) => tree.search(*entry, search),
            (Self::Folder(folder), Directory::Open { path, .. }) => folder.search(path, search),
            _ => Err(LookupError::NotFound),
        }
    }
}

impl Tree {
    /// How its names are to be compared with well-known ones: media without Rock Ridge keep no case, or not that of their files.
    fn natural_matching(&self) -> Matching {
        match self {
            Self::Iso(tree) => tree.natural_matching(),
            Self::Indexed(_) | Self::Folder(_) => Matching::Exact,
        }
    }
}

/// The open file that tells what is in a directory, and what it was when it was asked.
pub type Source = (Arc<OpenFile>, Identity);

impl Tree {
    /// What tells what is in a directory of this tree: an image, or the folder itself.
    pub fn source(&self, directory: &Directory) -> Option<Source> {
        match (self, directory) {
            (Self::Iso(tree), Directory::Node(_)) => Some(tree.source()),
            (Self::Indexed(tree), Directory::Entry(_)) => Some(tree.source()),
            (Self::Folder(_), Directory::Open { folder, .. }) => {
                Some((Arc::clone(folder), Identity::of(&folder.metadata().ok()?)))
            }
            _ => None,
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
    /// What was found.
    pub summary: TreeSummary,
}

/// What was noticed while the tree of an image was read, for people. Both lists are bounded; the summary has the counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The first oddities that were passed over.
    pub warnings: Vec<String>,
    /// The paths, as bytes, of the first files whose bytes are not all in the image.
    pub damaged: Vec<Vec<u8>>,
}

impl Tree {
    /// What was noticed while it was read; `None` if it was not this program that read it.
    pub fn findings(&self) -> Option<Findings> {
        match self {
            Self::Iso(tree) => Some(tree.findings()),
            Self::Indexed(tree) => Some(tree.findings()),
            Self::Folder(_) => None,
        }
    }
}

/// The file cannot be opened as a tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is no readable file.
    #[error("the image cannot be opened: {0}")]
    File(#[from] FileError),
    /// The file is not an image that can be served, and why.
    #[error("{0}")]
    NotAnImage(String),
    /// The tree that was asked for is not in it.
    #[error("the ISO has no {asked} tree; it has {}", words(available))]
    NoSuchTree {
        /// The tree that was asked for.
        asked: TreeKind,
        /// The trees that it has.
        available: Vec<TreeKind>,
    },
    /// There is but one in it.
    #[error("which tree is served can be chosen of an ISO; {0} has one")]
    OneTree(&'static str),
    /// Whoever reads it takes no choice.
    #[error("which tree is served cannot be chosen, because the server's kernel mounts the images")]
    NoChoice,
    /// The disk failed while reading it.
    #[error("the image cannot be read: {0}")]
    Io(io::Error),
    /// The kernel would not mount it.
    #[error("the image cannot be mounted: {0}")]
    Mount(#[from] loop_mount::Error),
    /// The mount point cannot be made.
    #[error("cannot make the mount point: {0}")]
    MountPoint(io::Error),
}

fn words(kinds: &[TreeKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

impl TreeError {
    /// The error without paths of the server: what a client may know.
    pub fn public_message(&self) -> String {
        let Self::Mount(error) = self else {
            return match self {
                Self::File(FileError::Io(_)) | Self::Io(_) => {
                    "the image cannot be read; the service's log says why".to_owned()
                }
                Self::MountPoint(_) => {
                    "the mount point cannot be made; the service's log says why".to_owned()
                }
                other => other.to_string(),
            };
        };
        match error {
            loop_mount::Error::NotPermitted { .. } => {
                "the service lacks the privileges to mount images".to_owned()
            }
            loop_mount::Error::NoFileSystem { kind, .. } => {
                format!("the server's kernel has no file system {kind}")
            }
            loop_mount::Error::Busy { .. } | loop_mount::Error::NotAnEmptyFolder { .. } => {
                "the image's mount point is in use on the server".to_owned()
            }
            loop_mount::Error::NoLoopDevice { .. } => "the server has no free loop device".to_owned(),
            loop_mount::Error::NotAnImage { reason, .. } => reason.clone(),
            _ => "the image cannot be mounted on the server; its log says why".to_owned(),
        }
    }
}

/// Opens trees and keeps them open, bounded.
pub enum Trees {
    /// Read by us; indexes are kept in a cache.
    Extents(cache::Cache),
    /// Mounted by the kernel.
    Mounted(Mounts),
}

impl Trees {
    /// Trees read from the files' extents, with `bytes` of memory for their indexes.
    pub fn extents(bytes: u64) -> Self {
        Self::Extents(cache::Cache::new(bytes))
    }

    /// The tree of the ISO at `iso`: the one that was asked for, else the best. Opening happens once however many ask at the same time.
    pub fn open(
        &self,
        name: &ImageName,
        version: &ImageVersion,
        iso: &Path,
        asked: Option<TreeKind>,
    ) -> Result<Arc<ImageTree>, TreeError> {
        match self {
            Self::Extents(cache) => cache.open(iso, asked),
            Self::Mounted(_) if asked.is_some() => Err(TreeError::NoChoice),
            Self::Mounted(mounts) => mounts.open(name, version, iso),
        }
    }

    /// Whether images may ask for a tree. The kernel has an order of its own, and options for a part of it only.
    pub fn offers_choice(&self) -> Result<(), TreeError> {
        match self {
            Self::Extents(_) => Ok(()),
            Self::Mounted(_) => Err(TreeError::NoChoice),
        }
    }

    /// Reads a file that has no name yet, to tell whether it will do as an image.
    pub fn inspect(&self, iso: &Path, asked: Option<TreeKind>) -> Result<TreeSummary, TreeError> {
        match self {
            Self::Extents(cache) => cache.inspect(iso, asked),
            Self::Mounted(_) if asked.is_some() => Err(TreeError::NoChoice),
            Self::Mounted(mounts) => mounts.inspect(iso),
        }
    }

    /// Whether a file may become an image, by its first [`SIGNATURE_BYTES`] (or all it has). Saves the transfer of the rest.
    pub fn may_be_image(&self, beginning: &[u8]) -> bool {
        match self {
            Self::Extents(_) => kind::Kind::of(beginning).is_some(),
            // The kernel knows more kinds than this program does.
            Self::Mounted(_) => true,
        }
    }

    /// Makes the tree of a served image ready where that is not left to the first use: mounts are wanted as local paths.
    pub fn make_ready(
        &self,
        name: &ImageName,
        version: &ImageVersion,
        iso: &Path,
        asked: Option<TreeKind>,
    ) -> Result<(), TreeError> {
        match self {
            Self::Extents(_) => Ok(()),
            Self::Mounted(_) => self.open(name, version, iso, asked).map(drop),
        }
    }

    /// Lets go of an image's tree.
    pub fn close(
        &self,
        name: &ImageName,
        version: &ImageVersion,
        iso: &Path,
        asked: Option<TreeKind>,
    ) -> Result<(), TreeError> {
        match self {
            Self::Extents(cache) => {
                cache.forget(iso, asked);
                Ok(())
            }
            Self::Mounted(mounts) => mounts.close(name, version),
        }
    }

    /// Lets go of all trees; mounts are undone.
    pub fn close_all(&self) {
        match self {
            Self::Extents(cache) => cache.clear(),
            Self::Mounted(mounts) => mounts.close_all(),
        }
    }
}
