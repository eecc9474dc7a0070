//! Files compressed by zisofs: those of xorriso and mkzftree, and broken ones.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use iso_reader::{Corrupt, Encoding, Error, NodeId, Options, ReadAt, Tree, Unsupported};
use support::Random;
use support::compare::{Attributes, assert_same};
use support::disc::{Disc, Record};
use support::listing;
use support::susp::{FILE, nm, px, rock_disc, zf};
use support::tools::{Workshop, run, tool};
use support::zisofs::pack;

const KIB: usize = 1024;

/// Text that can be compressed and does not repeat.
fn text(length: usize) -> Vec<u8> {
    let mut random = Random(7);
    let words = std::iter::repeat_with(|| format!("{:x} ", random.next() % 999).into_bytes());
    words.flatten().take(length).collect()
}

fn noise(length: usize) -> Vec<u8> {
    let mut random = Random(8);
    std::iter::repeat_with(|| random.next().to_le_bytes()).flatten().take(length).collect()
}

/// Writes files of about one block of each size, files with blocks of zeros at both ends and in the middle,
/// and files with incompressible bytes between compressible ones.
fn write_sources(folder: &Path) {
    let zeros = |length| vec![0; length];
    let mut files: Vec<(String, Vec<u8>)> = [0, 1, 5000, 600 * KIB]
        .into_iter()
        .chain([32, 64, 128].map(|size| size * KIB).into_iter().flat_map(|size| [size - 1, size, size + 1]))
        .map(|length| (format!("text-{length}"), text(length)))
        .collect();
    files.push(("zeros".into(), zeros(1_000_000)));
    files.push(("noise".into(), noise(200_000)));
    files.push(("mixed".into(), [zeros(300_000), text(400_000), zeros(400_000), noise(140_000)].concat()));
    files.push(("ends-in-zeros".into(), [noise(40_000), text(300_000), zeros(500_001)].concat()));
    fs::create_dir(folder.join("sub")).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(&name), &bytes).unwrap();
        fs::write(folder.join("sub").join(name), bytes).unwrap();
    }
}

fn xorriso(image: &Path, source: &Path, settings: &str) {
    run(tool("xorriso")
        .args(["-zisofs", settings, "-outdev"])
        .arg(image)
        .args([OsStr::new("-map"), source.as_os_str(), OsStr::new("/")])
        .args(["-set_filter_r", "--zisofs", "/", "--", "-commit"]));
}

/// Opens an image without warnings, and counts its compressed files.
fn open(image: &Path) -> (Tree, File, usize) {
    let file = File::open(image).unwrap();
    let tree = Tree::open(&file, &Options::default()).unwrap();
    assert!(tree.warnings().is_empty(), "{:?}", tree.warnings());
    let compressed = tree.nodes().filter(|id| tree.node(*id).encoding() == Encoding::Zisofs).count();
    (tree, file, compressed)
}

#[test]
fn every_byte_of_what_others_write() {
    let workshop = Workshop::new("zisofs");
    let source = workshop.folder("source");
    write_sources(&source);
    let image = workshop.path("image.iso");
    for size in ["32k", "64k", "128k"] {
        xorriso(&image, &source, &format!("level=6:block_size={size}"));
        let (tree, file, compressed) = open(&image);
        assert!(compressed > 20, "{compressed} of {} files are compressed", tree.len());
        assert_same(&tree, &file, &source, Attributes::Posix, &[]);
        assert_ranges(&tree, &file, &source);
        fs::remove_file(&image).unwrap();
    }
    let packed = workshop.path("packed");
    run(tool("mkzftree").arg(&source).arg(&packed));
    run(tool("genisoimage").args(["-quiet", "-z", "-R", "-o"]).arg(&image).arg(&packed));
    let (tree, file, compressed) = open(&image);
    assert!(compressed > 20, "{compressed} of {} files are compressed", tree.len());
    assert_same(&tree, &file, &source, Attributes::None, &[]);
    assert_ranges(&tree, &file, &source);
}

