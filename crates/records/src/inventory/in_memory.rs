//! An inventory that forgets: for tests, with a switch that makes it fail like a full disk.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{InventoryError, Records};

/// Records in memory. Clones are the same ones.
#[derive(Clone, Default)]
pub struct MemoryInventory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    records: Mutex<Records>,
    saves: AtomicUsize,
    broken: AtomicBool,
}

impl MemoryInventory {
    /// From now on every save fails, or works again.
    pub fn set_broken(&self, broken: bool) {
        self.0.broken.store(broken, Ordering::Relaxed);
    }

    /// How often it was saved.
    pub fn saves(&self) -> usize {
        self.0.saves.load(Ordering::Relaxed)
    }

    pub(super) fn load(&self) -> Result<Records, InventoryError> {
        Ok(self.lock().clone())
    }

    pub(super) fn save(&self, records: &Records) -> Result<(), InventoryError> {
        if self.0.broken.load(Ordering::Relaxed) {
            let source = io::Error::from(io::ErrorKind::StorageFull);
            return Err(InventoryError::Io { action: "write", path: PathBuf::from("memory"), source });
        }
        records.clone_into(&mut self.lock());
        self.0.saves.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Records> {
        self.0.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
