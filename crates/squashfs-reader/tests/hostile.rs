//! Images that no program makes, laid out by hand: the work for each of them is bounded.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use squashfs_reader::{Error, Image, InodeRef, Kind, Listing};

const INODES: usize = 96;

/// An image with one directory, whose listing is stored uncompressed in metadata blocks of `block` bytes.
fn image(listing: &[u8], block: usize) -> Vec<u8> {
    let mut inode = vec![0; 40];
    inode[0] = 8;
    inode[20..24].copy_from_slice(&u32::try_from(listing.len() + 3).unwrap().to_le_bytes());
    image_with(&inode, listing, block)
}

/// An image with blocks of 4 KiB whose root is `inode`.
fn image_with(inode: &[u8], listing: &[u8], block: usize) -> Vec<u8> {
    let mut bytes = vec![0; INODES];
    bytes.extend(metadata(inode));
    let directories = bytes.len();
    bytes.extend(listing.chunks(block).flat_map(metadata));
    let size = bytes.len();
    bytes[..4].copy_from_slice(b"hsqs");
    for (at, number) in [(12, 4096_u32), (20, 1), (28, 4)] {
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    bytes[22] = 12;
    for (at, number) in [(40, size), (64, INODES), (72, directories)] {
        bytes[at..at + 8].copy_from_slice(&(number as u64).to_le_bytes());
    }
    bytes
}

/// A metadata block that is not compressed.
fn metadata(bytes: &[u8]) -> Vec<u8> {
    let head = u16::try_from(bytes.len()).unwrap() | 0x8000;
    [&head.to_le_bytes(), bytes].concat()
}

/// A listing of so many entries with the same name.
fn listing(entries: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for first in (0..entries).step_by(256) {
        let run = (entries - first).min(256);
        bytes.extend(u32::try_from(run - 1).unwrap().to_le_bytes());
        bytes.extend([0; 8]);
        for _ in 0..run {
            bytes.extend([0, 0, 0, 0, 1, 0, 0, 0, b'a']);
        }
    }
    bytes
}

fn root(image: &Image, source: &&[u8]) -> Listing {
    match image.reader(source).inode(image.root()).unwrap().kind {
        Kind::Directory(listing) => listing,
        other => panic!("{other:?}"),
    }
}

#[test]
fn images_laid_out_by_hand_are_read() {
    for block in [1, 7, 8192] {
        let bytes = image(&listing(300), block);
        let source = &bytes.as_slice();
        let image = Image::open(source).unwrap();
        let mut names = Vec::new();
        let entries = root(&image, source);
        assert!(image.reader(source).entries(&entries, |name, _| names.push(name.to_vec())).unwrap());
        assert_eq!(names, vec![b"a".to_vec(); 300]);
    }
}

/// Linux reads a run of entries to its end if it begins within the size of the directory. squashfs-tools-ng
/// and go-diskfs have left out the three bytes for `.` and `..`.
#[test]
fn a_wrong_size_costs_no_run_that_begins_within_it() {
    // Two runs, of 256 entries and of 44.
    let runs = [12 + 256 * 9, 12 + 44 * 9];
    for (difference, seen, is_right) in [
        (0, 300, true),
        (-3, 300, false),
        (1 - runs[1], 300, false),
        // Nothing tells this one.
        (-runs[1], 256, true),
        (1 - runs[0] - runs[1], 256, false),
        (-runs[0] - runs[1] - 3, 0, false),
        (1, 300, false),
        (20, 300, false),
    ] {
        let mut bytes = image(&listing(300), 8192);
        let size = runs.iter().sum::<i32>() + 3 + difference;
        bytes[INODES + 2 + 20..][..4].copy_from_slice(&size.to_le_bytes());
        let source = &bytes.as_slice();
        let image = Image::open(source).unwrap();
        let mut names = 0;
        let listing = root(&image, source);
        let told = image.reader(source).entries(&listing, |_, _| names += 1).unwrap();
        assert_eq!((names, told), (seen, is_right || size == 0), "{difference}");
    }
    let mut bytes = image(&listing(300), 8192);
    bytes[INODES + 2 + 20] += 21;
    let source = &bytes.as_slice();
    let image = Image::open(source).unwrap();
    let listing = root(&image, source);
    assert!(matches!(image.reader(source).entries(&listing, |_, _| {}), Err(Error::Corrupt(_))));
}

/// Each block costs two reads, so a block counts as a full one.
#[test]
fn tiny_blocks_are_no_way_around_the_budget() {
    let bytes = image(&listing(20_000), 1);
    let source = &bytes.as_slice();
    let image = Image::open(source).unwrap();
    let entries = root(&image, source);
    let result = image.reader(source).entries(&entries, |_, _| {});
    assert!(matches!(result, Err(Error::Limit(_))), "{result:?}");
}

/// Any number of directories may share one listing. It is decoded once, but its entries are shown each time.
#[test]
fn a_listing_that_directories_share_costs_each_time() {
    let bytes = image(&listing(100_000), 8192);
    let source = &bytes.as_slice();
    let image = Image::open(source).unwrap();
    let entries = root(&image, source);
    let mut reader = image.reader(source);
    let mut seen = 0_u64;
    let result = (0..100).try_for_each(|_| reader.entries(&entries, |_, _| seen += 1).map(drop));
    assert!(matches!(result, Err(Error::Limit(_))), "{result:?}");
    assert!(seen <= squashfs_reader::ENTRIES, "{seen}");
}

#[test]
fn other_images_are_refused_with_a_reason() {
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let good = image(&listing(1), 8192);
    let refusal = |change: Change<'_>| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Image::open(&bytes.as_slice()).map(drop).unwrap_err().to_string()
    };
    let put = |at: usize, byte: u8| move |bytes: &mut Vec<u8>| bytes[at] = byte;
    let cases: [(Change<'_>, &str); 8] = [
        (&put(0, b'x'), "not a squashfs"),
        (&|bytes| bytes.truncate(95), "not a squashfs"),
        (&put(28, 3), "version 3.0"),
        (&put(30, 1), "version 4.1"),
        (&put(20, 7), "method 7"),
        (&put(22, 13), "its block size makes no sense"),
        (&put(64, 95), "its tables lie outside of it"),
        (&|bytes| bytes.truncate(bytes.len() - 1), "cut short"),
    ];
    for (change, reason) in cases {
        let refused = refusal(change);
        assert!(refused.contains(reason), "{refused}");
    }
}

/// The file may be longer than the image, but a reference must not lead there.
#[test]
fn nothing_behind_the_image_is_read() {
    let mut bytes = image(&listing(1), 8192);
    let end = bytes.len() - INODES;
    bytes.extend(metadata(&[0; 40]));
    let source = &bytes.as_slice();
    let image = Image::open(source).unwrap();
    let behind = InodeRef::from_number((end as u64) << 16);
    let result = image.reader(source).inode(behind);
    assert!(
        matches!(result, Err(Error::Corrupt(text)) if text.contains("outside of the image")),
        "{result:?}"
    );
}

#[test]
fn the_end_of_a_file_lies_inside_of_its_fragment() {
    for (size, reason) in [(96, "there is no such fragment"), (97, "lies outside of its fragment")] {
        let mut inode = vec![0; 32];
        inode[0] = 2;
        for (at, number) in [(24, 4000_u32), (28, size)] {
            inode[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        let bytes = image_with(&inode, &listing(1), 8192);
        let source = &bytes.as_slice();
        let image = Image::open(source).unwrap();
        let mut reader = image.reader(source);
        let Kind::File(file) = reader.inode(image.root()).unwrap().kind else { panic!("a file") };
        let result = reader.layout(&file);
        assert!(matches!(result, Err(Error::Corrupt(text)) if text.contains(reason)), "{size}: {result:?}");
    }
}
