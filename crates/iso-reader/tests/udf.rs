//! Files, directories, links and names of UDF volumes that are laid out by hand, in all forms.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use iso_reader::{ExtentData, Matching, TreeKind};
use support::udf::{
    CONTINUED, DELETED, DIRECTORY, EXTENDED_FILE_ENTRY, Entry, FILE, HIDDEN, LINK, LONG, ROOT, SHORT,
    UNALLOCATED, UNWRITTEN, Volume, latin, long, name, short,
};
use support::udf_checks::{add_names, check, content, open, volume_of, volume_with};

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
