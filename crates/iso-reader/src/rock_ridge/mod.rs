//! Rock Ridge: the names, modes, times and links of POSIX in trees of ISO 9660.

mod attributes;
mod susp;

pub(crate) use attributes::Attributes;
pub(crate) use susp::ContinuationReader;
