//! From the root directory of a UDF file system to a complete index, breadth first.
//!
//! Damage costs one name or one entry and no other. A file that cannot be read to its end and a directory
//! that would close a loop become damaged nodes.

use std::fmt;

use crate::error::{Error, LimitReached};
use crate::index::{
    DAMAGED, Directories, DirectoryQueue, Extent, ExtentData, IN_TABLE, Index, LONGEST_NAME, NewNode,
    StoredExtent,
};
use crate::kind::NodeKind;
use crate::limits::Limits;
use crate::names::{self, BadName};
use crate::source::Image;
use crate::udf::address::Address;
use crate::udf::allocation::{Body, BodyFault};
use crate::udf::blocks::Blocks;
use crate::udf::directory::{Identifier, IdentifierItem, identifiers};
use crate::udf::entry::{self, FileEntry};
use crate::udf::file_system::FileSystem;
use crate::udf::text::{self, InvalidText};
use crate::warnings::Warnings;

/// Permissions of an entry that cannot be read.
const UNKNOWN_MODE: u16 = 0;

/// The content of an address.
enum Found {
    Entry(Described),
    /// A device, a pipe, a socket, or a file for the use of the file system itself.
    Special,
    /// No entry that can be read, for this reason.
    Nothing(String),
}

/// An entry before it becomes a node.
struct Described {
    kind: NodeKind,
    size: u64,
    mode: u16,
    modified: Option<i64>,
    body: Body,
}

impl Described {
    fn attributes(&self) -> (NodeKind, u16, Option<i64>) {
        (self.kind, self.mode, self.modified)
    }
}

/// A tree that grows.
pub(crate) struct Builder<'a, 'source> {
    pub(crate) index: Index,
    pub(crate) warnings: Warnings,
    /// Whether a file or a directory leaves the image.
    pub(crate) leaves_image: bool,
    image: &'a mut Image<'source>,
    pub(crate) limits: &'a Limits,
    system: &'a FileSystem,
    blocks: Blocks,
    /// The directories that have been entered, by the address of their entry.
    entered: Directories<Address>,
    /// The name of the current entry.
    pub(crate) name: Vec<u8>,
    /// Extents of all entries that have several.
    pub(crate) extents: usize,
}

impl<'a, 'source> Builder<'a, 'source> {
    pub(crate) fn new(
        image: &'a mut Image<'source>,
        limits: &'a Limits,
        system: &'a FileSystem,
        warnings: Warnings,
    ) -> Builder<'a, 'source> {
        Builder {
            index: Index::default(),
            warnings,
            leaves_image: false,
            image,
            limits,
            system,
            blocks: Blocks::default(),
            entered: Directories::new(),
            name: Vec::new(),
            extents: 0,
        }
    }

    /// Reads all directories.
    pub(crate) fn build(&mut self) -> Result<(), Error> {
        let root = self.system.root;
        // `FileSystem::open` has checked that it is a directory.
        if let Found::Entry(described) = self.describe(root)? {
            self.push_directory(0, root, &described)?;
        }
        let mut queue = DirectoryQueue::new();
        let mut bytes = Vec::new();
        while let Some((id, depth)) = queue.next(&self.index) {
            self.enter(id, depth, &mut bytes)?;
        }
        self.index.shrink();
        Ok(())
    }

    /// Reads a waiting directory, and gives its node the numbers of the children.
    fn enter(&mut self, id: u32, depth: usize, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let waiting = *self.index.get(id);
        let first = self.index.nodes.len();
        if waiting.b > 0 {
            let address = Address::unpack(waiting.a);
            if depth > self.limits.depth {
                self.warnings.add(|| format!("the directory at {address} is too deep in the tree"));
                self.index.flag(id, DAMAGED);
            } else if self.entered.link(&mut self.index, id, &address, self.limits, &mut self.warnings)? {
                // The directory under its first name has the children.
            } else if let Found::Entry(described) = self.describe(address)? {
                self.entered.insert(address, id);
                self.read(&described.body.extents, self.limits.directory_bytes, bytes)?;
                for item in identifiers(bytes) {
                    match item {
                        IdentifierItem::Identifier(identifier) => self.add(id, &identifier)?,
                        IdentifierItem::Damage => self
                            .warnings
                            .add(|| format!("a part of the directory at {address} makes no sense")),
                    }
                }
                self.index.sort_children(first, &mut self.warnings);
            }
        }
        self.index.adopt(id, first);
        Ok(())
    }

