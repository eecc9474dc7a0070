//! Reads the directory tree of an ISO 9660 image into a compact index of extents.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::expect_used
    )
)]

mod build;
mod bytes;
mod content;
mod date;
mod descriptors;
mod directory;
mod entry;
mod error;
mod index;
pub mod limits;
mod names;
mod node;
mod record;
mod resolve;
mod rock_ridge;
mod roots;
mod sections;
mod source;
mod susp;
mod tree;
mod volume;
mod warnings;

pub use content::{Extent, ExtentData, Extents};
pub use error::{Corrupt, Error, LimitReached, Unsupported};
pub use limits::Limits;
pub use node::{Encoding, Node, NodeId, NodeKind};
pub use resolve::{Matching, ResolveError};
pub use source::ReadAt;
pub use tree::{Children, Options, Tree};
pub use volume::{ParseTreeKindError, TreeKind, Volume};
pub use warnings::Warnings;
