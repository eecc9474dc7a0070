//! Files that are there already, compared with the digests that a client expects before they become images.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::error::CatalogError;
use crate::tasks::blocking;
use crate::trees::{FileError, open_regular};
use crate::verify::verifier::{Recorded, Verifier};
use blobs::{StoreError, Way, read_whole};
use model::client::ClientKey;
use model::digest::{Digests, Expected, Sha256};
use model::identity::Identity;
use model::names::FileName;
use model::stored_file::StoreKind;

/// A version of a file, and its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) identity: Identity,
    pub(crate) sha256: Sha256,
}

impl Verifier {
    /// Whether the store has a good file of this name, of its own, that has the expected digests. `false` if
    /// none is expected. Any other file is none that has them, whatever is wrong with it.
    ///
    /// # Errors
    ///
    /// The file would have to be read, and as many files are read and received as is allowed.
    pub async fn is_stored_as(
        self: &Arc<Self>,
        client: Option<ClientKey>,
        (kind, name): (StoreKind, &FileName),
        expected: Expected,
    ) -> Result<bool, CatalogError> {
        let snapshot = self.records.snapshot();
        let is_local = snapshot.file(kind, name).is_some_and(|record| record.local.is_some());
        if is_local || expected.is_nothing() {
            return Ok(false);
        }
        match self.check_listed(client, (kind, name), expected).await {
            Ok(checked) => Ok(checked.is_some()),
            Err(error @ (CatalogError::Crowded | CatalogError::ClientCrowds(_) | CatalogError::Stopping)) => {
                Err(error)
            }
            Err(_) => Ok(false),
        }
    }

    /// Checks that a file, stored or local, is not damaged and has the expected digests. A digest that was
    /// computed for it is recorded, even if another one was expected. Dropping the future ends the reading.
    pub(crate) async fn check_listed(
        self: &Arc<Self>,
        client: Option<ClientKey>,
        (kind, name): (StoreKind, &FileName),
        expected: Expected,
    ) -> Result<Option<Checked>, CatalogError> {
        let snapshot = self.records.snapshot();
        let record = snapshot.file(kind, name).filter(|record| record.damage.is_some());
        if expected.is_nothing() && record.is_none() {
            return Ok(None);
        }
        let (file, identity, known) = self.open_to_verify(kind, name.clone()).await?;
        if let Some(damage) = record.and_then(|record| record.damage_of(&identity)) {
            return Err(CatalogError::Damaged { name: name.clone(), how: damage.to_string() });
        }
        if expected.is_nothing() {
            return Ok(None);
        }
        if let Some(sha256) = known.filter(|_| expected.sha512.is_none()) {
            expected.check(&Digests { sha256, sha512: None }).map_err(StoreError::from)?;
            return Ok(Some(Checked { identity, sha256 }));
        }
        let digests = self.read(client, file, identity, name, expected).await?;
        match self.record_digest(kind, name.clone(), identity, digests.sha256).await? {
            Recorded::Good => {}
            Recorded::Damaged(damage) => {
                return Err(CatalogError::Damaged { name: name.clone(), how: damage.to_string() });
            }
            Recorded::Outdated => return Err(CatalogError::Changing(name.clone())),
        }
        expected.check(&digests).map_err(StoreError::from)?;
        Ok(Some(Checked { identity, sha256: digests.sha256 }))
    }

    /// Checks that the file at `path`, which gets the name `iso`, has the expected digests.
    pub(crate) async fn check_local(
        &self,
        client: Option<ClientKey>,
        path: &Path,
        iso: &FileName,
        expected: Expected,
    ) -> Result<Option<Checked>, CatalogError> {
        if expected.is_nothing() {
            return Ok(None);
        }
        let path = path.to_owned();
        let opened = blocking(move || open_regular(&path).map_err(CatalogError::from_file));
        let (file, identity) = opened.await??;
        let digests = self.read(client, file, identity, iso, expected).await?;
        expected.check(&digests).map_err(StoreError::from)?;
        Ok(Some(Checked { identity, sha256: digests.sha256 }))
    }

    /// Reads a file once for `client`, on a thread of its own, within the limit of uploads.
    async fn read(
        &self,
        client: Option<ClientKey>,
        file: File,
        identity: Identity,
        name: &FileName,
        expected: Expected,
    ) -> Result<Digests, CatalogError> {
        let permit = self.permits.take(client)?;
        let stop = CancellationToken::new();
        let _stops_when_dropped = stop.clone().drop_guard();
        let read = blocking(move || {
            let _permit = permit;
            read_whole(&file, &expected, Way::Cache, |_| !stop.is_cancelled())
        });
        match read.await? {
            Ok(Some(whole)) if whole.identity == identity => Ok(whole.digests),
            Ok(Some(_)) => Err(CatalogError::Changing(name.clone())),
            Ok(None) => Err(CatalogError::Stopping),
            Err(error) => Err(CatalogError::from_file(FileError::Io(error))),
        }
    }
}
