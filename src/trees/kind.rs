//! What kind of image a file is, by its first bytes: before all of it has come, and when it is opened.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use file_transport::OpenFile;
use iso_reader::TreeKind;
use squashfs_reader::{SUPERBLOCK_BYTES, Superblock};

use super::blocks::Blocks;
use super::detect::detect;
use super::{ImageTree, TreeError, iso, open_regular, squashfs, tar};

/// Where the first volume descriptor of an ISO begins: sector 16 (ECMA-119 §6.2.1).
const DESCRIPTOR: usize = 16 * 2048;

/// Bytes from the beginning of a file that tell what kind of image it is, and how large: up to the block size in the first volume
/// descriptor.
pub const SIGNATURE_BYTES: usize = DESCRIPTOR + 132;

/// What a file is told that is none of these.
pub const NOT_AN_IMAGE: &str = "not an ISO image, a squashfs or a tar: it begins like none of them";

/// The kinds of images that are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// ISO 9660 or UDF.
    Iso,
    Squashfs,
    Tar,
}

impl Kind {
    /// The kind of a file that begins like this.
    pub(super) fn of(beginning: &[u8]) -> Option<Self> {
        // ECMA-119 §8.1: `CD001`; ECMA-167 §2/9.2: `BEA01`. What stands before sector 16 is anybody's, so this comes first.
        let identifier = beginning.get(DESCRIPTOR + 1..DESCRIPTOR + 6);
        if matches!(identifier, Some(b"CD001" | b"BEA01")) {
            Some(Self::Iso)
        } else if beginning.starts_with(b"hsqs") {
            Some(Self::Squashfs)
        } else {
            tar::has_header(beginning).then_some(Self::Tar)
        }
    }
}

/// What a file that begins like this calls itself and how large it says it is, if it says so.
pub fn declared_size(beginning: &[u8]) -> Option<(&'static str, u64)> {
    match Kind::of(beginning)? {
        Kind::Iso => {
            // ECMA-119 §8.4.8, §8.4.12.
            let descriptor = beginning
                .get(DESCRIPTOR..SIGNATURE_BYTES)
                .filter(|descriptor| descriptor.starts_with(b"\x01CD001"))?;
            let blocks = u32::from_le_bytes(descriptor.get(80..84)?.try_into().ok()?);
            let block_size = u16::from_le_bytes(descriptor.get(128..130)?.try_into().ok()?);
            Some(("ISO", u64::from(blocks) * u64::from(block_size)))
        }
        Kind::Squashfs => {
            let superblock = Superblock::parse(beginning.get(..SUPERBLOCK_BYTES)?).ok()?;
            Some(("squashfs", superblock.size()))
        }
        Kind::Tar => None,
    }
}

/// Opens an image of any kind, reads the directories of the tree that was asked for, else of the best one, and tells which system it is.
pub(super) fn open(
    path: &Path,
    asked: Option<TreeKind>,
    blocks: &Arc<Blocks>,
) -> Result<ImageTree, TreeError> {
    let mut opened = open_tree(path, asked, blocks)?;
    opened.summary.system = detect(&opened.tree, &opened.summary.label);
    Ok(opened)
}

fn open_tree(path: &Path, asked: Option<TreeKind>, blocks: &Arc<Blocks>) -> Result<ImageTree, TreeError> {
    let (file, identity) = open_regular(path)?;
    let wanted = usize::try_from(identity.size).unwrap_or(usize::MAX).min(SIGNATURE_BYTES);
    let mut beginning = vec![0; wanted];
    file.read_exact_at(&mut beginning, 0).map_err(TreeError::Io)?;
    let kind = Kind::of(&beginning).ok_or_else(|| TreeError::NotAnImage(NOT_AN_IMAGE.to_owned()))?;
    if kind == Kind::Iso {
        return iso::open(path, asked);
    }
    let file = OpenFile::unchanging(file).map_err(TreeError::Io)?;
    match kind {
        Kind::Squashfs if asked.is_none() => squashfs::open(file, identity, blocks),
        Kind::Squashfs => Err(TreeError::OneTree("a squashfs")),
        _ if asked.is_none() => tar::open(file, identity),
        _ => Err(TreeError::OneTree("a tar")),
    }
}

/// Makes an error of what was computed out of an image that has been written to meanwhile.
pub(super) fn check_unchanged(file: &OpenFile) -> io::Result<()> {
    if file.is_as_it_was() {
        Ok(())
    } else {
        Err(io::Error::other("the image has changed under its transfer"))
    }
}
