//! Images made to cost much: each has an expected outcome, takes less than a second, and takes memory in
//! proportion to its size. One test, because it measures the memory of its process.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::io;
use std::time::{Duration, Instant};

use iso_reader::{Error, LimitReached, Matching, NodeKind, Options, ReadAt, Tree};
use peak_alloc::PeakAlloc;
use support::disc::{CONTINUES, Disc, ROOT, Record, SECTOR, both32};
use support::susp::{
    FILE, ce, cl, nm, px, rock_directory, rock_disc, rock_file, rock_link, rock_root, sl, zf,
};
use support::udf::{self, CONTINUED, Volume, short};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most time that an image may take, on a busy machine as well.
const TIME: Duration = Duration::from_secs(1);
/// Bytes that opening any image may take.
const MEMORY_FLOOR: usize = 512 << 10;
/// Further bytes for each byte in sectors that are not empty. A record of 34 bytes becomes an entry of 33,
/// and an array that grows exists twice for a moment.
const MEMORY_RATIO: usize = 8;

/// An image that may have a larger size than its bytes. The rest is zeros.
struct Image {
    bytes: Vec<u8>,
    size: u64,
}

impl ReadAt for Image {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.bytes.as_slice().read_at(buffer, offset)?;
        buffer[count..].fill(0);
        Ok(buffer.len())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}

impl From<Disc> for Image {
    fn from(disc: Disc) -> Image {
        Image { size: u64::try_from(disc.bytes.len()).unwrap(), bytes: disc.bytes }
    }
}

impl Disc {
    /// The same disc at the start of an image of `size` bytes.
    fn within(self, size: u64) -> Image {
        Image { bytes: self.bytes, size }
    }
}

/// The result of opening an image.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// Entries with the root, damaged files and warnings.
    Tree(usize, usize, usize),
    Refused(LimitReached),
}
use Outcome::{Refused, Tree as Opened};

fn outcome(image: &Image) -> Outcome {
    match Tree::open(image, &Options::default()) {
        Ok(tree) => {
            let links = tree.nodes().filter(|id| tree.node(*id).link_target().is_some());
            for link in links {
                // Links lead nowhere, but for those to the first names of directories.
                let found = tree.resolve_path(tree.path(link), Matching::Exact);
                assert!(found.is_err() || tree.node(found.unwrap()).kind() == NodeKind::Directory);
            }
            assert!(tree.memory() <= bound(image), "the tree takes {} bytes", tree.memory());
            Opened(tree.len(), tree.damaged(), tree.warnings().count())
        }
        Err(Error::Limit(limit)) => Refused(limit),
        Err(error) => panic!("{error:?}"),
    }
}

fn bound(image: &Image) -> usize {
    let used = image.bytes.chunks(SECTOR).filter(|sector| sector.iter().any(|byte| *byte != 0));
    MEMORY_FLOOR + MEMORY_RATIO * SECTOR * used.count()
}

/// A disc with these records in the root directory, which may have many sectors.
fn plain(records: &[Record]) -> Disc {
    let mut disc = Disc::new();
    let length = disc.directory(ROOT, records);
    disc.put(16 * SECTOR + 156 + 10, &both32(length));
    disc
}

/// A disc with a directory of Rock Ridge that holds these records, from block 1000 on.
fn rock(records: &[Record]) -> Disc {
    let mut disc = rock_disc(&[]);
    let length = disc.directory(1000, records);
    rock_root(&mut disc, &[Record { length, ..rock_directory(b"d", 1000) }]);
    disc
}

/// Fills an area of 32 KiB with an entry, up to a continuation in the block `next`.
fn area(disc: &mut Disc, at: u32, filler: &[u8], next: u32) {
    let mut bytes = filler.repeat(((32 << 10) - 28) / filler.len());
    bytes.extend(ce(next, 0, 32 << 10));
    let offset = disc.offset(at);
    disc.put(offset, &bytes);
}

fn name(at: u32) -> Vec<u8> {
    format!("N{at:06}").into_bytes()
}

