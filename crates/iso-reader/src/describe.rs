//! What one directory record says: which name it has and what it stands for. An entry that cannot be
//! served is left out, with a warning; its neighbours never suffer.

use crate::build::{Builder, DIRECTORY_MODE, Naming};
use crate::error::Error;
use crate::names::{self, BadName};
use crate::node::NodeKind;
use crate::record::{Record, SHORTEST};
use crate::stored::LONGEST_NAME;

/// Permissions of a file where Rock Ridge records none: what Linux shows.
const FILE_MODE: u16 = 0o444;
/// The permission bits in the mode of a `PX` entry.
const PERMISSIONS: u32 = 0o7777;

/// The file types of POSIX in the mode of a `PX` entry.
const TYPE_MASK: u32 = 0o170_000;
const TYPE_LINK: u32 = 0o120_000;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_UNKNOWN: u32 = 0;

/// What is known about an entry, beside its name, before it becomes a node.
pub(crate) struct Entry {
    pub(crate) kind: NodeKind,
    pub(crate) block: u64,
    pub(crate) length: u32,
    pub(crate) modified: Option<i64>,
    pub(crate) mode: u16,
}

impl Builder<'_, '_> {
    /// What a record is; its name goes to `self.name`. `None` if it is left out.
    pub(crate) fn describe(&mut self, at: u64, record: &Record<'_>) -> Result<Option<Entry>, Error> {
        match self.naming {
            Naming::RockRidge { skip } => return self.describe_rock_ridge(at, record, skip),
            Naming::Joliet => {
                if !names::joliet(record.identifier, &mut self.name) {
                    self.complain(at, record, "its name is not sound UTF-16");
                }
            }
            Naming::Enhanced => names::enhanced(record.identifier, &mut self.name),
            Naming::Plain => names::plain(record.identifier, &mut self.name),
        }
        let (kind, mode) = match record.is_directory() {
            true => (NodeKind::Directory, DIRECTORY_MODE),
            false => (NodeKind::File, FILE_MODE),
        };
        let (block, length) = (record.block, record.length);
        Ok(Some(Entry { kind, block, length, modified: record.modified(), mode }))
    }

    fn describe_rock_ridge(
        &mut self,
        at: u64,
        record: &Record<'_>,
        skip: usize,
    ) -> Result<Option<Entry>, Error> {
        self.read_attributes(record, skip)?;
        // Directories moved to make the tree shallower are found where they belong, by `CL`.
        if self.rock.relocated {
            return Ok(None);
        }
        if let Some(oddity) = self.rock.oddity {
            self.complain(at, record, oddity);
        }
        if let Some(fault) = self.rock.fault {
            self.complain(at, record, fault);
            return Ok(None);
        }
        std::mem::swap(&mut self.name, &mut self.rock.name);
        if self.name.is_empty() {
            names::plain(record.identifier, &mut self.name);
        }
        if let Some(block) = self.rock.child {
            return self.describe_moved(at, record, block, skip);
        }
        let file_type = self.rock.mode.map_or(TYPE_UNKNOWN, |mode| mode & TYPE_MASK);
        let kind = match (record.is_directory(), file_type) {
            (true, _) => NodeKind::Directory,
            (false, TYPE_LINK) => NodeKind::Link,
            (false, TYPE_UNKNOWN) if self.rock.link.is_some() => NodeKind::Link,
            (false, TYPE_FILE | TYPE_UNKNOWN) => NodeKind::File,
            (false, TYPE_DIRECTORY) => {
                self.complain(at, record, "its mode says directory, its record says file");
                NodeKind::File
            }
            (false, _) => {
                self.complain(at, record, "it is a device, a pipe or a socket");
                return Ok(None);
            }
        };
        if kind == NodeKind::Link && self.rock.link.is_none() {
            self.complain(at, record, "it is a link without a target");
            return Ok(None);
        }
        Ok(Some(Entry {
            kind,
            block: record.block,
            length: record.length,
            modified: self.rock.modified.or_else(|| record.modified()),
            mode: permissions(self.rock.mode, if record.is_directory() { DIRECTORY_MODE } else { FILE_MODE }),
        }))
    }

    /// A directory that was moved elsewhere (`CL`, IEEE P1282 4.1.5.1): all but its name is found in its
    /// entry for itself.
    fn describe_moved(
        &mut self,
        at: u64,
        record: &Record<'_>,
        block: u32,
        skip: usize,
    ) -> Result<Option<Entry>, Error> {
        let offset = u64::from(block).saturating_mul(self.block_size);
        let mut bytes = [0; 255];
        let available = usize::try_from(self.image.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = available.min(bytes.len());
        let bytes = bytes.get_mut(..length).unwrap_or_default();
        if !self.image.read(bytes, offset)? {
            self.leaves_image = true;
        }
        let length = bytes.first().map_or(0, |length| usize::from(*length));
        let itself = bytes.get(..length).filter(|_| length >= SHORTEST).and_then(Record::parse);
        let Some(itself) = itself.filter(|itself| itself.is_itself() && itself.block == u64::from(block))
        else {
            self.complain(at, record, "the directory it stands for is not where it points to");
            return Ok(None);
        };
        self.read_attributes(&itself, skip)?;
        Ok(Some(Entry {
            kind: NodeKind::Directory,
            block: itself.block,
            length: itself.length,
            modified: self.rock.modified.or_else(|| itself.modified()),
            mode: permissions(self.rock.mode, DIRECTORY_MODE),
        }))
    }

    pub(crate) fn read_attributes(&mut self, record: &Record<'_>, skip: usize) -> Result<(), Error> {
        let area = record.system_use.get(skip..).unwrap_or_default();
        self.rock.read(self.image, &mut self.continuations, area, self.block_size, self.limits)
    }

    /// Whether the name at hand may become part of a path.
    pub(crate) fn check_name(&self, record: &Record<'_>) -> Result<(), BadName> {
        let length = match self.naming {
            Naming::Joliet => record.identifier.len() / 2,
            _ => self.name.len(),
        };
        if length > self.limits.name_bytes || self.name.len() > LONGEST_NAME {
            return Err(BadName::TooLong);
        }
        names::check(&self.name)
    }
}

/// The permission bits of a `PX` mode.
pub(crate) fn permissions(mode: Option<u32>, otherwise: u16) -> u16 {
    mode.and_then(|mode| u16::try_from(mode & PERMISSIONS).ok()).unwrap_or(otherwise)
}
