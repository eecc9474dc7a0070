//! From the root directory to a complete index.
//!
//! The node array is its own queue: a directory waits in it with its place in the image and is replaced
//! by its children's numbers when its turn comes. Nothing recurses, every directory is entered once.

use std::collections::HashSet;

use crate::describe::Entry;
use crate::descriptors::Root;
use crate::directory::{Directory, Item};
use crate::error::Error;
use crate::index::{Directories, Index};
use crate::limits::Limits;
use crate::node::NodeKind;
use crate::rock_ridge::RockRidge;
use crate::sections::Sections;
use crate::source::Image;
use crate::stored::DAMAGED;
use crate::susp::ContinuationReader;
use crate::warnings::Warnings;

/// How the names of a tree are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// In system use areas, whose entries start behind `skip` bytes.
    RockRidge {
        skip: usize,
    },
    Joliet,
    Enhanced,
    Plain,
}

/// Permissions of a directory where Rock Ridge records none: what Linux shows.
pub(crate) const DIRECTORY_MODE: u16 = 0o555;

/// A tree that grows.
pub(crate) struct Builder<'a, 'source> {
    pub(crate) index: Index,
    pub(crate) warnings: Warnings,
    /// Whether a file or a directory leaves the image.
    pub(crate) leaves_image: bool,
    pub(crate) image: &'a mut Image<'source>,
    pub(crate) limits: &'a Limits,
    pub(crate) naming: Naming,
    pub(crate) block_size: u64,
    /// The first blocks of all directories met.
    pub(crate) visited: HashSet<u64>,
    pub(crate) rock: RockRidge,
    pub(crate) continuations: ContinuationReader,
    pub(crate) sections: Option<Sections>,
    /// The name of the record at hand.
    pub(crate) name: Vec<u8>,
}

impl<'a, 'source> Builder<'a, 'source> {
    pub(crate) fn new(
        image: &'a mut Image<'source>,
        limits: &'a Limits,
        naming: Naming,
        warnings: Warnings,
    ) -> Builder<'a, 'source> {
        Builder {
            index: Index::default(),
            warnings,
            leaves_image: false,
            image,
            limits,
            naming,
            block_size: 0,
            visited: HashSet::new(),
            rock: RockRidge::default(),
            continuations: ContinuationReader::default(),
            sections: None,
            name: Vec::new(),
        }
    }

    /// Reads all directories, breadth first.
    pub(crate) fn build(&mut self, root: &Root) -> Result<(), Error> {
        self.block_size = u64::from(root.block_size);
        let entry = Entry {
            kind: NodeKind::Directory,
            block: root.block,
            length: root.length,
            modified: root.modified,
            mode: DIRECTORY_MODE,
        };
        self.push_directory(0, &entry)?;
        let mut directory = Directory::default();
        let mut directories = Directories::new();
        while let Some((id, depth)) = directories.next(&self.index) {
            self.enter(id, depth, &mut directory)?;
        }
        self.index.shrink();
        Ok(())
    }

    /// Replaces a waiting directory's place in the image by its children.
    fn enter(&mut self, id: u32, depth: usize, directory: &mut Directory) -> Result<(), Error> {
        let waiting = *self.index.get(id);
        let first = self.index.nodes.len();
        if depth > self.limits.depth && waiting.b > 0 {
            self.warnings.add(|| format!("a directory at byte {} is too deep in the tree", waiting.a));
            self.index.flag(id, DAMAGED);
        } else {
            directory.enter(waiting.a, waiting.b);
            while let Some(item) = directory.next(self.image)? {
                match item {
                    Item::Record(at, record) => self.add(id, at, &record)?,
                    Item::Damage(at) => self.warnings.add(|| format!("no directory record at byte {at}")),
                }
            }
            self.finish_sections();
            self.index.sort_children(first, &mut self.warnings);
        }
        self.index.adopt(id, first);
        Ok(())
    }
}
