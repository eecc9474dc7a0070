//! Any bytes as an image: opening it, walking it, resolving every path and reading every file must end
//! soon, without a panic, and what the tree promises must hold.

#![no_main]

use std::io;

use iso_reader::{
    Corrupt, Encoding, Error, ExtentData, Limits, Matching, NodeId, NodeKind, Options, ReadAt, Tree, TreeKind,
};
use libfuzzer_sys::fuzz_target;

/// Entries that are looked at closely; the rest are only walked over.
const CLOSE_LOOKS: usize = 64;
/// Bytes before the descriptors (ECMA-119 6.2.1). Nothing reads them, so they are not worth mutating.
const SYSTEM_AREA: usize = 32 << 10;
/// Bytes read of one file.
const READ: usize = 8 << 10;

/// An image whose system area is left out.
struct Image<'a>(&'a [u8]);

impl ReadAt for Image<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        if offset >= SYSTEM_AREA {
            return self.0.read_at(buffer, u64::try_from(offset - SYSTEM_AREA).map_err(io::Error::other)?);
        }
        let count = buffer.len().min(SYSTEM_AREA - offset);
        buffer[..count].fill(0);
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        u64::try_from(self.0.len() + SYSTEM_AREA).map_err(io::Error::other)
    }
}

/// Gives what looks like a descriptor of UDF the sums that it should have, or few mutations would be looked
/// at.
fn repair(bytes: &mut [u8]) {
    // Names may be inside an entry, whose sum depends on theirs.
    for at in (0..bytes.len().saturating_sub(16)).step_by(4).rev() {
        let word = |offset: usize| u16::from_le_bytes([bytes[at + offset], bytes[at + offset + 1]]);
        let length = usize::from(word(10));
        let is_kind = matches!(word(0), 1..=6 | 256..=266) && word(2) == 3;
        let Some(covered) = bytes[at + 16..].get(..length).filter(|_| is_kind && length <= 2048) else {
            continue;
        };
        let sum = covered.iter().fold(0_u16, |crc, byte| {
            (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| (crc << 1) ^ (0x1021 * (crc >> 15)))
        });
        bytes[at + 8..at + 10].copy_from_slice(&sum.to_le_bytes());
        bytes[at + 4] = 0;
        bytes[at + 4] = bytes[at..at + 16].iter().fold(0, |sum, byte| sum.wrapping_add(*byte));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    repair(&mut bytes);
    let image = &Image(&bytes);
    let kinds = [TreeKind::Udf, TreeKind::Joliet, TreeKind::Enhanced, TreeKind::Plain].map(Some);
    for kind in [None].into_iter().chain(kinds) {
        // Far below the defaults, so that an image which exhausts them does not count as slow.
        let limits = Limits { entries: 4096, metadata_bytes: 4 << 20, depth: 64, ..Limits::default() };
        if let Ok(tree) = Tree::open(image, &Options { tree: kind, limits }) {
            walk(&tree, image);
        }
    }
});

fn walk(tree: &Tree, image: &Image<'_>) {
    let mut damaged = 0;
    for (seen, id) in tree.nodes().enumerate() {
        let node = tree.node(id);
        damaged += usize::from(node.kind() == NodeKind::File && node.is_damaged());
        let names: Vec<&[u8]> = tree.children(id).map(|child| tree.node(child).name()).collect();
        assert!(names.is_sorted_by(|one, other| one < other), "children are sorted and distinct");
        assert!(names.is_empty() || node.kind() == NodeKind::Directory);
        if id != tree.root() {
            assert!(node.parent() < id, "parents come first");
            let name = node.name();
            assert!(!name.is_empty() && name != b"." && name != b"..");
            assert!(!name.contains(&b'/') && !name.contains(&0));
            assert_eq!(tree.child(node.parent(), name), Some(id));
        }
        if seen < CLOSE_LOOKS {
            look_closely(tree, image, id);
        }
    }
    assert_eq!(damaged, tree.damaged());
    for entry in tree.volume().boot_entries() {
        let end = entry.offset.checked_add(entry.length.unwrap_or(1));
        assert!(end.is_some_and(|end| end <= image.size().unwrap()), "boot images are inside");
    }
    assert!(tree.warnings().iter().len() <= tree.warnings().count());
    assert!(tree.memory() >= tree.len() * 32);
}

fn look_closely(tree: &Tree, image: &Image<'_>, id: NodeId) {
    let node = tree.node(id);
    let path = tree.path(id);
    let size = image.size().unwrap();
    for extent in tree.extents(id) {
        let is_inside = extent.offset.checked_add(extent.length).is_some_and(|end| end <= size);
        assert!(is_inside || extent.data == ExtentData::Zeros, "extents are inside");
    }
    match node.kind() {
        NodeKind::Link => {
            let _ = tree.resolve_path(&path, Matching::Exact);
            let _ = tree.resolve_path(&path, Matching::Lenient);
        }
        NodeKind::Directory | NodeKind::File => {
            assert_eq!(tree.resolve_path(&path, Matching::Exact), Ok(id));
            assert_eq!(tree.resolve_path(&path, Matching::Lenient), Ok(id));
            let _ = tree.resolve_path(path.to_ascii_uppercase(), Matching::Lenient);
        }
    }
    let mut buffer = vec![0; READ];
    // The end of the file, and around the border of its first two compressed blocks.
    for offset in [node.size().saturating_sub(9), (32 << 10) - 9] {
        if let Ok(count) = tree.read_at(image, id, &mut buffer, offset) {
            let rest = node.size().saturating_sub(offset);
            assert_eq!(u64::try_from(count).unwrap(), rest.min(READ as u64));
        }
    }
    match tree.read_at(image, id, &mut buffer, 0) {
        Ok(count) => {
            assert!(node.is_readable());
            assert_eq!(u64::try_from(count).unwrap(), node.size().min(READ as u64));
            if node.encoding() == Encoding::Plain {
                assert_eq!(tree.extents(id).map(|extent| extent.length).sum::<u64>(), node.size());
            }
            assert_eq!(tree.read_at(image, id, &mut buffer, u64::MAX).unwrap(), 0);
        }
        // Compressed bytes are judged when they are read.
        Err(Error::Corrupt(Corrupt::CompressedFile)) => assert_eq!(node.encoding(), Encoding::Zisofs),
        Err(_) => assert!(!node.is_readable(), "an image in memory fails only where it is damaged"),
    }
}
