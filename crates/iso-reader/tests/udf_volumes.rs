//! From the anchors of a UDF volume over its descriptors to its partitions, rare ones and broken ones.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use iso_reader::{Corrupt, Error, LimitReached, Unsupported};
use support::listing;
use support::udf::{
    CONTINUED, DELETED, DIRECTORY, Entry, FILE, LONG, ROOT, SHORT, UNALLOCATED, Volume, latin, long, name,
    short, tagged, type_2_map,
};
use support::udf_checks::{add_names, check, content, open, volume_with};

#[test]
fn anchors_in_all_places() {
    for block_size in [512, 1024, 2048, 4096] {
        let mut sound = Volume::with_block_size(block_size);
        add_names(&mut sound, &[]);
        let blocks = u32::try_from(sound.bytes.len() / block_size).unwrap();
        let last = sound.sector(blocks - 1);
        for (case, sector, size) in
            [("at 256", 256, 300), ("behind the end but 256", 301, 301 + 257), ("the last", 299, 300)]
        {
            let mut volume = sound.clone();
            volume.put(last, &[0; 512]);
            assert!(matches!(open(&volume), Err(Error::Corrupt(Corrupt::UdfAnchor))));
            volume.anchor(sector);
            volume.bytes.resize(volume.sector(size), 0);
            check(case, &volume, "a=5", 0);
        }
    }
}

#[test]
fn the_metadata_partition() {
    let mut volume = Volume::with_metadata();
    // Entries in both pieces, and bytes in both partitions.
    volume.put(volume.offset(0, 20), b"outer");
    volume.entry(12, &Entry::new(FILE, LONG, 5, &long(5, 20, 0)));
    volume.entry(13, &Entry::embedded(FILE, b"inner"));
    let names = [volume.name("outer", 12), volume.name("inner", 13)].concat();
    let size = u32::try_from(names.len()).unwrap();
    // A directory that starts in one piece and ends in the other.
    let apart = [&[0; 448][..], &names].concat();
    for (block, part) in (9..).zip(apart.chunks(512)) {
        volume.put(volume.offset(1, block), part);
    }
    let deleted = name(&latin(&"x".repeat(17)), DELETED, 2, 1);
    assert_eq!(deleted.len(), 56);
    volume.put(volume.offset(1, 9), &deleted.repeat(8));
    let whole = 448 + size;
    volume.entry(2, &Entry::new(DIRECTORY, SHORT, u64::from(whole), &short(whole, 9)));
    add_root(&mut volume);
    check("sound", &volume, "d/ d/inner=5 d/outer=5", 0);
    let tree = open(&volume).unwrap();
    assert_eq!(content(&tree, &volume, "d/outer"), b"outer");
    assert_eq!(content(&tree, &volume, "d/inner"), b"inner");

    // With a broken main file the mirror is read, with one warning. Without both the volume is refused.
    let main = volume.offset(0, 0);
    let mirror = volume.offset(0, 2);
    type Break = fn(&mut Volume);
    let cases: Vec<(&str, Break)> = vec![
        ("no entry", |volume| volume.put(volume.offset(0, 0), &[0; 512])),
        ("outside", |volume| volume.metadata_file(0, 250, &short(1 << 20, 1 << 20))),
        ("a file like others", |volume| volume.metadata_file(0, 5, &short(10 * 512, 60))),
        ("too short", |volume| volume.metadata_file(0, 250, &short(512, 60))),
        ("a chain of itself", |volume| volume.metadata_file(0, 250, &short(512 | CONTINUED, 0))),
        ("in itself", |volume| {
            let entry = Entry::new(250, LONG, 20 * 512, &long(20 * 512, 0, 1));
            volume.put(volume.offset(0, 0), &entry.encode(0));
        }),
    ];
    for (case, damage) in cases {
        let mut broken = volume.clone();
        damage(&mut broken);
        check(case, &broken, "d/ d/inner=5 d/outer=5", 1);
        let bytes = broken.bytes[main..main + 512].to_vec();
        broken.put(mirror, &bytes);
        assert!(matches!(open(&broken), Err(Error::Corrupt(Corrupt::UdfMetadata))), "{case}: both");
    }
}

fn add_root(volume: &mut Volume) {
    volume.directory(ROOT, &[volume.name("d", 2)]);
}

