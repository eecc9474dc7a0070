//! An inventory that forgets: for tests, with a switch that makes it fail like a full disk.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{InventoryError, Records};

/// Records in memory.
#[derive(Default)]
pub struct Memory {
    records: Mutex<Records>,
    broken: AtomicBool,
}

impl Memory {
    /// From now on every save fails, or works again.
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }

    pub(super) fn load(&self) -> Result<Records, InventoryError> {
        Ok(self.lock().clone())
    }

    pub(super) fn save(&self, records: &Records) -> Result<(), InventoryError> {
        if self.broken.load(Ordering::Relaxed) {
            let source = io::Error::from(io::ErrorKind::StorageFull);
            return Err(InventoryError::Io { action: "write", path: PathBuf::from("memory"), source });
        }
        records.clone_into(&mut self.lock());
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
