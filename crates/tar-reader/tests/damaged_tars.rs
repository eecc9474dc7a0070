//! Tars that no program makes, laid out by hand, and damaged ones: the work for each of them is bounded.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::Cell;
use std::io;

use support::{end, entry, header, push, read, seal};
use tar_reader::{BLOCK_BYTES, EXTENSION_BYTES, End, Error, Kind, Member, Members, ReadAt, has_header};

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

/// Asserts what must hold for the members of any bytes.
fn check(members: &[Member], bytes: &[u8]) {
    assert!(members.len() <= bytes.len() / BLOCK_BYTES);
    let mut before = 0;
    for member in members {
        let header = if matches!(member.kind, Kind::Lost | Kind::Stray) { 0 } else { 512 };
        assert!(member.offset.is_multiple_of(512) && member.offset >= before + header, "{member:?}");
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
    use Kind::{Continued, Directory, File, HardLink, Label, Link, Sparse, Special};
    assert_eq!(kinds, [Label, Directory, File, File, Link, HardLink, Sparse, Special, Continued]);
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
    // Records of one member count more than those of all members, in either order.
    entry(&mut tar, b"x", b'x', b"12 path=pax\n");
    entry(&mut tar, b"g", b'g', b"12 path=all\n13 mtime=700\n");
    push(&mut tar, &header(b"short", b'0', b"", 0), b"");
    // No value takes the records of all members back.
    entry(&mut tar, b"g", b'g', b"8 path=\n");
    entry(&mut tar, b"x", b'x', b"11 mtime=6\n");
    let mut block = header(b"odd", b'0', b"", 0);
    block[100..108].copy_from_slice(b"mode 644");
    block[136..148].copy_from_slice(b"yesterday...");
    seal(&mut block);
    push(&mut tar, &block, b"");
    // Records of pax count more than the long names of GNU, in either order.
    entry(&mut tar, b"././@LongLink", b'L', b"of GNU\0");
    entry(&mut tar, b"x", b'x', b"21 path=first of pax\n11 mtime=6\n");
    push(&mut tar, &header(b"short", b'0', b"", 0), b"");
    entry(&mut tar, b"x", b'x', b"22 path=second of pax\n11 mtime=6\n");
    entry(&mut tar, b"././@LongLink", b'L', b"of GNU\0");
    push(&mut tar, &header(b"short", b'0', b"", 0), b"");
    entry(&mut tar, b"g", b'g', b"20 mtime=4294967296\n");
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
    let expected = [
        "pax target 1700000 644",
        "own  5 644",
        "old  0 644",
        "pax  700 644",
        "odd  6 0",
        "first of pax  6 644",
        "second of pax  6 644",
        "binary  4294967296 4755",
    ];
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
        cut(second - 1),
        cut(second + 100),
        (broken(0), "the tar is damaged: there is no header at byte 0".to_owned()),
        (extension(EXTENSION_BYTES + 1), too_long.to_owned()),
    ] {
        let source = bytes.as_slice();
        let mut members = Members::new(&source, bytes.len() as u64);
        let error = members.by_ref().find_map(Result::err).unwrap();
        assert_eq!(error.to_string(), text);
        assert!(members.next().is_none());
    }
    // No program reads a tar whose last block is short, even if all bytes of its file are there.
    assert!(matches!(read(&whole[..512 + 5000]), Err(Error::Truncated { size: 5512 })));
}

/// All programs read a tar that ends between two members, and what follows a block of zeros is never read.
#[test]
fn a_tar_tells_how_it_ends() {
    let mut two = Vec::new();
    entry(&mut two, b"one", b'0', b"1");
    entry(&mut two, b"two", b'0', b"2");
    let tar = |parts: &[&[u8]]| [&[two.as_slice()], parts].concat().concat();
    let mut promise = Vec::new();
    entry(&mut promise, b"x", b'x', b"12 path=abc\n");
    let zeros = |blocks: usize| vec![0; blocks * BLOCK_BYTES];
    for (bytes, expected) in [
        (two.clone(), End::File),
        (tar(&[&[0; 100]]), End::File),
        (tar(&[&zeros(1)]), End::Mark),
        (tar(&[&zeros(20)]), End::Mark),
        (tar(&[&zeros(2), b"what is left of a longer tar"]), End::Mark),
        (tar(&[&zeros(2048)]), End::Mark),
        (tar(&[&zeros(2049)]), End::Early { at: 2048 }),
        (tar(&[&zeros(20), &two, &zeros(2)]), End::Early { at: 2048 }),
        (tar(&[&promise, &zeros(2)]), End::Promise { at: 3072 }),
    ] {
        let source = bytes.as_slice();
        let mut members = Members::new(&source, bytes.len() as u64);
        assert_eq!(members.end(), None);
        assert_eq!(members.by_ref().map(Result::unwrap).count(), 2);
        assert_eq!(members.end(), Some(expected), "{} bytes", bytes.len());
    }
    let cut = tar(&[&promise]);
    assert!(matches!(read(&cut), Err(Error::Truncated { size: 3072 })));
}

