//! The shelf of records: what the service must remember across restarts. It loads and saves whole states and decides nothing.

mod files;
mod json_file;
mod key;
#[cfg(test)]
mod memory;
mod previous_service;
mod seals;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::model::image::{Image, ImageId};
use crate::model::job::{Job, JobId};
use crate::model::names::FileName;
use crate::model::stored_file::{FileRecord, StoreKind};

pub use json_file::JsonFile;
#[cfg(test)]
pub use memory::Memory;

/// Everything that is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// Images by id.
    pub images: BTreeMap<ImageId, Image>,
    /// Stored files by shelf and name.
    pub files: BTreeMap<(StoreKind, FileName), FileRecord>,
    /// Jobs by id: those to be resumed after a restart, and the last that ended.
    pub jobs: BTreeMap<JobId, Job>,
}

/// Where records are kept. The set is closed; every backend passes the same contract suite.
pub enum Inventory {
    /// One JSON file, written whole.
    JsonFile(JsonFile),
    /// Nowhere: for tests. It can be told to fail.
    #[cfg(test)]
    Memory(Memory),
}

impl Inventory {
    /// Reads the last saved state; an inventory that does not exist yet is empty.
    pub fn load(&self) -> Result<Records, InventoryError> {
        match self {
            Self::JsonFile(file) => file.load(),
            #[cfg(test)]
            Self::Memory(memory) => memory.load(),
        }
    }

    /// Replaces the saved state. When this returns, `records` survive a power cut; when it fails, the old state does.
    pub fn save(&self, records: &Records) -> Result<(), InventoryError> {
        match self {
            Self::JsonFile(file) => file.save(records),
            #[cfg(test)]
            Self::Memory(memory) => memory.save(records),
        }
    }
}

/// The inventory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// What was saved cannot be understood. Nothing was changed.
    #[error(
        "the inventory {} cannot be read: {problem}. Nothing was changed. {}", path.display(),
        match previous {
            Some(previous) => format!(
                "The state before its last change is in {}: check it and copy it over the inventory, or move the inventory away to start empty",
                previous.display()
            ),
            None => "Repair it, or move it away to start with an empty inventory (the ISOs stay)".to_owned(),
        }
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The copy of the state before, if there is one.
        previous: Option<PathBuf>,
    },
    /// Another process works with it.
    #[error("the inventory {} is in use by another image-service", .0.display())]
    InUse(PathBuf),
    /// The disk failed.
    #[error("cannot {action} the inventory {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
