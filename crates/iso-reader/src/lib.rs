//! Reads the directory tree of an ISO 9660 or UDF image into a compact index of extents.
//!
//! [`Tree::open`] reads an image once. From then on every directory, file and link is an entry of an index in
//! memory, found by its path in less than a microsecond. The bytes of a file are a few ranges of the image,
//! ready for `sendfile`, for a memory map, or for [`Tree::read_at`]. Nothing is mounted, unpacked or copied.
//!
//! # Example
//!
//! ```
//! use iso_reader::{Matching, Options, Tree};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # fn record(name: &[u8], sector: u8, length: u16, flags: u8) -> Vec<u8> {
//! #     let mut record = vec![0; 33];
//! #     (record[2], record[9], record[25]) = (sector, sector, flags);
//! #     record[10..12].copy_from_slice(&length.to_le_bytes());
//! #     record[16..18].copy_from_slice(&length.to_be_bytes());
//! #     record[32] = name.len() as u8;
//! #     record.extend(name);
//! #     record.resize(record.len().next_multiple_of(2), 0);
//! #     record[0] = record.len() as u8;
//! #     record
//! # }
//! # let mut image = vec![0; 20 * 2048];
//! # let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
//! # let root = [record(&[0], 18, 2048, 2), record(&[1], 18, 2048, 2), record(b"KERNEL.IMG;1", 19, 12, 0)];
//! # put(16 * 2048, b"\x01CD001\x01");
//! # put(16 * 2048 + 40, b"EXAMPLE   ");
//! # put(16 * 2048 + 80, &[20, 0, 0, 0, 0, 0, 0, 20]);
//! # put(16 * 2048 + 128, &[0, 8, 8, 0]);
//! # put(16 * 2048 + 156, &root[0]);
//! # put(17 * 2048, b"\xFFCD001\x01");
//! # put(18 * 2048, &root.concat());
//! # put(19 * 2048, b"boots at all");
//! # /*
//! let image = std::fs::File::open("example.iso")?;
//! # */
//! let tree = Tree::open(&image, &Options::default())?;
//! assert_eq!(tree.volume().label(), "EXAMPLE");
//!
//! let kernel = tree.resolve_path("/Kernel.img", Matching::Lenient)?;
//! assert_eq!(tree.node(kernel).name(), b"kernel.img");
//! assert_eq!(tree.node(kernel).size(), 12);
//! assert_eq!(tree.extents(kernel).next().map(|extent| extent.offset), Some(19 * 2048));
//!
//! let mut start = [0; 5];
//! tree.read_at(&image, kernel, &mut start, 0)?;
//! assert_eq!(&start, b"boots");
//! # Ok(())
//! # }
//! ```
//!
//! # What it reads
//!
//! * ISO 9660 levels 1 to 4 (ECMA-119), with logical blocks of 512, 1024 and 2048 bytes, and files in several
//!   extents, which may have more than 4 GiB. Names have no version and are in lower case.
//! * Rock Ridge (IEEE P1282): names, permissions, times, links, directories moved to make the tree shallow;
//!   files compressed by zisofs, version 1, which [`Tree::read_at`] inflates.
//! * Joliet: names in UTF-16. ISO 9660:1999: long names in one byte a character.
//! * UDF 1.02 to 2.60 (ECMA-167), beside ISO 9660 or alone, with logical blocks of 512 to 4096 bytes: names,
//!   permissions, times, links, holes, files in their own descriptors, metadata partitions.
//! * El Torito: the images that firmware may start, see [`Volume::boot_entries`].
//!
//! Of several trees in an image the best is read, in the order of [`TreeKind`], or the one that
//! [`Options::tree`] names.
//!
//! # What it does not read
//!
//! * UDF on media that are written piece by piece: virtual and sparable partitions. An image with nothing
//!   else is refused. If it has an ISO 9660 tree as well, that is read, with a warning.
//! * Streams of UDF are left out, and files in strategy 4096 are listed as damaged.
//! * Interleaved files and those compressed by zisofs, version 2, are listed but not decoded, see
//!   [`Encoding`].
//! * High Sierra and raw sectors of 2352 bytes are refused. Of a volume set one image is read, with a
//!   warning.
//! * Of several sessions only the one that sector 16 leads to is read, as by a loop mount.
//! * Devices, pipes, sockets, and associated files such as resource forks are left out.
//!
//! # Hostile images
//!
//! Whatever the bytes, nothing panics, every loop ends, and a number of the image is checked before memory is
//! allocated by it: see [`limits`]. The size of an image bounds the time to open it.
//!
//! Damage is local, and [`Tree::warnings`] lists it. A record that makes no sense costs itself or its sector.
//! A file that leaves the image is marked as damaged and never read short. A compressed block that does not
//! inflate to its size is an error. Links are resolved inside the tree and cannot leave it.
//!
//! # Descriptions that disagree
//!
//! Images describe many things twice. What Linux goes by counts, with a warning:
//!
//! * The length of a directory is that of its entry for itself, not that of its parent's record.
//! * Records that cross the end of a sector are joined.
//! * A directory with several names is shown under each: those after the first are links.
//! * The size of a file that UDF describes as well is that of UDF. Without UDF, a file whose size lacks
//!   multiples of 4 GiB is damaged, if as many bytes behind it belong to no file.
//! * Sectors of directories that are zero are told, and an image whose root directory is zero is refused.
//!
//! # Cost
//!
//! An entry takes 44 bytes and its name: 32 bytes in the index, eight in the table of names and four in the
//! order for lenient matching, both made at the first use. Half a second is enough to index a million
//! entries, less than `isoinfo -l` takes. A [`Tree`] holds no file and no cursor, so any number of threads
//! may share one.

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
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod boot;
mod bridge;
mod bytes;
mod content;
mod date;
mod descriptors;
mod el_torito;
mod error;
mod index;
mod iso9660;
mod kind;
pub mod limits;
mod names;
mod resolve;
mod rock_ridge;
mod roots;
mod source;
mod tree;
mod udf;
mod volume;
mod warnings;
mod zisofs;

pub use boot::{BootEmulation, BootEntry, BootPlatform};
pub use error::{Corrupt, Error, LimitReached, Unsupported};
pub use index::{Extent, ExtentData, Extents, Node};
pub use kind::{Encoding, NodeId, NodeKind, ParseTreeKindError, TreeKind};
pub use limits::Limits;
pub use resolve::{Matching, ResolveError};
pub use source::ReadAt;
pub use tree::{Children, Options, Tree};
pub use volume::Volume;
pub use warnings::Warnings;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
