//! Reading: from a southbound path to content, into an image's tree, and the status of images at this moment.

mod browse;
mod images;
mod in_tree;
mod resolver;

pub use browse::{Browse, Browsed, Line};
pub use images::Images;
pub(crate) use resolver::Folders;
pub use resolver::Resolver;