/// Reads ranges that start and end anywhere, beyond the end of the file as well.
fn assert_ranges(tree: &Tree, image: &File, source: &Path) {
    let mut random = Random(9);
    let mut buffer = vec![0; 300 * KIB];
    for name in ["mixed", "ends-in-zeros", "text-32769", "text-131072"] {
        let expected = fs::read(source.join(name)).unwrap();
        let file = tree.child(tree.root(), name.as_bytes()).unwrap();
        assert_eq!(tree.node(file).encoding(), Encoding::Zisofs);
        for _ in 0..50 {
            let start = random.below(expected.len() + 10);
            let length = 1 + random.below(buffer.len());
            let expected = expected.get(start..).unwrap_or_default();
            let expected = &expected[..length.min(expected.len())];
            let offset = u64::try_from(start).unwrap();
            let count = tree.read_at(image, file, &mut buffer[..length], offset).unwrap();
            assert!(buffer[..count] == *expected, "{length} bytes of {name} from {start} on");
        }
        assert_eq!(tree.read_at(image, file, &mut buffer, u64::MAX).unwrap(), 0);
    }
}

/// Records the offset and length of each read.
struct Watched<'a>(&'a [u8], RefCell<Vec<(u64, usize)>>);

impl ReadAt for Watched<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.1.borrow_mut().push((offset, buffer.len()));
        self.0.read_at(buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}

#[test]
fn aligned_pieces_read_every_block_once() {
    for exponent in [15, 16, 17] {
        let content = text(1 << 20);
        let disc = zisofs_disc(&pack(&content, exponent), content.len(), 4, exponent);
        let (tree, file) = only_file(&disc);
        let watched = Watched(&disc.bytes, RefCell::new(Vec::new()));
        let mut buffer = vec![0; 128 * KIB];
        for piece in 0..8 {
            let offset = piece * buffer.len();
            let count = tree.read_at(&watched, file, &mut buffer, u64::try_from(offset).unwrap()).unwrap();
            assert!(buffer[..count] == content[offset..offset + count]);
        }
        let reads = watched.1.into_inner();
        // A read of 16 bytes is a header, one of 8 bytes two pointers. All others are compressed blocks.
        let mut blocks: Vec<_> = reads.iter().filter(|(_, length)| *length > 16).collect();
        let count = blocks.len();
        blocks.sort_unstable();
        blocks.dedup();
        assert_eq!((count, blocks.len()), ((1 << 20) >> exponent, count));
        assert_eq!(reads.len(), 8 + 2 * count);
    }
}

#[test]
fn version_two_is_listed_and_refused() {
    let workshop = Workshop::new("zisofs2");
    let source = workshop.folder("source");
    fs::write(source.join("text"), text(500_000)).unwrap();
    let image = workshop.path("image.iso");
    xorriso(&image, &source, "version_2=on:level=6:block_size_v2=256k");
    let file = File::open(&image).unwrap();
    let tree = Tree::open(&file, &Options::default()).unwrap();
    let node = tree.node(tree.child(tree.root(), b"text").unwrap());
    assert_eq!((node.size(), node.encoding(), node.is_readable()), (500_000, Encoding::Zisofs2, false));
    assert_eq!((node.is_damaged(), tree.warnings().count()), (false, 1));
    let error = tree.read_at(&file, node.id(), &mut [0; 9], 0).unwrap_err();
    assert!(matches!(error, Error::Unsupported(Unsupported::Encoding(Encoding::Zisofs2))));
    assert_eq!(error.to_string(), "compressed (zisofs version 2) files are not supported");
}

/// A disc with one compressed file.
fn zisofs_disc(packed: &[u8], size: usize, header_words: u8, exponent: u8) -> Disc {
    file_disc(packed, &zf(b"pz", header_words, exponent, size))
}

