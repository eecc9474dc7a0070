//! UDF (ECMA-167 as OSTA's Universal Disk Format restricts it), revisions 1.02 to 2.60: from the volume
//! recognition sequence over anchors, volume descriptors, partitions and the file set to a complete index.
//!
//! Checks follow Linux. A descriptor counts only if its tag, its location and its CRC are right: those of the
//! whole volume have a second copy. A name whose CRC is wrong is served with a warning, and the location of
//! allocation descriptors is not checked.

mod address;
mod allocation;
mod blocks;
mod build;
mod directory;
mod entry;
mod file_system;
mod metadata;
mod partition;
mod recognition;
mod sequence;
mod tag;
mod text;

pub(crate) use build::Builder;
pub(crate) use file_system::FileSystem;
pub(crate) use recognition::announces_udf;
