//! The two stores, and where an ISO lies that is listed in one of them.

use std::path::PathBuf;

use crate::error::CatalogError;
use blobs::{Store, StoreError};
use model::identity::Identity;
use model::names::FileName;
use model::stored_file::StoreKind;
use records::inventory::Snapshot;

/// The stores of files.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) isos: Store,
    pub(crate) microkernels: Store,
}

impl Stores {
    pub(crate) fn of(&self, kind: StoreKind) -> &Store {
        match kind {
            StoreKind::Iso => &self.isos,
            StoreKind::Microkernel => &self.microkernels,
        }
    }

    pub(crate) fn all(&self) -> [&Store; 2] {
        [&self.isos, &self.microkernels]
    }

    /// Where the ISO `name` lies: in the store, or where it was registered.
    pub(crate) fn iso_path(&self, snapshot: &Snapshot, name: &FileName) -> PathBuf {
        let local = snapshot.file(StoreKind::Iso, name).and_then(|file| file.local.clone());
        local.unwrap_or_else(|| self.isos.path(name))
    }

    /// A file's size and time in its store.
    pub(crate) fn stat(&self, kind: StoreKind, name: &FileName) -> Result<Identity, CatalogError> {
        self.of(kind).stat(name).map_err(|error| named(error, kind, name))
    }
}

/// Names the file that is not there.
pub(crate) fn named(error: StoreError, kind: StoreKind, name: &FileName) -> CatalogError {
    match error {
        StoreError::NotFound(_) => CatalogError::NoSuchFile { kind, name: name.clone() },
        other => other.into(),
    }
}
