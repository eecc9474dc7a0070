//! Images made by mksquashfs, complete and damaged. A complete image is read to the byte. A damaged one ends
//! in an error or in other bytes, but never in a panic of this crate, an endless loop or much memory.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use squashfs_reader::{Error, Image, Kind, Layout, Location, ReadAt};

const WAYS: [&[&str]; 8] = [
    &["-comp", "gzip", "-b", "4096"],
    &["-comp", "xz", "-b", "64K"],
    &["-comp", "lz4"],
    &["-comp", "zstd", "-b", "1M"],
    &["-comp", "lzo", "-b", "1M"],
    &["-comp", "lzo", "-Xalgorithm", "lzo1x_1_15", "-b", "4096"],
    &["-comp", "lzma", "-b", "16K"],
    &["-comp", "gzip", "-noI", "-noD", "-noF", "-no-fragments"],
];

/// Numbers that are the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

fn text(length: usize) -> Vec<u8> {
    (0..).flat_map(|number: u32| format!("{number:x} ").into_bytes()).take(length).collect()
}

fn fill(root: &Path) {
    fs::create_dir_all(root.join("a/b/c/empty")).unwrap();
    for (name, length) in [("small", 10), ("a/block", 4096), ("a/b/large", 100_001), ("a/b/c/none", 0)] {
        fs::write(root.join(name), text(length)).unwrap();
    }
    for number in 0..30 {
        fs::write(root.join(format!("a/b/many-{number}")), text(number * 10)).unwrap();
    }
    fs::File::create(root.join("hole")).unwrap().set_len(50_000).unwrap();
    std::os::unix::fs::symlink("a/b", root.join("link")).unwrap();
}

fn image(root: &Path, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let mut command = Command::new("mksquashfs");
    command.arg(root).arg(&path).args(["-noappend", "-no-progress", "-quiet", "-all-root"]).args(arguments);
    let output = command.output().unwrap_or_else(|error| panic!("cannot run mksquashfs: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(path).unwrap()
}

/// Reads `max` bytes of a file at most.
fn read(image: &Image, source: &dyn ReadAt, layout: &Layout, max: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(part) = layout.part(bytes.len() as u64).filter(|_| bytes.len() < max) {
        assert!(part.length > 0 && part.length <= 1 << 20);
        let length = usize::try_from(part.length).unwrap();
        match part.location {
            Location::Zeros => bytes.resize(bytes.len() + length, 0),
            Location::Block { block, skip } => {
                let block = image.decode(source, &block)?;
                assert!(block.len() <= 1 << 20);
                let range = usize::try_from(skip).unwrap()..usize::try_from(skip).unwrap() + length;
                let part = block.get(range).ok_or(Error::Corrupt("a block holds less than it should"))?;
                bytes.extend_from_slice(part);
            }
        }
    }
    Ok(bytes)
}

type Tree = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Paths with the bytes of files, the targets of links, and nothing for directories.
fn tree(bytes: &[u8]) -> Result<Tree, Error> {
    let source = &bytes;
    let image = Image::open(source)?;
    let mut reader = image.reader(source);
    let (mut found, mut entered) = (Tree::new(), HashSet::new());
    let mut waiting = vec![(Vec::new(), image.root())];
    while let Some((path, at)) = waiting.pop() {
        assert!(found.len() < 100_000 && path.len() < 1 << 20);
        let content = match reader.inode(at)?.kind {
            Kind::Directory(listing) if entered.insert(at) => {
                reader.entries(&listing, |name, inode| {
                    let path =
                        if path.is_empty() { name.to_vec() } else { [&path, &b"/"[..], name].concat() };
                    waiting.push((path, inode));
                })?;
                None
            }
            Kind::Directory(_) | Kind::Special => None,
            Kind::Link(target) => Some(target),
            Kind::File(file) => {
                let layout = reader.layout(&file)?;
                Some(read(&image, source, &layout, 1 << 20)?)
            }
        };
        found.insert(path, content);
    }
    Ok(found)
}

fn truth(root: &Path) -> Tree {
    let mut found = Tree::from([(Vec::new(), None)]);
    let mut waiting = vec![root.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().as_bytes().to_vec();
            let content = if path.is_symlink() {
                Some(fs::read_link(&path).unwrap().to_str().unwrap().as_bytes().to_vec())
            } else if path.is_dir() {
                waiting.push(path);
                None
            } else {
                Some(fs::read(&path).unwrap())
            };
            found.insert(name, content);
        }
    }
    found
}

#[test]
fn images_are_read_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    // More blocks than share one position in a layout.
    fs::write(folder.path().join("larger"), text(400_001)).unwrap();
    let truth = truth(folder.path());
    for way in WAYS {
        assert!(tree(&image(folder.path(), way)).unwrap() == truth, "{way:?}");
    }
}

#[test]
fn changed_images_end_in_order() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let truth = truth(folder.path());
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for way in WAYS {
        let complete = image(folder.path(), way);
        let tables = usize::try_from(u64::from_le_bytes(complete[64..72].try_into().unwrap())).unwrap();
        let (mut refused, mut read) = (0, 0);
        for case in 0..300 {
            let mut bytes = complete.clone();
            for _ in 0..=numbers.below(4) {
                // In the superblock, in the tables, anywhere.
                let (begin, end) = [(8, 96), (tables, complete.len()), (96, complete.len())][case % 3];
                let at = begin + numbers.below(end - begin);
                bytes[at] = match numbers.below(3) {
                    0 => 0xff,
                    1 => bytes[at] ^ (1 << numbers.below(8)),
                    _ => u8::try_from(numbers.below(256)).unwrap(),
                };
            }
            if numbers.below(8) == 0 {
                bytes.truncate(numbers.below(complete.len()));
            }
            match tree(&bytes) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 75 && read > 10, "{way:?}: {refused} refused, {read} read");
        assert!(tree(&complete).unwrap() == truth);
    }
}
