//! From a directory record to an entry: its name, its kind, its attributes. An entry that cannot be served is
//! left out with a warning.

use std::fmt;

use crate::error::Error;
use crate::index::LONGEST_NAME;
use crate::iso9660::naming::{self, Naming};
use crate::iso9660::record::{Record, SHORTEST};
use crate::kind::NodeKind;
use crate::limits::Limits;
use crate::names::{self, BadName};
use crate::rock_ridge::{Attributes, ContinuationReader};
use crate::source::Image;
use crate::warnings::Warnings;
use crate::zisofs::Compression;

/// Permissions of a directory without Rock Ridge, as Linux shows them.
pub(super) const DIRECTORY_MODE: u16 = 0o555;
/// Permissions of a file without Rock Ridge, as Linux shows them.
const FILE_MODE: u16 = 0o444;
/// The permission bits in the mode of a `PX` entry.
const PERMISSIONS: u32 = 0o7777;

/// The file types of POSIX in the mode of a `PX` entry.
const TYPE_MASK: u32 = 0o170_000;
const TYPE_LINK: u32 = 0o120_000;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_UNKNOWN: u32 = 0;

/// An entry, beside its name, before it becomes a node.
pub(super) struct Entry {
    pub(super) kind: NodeKind,
    pub(super) block: u64,
    pub(super) length: u32,
    pub(super) modified: Option<i64>,
    pub(super) mode: u16,
    /// The target of a link.
    pub(super) target: Vec<u8>,
    /// How a file is compressed.
    pub(super) compression: Option<Compression>,
}

/// Reads entries from directory records. Its buffers are reused from record to record.
pub(super) struct EntryReader<'a> {
    limits: &'a Limits,
    naming: Naming,
    block_size: u64,
    /// The name of the last record.
    name: Vec<u8>,
    /// Whether a directory that was moved lies outside the image.
    pub(super) leaves_image: bool,
    attributes: Attributes,
    continuations: ContinuationReader,
}

