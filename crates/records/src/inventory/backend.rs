//! The closed set of inventories.

#[cfg(test)]
use super::MemoryInventory;
use super::{InventoryError, JsonFile, Records};

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
