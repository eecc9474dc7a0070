//! Digests of files that did not arrive through this program: one file at a time, each read once.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};

use sha2::Digest;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, CatalogError, Errand};
use crate::model::digest::Sha256;
use crate::model::names::FileName;
use crate::model::stored_file::Shelf;

/// Bytes read at once.
const BUFFER: usize = 1 << 20;

/// Does errands until told to stop.
pub(super) async fn run(catalog: Catalog, mut errands: mpsc::Receiver<Errand>, stop: CancellationToken) {
    loop {
        let mut waiting = Vec::new();
        tokio::select! {
            received = errands.recv_many(&mut waiting, 1024) => if received == 0 { return },
            () = stop.cancelled() => return,
        }
        // Every look at a listing asks again, so one file is often asked for many times.
        let unique: HashSet<Errand> = waiting.into_iter().collect();
        for Errand::Digest(shelf, name) in unique {
            if stop.is_cancelled() {
                return;
            }
            match digest(&catalog, shelf, name.clone(), &stop).await {
                Ok(()) => {}
                Err(CatalogError::Store(crate::store::StoreError::NotFound(_)) | CatalogError::Local(_)) => {
                    tracing::debug!(%shelf, %name, "a file went away before it was digested");
                }
                Err(error) => tracing::warn!(%shelf, %name, %error, "a file cannot be digested"),
            }
        }
    }
}

async fn digest(
    catalog: &Catalog,
    shelf: Shelf,
    name: FileName,
    stop: &CancellationToken,
) -> Result<(), CatalogError> {
    let Some((file, identity)) = catalog.open_for_digest(shelf, name.clone()).await? else { return Ok(()) };
    let stop = stop.clone();
    let read =
        tokio::task::spawn_blocking(move || read(file, &stop)).await.map_err(|_| CatalogError::Stopping)?;
    match read {
        Ok(Some((sha256, size))) if size == identity.size => {
            tracing::info!(%shelf, %name, %sha256, "digested a file");
            catalog.record_digest(shelf, name, identity, sha256).await
        }
        // It is still being written to, or the service stops: there will be another errand.
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%shelf, %name, %error, "a file cannot be read");
            Ok(())
        }
    }
}

fn read(mut file: File, stop: &CancellationToken) -> io::Result<Option<(Sha256, u64)>> {
    let mut digest = sha2::Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        if stop.is_cancelled() {
            return Ok(None);
        }
        let count = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        digest.update(bytes);
        size += bytes.len() as u64;
    }
    Ok(Some((Sha256(digest.finalize().into()), size)))
}