fn file_disc(packed: &[u8], attributes: &[u8]) -> Disc {
    let length = u32::try_from(packed.len()).unwrap();
    let file = Record::file(b"Z.;1", 40, length).with(&px(FILE)).with(&nm(0, b"z")).with(attributes);
    let mut disc = rock_disc(&[file]);
    disc.file(b"", 40, packed);
    disc
}

fn only_file(disc: &Disc) -> (Tree, NodeId) {
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    let file = tree.child(tree.root(), b"z").unwrap();
    (tree, file)
}

#[test]
fn what_does_not_add_up_is_an_error() {
    const BLOCK: usize = 32 * KIB;
    let content = text(3 * BLOCK + 100);
    let sound = pack(&content, 15);
    let pointer = |number: usize| 16 + 4 * number;
    let with = |at: usize, bytes: &[u8]| {
        let mut packed = sound.clone();
        packed[at..at + bytes.len()].copy_from_slice(bytes);
        packed
    };
    let value = |number: usize| u32::from_le_bytes(sound[pointer(number)..][..4].try_into().unwrap());
    let with_pointer = |number: usize, value: u32| with(pointer(number), &value.to_le_bytes());
    let second = usize::try_from(value(1)).unwrap();
    // The last block is one byte too short, one byte too long, or a whole block.
    let [shorter, longer, whole] = [99, 101, BLOCK].map(|rest| {
        let mut packed = pack(&text(3 * BLOCK + rest), 15);
        packed[8..12].copy_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
        packed
    });
    let end = u32::try_from(sound.len()).unwrap();
    // The damage, the file, and the blocks that cannot be read.
    let cases: [(&str, Vec<u8>, &[usize]); 18] = [
        ("nothing", sound.clone(), &[]),
        ("nothing, with a tail", [&sound[..], &[9; 5000]].concat(), &[]),
        ("another magic", with(0, &[0x38]), &[0, 1, 2, 3]),
        ("the magic of version 2", with(0, b"\xEF\x22\x55\xA1\xBC\x1B\x95\xA0"), &[0, 1, 2, 3]),
        ("another size in the header", with(8, &[0]), &[0, 1, 2, 3]),
        ("another header size", with(12, &[5]), &[0, 1, 2, 3]),
        ("another block size", with(13, &[16]), &[0, 1, 2, 3]),
        ("a pointer before the blocks", with_pointer(0, value(0) - 1), &[0]),
        ("a pointer into the header", with_pointer(1, 0), &[0, 1]),
        ("pointers that go back", with_pointer(2, value(1) - 1), &[1, 2]),
        ("a pointer behind the end", with_pointer(4, end + 1), &[3]),
        ("a pointer far behind the end", with_pointer(2, u32::MAX), &[1, 2]),
        ("a block cut short", with_pointer(3, value(3) - 9), &[2, 3]),
        ("a block that is none", with(second, &[0xFF; 9]), &[1]),
        ("a wrong checksum", with(second + (usize::try_from(value(2)).unwrap() - second) - 1, &[0xEE]), &[1]),
        ("a block too short", shorter, &[3]),
        ("a block too long", longer, &[3]),
        ("a block far too long", whole, &[3]),
    ];
    for (case, packed, broken) in cases {
        let disc = zisofs_disc(&packed, content.len(), 4, 15);
        let (tree, file) = only_file(&disc);
        assert!(tree.warnings().is_empty() && tree.node(file).is_readable(), "{case}");
        for number in 0..4 {
            let start = number * BLOCK;
            let expected = &content[start..content.len().min(start + BLOCK)];
            // A whole block, and a part of it.
            for (skip, length) in [(0, BLOCK), (50, 20)] {
                let mut buffer = vec![0; length];
                let offset = u64::try_from(start + skip).unwrap();
                match tree.read_at(&disc.bytes, file, &mut buffer, offset) {
                    Ok(count) => {
                        assert!(!broken.contains(&number), "{case}: block {number} was read");
                        let expected = &expected[skip..expected.len().min(skip + length)];
                        assert!(buffer[..count] == *expected, "{case}: block {number}");
                    }
                    Err(Error::Corrupt(Corrupt::CompressedFile)) => {
                        assert!(broken.contains(&number), "{case}: block {number}");
                    }
                    Err(error) => panic!("{case}: {error:?}"),
                }
            }
        }
        let mut all = vec![0; content.len()];
        assert_eq!(tree.read_at(&disc.bytes, file, &mut all, 0).is_ok(), broken.is_empty(), "{case}");
    }
}

