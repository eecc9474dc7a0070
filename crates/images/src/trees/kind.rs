//! The kind of an image file, told by its first bytes: before all of it has arrived, and when it is opened.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use file_transport::OpenFile;
use iso_reader::TreeKind;
use squashfs_reader::{SUPERBLOCK_BYTES, Superblock};

use crate::trees::blocks::Blocks;
use crate::trees::builder::Warnings;
use crate::trees::detect::detect;
use crate::trees::error::TreeError;
use crate::trees::file_format::{FileFormat, not_an_image};
use crate::trees::index::Index;
use crate::trees::indexed::{Format, IndexedTree};
use crate::trees::regular::open_regular;
use crate::trees::tree::{ImageTree, Tree};
use crate::trees::{iso, squashfs, tar};
use model::identity::Identity;
use model::image::TreeSummary;

/// Where the first volume descriptor of an ISO begins: sector 16 (ECMA-119 §6.2.1).
const DESCRIPTOR: usize = 16 * 2048;

/// Bytes from the beginning of a file that show the kind of image and its size. The last is the block size in
/// the first volume descriptor.
pub const SIGNATURE_BYTES: usize = DESCRIPTOR + 132;

/// The kinds of images that are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImageKind {
    /// ISO 9660 or UDF.
    Iso,
    Squashfs,
    Tar,
}

impl ImageKind {
    /// The kind of a file that begins like this.
    pub(super) fn of(beginning: &[u8]) -> Option<Self> {
        // ECMA-119 §8.1: `CD001`; ECMA-167 §2/9.2: `BEA01`. This is checked first, because the bytes before
        // sector 16 are free for any use.
        let identifier = beginning.get(DESCRIPTOR + 1..DESCRIPTOR + 6);
        if matches!(identifier, Some(b"CD001" | b"BEA01")) {
            Some(Self::Iso)
        } else if beginning.starts_with(b"hsqs") {
            Some(Self::Squashfs)
        } else {
            tar_reader::has_header(beginning).then_some(Self::Tar)
        }
    }
}

/// The format of a file of `size` bytes by its first ones, as a word for programs: `iso`, `squashfs` and
/// `tar` are images, others such as `gzip`, `html` and `text` are not, and `unknown` is none that is known
/// here.
///
/// # Errors
///
/// The disk does not give the bytes.
pub fn file_format(file: &File, size: u64) -> io::Result<&'static str> {
    Ok(format_of(&beginning(file, size)?))
}

/// The same for the file at a path; `None` if it cannot be read.
pub fn format_at(path: &Path) -> Option<&'static str> {
    let (file, identity) = open_regular(path).ok()?;
    file_format(&file, identity.size).ok()
}

fn format_of(beginning: &[u8]) -> &'static str {
    match ImageKind::of(beginning) {
        Some(ImageKind::Iso) => "iso",
        Some(ImageKind::Squashfs) => "squashfs",
        Some(ImageKind::Tar) => "tar",
        None => FileFormat::of(beginning).map_or("unknown", |format| format.word),
    }
}

/// The bytes by which a file of `size` bytes is told from others.
fn beginning(file: &File, size: u64) -> io::Result<Vec<u8>> {
    let mut beginning = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(SIGNATURE_BYTES)];
    file.read_exact_at(&mut beginning, 0)?;
    Ok(beginning)
}

/// The kind that a file with this beginning has, and the size that it declares.
pub fn declared_size(beginning: &[u8]) -> Option<(&'static str, u64)> {
    match ImageKind::of(beginning)? {
        ImageKind::Iso => {
            // ECMA-119 §8.4.8, §8.4.12.
            let descriptor = beginning
                .get(DESCRIPTOR..SIGNATURE_BYTES)
                .filter(|descriptor| descriptor.starts_with(b"\x01CD001"))?;
            let blocks = u32::from_le_bytes(descriptor.get(80..84)?.try_into().ok()?);
            let block_size = u16::from_le_bytes(descriptor.get(128..130)?.try_into().ok()?);
            Some(("ISO", u64::from(blocks) * u64::from(block_size)))
        }
        ImageKind::Squashfs => {
            let superblock = Superblock::parse(beginning.get(..SUPERBLOCK_BYTES)?).ok()?;
            Some(("squashfs", superblock.size()))
        }
        ImageKind::Tar => None,
    }
}

/// Opens an image of any kind, reads the directories of the tree that was asked for, else of the best one,
/// and detects the system.
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
    let beginning = beginning(&file, identity.size).map_err(TreeError::Io)?;
    let kind = ImageKind::of(&beginning).ok_or_else(|| TreeError::NotAnImage(not_an_image(&beginning)))?;
    match kind {
        ImageKind::Iso => {
            let (tree, summary) = iso::open(file, identity, asked)?;
            return Ok(ImageTree { tree: Tree::Iso(Box::new(tree)), identity, summary });
        }
        ImageKind::Squashfs if asked.is_some() => return Err(TreeError::OneTree("a squashfs")),
        ImageKind::Tar if asked.is_some() => return Err(TreeError::OneTree("a tar")),
        ImageKind::Squashfs | ImageKind::Tar => {}
    }
    let file = OpenFile::unchanging(file).map_err(TreeError::Io)?;
    if kind == ImageKind::Squashfs {
        let (index, warnings, squashfs) = squashfs::open(&file, blocks)?;
        let summary = summary("squashfs", String::new(), &index, &warnings);
        Ok(indexed(file, identity, (index, warnings, Format::Squashfs(squashfs)), summary))
    } else {
        let (index, warnings, label) = tar::open(&file, identity.size)?;
        let summary = summary("tar", label, &index, &warnings);
        Ok(indexed(file, identity, (index, warnings, Format::Tar), summary))
    }
}

fn summary(kind: &str, label: String, index: &Index, warnings: &Warnings) -> TreeSummary {
    TreeSummary {
        kind: kind.to_owned(),
        label,
        entries: index.nodes.len() as u64,
        warnings: warnings.count,
        damaged: index.damaged().count() as u64,
        ..TreeSummary::default()
    }
}

fn indexed(
    file: OpenFile,
    identity: Identity,
    (index, warnings, format): (Index, Warnings, Format),
    summary: TreeSummary,
) -> ImageTree {
    let tree = IndexedTree { file: Arc::new(file), identity, index, warnings: warnings.texts, format };
    ImageTree { tree: Tree::Indexed(Box::new(tree)), identity, summary }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_a_word() {
        let mut hybrid = vec![0; SIGNATURE_BYTES];
        hybrid[510..512].copy_from_slice(b"\x55\xaa");
        assert_eq!(format_of(&hybrid), "disk");
        // The boot sector of a hybrid image makes it no disk.
        hybrid[DESCRIPTOR + 1..DESCRIPTOR + 6].copy_from_slice(b"CD001");
        for (beginning, word) in [
            (&hybrid[..], "iso"),
            (b"hsqs", "squashfs"),
            (b"\x1f\x8b", "gzip"),
            (b"<html>", "html"),
            (b"", "empty"),
            (b"\x80\x81\x82", "unknown"),
        ] {
            assert_eq!(format_of(beginning), word);
        }
    }
}
