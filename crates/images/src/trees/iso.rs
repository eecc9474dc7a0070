//! The tree inside an ISO: an index of extents in memory over one open file. Nothing is copied, mounted or
//! unpacked.

use std::cell::LazyCell;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use file_transport::{OpenFile, ReadAt};
use iso_reader::{Encoding, ExtentData, NodeId, NodeKind, TreeKind, Unsupported};

use crate::trees::error::TreeError;
use crate::trees::found::{Directory, Findings, Found, MAX_DAMAGED};
use crate::trees::matching::Matching;
use crate::trees::regular::check_unchanged;
use crate::trees::search::{Matches, Search, below};
use component::{Entry, ListingSource, LookupError};
use model::content::{Content, Extent};
use model::identity::Identity;
use model::image::TreeSummary;

/// An open ISO with its index.
#[derive(Debug)]
pub struct IsoTree {
    file: Arc<OpenFile>,
    identity: Identity,
    index: Arc<iso_reader::Tree>,
}

/// Opens an ISO and reads the directories of the tree that was asked for, else of the best one.
pub(super) fn open(
    file: File,
    identity: Identity,
    asked: Option<TreeKind>,
) -> Result<(IsoTree, TreeSummary), TreeError> {
    let index = read(&file, asked)?;
    let file = OpenFile::unchanging(file).map_err(TreeError::Io)?;
    if index.is_truncated() {
        return Err(TreeError::NotAnImage(format!(
            "not an ISO image: the ISO is cut short: it says that it has {} bytes, but the file has {}",
            index.volume().declared_size(),
            identity.size
        )));
    }
    let summary = TreeSummary {
        kind: index.volume().kind().to_string(),
        available: index.volume().available().iter().map(ToString::to_string).collect(),
        label: index.volume().label().to_owned(),
        entries: index.len() as u64,
        warnings: index.warnings().count() as u64,
        damaged: index.damaged() as u64,
        system: None,
    };
    Ok((IsoTree { file: Arc::new(file), identity, index: Arc::new(index) }, summary))
}

fn read(file: &File, asked: Option<TreeKind>) -> Result<iso_reader::Tree, TreeError> {
    let options = iso_reader::Options { tree: asked, ..iso_reader::Options::default() };
    match (iso_reader::Tree::open(file, &options), asked) {
        (Ok(index), _) => Ok(index),
        (Err(iso_reader::Error::Io(error)), _) => Err(TreeError::Io(error)),
        (Err(iso_reader::Error::Unsupported(Unsupported::Tree(_))), Some(asked)) => {
            // Only an open tree lists the others.
            let available = read(file, None)?.volume().available().to_vec();
            Err(TreeError::NoSuchTree { asked, available })
        }
        (Err(other), _) => Err(TreeError::NotAnImage(format!("not an ISO image: {other}"))),
    }
}

impl IsoTree {
    /// Bytes of memory that the index takes.
    pub fn memory(&self) -> u64 {
        self.index.memory() as u64
    }

    pub(super) fn natural_matching(&self) -> Matching {
        match self.index.volume().kind() {
            TreeKind::RockRidge => Matching::Exact,
            _ => Matching::Lenient,
        }
    }

    pub(super) fn findings(&self) -> Findings {
        let is_damaged = |id: &NodeId| {
            let node = self.index.node(*id);
            node.kind() == NodeKind::File && node.is_damaged()
        };
        let damaged = self.index.nodes().filter(is_damaged).take(self.index.damaged().min(MAX_DAMAGED));
        Findings {
            warnings: self.index.warnings().iter().map(str::to_owned).collect(),
            damaged: damaged.map(|id| self.index.path(id)).collect(),
        }
    }

    /// The ISO as it was opened.
    pub(super) fn source(&self) -> ListingSource {
        (Arc::clone(&self.file), self.identity)
    }

