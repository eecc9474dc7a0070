//! The tree inside a squashfs. Its directories become an index; a file is decoded block by block during its
//! transfer.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use file_transport::{OpenFile, ReadAt};
use iso_reader::limits::DEPTH;
use squashfs_reader::{Error, File, Image, InodeRef, Kind, Layout, Listing, Location, Reader};

use crate::trees::blocks::Blocks;
use crate::trees::builder::{Builder, Item, TooLarge, Warnings};
use crate::trees::error::TreeError;
use crate::trees::index::{Index, ROOT, Stored};
use crate::trees::regular::check_unchanged;
use component::LookupError;

/// Names in all directories: as many as may be indexed, and as many that are replaced. Directories can share
/// a listing, in which one name stands any number of times.
const NAMES: usize = 2 << 20;

/// Further names of directories: `mksquashfs` writes none, and each costs the length of a path.
const SECOND_NAMES: usize = 1 << 16;

/// Bytes of files whose blocks are looked up ahead, to tell of damage. Files can share their blocks, so this
/// bounds the work: to 16 million blocks of the smallest size. Others are looked up when they are requested.
const CHECKED_BYTES: u64 = 64 << 30;

/// The decoder of the files of an image.
pub(super) struct Squashfs {
    image: Arc<Image>,
    blocks: Arc<Blocks>,
    number: u64,
}

/// Leaves out the blocks, which belong to other images too.
impl std::fmt::Debug for Squashfs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Squashfs").field("image", &self.image).finish_non_exhaustive()
    }
}

/// Opens a squashfs and reads its directories.
pub(super) fn open(file: &OpenFile, blocks: &Arc<Blocks>) -> Result<(Index, Warnings, Squashfs), TreeError> {
    let refuse = |error| match error {
        Error::Io(error) => TreeError::Io(error),
        other => TreeError::NotAnImage(other.to_string()),
    };
    let image = Image::open(&**file).map_err(refuse)?;
    let (index, warnings) = read_tree(&image, file).map_err(refuse)?;
    let squashfs = Squashfs { image: Arc::new(image), number: blocks.number(), blocks: Arc::clone(blocks) };
    Ok((index, warnings, squashfs))
}

/// Reads all directories, breadth first. As in Linux, damage costs only what it hits: an entry, or the rest
/// of a directory.
fn read_tree(image: &Image, file: &OpenFile) -> Result<(Index, Warnings), Error> {
    let mut reader = image.reader(&**file);
    let root = reader.inode(image.root())?;
    let Kind::Directory(listing) = root.kind else {
        return Err(Error::Corrupt("its root is not a directory"));
    };
    let mut builder = Builder::new();
    builder.set_modified(ROOT, root.modified);
    let mut walk = Walk {
        reader,
        builder,
        entered: HashMap::from([(image.root(), ROOT)]),
        waiting: VecDeque::from([(ROOT, listing, 0)]),
        names: 0,
        second_names: 0,
        checked: 0,
    };
    while let Some((id, listing, depth)) = walk.waiting.pop_front() {
        for (name, at) in walk.list(id, &listing)? {
            walk.enter(id, &name, at, depth)?;
        }
    }
    Ok(walk.builder.finish())
}

/// The names in a directory, and where their inodes are.
type Names = Vec<(Box<[u8]>, InodeRef)>;

/// The way through all directories.
struct Walk<'a> {
    reader: Reader<'a>,
    builder: Builder,
    /// A directory with several names is entered once, so the walk ends.
    entered: HashMap<InodeRef, u32>,
    /// Directories, and how deep they are in the tree.
    waiting: VecDeque<(u32, Listing, usize)>,
    names: usize,
    second_names: usize,
    /// Bytes of the files whose blocks were looked up.
    checked: u64,
}

