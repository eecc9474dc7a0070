//! Discs with ISO 9660 and UDF: which tree is read, and what each says of the files of the other.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use iso_reader::{Error, Options, Tree, TreeKind, Unsupported};
use support::disc::{Disc, Record, SECTOR};
use support::susp::{er, sp};
use support::udf::{Entry, FILE, SHORT, Volume, short, type_2_map};
use support::udf_checks::add_names;
use support::{Large, listing};

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
