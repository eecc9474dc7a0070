//! Thousands of damaged copies of sound images. None may panic or take long, and each tree must keep the
//! promises of the documentation. The mutations are the same in every run.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::env;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use iso_reader::{Encoding, Extent, ExtentData, Limits, Matching, NodeKind, Options, Tree};
use support::Random;
use support::disc::{CONTINUES, Disc, ROOT, Record};
use support::susp::{ce, cl, nm, px, re, rock_directory, rock_disc, rock_file, rock_link, rock_root, zf};
use support::udf::{
    CONTINUED, DELETED, DIRECTORY, EXTENDED_FILE_ENTRY, Entry, FILE, LINK, LONG, ROOT as UDF_ROOT, SHORT,
    UNALLOCATED, UNWRITTEN, Volume, latin, long, name, repair, short,
};
use support::zisofs::pack;

const MUTANTS: usize = 4000;

/// A disc with one of each attribute of Rock Ridge.
fn rock() -> Disc {
    let mut disc = rock_disc(&[]);
    let part = Record { length: 2048, ..rock_file(b"sections") };
    let packed = pack(&[&[5; 30_000][..], &[0; 40_000]].concat(), 15);
    let length = u32::try_from(packed.len()).unwrap();
    disc.file(b"", 27, &packed);
    rock_root(
        &mut disc,
        &[
            rock_file(b"file"),
            Record { block: 28, ..part.clone() }.flags(CONTINUES),
            part,
            rock_directory(b"dir", 21),
            rock_directory(b"moved", 23),
            rock_link(b"link", b"dir/inner"),
            rock_link(b"loop", b"loop"),
            Record { block: 27, length, ..rock_file(b"packed") }.with(&zf(b"pz", 4, 15, 70_000)),
            Record::file(b"LONG.;1", 30, 5).with(&px(0o100_644)).with(&nm(1, b"long ")).with(&ce(25, 0, 9)),
        ],
    );
    disc.directory(
        21,
        &[rock_file(b"inner"), Record::file(b"AWAY.;1", 30, 0).with(&nm(0, b"away")).with(&cl(22))],
    );
    disc.directory(22, &[rock_file(b"deep")]);
    disc.directory(23, &[rock_directory(b"away", 22).with(&re())]);
    disc.file(b"", 25, &nm(0, b"name"));
    disc
}

fn joliet() -> Disc {
    let mut disc = Disc::with_block_size(512);
    disc.supplementary(1, b"%/E", 88);
    let file = disc.file(b"A.;1", 120, &[1; 700]);
    disc.directory(disc.root(), &[file.clone(), Record::directory(b"SUB", 92)]);
    disc.directory(
        88,
        &[Record { name: b"\0a\0.\0t".to_vec(), ..file.clone() }, Record::directory(b"\0s", 96)],
    );
    disc.directory(92, std::slice::from_ref(&file));
    disc.directory(96, &[Record { name: b"\xD8\x3D\xDE\x80".to_vec(), ..file }]);
    disc
}

/// A volume with one of each structure of UDF.
fn udf(mut volume: Volume) -> Volume {
    let parts = [long(512, 20, 0), long(512 | UNALLOCATED, 0, 0), long(512 | CONTINUED, 9, volume.map)];
    let path = [&[2, 0, 0, 0, 3, 0, 0, 0, 5, 4, 0, 0][..], &latin("sub")].concat();
    let entries = [
        (2, Entry::embedded(FILE, b"alpha")),
        (3, Entry::new(FILE, LONG, 2000, &parts.concat())),
        (4, Entry::embedded(LINK, &path)),
        (6, Entry { kind: EXTENDED_FILE_ENTRY, ..Entry::new(FILE, SHORT, 700, &short(1024 | UNWRITTEN, 8)) }),
    ];
    for (block, entry) in entries {
        volume.entry(block, &entry);
    }
    volume.allocation(9, &long(1024, 22, 0));
    let names =
        [volume.name("hole", 6), volume.name("hard", 3), name(b"\x10\xD8\x3D\xDE\x80", 0, 3, volume.map)]
            .concat();
    let size = u32::try_from(names.len()).unwrap();
    volume.put(volume.offset(volume.map, 11), &names);
    volume.entry(5, &Entry::new(DIRECTORY, SHORT, u64::from(size), &short(size, 11)));
    let gone = name(&latin("gone"), DELETED, 2, volume.map);
    let names = [("file", 2), ("parts", 3), ("link", 4), ("sub", 5)];
    let names = names.map(|(text, block)| volume.name(text, block));
    volume.directory(UDF_ROOT, &[&[gone], &names[..]].concat());
    volume
}

