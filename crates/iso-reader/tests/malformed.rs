//! Broken and hostile images, each with its expected outcome: damage is local, and nothing loops.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use iso_reader::{Corrupt, Error, LimitReached, Limits, Matching, Options, Tree, Unsupported};
use support::disc::{CONTINUES, Disc, ROOT, Record, SECTOR, both16, both32};
use support::listing;
use support::susp::{
    FILE, LINK, ce, cl, er, nm, px, re, rock_directory, rock_disc, rock_file, rock_link, rock_root, sl, sp,
    zf,
};

/// A plain disc with the file `a` and these further records in its root directory.
fn plain_disc(records: &[Record]) -> Disc {
    let mut disc = Disc::new();
    let file = disc.file(b"A.;1", 30, b"alpha");
    disc.directory(ROOT, &[&[file], records].concat());
    disc
}

/// Asserts the tree of a disc and the number of its warnings.
fn check(case: &str, disc: &Disc, expected: &str, warnings: usize) {
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert_eq!(listing(&tree), expected, "{case}: {:?}", tree.warnings());
    assert_eq!(tree.warnings().count(), warnings, "{case}: {:?}", tree.warnings());
    let damaged = expected.split(' ').filter(|entry| entry.contains('=') && entry.contains('!')).count();
    assert_eq!(tree.damaged(), damaged, "{case}");
}

#[test]
fn bad_records_cost_only_themselves() {
    let file = |name: &[u8]| Record::file(name, 30, 5);
    let disagreeing = |at: usize| {
        let mut disc = plain_disc(&[]);
        disc.put(disc.offset(ROOT) + 2 * 34 + at, &[0xFF; 4]);
        disc
    };
    let cases: Vec<(&str, Disc, &str, usize)> = vec![
        ("sound", plain_disc(&[file(b"B.;1")]), "a=5 b=5", 0),
        ("empty name", plain_disc(&[file(b""), file(b"B.;1")]), "a=5 b=5", 1),
        ("only a version", plain_disc(&[file(b";1"), file(b"B.;1")]), "a=5 b=5", 1),
        ("a dot", plain_disc(&[file(b"..;1"), file(b"B.;1")]), "a=5 b=5", 1),
        ("two dots", plain_disc(&[file(b"...;1"), file(b"B.;1")]), "a=5 b=5", 1),
        ("slash", plain_disc(&[file(b"X/Y"), file(b"B.;1")]), "a=5 b=5 x.y=5", 0),
        ("NUL", plain_disc(&[file(b"X\0Y"), file(b"B.;1")]), "a=5 b=5", 1),
        ("duplicate", plain_disc(&[Record::file(b"A.;2", 30, 1), file(b"B.;1")]), "a=5 b=5", 1),
        ("three alike", plain_disc(&[Record::file(b"a.;1", 30, 1), Record::file(b"A", 30, 1)]), "a=5", 2),
        ("block in the other byte order", disagreeing(6), "a=5", 1),
        ("length in the other byte order", disagreeing(14), "a=5", 1),
        ("outside", plain_disc(&[Record::file(b"B.;1", 31, 1)]), "a=5 b=1!", 1),
        ("partly outside", plain_disc(&[Record::file(b"B.;1", 30, 2049)]), "a=5 b=2049!", 1),
        ("far outside", plain_disc(&[Record::file(b"B.;1", u32::MAX, u32::MAX)]), "a=5 b=4294967295!", 1),
        ("empty and outside", plain_disc(&[Record::file(b"B.;1", u32::MAX, 0)]), "a=5 b=0", 0),
        ("interleaved", plain_disc(&[Record { gap: 1, ..file(b"B.;1") }]), "a=5 b=5?", 1),
    ];
    for (case, disc, expected, warnings) in cases {
        check(case, &disc, expected, warnings);
    }
}

