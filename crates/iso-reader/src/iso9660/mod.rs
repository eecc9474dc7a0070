//! Trees of ISO 9660 (ECMA-119), from the record of the root directory to a complete index. Names may be
//! plain or those of Rock Ridge, Joliet or ISO 9660:1999.

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
