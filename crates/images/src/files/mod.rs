//! The files of the stores as clients see them: complete files, and local ISOs by reference.

mod listing;
mod removal;
mod scan;
mod shared_bytes;

pub use listing::{Files, ListedFile};
pub use scan::StoreScan;
