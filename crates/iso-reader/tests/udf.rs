//! UDF volumes laid out by hand, rare ones and broken ones, each with its expected outcome. Damage is local,
//! and nothing loops.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::time::{Duration, Instant};

use iso_reader::{
    Corrupt, Error, ExtentData, LimitReached, Limits, Matching, Options, Tree, TreeKind, Unsupported,
};
use support::disc::{Disc, Record, SECTOR};
use support::susp::{er, sp};
use support::udf::{
    CONTINUED, DELETED, DIRECTORY, EMBEDDED, EXTENDED_FILE_ENTRY, Entry, FILE, HIDDEN, LINK, LONG, ROOT,
    SHORT, UNALLOCATED, UNWRITTEN, Volume, latin, long, name, short, tagged, type_2_map,
};
use support::{Large, listing};

fn open(volume: &Volume) -> Result<Tree, Error> {
    let start = Instant::now();
    let tree = Tree::open(&volume.bytes, &Options::default());
    assert!(start.elapsed() < Duration::from_secs(5), "it takes too long");
    tree
}

/// Asserts the tree of a volume and the number of its warnings.
fn check(case: &str, volume: &Volume, expected: &str, warnings: usize) {
    let tree = open(volume).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(listing(&tree), expected, "{case}: {:?}", tree.warnings());
    assert_eq!(tree.warnings().count(), warnings, "{case}: {:?}", tree.warnings());
    assert_eq!(tree.volume().kind(), TreeKind::Udf, "{case}");
}

/// A volume with a file `a` of five bytes in block 2, and further names in its root.
fn volume_with(names: &[Vec<u8>]) -> Volume {
    let mut volume = Volume::new();
    add_names(&mut volume, names);
    volume
}

fn add_names(volume: &mut Volume, names: &[Vec<u8>]) {
    volume.entry(2, &Entry::embedded(FILE, b"alpha"));
    volume.directory(ROOT, &[&[volume.name("a", 2)], names].concat());
}

/// A volume with `a` and a file `b`, described by `entry` in block 3.
fn volume_of(entry: &Entry) -> Volume {
    let mut volume = volume_with(&[Volume::new().name("b", 3)]);
    volume.entry(3, entry);
    volume
}

fn content(tree: &Tree, volume: &Volume, path: &str) -> Vec<u8> {
    let id = tree.resolve_path(path, Matching::Exact).unwrap();
    let mut bytes = vec![0xEE; usize::try_from(tree.node(id).size()).unwrap()];
    assert_eq!(tree.read_at(&volume.bytes, id, &mut bytes, 0).unwrap(), bytes.len());
    bytes
}

#[test]
fn what_a_volume_says_of_itself() {
    for block_size in [512, 1024, 2048, 4096] {
        let mut volume = Volume::with_block_size(block_size);
        add_names(&mut volume, &[]);
        check("sound", &volume, "a=5", 0);
        let tree = open(&volume).unwrap();
        let about = tree.volume();
        assert_eq!((about.label(), about.application()), ("LABEL", "builder"));
        assert_eq!(about.created(), Some(1_709_210_096 - 3600));
        assert_eq!(u64::from(about.block_size()), u64::try_from(block_size).unwrap());
        assert_eq!(about.available(), [TreeKind::Udf]);
        assert_eq!(about.declared_size() + u64::from(about.block_size()), about.image_size());
        let node = tree.node(tree.resolve_path("A", Matching::Lenient).unwrap());
        assert_eq!((node.mode(), node.modified()), (0o754, 1_709_210_096 - 3600));
        assert_eq!(content(&tree, &volume, "a"), b"alpha");
        // The bytes inside the entry are a range of the image, as others are.
        let extents: Vec<_> = tree.extents(node.id()).collect();
        let at = volume.offset(0, 2) + 176;
        assert_eq!((extents.len(), extents[0].offset), (1, u64::try_from(at).unwrap()));
    }
}

#[test]
fn anchors_in_all_places() {
    for block_size in [512, 1024, 2048, 4096] {
        let mut sound = Volume::with_block_size(block_size);
        add_names(&mut sound, &[]);
        let blocks = u32::try_from(sound.bytes.len() / block_size).unwrap();
        let last = sound.sector(blocks - 1);
        for (case, sector, size) in
            [("at 256", 256, 300), ("behind the end but 256", 301, 301 + 257), ("the last", 299, 300)]
        {
            let mut volume = sound.clone();
            volume.put(last, &[0; 512]);
            assert!(matches!(open(&volume), Err(Error::Corrupt(Corrupt::UdfAnchor))));
            volume.anchor(sector);
            volume.bytes.resize(volume.sector(size), 0);
            check(case, &volume, "a=5", 0);
        }
    }
}