/// Names and sizes of a header that extended headers replace decide nothing.
#[test]
fn the_whole_path_tells_a_directory() {
    let cut = [&[b'd'; 99][..], b"/"].concat();
    let whole = [&cut[..], b"file"].concat();
    for kind in [b'0', 0, b'7'] {
        let mut tar = Vec::new();
        entry(&mut tar, b"././@LongLink", b'L', &whole);
        entry(&mut tar, &cut, kind, b"of GNU");
        entry(&mut tar, b"x", b'x', format!("114 path={}\n", whole.escape_ascii()).as_bytes());
        entry(&mut tar, &cut, kind, b"of pax");
        entry(&mut tar, b"x", b'x', b"16 path=folder/\n10 size=0\n");
        push(&mut tar, &header(b"placeholder", kind, b"", 600), b"");
        entry(&mut tar, b"folder/", kind, b"bytes of a directory");
        end(&mut tar);
        let members = read(&tar).unwrap();
        let shown: Vec<_> = members.iter().map(|member| (member.kind, &*member.path, member.size)).collect();
        let expected: [(Kind, &[u8], u64); 4] = [
            (Kind::File, &whole, 6),
            (Kind::File, &whole, 6),
            (Kind::Directory, b"folder/", 0),
            (Kind::Directory, b"folder/", 20),
        ];
        assert_eq!(shown, expected);
        let odd: Vec<bool> = members.iter().map(|member| member.oddity.is_some()).collect();
        assert_eq!(odd, [false, false, false, true]);
    }
}

/// The size of what has no bytes means nothing, but if bytes do follow, the next header is behind them.
#[test]
fn headers_without_data_may_tell_a_size() {
    for (kind, shown, odd) in [
        (b'1', Kind::HardLink, false),
        (b'2', Kind::Link, true),
        (b'3', Kind::Special, true),
        (b'4', Kind::Special, true),
        (b'5', Kind::Directory, true),
        (b'6', Kind::Special, true),
    ] {
        for (bytes, kept) in [(&b""[..], 0), (&[7; 4096], 4096)] {
            let mut tar = Vec::new();
            push(&mut tar, &header(b"odd", kind, b"target", 4096), bytes);
            entry(&mut tar, b"after", b'0', b"all right");
            end(&mut tar);
            let [first, after] = read(&tar).unwrap().try_into().unwrap();
            // pax can store the bytes of a file with each of its names.
            let has_bytes = kind == b'1' && kept > 0;
            assert_eq!(first.kind, if has_bytes { Kind::File } else { shown });
            assert_eq!((first.stored, first.size), (kept, kept));
            assert_eq!(first.oddity.is_some(), odd);
            assert_eq!((after.offset, after.size), (1024 + kept, 9));
        }
    }
}

/// GNU tar, bsdtar, Python and Go go by the checksum alone.
#[test]
fn headers_have_several_magic_numbers_or_none() {
    for (magic, prefix, path) in [
        (&b"ustar\x0000"[..], &b"folder"[..], &b"folder/file"[..]),
        (b"ustar\x0000", b"14521134400", b"14521134400/file"),
        (b"ustar 00", b"folder", b"folder/file"),
        (b"ustar   ", b"folder", b"folder/file"),
        (b"ustar   ", b"14521134400", b"file"),
        (b"ustar  \0", b"14521134400", b"file"),
        (b"\0\0\0\0\0\0\0\0", b"folder", b"file"),
    ] {
        let mut block = header(b"file", b'0', b"", 4);
        block[257..265].copy_from_slice(magic);
        block[345..345 + prefix.len()].copy_from_slice(prefix);
        seal(&mut block);
        assert!(has_header(&block), "{}", magic.escape_ascii());
        let mut tar = Vec::new();
        entry(&mut tar, b"first", b'0', b"1");
        push(&mut tar, &block, b"text");
        entry(&mut tar, b"last", b'0', b"3");
        end(&mut tar);
        let members = read(&tar).unwrap();
        assert_eq!((members.len(), &*members[1].path, members[1].size), (3, path, 4));
    }
}

/// Types that few programs write, and records that make no sense.
#[test]
fn oddities_are_told() {
    let mut tar = Vec::new();
    push(
        &mut tar,
        &{
            let mut label = header(b"label", b'V', b"", 0);
            label[257..265].fill(0);
            seal(&mut label);
            assert!(has_header(&label), "GNU tar writes labels without a magic number");
            label
        },
        b"",
    );
    entry(&mut tar, b"g", b'g', b"25 GNU.volume.label=text\n");
    entry(&mut tar, b"vendor", b'Q', b"what it is");
    entry(&mut tar, b"rest", b'M', b"of a file");
    entry(&mut tar, b"x", b'X', b"16 path=solaris\n");
    entry(&mut tar, b"short", b'0', b"1");
    entry(&mut tar, b"x", b'x', b"12 path=abc\n99 size=1\n");
    entry(&mut tar, b"short", b'0', b"2");
    entry(&mut tar, b"x", b'x', b"11 size=-1\n");
    entry(&mut tar, b"size", b'0', b"3");
    end(&mut tar);
    let members = read(&tar).unwrap();
    let shown: Vec<_> =
        members.iter().map(|member| (member.kind, &*member.path, member.oddity.is_some())).collect();
    let expected: [(Kind, &[u8], bool); 7] = [
        (Kind::Label, b"label", false),
        (Kind::Label, b"text", false),
        (Kind::File, b"vendor", true),
        (Kind::Continued, b"rest", true),
        (Kind::File, b"solaris", false),
        (Kind::File, b"abc", true),
        (Kind::File, b"size", true),
    ];
    assert_eq!(shown, expected);
    let mut negative = header(b"negative", b'0', b"", 0);
    negative[124..136].fill(0xFF);
    seal(&mut negative);
    let bytes = [&two_blocks()[..], &negative, &[0; 1024]].concat();
    let [_, lost] = read(&bytes).unwrap().try_into().unwrap();
    assert_eq!((lost.kind, lost.offset, lost.stored), (Kind::Lost, 1024, 1536));
}

fn two_blocks() -> Vec<u8> {
    let mut tar = Vec::new();
    entry(&mut tar, b"one", b'0', b"1");
    tar
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
