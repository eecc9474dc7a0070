//! What the stores hold at this moment, for the folder scan.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use crate::error::CatalogError;
use crate::files::listing::Files;
use blobs::FileSystem;
use model::identity::Identity;
use model::names::FileName;
use model::stored_file::StoreKind;

/// The files of a store; `None` is a local ISO that does not lie where it was registered.
pub type StoreScan = BTreeMap<FileName, Option<Identity>>;

impl Files {
    /// Fails if the folder of a store is not where it was opened, for its disk may not be mounted, or if it
    /// can receive no files. The error is a text for operators.
    pub async fn expect_usable(self: &Arc<Self>, kind: StoreKind) -> Result<(), String> {
        let files = Arc::clone(self);
        let usable = self.questions.ask(kind, move || {
            let store = files.stores.of(kind);
            store.expect_in_place().and_then(|()| store.check_writable()).and_then(|()| store.expect_room())
        });
        let usable = usable.await.map_err(|error: CatalogError| error.to_string())?;
        usable.map_err(|error| error.public_message())
    }

    /// The file system of a store. No file is looked at.
    pub async fn disk_space(&self, kind: StoreKind) -> Result<FileSystem, CatalogError> {
        let stores = Arc::clone(&self.stores);
        Ok(self.questions.ask(kind, move || stores.of(kind).disk_space()).await??)
    }

    /// The identities of all files of a store. No file is read.
    pub async fn scan(self: &Arc<Self>, kind: StoreKind) -> Result<StoreScan, CatalogError> {
        let files = Arc::clone(self);
        self.questions.ask(kind, move || files.identities(kind)).await?
    }

    fn identities(&self, kind: StoreKind) -> Result<StoreScan, CatalogError> {
        self.stores.of(kind).expect_in_place()?;
        let snapshot = self.records.snapshot();
        let stored = self.stored(kind, &snapshot)?;
        let mut scan: StoreScan = stored.into_iter().map(|(name, identity)| (name, Some(identity))).collect();
        for record in snapshot.files(kind) {
            if let Some(path) = &record.local {
                let identity = fs::metadata(path).ok().filter(fs::Metadata::is_file);
                scan.insert(record.name.clone(), identity.map(|metadata| Identity::of(&metadata)));
            }
        }
        Ok(scan)
    }
}