#[test]
fn a_broken_sector_costs_only_itself() {
    let records: Vec<Record> =
        (0..120).map(|at| Record::file(format!("F{at:03}.;1").as_bytes(), 30, 5)).collect();
    let mut sound = plain_disc(&[]);
    let length = sound.directory(35, &records);
    sound.directory(ROOT, &[Record { length, ..Record::directory(b"D", 35) }]);
    assert_eq!(Tree::open(&sound.bytes, &Options::default()).unwrap().len(), 122);
    // The first record of the second sector is broken. The third sector is sound.
    for (case, at, value) in
        [("shorter than a record", 0, 33), ("a name too long", 32, 200), ("one byte", 0, 1)]
    {
        let mut disc = sound.clone();
        disc.put(36 * SECTOR + at, &[value]);
        let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
        let d = tree.child(tree.root(), b"d").unwrap();
        assert!(tree.children(d).len() > 60, "{case}");
        assert!(tree.child(d, b"f000").is_some() && tree.child(d, b"f119").is_some(), "{case}");
        assert_eq!(tree.warnings().count(), 1, "{case}: {:?}", tree.warnings());
    }
    // A record that would reach into the next sector.
    let mut disc = sound.clone();
    disc.put(35 * SECTOR + 2044, &[60]);
    assert_eq!(Tree::open(&disc.bytes, &Options::default()).unwrap().len(), 122);
    disc.put(35 * SECTOR + 2000, &[60; 44]);
    assert!(Tree::open(&disc.bytes, &Options::default()).unwrap().warnings().count() > 0);
}

#[test]
fn directories_end_and_are_entered_once() {
    let mut outside = plain_disc(&[Record::directory(b"D", 1000)]);
    outside.put(31 * SECTOR - 1, &[0]);
    let mut cut = plain_disc(&[Record { length: u32::MAX, ..Record::directory(b"D", 30) }]);
    cut.directory(30, &[Record::file(b"X.;1", 20, 5)]);
    let mut longer = plain_disc(&[Record { length: u32::MAX, ..Record::directory(b"D", 31) }]);
    let itself = Record { length: u32::MAX, ..Record::directory(&[0], 31) };
    longer.records(31, &[itself, Record::file(b"X.;1", 20, 5)]);
    let mut mutual = plain_disc(&[Record::directory(b"D", 25)]);
    mutual.directory(25, &[Record::directory(b"E", 26)]);
    mutual.directory(26, &[Record::directory(b"F", 25), Record::directory(b"G", ROOT)]);
    let mut bomb = plain_disc(&[Record::directory(b"D", 21)]);
    for level in 21..29 {
        let records: Vec<Record> = (b'A'..b'C').map(|name| Record::directory(&[name], level + 1)).collect();
        bomb.directory(level, &records);
    }
    let garbage = {
        let mut disc = plain_disc(&[Record::directory(b"D", 30)]);
        disc.put(30 * SECTOR, &[0xFF; SECTOR]);
        disc
    };
    let cases: Vec<(&str, Disc, &str, usize)> = vec![
        ("outside", outside, "a=5 d/!", 1),
        ("longer than the image by its record", cut, "a=0 d/ d/x=5", 1),
        ("longer than the image", longer, "a=5 d/! d/x=5", 1),
        ("itself", plain_disc(&[Record::directory(b"D", ROOT)]), "a=5 d/!", 1),
        ("each other", mutual, "a=5 d/ d/e/ d/e/f/! d/e/g/!", 2),
        ("of zeros", plain_disc(&[Record::directory(b"D", 21)]), "a=5 d/", 1),
        ("of garbage", garbage, "a=5 d/", 1),
    ];
    for (case, mut disc, expected, warnings) in cases {
        if case == "longer than the image by its record" {
            disc.directory(
                ROOT,
                &[Record::file(b"A.;1", 0, 0), Record { length: u32::MAX, ..Record::directory(b"D", 30) }],
            );
        }
        check(case, &disc, expected, warnings);
    }
    let tree = Tree::open(&bomb.bytes, &Options::default()).unwrap();
    // The last level lies in a sector of zeros.
    assert_eq!((tree.len(), tree.warnings().count()), (2 + 1 + 8 * 2, 8 + 1));
}

