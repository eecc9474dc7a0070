//! Files that lie there already, held against the digests that somebody expects of them before they become images.

use std::fs::File;

use tokio_util::sync::CancellationToken;

use super::{Catalog, CatalogError, Recorded};
use crate::model::digest::{Digests, Expected, Sha256};
use crate::model::identity::Identity;
use crate::model::names::FileName;
use crate::model::stored_file::StoreKind;
use crate::store::{StoreError, Way, read_whole};
use crate::trees::{FileError, open_regular};

/// A version of a file, and its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) identity: Identity,
    pub(super) sha256: Sha256,
}

impl Catalog {
    /// Whether the ISO `iso`, stored or local, is good, as far as that is known, and is what is expected. What had to be read for it is recorded, for it is true of the file
    /// whatever was expected. Dropping the future ends the reading.
    pub(super) async fn check_listed(
        &self,
        iso: &FileName,
        expected: Expected,
    ) -> Result<Option<Checked>, CatalogError> {
        let snapshot = self.snapshot();
        let record = snapshot.file(StoreKind::Iso, iso).filter(|record| record.damage.is_some());
        if expected.is_nothing() && record.is_none() {
            return Ok(None);
        }
        let name = iso.clone();
        let opened = self.blocking(move |inner| inner.open(StoreKind::Iso, &name));
        let (file, identity, known) = opened.await??;
        if let Some(damage) = record.and_then(|record| record.damage_of(&identity)) {
            return Err(CatalogError::Damaged { name: iso.clone(), how: damage.to_string() });
        }
        if expected.is_nothing() {
            return Ok(None);
        }
        if let Some(sha256) = known.filter(|_| expected.sha512.is_none()) {
            expected.check(&Digests { sha256, sha512: None }).map_err(StoreError::from)?;
            return Ok(Some(Checked { identity, sha256 }));
        }
        let digests = self.read(file, identity, iso, expected).await?;
        match self.record_digest(StoreKind::Iso, iso.clone(), identity, digests.sha256).await? {
            Recorded::Good => {}
            Recorded::Damaged(damage) => {
                return Err(CatalogError::Damaged { name: iso.clone(), how: damage.to_string() });
            }
            Recorded::Outdated => return Err(CatalogError::Changing(iso.clone())),
        }
        expected.check(&digests).map_err(StoreError::from)?;
        Ok(Some(Checked { identity, sha256: digests.sha256 }))
    }

    /// Whether the file at `path`, which is to be called `iso`, is what is expected.
    pub(super) async fn check_local(
        &self,
        path: &std::path::Path,
        iso: &FileName,
        expected: Expected,
    ) -> Result<Option<Checked>, CatalogError> {
        if expected.is_nothing() {
            return Ok(None);
        }
        let path = path.to_owned();
        let opened = self.blocking(move |_| open_regular(&path).map_err(CatalogError::from_file));
        let (file, identity) = opened.await??;
        let digests = self.read(file, identity, iso, expected).await?;
        expected.check(&digests).map_err(StoreError::from)?;
        Ok(Some(Checked { identity, sha256: digests.sha256 }))
    }

    /// Reads a file once, on a thread of its own, among as many others as uploads may be.
    async fn read(
        &self,
        file: File,
        identity: Identity,
        name: &FileName,
        expected: Expected,
    ) -> Result<Digests, CatalogError> {
        let place = self.place()?;
        let stop = CancellationToken::new();
        let _stops_when_dropped = stop.clone().drop_guard();
        let read = self.blocking(move |_| {
            let _place = place;
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
