//! Legal images that writers in the field do not make, and that common tools cannot make.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use iso_reader::{ExtentData, Limits, Matching, Options, ReadAt, Tree, TreeKind};
use support::disc::{ASSOCIATED, CONTINUES, Disc, ROOT, Record, SECTOR, both32};
use support::susp::{
    DIRECTORY, FILE, LINK, ce, cl, er, nm, px, re, rock_directory, rock_disc, rock_file, rock_link,
    rock_root, sl, sp, tf,
};
use support::{Large, listing};

fn open(disc: &Disc) -> Tree {
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert!(tree.warnings().is_empty(), "{:?}", tree.warnings());
    tree
}

fn content(tree: &Tree, source: &impl ReadAt, path: &str) -> Vec<u8> {
    let file = tree.resolve_path(path, Matching::Exact).unwrap();
    let mut bytes = vec![0; 1 << 20];
    let count = tree.read_at(source, file, &mut bytes, 0).unwrap();
    bytes.truncate(count);
    bytes
}

#[test]
fn descriptor_fields() {
    let disc = Disc::new();
    let tree = open(&disc);
    let volume = tree.volume();
    assert_eq!((volume.label(), volume.system()), ("TEST", "LINUX"));
    assert_eq!((volume.publisher(), volume.application()), ("PUBLISHER", "APPLICATION"));
    assert_eq!(volume.created(), Some(1_709_210_096));
    assert_eq!((volume.block_size(), volume.declared_size()), (2048, 40 * 2048));
    assert_eq!(volume.image_size(), 21 * 2048);
    assert_eq!((volume.kind(), volume.available()), (TreeKind::Plain, &[TreeKind::Plain][..]));
    assert_eq!(volume.boot_catalog(), None);
    assert!(tree.is_empty() && !tree.is_truncated());
    assert_eq!(tree.node(tree.root()).modified(), 1_709_210_096);
}

#[test]
fn boot_record_before_the_primary_descriptor() {
    let mut disc = Disc::new();
    let primary = disc.bytes[16 * SECTOR..17 * SECTOR].to_vec();
    disc.put(16 * SECTOR, &[0; SECTOR]);
    disc.put(16 * SECTOR, b"\0CD001\x01EL TORITO SPECIFICATION");
    disc.put(16 * SECTOR + 71, &[25, 0, 0, 0]);
    disc.put(17 * SECTOR, &primary);
    disc.put(18 * SECTOR, b"\xFFCD001\x01");
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert_eq!(tree.volume().boot_catalog(), Some(25));
}

#[test]
fn small_blocks() {
    for block_size in [512, 1024] {
        let mut disc = Disc::with_block_size(block_size);
        let per_sector = 2048 / u32::from(block_size);
        // One block behind the start of a sector, so that only the right block size leads to it.
        let file = disc.file(b"SMALL.BIN;1", 30 * per_sector + 1, &[0x5A; 5000]);
        let records: Vec<Record> =
            (0..200).map(|at| Record { name: format!("F{at:03}.;1").into(), ..file.clone() }).collect();
        let length = disc.directory(25 * per_sector, &records);
        let directory = Record { length, ..Record::directory(b"SUB", 25 * per_sector) };
        disc.directory(disc.root(), &[file, directory]);
        let tree = open(&disc);
        assert_eq!(tree.volume().block_size(), u32::from(block_size));
        assert_eq!(tree.volume().declared_size(), 40 * 2048);
        assert_eq!(tree.len(), 203);
        assert_eq!(content(&tree, &disc.bytes, "small.bin"), [0x5A; 5000]);
        assert_eq!(content(&tree, &disc.bytes, "sub/f199"), [0x5A; 5000]);
    }
}

