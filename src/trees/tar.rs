//! The tree inside an uncompressed tar: an index of where the files lie, as in an ISO. It is what unpacking would leave: of entries with
//! one name the last counts, and nothing gets out of the tree.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use file_transport::OpenFile;
use iso_reader::limits::DEPTH;

use super::builder::{Builder, Item, TooLarge, Warnings};
use super::index::{Kind, ROOT, Stored};
use super::indexed::{Format, IndexedTree};
use super::tar_header::{BLOCK, Entry, Header, Member, Type};
use super::{ImageTree, Tree, TreeError};
use crate::model::identity::Identity;
use crate::model::image::TreeSummary;

/// Bytes of one extended header; names and what else they hold take a few hundred.
const EXTENDED_BYTES: u64 = 1 << 20;

/// Headers of all kinds: two before each entry that may be indexed, and as many for entries that were replaced.
const HEADERS: u64 = 4 << 20;

/// Whether a file that begins like this is a tar: a header with the magic number of POSIX or GNU and the right checksum.
pub(super) fn has_header(beginning: &[u8]) -> bool {
    beginning.first_chunk::<BLOCK>().is_some_and(|block| Header::parse(block).is_some())
}

/// Opens a tar and reads its headers.
pub(super) fn open(file: OpenFile, identity: Identity) -> Result<ImageTree, TreeError> {
    let mut walk = Walk { file: &file, size: identity.size, builder: Builder::new(), label: String::new() };
    walk.run()?;
    let Walk { mut builder, label, .. } = walk;
    let Warnings { count, texts } = std::mem::take(&mut builder.warnings);
    let index = builder.finish();
    let summary = TreeSummary {
        kind: "tar".to_owned(),
        label,
        entries: index.nodes.len() as u64,
        warnings: count,
        damaged: index.damaged().count() as u64,
        ..TreeSummary::default()
    };
    let tree = IndexedTree { file: Arc::new(file), identity, index, warnings: texts, format: Format::Tar };
    Ok(ImageTree { tree: Tree::Indexed(Box::new(tree)), identity, summary })
}

struct Walk<'a> {
    file: &'a OpenFile,
    size: u64,
    builder: Builder,
    label: String,
}

