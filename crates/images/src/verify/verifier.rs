//! Results of reading whole files. They give the digests of files that did not arrive through this program,
//! or changed on disk, and tell whether other files are still good.

use std::fs::File;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use crate::error::CatalogError;
use crate::file_records::entry;
use crate::intake::IntakePermits;
use crate::job_requests::JobRequests;
use crate::records::Writer;
use crate::stores::{Stores, named};
use crate::tasks::blocking;
use crate::trees::{FileError, file_format, open_regular};
use model::digest::Sha256;
use model::identity::Identity;
use model::io_words::in_words;
use model::names::FileName;
use model::stored_file::{Damage, FileRecord, Origin, StoreKind};
use records::inventory::Records;

/// Knows digests and damage.
pub struct Verifier {
    pub(crate) records: Arc<Writer>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) permits: IntakePermits,
    pub(crate) requests: JobRequests,
}

impl Verifier {
    /// Requests a job that computes the digest of a file of this size.
    pub fn want_digest(&self, kind: StoreKind, name: FileName, size: u64) {
        self.requests.digests.post((kind, name), size);
    }

    /// Opens a file to compute its digest. `None` if the digest of this version is known already; then the
    /// format is recorded, if only that is missing.
    pub async fn open_for_digest(
        self: &Arc<Self>,
        kind: StoreKind,
        name: FileName,
    ) -> Result<Option<(File, Identity)>, CatalogError> {
        let (file, identity, _) = match self.open_to_verify(kind, name.clone()).await {
            Err(error) if error.is_forbidden() => {
                self.remember_forbidden(kind, name).await?;
                return Ok(None);
            }
            opened => opened?,
        };
        let snapshot = self.records.snapshot();
        let record = snapshot.file(kind, &name).filter(|record| record.is_known(&identity));
        if let Some(record) = record {
            if record.lacks(&identity) {
                self.record_format(kind, name, file, identity).await?;
            }
            return Ok(None);
        }
        Ok(Some((file, identity)))
    }

    /// Records the format of a file that a program recorded which knew no formats.
    async fn record_format(
        &self,
        kind: StoreKind,
        name: FileName,
        file: File,
        identity: Identity,
    ) -> Result<(), CatalogError> {
        let found = blocking(move || file_format(&file, identity.size)).await?;
        let Ok(format) = found.inspect_err(|error| tracing::warn!(%kind, %name, %error, "no format")) else {
            return Ok(());
        };
        let change = move |records: &mut Records| {
            let file = records.files.get_mut(&(kind, name));
            if let Some(file) = file.filter(|file| file.identity.same_version(&identity)) {
                file.format = Some(format.to_owned());
            }
            Ok(())
        };
        self.records.commit_soon(change).await
    }

    /// A permission may come at any time, and nothing is wrong with the file, so this is no failure.
    async fn remember_forbidden(
        self: &Arc<Self>,
        kind: StoreKind,
        name: FileName,
    ) -> Result<(), CatalogError> {
        let (verifier, wanted) = (Arc::clone(self), name.clone());
        let found = blocking(move || {
            let snapshot = verifier.records.snapshot();
            match snapshot.file(kind, &wanted).filter(|record| record.local.is_some()) {
                Some(local) => Ok(local.identity),
                None => verifier.stores.stat(kind, &wanted),
            }
        });
        if self.requests.set_forbidden((kind, name.clone()), found.await??) {
            tracing::warn!(%kind, %name, "the user of the service has no permission to read a file");
        }
        Ok(())
    }

    /// Opens a file that is to be read whole, with the digest of this very version if that is known.
    pub async fn open_to_verify(
        self: &Arc<Self>,
        kind: StoreKind,
        name: FileName,
    ) -> Result<(File, Identity, Option<Sha256>), CatalogError> {
        let verifier = Arc::clone(self);
        blocking(move || verifier.open(kind, &name)).await?
    }

    /// Records the digest of the version `identity` of a file, all of whose bytes have just been read. Images
    /// made from the same bytes are served (again) from this version. If another digest of this version is on
    /// record, the bytes have rotted: the damage is recorded, and images made from them are served no more.
    pub async fn record_digest(
        self: &Arc<Self>,
        kind: StoreKind,
        name: FileName,
        identity: Identity,
        sha256: Sha256,
    ) -> Result<Recorded, CatalogError> {
        let format = self.format(kind, name.clone()).await?;
        self.record_reading(kind, name, identity, move |records, name| {
            let file = entry(records, kind, name, identity);
            if let Some(recorded) = file.sha256_of(&identity).filter(|recorded| *recorded != sha256) {
                let damage = Damage::Rotten { found: sha256, recorded, noticed: Timestamp::now() };
                (file.identity, file.damage) = (identity, Some(damage.clone()));
                return (Recorded::Damaged(damage), true);
            }
            if file.sha256.is_some_and(|known| known != sha256) && file.local.is_none() {
                // Other bytes, and they did not come through here.
                file.origin = Some(Origin::Folder);
            }
            // Damage that is lifted must not come back after a crash.
            let mut is_urgent = file.damage.is_some();
            file.identity = identity;
            file.format = format.map(str::to_owned);
            file.verify(sha256);
            let images = records.images.values();
            let made_of_it = images.filter(|image| kind == StoreKind::Iso && image.iso == *name);
            for id in made_of_it.map(|image| image.id.clone()).collect::<Vec<_>>() {
                let Some(image) = records.images.get_mut(&id) else { continue };
                let Some(known) = image.identity.as_mut() else { continue };
                if image.sha256 == Some(sha256) {
                    is_urgent |= *known != identity;
                    *known = identity;
                } else if image.sha256.is_none() && known.same_version(&identity) {
                    is_urgent = true;
                    image.sha256 = Some(sha256);
                }
            }
            (Recorded::Good, is_urgent)
        })
        .await
    }

