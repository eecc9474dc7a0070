//! Reads squashfs 4.0 images by position: directories, links, and where the blocks of a file lie.
//!
//! [`Image::open`] checks the superblock. A [`Reader`] reads inodes and directories, and the [`Layout`] of a file tells for each of its
//! bytes which block holds it; [`Image::decode`] gives a block's bytes. Blocks are independent of each other, so a range in the middle of
//! a large file costs no more than one at its beginning. Who wants a tree walks it, who reads much of a file keeps the last blocks:
//! this crate does neither.
//!
//! ```no_run
//! use squashfs_reader::{Image, Kind};
//!
//! # fn main() -> Result<(), squashfs_reader::Error> {
//! let file = std::fs::File::open("live.squashfs")?;
//! let image = Image::open(&file)?;
//! let mut reader = image.reader(&file);
//! let root = reader.inode(image.root())?;
//! let Kind::Directory(listing) = root.kind else { return Ok(()) };
//! reader.entries(&listing, |name, _inode| println!("{}", name.escape_ascii()))?;
//! # Ok(())
//! # }
//! ```
//!
//! # Hostile images
//!
//! Whatever the bytes, every loop ends, nothing recurses, and no allocation follows a number of the image before it was checked:
//! metadata comes in blocks of 8 KiB, and a [`Reader`] decodes no more of it than [`METADATA_BYTES`] and shows no more
//! than [`ENTRIES`]; data comes in blocks of at most 1 MiB.
//! The decoders are other people's code, so one that panics counts as one that found the block damaged. That a path goes in circles
//! is for whoever walks to notice, by the [`InodeRef`]s of directories.

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
mod metadata;
mod source;
mod superblock;

pub use compression::Compression;
pub use directory::{ENTRIES, Listing};
pub use error::Error;
pub use image::Image;
pub use inode::{File, Inode, InodeRef, Kind};
pub use layout::{Block, Layout, Part, Place};
pub use metadata::{METADATA_BYTES, Reader};
pub use source::ReadAt;
pub use superblock::{SUPERBLOCK_BYTES, Superblock};
