//! Trees of files: an image file opened for look-up, a mounted image, or a plain folder. All calls block on
//! the disk.

mod blocks;
mod builder;
mod cache;
mod detect;
mod error;
mod file_format;
mod folder;
mod found;
mod index;
mod indexed;
mod iso;
mod kind;
mod matching;
mod mounted;
mod open_trees;
mod order;
mod regular;
mod search;
mod squashfs;
mod tar;
mod tree;

pub use error::TreeError;
pub use file_format::not_an_image;
pub use folder::{Folder, Links};
pub use found::{Directory, Findings, Found};
pub use indexed::IndexedTree;
pub use iso::IsoTree;
pub use kind::{SIGNATURE_BYTES, declared_size, file_format, format_at};
pub use matching::Matching;
pub use mounted::Mounts;
pub use open_trees::Trees;
pub use order::{sorted, text};
pub use regular::{FileError, open_regular};
pub use search::{Match, Matches, Search};
pub use tree::{ImageTree, Tree};
