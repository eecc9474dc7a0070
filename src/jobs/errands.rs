//! The errands that the desk posts, one at a time: the disk gains nothing from more.

use std::collections::HashSet;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::digest;
use crate::catalog::{Catalog, CatalogError, Errand};
use crate::store::StoreError;

/// Does errands until told to stop.
pub(super) async fn run(catalog: Catalog, mut errands: mpsc::Receiver<Errand>, stop: CancellationToken) {
    loop {
        let mut waiting = Vec::new();
        tokio::select! {
            received = errands.recv_many(&mut waiting, 1024) => if received == 0 { return },
            () = stop.cancelled() => return,
        }
        // Every look at a listing asks again, so one thing is often asked for many times.
        let unique: HashSet<Errand> = waiting.into_iter().collect();
        for errand in unique {
            if stop.is_cancelled() {
                return;
            }
            let done = match &errand {
                Errand::Digest(shelf, name) => digest::compute(&catalog, *shelf, name.clone(), &stop).await,
                Errand::Prepare(id) => catalog.prepare(id.clone()).await,
            };
            match done {
                Ok(()) => {}
                Err(CatalogError::Store(StoreError::NotFound(_)) | CatalogError::Local(_)) => {
                    tracing::debug!(?errand, "a file went away before its errand was done");
                }
                Err(error) => tracing::warn!(?errand, %error, "an errand failed"),
            }
        }
    }
}
