//! A tree in memory: the arrays of entries and extents, and the table that finds entries by name.

mod arrays;
mod directories;
mod extent;
mod lookup;
mod node;
mod queue;
mod stored;

pub use extent::{Extent, ExtentData, Extents};
pub use node::Node;

pub(crate) use arrays::{Index, NewNode, clamp_time, position};
pub(crate) use directories::Directories;
pub(crate) use extent::StoredExtent;
pub(crate) use lookup::Lookup;
pub(crate) use queue::DirectoryQueue;
pub(crate) use stored::{DAMAGED, IN_TABLE, INTERLEAVED, LONGEST_NAME, StoredNode, ZISOFS, ZISOFS2};
