//! A limit of files that are received or checked at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::CatalogError;

/// Uploads that may arrive at once. Each has a thread that writes and digests, and there are 512 such threads
/// in all.
const MAX_INTAKES: usize = 64;

/// The permits. One is taken at once or refused.
#[derive(Debug, Clone)]
pub(crate) struct IntakePermits(Arc<Semaphore>);

impl Default for IntakePermits {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_INTAKES)))
    }
}

impl IntakePermits {
    pub(crate) fn take(&self) -> Result<OwnedSemaphorePermit, CatalogError> {
        self.0.clone().try_acquire_owned().map_err(|_| CatalogError::Crowded)
    }
}
