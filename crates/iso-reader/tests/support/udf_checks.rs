//! Trees of UDF volumes, compared with what they should be.

use std::time::{Duration, Instant};

use iso_reader::{Error, Matching, Options, Tree, TreeKind};

use super::listing;
use super::udf::{Entry, FILE, ROOT, Volume};

pub(crate) fn open(volume: &Volume) -> Result<Tree, Error> {
    let start = Instant::now();
    let tree = Tree::open(&volume.bytes, &Options::default());
    assert!(start.elapsed() < Duration::from_secs(5), "it takes too long");
    tree
}

/// Asserts the tree of a volume and the number of its warnings.
pub(crate) fn check(case: &str, volume: &Volume, expected: &str, warnings: usize) {
    let tree = open(volume).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(listing(&tree), expected, "{case}: {:?}", tree.warnings());
    assert_eq!(tree.warnings().count(), warnings, "{case}: {:?}", tree.warnings());
    assert_eq!(tree.volume().kind(), TreeKind::Udf, "{case}");
}

/// A volume with a file `a` of five bytes in block 2, and further names in its root.
pub(crate) fn volume_with(names: &[Vec<u8>]) -> Volume {
    let mut volume = Volume::new();
    add_names(&mut volume, names);
    volume
}

pub(crate) fn add_names(volume: &mut Volume, names: &[Vec<u8>]) {
    volume.entry(2, &Entry::embedded(FILE, b"alpha"));
    volume.directory(ROOT, &[&[volume.name("a", 2)], names].concat());
}

/// A volume with `a` and a file `b`, described by `entry` in block 3.
pub(crate) fn volume_of(entry: &Entry) -> Volume {
    let mut volume = volume_with(&[Volume::new().name("b", 3)]);
    volume.entry(3, entry);
    volume
}

pub(crate) fn content(tree: &Tree, volume: &Volume, path: &str) -> Vec<u8> {
    let id = tree.resolve_path(path, Matching::Exact).unwrap();
    let mut bytes = vec![0xEE; usize::try_from(tree.node(id).size()).unwrap()];
    assert_eq!(tree.read_at(&volume.bytes, id, &mut bytes, 0).unwrap(), bytes.len());
    bytes
}