impl<'a> EntryReader<'a> {
    pub(super) fn new(limits: &'a Limits, naming: Naming, block_size: u64) -> EntryReader<'a> {
        EntryReader {
            limits,
            naming,
            block_size,
            name: Vec::new(),
            leaves_image: false,
            attributes: Attributes::default(),
            continuations: ContinuationReader::default(),
        }
    }

    /// The entry of the record at byte `at` of the image; `None` if it is left out.
    pub(super) fn read(
        &mut self,
        image: &mut Image<'_>,
        at: u64,
        record: &Record<'_>,
        warnings: &mut Warnings,
    ) -> Result<Option<Entry>, Error> {
        match self.naming {
            Naming::RockRidge { skip } => return self.read_rock_ridge(image, at, record, skip, warnings),
            Naming::Joliet => {
                if !naming::joliet(record.identifier, &mut self.name) {
                    warn(warnings, at, record, "its name is not sound UTF-16");
                }
            }
            Naming::Enhanced => naming::enhanced(record.identifier, &mut self.name),
            Naming::Plain => naming::plain(record.identifier, &mut self.name),
        }
        let kind = if record.is_directory() { NodeKind::Directory } else { NodeKind::File };
        Ok(Some(Entry {
            kind,
            block: record.block,
            length: record.length,
            modified: record.modified(),
            mode: default_mode(kind),
            target: Vec::new(),
            compression: None,
        }))
    }

    /// Permissions and time that Rock Ridge records in the root's entry for itself. The record of the root in
    /// the volume descriptor has no attributes.
    pub(super) fn read_root(
        &mut self,
        image: &mut Image<'_>,
        record: &Record<'_>,
    ) -> Result<Option<(u16, Option<i64>)>, Error> {
        let Naming::RockRidge { skip } = self.naming else { return Ok(None) };
        self.read_attributes(image, record, skip)?;
        Ok(Some((self.permissions().unwrap_or(DIRECTORY_MODE), self.attributes.modified)))
    }

    /// The name of the last entry that was read.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Asserts that the name of the last entry may become part of a path.
    pub(super) fn check_name(&self, record: &Record<'_>) -> Result<(), BadName> {
        let length = match self.naming {
            Naming::Joliet => record.identifier.len() / 2,
            _ => self.name.len(),
        };
        if length > self.limits.name_bytes || self.name.len() > LONGEST_NAME {
            return Err(BadName::TooLong);
        }
        names::check(&self.name)
    }

    fn read_rock_ridge(
        &mut self,
        image: &mut Image<'_>,
        at: u64,
        record: &Record<'_>,
        skip: usize,
        warnings: &mut Warnings,
    ) -> Result<Option<Entry>, Error> {
        self.read_attributes(image, record, skip)?;
        // A directory that was moved to make the tree shallower is entered where its `CL` entry stands.
        if self.attributes.relocated {
            return Ok(None);
        }
        if let Some(oddity) = self.attributes.oddity {
            warn(warnings, at, record, oddity);
        }
        if let Some(fault) = self.attributes.fault {
            warn(warnings, at, record, fault);
            return Ok(None);
        }
        std::mem::swap(&mut self.name, &mut self.attributes.name);
        if self.name.is_empty() {
            naming::plain(record.identifier, &mut self.name);
        }
        if let Some(block) = self.attributes.child {
            let entry = self.read_moved(image, block, skip)?;
            if entry.is_none() {
                warn(warnings, at, record, "the directory it stands for is not where it points to");
            }
            return Ok(entry);
        }
        let Some(kind) = self.kind(at, record, warnings) else { return Ok(None) };
        Ok(Some(Entry {
            kind,
            block: record.block,
            length: record.length,
            modified: self.attributes.modified.or_else(|| record.modified()),
            mode: self.permissions().unwrap_or(default_mode(kind)),
            target: self.attributes.link.take().unwrap_or_default(),
            compression: self.attributes.compression,
        }))
    }

    /// The kind of an entry of Rock Ridge; `None` if it is left out.
    fn kind(&self, at: u64, record: &Record<'_>, warnings: &mut Warnings) -> Option<NodeKind> {
        let has_target = self.attributes.link.is_some();
        let file_type = self.attributes.mode.map_or(TYPE_UNKNOWN, |mode| mode & TYPE_MASK);
        match (record.is_directory(), file_type) {
            (true, TYPE_DIRECTORY | TYPE_UNKNOWN) => Some(NodeKind::Directory),
            (true, _) => {
                warn(warnings, at, record, "its record says directory, its mode does not");
                Some(NodeKind::Directory)
            }
            (false, TYPE_LINK) if !has_target => {
                warn(warnings, at, record, "it is a link without a target");
                None
            }
            (false, TYPE_LINK) => Some(NodeKind::Link),
            (false, TYPE_UNKNOWN) if has_target => Some(NodeKind::Link),
            (false, TYPE_FILE | TYPE_UNKNOWN) => {
                if has_target {
                    warn(warnings, at, record, "its mode says file, but it has the target of a link");
                }
                Some(NodeKind::File)
            }
            (false, TYPE_DIRECTORY) => {
                // Linux goes by the mode.
                warn(warnings, at, record, "its mode says directory, its record says file");
                Some(NodeKind::Directory)
            }
            (false, _) => {
                warn(warnings, at, record, "it is a device, a pipe or a socket");
                None
            }
        }
    }

    /// A directory that was moved to `block` (`CL`, IEEE P1282 4.1.5.1): all but its name comes from its
    /// entry for itself. `None` if that is not there.
    fn read_moved(&mut self, image: &mut Image<'_>, block: u32, skip: usize) -> Result<Option<Entry>, Error> {
        let offset = u64::from(block).saturating_mul(self.block_size);
        let mut bytes = [0; 255];
        let available = usize::try_from(image.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = available.min(bytes.len());
        let bytes = bytes.get_mut(..length).unwrap_or_default();
        if !image.read(bytes, offset)? {
            self.leaves_image = true;
        }
        let length = bytes.first().map_or(0, |length| usize::from(*length));
        let itself = bytes.get(..length).filter(|_| length >= SHORTEST).and_then(Record::parse);
        let itself = itself.filter(|itself| itself.is_itself() && itself.block == u64::from(block));
        let Some(itself) = itself else { return Ok(None) };
        self.read_attributes(image, &itself, skip)?;
        Ok(Some(Entry {
            kind: NodeKind::Directory,
            block: itself.block,
            length: itself.length,
            modified: self.attributes.modified.or_else(|| itself.modified()),
            mode: self.permissions().unwrap_or(DIRECTORY_MODE),
            target: Vec::new(),
            compression: None,
        }))
    }

    fn read_attributes(
        &mut self,
        image: &mut Image<'_>,
        record: &Record<'_>,
        skip: usize,
    ) -> Result<(), Error> {
        let area = record.system_use.get(skip..).unwrap_or_default();
        self.attributes.read(image, &mut self.continuations, area, self.block_size, self.limits)
    }

    /// The permission bits that `PX` records.
    fn permissions(&self) -> Option<u16> {
        self.attributes.mode.and_then(|mode| u16::try_from(mode & PERMISSIONS).ok())
    }
}

/// Permissions of an entry for which none are recorded.
fn default_mode(kind: NodeKind) -> u16 {
    if kind == NodeKind::Directory { DIRECTORY_MODE } else { FILE_MODE }
}

/// Adds a warning about the record at byte `at` of the image.
pub(super) fn warn(warnings: &mut Warnings, at: u64, record: &Record<'_>, reason: impl fmt::Display) {
    let identifier = record.identifier.escape_ascii();
    warnings.add(|| format!("\"{identifier}\" at byte {at}: {reason}"));
}
