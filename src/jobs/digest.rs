//! Digests of files that did not arrive through this program. Each is read once.

use std::fs::File;
use std::io::{self, Read};

use sha2::Digest;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, CatalogError};
use crate::model::digest::Sha256;
use crate::model::identity::Identity;
use crate::model::names::FileName;
use crate::model::stored_file::Shelf;

/// Bytes read at once.
const BUFFER: usize = 1 << 20;

/// Computes and records the digest of a file, unless it is known by now.
pub(super) async fn compute(
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
        Ok(Some((sha256, read))) if read == identity => {
            tracing::info!(%shelf, %name, %sha256, "digested a file");
            catalog.record_digest(shelf, name, identity, sha256).await
        }
        // It was written to meanwhile, or the service stops: there will be another errand.
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%shelf, %name, %error, "a file cannot be read");
            Ok(())
        }
    }
}

/// The digest of all bytes, and what the file is after the last of them: one that is written to meanwhile is two versions at once.
fn read(mut file: File, stop: &CancellationToken) -> io::Result<Option<(Sha256, Identity)>> {
    let mut digest = sha2::Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        if stop.is_cancelled() {
            return Ok(None);
        }
        let count = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        digest.update(bytes);
    }
    Ok(Some((Sha256(digest.finalize().into()), Identity::of(&file.metadata()?))))
}
