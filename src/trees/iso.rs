//! The tree inside an ISO: an index of extents in memory over one open file. Nothing is copied, mounted or unpacked.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use file_transport::OpenFile;
use iso_reader::{Encoding, ExtentData, NodeId, NodeKind, TreeKind, Unsupported};

use super::{
    Directory, Entry, Findings, Found, ImageTree, LookupError, Matching, Source, Tree, TreeError,
    open_regular,
};
use crate::model::content::{Content, Extent};
use crate::model::identity::Identity;
use crate::model::image::TreeSummary;

/// Where the first volume descriptor begins: sector 16 (ECMA-119 §6.2.1).
const DESCRIPTOR: usize = 16 * 2048;

/// Bytes from the beginning of a file that tell whether it is an ISO, and how large: up to the block size in the first descriptor.
pub const SIGNATURE_BYTES: usize = DESCRIPTOR + 132;

/// Damaged files that are named. Who has more of them wants another copy of the ISO, not a list.
const MAX_DAMAGED: usize = 100;

/// Whether a file that begins like this holds a volume descriptor at sector 16 (ECMA-119 §8.1: `CD001`;
/// ECMA-167 §2/9.2: `BEA01`).
pub(super) fn has_signature(beginning: &[u8]) -> bool {
    beginning
        .get(DESCRIPTOR + 1..DESCRIPTOR + 6)
        .is_some_and(|identifier| matches!(identifier, b"CD001" | b"BEA01"))
}

/// The size in bytes that the primary volume descriptor announces (ECMA-119 §8.4.8, §8.4.12), if the file begins with one.
pub fn declared_size(beginning: &[u8]) -> Option<u64> {
    let descriptor = beginning
        .get(DESCRIPTOR..SIGNATURE_BYTES)
        .filter(|descriptor| descriptor.starts_with(b"\x01CD001"))?;
    let blocks = u32::from_le_bytes(descriptor.get(80..84)?.try_into().ok()?);
    let block_size = u16::from_le_bytes(descriptor.get(128..130)?.try_into().ok()?);
    Some(u64::from(blocks) * u64::from(block_size))
}

/// An open ISO with its index.
#[derive(Debug)]
pub struct IsoTree {
    file: Arc<OpenFile>,
    identity: Identity,
    index: iso_reader::Tree,
}

/// Opens an ISO and reads the directories of the tree that was asked for, else of the best one.
pub(super) fn open(path: &Path, asked: Option<TreeKind>) -> Result<ImageTree, TreeError> {
    let (file, identity) = open_regular(path)?;
    let index = read(&file, asked)?;
    let file = OpenFile::unchanging(file).map_err(TreeError::Io)?;
    if index.is_truncated() {
        return Err(TreeError::NotAnImage(format!(
            "the ISO is cut short: it says that it has {} bytes, but the file has {}",
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
    };
    Ok(ImageTree {
        tree: Tree::Iso(Box::new(IsoTree { file: Arc::new(file), identity, index })),
        identity,
        summary,
    })
}

fn read(file: &File, asked: Option<TreeKind>) -> Result<iso_reader::Tree, TreeError> {
    let options = iso_reader::Options { tree: asked, ..iso_reader::Options::default() };
    match (iso_reader::Tree::open(file, &options), asked) {
        (Ok(index), _) => Ok(index),
        (Err(iso_reader::Error::Io(error)), _) => Err(TreeError::Io(error)),
        (Err(iso_reader::Error::Unsupported(Unsupported::Tree(_))), Some(asked)) => {
            // Only an open tree tells which others there are.
            let available = read(file, None)?.volume().available().to_vec();
            Err(TreeError::NoSuchTree { asked, available })
        }
        (Err(other), _) => Err(TreeError::NotAnImage(other.to_string())),
    }
}

impl IsoTree {
    /// Bytes of memory that the index takes.
    pub fn memory(&self) -> u64 {
        self.index.memory() as u64
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
    pub(super) fn source(&self) -> Source {
        (Arc::clone(&self.file), self.identity)
    }

    pub(super) fn find(&self, path: &[Vec<u8>], matching: Matching) -> Result<Found, LookupError> {
        let matching = match matching {
            Matching::Exact => iso_reader::Matching::Exact,
            Matching::Lenient => iso_reader::Matching::Lenient,
        };
        // Whatever keeps a path from leading anywhere (a dangling or looping link too), there is nothing to serve.
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

    fn content(&self, id: NodeId) -> Result<Content, LookupError> {
        let node = self.index.node(id);
        // What is sent is the extents themselves, so they have to be the bytes of the file.
        if !node.is_readable() || node.encoding() != Encoding::Plain {
            return Err(LookupError::Unreadable);
        }
        let extents = self.index.extents(id).map(|extent| Extent {
            offset: match extent.data {
                ExtentData::Recorded => Some(extent.offset),
                _ => None,
            },
            length: extent.length,
        });
        Ok(Content::inside(Arc::clone(&self.file), &self.identity, extents.collect(), time(node.modified())))
    }
}

/// Times before 1970 count as 1970: HTTP dates cannot tell them (RFC 9110 §5.6.7 allows them, clients do not expect them).
fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
