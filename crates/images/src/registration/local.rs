//! Registration of an ISO where it lies on the server. It is listed in the store by its base name and never
//! touched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::CatalogError;
use crate::locks::FileLock;
use crate::registration::image_records::opened;
use crate::registration::reservation::Reservation;
use crate::stores::Stores;
use crate::tasks::blocking;
use crate::trees::{FileError, open_regular};
use crate::verify::Checked;
use blobs::StoreError;
use model::digest::Expected;
use model::image::{Image, Source, Status};
use model::names::{FileName, NameError};
use model::stored_file::{FileRecord, Origin, StoreKind};

/// Where an ISO lies.
struct Location {
    /// Its path, free of links.
    path: PathBuf,
    /// It is the store's own file, which needs no reference.
    is_stored: bool,
}

impl Reservation {
    /// Registers the ISO at `path`, if it is what is expected.
    pub async fn register_local(self, path: PathBuf, expected: Expected) -> Result<Image, CatalogError> {
        let iso = base_name(&path).map_err(CatalogError::LocalName)?;
        let lock = self.lock_iso(&iso)?;
        let (stores, name) = (Arc::clone(&self.registration.stores), iso.clone());
        let location = blocking(move || Location::of(&path, &name, &stores)).await??;
        let (verifier, snapshot) = (&self.registration.verifier, self.registration.records.snapshot());
        let known = snapshot.file(StoreKind::Iso, &iso).and_then(|file| file.local.as_ref());
        let checked = if location.is_stored || known == Some(&location.path) {
            verifier.check_listed(self.client, (StoreKind::Iso, &iso), expected).await?
        } else {
            verifier.check_local(self.client, &location.path, &iso, expected).await?
        };
        let tasks = self.registration.tasks.clone();
        tasks.run_to_completion(self.record_local(iso, location, expected, checked, lock)).await
    }

    async fn record_local(
        self,
        iso: FileName,
        Location { path, is_stored }: Location,
        expected: Expected,
        checked: Option<Checked>,
        _lock: FileLock,
    ) -> Result<Image, CatalogError> {
        let (identity, summary) = self.open_checked(path.clone(), &iso, checked).await?;
        let image = Image { expected, ..self.image(iso.clone(), Source::Local, Status::Ok) };
        let image = opened(image, identity, summary);
        let reference = (!is_stored).then(|| {
            let mut record = FileRecord::new(StoreKind::Iso, iso, identity, Origin::Local);
            record.local = Some(path);
            if let Some(checked) = checked {
                record.verify(checked.sha256);
            }
            record
        });
        self.record(image, reference, None).await
    }
}

impl Location {
    fn of(path: &Path, name: &FileName, stores: &Stores) -> Result<Self, CatalogError> {
        open_regular(path).map_err(CatalogError::from_file)?;
        let path =
            std::fs::canonicalize(path).map_err(|error| CatalogError::from_file(FileError::Io(error)))?;
        if is_kept_for_others(&path, stores) {
            return Err(CatalogError::Local(FileError::Forbidden));
        }
        let folder = std::fs::canonicalize(stores.isos.folder());
        let is_stored = folder.is_ok_and(|folder| folder.join(name.as_str()) == path);
        if !is_stored {
            check_local_name(name, stores)?;
        }
        Ok(Self { path, is_stored })
    }
}

/// Whether `path` lies where other requests add and remove files: among microkernels, or unfinished files.
fn is_kept_for_others(path: &Path, stores: &Stores) -> bool {
    let kept = std::fs::canonicalize(stores.microkernels.folder());
    kept.is_ok_and(|folder| path.starts_with(folder))
        || path.components().any(|component| component.as_os_str() == FileName::INCOMING)
}

fn check_local_name(name: &FileName, stores: &Stores) -> Result<(), CatalogError> {
    match stores.isos.stat(name) {
        Ok(_) => Err(CatalogError::NameIsStored(name.clone())),
        // A link in the store is no file of it, and may lead to this very ISO.
        Err(StoreError::NotFound(_) | StoreError::Link(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn base_name(path: &Path) -> Result<FileName, NameError> {
    FileName::existing(path.file_name().unwrap_or_default().to_string_lossy())
}