#[test]
fn holes_of_the_metadata_partition_hold_nothing() {
    let mut volume = Volume::with_metadata();
    volume.metadata_file(0, 250, &[short(10 * 512, 60), short((10 * 512) | UNALLOCATED, 0)].concat());
    volume.entry(2, &Entry::embedded(FILE, b"alpha"));
    volume.directory(ROOT, &[volume.name("a", 2), volume.name("b", 12), volume.name("c", 20)]);
    check("holes", &volume, "a=5 b=0! c=0!", 2);
}

/// A case, a volume, and whether an error is the expected one.
type ErrorCase = (&'static str, Volume, fn(&Error) -> bool);

/// Volumes whose partition maps are not supported or make no sense.
fn cases_of_maps() -> Vec<ErrorCase> {
    let physical = [1, 6, 1, 0, 7, 0];
    let maps = |count: u32, maps: &[&[u8]]| {
        let mut volume = volume_with(&[]);
        volume.maps(count, &maps.concat());
        volume
    };
    let vat = type_2_map("*UDF Virtual Partition", &[]);
    let sparable = type_2_map("*UDF Sparable Partition", &[]);
    let unknown = type_2_map("*UDF What Partition", &[]);
    let mut elsewhere = type_2_map("*UDF Metadata Partition", &[0, 2, 4]);
    elsewhere[38] = 8;
    vec![
        ("virtual", maps(2, &[&physical, &vat]), |error| {
            matches!(error, Error::Unsupported(Unsupported::VirtualPartition))
        }),
        ("sparable", maps(1, &[&sparable]), |error| {
            matches!(error, Error::Unsupported(Unsupported::SparablePartition))
        }),
        ("unknown", maps(1, &[&unknown]), |error| {
            matches!(error, Error::Unsupported(Unsupported::PartitionMap))
        }),
        ("of type 3", maps(1, &[&[3, 6, 0, 0, 0, 0]]), |error| {
            matches!(error, Error::Unsupported(Unsupported::PartitionMap))
        }),
        ("a map of no length", maps(1, &[&[1, 0, 1, 0, 7, 0]]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("a map cut off", maps(1, &[&physical[..5]]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("fewer maps than it says", maps(2, &[&physical]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("another partition's number", maps(1, &[&[1, 6, 1, 0, 8, 0]]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("metadata in nothing", maps(1, &[&type_2_map("*UDF Metadata Partition", &[0, 2, 4])]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("metadata in another partition", maps(2, &[&physical, &elsewhere]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfPartitions))
        }),
        ("nine maps", maps(9, &[&physical[..]; 9]), |error| {
            matches!(error, Error::Limit(LimitReached::UdfPartitions))
        }),
    ]
}

#[test]
fn volumes_that_cannot_be_read_say_why() {
    let both = |sector: u32, bytes: &[u8]| {
        let mut volume = volume_with(&[]);
        for copy in [0, 6] {
            volume.put(volume.sector(volume.first() + copy + sector), bytes);
        }
        volume
    };
    let at = |position: usize, bytes: &[u8]| {
        let mut volume = volume_with(&[]);
        volume.put(position, bytes);
        volume
    };
    let own = Volume::new();
    let mut cut = volume_with(&[]);
    cut.anchor(256);
    cut.bytes.truncate(cut.sector(cut.first() + 12));
    cut.anchor(cut.first() + 12);
    let cases: Vec<ErrorCase> = vec![
        ("no anchor", at(own.bytes.len() - 512, &[0; 512]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfAnchor))
        }),
        ("no descriptors", both(0, &[0; 512]), |error| matches!(error, Error::Corrupt(Corrupt::UdfVolume))),
        ("no partition", both(1, &[1; 512]), |error| matches!(error, Error::Corrupt(Corrupt::UdfPartitions))),
        ("no logical volume", both(2, &[1; 512]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfVolume))
        }),
        ("no file set", at(own.offset(0, 0), &[0; 512]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfFileSet))
        }),
        ("no root", at(own.offset(0, ROOT), &[0; 512]), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfRoot))
        }),
        ("a file as root", at(own.offset(0, ROOT), &Entry::embedded(FILE, b"x").encode(ROOT)), |error| {
            matches!(error, Error::Corrupt(Corrupt::UdfRoot))
        }),
        (
            "a root outside",
            at(own.offset(0, ROOT), &Entry::new(DIRECTORY, SHORT, 40, &short(40, 1 << 20)).encode(ROOT)),
            |error| matches!(error, Error::Corrupt(Corrupt::RootOutsideImage)),
        ),
        ("cut before the partition", cut, |error| matches!(error, Error::Corrupt(Corrupt::UdfFileSet))),
        ("not UDF after all", at((32 << 10) + 2048, &[0xFF; 6]), |error| matches!(error, Error::NotAnImage)),
    ];
    for (case, volume, is_expected) in cases.into_iter().chain(cases_of_maps()) {
        let error = open(&volume).unwrap_err();
        assert!(is_expected(&error), "{case}: {error:?}");
        assert!(!error.to_string().is_empty() && !error.to_string().contains("Udf"), "{case}: {error}");
    }
}

