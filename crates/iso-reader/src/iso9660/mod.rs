//! Trees of ISO 9660 (ECMA-119), with the names and attributes of Rock Ridge or Joliet or without: from the
//! record of a root directory to a complete index.

mod build;
pub(crate) mod descriptor;
mod directory;
mod entry;
mod naming;
mod record;
mod sections;

pub(crate) use build::Builder;
pub(crate) use descriptor::{PrimaryDescriptor, Root};
pub(crate) use directory::{Directory, DirectoryItem};
pub(crate) use naming::Naming;
