//! Files on their way in. A thread per file writes and digests what the sender delivers; the few chunks between them are all the
//! memory it takes. Let go early, it leaves nothing.

use bytes::Bytes;
use iso_reader::TreeKind;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

use super::claims::Claim;
use super::files::check_free;
use super::{Catalog, CatalogError};
use crate::model::digest::Expected;
use crate::model::image::{ImageId, Status, TreeSummary};
use crate::model::names::FileName;
use crate::model::stored_file::{FileRecord, Origin, Shelf, StoredFile};
use crate::store::{Received, StoreError, Upload};

/// Chunks that may wait for the disk; the sender waits when there are more.
const CHUNKS: usize = 16;

/// A file being received under a claimed name.
pub struct Intake {
    catalog: Catalog,
    shelf: Shelf,
    chunks: mpsc::Sender<Bytes>,
    worker: Option<JoinHandle<Result<Upload, StoreError>>>,
    claim: Claim<(Shelf, FileName)>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Catalog {
    /// A place among the uploads.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, CatalogError> {
        self.0.intakes.clone().try_acquire_owned().map_err(|_| CatalogError::Crowded)
    }

    /// Begins to receive a file, of a `size` that the sender may have told. Whatever can be refused before the first byte is refused here;
    /// a file that is not what is `expected` is refused at its end.
    pub async fn receive(
        &self,
        shelf: Shelf,
        name: FileName,
        size: Option<u64>,
        expected: Expected,
    ) -> Result<Intake, CatalogError> {
        self.receive_for(None, shelf, name, size, expected, Some(self.place()?)).await
    }

    /// The same for the ISO of an image that is recorded already, which does not keep the name from being used. Downloads have a limit of
    /// their own and take no place.
    pub(super) async fn receive_for(
        &self,
        image: Option<&ImageId>,
        shelf: Shelf,
        name: FileName,
        size: Option<u64>,
        expected: Expected,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Intake, CatalogError> {
        let claim = self.0.file_claims.exclusive((shelf, name.clone()));
        let claim = claim.ok_or_else(|| CatalogError::Busy(format!("the {shelf} {name}")))?;
        if let Err(refusal) = check_free(self.snapshot().records(), shelf, &name, image)
            && !self.is_only_missing(&name).await?
        {
            return Err(refusal);
        }
        let mut upload =
            self.blocking(move |inner| inner.store(shelf).receive(name, size, expected)).await??;
        let (chunks, mut queue) = mpsc::channel::<Bytes>(CHUNKS);
        let catalog = self.clone();
        let worker = tokio::task::spawn_blocking(move || {
            while let Some(chunk) = queue.blocking_recv() {
                upload.write(catalog.0.store(shelf), &chunk)?;
            }
            Ok(upload)
        });
        Ok(Intake { catalog: self.clone(), shelf, chunks, worker: Some(worker), claim, _place: place })
    }
}

impl Catalog {
    /// Whether images were made from an ISO of this name that has since vanished. To bring it back replaces nothing.
    async fn is_only_missing(&self, name: &FileName) -> Result<bool, CatalogError> {
        let snapshot = self.snapshot();
        let is_local = snapshot.file(Shelf::Iso, name).is_some_and(|file| file.local.is_some());
        let mut users = snapshot.images().filter(|image| image.iso == *name && image.needs_iso());
        if is_local || !users.all(|image| image.status == Status::Ok) {
            return Ok(false);
        }
        let name = name.clone();
        self.blocking(move |inner| matches!(inner.isos.stat(&name), Err(StoreError::NotFound(_)))).await
    }
}

impl Intake {
    /// Hands over the next bytes; waits while the disk is behind.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), CatalogError> {
        if self.chunks.send(bytes).await.is_ok() {
            return Ok(());
        }
        // The worker went away because the disk failed it.
        match self.worker.take() {
            Some(worker) => Err(joined(worker.await).err().unwrap_or(CatalogError::Stopping)),
            None => Err(CatalogError::Stopping),
        }
    }

    /// All bytes are here: makes the file durable and visible.
    pub async fn finish(self) -> Result<StoredFile, CatalogError> {
        let catalog = self.catalog.clone();
        catalog.whole(self.store()).await
    }

    async fn store(self) -> Result<StoredFile, CatalogError> {
        let Self { catalog, shelf, chunks, worker, claim, _place } = self;
        drop(chunks);
        let upload = joined(worker.ok_or(CatalogError::Stopping)?.await)?;
        if upload.size() == 0 {
            return Err(CatalogError::Empty);
        }
        let finished = catalog.blocking(move |inner| {
            let (received, named) = upload.finish(inner.store(shelf))?;
            named.keep();
            Ok::<_, StoreError>(received)
        });
        let received = finished.await??;
        let record = record_of(shelf, &received, Origin::Upload);
        catalog.note_digest(record.clone()).await;
        drop(claim);
        tracing::info!(%shelf, name = %received.name, bytes = received.identity.size, sha256 = %received.sha256, "stored a file");
        Ok(StoredFile::new(received.name, received.identity, Some(&record)))
    }

    /// All bytes of an image's ISO are here: reads the tree that was asked for, makes it durable and visible, and lets `record` record the image. If any
    /// of that fails, the store is what it was before. To be called within a change that runs to its end.
    pub(super) async fn store_image<T, F>(
        self,
        asked: Option<TreeKind>,
        record: impl FnOnce(Received, TreeSummary) -> F,
    ) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<T, CatalogError>>,
    {
        let Self { catalog, shelf, chunks, worker, claim, _place } = self;
        drop(chunks);
        let upload = joined(worker.ok_or(CatalogError::Stopping)?.await)?;
        let finished = catalog.blocking(move |inner| {
            let summary = inner.trees.inspect(upload.path(), asked)?;
            let (received, named) = upload.finish(inner.store(shelf))?;
            Ok::<_, CatalogError>((received, named, summary))
        });
        let (received, named, summary) = finished.await??;
        let recorded = record(received, summary).await;
        let keep = recorded.is_ok();
        catalog.blocking(move |_| if keep { named.keep() } else { drop(named) }).await?;
        drop(claim);
        recorded
    }

    /// Whether a file that begins like this may become an image.
    pub fn may_be_image(&self, beginning: &[u8]) -> bool {
        self.catalog.0.trees.may_be_image(beginning)
    }
}

/// The record of a file that has just arrived. All of its bytes have passed through here.
pub(super) fn record_of(shelf: Shelf, received: &Received, origin: Origin) -> FileRecord {
    let mut record = FileRecord::new(shelf, received.name.clone(), received.identity, origin);
    record.verify(received.sha256);
    record
}

fn joined(
    result: Result<Result<Upload, StoreError>, tokio::task::JoinError>,
) -> Result<Upload, CatalogError> {
    match result {
        Ok(result) => result.map_err(CatalogError::from),
        Err(error) => {
            tracing::error!(%error, "an intake ended early");
            Err(CatalogError::Stopping)
        }
    }
}