#[test]
fn the_reserve_stands_in_for_the_main_sequence() {
    let sound = volume_with(&[]);
    let first = sound.first();
    let descriptor = |sector: u32| {
        let at = sound.sector(sector);
        sound.bytes[at..at + 512].to_vec()
    };
    let patched = |sector: u32, at: usize, byte: u8| {
        let mut volume = sound.clone();
        volume.put(volume.sector(sector) + at, &[byte]);
        volume
    };
    for (case, volume, warnings) in [
        ("a checksum", patched(first + 2, 4, 1), 2),
        ("a CRC", patched(first + 2, 200, 1), 2),
        ("a location", patched(first + 1, 12, 1), 2),
        ("the reserve alone", patched(first + 6 + 2, 4, 1), 0),
        ("a descriptor that does not matter", patched(first, 100, 1), 1),
    ] {
        check(case, &volume, "a=5", warnings);
    }
    // A bad sector does not hide those behind it, and the highest number counts.
    let mut volume = sound.clone();
    let logical = descriptor(first + 2);
    let newer = |number: u32, sector: u32, label: &[u8]| {
        let mut body = logical[16..].to_vec();
        body[..4].copy_from_slice(&number.to_le_bytes());
        body[84 - 16 + 1..84 - 16 + 1 + label.len()].copy_from_slice(label);
        body.truncate(446 - 16);
        tagged(6, sector, &body)
    };
    volume.put(volume.sector(first), &[0xAA; 512]);
    volume.put(volume.sector(first + 3), &newer(9, first + 3, b"NEWER"));
    volume.put(volume.sector(first + 4), &newer(3, first + 4, b"OLDER"));
    volume.put(volume.sector(first + 5), &newer(9, first + 5, b"LATER"));
    check("numbers", &volume, "a=5", 1);
    assert_eq!(
        open(&volume).unwrap().volume().label(),
        "LATER",
        "of two with one number the later one counts"
    );
}

#[test]
fn pointers_between_sequences() {
    let sound = volume_with(&[]);
    let first = sound.first();
    let pointer = |at: u32, to: u32| {
        let mut volume = sound.clone();
        let body = [&[0; 4][..], &short(6 * 512, to)].concat();
        volume.put(volume.sector(at), &tagged(3, at, &body));
        volume
    };
    check("to the reserve", &pointer(first, first + 6), "a=5", 0);
    check("to itself", &pointer(first, first), "a=5", 1);
    check("to nowhere", &pointer(first, u32::MAX), "a=5", 1);
    let mut volume = pointer(first + 6, first);
    volume.put(volume.sector(first), &pointer(first, first + 6).bytes[sound.sector(first)..][..512]);
    assert!(matches!(open(&volume), Err(Error::Corrupt(Corrupt::UdfVolume))));
}

#[test]
fn an_image_cut_off_is_told_from_a_whole_one() {
    let mut volume = volume_with(&[Volume::new().name("b", 3)]);
    volume.entry(3, &Entry::new(FILE, SHORT, 512, &short(512, 99)));
    volume.anchor(256);
    assert!(!open(&volume).unwrap().is_truncated());
    // An image that ends with the partition is complete. Without the last block a file is damaged.
    let end = volume.offset(0, 99);
    volume.anchor(volume.first() + 12 + 50);
    let mut cut = volume.clone();
    cut.bytes.truncate(end + 512);
    assert!(matches!(open(&cut), Err(Error::Corrupt(Corrupt::UdfAnchor))), "this one lost its anchors");
    cut.bytes.truncate(cut.sector(cut.first() + 12 + 51));
    let tree = open(&cut).unwrap();
    assert_eq!(listing(&tree), "a=5 b=512!");
    assert!(tree.is_truncated());
}
