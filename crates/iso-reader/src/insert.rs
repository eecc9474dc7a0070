//! From directory records to nodes. A file that leaves the image and a directory that would close a loop
//! become nodes that are marked as damaged.

use std::fmt;

use crate::build::{Builder, DIRECTORY_MODE, Naming};
use crate::describe::{Entry, permissions};
use crate::error::{Error, LimitReached};
use crate::index::position;
use crate::node::NodeKind;
use crate::record::Record;
use crate::sections::Sections;
use crate::stored::{DAMAGED, INTERLEAVED, StoredNode, ZISOFS, ZISOFS2};
use crate::zisofs::Compression;

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
                root.set_permissions(permissions(mode, DIRECTORY_MODE));
                root.modified = modified.map_or(root.modified, clamp_time);
            }
        }
        Ok(())
    }

    fn push_link(&mut self, parent: u32, entry: &Entry) -> Result<(), Error> {
        let target = self.rock.link.take().unwrap_or_default();
        let offset = self.index.push_text(&target, self.limits.text_bytes)?;
        let length = u64::try_from(target.len()).unwrap_or_default();
        self.push(parent, entry, length, u64::from(offset), 0).map(drop)
    }

    fn push_file(&mut self, parent: u32, entry: &Entry, at: u64, record: &Record<'_>) -> Result<(), Error> {
        let compression = self.rock.compression.filter(|_| matches!(self.naming, Naming::RockRidge { .. }));
        let (size, flags, problem) = match compression {
            None => (u64::from(entry.length), 0, None),
            Some(Compression::Zisofs(zisofs)) => (zisofs.pack(), ZISOFS, None),
            Some(Compression::Zisofs2(size)) => {
                (size, ZISOFS2, Some("it is compressed by zisofs version 2, which is not supported"))
            }
            Some(Compression::Unknown) => {
                (u64::from(entry.length), DAMAGED, Some("it is compressed in an unknown way"))
            }
        };
        let node = self.push(parent, entry, size, 0, flags)?;
        if let Some(problem) = problem {
            self.complain(at, record, problem);
        }
        let mut sections = Sections::new(node, record.identifier);
        self.add_section(&mut sections, at, record);
        self.keep_or_finish(sections, record);
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
        } else if !sections.add(offset, length, self.limits.extents_per_file) {
            self.complain(at, record, "it has too many extents");
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
        self.keep_or_finish(sections, record);
        true
    }

    fn keep_or_finish(&mut self, sections: Sections, record: &Record<'_>) {
        if record.continues() {
            self.sections = Some(sections);
        } else {
            sections.finish(&mut self.index, &mut self.warnings);
        }
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
        sections.finish(&mut self.index, &mut self.warnings);
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

    fn push(&mut self, parent: u32, entry: &Entry, a: u64, b: u64, flags: u16) -> Result<u32, Error> {
        let full = || Error::Limit(LimitReached::Entries);
        let count = self.index.nodes.len();
        let id = u32::try_from(count).ok().filter(|_| count < self.limits.entries).ok_or_else(full)?;
        let name_offset = self.index.push_text(&self.name, self.limits.text_bytes)?;
        let name_length = u16::try_from(self.name.len()).unwrap_or_default();
        let mut node = StoredNode::new(entry.kind, entry.mode, name_offset, name_length);
        (node.a, node.b, node.parent) = (a, b, parent);
        node.modified = entry.modified.map_or(0, clamp_time);
        node.set(flags);
        self.index.nodes.push(node);
        Ok(id)
    }

    pub(crate) fn flag(&mut self, id: u32, flag: u16) {
        if let Some(node) = self.index.nodes.get_mut(position(id)) {
            node.set(flag);
        }
    }

    /// Warns about a record.
    pub(crate) fn complain(&mut self, at: u64, record: &Record<'_>, reason: impl fmt::Display) {
        let identifier = record.identifier.escape_ascii();
        self.warnings.add(|| format!("\"{identifier}\" at byte {at}: {reason}"));
    }
}

/// Seconds since 1970 as far as the index can hold them.
fn clamp_time(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}