#[test]
fn a_directory_that_starts_within_a_sector() {
    let mut disc = Disc::with_block_size(512);
    let file = disc.file(b"A.;1", 120, b"a");
    // The directory starts with the second block of a sector: three blocks, then the next sector.
    let start = 25 * 4 + 1;
    let dots = [0, 1].map(|name| Record::directory(&[name], u32::try_from(start).unwrap()));
    let files = (0..60).map(|at| Record { name: format!("A{at:02}.;1").into(), ..file.clone() });
    let mut bytes = Vec::new();
    for record in dots.into_iter().chain(files).map(|record| record.encode()) {
        if bytes.len() < 1536 && bytes.len() + record.len() > 1536 {
            bytes.resize(1536, 0);
        }
        bytes.extend(record);
    }
    disc.put(start * 512, &bytes);
    let length = u32::try_from(bytes.len()).unwrap();
    disc.put(start * 512 + 10, &both32(length));
    let directory = Record { length, ..Record::directory(b"SUB", u32::try_from(start).unwrap()) };
    disc.directory(disc.root(), &[directory]);
    assert_eq!(open(&disc).len(), 62);
}

#[test]
fn sections_far_apart_form_one_file() {
    let mut disc = Disc::new();
    let first = disc.file(b"BIG.;1", 30, &[1; 2048]).flags(CONTINUES);
    let second = disc.file(b"BIG.;1", 33, &[2; 4096]).flags(CONTINUES);
    let third = disc.file(b"BIG.;1", 35, &[3; 2048]).flags(CONTINUES);
    let tail = Record::file(b"BIG.;1", 0, 0);
    let other = disc.file(b"C.;1", 40, b"c");
    disc.directory(ROOT, &[first, second, third, tail, other]);
    let tree = open(&disc);
    assert_eq!(listing(&tree), "big=8192 c=1");
    let big = tree.child(tree.root(), b"big").unwrap();
    let extents: Vec<_> =
        tree.extents(big).map(|extent| (extent.offset, extent.length, extent.data)).collect();
    let recorded = ExtentData::Recorded;
    assert_eq!(tree.extents(big).len(), 2);
    assert_eq!(
        extents,
        [(30 * 2048, 2048, recorded), (33 * 2048, 6144, recorded)],
        "neighbours are one extent"
    );
    assert_eq!(content(&tree, &disc.bytes, "big"), [vec![1; 2048], vec![2; 4096], vec![3; 2048]].concat());

    let mut buffer = [0; 4];
    assert_eq!(tree.read_at(&disc.bytes, big, &mut buffer, 2046).unwrap(), 4);
    assert_eq!(buffer, [1, 1, 2, 2]);
    assert_eq!(tree.read_at(&disc.bytes, big, &mut buffer, 8190).unwrap(), 2);
    for offset in [8192, 8193, u64::MAX] {
        assert_eq!(tree.read_at(&disc.bytes, big, &mut buffer, offset).unwrap(), 0);
    }
}

#[test]
fn extended_attributes_precede_the_data() {
    let mut disc = Disc::new();
    let file = disc.file(b"A.;1", 32, b"data");
    disc.directory(26, std::slice::from_ref(&file));
    let file = Record { block: 30, attribute_blocks: 2, ..file };
    let directory = Record { attribute_blocks: 1, ..Record::directory(b"SUB", 25) };
    disc.directory(ROOT, &[file, directory]);
    let tree = open(&disc);
    assert_eq!(content(&tree, &disc.bytes, "a"), b"data");
    assert_eq!(content(&tree, &disc.bytes, "sub/a"), b"data");
}

#[test]
fn associated_files_are_left_out() {
    let mut disc = Disc::new();
    let file = disc.file(b"A.;1", 30, b"data");
    let fork = Record { length: 2, ..file.clone() }.flags(ASSOCIATED);
    disc.directory(ROOT, &[fork, file]);
    assert_eq!(listing(&open(&disc)), "a=4");
}

