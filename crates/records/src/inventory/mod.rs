//! The inventory: images, files and jobs that the service must remember across restarts. A few thousand
//! records that people can read, copy and repair, in one JSON file that is written whole.

mod changed_record;
mod changes;
#[cfg(test)]
mod in_memory;
mod json_file;
mod key;
mod previous_service;
mod record_map;
mod seals;
mod snapshot;
mod writer;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use model::image::{Image, ImageId};
use model::job::{Job, JobId};
use model::names::FileName;
use model::stored_file::{FileRecord, StoreKind};

pub use changed_record::ChangedRecord;
#[cfg(test)]
pub use in_memory::MemoryInventory;
pub use json_file::JsonFile;
pub use record_map::RecordMap;
pub use snapshot::{Snapshot, users_by_iso, users_of};
pub use writer::{CommitError, InventoryWriter};

/// All records. A clone copies none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// Images by id.
    pub images: RecordMap<ImageId, Image>,
    /// Stored files by store and name.
    pub files: RecordMap<(StoreKind, FileName), FileRecord>,
    /// Jobs by id: those to be resumed after a restart, and the last that ended.
    pub jobs: RecordMap<JobId, Job>,
}

/// The records that a change touched. Jobs publish their changes themselves.
struct Touched {
    images: BTreeSet<ImageId>,
    files: BTreeSet<(StoreKind, FileName)>,
}

impl Records {
    fn take_touched(&mut self) -> Touched {
        self.jobs.take_touched();
        Touched { images: self.images.take_touched(), files: self.files.take_touched() }
    }
}

/// Where records are kept. The set is closed; every backend passes the same contract suite.
pub enum Inventory {
    /// One JSON file, written whole.
    JsonFile(JsonFile),
    /// Nowhere: for tests. A switch makes it fail.
    #[cfg(test)]
    Memory(MemoryInventory),
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

    /// Replaces the saved state. When this returns, `records` survive a power cut; when it fails, the old
    /// state does.
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
    /// The saved state cannot be read. Nothing was changed.
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
    #[error("cannot {action} the inventory {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl InventoryError {
    /// For logs that show no sources: the error and its cause.
    pub fn with_cause(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            Self::Corrupt { .. } | Self::InUse(_) => self.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