    /// Adds one name to the directory `parent`.
    fn add(&mut self, parent: u32, identifier: &Identifier<'_>) -> Result<(), Error> {
        if identifier.is_deleted() || identifier.is_parent() {
            return Ok(());
        }
        if !identifier.is_intact {
            self.warn(identifier.name, "the descriptor of its name is damaged");
        }
        self.name.clear();
        match text::push(identifier.name, &mut self.name) {
            Ok(true) => {}
            Ok(false) => self.warn(identifier.name, "its name is not sound UTF-16"),
            Err(InvalidText) => {
                self.warn(identifier.name, "its name is in no known form");
                return Ok(());
            }
        }
        if let Err(reason) = self.check_name(identifier) {
            self.warn(identifier.name, reason);
            return Ok(());
        }
        let found = match identifier.entry {
            Some(address) => self.describe(address)?,
            None => Found::Nothing("it has no descriptor".to_owned()),
        };
        match (found, identifier.entry) {
            (Found::Entry(described), Some(address)) => match described.kind {
                NodeKind::Directory => self.push_directory(parent, address, &described),
                NodeKind::File => self.push_file(parent, described),
                NodeKind::Link => self.push_link(parent, described),
            },
            (Found::Special, _) => {
                self.warn_of_entry("it is a device, a pipe, a socket or not for users");
                Ok(())
            }
            // The name exists, so a request for it must not end in "not found".
            (Found::Nothing(reason), _) => {
                let kind = if identifier.is_directory() { NodeKind::Directory } else { NodeKind::File };
                self.warn_of_entry(&reason);
                self.push(parent, (kind, UNKNOWN_MODE, None), (0, 0), DAMAGED)
            }
            (Found::Entry(_), None) => Ok(()),
        }
    }

    /// Asserts that the name of the current entry may become part of a path.
    fn check_name(&self, identifier: &Identifier<'_>) -> Result<(), BadName> {
        if text::units(identifier.name) > self.limits.name_bytes || self.name.len() > LONGEST_NAME {
            return Err(BadName::TooLong);
        }
        names::check(&self.name)
    }

    /// Reads the entry at `address` and its extents.
    fn describe(&mut self, address: Address) -> Result<Found, Error> {
        let partitions = &self.system.partitions;
        let Some((offset, bytes)) = partitions.read_block(self.image, &mut self.blocks, address)? else {
            self.leaves_image = true;
            return Ok(Found::Nothing(format!("its descriptor at {address} is not in the image")));
        };
        let entry = match FileEntry::parse(bytes, address) {
            Ok(entry) => entry,
            Err(fault) => return Ok(Found::Nothing(format!("at {address} {fault}"))),
        };
        let kind = match entry.file_type {
            entry::DIRECTORY => NodeKind::Directory,
            entry::LINK => NodeKind::Link,
            entry::REGULAR | entry::UNSPECIFIED | entry::REAL_TIME => NodeKind::File,
            _ => return Ok(Found::Special),
        };
        let (size, mode, modified) = (entry.size, entry.mode, entry.modified);
        let mut body = Body::start(&entry, offset, partitions, self.image, self.limits);
        body.follow(&mut self.blocks, partitions, self.image, self.limits)?;
        // A single extent is bounded by its entry. One descriptor can have many extents in a metadata
        // partition that is scattered, and any number of names may stand for one entry.
        if body.extents.len() > 1 {
            self.extents = self.extents.saturating_add(body.extents.len());
            if self.extents > self.limits.udf_extents {
                return Err(Error::Limit(LimitReached::UdfExtents));
            }
        }
        self.leaves_image |= body.fault == Some(BodyFault::Outside);
        // Files have holes, but a hole in a directory or a link means lost names or a lost target.
        if kind != NodeKind::File && body.extents.iter().any(|extent| extent.data == ExtentData::Zeros) {
            body.extents.retain(|extent| extent.data == ExtentData::Recorded);
            body.fault = body.fault.or(Some(BodyFault::Incomplete));
        }
        Ok(Found::Entry(Described { kind, size, mode, modified, body }))
    }