#[test]
fn a_directory_of_many_sectors() {
    let mut disc = Disc::new();
    let file = disc.file(b"", 21, b"data");
    let records: Vec<Record> =
        (0..9000).map(|at| Record { name: format!("FILE{at:05}.TXT;1").into(), ..file.clone() }).collect();
    let length = disc.directory(30, &records);
    disc.directory(ROOT, &[Record { length, ..Record::directory(b"SUB", 30) }]);
    let tree = open(&disc);
    let sub = tree.child(tree.root(), b"sub").unwrap();
    assert_eq!(tree.children(sub).len(), 9000);
    assert_eq!(tree.node(tree.children(sub).next_back().unwrap()).name(), b"file08999.txt");
    for id in tree.children(sub) {
        let name = tree.node(id).name();
        assert_eq!((tree.child(sub, name), tree.child(tree.root(), name)), (Some(id), None));
        assert_eq!(tree.child(sub, &[name, b"x"].concat()), None);
    }
}

#[test]
fn an_empty_directory_may_have_no_extent() {
    let mut disc = Disc::new();
    let nothing = |name: &[u8]| Record { length: 0, ..Record::directory(name, 0) };
    disc.directory(ROOT, &[nothing(b"A"), nothing(b"B")]);
    assert_eq!(listing(&open(&disc)), "a/ b/");
}

#[test]
fn a_shorter_image_is_truncated_only_if_something_is_missing() {
    let mut disc = Disc::new();
    let file = disc.file(b"A.;1", 30, &[1; 4096]);
    disc.directory(ROOT, &[file]);
    assert!(!open(&disc).is_truncated(), "only padding is missing");
    disc.bytes.truncate(31 * 2048);
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert!(tree.is_truncated());
    assert_eq!((tree.damaged(), listing(&tree)), (1, "a=4096!".to_owned()));
}

#[test]
fn joliet_and_enhanced_trees() {
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
    for (version, escapes, kind, name) in [
        (1, &b"%/@"[..], TreeKind::Joliet, wide("Größe ß.Txt;1")),
        (1, b"%/C", TreeKind::Joliet, wide("Größe ß.Txt;1")),
        (1, b"%/E", TreeKind::Joliet, wide("Größe ß.Txt;1")),
        (2, b"", TreeKind::Enhanced, "Größe ß.Txt".into()),
    ] {
        let mut disc = Disc::new();
        disc.supplementary(version, escapes, 22);
        let file = disc.file(b"PLAIN.TXT;1", 30, b"data");
        disc.directory(ROOT, std::slice::from_ref(&file));
        disc.directory(22, &[Record { name, ..file }]);
        let tree = open(&disc);
        assert_eq!((tree.volume().kind(), tree.volume().available()), (kind, &[kind, TreeKind::Plain][..]));
        assert_eq!(content(&tree, &disc.bytes, "Größe ß.Txt"), b"data");
        let options = Options { tree: Some(TreeKind::Plain), ..Options::default() };
        assert_eq!(listing(&Tree::open(&disc.bytes, &options).unwrap()), "plain.txt=4");
    }
}

#[test]
fn rock_ridge_without_its_announcement() {
    // Some writers leave out ER, and some SP as well. The attributes are enough.
    for start in [sp(0), Vec::new()] {
        let mut disc = rock_disc(&[rock_file(b"Name")]);
        let itself = Record::directory(&[0], ROOT).with(&start).with(&px(DIRECTORY));
        disc.records(ROOT, &[itself, rock_file(b"Name")]);
        assert_eq!(listing(&open(&disc)), "Name=5");
    }
    let mut disc = rock_disc(&[]);
    disc.records(ROOT, &[Record::directory(&[0], ROOT).with(&sp(0)), rock_file(b"Name")]);
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert_eq!((listing(&tree).as_str(), tree.warnings().count()), ("Name=5", 1), "the root says nothing");
}

#[test]
fn rock_ridge_behind_xa_attributes() {
    let mut disc = rock_disc(&[]);
    let xa = [0x55; 14];
    let itself = Record::directory(&[0], ROOT).with(&xa).with(&sp(14)).with(&er());
    let file = Record::file(b"FILE.;1", 30, 5).with(&xa).with(&px(FILE)).with(&nm(0, b"Name"));
    disc.records(ROOT, &[itself, Record::directory(&[1], ROOT), file]);
    assert_eq!(listing(&open(&disc)), "Name=5");
}

