//! From the root directory to a complete index.
//!
//! The node array is its own queue. The node of a directory that waits holds a range of the image, later the
//! numbers of the children. Nothing recurses, and every directory is entered once.
//!
//! A file that leaves the image and a directory that would close a loop become damaged nodes. A further name
//! of a directory becomes a link.
//!
//! What a directory's entry for itself says of it counts more than the record in its parent, as in Linux.

use crate::error::{Corrupt, Error};
use crate::index::{
    DAMAGED, Directories, DirectoryQueue, INTERLEAVED, Index, NewNode, StoredNode, ZISOFS, ZISOFS2,
    clamp_time,
};
use crate::iso9660::descriptor::Root;
use crate::iso9660::directory::{Directory, DirectoryItem, crosses_sector};
use crate::iso9660::entry::{DIRECTORY_MODE, Entry, EntryReader, warn};
use crate::iso9660::naming::Naming;
use crate::iso9660::record::{LONGEST, Record};
use crate::iso9660::sections::Sections;
use crate::kind::NodeKind;
use crate::limits::Limits;
use crate::source::Image;
use crate::warnings::Warnings;
use crate::zisofs::Compression;

/// A tree that grows.
pub(crate) struct Builder<'a, 'source> {
    pub(crate) index: Index,
    pub(crate) warnings: Warnings,
    /// Whether a file or a directory leaves the image.
    pub(crate) leaves_image: bool,
    image: &'a mut Image<'source>,
    limits: &'a Limits,
    root: Root,
    block_size: u64,
    /// The directories that have been entered, by the byte of the image where they start.
    entered: Directories<u64>,
    /// Whether the root directory has an entry for itself.
    has_root_entry: bool,
    entries: EntryReader<'a>,
    /// The file whose next section is expected.
    sections: Option<Sections>,
}

impl<'a, 'source> Builder<'a, 'source> {
    pub(crate) fn new(
        image: &'a mut Image<'source>,
        limits: &'a Limits,
        naming: Naming,
        root: Root,
        warnings: Warnings,
    ) -> Builder<'a, 'source> {
        let block_size = u64::from(root.block_size);
        Builder {
            index: Index::default(),
            warnings,
            leaves_image: false,
            image,
            limits,
            root,
            block_size,
            entered: Directories::new(),
            has_root_entry: false,
            entries: EntryReader::new(limits, naming, block_size),
            sections: None,
        }
    }

    /// Reads all directories, breadth first.
    pub(crate) fn build(&mut self) -> Result<(), Error> {
        let root = Entry {
            kind: NodeKind::Directory,
            block: self.root.block,
            length: self.root.length,
            modified: self.root.modified,
            mode: DIRECTORY_MODE,
            target: Vec::new(),
            compression: None,
        };
        self.push_directory(0, &root)?;
        let mut directory = Directory::default();
        let mut queue = DirectoryQueue::new();
        while let Some((id, depth)) = queue.next(&self.index) {
            let first = self.index.nodes.len();
            if self.enter(id, depth, &mut directory)? {
                self.read(id, &mut directory)?;
                self.index.sort_children(first, &mut self.warnings);
            }
            self.index.adopt(id, first);
        }
        if self.index.nodes.len() == 1 && !self.has_root_entry {
            return Err(Error::Corrupt(Corrupt::RootDirectory));
        }
        self.leaves_image |= self.entries.leaves_image;
        self.index.shrink();
        Ok(())
    }

    /// Starts at a waiting directory; `false` if there is nothing to read.
    fn enter(&mut self, id: u32, depth: usize, directory: &mut Directory) -> Result<bool, Error> {
        let StoredNode { a: offset, b: recorded, .. } = *self.index.get(id);
        let available = self.image.size().saturating_sub(offset);
        let mut length = recorded;
        if recorded == 0 || !self.entered.has(&offset) {
            // A record may tell too few bytes. An empty directory may have no extent: then no entry for
            // itself is at the block.
            directory.enter(offset, recorded.max(LONGEST).min(available));
            length = self.own_length(directory)?.unwrap_or(recorded);
        }
        if length == 0 {
            return Ok(false);
        }
        if depth > self.limits.depth {
            self.warnings.add(|| format!("a directory at byte {offset} is too deep in the tree"));
            self.index.flag(id, DAMAGED);
            return Ok(false);
        }
        if self.entered.link(&mut self.index, id, &offset, self.limits, &mut self.warnings)? {
            return Ok(false);
        }
        self.entered.insert(offset, id);
        if length != recorded {
            self.warnings.add(|| {
                format!("the directory at byte {offset} has {length} bytes, but its record says {recorded}")
            });
        }
        let readable = length.min(available).min(self.limits.directory_bytes);
        if readable < length {
            self.leaves_image |= length > available;
            let problem = if length > available { "leaves the image" } else { "is too large" };
            self.warnings.add(|| format!("the directory at byte {offset} {problem}"));
            self.index.flag(id, DAMAGED);
        }
        directory.restart(readable);
        Ok(true)
    }

    /// The length that a directory's entry for itself tells.
    fn own_length(&mut self, directory: &mut Directory) -> Result<Option<u64>, Error> {
        let item = directory.next(self.image)?;
        let Some(DirectoryItem::Record(at, record)) = item else { return Ok(None) };
        Ok(self.is_entry_for_itself(at, &record).then(|| u64::from(record.length)))
    }