/// 24 levels of directories, each listing the next one eight times: 8^24 paths.
fn bomb(entry: impl Fn(&[u8], u32) -> Record) -> Disc {
    let mut disc = rock_disc(&[]);
    for level in 0..24 {
        let records: Vec<Record> = (b'a'..=b'h').map(|name| entry(&[name], 101 + level)).collect();
        disc.directory(100 + level, &records);
    }
    disc.directory(124, &[]);
    rock_root(&mut disc, &[rock_directory(b"d", 100)]);
    disc
}

fn directories() -> Vec<(&'static str, Image, Outcome)> {
    let itself = plain(&[Record::directory(b"D", ROOT)]);
    let mut circle = plain(&[Record::directory(b"D", 100)]);
    for block in 100..200 {
        let records = [Record::directory(b"NEXT", 100 + (block - 99) % 100), Record::directory(b"UP", ROOT)];
        circle.directory(block, &records);
    }
    let mut moved = rock_disc(&[]);
    rock_root(&mut moved, &[rock_directory(b"d", 40), rock_file(b"m").with(&cl(41))]);
    moved.directory(40, &[rock_file(b"up").with(&cl(ROOT)), rock_file(b"other").with(&cl(41))]);
    moved.directory(41, &[rock_file(b"itself").with(&cl(41)), rock_file(b"back").with(&cl(40))]);
    let links: Vec<Record> = (0..200_u32)
        .map(|at| {
            rock_link(format!("l{at}").as_bytes(), format!("l{}/l{}", (at + 1) % 200, at / 2).as_bytes())
        })
        .collect();
    let empty = Record { length: 0, ..Record::directory(b"", 0) };
    let no_length = {
        let mut disc = plain(&[Record::file(b"A.;1", 0, 0)]);
        // The length of every record of the directory is zero, but for its own.
        let end = disc.offset(ROOT) + SECTOR;
        disc.put(end - SECTOR + 34, &[0; SECTOR - 34]);
        disc
    };
    let within = |length| {
        let directory = |at: u32| Record { length, ..Record::directory(&name(at), 100 + at) };
        plain(&(0..64).map(directory).collect::<Vec<_>>())
    };
    // 70 directories that share one megabyte of records, each with all but the first sectors of the last.
    let mut overlapping = within(1 << 20);
    let mut records = Vec::new();
    while records.len() < (1 << 20) + 64 * SECTOR {
        let sector = Record::file(b"SAME", 0, 0).encode().repeat(SECTOR / 38);
        records.extend(sector);
        records.resize(records.len().next_multiple_of(SECTOR), 0);
    }
    overlapping.put(100 * SECTOR, &records);
    vec![
        ("a directory in itself", itself.into(), Opened(2, 0, 1)),
        ("a circle of directories", circle.into(), Opened(2 + 2 * 100, 0, 101)),
        ("8^24 directories", bomb(rock_directory).into(), Opened(2 + 24 * 8, 0, 24 * 7)),
        (
            "8^24 moved directories",
            bomb(|name, block| rock_file(name).with(&cl(block))).into(),
            Opened(2 + 24 * 8, 0, 24 * 7),
        ),
        ("moved directories in each other", moved.into(), Opened(7, 0, 4)),
        ("links in a circle", rock(&links).into(), Opened(2 + 200, 0, 0)),
        ("records of no length", no_length.into(), Opened(1, 0, 0)),
        (
            "20,000 empty directories",
            plain(&(0..20_000).map(|at| Record { name: name(at), ..empty.clone() }).collect::<Vec<_>>())
                .into(),
            Opened(20_001, 0, 0),
        ),
        (
            "a directory of four gigabytes of zeros",
            within(u32::MAX).within(u64::MAX),
            Refused(LimitReached::MetadataBytes),
        ),
        ("a directory that leaves the image", within(u32::MAX).into(), Opened(65, 0, 64)),
        ("64 directories that share their records", overlapping.into(), Refused(LimitReached::MetadataBytes)),
    ]
}

