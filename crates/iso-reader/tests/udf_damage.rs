//! Broken UDF volumes, each with its expected outcome: damage is local, and nothing loops.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use iso_reader::{Corrupt, Error, LimitReached, Limits, Matching, Options, Tree};
use support::listing;
use support::udf::{
    CONTINUED, DIRECTORY, EMBEDDED, Entry, FILE, LONG, ROOT, SHORT, UNALLOCATED, Volume, latin, long, name,
    short, tagged,
};
use support::udf_checks::{check, open, volume_of, volume_with};

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