/// A case, the size of a file, its descriptors, its bytes, and the number of its extents.
type FormCase = (&'static str, u64, Vec<Vec<u8>>, Vec<u8>, usize);

/// Files whose descriptors have one form. `part` makes a descriptor, and `bytes` are those from block 20 on.
fn form_cases(part: impl Fn(u32, u32) -> Vec<u8>, bytes: &[u8]) -> Vec<FormCase> {
    vec![
        ("empty", 0, vec![], vec![], 0),
        ("one extent", 1500, vec![part(1500, 20)], bytes[..1500].to_vec(), 1),
        ("cut to its size", 100, vec![part(1024, 20)], bytes[..100].to_vec(), 1),
        ("extents that go on", 1500, vec![part(512, 20), part(1024, 21)], bytes[..1500].to_vec(), 1),
        (
            "apart",
            600,
            vec![part(512, 22), part(512, 20), part(512, 99)],
            [&bytes[1024..1536], &bytes[..88]].concat(),
            2,
        ),
        (
            "holes",
            1736,
            vec![part(512 | UNWRITTEN, 20), part(512 | UNALLOCATED, 0), part(712, 20)],
            [&[0; 1024], &bytes[..712]].concat(),
            2,
        ),
        ("only a hole", 700, vec![part(1024 | UNALLOCATED, 0)], vec![0; 700], 1),
        (
            "ended by an empty one",
            512,
            vec![part(512, 20), part(0, 0), part(512, 21)],
            bytes[..512].to_vec(),
            1,
        ),
        (
            "one in the middle that ends inside a block, as Linux leaves some",
            1100,
            vec![part(8, 22), part(100 | UNALLOCATED, 0), part(512, 20)],
            [&bytes[1024..1536], &[0; 512], &bytes[..76]].concat(),
            3,
        ),
        (
            "a chain",
            1536,
            vec![part(512, 20), part(512 | CONTINUED, 30)],
            [&bytes[..512], &bytes[1024..1536], &bytes[512..1024]].concat(),
            3,
        ),
    ]
}

#[test]
fn files_of_all_forms() {
    let mut volume = volume_with(&[]);
    let bytes: Vec<u8> = (0..2000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    volume.put(volume.offset(0, 20), &bytes);
    let descriptor = |form: u16, length: u32, block: u32| match form {
        SHORT => short(length, block),
        _ => long(length, block, 0),
    };
    for kind in [support::udf::FILE_ENTRY, EXTENDED_FILE_ENTRY] {
        for form in [SHORT, LONG] {
            let part = |length, block| descriptor(form, length, block);
            volume.allocation(30, &[part(512, 22), part(512 | CONTINUED, 31)].concat());
            volume.allocation(31, &part(512, 21));
            for (case, size, parts, expected, extents) in form_cases(part, &bytes) {
                let mut volume = volume.clone();
                volume.directory(ROOT, &[volume.name("b", 3)]);
                let entry = Entry::new(FILE, form, size, &parts.concat());
                volume.entry(3, &Entry { kind, attributes: vec![0xAA; 40], ..entry });
                check(case, &volume, &format!("b={size}"), 0);
                let tree = open(&volume).unwrap();
                assert_eq!(content(&tree, &volume, "b"), expected, "{case}");
                let file = tree.resolve_path("b", Matching::Exact).unwrap();
                assert_eq!(tree.extents(file).len(), extents, "{case}");
            }
        }
    }
}

#[test]
fn a_hole_larger_than_the_image_is_zeros() {
    let size = 5 << 30;
    let parts = (0..5).map(|_| short(((1 << 30) - 512) | UNALLOCATED, 0)).collect::<Vec<_>>().concat();
    let rest = short((5 * 512) | UNWRITTEN, 9);
    let volume = volume_of(&Entry::new(FILE, SHORT, size, &[parts, rest].concat()));
    check("hole", &volume, &format!("a=5 b={size}"), 0);
    let tree = open(&volume).unwrap();
    let file = tree.resolve_path("b", Matching::Exact).unwrap();
    let extents: Vec<_> = tree.extents(file).map(|extent| (extent.length, extent.data)).collect();
    assert_eq!(extents, [(size, ExtentData::Zeros)]);
    let mut bytes = [1; 100];
    assert_eq!(tree.read_at(&volume.bytes, file, &mut bytes, size - 60).unwrap(), 60);
    assert_eq!(bytes[..61], [&[0; 60][..], &[1]].concat());
}

#[test]
fn directories_of_all_forms() {
    let mut volume = Volume::new();
    volume.entry(2, &Entry::embedded(FILE, b"alpha"));
    // Names that cross from block to block, in blocks that lie apart.
    let names: Vec<Vec<u8>> = (0..30).map(|at| volume.name(&format!("name number {at:02}"), 2)).collect();
    let names = names.concat();
    assert!(names.len() > 3 * 512 && names.len() < 4 * 512);
    for (at, block) in [(0, 40), (1, 44), (2, 42), (3, 50)] {
        volume.put(volume.offset(0, block), &names[at * 512..names.len().min(at * 512 + 512)]);
    }
    let parts = [short(512, 40), short(512, 44), short(512, 42), short(512, 50)].concat();
    let size = u64::try_from(names.len()).unwrap();
    volume.entry(3, &Entry::new(DIRECTORY, SHORT, size, &parts));
    volume.directory(ROOT, &[volume.name("d", 3)]);
    let tree = open(&volume).unwrap();
    assert_eq!((tree.len(), tree.warnings().count()), (32, 0));
    assert!(tree.resolve_path("d/name number 29", Matching::Exact).is_ok());
}

#[test]
fn files_and_directories_may_have_several_names() {
    let own = Volume::new();
    let names = [own.name("hard", 2), own.name("d", 3), own.name("e", 3), own.name("root", ROOT)];
    let mut volume = volume_with(&names);
    volume.directory(3, &[own.name("deep", 2), own.name("d", 3)]);
    check("links", &volume, "a=5 d/ d/d/! d/deep=5 e->/d hard=5 root/!", 3);

    let mut mutual = volume_with(&[own.name("d", 3)]);
    mutual.directory(3, &[own.name("e", 4)]);
    mutual.directory(4, &[own.name("d", 3), own.name("f", 4), own.name("g", ROOT)]);
    check("each other", &mutual, "a=5 d/ d/e/ d/e/d/! d/e/f/! d/e/g/!", 3);
}

#[test]
fn links() {
    let parts = |parts: &[(u8, &[u8])]| -> Vec<u8> {
        let encode = |(kind, text): &(u8, &[u8])| {
            let mut part = vec![*kind, u8::try_from(text.len()).unwrap(), 0, 0];
            part.extend(*text);
            part
        };
        parts.iter().flat_map(encode).collect()
    };
    let cases: Vec<(&str, Vec<u8>, &str, usize)> = vec![
        ("beside", parts(&[(5, b"\x08a")]), "a=5 b->a", 0),
        ("up and down", parts(&[(3, b""), (4, b""), (5, b"\x10\0d")]), "a=5 b->.././d", 0),
        ("from the root", parts(&[(2, b""), (5, b"\x08a")]), "a=5 b->/a", 0),
        ("nothing", vec![], "a=5 b->", 0),
        ("half a pair", parts(&[(5, b"\x10\xD8\0")]), "a=5 b->\\xef\\xbf\\xbd", 1),
        ("another volume's root", parts(&[(1, b"\x08x")]), "a=5", 1),
        ("unknown", parts(&[(6, b"")]), "a=5", 1),
        ("cut off", vec![5, 9, 0, 0, 8], "a=5", 1),
        ("a slash", parts(&[(5, b"\x08x/y")]), "a=5", 1),
    ];
    for (case, body, expected, warnings) in cases {
        check(case, &volume_of(&Entry::embedded(LINK, &body)), expected, warnings);
    }
    check("too long", &volume_of(&Entry::new(LINK, SHORT, 9000, &short(9000, 20))), "a=5", 1);
    check("outside", &volume_of(&Entry::new(LINK, SHORT, 90, &short(90, 1 << 20))), "a=5", 1);
    let volume = volume_of(&Entry::embedded(LINK, &parts(&[(2, b""), (5, b"\x08a")])));
    let tree = open(&volume).unwrap();
    assert_eq!(tree.resolve_path("b", Matching::Exact), tree.resolve_path("a", Matching::Exact));
}

#[test]
fn names() {
    let named = |text: &[u8], characteristics: u8| name(text, characteristics, 2, 0);
    let long_name = "n".repeat(254);
    let with_long_name = format!("a=5 {long_name}=5");
    let cases: Vec<(&str, Vec<u8>, &str, usize)> = vec![
        ("Latin-1", named(b"\x08caf\xE9", 0), "a=5 caf\\xc3\\xa9=5", 0),
        ("UTF-16", named(b"\x10\0b\xD8\x3D\xDE\x80", 0), "a=5 b\\xf0\\x9f\\x9a\\x80=5", 0),
        ("hidden", named(b"\x08b", HIDDEN), "a=5 b=5", 0),
        ("deleted", named(b"\x08b", DELETED), "a=5", 0),
        ("the form of deleted ones", named(b"\xFEb", 0), "a=5 b=5", 0),
        ("half a pair", named(b"\x10\0b\xD8\x3D", 0), "a=5 b\\xef\\xbf\\xbd=5", 1),
        ("half a character", named(b"\x10\0b\0", 0), "a=5 b=5", 1),
        ("unknown form", named(b"\x09b", 0), "a=5", 1),
        ("empty", named(b"\x08", 0), "a=5", 1),
        ("nothing", named(b"", 0), "a=5", 1),
        ("dot", named(b"\x08.", 0), "a=5", 1),
        ("dots", named(b"\x10\0.\0.", 0), "a=5", 1),
        ("slash", named(b"\x08x/y", 0), "a=5", 1),
        ("slash in UTF-16", named(b"\x10\0x\0/", 0), "a=5", 1),
        ("NUL", named(b"\x08x\0y", 0), "a=5", 1),
        ("duplicate", named(b"\x08a", 0), "a=5", 1),
        ("long", named(&latin(&long_name), 0), &with_long_name, 0),
    ];
    for (case, name, expected, warnings) in cases {
        let mut volume = Volume::new();
        volume.entry(2, &Entry::embedded(FILE, b"alpha"));
        // The names of the root are outside its entry, because some are long.
        let names = [volume.name("a", 2), name].concat();
        volume.put(volume.offset(0, 20), &names);
        let size = u32::try_from(names.len()).unwrap();
        volume.entry(ROOT, &Entry::new(DIRECTORY, SHORT, u64::from(size), &short(size, 20)));
        check(case, &volume, expected, warnings);
    }
}

#[test]
fn bad_names_cost_only_themselves() {
    let own = Volume::new();
    let sound = own.name("b", 2);
    let broken = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut name = own.name("x", 2);
        change(&mut name);
        name
    };
    let cases: Vec<(&str, Vec<Vec<u8>>, &str, usize)> = vec![
        ("sound", vec![sound.clone()], "a=5 b=5", 0),
        ("no tag", vec![broken(&|name| name[0] = 9), sound.clone()], "a=5 b=5", 1),
        ("zeros", vec![vec![0; 40], sound.clone()], "a=5 b=5", 1),
        ("zeros at the end", vec![sound.clone(), vec![0; 16]], "a=5 b=5", 1),
        ("three bytes at the end", vec![sound.clone(), vec![0; 3]], "a=5 b=5", 1),
        ("a wrong CRC", vec![broken(&|name| name[39] = b'y'), sound.clone()], "a=5 b=5 y=5", 1),
        ("a name across the end", vec![broken(&|name| name[19] = 200), sound.clone()], "a=5 b=5", 1),
        ("use across the end", vec![sound.clone(), broken(&|name| name[37] = 0xFF)], "a=5 b=5", 1),
        ("cut off", vec![sound.clone(), own.name("x", 2)[..37].to_vec()], "a=5 b=5", 1),
        ("no padding", vec![own.name("x", 2), sound[..40].to_vec()], "a=5 b=5 x=5", 0),
    ];
    for (case, names, expected, warnings) in cases {
        check(case, &volume_with(&names), expected, warnings);
    }
}

#[test]
fn bad_entries_cost_only_themselves() {
    let own = Volume::new();
    let sound = Entry::embedded(FILE, b"beta");
    let patched = |at: usize, bytes: &[u8]| {
        let mut volume = volume_of(&sound);
        volume.put(volume.offset(0, 3) + at, bytes);
        volume
    };
    let entry = |change: &dyn Fn(&mut Entry)| {
        let mut entry = sound.clone();
        change(&mut entry);
        volume_of(&entry)
    };
    let overlong = {
        let mut volume = volume_of(&sound);
        let mut bytes = sound.encode(3);
        bytes[172..176].copy_from_slice(&600_u32.to_le_bytes());
        volume.put(volume.offset(0, 3), &tagged(261, 3, &bytes[16..]));
        volume
    };
    let misplaced = {
        let mut volume = volume_of(&sound);
        volume.put(volume.offset(0, 3), &sound.encode(4));
        volume
    };
    let cases: Vec<(&str, Volume, &str, usize)> = vec![
        ("sound", volume_of(&sound), "a=5 b=4", 0),
        ("a wrong checksum", patched(4, &[0xFF]), "a=5 b=0!", 1),
        ("a wrong CRC", patched(60, &[0xFF]), "a=5 b=0!", 1),
        ("another block's", misplaced, "a=5 b=0!", 1),
        ("zeros", patched(0, &[0; 512]), "a=5 b=0!", 1),
        ("strategy 4096", entry(&|entry| entry.strategy = 4096), "a=5 b=0!", 1),
        ("longer than its block", overlong, "a=5 b=0!", 1),
        ("compressed extents", entry(&|entry| entry.flags = 2), "a=5 b=4!", 1),
        ("more bytes than it holds", entry(&|entry| entry.size = 5), "a=5 b=5!", 1),
        ("enormous", entry(&|entry| entry.size = u64::MAX), "a=5 b=18446744073709551615!", 1),
        ("a device", entry(&|entry| entry.file_type = 6), "a=5", 1),
        ("a pipe", entry(&|entry| entry.file_type = 9), "a=5", 1),
        ("streams", entry(&|entry| entry.file_type = 13), "a=5", 1),
        ("a file in real time", entry(&|entry| entry.file_type = 249), "a=5 b=4", 0),
        ("no file type", entry(&|entry| entry.file_type = 0), "a=5 b=4", 0),
        ("outside", volume_with(&[own.name("b", 1000)]), "a=5 b=0!", 1),
        ("far outside", volume_with(&[name(&latin("b"), 2, u32::MAX, 0)]), "a=5 b/!", 1),
        ("another partition", volume_with(&[name(&latin("b"), 0, 2, 1)]), "a=5 b=0!", 1),
        ("no entry", volume_with(&[without_entry(&own)]), "a=5 b=0!", 1),
    ];
    for (case, volume, expected, warnings) in cases {
        check(case, &volume, expected, warnings);
    }
}

/// A name that stands for no entry.
fn without_entry(volume: &Volume) -> Vec<u8> {
    let mut body = volume.name("b", 2)[16..].to_vec();
    body[20 - 16..24 - 16].fill(0);
    tagged(257, 0, &body)
}

#[test]
fn bad_extents_damage_their_file() {
    let cases: Vec<(&str, Entry, Vec<u8>, &str)> = vec![
        ("outside", Entry::new(FILE, SHORT, 512, &short(512, 1 << 20)), vec![], "b=512!"),
        ("partly outside", Entry::new(FILE, SHORT, 60 * 512, &short(60 * 512, 50)), vec![], "b=30720!"),
        ("at the end of numbers", Entry::new(FILE, SHORT, 512, &short(512, u32::MAX)), vec![], "b=512!"),
        ("another partition", Entry::new(FILE, LONG, 512, &long(512, 20, 1)), vec![], "b=512!"),
        ("a chain of itself", chained(512), short(512 | CONTINUED, 30), "b=512!"),
        ("a chain of the entry", chained(512), short(512 | CONTINUED, 3), "b=512!"),
        ("a chain to nowhere", chained(512), short(512 | CONTINUED, 1 << 20), "b=512!"),
        ("a chain into zeros", chained(512), short(512 | CONTINUED, 40), "b=512!"),
        ("a sound chain", chained(512), short(512, 20), "b=512"),
    ];
    for (case, entry, chain, expected) in cases {
        let mut volume = volume_of(&entry);
        volume.allocation(30, &chain);
        check(case, &volume, &format!("a=5 {expected}"), usize::from(expected.ends_with('!')));
    }
    let mut volume = volume_of(&chained(512));
    volume.allocation(30, &short(512, 20));
    volume.put(volume.offset(0, 30) + 26, &[1]);
    check("a chain whose CRC is wrong", &volume, "a=5 b=512!", 1);
    volume.allocation(30, &short(512, 20));
    volume.put(volume.offset(0, 30) + 20, &u32::MAX.to_le_bytes());
    check("a chain longer than its block", &volume, "a=5 b=512!", 1);
}

/// Linux writes no descriptor for a hole at the end of a file.
#[test]
fn what_no_descriptor_speaks_of_is_zeros() {
    for (case, entry, recorded) in [
        ("too few", Entry::new(FILE, SHORT, 1000, &short(512, 20)), 512),
        ("too few, long", Entry::new(FILE, LONG, 1000, &long(512, 20, 0)), 512),
        ("none", Entry::new(FILE, SHORT, 1000, &[]), 0),
        ("half a descriptor", Entry::new(FILE, SHORT, 1000, &short(1000, 20)[..7]), 0),
        ("a chain too short", chained(1000), 512),
    ] {
        let mut volume = volume_of(&entry);
        volume.allocation(30, &short(512, 20));
        volume.put(volume.offset(0, 20), &[7; 512]);
        check(case, &volume, "a=5 b=1000", 1);
        let tree = open(&volume).unwrap();
        let file = tree.resolve_path("b", Matching::Exact).unwrap();
        let mut bytes = vec![1; 1001];
        assert_eq!(tree.read_at(&volume.bytes, file, &mut bytes, 0).unwrap(), 1000, "{case}");
        assert_eq!(bytes, [vec![7; recorded], vec![0; 1000 - recorded], vec![1]].concat(), "{case}");
    }
}

fn chained(size: u64) -> Entry {
    Entry::new(FILE, SHORT, size, &short(512 | CONTINUED, 30))
}

#[test]
fn bad_directories() {
    let own = Volume::new();
    let with = |entry: &Entry| {
        let mut volume = volume_with(&[own.name("d", 3)]);
        volume.entry(3, entry);
        let names = own.name("x", 2);
        volume.put(volume.offset(0, 20), &names);
        volume
    };
    let cases: Vec<(&str, Entry, &str, usize)> = vec![
        ("sound", Entry::new(DIRECTORY, SHORT, 40, &short(40, 20)), "a=5 d/ d/x=5", 0),
        ("empty", Entry::new(DIRECTORY, SHORT, 0, &[]), "a=5 d/", 0),
        ("outside", Entry::new(DIRECTORY, SHORT, 40, &short(40, 1 << 20)), "a=5 d/!", 1),
        (
            "partly outside",
            Entry::new(DIRECTORY, SHORT, 1064, &[short(40, 20), short(1024, 1 << 20)].concat()),
            "a=5 d/! d/x=5",
            2,
        ),
        ("incomplete", Entry::new(DIRECTORY, SHORT, 60, &short(40, 20)), "a=5 d/! d/x=5", 1),
        ("of zeros", Entry::new(DIRECTORY, SHORT, 4096, &short(4096, 30)), "a=5 d/", 1),
        (
            "a hole",
            Entry::new(DIRECTORY, SHORT, 4136, &[short(4096 | UNALLOCATED, 0), short(40, 20)].concat()),
            "a=5 d/! d/x=5",
            1,
        ),
        (
            "an enormous hole",
            Entry::new(DIRECTORY, SHORT, 1 << 29, &short(1 << 29 | UNALLOCATED, 0)),
            "a=5 d/!",
            1,
        ),
        (
            "embedded and incomplete",
            Entry { size: 99, ..Entry::new(DIRECTORY, EMBEDDED, 0, &own.name("x", 2)) },
            "a=5 d/! d/x=5",
            1,
        ),
    ];
    for (case, entry, expected, warnings) in cases {
        check(case, &with(&entry), expected, warnings);
    }
}

#[test]
fn directories_deeper_than_the_limit_are_not_entered() {
    let mut volume = Volume::new();
    for block in ROOT..20 {
        volume.directory(block, &[volume.name("d", block + 1)]);
    }
    volume.directory(20, &[]);
    let limits = Limits { depth: 3, ..Limits::default() };
    let tree = Tree::open(&volume.bytes, &Options { limits, ..Options::default() }).unwrap();
    assert_eq!(listing(&tree), "d/ d/d/ d/d/d/ d/d/d/d/!");
    assert_eq!(open(&volume).unwrap().len(), 20);
}

#[test]
fn the_metadata_partition() {
    let mut volume = Volume::with_metadata();
    // Entries in both pieces, and bytes in both partitions.
    volume.put(volume.offset(0, 20), b"outer");
    volume.entry(12, &Entry::new(FILE, LONG, 5, &long(5, 20, 0)));
    volume.entry(13, &Entry::embedded(FILE, b"inner"));
    let names = [volume.name("outer", 12), volume.name("inner", 13)].concat();
    let size = u32::try_from(names.len()).unwrap();
    // A directory that starts in one piece and ends in the other.
    let apart = [&[0; 448][..], &names].concat();
    for (block, part) in (9..).zip(apart.chunks(512)) {
        volume.put(volume.offset(1, block), part);
    }
    let deleted = name(&latin(&"x".repeat(17)), DELETED, 2, 1);
    assert_eq!(deleted.len(), 56);
    volume.put(volume.offset(1, 9), &deleted.repeat(8));
    let whole = 448 + size;
    volume.entry(2, &Entry::new(DIRECTORY, SHORT, u64::from(whole), &short(whole, 9)));
    add_root(&mut volume);
    check("sound", &volume, "d/ d/inner=5 d/outer=5", 0);
    let tree = open(&volume).unwrap();
    assert_eq!(content(&tree, &volume, "d/outer"), b"outer");
    assert_eq!(content(&tree, &volume, "d/inner"), b"inner");

    // With a broken main file the mirror is read, with one warning. Without both the volume is refused.
    let main = volume.offset(0, 0);
    let mirror = volume.offset(0, 2);
    type Break = fn(&mut Volume);
    let cases: Vec<(&str, Break)> = vec![
        ("no entry", |volume| volume.put(volume.offset(0, 0), &[0; 512])),
        ("outside", |volume| volume.metadata_file(0, 250, &short(1 << 20, 1 << 20))),
        ("a file like others", |volume| volume.metadata_file(0, 5, &short(10 * 512, 60))),
        ("too short", |volume| volume.metadata_file(0, 250, &short(512, 60))),
        ("a chain of itself", |volume| volume.metadata_file(0, 250, &short(512 | CONTINUED, 0))),
        ("in itself", |volume| {
            let entry = Entry::new(250, LONG, 20 * 512, &long(20 * 512, 0, 1));
            volume.put(volume.offset(0, 0), &entry.encode(0));
        }),
    ];
    for (case, damage) in cases {
        let mut broken = volume.clone();
        damage(&mut broken);
        check(case, &broken, "d/ d/inner=5 d/outer=5", 1);
        let bytes = broken.bytes[main..main + 512].to_vec();
        broken.put(mirror, &bytes);
        assert!(matches!(open(&broken), Err(Error::Corrupt(Corrupt::UdfMetadata))), "{case}: both");
    }
}

fn add_root(volume: &mut Volume) {
    volume.directory(ROOT, &[volume.name("d", 2)]);
}

#[test]
fn holes_of_the_metadata_partition_hold_nothing() {
    let mut volume = Volume::with_metadata();
    volume.metadata_file(0, 250, &[short(10 * 512, 60), short((10 * 512) | UNALLOCATED, 0)].concat());
    volume.entry(2, &Entry::embedded(FILE, b"alpha"));
    volume.directory(ROOT, &[volume.name("a", 2), volume.name("b", 12), volume.name("c", 20)]);
    check("holes", &volume, "a=5 b=0! c=0!", 2);
}

/// A case, a volume, and whether an error is the expected one.
type ErrorCase = (&'static str, Volume, fn(&Error) -> bool);

/// Volumes whose partition maps are not supported or make no sense.
fn cases_of_maps() -> Vec<ErrorCase> {
    let physical = [1, 6, 1, 0, 7, 0];
    let maps = |count: u32, maps: &[&[u8]]| {
        let mut volume = volume_with(&[]);
        volume.maps(count, &maps.concat());
        volume
    };
    let vat = type_2_map("*UDF Virtual Partition", &[]);
    let sparable = type_2_map("*UDF Sparable Partition", &[]);
    let unknown = type_2_map("*UDF What Partition", &[]);
    let mut elsewhere = type_2_map("*UDF Metadata Partition", &[0, 2, 4]);
    elsewhere[38] = 8;
    vec![
        ("virtual", maps(2, &[&physical, &vat]), |error| {
            matches!(error, Error::Unsupported(Unsupported::VirtualPartition))
        }),
        ("sparable", maps(1, &[&sparable]), |error| {
            matches!(error, Error::Unsupported(Unsupported::SparablePartition))
        }),
        ("unknown", maps(1, &[&unknown]), |error| {
            matches!(error, Error::Unsupported(Unsupported::PartitionMap))
        }),
        ("of type 3", maps(1, &[&[3, 6, 0, 0, 0, 0]]), |error| {
            matches!(error, Error::Unsupported(Unsupported::PartitionMap))
        }),
        ("a map of no length", maps(1, &[&[1, 0, 1, 0, 7, 0]]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("a map cut off", maps(1, &[&physical[..5]]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("fewer maps than it says", maps(2, &[&physical]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("another partition's number", maps(1, &[&[1, 6, 1, 0, 8, 0]]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("metadata in nothing", maps(1, &[&type_2_map("*UDF Metadata Partition", &[0, 2, 4])]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("metadata in another partition", maps(2, &[&physical, &elsewhere]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("nine maps", maps(9, &[&physical[..]; 9]), |error| {
            matches!(error, Error::Limit(LimitReached::UdfPartitions))
        }),
    ]
}

#[test]
fn volumes_that_cannot_be_read_say_why() {
    let both = |sector: u32, bytes: &[u8]| {
        let mut volume = volume_with(&[]);
        for copy in [0, 6] {
            volume.put(volume.sector(volume.first() + copy + sector), bytes);
        }
        volume
    };
    let at = |position: usize, bytes: &[u8]| {
        let mut volume = volume_with(&[]);
        volume.put(position, bytes);
        volume
    };
    let own = Volume::new();
    let mut cut = volume_with(&[]);
    cut.anchor(256);
    cut.bytes.truncate(cut.sector(cut.first() + 12));
    cut.anchor(cut.first() + 12);
    let cases: Vec<ErrorCase> = vec![
        ("no anchor", at(own.bytes.len() - 512, &[0; 512]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfAnchor))
        }),
        ("no descriptors", both(0, &[0; 512]), |error| matches!(error, Error::Corrupt(Corrupt::UdfVolume))),
        ("no partition", both(1, &[1; 512]), |error| matches!(error, Error::Corrupt(Corrupt::UdfPartitions))),
        ("no logical volume", both(2, &[1; 512]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfVolume))
        }),
        ("no file set", at(own.offset(0, 0), &[0; 512]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfFileSet))
        }),
        ("no root", at(own.offset(0, ROOT), &[0; 512]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfRoot))
        }),
        ("a file as root", at(own.offset(0, ROOT), &Entry::embedded(FILE, b"x").encode(ROOT)), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfRoot))
        }),
        (
            "a root outside",
            at(own.offset(0, ROOT), &Entry::new(DIRECTORY, SHORT, 40, &short(40, 1 << 20)).encode(ROOT)),
            |error| matches!(error, Error::Corrupt(Corrupt::RootOutsideImage)),
        ),
        ("cut before the partition", cut, |error| matches!(error, Error::Corrupt(Corrupt::UdfFileSet))),
        ("not UDF after all", at((32 << 10) + 2048, &[0xFF; 6]), |error| matches!(error, Error::NotAnImage)),
    ];
    for (case, volume, is_expected) in cases.into_iter().chain(cases_of_maps()) {
        let error = open(&volume).unwrap_err();
        assert!(is_expected(&error), "{case}: {error:?}");
        assert!(!error.to_string().is_empty() && !error.to_string().contains("Udf"), "{case}: {error}");
    }
}

#[test]
fn the_reserve_stands_in_for_the_main_sequence() {
    let sound = volume_with(&[]);
    let first = sound.first();
    let descriptor = |sector: u32| {
        let at = sound.sector(sector);
        sound.bytes[at..at + 512].to_vec()
    };
    let patched = |sector: u32, at: usize, byte: u8| {
        let mut volume = sound.clone();
        volume.put(volume.sector(sector) + at, &[byte]);
        volume
    };
    for (case, volume, warnings) in [
        ("a checksum", patched(first + 2, 4, 1), 2),
        ("a CRC", patched(first + 2, 200, 1), 2),
        ("a location", patched(first + 1, 12, 1), 2),
        ("the reserve alone", patched(first + 6 + 2, 4, 1), 0),
        ("a descriptor that does not matter", patched(first, 100, 1), 1),
    ] {
        check(case, &volume, "a=5", warnings);
    }
    // A bad sector does not hide those behind it, and the highest number counts.
    let mut volume = sound.clone();
    let logical = descriptor(first + 2);
    let newer = |number: u32, sector: u32, label: &[u8]| {
        let mut body = logical[16..].to_vec();
        body[..4].copy_from_slice(&number.to_le_bytes());
        body[84 - 16 + 1..84 - 16 + 1 + label.len()].copy_from_slice(label);
        body.truncate(446 - 16);
        tagged(6, sector, &body)
    };
    volume.put(volume.sector(first), &[0xAA; 512]);
    volume.put(volume.sector(first + 3), &newer(9, first + 3, b"NEWER"));
    volume.put(volume.sector(first + 4), &newer(3, first + 4, b"OLDER"));
    volume.put(volume.sector(first + 5), &newer(9, first + 5, b"LATER"));
    check("numbers", &volume, "a=5", 1);
    assert_eq!(
        open(&volume).unwrap().volume().label(),
        "LATER",
        "of two with one number the later one counts"
    );
}

#[test]
fn pointers_between_sequences() {
    let sound = volume_with(&[]);
    let first = sound.first();
    let pointer = |at: u32, to: u32| {
        let mut volume = sound.clone();
        let body = [&[0; 4][..], &short(6 * 512, to)].concat();
        volume.put(volume.sector(at), &tagged(3, at, &body));
        volume
    };
    check("to the reserve", &pointer(first, first + 6), "a=5", 0);
    check("to itself", &pointer(first, first), "a=5", 1);
    check("to nowhere", &pointer(first, u32::MAX), "a=5", 1);
    let mut volume = pointer(first + 6, first);
    volume.put(volume.sector(first), &pointer(first, first + 6).bytes[sound.sector(first)..][..512]);
    assert!(matches!(open(&volume), Err(Error::Corrupt(Corrupt::UdfVolume))));
}

/// An ISO 9660 disc with the file `iso`, and a UDF volume with the file `a` on the same image.
fn bridge(change: impl Fn(&mut Volume)) -> Vec<u8> {
    let mut volume = Volume::with_block_size(2048);
    add_names(&mut volume, &[]);
    change(&mut volume);
    let mut disc = Disc { bytes: volume.bytes, block_size: 2048 };
    disc.descriptor(16, 1, 402);
    disc.put(17 * SECTOR, b"\xFFCD001\x01");
    for (sector, identifier) in [(18, b"BEA01"), (19, b"NSR02"), (20, b"TEA01")] {
        disc.put(sector * SECTOR + 1, &identifier[..]);
    }
    let file = disc.file(b"ISO.;1", 400, b"iso");
    disc.directory(402, &[file]);
    let mut volume = Volume { bytes: disc.bytes, block_size: 2048, map: 0 };
    volume.anchor(256);
    volume.bytes
}

#[test]
fn a_disc_with_both_trees() {
    let open = |bytes: &Vec<u8>, tree| Tree::open(bytes, &Options { tree, ..Options::default() });
    let sound = bridge(|_| {});
    let tree = open(&sound, None).unwrap();
    assert_eq!((listing(&tree).as_str(), tree.warnings().count()), ("a=5", 0), "{:?}", tree.warnings());
    assert_eq!(tree.volume().available(), [TreeKind::Udf, TreeKind::Plain]);
    assert_eq!((tree.volume().kind(), tree.volume().label()), (TreeKind::Udf, "TEST"));
    let tree = open(&sound, Some(TreeKind::Plain)).unwrap();
    assert_eq!((listing(&tree).as_str(), tree.warnings().count()), ("iso=3", 0));

    // Without a readable UDF tree the next one is read, with a warning. A caller that wants UDF gets the
    // error.
    let maps = type_2_map("*UDF Virtual Partition", &[]);
    let broken = bridge(|volume| volume.maps(1, &maps));
    let tree = open(&broken, None).unwrap();
    assert_eq!((listing(&tree).as_str(), tree.volume().kind()), ("iso=3", TreeKind::Plain));
    assert!(
        tree.warnings().iter().any(|warning| warning.contains("virtual partition")),
        "{:?}",
        tree.warnings()
    );
    let error = open(&broken, Some(TreeKind::Udf)).unwrap_err();
    assert!(matches!(error, Error::Unsupported(Unsupported::VirtualPartition)), "{error}");
    let error = open(&broken, Some(TreeKind::Joliet)).unwrap_err();
    assert!(matches!(error, Error::Unsupported(Unsupported::Tree(TreeKind::Joliet))), "{error}");
    let plain = Disc::new();
    let error = open(&plain.bytes, Some(TreeKind::Udf)).unwrap_err();
    assert!(matches!(error, Error::Unsupported(Unsupported::Tree(TreeKind::Udf))), "{error}");
}

/// ISO 9660 has 32 bits for a size. What UDF says of the same file counts, and what only UDF has is told.
#[test]
fn files_described_twice_have_the_size_of_udf() {
    let disc = |iso: &[(&[u8], u32, u32)], udf: &[(&str, u32, u32)]| {
        let bytes = bridge(|volume| {
            let names: Vec<Vec<u8>> =
                udf.iter().zip(10..).map(|((name, ..), block)| volume.name(name, block)).collect();
            add_names(volume, &names);
            for ((_, block, size), at) in udf.iter().zip(10..) {
                let entry = Entry::new(FILE, SHORT, u64::from(*size), &short(*size, *block));
                volume.entry(at, &entry);
            }
        });
        let mut disc = Disc { bytes, block_size: 2048 };
        // The partition of UDF begins with sector 36.
        let records: Vec<Record> =
            iso.iter().map(|(name, block, size)| Record::file(name, 36 + block, *size)).collect();
        let itself = Record::directory(&[0], 402).with(&sp(0)).with(&er());
        disc.records(402, &[&[itself, Record::directory(&[1], 402)], &records[..]].concat());
        disc.put(disc.offset(36 + 50), &[7; 5000]);
        disc.bytes
    };
    for (iso, udf, expected, warnings) in [
        (&[(&b"F.;1"[..], 50, 5000)][..], &[("f", 50, 5000)][..], "f=5000", 0),
        (&[(b"F.;1", 50, 904)], &[("f", 50, 5000)], "f=5000", 1),
        (&[(b"F.;1", 50, 904), (b"G.;1", 60, 3)], &[("other", 50, 5000), ("g", 60, 3)], "f=5000 g=3", 1),
        (&[(b"F.;1", 50, 5000)], &[("f", 50, 5000), ("g", 60, 1), ("h", 70, 1)], "f=5000", 1),
        (&[(b"F.;1", 50, 904)], &[("f", 50, 5000), ("empty", 60, 0), ("h", 70, 1)], "f=5000", 2),
        (&[(b"F.;1", 50, 5000), (b"G.;1", 50, 5000)], &[("f", 50, 5000)], "f=5000 g=5000", 0),
    ] {
        let bytes = disc(iso, udf);
        let tree = Tree::open(&bytes, &Options::default()).unwrap();
        assert_eq!((listing(&tree).as_str(), tree.volume().kind()), (expected, TreeKind::RockRidge));
        assert_eq!(tree.warnings().count(), warnings, "{:?}", tree.warnings());
        let mut content = vec![0; 5001];
        let file = tree.child(tree.root(), b"f").unwrap();
        assert_eq!(tree.read_at(&bytes, file, &mut content, 0).unwrap(), 5000);
        assert_eq!(content[..5000], [7; 5000]);
    }
}

/// Files of exactly 4 GiB have no bytes modulo 4 GiB.
#[test]
fn files_of_four_gigabytes_have_the_size_of_udf() {
    const SIZE: u64 = 1 << 32;
    // The partition of UDF begins with sector 36, and the file behind all else.
    let part = 1_u32 << 29;
    let start = 1000;
    let parts = (0..8).map(|at| short(part, start + at * (part >> 11))).collect::<Vec<_>>().concat();
    let bytes = bridge(|volume| {
        add_names(volume, &[volume.name("f", 10), volume.name("g", 11)]);
        volume.partition_blocks(4 << 20);
        volume.entry(10, &Entry::new(FILE, SHORT, SIZE, &parts));
        volume.entry(11, &Entry::new(FILE, SHORT, 3, &short(3, 60)));
    });
    let mut disc = Disc { bytes, block_size: 2048 };
    let itself = Record::directory(&[0], 402).with(&sp(0)).with(&er());
    let file = |name: &[u8], block, size| Record::file(name, 36 + block, size);
    let files = [file(b"EMPTY.;1", 60, 0), file(b"F.;1", start, 0), file(b"G.;1", 60, 3)];
    disc.records(402, &[&[itself, Record::directory(&[1], 402)], &files[..]].concat());
    let image = Large { size: SIZE + 4096 * 2048, bytes: disc.bytes };
    let tree = Tree::open(&image, &Options::default()).unwrap();
    let expected = format!("empty=0 f={SIZE} g=3");
    assert_eq!((listing(&tree), tree.volume().kind()), (expected, TreeKind::RockRidge));
    assert_eq!((tree.warnings().count(), tree.damaged()), (1, 0), "{:?}", tree.warnings());
}

#[test]
fn an_image_cut_off_is_told_from_a_whole_one() {
    let mut volume = volume_with(&[Volume::new().name("b", 3)]);
    volume.entry(3, &Entry::new(FILE, SHORT, 512, &short(512, 99)));
    volume.anchor(256);
    assert!(!open(&volume).unwrap().is_truncated());
    // An image that ends with the partition is complete. Without the last block a file is damaged.
    let end = volume.offset(0, 99);
    volume.anchor(volume.first() + 12 + 50);
    let mut cut = volume.clone();
    cut.bytes.truncate(end + 512);
    assert!(matches!(open(&cut), Err(Error::Corrupt(Corrupt::UdfAnchor))), "this one lost its anchors");
    cut.bytes.truncate(cut.sector(cut.first() + 12 + 51));
    let tree = open(&cut).unwrap();
    assert_eq!(listing(&tree), "a=5 b=512!");
    assert!(tree.is_truncated());
}

#[test]
fn limits_are_kept() {
    let mut volume = volume_with(&[]);
    let parts: Vec<Vec<u8>> = (0..30).map(|at| short(512, 20 + at * 2)).collect();
    volume.entry(3, &Entry::new(FILE, SHORT, 30 * 512, &parts.concat()));
    let names: Vec<Vec<u8>> = (0..4).map(|at| volume.name(&format!("f{at}"), 3)).collect();
    volume.directory(ROOT, &names);
    let open = |limits: Limits| Tree::open(&volume.bytes, &Options { limits, ..Options::default() });
    let default = Limits::default;
    assert_eq!(open(default()).unwrap().len(), 5);
    for (limits, expected) in [
        (Limits { entries: 4, ..default() }, LimitReached::Entries),
        (Limits { udf_extents: 119, ..default() }, LimitReached::UdfExtents),
        // The extents of damaged files count.
        (Limits { udf_extents: 115, extents_per_file: 29, ..default() }, LimitReached::UdfExtents),
        (Limits { udf_partitions: 0, ..default() }, LimitReached::UdfPartitions),
        (Limits { metadata_bytes: 12 << 10, ..default() }, LimitReached::MetadataBytes),
        (Limits { text_bytes: 7, ..default() }, LimitReached::TextBytes),
    ] {
        match open(limits) {
            Err(Error::Limit(limit)) => assert_eq!(limit, expected),
            other => panic!("{expected:?}: {other:?}"),
        }
    }
    let tree = open(Limits { extents_per_file: 29, ..default() }).unwrap();
    assert_eq!(listing(&tree), "f0=15360! f1=15360! f2=15360! f3=15360!");
    for limits in [
        Limits { name_bytes: 2, ..default() },
        Limits { udf_extents: 120, ..default() },
        Limits { udf_partitions: 1, ..default() },
        Limits { text_bytes: 8, ..default() },
    ] {
        assert_eq!(open(limits).unwrap().len(), 5);
    }
    let tree = open(Limits { name_bytes: 1, ..default() }).unwrap();
    assert_eq!((tree.len(), tree.warnings().count()), (1, 4));
    let mut chain = volume_of(&chained(1024));
    chain.allocation(30, &[short(512, 20), short(512 | CONTINUED, 31)].concat());
    chain.allocation(31, &short(512, 22));
    for (udf_allocation_blocks, expected) in [(2, "a=5 b=1024"), (1, "a=5 b=1024!")] {
        let limits = Limits { udf_allocation_blocks, ..default() };
        let tree = Tree::open(&chain.bytes, &Options { limits, ..Options::default() }).unwrap();
        assert_eq!(listing(&tree), expected);
    }
    assert!(matches!(
        open(Limits { udf_volume_sectors: 2, ..default() }),
        Err(Error::Corrupt(Corrupt::UdfVolume))
    ));
}