#[test]
fn names_and_links_in_pieces() {
    let long = [b'n'; 200];
    let name = Record::file(b"A.;1", 30, 5)
        .with(&px(FILE))
        .with(&nm(1, b"Na"))
        .with(&nm(1, b"me "))
        .with(&ce(31, 8, 206));
    let link = Record::file(b"L.;1", 0, 0)
        .with(&px(LINK))
        .with(&nm(0, b"link"))
        .with(&sl(1, &[(8, b""), (0, b"usr"), (1, b"sh")]))
        .with(&sl(0, &[(0, b"are"), (2, b""), (4, b""), (0, b"doc")]));
    let mut disc = rock_disc(&[name, link]);
    disc.file(b"", 31, &[&[0; 8][..], &nm(0, &long), b"\0"].concat());
    let expected = format!("Name {}=5 link->/usr/share/./../doc", "n".repeat(200));
    assert_eq!(listing(&open(&disc)), expected);
}

#[test]
fn a_target_makes_a_link_without_a_mode() {
    let link = Record::file(b"L.;1", 0, 0).with(&nm(0, b"link")).with(&sl(0, &[(0, b"file")]));
    assert_eq!(listing(&open(&rock_disc(&[rock_file(b"file"), link]))), "file=5 link->file");
}

#[test]
fn continuation_areas_form_a_chain() {
    let parts: Vec<Vec<u8>> =
        (0..10).map(|at| nm(u8::from(at < 9), format!("part{at}").as_bytes())).collect();
    let mut disc = rock_disc(&[Record::file(b"A.;1", 30, 5).with(&ce(31, 0, 38))]);
    for (at, part) in (0_u32..).zip(&parts) {
        let area = if at < 9 {
            [&part[..], &ce(32 + at, 0, if at < 8 { 38 } else { 10 })].concat()
        } else {
            part.clone()
        };
        disc.file(b"", 31 + at, &area);
    }
    assert_eq!(listing(&open(&disc)), "part0part1part2part3part4part5part6part7part8part9=5");
    for (continuations, entries) in [(10, 2), (9, 1)] {
        let limits = Limits { continuations, ..Limits::default() };
        let tree = Tree::open(&disc.bytes, &Options { limits, ..Options::default() }).unwrap();
        assert_eq!(tree.len(), entries, "{continuations}");
    }
}

#[test]
fn times_in_both_forms() {
    let short = [[100, 1, 1, 0, 0, 0, 0], [124, 2, 29, 12, 34, 56, 0]].concat();
    let long = b"2000010100000000\x002024022912345600\0";
    let cases = [
        (tf(0x03, &short), 1_709_210_096),
        (tf(0x02, &short[7..]), 1_709_210_096),
        (tf(0x01, &short), 1_709_210_096),
        (tf(0x83, long), 1_709_210_096),
        (tf(0x82, &long[17..]), 1_709_210_096),
        (tf(0x02, &short), 946_684_800),
        (tf(0x02, &[255, 12, 31, 23, 59, 59, 0]), i64::from(u32::MAX)),
        (tf(0x02, &[1, 1, 1, 0, 0, 0, 0]), 0),
    ];
    for (times, expected) in cases {
        let tree = open(&rock_disc(&[rock_file(b"a").with(&times)]));
        let file = tree.child(tree.root(), b"a").unwrap();
        assert_eq!(tree.node(file).modified(), expected, "{}", times.escape_ascii());
    }
}

#[test]
fn modes() {
    let tree = open(&rock_disc(&[
        rock_file(b"a").with(&px(0o104_755)),
        Record::file(b"B.;1", 30, 5),
        Record { length: 0, ..Record::directory(b"C", 0) }.with(&px(0o041_777)),
    ]));
    let mode = |name: &[u8]| tree.node(tree.child(tree.root(), name).unwrap()).mode();
    assert_eq!((mode(b"a"), mode(b"b")), (0o4755, 0o444));
    assert_eq!(tree.node(tree.root()).mode(), 0o755);
}

