//! The tree of one image, complete and immutable.

use std::ops::Range;
use std::sync::OnceLock;

use crate::boot::BootEntry;
use crate::bridge;
use crate::descriptors;
use crate::error::Error;
use crate::index::{DAMAGED, IN_TABLE, Index, Lookup, Node, StoredNode};
use crate::iso9660;
use crate::kind::{Encoding, NodeId, NodeKind, TreeKind};
use crate::limits::Limits;
use crate::roots::{Choice, Roots, Start};
use crate::source::{Image, ReadAt};
use crate::udf;
use crate::volume::Volume;
use crate::warnings::Warnings;

/// How to open an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The tree to read. `None` takes the best that the image has, in the order of [`TreeKind`].
    pub tree: Option<TreeKind>,
    /// How much the image may ask for.
    pub limits: Limits,
}

/// The directory tree of an image.
///
/// It holds no source and never changes, so it can be shared between threads and kept as long as the
/// image stays the same.
#[derive(Debug)]
pub struct Tree {
    pub(crate) index: Index,
    /// The hash table of names. Made at the first look-up.
    pub(crate) lookup: OnceLock<Lookup>,
    /// Node numbers in case-folded order, each directory's children in their own range.
    pub(crate) folded: OnceLock<Box<[u32]>>,
    pub(crate) link_hops: usize,
    pub(crate) link_names: usize,
    volume: Volume,
    warnings: Warnings,
    damaged: usize,
    leaves_image: bool,
}

impl Tree {
    /// Reads the descriptors and all directories of an image.
    ///
    /// Damage is local: an entry that cannot be read is left out or marked as damaged, with a warning in
    /// [`Tree::warnings`].
    ///
    /// # Errors
    ///
    /// * [`Error::NotAnImage`] for any other kind of file.
    /// * [`Error::Unsupported`], [`Error::Corrupt`] and [`Error::Limit`] for images without a tree that could
    ///   be served.
    /// * [`Error::Io`] if `source` fails.
    pub fn open(source: &impl ReadAt, options: &Options) -> Result<Tree, Error> {
        let limits = &options.limits;
        let mut image = Image::new(&source, limits.metadata_bytes)?;
        let mut warnings = Warnings::new(limits.warnings);
        let descriptors = descriptors::read(&mut image, limits, &mut warnings)?;
        let roots = Roots::find(&mut image, &descriptors, limits, &mut warnings)?;
        let available = roots.available();
        let Choice { kind, start, udf } = roots.choose(options.tree, &mut warnings)?;
        let (index, warnings, leaves_image, udf) = match start {
            Start::Iso(naming, root) => {
                let mut builder = iso9660::Builder::new(&mut image, limits, naming, root, warnings);
                builder.build()?;
                let (mut index, mut warnings) = (builder.index, builder.warnings);
                let leaves_image = builder.leaves_image;
                if let Some(system) = udf {
                    let more = bridge::compare(&mut index, &system, &mut image, limits, &mut warnings)?;
                    // A caller that asks for a tree knows what it leaves out.
                    if let Some((path, count)) = more.filter(|_| options.tree.is_none()) {
                        let path = path.escape_ascii();
                        warnings.add(|| format!("the UDF tree has {count} more files, such as \"{path}\""));
                    }
                }
                bridge::mark_wrapped_sizes(&mut index, image.size(), &mut warnings);
                (index, warnings, leaves_image, None)
            }
            Start::Udf(system) => {
                let mut builder = udf::Builder::new(&mut image, limits, &system, warnings);
                builder.build()?;
                (builder.index, builder.warnings, builder.leaves_image, Some(system))
            }
        };
        let mut volume = descriptors.into_volume(kind, available, image.size(), udf);
        measure(&mut volume.boot_entries, &index);
        let is_damaged_file = |node: &&StoredNode| node.kind() == NodeKind::File && node.has(DAMAGED);
        Ok(Tree {
            damaged: index.nodes.iter().filter(is_damaged_file).count(),
            index,
            lookup: OnceLock::new(),
            folded: OnceLock::new(),
            link_hops: limits.link_hops,
            link_names: limits.link_names,
            volume,
            warnings,
            leaves_image,
        })
    }

    /// What the descriptors say about the image.
    #[must_use]
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// The oddities met while the image was read.
    #[must_use]
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// How many files are damaged: they leave the image or are incomplete.
    #[must_use]
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// Whether the image was cut off: it is shorter than its descriptors say, *and* a file or directory
    /// lies in the missing part. Images that lack only padding at their end are not truncated.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.leaves_image && self.volume.image_size() < self.volume.declared_size()
    }

    /// The directory at the top.
    #[must_use]
    pub fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// Entries in the tree, the root included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.nodes.len()
    }

    /// Whether the root directory has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() <= 1
    }

    /// Bytes held by the tree.
    ///
    /// The table of names and the order for [`Matching::Lenient`](crate::Matching::Lenient) are made at their
    /// first use, but counted from the start.
    #[must_use]
    pub fn memory(&self) -> usize {
        let later = self.len().saturating_mul(Lookup::ENTRY_BYTES.saturating_add(size_of::<u32>()));
        let owned = self.index.memory().saturating_add(later).saturating_add(self.warnings.memory());
        owned.saturating_add(self.volume.memory()).saturating_add(size_of::<Tree>())
    }

    /// An entry by its number.
    ///
    /// The number of another tree gives some entry of this one or an empty, damaged file, never a panic.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Node<'_> {
        Node::new(&self.index, id)
    }

    /// The entries of a directory, sorted by the bytes of their names. Files and links have none.
    #[must_use]
    pub fn children(&self, directory: NodeId) -> Children {
        Children(self.index.children(self.index.get(directory.0)))
    }

    /// All entries: the root first, and every directory before its children.
    #[must_use]
    pub fn nodes(&self) -> Children {
        Children(0..u32::try_from(self.len()).unwrap_or(u32::MAX))
    }
}

/// Takes the lengths of boot images from the files that start at the same bytes.
fn measure(entries: &mut [BootEntry], index: &Index) {
    if entries.is_empty() {
        return;
    }
    // A file in several extents is no image that firmware could load.
    let is_whole = |node: &&StoredNode| {
        node.kind() == NodeKind::File && node.encoding() == Encoding::Plain && !node.has(DAMAGED | IN_TABLE)
    };
    for node in index.nodes.iter().filter(is_whole).filter(|node| node.a > 0) {
        for entry in entries.iter_mut().filter(|entry| entry.offset == node.b) {
            entry.length = Some(node.a);
        }
    }
}

/// Numbers of entries, one after the other.
#[derive(Clone, Debug)]
pub struct Children(pub(crate) Range<u32>);

impl Iterator for Children {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        self.0.next().map(NodeId)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = usize::try_from(self.0.end.saturating_sub(self.0.start)).unwrap_or(usize::MAX);
        (count, Some(count))
    }
}

impl DoubleEndedIterator for Children {
    fn next_back(&mut self) -> Option<NodeId> {
        self.0.next_back().map(NodeId)
    }
}

impl ExactSizeIterator for Children {}