fn names_and_files() -> Vec<(&'static str, Image, Outcome)> {
    let forbidden: Vec<Record> = (0..10_000_u32)
        .map(|at| {
            let names: [&[u8]; 8] = [b"", b".", b"..", b"a/b", b"/", b"a\0", b"../../etc/passwd", b"\0\0"];
            rock_file(names[usize::try_from(at).unwrap() % 8])
        })
        .collect();
    let part = |at: u32| Record::file(b"BIG.;1", 16 + at % 2 * 2, 2048).flags(CONTINUES);
    let parts = |count: u32| -> Vec<Record> {
        (0..count).map(part).chain([Record::file(b"BIG.;1", 16 + count % 2 * 2, 1)]).collect()
    };
    let enormous = |at: u32| Record::file(&name(at), u32::MAX - at, u32::MAX);
    let same: Vec<Record> = (0..30_000).map(|_| Record::file(b"SAME.;1", 0, 0)).collect();
    let packed = rock_file(b"z").with(&zf(b"pz", 4, 15, 0xFFFF_FFFF));
    vec![
        // An empty `NM` entry does not count: all of these have the name of the record, `file`.
        ("10,000 forbidden names", rock(&forbidden).into(), Opened(3, 0, 8750 + 1249)),
        ("30,000 equal names", plain(&same).into(), Opened(2, 0, 29_999)),
        ("65,535 extents", plain(&parts(65_534)).into(), Opened(2, 0, 0)),
        ("65,536 extents", plain(&parts(65_535)).into(), Opened(2, 1, 1)),
        ("70,000 extents", plain(&parts(69_999)).into(), Opened(2, 1, 1)),
        (
            "1,000 extents without a last one",
            plain(&(0..1000).map(part).collect::<Vec<_>>()).into(),
            Opened(2, 1, 1),
        ),
        (
            "10,000 files of four gigabytes past the end",
            plain(&(0..10_000).map(enormous).collect::<Vec<_>>()).into(),
            Opened(10_001, 10_000, 10_000),
        ),
        (
            "10,000 files of four gigabytes",
            plain(&(0..10_000).map(enormous).collect::<Vec<_>>()).within(u64::MAX),
            // Behind the last one are so many bytes that it could be larger.
            Opened(10_001, 1, 1),
        ),
        ("four gigabytes out of five bytes", rock(&[packed]).into(), Opened(3, 1, 1)),
    ]
}

fn continuations() -> Vec<(&'static str, Image, Outcome)> {
    let file = |at: u32, attributes: &[u8]| {
        Record::file(b"F.;1", 30, 5).with(&px(FILE)).with(&nm(0, &name(at))).with(attributes)
    };
    let files = |count: u32, attributes: &[u8]| -> Vec<Record> {
        (0..count).map(|at| file(at, attributes)).collect()
    };
    let mut cases = Vec::new();
    let mut alone = rock(&files(1, &ce(300, 0, 32 << 10)));
    area(&mut alone, 300, b"XX\x04\x01", 300);
    cases.push(("a continuation of itself", alone.into(), Opened(3, 0, 1)));
    let mut chain = rock(&files(1, &ce(300, 0, 28)));
    for block in 300..400 {
        chain.file(b"", block, &ce(block + 1, 0, 28));
    }
    cases.push(("a chain of 100 continuations", chain.into(), Opened(3, 0, 1)));
    let outside = rock(&files(10_000, &ce(u32::MAX, u32::MAX, u32::MAX)));
    cases.push(("10,000 continuations outside", outside.into(), Opened(10_002, 0, 10_000)));
    for (case, filler) in [
        ("10,000 endless chains of nothing", b"XX\x04\x01".to_vec()),
        ("10,000 endless names", nm(1, b"")),
        ("10,000 endless links", sl(1, &[(1, b"")])),
    ] {
        let mut disc = rock(&files(10_000, &ce(300, 0, 32 << 10)));
        // Two areas far apart, so that no window holds both.
        area(&mut disc, 300, &filler, 400);
        area(&mut disc, 400, &filler, 300);
        cases.push((case, disc.into(), Refused(LimitReached::MetadataBytes)));
    }
    cases
}