#[test]
fn directories_deeper_than_the_limit_are_not_entered() {
    let mut disc = plain_disc(&[Record::directory(b"D", 40)]);
    for block in 40..1200 {
        disc.directory(block, &[Record::directory(b"D", block + 1)]);
    }
    disc.directory(1200, &[]);
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert_eq!((tree.len(), tree.warnings().count()), (2 + 1025, 1));
    let limits = Limits { depth: 3, ..Limits::default() };
    let tree = Tree::open(&disc.bytes, &Options { limits, ..Options::default() }).unwrap();
    assert_eq!(listing(&tree), "a=5 d/ d/d/ d/d/d/ d/d/d/d/!");
}

#[test]
fn broken_sections() {
    let part = |block: u32| Record::file(b"B.;1", block, 2048).flags(CONTINUES);
    let last = Record::file(b"B.;1", 20, 2048);
    let other = Record::file(b"C.;1", 30, 5);
    let cases: Vec<(&str, Vec<Record>, &str, usize)> = vec![
        ("sound", vec![part(16), last.clone()], "a=5 b=4096", 0),
        ("another file instead of the last", vec![part(16), other.clone()], "a=5 b=2048! c=5", 1),
        ("a directory instead of the last", vec![part(16), Record::directory(b"B.;1", 25)], "a=5 b=2048!", 2),
        ("nothing instead of the last", vec![part(16), part(18)], "a=5 b=4096!", 1),
        ("one outside", vec![part(16), part(1000), last.clone(), other.clone()], "a=5 b=6144! c=5", 1),
        (
            "only the last outside",
            vec![part(16), Record { block: 1000, ..last }, other],
            "a=5 b=4096! c=5",
            1,
        ),
    ];
    for (case, records, expected, warnings) in cases {
        check(case, &plain_disc(&records), expected, warnings);
    }
    let disc = plain_disc(&[part(16), part(18), part(20), Record::file(b"B.;1", 22, 1)]);
    let limits = Limits { extents_per_file: 3, ..Limits::default() };
    let tree = Tree::open(&disc.bytes, &Options { limits, ..Options::default() }).unwrap();
    assert_eq!(listing(&tree), "a=5 b=6145!");
}

#[test]
fn thirty_thousand_sections() {
    let mut disc = Disc::new();
    let part = |at: u32| Record::file(b"B.;1", 16 + at % 2 * 2, 2048).flags(CONTINUES);
    let mut records: Vec<Record> = (0..30_000).map(part).collect();
    records.push(Record::file(b"B.;1", 16, 1));
    let length = disc.directory(30, &records);
    disc.directory(ROOT, &[Record { length, ..Record::directory(b"D", 30) }]);
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert_eq!(listing(&tree), format!("d/ d/b={}", 30_000 * 2048 + 1));
    let file = tree.resolve_path("d/b", Matching::Exact).unwrap();
    assert_eq!(tree.extents(file).len(), 30_001);
}

