//! The requests that append to uploads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::unfinished_file::UnfinishedFileId;
use tokio_util::sync::CancellationToken;

/// The requests that append now, by their uploads. A newer one ends an older one, whose connection most
/// likely broke unnoticed.
#[derive(Clone, Default)]
pub(in crate::northbound) struct Running(Arc<Mutex<HashMap<UnfinishedFileId, CancellationToken>>>);

impl Running {
    /// Ends the request that appends to an upload, if there is one.
    pub(super) fn end(&self, id: &UnfinishedFileId) {
        if let Some(older) = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id) {
            older.cancel();
        }
    }

    /// Ends the request that appends to an upload, and takes its place.
    pub(super) fn take_over(&self, id: &UnfinishedFileId) -> CancellationToken {
        let token = CancellationToken::new();
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, token| !token.is_cancelled());
        if let Some(older) = running.insert(id.clone(), token.clone()) {
            older.cancel();
        }
        token
    }
}
