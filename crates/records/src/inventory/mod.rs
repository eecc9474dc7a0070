//! The inventory: images, files and jobs that the service must remember across restarts. A few thousand
//! records that people can read, copy and repair, in one JSON file that is written whole.

mod backend;
mod changed_record;
mod changes;
mod error;
#[cfg(test)]
mod in_memory;
mod json_file;
mod json_text;
mod key;
mod previous_service;
mod record_map;
mod records;
mod seals;
mod snapshot;
mod writer;

pub use backend::Inventory;
pub use changed_record::ChangedRecord;
pub use error::InventoryError;
#[cfg(test)]
pub use in_memory::MemoryInventory;
pub use json_file::JsonFile;
pub use record_map::RecordMap;
pub use records::Records;
use records::Touched;
pub use snapshot::{Snapshot, users_by_iso, users_of};
pub use writer::{CommitError, InventoryWriter};

#[cfg(test)]
mod tests;