#[test]
fn broken_rock_ridge() {
    let named = |entries: &[u8]| Record::file(b"PLAIN.TXT;1", 30, 5).with(&px(FILE)).with(entries);
    let linked =
        |entries: &[u8]| Record::file(b"L.;1", 0, 0).with(&px(LINK)).with(&nm(0, b"l")).with(entries);
    let long = |flags| nm(flags, &[b'x'; 140]);
    let cases: Vec<(&str, Vec<Record>, &str, usize)> = vec![
        ("a name with a slash", vec![named(&nm(0, b"x/y"))], "a=5", 1),
        ("a name with NUL", vec![named(&nm(0, b"x\0"))], "a=5", 1),
        ("two dots", vec![named(&nm(0, b".."))], "a=5", 1),
        ("two dots in pieces", vec![named(&[nm(1, b"."), nm(0, b".")].concat())], "a=5", 1),
        ("flags of `.` and `..`", vec![named(&[nm(2, b""), nm(4, b"")].concat())], "a=5 plain.txt=5", 0),
        ("an endless name", vec![named(&nm(1, b"x"))], "a=5 x=5", 1),
        ("a name cut off", vec![named(b"NM\x20\x01\0x")], "a=5 plain.txt=5", 1),
        ("a name without flags", vec![named(b"NM\x04\x01")], "a=5 plain.txt=5", 1),
        ("an entry of no length", vec![named(b"NM\x00\x01\0x")], "a=5 plain.txt=5", 1),
        ("attributes too short", vec![named(b"TF\x05\x01\x02PX\x06\x01\0\0")], "a=5 plain.txt=5", 1),
        ("a name of 256 bytes", vec![named(&[long(1), ce(31, 0, 121)].concat())], "a=5", 1),
        ("a continuation outside", vec![named(&ce(1000, 0, 10))], "a=5 plain.txt=5", 1),
        ("a continuation far outside", vec![named(&ce(u32::MAX, u32::MAX, u32::MAX))], "a=5 plain.txt=5", 1),
        ("a continuation too long", vec![named(&ce(0, 0, 32 * 1024 + 1))], "a=5 plain.txt=5", 1),
        ("a continuation of itself", vec![named(&ce(32, 0, 28))], "a=5 plain.txt=5", 1),
        ("an endless name by a loop", vec![named(&ce(33, 0, 34))], "a=5", 2),
        ("a link without a target", vec![linked(b"")], "a=5", 1),
        ("a link cut off", vec![linked(b"SL\x0A\x01\0\0\x09abc")], "a=5", 2),
        ("a link that goes on nowhere", vec![linked(&sl(1, &[(0, b"x")]))], "a=5", 1),
        ("a link to another volume", vec![linked(&sl(0, &[(0x10, b"")]))], "a=5", 1),
        ("a link of no components", vec![linked(&sl(0, &[]))], "a=5 l->", 0),
        ("a device", vec![named(&px(0o060_600))], "a=5", 1),
        ("a pipe", vec![named(&px(0o010_600))], "a=5", 1),
        ("a file that says directory", vec![named(&px(0o040_755))], "a=5 plain.txt/", 2),
        ("a directory that says file", vec![Record::directory(b"D", 0).with(&px(FILE))], "a=5 d/", 2),
        ("compressed into too few bytes", vec![named(&zf(b"pz", 4, 15, 99))], "a=5 plain.txt=99!?", 1),
        ("moved from the root", vec![named(&cl(ROOT))], "a=5 plain.txt/!", 1),
        ("moved from outside", vec![named(&cl(u32::MAX))], "a=5", 1),
        ("moved from a file", vec![named(&cl(30))], "a=5", 1),
        (
            "moved twice",
            vec![named(&cl(34)), named(&[nm(0, b"q"), cl(34)].concat())],
            "a=5 plain.txt/ q->/plain.txt",
            1,
        ),
        ("moved and nowhere else", vec![rock_directory(b"d", 34).with(&re())], "a=5", 0),
    ];
    for (case, records, expected, warnings) in cases {
        let mut disc = rock_disc(&[&[rock_file(b"a")], &records[..]].concat());
        disc.file(b"", 31, &nm(0, &[b'y'; 116]));
        disc.file(b"", 32, &ce(32, 0, 28));
        disc.file(b"", 33, &[nm(1, b"x"), ce(33, 0, 34)].concat());
        disc.directory(34, &[]);
        check(case, &disc, expected, warnings);
    }
}

