//! The files of the stores as clients see them: complete files, and local ISOs by reference.

mod listing;
mod locked;
mod scan;
mod shared_bytes;
mod vanished;

pub use listing::{Files, ListedFile};
pub use locked::LockedFile;
pub use scan::StoreScan;