impl Walk<'_> {
    /// The entries of a directory, as far as they can be read.
    fn list(&mut self, id: u32, listing: &Listing) -> Result<Names, Error> {
        let (seen, mut found) = (&mut self.names, Vec::new());
        let result = self.reader.entries(listing, |name, inode| {
            *seen += 1;
            if *seen <= NAMES {
                found.push((Box::from(name), inode));
            }
        });
        if *seen > NAMES {
            return Err(Error::Limit("it has too many entries"));
        }
        let path = self.builder.path(id);
        match result {
            Ok(true) => {}
            Ok(false) => {
                self.builder.warnings.add(&path, "the size of the directory is not that of its entries");
            }
            // Nothing is left to be served.
            Err(error @ Error::Corrupt(_)) if id == ROOT && found.is_empty() => return Err(error),
            Err(Error::Corrupt(what)) => {
                let reason = format!("entries of the directory are lost: {what}");
                self.builder.warnings.add(&path, &reason);
                self.builder.mark_damaged(id);
            }
            Err(error) => return Err(error),
        }
        Ok(found)
    }

    /// Takes in an entry of a directory that is so deep in the tree.
    fn enter(&mut self, parent: u32, name: &[u8], at: InodeRef, depth: usize) -> Result<(), Error> {
        // Linux finds the first.
        if self.builder.child(parent, name).is_some() {
            let reason = "two entries of the directory have this name, and the first counts";
            self.builder.warnings.add(name, reason);
            return Ok(());
        }
        if let Some(first) = self.entered.get(&at) {
            self.second_names += 1;
            if self.second_names > SECOND_NAMES {
                return Err(Error::Limit("its directories have too many names"));
            }
            return add_second_name(&mut self.builder, parent, name, *first);
        }
        let Some((child, listing)) = self.add(parent, name, at)? else { return Ok(()) };
        if depth < DEPTH {
            self.entered.insert(at, child);
            self.waiting.push_back((child, listing, depth + 1));
        } else {
            self.builder.warnings.add(name, "the directory is too deep in the tree");
        }
        Ok(())
    }

    /// Adds an entry; returns its number and its listing if it is a directory.
    fn add(&mut self, parent: u32, name: &[u8], at: InodeRef) -> Result<Option<(u32, Listing)>, Error> {
        let mut stored = Stored { place: at.number(), size: 0, damaged: false };
        let inode = match self.reader.inode(at) {
            Ok(inode) => Some(inode),
            Err(Error::Corrupt(what)) => {
                self.builder.warnings.add(name, what);
                stored.damaged = true;
                None
            }
            Err(error) => return Err(error),
        };
        let item = match inode.as_ref().map(|inode| &inode.kind) {
            Some(Kind::Directory(_)) => Item::Directory,
            Some(Kind::Link(target)) => Item::Link(target),
            Some(Kind::File(file)) => {
                (stored.size, stored.damaged) = (file.size(), self.is_damaged(name, file)?);
                Item::File(stored)
            }
            // Devices and pipes have no bytes to serve.
            Some(Kind::Special) => return Ok(None),
            None => Item::File(stored),
        };
        let modified = inode.as_ref().map_or(0, |inode| inode.modified);
        let added = self.builder.add(parent, name, modified, item).map_err(full)?;
        Ok(added.zip(inode).and_then(|(id, inode)| match inode.kind {
            Kind::Directory(listing) => Some((id, listing)),
            _ => None,
        }))
    }

    /// Whether blocks of a file cannot be found.
    fn is_damaged(&mut self, name: &[u8], file: &File) -> Result<bool, Error> {
        let checked = self.checked.saturating_add(file.size());
        if checked > CHECKED_BYTES {
            return Ok(false);
        }
        self.checked = checked;
        match self.reader.layout(file) {
            Ok(_) => Ok(false),
            Err(Error::Corrupt(what) | Error::Limit(what)) => {
                self.builder.warnings.add(name, what);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}

fn full(TooLarge(what): TooLarge) -> Error {
    Error::Limit(what)
}

/// Adds another name of the directory `first`, as a link to it. Linux shows the directory under each name.
fn add_second_name(builder: &mut Builder, parent: u32, name: &[u8], first: u32) -> Result<(), Error> {
    if builder.is_within(parent, first) {
        builder.warnings.add(name, "the directory holds itself");
        builder.add(parent, name, 0, Item::Directory).map_err(full)?;
        return Ok(());
    }
    builder.warnings.add(name, "the directory has another name, and is shown as a link to that");
    let target = [b"/", &builder.path(first)[..]].concat();
    builder.add(parent, name, 0, Item::Link(&target)).map_err(full)?;
    Ok(())
}

impl Squashfs {
    /// A reader of the file whose inode the index names.
    pub(super) fn file(&self, file: &Arc<OpenFile>, stored: Stored) -> Result<SquashedFile, LookupError> {
        let mut reader = self.image.reader(&***file);
        let layout = reader
            .inode(InodeRef::from_number(stored.place))
            .and_then(|inode| match inode.kind {
                Kind::File(file) if file.size() == stored.size => reader.layout(&file),
                _ => Err(Error::Corrupt("an inode has changed")),
            })
            .map_err(|error| match error {
                Error::Io(error) => LookupError::Io(error),
                _ => LookupError::Unreadable,
            })?;
        let (image, blocks) = (Arc::clone(&self.image), Arc::clone(&self.blocks));
        Ok(SquashedFile { file: Arc::clone(file), image, blocks, number: self.number, layout })
    }
}

/// A file in a squashfs, readable at any offset.
pub(super) struct SquashedFile {
    file: Arc<OpenFile>,
    image: Arc<Image>,
    blocks: Arc<Blocks>,
    number: u64,
    layout: Layout,
}

impl SquashedFile {
    /// Bytes of memory, without the shared blocks.
    pub(super) fn memory(&self) -> u64 {
        self.layout.memory() as u64
    }
}

impl std::fmt::Debug for SquashedFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SquashedFile").field("size", &self.layout.size()).finish_non_exhaustive()
    }
}