/// Changes some bytes at positions in `used`, often to values that have a meaning.
fn mutate(bytes: &mut [u8], used: &[usize], random: &mut Random) {
    for _ in 0..1 + random.below(8) {
        let at = used[random.below(used.len())];
        bytes[at] = match random.below(6) {
            0 => 0,
            1 => 0xFF,
            2 => bytes[at].wrapping_add(1),
            3 => bytes[at] ^ (1 << random.below(8)),
            4 => u8::try_from(ROOT).unwrap() + u8::try_from(random.below(12)).unwrap(),
            _ => u8::try_from(random.below(256)).unwrap(),
        };
    }
}

fn check(tree: &Tree, bytes: &Vec<u8>) {
    let mut buffer = [0; 4096];
    for id in tree.nodes() {
        let node = tree.node(id);
        assert!(id == tree.root() || tree.child(node.parent(), node.name()) == Some(id));
        let path = tree.path(id);
        let found = tree.resolve_path(&path, Matching::Lenient);
        assert!(node.kind() == NodeKind::Link || found == Ok(id));
        let end = u64::try_from(bytes.len()).unwrap();
        let is_inside = |extent: Extent| {
            extent.data == ExtentData::Zeros || extent.offset.checked_add(extent.length).unwrap() <= end
        };
        assert!(tree.extents(id).all(is_inside));
        match tree.read_at(bytes, id, &mut buffer, 0) {
            Ok(count) => assert_eq!(u64::try_from(count).unwrap(), node.size().min(4096)),
            Err(_) => assert!(!node.is_readable() || node.encoding() == Encoding::Zisofs),
        }
        if node.encoding() == Encoding::Zisofs {
            let _ = tree.read_at(bytes, id, &mut buffer, node.size().saturating_sub(4000));
        }
    }
}

#[test]
fn damaged_copies() {
    let mut opened = 0;
    let images = [rock().bytes, joliet().bytes, udf(Volume::new()).bytes, udf(Volume::with_metadata()).bytes];
    for (image, seed) in images.iter().zip(1..) {
        let sound = Tree::open(image, &Options::default()).unwrap();
        assert!(sound.len() > 6 || seed < 3, "{:?}", sound.warnings());
        check(&sound, image);
        let used: Vec<usize> = (0..image.len()).filter(|at| image[*at] != 0).collect();
        let mut random = Random(seed);
        // Copies of UDF volumes are large, and making them takes most of the time.
        for mutant in 0..if seed < 3 { MUTANTS } else { MUTANTS / 4 } {
            let mut bytes = image.clone();
            mutate(&mut bytes, &used, &mut random);
            // Half of the broken descriptors get right sums again, so that the bytes behind their tags are
            // read.
            if random.below(2) == 0 {
                repair(&mut bytes);
            }
            if random.below(10) == 0 {
                bytes.truncate(random.below(bytes.len()));
            }
            let start = Instant::now();
            let limits = Limits { entries: 10_000, ..Limits::default() };
            if let Ok(tree) = Tree::open(&bytes, &Options { limits, ..Options::default() }) {
                check(&tree, &bytes);
                opened += 1;
            }
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "mutant {mutant} of seed {seed} takes too long"
            );
        }
    }
    assert!(opened > MUTANTS, "most mutants are still images: {opened}");
}

/// The fuzz target starts from these volumes as well. fuzz/seeds/make writes them, with `UPDATE_SEEDS=1`.
#[test]
fn the_seeds_of_the_fuzz_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/iso_tree");
    for (name, volume) in [("udf", Volume::new()), ("udf_metadata", Volume::with_metadata())] {
        // The target adds the system area.
        let seed = &udf(volume).bytes[32 << 10..];
        if env::var_os("UPDATE_SEEDS").is_some() {
            fs::write(folder.join(name), seed).unwrap();
        }
        let kept = fs::read(folder.join(name)).unwrap_or_default();
        assert!(kept == seed, "fuzz/seeds/iso_tree/{name} is not up to date: run fuzz/seeds/make");
    }
}