    /// Whether a record is the entry for itself of the directory that starts at byte `at` of the image.
    fn is_entry_for_itself(&self, at: u64, record: &Record<'_>) -> bool {
        record.is_itself() && record.block.checked_mul(self.block_size) == Some(at)
    }

    /// Reads the records of the directory `id`.
    fn read(&mut self, id: u32, directory: &mut Directory) -> Result<(), Error> {
        let mut is_first = true;
        while let Some(item) = directory.next(self.image)? {
            match item {
                DirectoryItem::Record(at, record) => {
                    if is_first && !self.is_entry_for_itself(at, &record) {
                        self.warnings.add(|| format!("the directory at byte {at} has no entry for itself"));
                    }
                    if crosses_sector(at, &record) {
                        self.warn(at, &record, "its record crosses the end of a sector");
                    }
                    self.add(id, at, &record)?;
                }
                DirectoryItem::Damage(at) => {
                    self.warnings.add(|| format!("no directory record at byte {at}"));
                }
                DirectoryItem::Empty(at) => {
                    self.warnings.add(|| format!("the sector of a directory at byte {at} is empty"));
                }
            }
            is_first = false;
        }
        if let Some(sections) = self.sections.take() {
            self.abandon_sections(sections);
        }
        Ok(())
    }

    /// Adds the record at byte `at` of the image to the directory `parent`.
    fn add(&mut self, parent: u32, at: u64, record: &Record<'_>) -> Result<(), Error> {
        if record.is_itself() && parent == 0 {
            return self.describe_root(record);
        }
        if record.is_itself() || record.is_parent() || record.is_associated() {
            return Ok(());
        }
        if !record.halves_agree {
            self.warn(at, record, "its byte orders disagree");
        }
        if self.continue_sections(at, record) {
            return Ok(());
        }
        let entry = self.entries.read(self.image, at, record, &mut self.warnings)?;
        let Some(entry) = entry else { return Ok(()) };
        if let Err(reason) = self.entries.check_name(record) {
            warn(&mut self.warnings, at, record, reason);
            return Ok(());
        }
        match entry.kind {
            NodeKind::Directory => self.push_directory(parent, &entry),
            NodeKind::Link => self.push_link(parent, &entry),
            NodeKind::File => self.push_file(parent, &entry, at, record),
        }
    }

    fn describe_root(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.has_root_entry = true;
        let attributes = self.entries.read_root(self.image, record)?;
        if let Some(((mode, modified), root)) = attributes.zip(self.index.nodes.first_mut()) {
            root.set_permissions(mode);
            root.modified = modified.map_or(root.modified, clamp_time);
        }
        Ok(())
    }

    /// Lets a directory wait for its turn.
    fn push_directory(&mut self, parent: u32, entry: &Entry) -> Result<(), Error> {
        let offset = entry.block.saturating_mul(self.block_size);
        self.push(parent, entry, offset, u64::from(entry.length), 0).map(drop)
    }

    fn push_link(&mut self, parent: u32, entry: &Entry) -> Result<(), Error> {
        let offset = self.index.push_text(&entry.target, self.limits.text_bytes)?;
        let length = u64::try_from(entry.target.len()).unwrap_or_default();
        self.push(parent, entry, length, u64::from(offset), 0).map(drop)
    }

    fn push_file(&mut self, parent: u32, entry: &Entry, at: u64, record: &Record<'_>) -> Result<(), Error> {
        let (size, flags, problem) = match entry.compression {
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
            self.warn(at, record, problem);
        }
        let start = record.block.saturating_mul(self.block_size);
        let mut sections = Sections::new(node, record.identifier, start);
        self.add_section(&mut sections, at, record);
        self.keep_or_finish(sections, record);
        Ok(())
    }

    /// Appends a node with the name of the last entry, and returns its number.
    fn push(&mut self, parent: u32, entry: &Entry, a: u64, b: u64, flags: u16) -> Result<u32, Error> {
        let Entry { kind, mode, modified, .. } = *entry;
        let new = NewNode { kind, mode, modified, parent, name: self.entries.name(), a, b, flags };
        self.index.push(&new, self.limits)
    }

    /// Appends the record's extent to a file.
    fn add_section(&mut self, sections: &mut Sections, at: u64, record: &Record<'_>) {
        let offset = record.block.saturating_mul(self.block_size);
        let length = u64::from(record.length);
        if length > 0 && !self.image.contains(offset, length) {
            self.leaves_image = true;
            self.warn(at, record, "it leaves the image");
            sections.add_missing(length);
        } else if !sections.add(offset, length, self.limits.extents_per_file) {
            self.warn(at, record, "it has too many extents");
        }
        if record.is_interleaved() {
            self.warn(at, record, "it is interleaved, which is not supported");
            self.index.flag(sections.node(), INTERLEAVED);
        }
    }

    /// Adds a further section to the file before; `false` if the record is something else.
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

    /// Finishes a file whose last section is missing.
    fn abandon_sections(&mut self, mut sections: Sections) {
        let identifier = sections.identifier();
        self.warnings.add(|| format!("\"{}\": its last section is missing", identifier.escape_ascii()));
        sections.add_missing(0);
        sections.finish(&mut self.index, &mut self.warnings);
    }

    fn warn(&mut self, at: u64, record: &Record<'_>, reason: &str) {
        warn(&mut self.warnings, at, record, reason);
    }
}
