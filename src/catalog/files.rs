//! The stores as they are seen from outside: complete files, and local ISOs by reference.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::duplicates::others;
use super::{Catalog, CatalogError, Change, Inner, JobRequest};
use crate::inventory::{Records, Snapshot, users_by_iso, users_of};
use crate::model::identity::Identity;
use crate::model::image::{ImageId, Status};
use crate::model::names::FileName;
use crate::model::stored_file::{FileRecord, StoreKind, StoredFile};
use crate::store::StoreError;

/// A file and the images that need it.
#[derive(Debug, Clone)]
pub struct ListedFile {
    /// The file.
    pub file: StoredFile,
    /// The images made from it, as `name version`.
    pub used_by: Vec<String>,
    /// The other files that have the same bytes on disk.
    pub shared_with: Vec<(StoreKind, FileName)>,
}

impl Catalog {
    /// All files on a shelf, by name. Those whose digest is not known become errands.
    pub async fn files(&self, kind: StoreKind) -> Result<Vec<ListedFile>, CatalogError> {
        self.blocking(move |inner| inner.list(kind)).await?
    }

    /// One file of a shelf, as it is listed.
    pub async fn file(&self, kind: StoreKind, name: FileName) -> Result<ListedFile, CatalogError> {
        self.blocking(move |inner| inner.find(kind, name)).await?
    }

    /// Removes a file for good; of a local ISO only the reference. An ISO that an image needs stays.
    pub async fn remove_file(&self, kind: StoreKind, name: FileName) -> Result<ListedFile, CatalogError> {
        let catalog = self.clone();
        self.whole(async move { catalog.remove_file_whole(kind, name).await }).await
    }

    async fn remove_file_whole(&self, kind: StoreKind, name: FileName) -> Result<ListedFile, CatalogError> {
        let lock = self.0.file_locks.exclusive((kind, name.clone()));
        let _lock = lock.ok_or_else(|| CatalogError::Busy(format!("the {kind} {name}")))?;
        let listed = self.files(kind).await?.into_iter().find(|listed| listed.file.name == name);
        let listed = listed.ok_or_else(|| CatalogError::NoSuchFile { kind, name: name.clone() })?;
        if !listed.used_by.is_empty() {
            return Err(CatalogError::InUse { iso: name, images: listed.used_by });
        }
        if !listed.file.local {
            let name = name.clone();
            self.blocking(move |inner| inner.store(kind).remove(&name)).await??;
        }
        let forget = name.clone();
        let has_record = self.snapshot().file(kind, &name).is_some();
        let forgotten = self.0.writer.commit(move |records| {
            records.files.remove(&(kind, forget));
            Ok(())
        });
        let forgotten = forgotten.await;
        if !has_record || forgotten.is_err() {
            // There is no record whose end would tell.
            self.0.events.publish(Change::File(kind, name.clone()));
        }
        match forgotten {
            // The file is gone; a digest that outlives it is dropped when another file takes the name.
            Err(CatalogError::Inventory(error)) if !listed.file.local => {
                tracing::warn!(%error, "the digest of a removed file stays recorded");
            }
            other => other?,
        }
        tracing::info!(%kind, %name, local = listed.file.local, "removed a file");
        Ok(listed)
    }

    /// Notes the digest of a file that has just arrived. The file is complete without it: it can be computed again.
    pub(super) async fn note_digest(&self, record: FileRecord) {
        let (kind, name) = (record.kind, record.name.clone());
        let noted = self.0.writer.commit(move |records| {
            records.files.insert((record.kind, record.name.clone()), record);
            Ok(())
        });
        if let Err(error) = noted.await {
            tracing::warn!(%name, %error, "the digest of a new file cannot be recorded");
            self.0.events.publish(Change::File(kind, name));
        }
    }
}