#[test]
fn a_block_may_be_a_little_larger_than_before_but_not_twice() {
    // A block that no compressor makes: stored in pieces of one byte, with five more bytes for each.
    let content = noise(32 * KIB);
    let stored: Vec<u8> = content
        .iter()
        .enumerate()
        .flat_map(|(at, byte)| [u8::from(at + 1 == content.len()), 1, 0, 0xFE, 0xFF, *byte])
        .collect();
    let sound = pack(&content, 15);
    assert!(sound.len() > 24 + content.len(), "noise grows when it is compressed");
    let checksum = &sound[sound.len() - 4..];
    let mut packed = [&sound[..24], &[0x78, 0x01], &stored, checksum].concat();
    let end = u32::try_from(packed.len()).unwrap();
    packed[20..24].copy_from_slice(&end.to_le_bytes());
    for (packed, is_read) in [(sound, true), (packed, false)] {
        let disc = zisofs_disc(&packed, content.len(), 4, 15);
        let (tree, file) = only_file(&disc);
        let mut buffer = vec![0; content.len()];
        assert_eq!(tree.read_at(&disc.bytes, file, &mut buffer, 0).is_ok(), is_read);
    }
}

#[test]
fn what_is_known_when_the_image_is_opened() {
    let content = text(40_000);
    let packed = pack(&content, 15);
    type Case<'a> = (&'a str, &'a [u8], Vec<u8>, &'a str, usize);
    let cases: [Case<'_>; 8] = [
        ("sound", &packed, zf(b"pz", 4, 15, 40_000), "z=40000?", 0),
        ("an empty file", b"", zf(b"pz", 4, 15, 0), "z=0?", 0),
        ("no bytes for the pointers", &packed[..27], zf(b"pz", 4, 15, 40_000), "z=40000!?", 1),
        ("four gigabytes in a header", &packed, zf(b"pz", 4, 15, 0xFFFF_FFFF), "z=4294967295!?", 1),
        ("a block size of 16 KiB", &packed[..30], zf(b"pz", 4, 14, 40_000), "z=30!", 1),
        ("a block size of 256 KiB", &packed[..30], zf(b"pz", 4, 18, 40_000), "z=30!", 1),
        ("a header too short", &packed[..30], zf(b"pz", 3, 15, 40_000), "z=30!", 1),
        ("an unknown algorithm", &packed[..30], zf(b"xz", 4, 15, 40_000), "z=30!", 1),
    ];
    for (case, packed, attributes, expected, warnings) in cases {
        let disc = file_disc(packed, &attributes);
        let (tree, file) = only_file(&disc);
        assert_eq!((listing(&tree).as_str(), tree.warnings().count()), (expected, warnings), "{case}");
        let mut buffer = vec![0; 10];
        assert_eq!(tree.read_at(&disc.bytes, file, &mut buffer, 0).is_ok(), warnings == 0, "{case}");
    }
    // The tree without Rock Ridge shows the compressed bytes.
    let disc = zisofs_disc(&packed, content.len(), 4, 15);
    let options = Options { tree: Some(iso_reader::TreeKind::Plain), ..Options::default() };
    let tree = Tree::open(&disc.bytes, &options).unwrap();
    assert_eq!(listing(&tree), format!("z={}", packed.len()));
}