    pub(super) fn find(&self, path: &[Vec<u8>], matching: Matching) -> Result<Found, LookupError> {
        let matching = match matching {
            Matching::Exact => iso_reader::Matching::Exact,
            Matching::Lenient => iso_reader::Matching::Lenient,
        };
        // A path may lead nowhere for several reasons, such as a dangling or looping link. All are the same
        // to a client.
        let id = self
            .index
            .resolve(path.iter().map(Vec::as_slice), matching)
            .map_err(|_| LookupError::NotFound)?;
        match self.index.node(id).kind() {
            NodeKind::Directory => Ok(Found::Directory(Directory::Node(id))),
            NodeKind::File => self.content(id).map(Found::File),
            NodeKind::Link => Err(LookupError::NotFound),
        }
    }

    pub(super) fn entries(&self, directory: NodeId) -> Vec<Entry> {
        let path = self.index.path(directory);
        let children = self.index.children(directory);
        let mut entries = Vec::with_capacity(children.len());
        entries.extend(children.filter_map(|id| self.entry(&path, id)));
        entries
    }

    /// A link is listed as what it leads to; one that leads nowhere is left out, for it could not be fetched.
    fn entry(&self, directory: &[u8], id: NodeId) -> Option<Entry> {
        let node = self.index.node(id);
        let target = match node.kind() {
            NodeKind::Link => {
                let path = directory.split(|&byte| byte == b'/').chain([node.name()]);
                self.index.node(self.index.resolve(path, iso_reader::Matching::Exact).ok()?)
            }
            _ => node,
        };
        let size = match target.kind() {
            NodeKind::Directory => None,
            NodeKind::File => Some(target.size()),
            NodeKind::Link => return None,
        };
        Some(Entry { name: node.name().to_vec(), size, modified: Some(time(target.modified())) })
    }

    pub(super) fn search(&self, top: NodeId, search: Search) -> Result<Matches, LookupError> {
        let length = self.index.path(top).len();
        search.run(
            top,
            |directory| below(&self.index.path(*directory), length),
            |directory, search, waiting| {
                let path = LazyCell::new(|| self.index.path(*directory));
                for id in self.index.children(*directory) {
                    let node = self.index.node(id);
                    if !search.visit(node.name(), || self.entry(&path, id)) {
                        break;
                    }
                    waiting.extend((node.kind() == NodeKind::Directory).then_some(id));
                }
                Ok(())
            },
        )
    }

    fn content(&self, id: NodeId) -> Result<Content, LookupError> {
        let node = self.index.node(id);
        if !node.is_readable() {
            return Err(LookupError::Unreadable);
        }
        let (file, modified) = (Arc::clone(&self.file), time(node.modified()));
        if node.encoding() != Encoding::Plain {
            // Its extents hold compressed bytes, but they tell its place.
            let place = self.index.extents(id).next().map_or(0, |extent| extent.offset);
            let source = Inflated { file: Arc::clone(&file), index: Arc::clone(&self.index), id };
            let place = (place, node.size());
            return Ok(Content::computed(file, &self.identity, place, modified, (Arc::new(source), 0)));
        }
        let extents = self.index.extents(id).map(|extent| Extent {
            offset: match extent.data {
                ExtentData::Recorded => Some(extent.offset),
                _ => None,
            },
            length: extent.length,
        });
        Ok(Content::inside(file, &self.identity, extents.collect(), modified))
    }
}

/// A file that zisofs compressed, readable at any offset.
#[derive(Debug)]
struct Inflated {
    file: Arc<OpenFile>,
    index: Arc<iso_reader::Tree>,
    id: NodeId,
}

impl ReadAt for Inflated {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.index.read_at(&**self.file, self.id, buffer, offset).map_err(|error| {
            // The client sees only a closed connection, so the log has the reason.
            tracing::warn!(%error, "a compressed file inside an ISO cannot be read");
            match error {
                iso_reader::Error::Io(error) => error,
                other => io::Error::other(other),
            }
        })?;
        if read < buffer.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        check_unchanged(&self.file)
    }
}

/// Times before 1970 count as 1970: HTTP dates may be earlier (RFC 9110 §5.6.7), but clients do not expect
/// them.
fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