/// Refuses a change of the file `name` that a local ISO forbids, or an image other than the one it is meant for.
pub(super) fn check_free(
    records: &Records,
    kind: StoreKind,
    name: &FileName,
    for_image: Option<&ImageId>,
) -> Result<(), CatalogError> {
    if kind == StoreKind::Microkernel {
        return Ok(());
    }
    if records.files.get(&(kind, name.clone())).is_some_and(|file| file.local.is_some()) {
        return Err(CatalogError::NameIsLocal(name.clone()));
    }
    let images = users_of(records, name, for_image);
    if images.is_empty() { Ok(()) } else { Err(CatalogError::InUse { iso: name.clone(), images }) }
}

/// What a local ISO is now; `None` if it is missing.
fn seen(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|metadata| Identity::of(&metadata))
}

impl Inner {
    fn list(&self, kind: StoreKind) -> Result<Vec<ListedFile>, CatalogError> {
        let snapshot = self.writer.snapshot();
        let stored = self.store(kind).list()?;
        let mut files: BTreeMap<FileName, Option<Identity>> =
            stored.into_iter().map(|(name, identity)| (name, Some(identity))).collect();
        for record in snapshot.files(kind) {
            if let Some(path) = &record.local {
                files.insert(record.name.clone(), seen(path));
            }
        }
        let shared = self.shared(&snapshot);
        let mut used =
            if kind == StoreKind::Iso { users_by_iso(snapshot.records()) } else { BTreeMap::new() };
        let listed = files.into_iter().filter_map(|(name, identity)| {
            let used_by = used.remove(&name).unwrap_or_default();
            let shared_with = others(&shared, kind, &name);
            Some(ListedFile { file: self.described(&snapshot, kind, name, identity)?, used_by, shared_with })
        });
        Ok(listed.collect())
    }

    fn find(&self, kind: StoreKind, name: FileName) -> Result<ListedFile, CatalogError> {
        let snapshot = self.writer.snapshot();
        let local = snapshot.file(kind, &name).and_then(|record| record.local.as_ref());
        let identity = match local {
            Some(path) => seen(path),
            None => Some(self.stat(kind, &name)?),
        };
        let used_by =
            if kind == StoreKind::Iso { users_of(snapshot.records(), &name, None) } else { Vec::new() };
        let missing = || CatalogError::NoSuchFile { kind, name: name.clone() };
        let file = self.described(&snapshot, kind, name.clone(), identity).ok_or_else(missing)?;
        let shared_with = others(&self.shared(&snapshot), kind, &name);
        Ok(ListedFile { file, used_by, shared_with })
    }

    /// What is known of a file that is now `identity`. A digest that is not known becomes an errand, if the file is complete. A local ISO that is missing just now is
    /// described as it was last seen.
    fn described(
        &self,
        snapshot: &Snapshot,
        kind: StoreKind,
        name: FileName,
        identity: Option<Identity>,
    ) -> Option<StoredFile> {
        let record = snapshot.file(kind, &name);
        let seen = identity.or_else(|| record.map(|record| record.identity))?;
        let mut file = StoredFile::new(name, seen, record);
        if identity.is_none() {
            file.status = Status::Error("it is missing".into());
        }
        let is_complete =
            || self.settling.is_zero() || seen.is_untouched_for(self.settling, SystemTime::now());
        if file.status == Status::Preparing && is_complete() {
            self.post(JobRequest::Digest(kind, file.name.clone()));
        }
        Some(file)
    }

    /// A file's size and time, in the store or where it was registered.
    pub(super) fn stat(&self, kind: StoreKind, name: &FileName) -> Result<Identity, CatalogError> {
        self.store(kind).stat(name).map_err(|error| named(error, kind, name))
    }
}

/// Names the file that is not there.
pub(super) fn named(error: StoreError, kind: StoreKind, name: &FileName) -> CatalogError {
    match error {
        StoreError::NotFound(_) => CatalogError::NoSuchFile { kind, name: name.clone() },
        other => other.into(),
    }
}