impl ReadAt for SquashedFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let (mut rest, mut at) = (buffer, offset);
        while !rest.is_empty() {
            let part = self.layout.part(at).ok_or(io::ErrorKind::UnexpectedEof)?;
            let length = usize::try_from(part.length).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at_mut(length);
            match part.location {
                Location::Zeros => now.fill(0),
                Location::Block { block, skip } => {
                    let decode = || self.image.decode(&**self.file, &block).map_err(failed);
                    let bytes = self.blocks.get(self.number, block.position(), decode)?;
                    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                    let bytes = bytes.get(skip..).and_then(|bytes| bytes.get(..length));
                    now.copy_from_slice(bytes.ok_or_else(|| failed(SHORT))?);
                }
            }
            (rest, at) = (later, at + length as u64);
        }
        check_unchanged(&self.file)
    }
}

const SHORT: Error = Error::Corrupt("a block holds less than it should");

/// The client sees only a closed connection, so the log has the reason.
fn failed(error: Error) -> io::Error {
    let error = match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    };
    tracing::warn!(%error, "a file inside a squashfs cannot be read");
    error
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::trees::matching::Matching;
    use crate::trees::regular::open_regular;

    const BLOCK: usize = 8192;

    /// A stream of metadata in blocks that are not compressed.
    fn packed(stream: &[u8]) -> Vec<u8> {
        stream.chunks(BLOCK).flat_map(|chunk| [&number(0x8000 + chunk.len())[..2], chunk].concat()).collect()
    }

    fn number(number: usize) -> [u8; 4] {
        u32::try_from(number).expect("a small number").to_le_bytes()
    }

    /// The inode of a directory (type 8) whose listing has so many bytes from `at` of its stream on.
    fn directory(at: usize, length: usize) -> Vec<u8> {
        let (block, offset) = (at / BLOCK * (BLOCK + 2), at % BLOCK);
        let head = [&[8, 0][..], &[0; 14], &number(1), &number(length + 3), &number(block), &[0; 6]].concat();
        [&head[..], &number(offset)[..2], &[0; 4]].concat()
    }

    /// Entries of one run: where the inode is in the first block, and the name.
    fn run(entries: &[(usize, String)]) -> Vec<u8> {
        let entry = |(offset, name): &(usize, String)| {
            [&number(*offset)[..2], &[0; 4], &number(name.len() - 1)[..2], name.as_bytes()].concat()
        };
        [&number(entries.len() - 1)[..], &[0; 8], &entries.iter().flat_map(entry).collect::<Vec<_>>()]
            .concat()
    }

    /// So many directories that share one listing, in which an empty file is named again and again.
    fn image(directories: usize, names: usize) -> Vec<u8> {
        let shared = run(&vec![(0, "a".to_owned()); 256]).repeat(names / 256);
        image_of(directories, &shared, &(0..directories).collect::<Vec<_>>())
    }

    /// So many directories with one listing, and a root that names these of them; the root has the number
    /// after the last.
    fn image_of(directories: usize, shared: &[u8], named: &[usize]) -> Vec<u8> {
        let mut inodes = [&[2, 0][..], &[0; 18], &[0xFF; 4], &[0; 8]].concat();
        let place = |number: usize| 32 + 40 * number;
        (0..directories).for_each(|_| inodes.extend(directory(0, shared.len())));
        let names = named.iter().zip('a'..).map(|(number, name)| (place(*number), name.to_string()));
        let root = run(&names.collect::<Vec<_>>());
        inodes.extend(directory(shared.len(), root.len()));
        let (inodes, listings) = (packed(&inodes), packed(&[shared, &root].concat()));
        let mut image = vec![0; 96];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"hsqs");
        put(12, &number(1 << 17));
        put(20, &[1, 0, 17, 0]);
        put(28, &[4, 0]);
        put(32, &number(place(directories)));
        put(40, &number(96 + inodes.len() + listings.len()));
        put(64, &number(96));
        put(72, &number(96 + inodes.len()));
        [image, inodes, listings].concat()
    }

    fn opened(image: &[u8]) -> Result<Index, TreeError> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(image).expect("written");
        let (file, _) = open_regular(file.path()).expect("a file");
        let file = OpenFile::unchanging(file).expect("a version");
        open(&file, &Arc::new(Blocks::new())).map(|(index, ..)| index)
    }

    /// Linux shows a directory under each of its names.
    #[test]
    fn a_second_name_of_a_directory_leads_to_the_first() {
        let index = opened(&image_of(1, &run(&[(0, "file".to_owned())]), &[0, 0, 1])).expect("a tree");
        let path = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        let find = |names: &[&str]| index.find(&path(names), Matching::Exact);
        assert_eq!(find(&["b", "file"]).expect("is there"), find(&["a", "file"]).expect("is there"));
        // The third names the root, which must not hold itself.
        let itself = find(&["c"]).expect("is there");
        assert!(itself != ROOT && index.entries(itself).is_empty());
    }

    #[test]
    fn the_first_entry_of_a_name_counts() {
        let twice = run(&[(0, "b".to_owned()), (32, "b".to_owned())]);
        let index = opened(&image_of(1, &twice, &[0])).expect("a tree");
        let path = [b"a".to_vec(), b"b".to_vec()];
        let kind = index.node(index.find(&path, Matching::Exact).expect("is there")).kind;
        assert!(matches!(kind, crate::trees::index::EntryKind::File(_)), "{kind:?}");
    }

    /// Names that replace each other make no larger tree, but reading them takes its time.
    #[test]
    fn an_image_that_names_things_again_and_again_is_refused() {
        assert_eq!(opened(&image(3, 512)).expect("a tree").nodes.len(), 1 + 3 + 3);
        let error = opened(&image(20, 450 * 256)).map(drop).expect_err("too many").to_string();
        assert!(error.contains("too many entries"), "{error}");
    }
}
