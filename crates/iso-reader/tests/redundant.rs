//! Numbers that say what stands elsewhere, too: Linux does not need them, so they refuse no disc and hide no
//! file.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use iso_reader::{Options, Tree, TreeKind};
use support::disc::{Disc, ROOT, Record, SECTOR, both32};
use support::listing;
use support::susp::{DIRECTORY, FILE, px, rock_directory, rock_disc, rock_file};

/// A disc with the files `a` and `b` in its root directory.
fn disc() -> Disc {
    let mut disc = Disc::new();
    let file = disc.file(b"A.;1", 30, b"alpha");
    disc.directory(ROOT, &[file, Record::file(b"B.;1", 30, 5)]);
    disc
}

/// Asserts the tree of a disc and the number of its warnings.
fn check(case: &str, disc: &Disc, expected: &str, warnings: usize) -> Tree {
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert_eq!(listing(&tree), expected, "{case}: {:?}", tree.warnings());
    assert_eq!(tree.warnings().count(), warnings, "{case}: {:?}", tree.warnings());
    tree
}

/// What the record of the root in a descriptor says beside its place stands in the directory, too.
#[test]
fn a_root_is_found_by_its_place() {
    let changes: [(&str, usize, &[u8], usize); 6] = [
        ("no length", 10, &both32(0), 1),
        ("a length of one byte", 10, &both32(1), 1),
        ("the length of one record", 10, &both32(34), 1),
        ("a name of two bytes", 32, &[2], 0),
        ("another length of its own", 0, &[0], 0),
        ("a file", 25, &[0], 0),
    ];
    for (case, at, bytes, warnings) in changes {
        let mut primary = disc();
        primary.put(16 * SECTOR + 156 + at, bytes);
        check(case, &primary, "a=5 b=5", warnings);
        let mut joliet = disc();
        joliet.supplementary(1, b"%/E", 25);
        let file = Record::file(&[0, b'J'], 30, 5);
        joliet.directory(25, &[file]);
        joliet.put(17 * SECTOR + 156 + at, bytes);
        assert_eq!(check(case, &joliet, "J=5", warnings).volume().kind(), TreeKind::Joliet);
    }
}

/// A directory's entry for itself tells its length, if the record of its parent is too short for one entry.
#[test]
fn a_directory_has_the_length_that_it_tells() {
    for length in [0, 1, 33, 34, 100, 1 << 20] {
        let mut disc = rock_disc(&[Record { length, ..rock_directory(b"d", 25) }]);
        let itself = Record::directory(&[0], 25).with(&px(DIRECTORY)).with(&[0; 90]);
        let file = Record::file(b"F.;1", 30, 5).with(&px(FILE));
        disc.records(25, &[itself, Record::directory(&[1], ROOT), file]);
        check(&length.to_string(), &disc, "d/ d/f=5", 1);
    }
}

/// Linux takes the attributes of Rock Ridge where it finds them, but rather Joliet than those that the root
/// does not announce.
#[test]
fn rock_ridge_needs_no_announcement() {
    let mut disc = rock_disc(&[rock_file(b"Mixed Case")]);
    let announcement = disc.offset(ROOT) + 34;
    assert_eq!(disc.bytes[announcement..announcement + 2], *b"SP");
    disc.put(announcement + 2, &[0]);
    let tree = check("no length", &disc, "Mixed Case=5", 1);
    assert_eq!(tree.volume().kind(), TreeKind::RockRidge);
    disc.supplementary(1, b"%/E", 25);
    disc.directory(25, &[Record::file(&[0, b'J'], 30, 5)]);
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert_eq!((listing(&tree).as_str(), tree.volume().kind()), ("J=5", TreeKind::Joliet));
}

/// Zeros where a record should be end a sector, unless others follow.
#[test]
fn lost_records_are_told() {
    let mut disc = disc();
    let at = disc.offset(ROOT) + 2 * 34;
    assert_eq!(disc.bytes[at + 33], b'A');
    let length = usize::from(disc.bytes[at]);
    disc.put(at, &vec![0; length]);
    check("a hole", &disc, "", 1);
    disc.put(at + length, &vec![0; length]);
    check("an empty directory", &disc, "", 0);
}
