//! Thousands of damaged copies of sound images. None may panic or take long, and what the tree promises
//! must hold for each. The mutations are the same in every run.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::time::{Duration, Instant};

use iso_reader::{Encoding, Limits, Matching, NodeKind, Options, Tree};
use support::Random;
use support::disc::{CONTINUES, Disc, ROOT, Record};
use support::susp::{ce, cl, nm, px, re, rock_directory, rock_disc, rock_file, rock_link, rock_root, zf};
use support::zisofs::pack;

const MUTANTS: usize = 4000;

/// A disc on which everything occurs once.
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

/// Changes some bytes, preferably to values that mean something, where the image is not empty.
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
        assert!(tree.extents(id).all(|extent| extent.offset + extent.length <= end));
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
    for (disc, seed) in [(rock(), 1), (joliet(), 2)] {
        let sound = Tree::open(&disc.bytes, &Options::default()).unwrap();
        check(&sound, &disc.bytes);
        let used: Vec<usize> = (0..disc.bytes.len()).filter(|at| disc.bytes[*at] != 0).collect();
        let mut random = Random(seed);
        for mutant in 0..MUTANTS {
            let mut bytes = disc.bytes.clone();
            mutate(&mut bytes, &used, &mut random);
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
