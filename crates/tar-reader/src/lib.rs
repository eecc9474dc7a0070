//! Reads the members of an uncompressed tar by position: their paths, kinds and sizes, and where their bytes
//! lie.
//!
//! [`Members`] goes from header to header and skips the data. A [`Member`] has the fields of its header, and
//! those of the extended headers before it. The bytes of a file are one range of the tar, so a server can
//! send them from where they lie. The crate neither unpacks nor builds a tree: the caller does what it needs.
//!
//! ```
//! use tar_reader::{Kind, Members};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # std::fs::write(folder.path().join("vmlinuz"), "a kernel")?;
//! # let path = folder.path().join("rootfs.tar");
//! # let made = std::process::Command::new("tar")
//! #     .arg("-cf").arg(&path).arg("-C").arg(folder.path()).arg("vmlinuz").status()?;
//! # assert!(made.success());
//! let file = std::fs::File::open(path)?;
//! let size = file.metadata()?.len();
//! let members = Members::new(&file, size).collect::<Result<Vec<_>, _>>()?;
//! let kernel = &members[0];
//! assert_eq!((kernel.path.as_slice(), kernel.kind, kernel.size), (&b"vmlinuz"[..], Kind::File, 8));
//! assert_eq!(kernel.offset, 512);
//! # Ok(())
//! # }
//! ```
//!
//! # Formats
//!
//! POSIX ustar and pax (IEEE Std 1003.1, pax, "Interchange Formats") and the extensions of GNU tar: long
//! names, numbers in binary, sparse files, labels. Headers of the seventh edition have no magic number.
//!
//! What GNU tar and bsdtar read is read. A member whose headers are odd has a [`Member::oddity`], and
//! [`Members::end`] tells whether the tar may have been cut. Behind a damaged header the next sound one is
//! searched, and a member of kind [`Kind::Lost`] or [`Kind::Stray`] tells of it. What both refuse is an
//! [`Error`].
//!
//! # Hostile tars
//!
//! Whatever the bytes, every loop ends, nothing recurses, and no allocation follows a number of the tar
//! before it was checked. A tar has at most [`HEADERS`], and an extended header at most [`EXTENSION_BYTES`].
//! Paths and targets are not checked: they can be absolute, lead outside with `..`, or come several times.

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

mod error;
mod extensions;
mod header;
mod member;
mod members;
mod source;

pub use error::Error;
pub use header::{BLOCK_BYTES, has_header};
pub use member::{Kind, Member};
pub use members::{EXTENSION_BYTES, End, HEADERS, Members, SEARCHED_BYTES};
pub use source::ReadAt;
