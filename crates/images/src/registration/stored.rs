//! Registration of an ISO that is listed in the store.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::CatalogError;
use crate::locks::FileLock;
use crate::registration::image_records::opened;
use crate::registration::reservation::Reservation;
use crate::tasks::blocking;
use crate::verify::Checked;
use model::digest::Expected;
use model::identity::Identity;
use model::image::{Image, Source, Status, TreeSummary};
use model::names::FileName;
use model::stored_file::StoreKind;

impl Reservation {
    /// Registers an ISO of the store (or a local one that is listed there) that is what is expected.
    pub async fn register_stored(self, iso: FileName, expected: Expected) -> Result<Image, CatalogError> {
        let lock = self.lock_iso(&iso)?;
        let checked =
            self.registration.verifier.check_listed(self.client, (StoreKind::Iso, &iso), expected).await?;
        let tasks = self.registration.tasks.clone();
        tasks.run_to_completion(self.record_stored(iso, expected, checked, lock)).await
    }

    /// Registers the ISO of the previous image again, for another tree of it.
    pub async fn register_same(self) -> Result<Image, CatalogError> {
        let previous = self.previous.clone().ok_or(CatalogError::NoSuchImage)?;
        let lock = self.lock_iso(&previous.iso)?;
        let tasks = self.registration.tasks.clone();
        let registered = async move {
            let _lock = lock;
            let path =
                self.registration.stores.iso_path(&self.registration.records.snapshot(), &previous.iso);
            let (identity, summary) = self.open_checked(path, &previous.iso, None).await?;
            if previous.identity.is_none_or(|known| !known.same_version(&identity)) {
                return Err(CatalogError::Changing(previous.iso));
            }
            let image = self.image(previous.iso, previous.source, Status::Ok);
            let image = Image { expected: previous.expected, ..opened(image, identity, summary) };
            self.record(image, None, None).await
        };
        tasks.run_to_completion(registered).await
    }

    async fn record_stored(
        self,
        iso: FileName,
        expected: Expected,
        checked: Option<Checked>,
        _lock: FileLock,
    ) -> Result<Image, CatalogError> {
        let (records, stores, file) =
            (Arc::clone(&self.registration.records), Arc::clone(&self.registration.stores), iso.clone());
        let located = blocking(move || {
            let snapshot = records.snapshot();
            if snapshot.file(StoreKind::Iso, &file).is_none_or(|record| record.local.is_none()) {
                stores.stat(StoreKind::Iso, &file)?;
            }
            Ok::<_, CatalogError>(stores.iso_path(&snapshot, &file))
        });
        let (identity, summary) = self.open_checked(located.await??, &iso, checked).await?;
        let image = Image { expected, ..self.image(iso, Source::Store, Status::Ok) };
        let image = opened(image, identity, summary);
        self.record(image, None, None).await
    }

    /// Opens the tree. What is registered must be the version that was compared with the expected digests.
    pub(super) async fn open_checked(
        &self,
        path: PathBuf,
        iso: &FileName,
        checked: Option<Checked>,
    ) -> Result<(Identity, TreeSummary), CatalogError> {
        let (name, version, asked) = (self.name.clone(), self.version.clone(), self.asked_tree);
        let trees = Arc::clone(&self.registration.trees);
        let tree = blocking(move || trees.open(&name, &version, &path, asked)).await??;
        match checked {
            Some(checked) if checked.identity != tree.identity => Err(CatalogError::Changing(iso.clone())),
            _ => Ok((tree.identity, tree.summary.clone())),
        }
    }
}