#[test]
fn moved_directories_are_where_they_belong() {
    let mut disc = rock_disc(&[]);
    let stub = Record::file(b"DEEP.;1", 30, 0).with(&nm(0, b"Deep")).with(&cl(25));
    let moved = rock_directory(b"Deep", 25).with(&re());
    rock_root(&mut disc, &[rock_directory(b"here", 23), rock_directory(b"rr_moved", 24)]);
    disc.directory(23, &[stub]);
    disc.directory(24, &[moved]);
    let itself = Record::directory(&[0], 25).with(&px(0o040_711)).with(&tf(2, &[100, 1, 1, 0, 0, 0, 0]));
    disc.records(25, &[itself, Record::directory(&[1], 24), rock_file(b"file")]);
    let tree = open(&disc);
    assert_eq!(listing(&tree), "here/ here/Deep/ here/Deep/file=5 rr_moved/");
    let deep = tree.node(tree.resolve_path("here/Deep", Matching::Exact).unwrap());
    assert_eq!((deep.mode(), deep.modified()), (0o711, 946_684_800));
    assert_eq!(tree.node(deep.parent()).name(), b"here");
}

#[test]
fn a_moved_directory_may_lie_in_the_missing_part_of_an_image() {
    let moved = |block| Record::file(b"DEEP.;1", 30, 0).with(&nm(0, b"Deep")).with(&cl(block));
    for (block, is_truncated) in [(30, false), (35, true)] {
        let tree = Tree::open(&rock_disc(&[moved(block)]).bytes, &Options::default()).unwrap();
        assert_eq!((tree.is_truncated(), tree.warnings().count()), (is_truncated, 1), "{block}");
    }
}

#[test]
fn a_source_may_be_shared_and_boxed() {
    let disc = rock_disc(&[rock_file(b"a"), rock_link(b"b", b"a")]);
    let slice: &[u8] = &disc.bytes;
    let boxed: Box<dyn ReadAt> = Box::new(disc.bytes.clone());
    let shared = std::sync::Arc::new(disc.bytes.clone());
    let default = Options::default();
    for tree in [Tree::open(&slice, &default), Tree::open(&boxed, &default), Tree::open(&shared, &default)] {
        assert_eq!(content(&tree.unwrap(), &slice, "b"), b"alpha");
    }
}

#[test]
fn a_tree_can_be_sent_and_shared() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Tree>();
}

/// Some old writers fill sectors to the last byte. Linux joins the halves of a record.
#[test]
fn records_that_cross_a_sector_are_joined() {
    for (block_size, length) in [(2048, 46), (2048, 47), (512, 41)] {
        let mut disc = Disc::with_block_size(block_size);
        let file = disc.file(b"", 30 * disc.root() / ROOT, b"data");
        let mut bytes = Vec::new();
        for record in [Record::directory(&[0], 0), Record::directory(&[1], disc.root())] {
            bytes.extend(Record { block: 40 * disc.root() / ROOT, length: 3 * 2048, ..record }.encode());
        }
        for number in 0..100 {
            let name = format!("{number:0width$}", width = length - 33);
            let mut record = Record { name: name.into(), ..file.clone() }.encode();
            record.truncate(length);
            record[0] = u8::try_from(length).unwrap();
            bytes.extend(record);
        }
        disc.put(40 * 2048, &bytes);
        disc.put(43 * 2048 - 1, &[0]);
        let sub = Record::directory(b"SUB", 40 * disc.root() / ROOT);
        disc.directory(disc.root(), &[Record { length: 3 * 2048, ..sub }]);
        let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
        assert_eq!(tree.len(), 102, "{:?}", tree.warnings());
        for id in tree.nodes().skip(2) {
            assert_eq!(content(&tree, &disc.bytes, std::str::from_utf8(&tree.path(id)).unwrap()), b"data");
        }
        assert_eq!(tree.warnings().count(), bytes.len() / 2048, "one for each crossing");
    }
}

