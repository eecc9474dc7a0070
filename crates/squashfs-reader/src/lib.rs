//! Reads squashfs 4.0 images by position: directories, links, and which block holds which bytes of a file.
//!
//! [`Image::open`] checks the superblock. A [`Reader`] reads inodes and directories. The [`Layout`] of a file
//! says for each byte which block holds it, and [`Image::decode`] decodes a block. Blocks are independent of
//! each other, so a range in the middle of a large file costs no more than one at its beginning. The crate
//! neither builds a tree nor caches data: the caller does what it needs of both.
//!
//! ```
//! use squashfs_reader::{Image, Kind};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # std::fs::create_dir(folder.path().join("tree"))?;
//! # std::fs::write(folder.path().join("tree/vmlinuz"), "a kernel")?;
//! # let path = folder.path().join("live.squashfs");
//! # let made = std::process::Command::new("mksquashfs")
//! #     .arg(folder.path().join("tree")).arg(&path).args(["-quiet", "-no-progress"]).status()?;
//! # assert!(made.success());
//! let file = std::fs::File::open(path)?;
//! let image = Image::open(&file)?;
//! let mut reader = image.reader(&file);
//! let root = reader.inode(image.root())?;
//! let Kind::Directory(listing) = root.kind else { return Err("no directory".into()) };
//! let mut names = Vec::new();
//! reader.entries(&listing, |name, _inode| names.push(name.escape_ascii().to_string()))?;
//! assert_eq!(names, ["vmlinuz"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Hostile images
//!
//! Whatever the bytes, every loop ends, nothing recurses, and no allocation follows a number of the image
//! before it was checked. Metadata comes in blocks of 8 KiB: a [`Reader`] decodes at most [`METADATA_BYTES`]
//! of it and shows at most [`ENTRIES`]. Data comes in blocks of at most 1 MiB. A decoder that panics has met
//! a damaged block. Names are not checked, and a directory can contain itself: a caller that walks the tree
//! notices that by the [`InodeRef`]s of directories.

#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod bytes;
mod compression;
mod directory;
mod error;
mod image;
mod inode;
mod layout;
mod lzo;
mod metadata;
mod reference;
mod source;
mod superblock;

pub use compression::Compression;
pub use directory::{ENTRIES, Listing};
pub use error::Error;
pub use image::Image;
pub use inode::{File, Inode, Kind};
pub use layout::{Layout, Location, Part};
pub use metadata::{METADATA_BYTES, Reader};
pub use reference::{Block, InodeRef};
pub use source::ReadAt;
pub use superblock::{SUPERBLOCK_BYTES, Superblock};