#[test]
fn links_and_names_in_continuations_have_limits() {
    let mut disc = rock_disc(&[]);
    let component = [b'c'; 240];
    let part = sl(1, &[(0, &component)]);
    let mut area = Vec::new();
    while area.len() + part.len() < 32 << 10 {
        area.extend(&part);
    }
    disc.file(b"", 40, &area);
    let link = Record::file(b"L.;1", 0, 0).with(&px(LINK)).with(&nm(0, b"l"));
    let length = u32::try_from(area.len()).unwrap();
    rock_root(&mut disc, &[rock_file(b"a"), link.with(&ce(40, 0, length)).with(&sl(0, &[(0, b"e")]))]);
    check("a long link", &disc, "a=5", 1);

    let mut area = Vec::new();
    for _ in 0..100 {
        area.extend(nm(1, &component));
    }
    disc.file(b"", 40, &area);
    let name =
        Record::file(b"N.;1", 30, 5).with(&px(FILE)).with(&ce(40, 0, u32::try_from(area.len()).unwrap()));
    rock_root(&mut disc, &[rock_file(b"a"), name]);
    check("a long name", &disc, "a=5", 1);
}

#[test]
fn joliet_names_that_are_no_text() {
    let mut disc = Disc::new();
    disc.supplementary(1, b"%/E", 22);
    let file = disc.file(b"A.;1", 30, b"alpha");
    let named = |name: &[u8]| Record { name: name.to_vec(), ..file.clone() };
    disc.directory(ROOT, &[]);
    disc.directory(
        22,
        &[named(b"\xD8\0\0b"), named(b"\0c\0"), named(b"\0/"), named(b"\0x\0\0"), named(b"\0z")],
    );
    check("Joliet", &disc, "\\xef\\xbf\\xbdb=5 c=5 z=5", 4);
}

#[test]
fn images_without_a_tree() {
    let mut no_primary = Disc::new();
    no_primary.descriptor(16, 3, ROOT);
    let mut block_size = Disc::new();
    block_size.put(16 * SECTOR + 128, &both16(4096));
    let mut no_root = Disc::new();
    no_root.put(16 * SECTOR + 156, &[0; 34]);
    let mut root_outside = Disc::new();
    root_outside.put(16 * SECTOR + 156 + 2, &both32(1000));
    let mut high_sierra = Disc::new();
    high_sierra.put(16 * SECTOR, b"\0\0\0\0\0\0\0\0\x01CDROM\x01");
    let mut udf = Disc::new();
    udf.put(16 * SECTOR, b"\0BEA01\x01");
    udf.put(17 * SECTOR, b"\0NSR03\x01");
    let mut extended = udf.clone();
    extended.put(17 * SECTOR, b"\0TEA01\x01");
    let mut cut = Disc::new();
    cut.bytes.truncate(17 * SECTOR - 1);
    let mut cut_later = Disc::new();
    cut_later.bytes.truncate(19 * SECTOR);

    type IsExpected = fn(&Error) -> bool;
    let cases: Vec<(&str, Vec<u8>, IsExpected)> = vec![
        ("nothing", Vec::new(), |error| matches!(error, Error::NotAnImage)),
        ("text", b"#!ipxe\n".repeat(10_000), |error| matches!(error, Error::NotAnImage)),
        ("zeros", vec![0; 1 << 20], |error| matches!(error, Error::NotAnImage)),
        ("cut in the first descriptor", cut.bytes, |error| matches!(error, Error::NotAnImage)),
        ("cut before the root", cut_later.bytes, |error| {
            matches!(error, Error::Corrupt(Corrupt::RootOutsideImage))
        }),
        ("no primary descriptor", no_primary.bytes, |error| {
            matches!(error, Error::Corrupt(Corrupt::NoPrimaryDescriptor))
        }),
        ("blocks of 4096 bytes", block_size.bytes, |error| {
            matches!(error, Error::Corrupt(Corrupt::BlockSize(4096)))
        }),
        ("no root", no_root.bytes, |error| matches!(error, Error::Corrupt(Corrupt::RootRecord))),
        ("a root outside", root_outside.bytes, |error| {
            matches!(error, Error::Corrupt(Corrupt::RootOutsideImage))
        }),
        ("High Sierra", high_sierra.bytes, |error| {
            matches!(error, Error::Unsupported(Unsupported::HighSierra))
        }),
        ("nothing of UDF but its name", udf.bytes, |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfAnchor))
        }),
        ("an extended area without UDF", extended.bytes, |error| matches!(error, Error::NotAnImage)),
    ];
    for (case, bytes, is_expected) in cases {
        let error = Tree::open(&bytes, &Options::default()).unwrap_err();
        assert!(is_expected(&error), "{case}: {error:?}");
        assert!(!error.to_string().is_empty() && !error.to_string().contains("Error"), "{case}: {error}");
    }
}