    /// Lets a directory wait for its turn.
    fn push_directory(&mut self, parent: u32, address: Address, described: &Described) -> Result<(), Error> {
        let fault = described.body.fault.map(|fault| fault.to_string());
        let too_large =
            || (described.size > self.limits.directory_bytes).then(|| "it is too large".to_owned());
        let problem = fault.or_else(too_large);
        if let Some(problem) = &problem {
            self.warnings.add(|| format!("the directory at {address}: {problem}"));
        }
        let flags = if problem.is_some() { DAMAGED } else { 0 };
        let has_names = u64::from(described.size > 0);
        self.push(parent, described.attributes(), (address.pack(), has_names), flags)
    }

    fn push_file(&mut self, parent: u32, mut described: Described) -> Result<(), Error> {
        if described.body.fill_end(self.limits) {
            self.warn_of_entry("its end is not recorded and reads as zeros");
        }
        let (content, flags) = match (described.body.fault, described.body.extents.as_slice()) {
            (Some(fault), _) => {
                self.warn_of_entry(fault);
                (0, DAMAGED)
            }
            (None, []) => (0, 0),
            (None, [extent]) if extent.data == ExtentData::Recorded => (extent.offset, 0),
            (None, extents) => {
                let stored: Option<Vec<StoredExtent>> =
                    extents.iter().copied().map(StoredExtent::new).collect();
                let range = stored.and_then(|extents| self.index.push_extents(&extents));
                range.map_or((0, DAMAGED), |range| (range, IN_TABLE))
            }
        };
        self.push(parent, described.attributes(), (described.size, content), flags)
    }

    fn push_link(&mut self, parent: u32, described: Described) -> Result<(), Error> {
        let longest = u64::try_from(self.limits.link_bytes).unwrap_or(u64::MAX);
        let mut path = Vec::new();
        let mut target = Vec::new();
        if let Some(fault) = described.body.fault {
            self.warn_of_entry(format!("it is a link without a target: {fault}"));
            return Ok(());
        }
        self.read(&described.body.extents, longest, &mut path)?;
        match text::push_path(&path, &mut target) {
            _ if described.size > longest || target.len() > self.limits.link_bytes => {
                self.warn_of_entry("its link target is too long");
                return Ok(());
            }
            Ok(true) => {}
            Ok(false) => self.warn_of_entry("its link target is not sound UTF-16"),
            Err(InvalidText) => {
                self.warn_of_entry("its link target makes no sense");
                return Ok(());
            }
        }
        let offset = self.index.push_text(&target, self.limits.text_bytes)?;
        let length = u64::try_from(target.len()).unwrap_or_default();
        self.push(parent, described.attributes(), (length, u64::from(offset)), 0)
    }

    /// Appends a node with the name of the current entry.
    fn push(
        &mut self,
        parent: u32,
        (kind, mode, modified): (NodeKind, u16, Option<i64>),
        (a, b): (u64, u64),
        flags: u16,
    ) -> Result<(), Error> {
        let new = NewNode { kind, mode, modified, parent, name: &self.name, a, b, flags };
        self.index.push(&new, self.limits).map(drop)
    }

    /// Fills `bytes` with at most `limit` bytes of recorded extents.
    fn read(&mut self, extents: &[Extent], limit: u64, bytes: &mut Vec<u8>) -> Result<(), Error> {
        bytes.clear();
        let mut left = limit;
        for extent in extents {
            let length = extent.length.min(left);
            left = left.saturating_sub(length);
            let start = bytes.len();
            bytes.resize(start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)), 0);
            let part = bytes.get_mut(start..).unwrap_or_default();
            if !self.image.read(part, extent.offset)? {
                bytes.truncate(start);
                break;
            }
        }
        Ok(())
    }

    /// Adds a warning about a name, as recorded.
    fn warn(&mut self, name: &[u8], reason: impl fmt::Display) {
        self.warnings.add(|| format!("\"{}\": {reason}", name.escape_ascii()));
    }

    /// Adds a warning about the current entry.
    fn warn_of_entry(&mut self, reason: impl fmt::Display) {
        let name = self.name.escape_ascii();
        self.warnings.add(|| format!("\"{name}\": {reason}"));
    }
}
