//! A tree in memory: what is stored of each entry and extent, and how entries are found again.

mod arrays;
mod extent;
mod lookup;
mod node;
mod queue;
mod stored;

pub use extent::{Extent, ExtentData, Extents};
pub use node::Node;

pub(crate) use arrays::{Index, NewNode, clamp_time, position};
pub(crate) use extent::StoredExtent;
pub(crate) use lookup::Lookup;
pub(crate) use queue::DirectoryQueue;
pub(crate) use stored::{DAMAGED, IN_TABLE, INTERLEAVED, LONGEST_NAME, StoredNode, ZISOFS, ZISOFS2};