/// A UDF volume with `count` names in its root, all of them for the entry in block 3.
fn volume(count: u32, entry: &udf::Entry) -> Volume {
    let mut volume = Volume::new();
    volume.entry(3, entry);
    let names: Vec<Vec<u8>> = (0..count).map(|at| volume.name(&format!("n{at:06}"), 3)).collect();
    let names = names.concat();
    let length = u32::try_from(names.len()).unwrap();
    volume.put(volume.offset(0, 300), &names);
    volume.entry(udf::ROOT, &udf::Entry::new(udf::DIRECTORY, udf::SHORT, length.into(), &short(length, 300)));
    // The last sector has to be an anchor.
    volume.anchor(u32::try_from(volume.bytes.len().div_ceil(volume.block_size)).unwrap());
    volume
}

fn volumes() -> Vec<(&'static str, Image, Outcome)> {
    let file = |size, descriptors: &[u8]| udf::Entry::new(udf::FILE, udf::SHORT, size, descriptors);
    let continued = |block| short(512 | CONTINUED, block);
    let mut itself = volume(10_000, &file(1 << 30, &continued(30)));
    itself.allocation(30, &continued(30));
    let mut apart = volume(10_000, &file(1 << 30, &continued(30)));
    for block in 30..100 {
        apart.allocation(block, &continued(30 + (block - 29) % 70));
    }
    // Each block of the chain holds 50 extents, none of which starts where the one before ends.
    let mut scattered = volume(10_000, &file(1 << 30, &continued(30)));
    for block in 30..200 {
        let extents: Vec<u8> = (0..50).flat_map(|at| short(512, at % 2 * 2)).collect();
        scattered.allocation(block, &[extents, continued(block + 1)].concat());
    }
    let own = Volume::with_block_size(2048);
    let mut circle = own.clone();
    let eight = |block: u32| -> Vec<Vec<u8>> { (0..8).map(|at| own.name(&format!("{at}"), block)).collect() };
    circle.directory(udf::ROOT, &eight(10));
    (10..33).for_each(|block| circle.directory(block, &eight(block + 1)));
    circle.directory(33, &eight(udf::ROOT));
    let directory = udf::Entry::new(udf::DIRECTORY, udf::SHORT, 1 << 29, &short(1 << 29, 3));
    let volumes = [
        ("10,000 names of a chain that is its own next", itself, Refused(LimitReached::MetadataBytes)),
        ("10,000 names of a chain in a circle", apart, Refused(LimitReached::MetadataBytes)),
        ("10,000 names of 8,500 extents", scattered, Refused(LimitReached::MetadataBytes)),
        ("8^24 directories of UDF in a circle", circle, Opened(1 + 25 * 8, 0, 25 * 7 + 1)),
        (
            // It covers the names of the root, and so lists them once more.
            "10,000 names of a directory of half a gigabyte",
            volume(10_000, &directory),
            Opened(20_001, 0, 40_001),
        ),
        ("10,000 files of an exabyte", volume(10_000, &file(1 << 60, &[])), Opened(10_001, 0, 10_000)),
    ];
    volumes
        .into_iter()
        .map(|(case, volume, expected)| {
            let size = u64::try_from(volume.bytes.len()).unwrap();
            (case, Image { bytes: volume.bytes, size }, expected)
        })
        .collect()
}

#[test]
fn hostile_images_cost_little() {
    let cases = [directories(), names_and_files(), continuations(), volumes()];
    for (case, image, expected) in cases.into_iter().flatten() {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let start = Instant::now();
        let outcome = outcome(&image);
        let (time, peak) = (start.elapsed(), MEMORY.peak_usage() - before);
        println!(
            "{case}: {} ms, {} KiB of {}, {outcome:?}",
            time.as_millis(),
            peak >> 10,
            bound(&image) >> 10
        );
        assert_eq!(outcome, expected, "{case}");
        assert!(time < TIME, "{case} takes {time:?}");
        assert!(peak <= bound(&image), "{case} takes {peak} bytes, more than {}", bound(&image));
    }
}
