//! What is not lost with a damaged header, an odd size, or a field that makes no sense. GNU tar and bsdtar
//! read all of these tars, and so does this crate, which tells what is odd.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::Cell;
use std::io;

use support::{end, entry, header, push, read, seal};
use tar_reader::{BLOCK_BYTES, Kind, Members, ReadAt, SEARCHED_BYTES};

/// Kind, path and size of each member; where there is damage, the bytes that are skipped.
fn shown(tar: &[u8]) -> Vec<(Kind, String, u64)> {
    let members = read(tar).unwrap();
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    members.iter().map(|member| (member.kind, text(&member.path), member.size.max(member.stored))).collect()
}

/// A tar with the members `one`, of 1,000 bytes, and `two`.
fn two_members() -> Vec<u8> {
    let mut tar = Vec::new();
    entry(&mut tar, b"one", b'0', &[b'1'; 1000]);
    entry(&mut tar, b"two", b'0', &[b'2'; 600]);
    tar
}

#[test]
fn the_members_behind_a_damaged_header_are_read() {
    let one = (Kind::File, "one".to_owned(), 1000);
    let three = (Kind::File, "three".to_owned(), 3);
    let tar = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut tar = two_members();
        change(&mut tar);
        entry(&mut tar, b"three", b'0', b"333");
        end(&mut tar);
        tar
    };
    let second = 512 + 1024;
    let damage = |kind: Kind, count: u64| (kind, String::new(), count);
    // Its magic number shows that it was a header.
    let flipped = tar(&|tar| tar[second] ^= 1);
    assert_eq!(shown(&flipped), [one.clone(), damage(Kind::Lost, 1536), three.clone()]);
    // A hole in the file may have swallowed it, or the size before is wrong.
    let zeros = tar(&|tar| tar[second..second + 512].fill(0));
    assert_eq!(shown(&zeros), [one, damage(Kind::Stray, 1536), three.clone()]);
    // A size that is too small leaves bytes that no header describes.
    let small = tar(&|tar| {
        tar[124..136].copy_from_slice(b"00000000003\0");
        seal(tar.first_chunk_mut().unwrap());
    });
    let two = (Kind::File, "two".to_owned(), 600);
    let first = (Kind::File, "one".to_owned(), 3);
    assert_eq!(shown(&small), [first, damage(Kind::Stray, 512), two, three]);
    // The extended header before a lost member does not belong to the next.
    let mut extended = Vec::new();
    entry(&mut extended, b"one", b'0', b"1");
    entry(&mut extended, b"x", b'x', b"14 path=other\n");
    extended.extend([b'?'; BLOCK_BYTES]);
    entry(&mut extended, b"three", b'0', b"333");
    end(&mut extended);
    assert_eq!(shown(&extended)[1..], [damage(Kind::Lost, 512), (Kind::File, "three".to_owned(), 3)]);
}

/// The search for the next header ends in time, and at the end of the file.
#[test]
fn what_follows_damage_is_searched_within_a_bound() {
    let junk = |bytes: u64| [two_members(), vec![b'?'; usize::try_from(bytes).unwrap()]].concat();
    assert_eq!(shown(&junk(5000))[2..], [(Kind::Stray, String::new(), 5000)]);
    let error = read(&junk(SEARCHED_BYTES + 1024)).unwrap_err().to_string();
    assert_eq!(error, "the tar is damaged: there is no header at byte 3072");
}

/// An incremental tar lists the names in each directory behind its header: for an empty one, a zero.
#[test]
fn bytes_behind_a_header_may_begin_with_zeros() {
    for (kind, names) in [(b'D', &b"\0"[..]), (b'D', b"Yfile\0\0"), (b'1', &[0; 700])] {
        let mut tar = Vec::new();
        push(&mut tar, &header(b"folder/", kind, b"target", names.len()), names);
        entry(&mut tar, b"after", b'0', b"all right");
        end(&mut tar);
        let [first, after] = read(&tar).unwrap().try_into().unwrap();
        assert_eq!(first.kind, if kind == b'D' { Kind::Directory } else { Kind::File });
        assert_eq!((first.oddity, after.size), (None, 9));
    }
}

#[test]
fn names_and_records_are_read_as_others_read_them() {
    type Extension = (u8, &'static [u8]);
    let cases: [(&[Extension], &str, bool); 6] = [
        (&[(b'x', b"12 path=a\0b\n")], "a", true),
        (&[(b'x', b"13  path=abc\n")], "abc", false),
        (&[(b'x', b"+12 path=ab\n")], "own", true),
        (&[(b'x', b"12 path=abc\n"), (b'x', b"11 mtime=9\n")], "own", true),
        (&[(b'L', b"long\0"), (b'x', b"11 mtime=9\n")], "long", false),
        (&[(b'L', b"\0")], "own", true),
    ];
    for (extensions, path, is_odd) in cases {
        let mut tar = Vec::new();
        for (kind, bytes) in extensions {
            entry(&mut tar, b"extension", *kind, bytes);
        }
        entry(&mut tar, b"own", b'0', b"");
        end(&mut tar);
        let [member] = read(&tar).unwrap().try_into().unwrap();
        assert_eq!((&*member.path, member.oddity.is_some()), (path.as_bytes(), is_odd), "{extensions:?}");
    }
}

/// A tar that counts the bytes that are read of it.
struct Counted<'a> {
    bytes: &'a [u8],
    read: Cell<usize>,
}

impl ReadAt for Counted<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read.set(self.read.get() + buffer.len());
        self.bytes.read_exact_at(buffer, offset)
    }
}

/// A tar that is damaged everywhere is read a few times at most, not once for each damage.
#[test]
fn many_damaged_headers_cost_no_more_than_the_tar() {
    let mut tar = Vec::new();
    for _ in 0..1000 {
        entry(&mut tar, b"one", b'0', b"");
        tar.extend([b'?'; BLOCK_BYTES]);
    }
    end(&mut tar);
    let source = Counted { bytes: &tar, read: Cell::new(0) };
    assert_eq!(Members::new(&source, tar.len() as u64).count(), 2000);
    assert!(source.read.get() < 3 * tar.len(), "{} of {} bytes", source.read.get(), tar.len());
}