#[test]
fn descriptors_that_are_odd() {
    let sound = plain_disc(&[]);
    type Patch = (usize, Vec<u8>);
    let cases: Vec<(&str, Vec<Patch>)> = vec![
        ("no terminator", vec![(17 * SECTOR, vec![0; SECTOR])]),
        ("byte orders", vec![(16 * SECTOR + 84, vec![1; 4])]),
        ("block size in the other byte order", vec![(16 * SECTOR + 130, vec![9; 2])]),
        ("a set of volumes", vec![(16 * SECTOR + 120, both16(3))]),
        ("UDF beside it", vec![(18 * SECTOR, b"\0BEA01".to_vec()), (19 * SECTOR, b"\0NSR02".to_vec())]),
    ];
    for (case, patches) in cases {
        let mut disc = sound.clone();
        for (at, bytes) in patches {
            disc.put(at, &bytes);
        }
        check(case, &disc, "a=5", 1);
    }
    let mut joliet = sound.clone();
    joliet.supplementary(1, b"%/E", 1000);
    check("a Joliet root outside", &joliet, "a=5", 1);
    joliet.put(17 * SECTOR + 128, &both16(0));
    check("a Joliet descriptor without block size", &joliet, "a=5", 1);
    let mut endless = sound;
    for sector in 17..200 {
        endless.put(sector * SECTOR, b"\x03CD001\x01");
    }
    endless.directory(ROOT + 300, &[]);
    endless.put(16 * SECTOR + 158, &both32(ROOT + 300));
    check("descriptors without end", &endless, "", 1);
}

#[test]
fn limits_are_kept() {
    let records: Vec<Record> = (0..50).map(|at| rock_file(format!("file{at:02}").as_bytes())).collect();
    let mut disc = rock_disc(&[]);
    let length = rock_root(&mut disc, &records);
    disc.put(16 * SECTOR + 156 + 10, &both32(length));
    let open = |limits: Limits| Tree::open(&disc.bytes, &Options { limits, ..Options::default() });
    let default = Limits::default;
    assert_eq!(open(default()).unwrap().len(), 51);
    assert_eq!(open(Limits { entries: 51, ..default() }).unwrap().len(), 51);
    for (limits, expected) in [
        (Limits { entries: 50, ..default() }, LimitReached::Entries),
        (Limits { text_bytes: 50 * 6 - 1, ..default() }, LimitReached::TextBytes),
        (Limits { metadata_bytes: 8 << 10, ..default() }, LimitReached::MetadataBytes),
    ] {
        match open(limits) {
            Err(Error::Limit(limit)) => assert_eq!(limit, expected),
            other => panic!("{expected:?}: {other:?}"),
        }
    }
    for (descriptors, warnings) in [(2, 0), (1, 1)] {
        let tree = open(Limits { descriptors, ..default() }).unwrap();
        assert_eq!((tree.len(), tree.warnings().count()), (51, warnings), "{descriptors}");
    }
    let tree = open(Limits { directory_bytes: 2048, ..default() }).unwrap();
    assert!(tree.len() < 51 && tree.node(tree.root()).is_damaged());
    for limits in [
        Limits { name_bytes: 6, ..default() },
        Limits { stored_name_bytes: 6, ..default() },
        Limits { text_bytes: 50 * 6, ..default() },
    ] {
        assert_eq!(open(limits).unwrap().len(), 51);
    }
    assert_eq!(open(Limits { stored_name_bytes: 5, ..default() }).unwrap().len(), 1);
    let link = rock_disc(&[rock_link(b"link", b"dir/inner")]);
    for (link_bytes, expected) in [(9, "link->dir/inner"), (8, "")] {
        let limits = Limits { link_bytes, ..default() };
        let tree = Tree::open(&link.bytes, &Options { limits, ..Options::default() }).unwrap();
        assert_eq!(listing(&tree), expected);
    }
    let tree = open(Limits { name_bytes: 5, warnings: 3, ..default() }).unwrap();
    assert_eq!((tree.len(), tree.warnings().count(), tree.warnings().iter().len()), (1, 50, 3));
}

