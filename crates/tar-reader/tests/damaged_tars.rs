//! Tars that no program makes, laid out by hand, and damaged ones: the work for each of them is bounded.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::io;

use tar_reader::{BLOCK_BYTES, EXTENSION_BYTES, Error, Kind, Member, Members, ReadAt, has_header};

const KINDS: &[u8] = b"01257DSVxgLKMA0000";

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

fn header(name: &[u8], kind: u8, target: &[u8], size: usize) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let size = format!("{size:011o}\0");
    for (at, bytes) in [
        (0, name),
        (100, b"0000644\0"),
        (124, size.as_bytes()),
        (136, b"00000000005\0"),
        (157, target),
        (257, b"ustar\x0000"),
    ] {
        block[at..at + bytes.len()].copy_from_slice(bytes);
    }
    block[156] = kind;
    seal(&mut block);
    block
}

fn seal(block: &mut [u8; BLOCK_BYTES]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn push(tar: &mut Vec<u8>, header: &[u8; BLOCK_BYTES], bytes: &[u8]) {
    tar.extend(header);
    tar.extend(bytes);
    tar.resize(tar.len().next_multiple_of(BLOCK_BYTES), 0);
}

fn entry(tar: &mut Vec<u8>, name: &[u8], kind: u8, bytes: &[u8]) {
    push(tar, &header(name, kind, b"", bytes.len()), bytes);
}

fn end(tar: &mut Vec<u8>) {
    tar.extend([0; 2 * BLOCK_BYTES]);
}

fn read(bytes: &[u8]) -> Result<Vec<Member>, Error> {
    Members::new(&bytes, bytes.len() as u64).collect()
}

/// Asserts what must hold for the members of any bytes.
fn check(members: &[Member], bytes: &[u8]) {
    assert!(members.len() <= bytes.len() / BLOCK_BYTES);
    let mut before = 0;
    for member in members {
        assert!(member.offset.is_multiple_of(512) && member.offset >= before + 512, "{member:?}");
        before = member.offset + member.stored;
        assert!(before <= bytes.len() as u64, "{member:?}");
        assert!(member.kind == Kind::Sparse || member.size == member.stored, "{member:?}");
        assert!(member.kind != Kind::HardLink || member.stored == 0, "{member:?}");
        assert!(member.path.len().max(member.target.len()) as u64 <= EXTENSION_BYTES);
        assert!(member.mode <= 0o7777);
    }
}

/// A tar with a header of each type.
fn whole() -> Vec<u8> {
    let mut tar = Vec::new();
    entry(&mut tar, b"label", b'V', b"");
    entry(&mut tar, b"comment", b'g', b"10 a=bcde\n");
    entry(&mut tar, b"directory/", b'5', b"");
    entry(&mut tar, b"directory/file", b'0', &[7; 700]);
    entry(&mut tar, b"x", b'x', b"18 path=pax/named\n13 size=1000\n");
    entry(&mut tar, b"short", b'0', &[8; 1000]);
    entry(&mut tar, b"././@LongLink", b'L', b"long/name\0");
    push(&mut tar, &header(b"link", b'2', b"../file", 0), b"");
    push(&mut tar, &header(b"hard", b'1', b"directory/file", 700), b"");
    entry(&mut tar, b"sparse", b'S', &[9; 512]);
    entry(&mut tar, b"device", b'3', b"");
    entry(&mut tar, b"part", b'M', b"of a file");
    end(&mut tar);
    tar
}

#[test]
fn a_damaged_tar_ends_in_an_error_or_in_other_members() {
    let whole = whole();
    assert!(has_header(&whole) && !has_header(&whole[..BLOCK_BYTES - 1]) && !has_header(&[0; BLOCK_BYTES]));
    let members = read(&whole).unwrap();
    let kinds: Vec<Kind> = members.iter().map(|member| member.kind).collect();
    use Kind::{Directory, File, HardLink, Label, Link, Other, Sparse, Special};
    assert_eq!(kinds, [Label, Directory, File, File, Link, HardLink, Sparse, Special, Other]);
    check(&members, &whole);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut accepted) = (0, 0);
    for _ in 0..4000 {
        let mut bytes = whole.clone();
        for _ in 0..=numbers.below(4) {
            // Numbers, kinds and records matter more than the rest of a header.
            let block = numbers.below(bytes.len() / BLOCK_BYTES) * BLOCK_BYTES;
            let (begin, length) = [(0, BLOCK_BYTES), (124, 24), (156, 1), (0, 32)][numbers.below(4)];
            let at = block + begin + numbers.below(length);
            bytes[at] = match numbers.below(5) {
                0 => 0xff,
                1 => KINDS[numbers.below(KINDS.len())],
                2 => b"/.01789 \n="[numbers.below(10)],
                3 => bytes[at] ^ (1 << numbers.below(8)),
                _ => u8::try_from(numbers.below(256)).unwrap(),
            };
        }
        for block in bytes.as_chunks_mut::<BLOCK_BYTES>().0 {
            if block[257..262] == *b"ustar" {
                seal(block);
            }
        }
        if numbers.below(8) == 0 {
            bytes.truncate(numbers.below(whole.len()));
        }
        match read(&bytes) {
            Ok(members) => {
                check(&members, &bytes);
                accepted += 1;
            }
            Err(Error::NoHeader { .. } | Error::LongExtension { .. } | Error::Truncated { .. }) => {
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused > 500 && accepted > 500, "{refused} refused, {accepted} accepted");
}

/// Where GNU tar marks that a map continues, and has the size with holes, POSIX has the end of a long path.
#[test]
fn only_the_maps_of_gnu_go_on_behind_the_header() {
    let mut tar = Vec::new();
    entry(&mut tar, b"x", b'x', b"22 GNU.sparse.major=1\n");
    let mut block = header(b"sparse", b'0', b"", 5);
    block[345..500].fill(b'7');
    seal(&mut block);
    push(&mut tar, &block, b"bytes");
    entry(&mut tar, b"after", b'0', b"all right");
    end(&mut tar);
    let members = read(&tar).unwrap();
    let shown: Vec<_> = members.iter().map(|member| (member.kind, member.offset, member.size)).collect();
    assert_eq!(shown, [(Kind::Sparse, 1536, 5), (Kind::File, 2560, 9)]);
    check(&members, &tar);
}

/// Records hold for one member. Fields that are malformed, or not in a header, count as 0.
#[test]
fn extended_fields_replace_those_of_one_header() {
    let mut tar = Vec::new();
    let records = b"12 path=pax\n19 linkpath=target\n19 mtime=1700000.5\n";
    entry(&mut tar, b"x", b'x', records);
    push(&mut tar, &header(b"short", b'2', b"short", 0), b"");
    entry(&mut tar, b"own", b'0', b"");
    entry(&mut tar, b"x", b'x', b"12 mtime=-5\n");
    entry(&mut tar, b"old", b'0', b"");
    // Records before those of all members are lost, as their member would follow at once.
    entry(&mut tar, b"x", b'x', b"12 path=pax\n");
    entry(&mut tar, b"g", b'g', b"12 path=all\n");
    let mut block = header(b"odd", b'0', b"", 0);
    block[100..108].copy_from_slice(b"mode 644");
    block[136..148].copy_from_slice(b"yesterday...");
    seal(&mut block);
    push(&mut tar, &block, b"");
    let mut block = header(b"binary", b'0', b"", 0);
    block[100..108].copy_from_slice(b"0104755\0");
    block[136..148].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    seal(&mut block);
    push(&mut tar, &block, b"");
    end(&mut tar);
    let shown: Vec<_> = read(&tar)
        .unwrap()
        .iter()
        .map(|member| {
            let texts = (member.path.escape_ascii(), member.target.escape_ascii());
            format!("{} {} {} {:o}", texts.0, texts.1, member.modified, member.mode)
        })
        .collect();
    let expected =
        ["pax target 1700000 644", "own  5 644", "old  0 644", "odd  0 0", "binary  4294967296 4755"];
    assert_eq!(shown, expected);
}

/// A size of 8 GiB and more need not fit its field. A sparse file has its name and size in records of its
/// own.
#[test]
fn sizes_and_names_in_records_count() {
    let mut tar = Vec::new();
    entry(&mut tar, b"x", b'x', b"12 size=600\n");
    push(&mut tar, &header(b"large", b'0', b"", 0), &[1; 600]);
    entry(&mut tar, b"x", b'x', b"12 size=6oo\n");
    entry(&mut tar, b"odd", b'0', &[2; 7]);
    entry(&mut tar, b"x", b'x', b"25 GNU.sparse.name=holes\n28 GNU.sparse.realsize=9000\n12 path=map\n");
    entry(&mut tar, b"short", b'0', &[3; 8]);
    // Records of a sparse file make no other kind one, and old formats know a directory by its final `/`.
    entry(&mut tar, b"x", b'x', b"22 GNU.sparse.major=1\n");
    entry(&mut tar, b"folder/", b'0', b"");
    entry(&mut tar, b"after", b'7', b"");
    end(&mut tar);
    let members = read(&tar).unwrap();
    let shown: Vec<_> = members
        .iter()
        .map(|member| (member.kind, &*member.path, member.offset, member.stored, member.size))
        .collect();
    let expected: [(Kind, &[u8], u64, u64, u64); 5] = [
        (Kind::File, b"large", 1536, 600, 600),
        (Kind::File, b"odd", 4096, 7, 7),
        (Kind::Sparse, b"holes", 6144, 8, 9000),
        (Kind::Directory, b"folder/", 8192, 0, 0),
        (Kind::File, b"after", 8704, 0, 0),
    ];
    assert_eq!(shown, expected);
}

/// Old programs summed the bytes of a header as signed numbers.
#[test]
fn a_header_has_a_checksum_of_either_sign() {
    let mut block = header("grüße".as_bytes(), b'0', b"", 0);
    assert!(has_header(&block));
    let negative = u32::try_from(block.iter().filter(|byte| **byte >= 0x80).count()).unwrap();
    let recorded = u32::from_str_radix(std::str::from_utf8(&block[148..154]).unwrap(), 8).unwrap();
    for (sum, is_sound) in [(recorded - 256 * negative, true), (recorded + 1, false), (recorded - 256, false)]
    {
        block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        assert_eq!(has_header(&block), is_sound, "{sum}");
    }
}

/// An error is told once, with its place, and ends the walk.
#[test]
fn what_is_cut_or_broken_is_told_with_its_place() {
    let mut whole = Vec::new();
    entry(&mut whole, b"one", b'0', &[b'1'; 5000]);
    entry(&mut whole, b"two", b'0', b"2");
    end(&mut whole);
    let second = 512 + 5120;
    let broken = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let cut = |size: usize| {
        let text = format!("the tar is cut short: it goes on where the file ends, after {size} bytes");
        (whole[..size].to_vec(), text)
    };
    let extension = |size: u64| {
        let size = usize::try_from(size).unwrap();
        let mut tar = Vec::new();
        entry(&mut tar, b"x", b'L', &vec![b'n'; size]);
        entry(&mut tar, b"file", b'0', b"");
        end(&mut tar);
        tar
    };
    let long = extension(EXTENSION_BYTES);
    assert_eq!(read(&long).unwrap()[0].path.len() as u64, EXTENSION_BYTES);
    let too_long = "the tar is damaged: the extended header at byte 512 is too long";
    for (bytes, text) in [
        cut(0),
        cut(3000),
        cut(second - 200),
        cut(second),
        cut(second + 100),
        cut(whole.len() - 1024),
        (broken(second), "the tar is damaged: there is no header at byte 5632".to_owned()),
        (broken(0), "the tar is damaged: there is no header at byte 0".to_owned()),
        (extension(EXTENSION_BYTES + 1), too_long.to_owned()),
    ] {
        let source = bytes.as_slice();
        let mut members = Members::new(&source, bytes.len() as u64);
        let error = members.by_ref().find_map(Result::err).unwrap();
        assert_eq!(error.to_string(), text);
        assert!(members.next().is_none());
    }
    // The last block of data may be short, but only if nothing had to follow it.
    assert!(matches!(read(&whole[..512 + 5000]), Err(Error::Truncated { size: 5512 })));
}

/// The source may be longer than the tar, and the size of a member larger than any number of the host.
#[test]
fn no_member_leads_outside_of_the_tar() {
    let mut tar = Vec::new();
    entry(&mut tar, b"file", b'0', &[1; 1024]);
    end(&mut tar);
    let source = tar.as_slice();
    for size in [512, 1024, 1535] {
        let first = Members::new(&source, size).next().unwrap();
        assert!(matches!(first, Err(Error::Truncated { size: told }) if told == size), "{size}");
    }
    assert!(Members::new(&source, 1536).next().unwrap().is_ok());
    for last in [0, 0xff] {
        let mut block = header(b"huge", b'0', b"", 0);
        block[124..136].copy_from_slice(&[0x80, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, last]);
        seal(&mut block);
        let bytes = [&block[..], &tar].concat();
        assert!(matches!(read(&bytes), Err(Error::Truncated { .. })), "{last}");
    }
}

/// A source that has one header again and again, until it fails.
struct Failing {
    header: [u8; BLOCK_BYTES],
    reads: Cell<u64>,
    fails_after: u64,
}

impl ReadAt for Failing {
    fn read_exact_at(&self, buffer: &mut [u8], _offset: u64) -> io::Result<()> {
        self.reads.set(self.reads.get() + 1);
        if self.reads.get() > self.fails_after {
            return Err(io::Error::other("the disk is on fire"));
        }
        buffer.copy_from_slice(&self.header);
        Ok(())
    }
}

#[test]
fn a_failing_source_is_no_damage() {
    let source = Failing { header: header(b"file", b'0', b"", 0), reads: Cell::new(0), fails_after: 2 };
    let mut members = Members::new(&source, u64::MAX);
    assert!(members.next().unwrap().is_ok() && members.next().unwrap().is_ok());
    let error = members.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the tar cannot be read");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is on fire");
    assert!(members.next().is_none());
}