    /// Records that the disk does not give the bytes of the version `identity` of a file. Images made from
    /// them are served no more.
    pub async fn record_unreadable(
        self: &Arc<Self>,
        kind: StoreKind,
        name: FileName,
        identity: Identity,
        error: &io::Error,
    ) -> Result<Recorded, CatalogError> {
        let damage = Damage::Unreadable { error: in_words(error), noticed: Timestamp::now() };
        self.record_reading(kind, name, identity, move |records, name| {
            let file = entry(records, kind, name, identity);
            if !file.identity.same_version(&identity) {
                // The record is about other bytes.
                let (local, labels) = (file.local.take(), std::mem::take(&mut file.labels));
                *file = FileRecord::new(kind, name.clone(), identity, Origin::Folder);
                file.labels = labels;
                if local.is_some() {
                    (file.local, file.origin) = (local, Some(Origin::Local));
                }
            }
            (file.identity, file.damage) = (identity, Some(damage.clone()));
            (Recorded::Damaged(damage), true)
        })
        .await
    }

    /// Records the result of reading a file, if the file is still the one that was read: another may have its
    /// name by now. `change` tells as well whether the disk must have it at once: a file's digest can be
    /// computed again, but that of an image tells its ISO from another one, and damage is found by chance.
    async fn record_reading(
        self: &Arc<Self>,
        kind: StoreKind,
        name: FileName,
        identity: Identity,
        change: impl FnOnce(&mut Records, &FileName) -> (Recorded, bool) + Send + 'static,
    ) -> Result<Recorded, CatalogError> {
        let (verifier, wanted) = (Arc::clone(self), name.clone());
        let now = blocking(move || verifier.identity(kind, &wanted)).await?;
        match now {
            Ok(now) if now != identity => return Ok(Recorded::Outdated),
            Err(CatalogError::NoSuchFile { .. } | CatalogError::Local(FileError::NotFound)) => {
                return Ok(Recorded::Outdated);
            }
            // A disk that fails here as well changes nothing about the result.
            Ok(_) | Err(_) => {}
        }
        let shown = name.clone();
        let is_urgent = |(_, is_urgent): &(Recorded, bool)| *is_urgent;
        let recorded = self.records.commit_when(is_urgent, move |records| Ok(change(records, &name)));
        let (recorded, _) = recorded.await?;
        if let Recorded::Damaged(damage) = &recorded {
            tracing::error!(%kind, name = %shown, %damage, "a file is damaged");
        }
        Ok(recorded)
    }

    /// Opens a file in its store, or where it was registered, with the digest of this very version if that is
    /// known.
    fn open(
        &self,
        kind: StoreKind,
        name: &FileName,
    ) -> Result<(File, Identity, Option<Sha256>), CatalogError> {
        let snapshot = self.records.snapshot();
        let record = snapshot.file(kind, name);
        let (file, identity) = match record.and_then(|record| record.local.as_ref()) {
            Some(path) => open_regular(path).map_err(CatalogError::Local)?,
            None => self.stores.of(kind).open_file(name).map_err(|error| named(error, kind, name))?,
        };
        Ok((file, identity, record.and_then(|record| record.sha256_of(&identity))))
    }

    /// The format of a file at this moment; `None` if it cannot be read now.
    async fn format(
        self: &Arc<Self>,
        kind: StoreKind,
        name: FileName,
    ) -> Result<Option<&'static str>, CatalogError> {
        let verifier = Arc::clone(self);
        blocking(move || {
            let (file, identity, _) = verifier.open(kind, &name).ok()?;
            file_format(&file, identity.size).ok()
        })
        .await
    }

    /// What a file is at this moment, in its store or where it was registered.
    fn identity(&self, kind: StoreKind, name: &FileName) -> Result<Identity, CatalogError> {
        let snapshot = self.records.snapshot();
        match snapshot.file(kind, name).and_then(|record| record.local.as_ref()) {
            Some(path) => open_regular(path).map(|opened| opened.1).map_err(CatalogError::Local),
            None => self.stores.stat(kind, name),
        }
    }
}

/// How the result of a reading was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// The file is good.
    Good,
    /// It is damaged.
    Damaged(Damage),
    /// It is another file by now, so the result does not count.
    Outdated,
}