/// Linux reads the length of a directory from the directory itself. The record in the parent, or in a volume
/// descriptor, may be stale.
#[test]
fn a_directory_tells_its_own_length() {
    let mut disc = Disc::new();
    let file = disc.file(b"", 21, b"data");
    let records: Vec<Record> =
        (0..100).map(|at| Record { name: format!("FILE{at:05}.TXT;1").into(), ..file.clone() }).collect();
    let length = disc.directory(30, &records);
    assert!(length > 2 * 2048);
    disc.put(40 * 2048 - 1, &[0]);
    for (recorded, warnings) in [(length, 0), (2048, 1), (length - 1, 1), (length + 2048, 1), (0, 1)] {
        disc.directory(ROOT, &[Record { length: recorded, ..Record::directory(b"SUB", 30) }]);
        let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
        assert_eq!((tree.len(), tree.warnings().count()), (102, warnings), "{:?}", tree.warnings());
        assert!(!tree.node(tree.child(tree.root(), b"sub").unwrap()).is_damaged());
    }
    // An entry that names another directory tells nothing.
    disc.directory(ROOT, &[Record { length, ..Record::directory(b"SUB", 30) }]);
    disc.put(30 * 2048 + 2, &both32(31));
    disc.put(30 * 2048 + 10, &both32(2048));
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert_eq!((tree.len(), tree.warnings().count()), (102, 1), "{:?}", tree.warnings());
    // Roots of all trees: the descriptor says one sector.
    for (version, escapes, kind) in [(1, &b""[..], TreeKind::Plain), (2, b"", TreeKind::Enhanced)] {
        let mut disc = Disc::new();
        let file = disc.file(b"", 21, b"data");
        disc.put(40 * 2048 - 1, &[0]);
        if kind == TreeKind::Enhanced {
            disc.supplementary(version, escapes, 30);
        } else {
            disc.descriptor(16, 1, 30);
        }
        let records: Vec<Record> =
            (0..100).map(|at| Record { name: format!("FILE{at:05}").into(), ..file.clone() }).collect();
        disc.directory(30, &records);
        let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
        assert_eq!((tree.volume().kind(), tree.len(), tree.warnings().count()), (kind, 101, 1));
    }
}

/// Linux shows a directory under each of its names.
#[test]
fn a_directory_may_have_several_names() {
    let mut disc = Disc::new();
    let file = disc.file(b"FILE.;1", 30, b"data");
    disc.directory(25, &[Record::directory(b"DEEP", 26)]);
    disc.directory(26, std::slice::from_ref(&file));
    disc.directory(27, &[Record::directory(b"TWIN", 26)]);
    let directories = [(&b"A"[..], 25), (b"B", 25), (b"C", 27)].map(|(name, at)| Record::directory(name, at));
    disc.directory(ROOT, &directories);
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert_eq!(listing(&tree), "a/ a/deep/ a/deep/file=4 b->/a c/ c/twin->/a/deep");
    assert_eq!(tree.warnings().count(), 2, "{:?}", tree.warnings());
    for path in ["a/deep/file", "b/deep/file", "c/twin/file"] {
        assert_eq!(content(&tree, &disc.bytes, path), b"data");
    }
}