impl Walk<'_> {
    /// Goes from header to header up to the block of zeros that ends a tar.
    fn run(&mut self) -> Result<(), TreeError> {
        let (mut at, mut headers, mut entry) = (0, 0, Entry::default());
        loop {
            let block = self.block(at)?;
            if block == [0; BLOCK] {
                return Ok(());
            }
            headers += 1;
            if headers > HEADERS {
                return Err(too_large(TooLarge("it has too many entries")));
            }
            let Some(header) = Header::parse(&block) else {
                return Err(damaged(format!("there is no header at byte {at}")));
            };
            let begin = at + BLOCK as u64;
            let member = match header.kind {
                Type::Extended | Type::LongName | Type::LongLink => {
                    let bytes = self.extended(begin, header.size)?;
                    entry.extend(header.kind, &bytes);
                    at = self.end_of(begin, header.size)?;
                    continue;
                }
                _ => entry.complete(&header),
            };
            entry = Entry::default();
            // The map of a sparse file goes on in blocks of its own, before the data.
            let begin = if member.kind == Type::Sparse { self.end_of_map(&block, begin)? } else { begin };
            at = self.end_of(begin, member.stored)?;
            self.add(&member, begin)?;
        }
    }

    /// The next header. A tar has an end mark; one without it has been cut between two entries.
    fn block(&self, at: u64) -> Result<[u8; BLOCK], TreeError> {
        let mut block = [0; BLOCK];
        self.read(&mut block, at)?;
        Ok(block)
    }

    fn extended(&self, begin: u64, size: u64) -> Result<Vec<u8>, TreeError> {
        if size > EXTENDED_BYTES {
            return Err(damaged(format!("the extended header at byte {begin} is too long")));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        self.read(&mut bytes, begin)?;
        Ok(bytes)
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<(), TreeError> {
        self.file.read_exact_at(buffer, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => cut_short(self.size),
            _ => TreeError::Io(error),
        })
    }

    /// Where the next header is. What is stored before it must be all there.
    fn end_of(&self, begin: u64, stored: u64) -> Result<u64, TreeError> {
        let end = begin.checked_add(stored).filter(|end| *end <= self.size);
        end.and_then(|end| end.checked_next_multiple_of(BLOCK as u64)).ok_or_else(|| cut_short(self.size))
    }

    fn end_of_map(&self, header: &[u8; BLOCK], begin: u64) -> Result<u64, TreeError> {
        let (mut goes_on, mut at) = (header[482] != 0, begin);
        while goes_on {
            let block = self.block(at)?;
            goes_on = block[504] != 0;
            at += BLOCK as u64;
        }
        Ok(at)
    }

    /// Adds an entry, or notes why it is left out.
    fn add(&mut self, member: &Member, begin: u64) -> Result<(), TreeError> {
        if member.kind == Type::Label {
            self.label = String::from_utf8_lossy(&member.path).into_owned();
        }
        // Devices and pipes are left out as in any other image.
        if matches!(member.kind, Type::Label | Type::Global | Type::Special) {
            return Ok(());
        }
        if let Some(reason) = self.place(member, begin)? {
            self.builder.warnings.add(&member.path, reason);
        }
        Ok(())
    }

    /// Puts an entry where it belongs; tells why if that cannot be.
    fn place(&mut self, member: &Member, begin: u64) -> Result<Option<&'static str>, TreeError> {
        let Some(path) = clean(&member.path) else { return Ok(Some("it climbs out of the tree")) };
        if path.len() > DEPTH {
            return Ok(Some("it is too deep in the tree"));
        }
        let Some((name, parents)) = path.split_last() else {
            if member.kind != Type::Directory {
                return Ok(Some("it has no name"));
            }
            self.builder.set_modified(ROOT, member.modified);
            return Ok(None);
        };
        let target;
        let item = match member.kind {
            Type::Directory => Item::Directory,
            Type::File => Item::File(Stored { place: begin, size: member.size, damaged: false }),
            Type::Sparse => Item::File(Stored { place: begin, size: member.size, damaged: true }),
            Type::Link => Item::Link(&member.target),
            Type::HardLink => match self.linked(&member.target) {
                Some(Kind::File(stored)) => Item::File(stored),
                Some(Kind::Link(text)) => {
                    target = self.builder.text(text).to_vec();
                    Item::Link(&target)
                }
                _ => return Ok(Some("the file that it links to is not there")),
            },
            _ => return Ok(Some("it is of no known type")),
        };
        let Some(parent) = self.parent(parents)? else {
            return Ok(Some("something else is where its directory should be"));
        };
        self.builder.add(parent, name, member.modified, item).map_err(too_large)?;
        Ok(None)
    }

    /// The directory of an entry, made if it is not there. `None` where something else stands: to follow a link on the way would be to
    /// put the entry where its name does not say.
    fn parent(&mut self, path: &[&[u8]]) -> Result<Option<u32>, TreeError> {
        let mut here = ROOT;
        for name in path {
            let there = self.builder.child(here, name);
            here = match there {
                Some(id) if matches!(self.builder.node(id).kind, Kind::Directory { .. }) => id,
                Some(_) => return Ok(None),
                None => match self.builder.add(here, name, 0, Item::Directory).map_err(too_large)? {
                    Some(id) => id,
                    None => return Ok(None),
                },
            };
        }
        Ok(Some(here))
    }

    /// What a hard link names, as it is by now.
    fn linked(&self, target: &[u8]) -> Option<Kind> {
        let mut here = ROOT;
        for name in clean(target)? {
            here = self.builder.child(here, name)?;
        }
        Some(self.builder.node(here).kind)
    }
}

/// The names of a path as `tar` unpacks it: below where it is unpacked, whatever it begins with; not at all if it climbs.
fn clean(path: &[u8]) -> Option<Vec<&[u8]>> {
    let names = path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    names.map(|name| (name != b"..").then_some(name)).collect()
}

fn damaged(what: String) -> TreeError {
    TreeError::NotAnImage(format!("the tar is damaged: {what}"))
}

fn cut_short(size: u64) -> TreeError {
    TreeError::NotAnImage(format!("the tar is cut short: it goes on where the file ends, after {size} bytes"))
}

fn too_large(TooLarge(what): TooLarge) -> TreeError {
    TreeError::NotAnImage(format!("the tar is too large to index: {what}"))
}