#[test]
fn damaged_and_encoded_files_are_never_read() {
    let tree_of = |disc: &Disc| Tree::open(&disc.bytes, &Options::default()).unwrap();
    let mut buffer = [0; 1];
    let disc = rock_disc(&[
        Record { length: 1 << 20, ..rock_file(b"outside") },
        rock_file(b"packed").with(&zf(b"PZ", 6, 17, 9)),
        Record { gap: 1, ..rock_file(b"mixed") },
        rock_link(b"link", b"outside"),
    ]);
    let tree = tree_of(&disc);
    let read = |name: &str, buffer: &mut [u8]| {
        let id = tree.child(tree.root(), name.as_bytes()).unwrap();
        assert!(!tree.node(id).is_readable());
        tree.read_at(&disc.bytes, id, buffer, 0).unwrap_err()
    };
    assert!(matches!(read("outside", &mut buffer), Error::Corrupt(Corrupt::DamagedFile)));
    assert!(matches!(read("packed", &mut buffer), Error::Unsupported(Unsupported::Encoding(_))));
    assert!(matches!(read("mixed", &mut buffer), Error::Unsupported(Unsupported::Encoding(_))));
    assert!(matches!(read("link", &mut buffer), Error::NotAFile));
    let root = tree.read_at(&disc.bytes, tree.root(), &mut buffer, 0);
    assert!(matches!(root, Err(Error::NotAFile)));

    let shorter = &disc.bytes[..25 * SECTOR];
    let sound = tree_of(&rock_disc(&[rock_file(b"a")]));
    let file = sound.child(sound.root(), b"a").unwrap();
    assert!(matches!(sound.read_at(&shorter, file, &mut buffer, 0), Err(Error::Io(_))));
}

#[test]
fn numbers_of_another_tree_do_no_harm() {
    let many: Vec<Record> = (0..20).map(|at| rock_file(&[b'a' + at])).collect();
    let large = Tree::open(&rock_disc(&many).bytes, &Options::default()).unwrap();
    let small = Tree::open(&Disc::new().bytes, &Options::default()).unwrap();
    let stranger = large.child(large.root(), b"t").unwrap();
    let node = small.node(stranger);
    assert!(node.is_damaged() && node.name().is_empty() && node.size() == 0);
    assert_eq!((small.children(stranger).len(), small.extents(stranger).len()), (0, 0));
    assert_eq!(small.path(stranger), b"");
}

#[test]
fn a_probe_of_rock_ridge_survives_a_bad_first_record() {
    let itself = Record::directory(&[0], ROOT).with(&sp(200)).with(&er());
    let mut disc = rock_disc(&[]);
    disc.records(ROOT, &[itself, rock_file(b"a")]);
    check("a skip beyond the area", &disc, "file=5", 0);
    disc.records(ROOT, &[Record::directory(&[0], ROOT).with(b"SP\x07\x01\xBE\xEF"), rock_file(b"a")]);
    check("a protocol cut off", &disc, "a=5", 1);
}