/// Each directory has at least the entries for itself and its parent (ECMA-119 6.8.2.2), so zeros are damage.
#[test]
fn zeros_in_directories_are_told() {
    let mut disc = Disc::new();
    let file = disc.file(b"FILE.;1", 30, b"data");
    let records: Vec<Record> =
        (0..150).map(|at| Record { name: format!("FILE{at:05}.TXT;1").into(), ..file.clone() }).collect();
    let length = disc.directory(22, &records);
    assert!(length > 3 * 2048);
    disc.directory(ROOT, &[Record { length, ..Record::directory(b"SUB", 22) }]);
    let sound = disc.clone();
    assert_eq!(open(&sound).warnings().count(), 0);
    for (sector, entries) in [(22, 102..120), (23, 100..120), (ROOT, 0..0)] {
        let mut disc = sound.clone();
        disc.put(disc.offset(sector), &[0; 2048]);
        match Tree::open(&disc.bytes, &Options::default()) {
            Ok(tree) => {
                assert!(entries.contains(&tree.len()), "{sector}: {}", tree.len());
                assert_eq!(tree.warnings().iter().filter(|text| text.contains("is empty")).count(), 1);
            }
            Err(error) => {
                assert_eq!(sector, ROOT);
                let reason =
                    "the image is damaged: its root directory is empty, even of the entry for itself";
                assert_eq!(error.to_string(), reason);
            }
        }
    }
    // Another tree of the disc may be sound.
    let mut disc = sound;
    disc.supplementary(1, b"%/E", 35);
    disc.directory(35, &[Record { name: b"\0w".to_vec(), ..file }]);
    assert_eq!(listing(&Tree::open(&disc.bytes, &Options::default()).unwrap()), "w=4");
    disc.put(35 * 2048, &[0; 2048]);
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert_eq!((tree.volume().kind(), tree.warnings().count()), (TreeKind::Plain, 1));
}

/// Without a UDF tree the true size of a file of 4 GiB or more is unknown, but not that there is more.
#[test]
fn sizes_modulo_four_gigabytes_are_damage() {
    const WRAP: u32 = 1 << 21;
    let open = |files: &[(&str, u32, u32)], end: u32| {
        let mut disc = Disc::new();
        let records: Vec<Record> =
            files.iter().map(|(name, block, size)| Record::file(name.as_bytes(), *block, *size)).collect();
        disc.directory(ROOT, &records);
        disc.put(16 * SECTOR + 80, &both32(end));
        let image = Large { size: u64::from(end) * 2048, bytes: disc.bytes };
        let tree = Tree::open(&image, &Options::default()).unwrap();
        assert_eq!(tree.warnings().count(), tree.damaged(), "{:?}", tree.warnings());
        listing(&tree)
    };
    for (files, end, expected) in [
        (&[("A", 30, 5), ("B", 31 + WRAP, 9)][..], 32 + WRAP, "a=5! b=9"),
        (&[("A", 30, 5), ("B", 31 + 3 * WRAP, 9)], 32 + 3 * WRAP, "a=5! b=9"),
        (&[("A", 30, 5), ("C", 30, 5), ("B", 31 + WRAP, 9)], 32 + WRAP, "a=5! b=9 c=5!"),
        (&[("A", 30, 5), ("B", 31, 4097)], 34 + WRAP + 150, "a=5 b=4097!"),
        // Exactly 4 GiB are no bytes modulo 4 GiB.
        (&[("A", 30, 0), ("B", 30 + WRAP, 9)], 31 + WRAP, "a=0! b=9"),
        (&[("A", 30, 4096), ("B", 32, 0), ("C", 32, 0)], 32 + 2 * WRAP, "a=4096 b=0! c=0!"),
        // An empty file may be told to begin where another does, and anywhere else.
        (&[("A", 30, 5), ("B", 30, 0), ("C", 31 + WRAP, 9)], 32 + WRAP, "a=5! b=0 c=9"),
        (
            &[("A", 0, 0), ("B", 30, 5), ("C", 50 + WRAP, 0), ("D", u32::MAX, 0)],
            1000 + WRAP,
            "a=0 b=5 c=0 d=0",
        ),
        // Other distances are those of something that belongs to no file.
        (&[("A", 30, 5), ("B", 32 + WRAP, 9)], 33 + WRAP, "a=5 b=9"),
        (&[("A", 30, 5), ("B", 30 + WRAP, 9)], 31 + WRAP, "a=5 b=9"),
        (&[("A", 30, 5), ("B", 31, 4097)], 34 + WRAP + 1000, "a=5 b=4097"),
        (&[("A", 30, 5), ("B", 31, 4097)], 34 + WRAP / 2, "a=5 b=4097"),
    ] {
        assert_eq!(open(files, end), expected);
    }
}
