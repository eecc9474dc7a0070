//! From one directory record to one node: which name it has, what it is, and whether it can be served.
//! An entry that cannot be is left out or marked as damaged, with a warning; its neighbours never suffer.

use std::fmt;

use crate::build::{Builder, DIRECTORY_MODE, Naming};
use crate::error::{Error, LimitReached};
use crate::index::{DAMAGED, INTERLEAVED, StoredNode, ZISOFS, position};
use crate::names::{self, BadName};
use crate::node::NodeKind;
use crate::record::{Record, SHORTEST};
use crate::sections::Sections;

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
    /// Takes in one record of the directory `parent`, found at byte `at` of the image.
    pub(crate) fn add(&mut self, parent: u32, at: u64, record: &Record<'_>) -> Result<(), Error> {
        if record.is_itself() && parent == 0 {
            return self.describe_root(record);
        }
        if record.is_itself() || record.is_parent() || record.is_associated() {
            return Ok(());
        }
        if !record.halves_agree {
            self.complain(at, record, "its byte orders disagree");
        }
        if self.continue_sections(at, record) {
            return Ok(());
        }
        let Some(entry) = self.describe(at, record)? else { return Ok(()) };
        if let Err(reason) = self.check_name(record) {
            self.complain(at, record, reason);
            return Ok(());
        }
        match entry.kind {
            NodeKind::Directory => self.push_directory(parent, &entry),
            NodeKind::Link => self.push_link(parent, &entry),
            NodeKind::File => self.push_file(parent, &entry, at, record),
        }
    }

    /// The descriptor's record of the root has no attributes; its own entry for itself may.
    fn describe_root(&mut self, record: &Record<'_>) -> Result<(), Error> {
        if let Naming::RockRidge { skip } = self.naming {
            self.read_attributes(record, skip)?;
            let (mode, modified) = (self.rock.mode, self.rock.modified);
            if let Some(root) = self.index.nodes.first_mut() {
                root.mode = permissions(mode, DIRECTORY_MODE);
                root.modified = modified.map_or(root.modified, clamp_time);
            }
        }
        Ok(())
    }

    /// What a record is; its name goes to `self.name`. `None` if it is left out.
    fn describe(&mut self, at: u64, record: &Record<'_>) -> Result<Option<Entry>, Error> {
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

    fn read_attributes(&mut self, record: &Record<'_>, skip: usize) -> Result<(), Error> {
        let area = record.system_use.get(skip..).unwrap_or_default();
        self.rock.read(self.image, &mut self.continuations, area, self.block_size, self.limits)
    }

    /// Whether the name at hand may become part of a path.
    fn check_name(&self, record: &Record<'_>) -> Result<(), BadName> {
        let length = match self.naming {
            Naming::Joliet => record.identifier.len() / 2,
            _ => self.name.len(),
        };
        if length > self.limits.name_bytes || u16::try_from(self.name.len()).is_err() {
            return Err(BadName::TooLong);
        }
        names::check(&self.name)
    }

    fn push_link(&mut self, parent: u32, entry: &Entry) -> Result<(), Error> {
        let target = self.rock.link.take().unwrap_or_default();
        let offset = self.index.push_text(&target, self.limits.text_bytes)?;
        let length = u64::try_from(target.len()).unwrap_or_default();
        self.push(parent, entry, length, u64::from(offset), 0).map(drop)
    }

    fn push_file(&mut self, parent: u32, entry: &Entry, at: u64, record: &Record<'_>) -> Result<(), Error> {
        let uncompressed = self.rock.uncompressed.filter(|_| matches!(self.naming, Naming::RockRidge { .. }));
        let flags = if uncompressed.is_some() { ZISOFS } else { 0 };
        let size = uncompressed.unwrap_or(u64::from(entry.length));
        let node = self.push(parent, entry, size, 0, flags)?;
        if uncompressed.is_some() {
            self.complain(at, record, "it is compressed by zisofs, which is not supported");
        }
        let mut sections = Sections::new(node, record.identifier);
        self.add_section(&mut sections, at, record);
        if record.continues() {
            self.sections = Some(sections);
        } else {
            sections.finish(&mut self.index);
        }
        Ok(())
    }

    /// Appends the record's extent to a file.
    fn add_section(&mut self, sections: &mut Sections, at: u64, record: &Record<'_>) {
        let offset = record.block.saturating_mul(self.block_size);
        let length = u64::from(record.length);
        if length > 0 && !self.image.contains(offset, length) {
            self.leaves_image = true;
            self.complain(at, record, "it leaves the image");
            sections.add_missing(length);
        } else {
            sections.add(offset, length, self.limits.extents_per_file);
        }
        if record.is_interleaved() {
            self.complain(at, record, "it is interleaved, which is not supported");
            self.flag(sections.node(), INTERLEAVED);
        }
    }

    /// Takes in a further section of the file before; `false` if the record is something else.
    fn continue_sections(&mut self, at: u64, record: &Record<'_>) -> bool {
        let Some(mut sections) = self.sections.take() else { return false };
        if record.is_directory() || record.identifier != sections.identifier() {
            self.abandon_sections(sections);
            return false;
        }
        self.add_section(&mut sections, at, record);
        if record.continues() {
            self.sections = Some(sections);
        } else {
            sections.finish(&mut self.index);
        }
        true
    }

    /// The end of a directory: a file that should go on does not.
    pub(crate) fn finish_sections(&mut self) {
        if let Some(sections) = self.sections.take() {
            self.abandon_sections(sections);
        }
    }

    fn abandon_sections(&mut self, mut sections: Sections) {
        let identifier = sections.identifier();
        self.warnings.add(|| format!("\"{}\": its last section is missing", identifier.escape_ascii()));
        sections.add_missing(0);
        sections.finish(&mut self.index);
    }

    /// Lets a directory wait for its turn, unless it cannot or must not be entered.
    pub(crate) fn push_directory(&mut self, parent: u32, entry: &Entry) -> Result<(), Error> {
        let offset = entry.block.saturating_mul(self.block_size);
        let recorded = u64::from(entry.length);
        let available = self.image.size().saturating_sub(offset);
        let length = recorded.min(available).min(self.limits.directory_bytes);
        let mut problem = None;
        if recorded > available {
            self.leaves_image = true;
            problem = Some("leaves the image");
        } else if recorded > length {
            problem = Some("is too large");
        }
        // Loops of directories, and trees that share one directory a million times, end here.
        let is_new = recorded == 0 || self.visited.insert(entry.block);
        if !is_new {
            problem = Some("is listed a second time");
        }
        if let Some(problem) = problem {
            self.warnings.add(|| format!("the directory at block {} {problem}", entry.block));
        }
        let flags = if problem.is_some() { DAMAGED } else { 0 };
        self.push(parent, entry, offset, if is_new { length } else { 0 }, flags).map(drop)
    }

    fn push(&mut self, parent: u32, entry: &Entry, a: u64, b: u64, flags: u8) -> Result<u32, Error> {
        let full = || Error::Limit(LimitReached::Entries);
        let count = self.index.nodes.len();
        let id = u32::try_from(count).ok().filter(|_| count < self.limits.entries).ok_or_else(full)?;
        let name_offset = self.index.push_text(&self.name, self.limits.text_bytes)?;
        self.index.nodes.push(StoredNode {
            a,
            b,
            name_offset,
            parent,
            modified: entry.modified.map_or(0, clamp_time),
            name_length: u16::try_from(self.name.len()).unwrap_or_default(),
            mode: entry.mode,
            kind: entry.kind,
            flags,
        });
        Ok(id)
    }

    pub(crate) fn flag(&mut self, id: u32, flag: u8) {
        if let Some(node) = self.index.nodes.get_mut(position(id)) {
            node.flags |= flag;
        }
    }

    fn complain(&mut self, at: u64, record: &Record<'_>, reason: impl fmt::Display) {
        let identifier = record.identifier.escape_ascii();
        self.warnings.add(|| format!("\"{identifier}\" at byte {at}: {reason}"));
    }
}

fn permissions(mode: Option<u32>, otherwise: u16) -> u16 {
    mode.and_then(|mode| u16::try_from(mode & PERMISSIONS).ok()).unwrap_or(otherwise)
}

/// Seconds since 1970 as far as the index can hold them.
fn clamp_time(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}
