//! Reading: from a southbound path to content, into an image's tree, and the status of images at this moment.

mod browse;
mod images;
mod in_tree;
mod lookup_limit;
mod request;
mod resolver;

pub use browse::{Browse, Browsed, Line};
pub use images::Images;
pub use request::{Listed, Request, Resolved};
pub(crate) use resolver::Folders;
pub use resolver::Resolver;
