//! A file on its way in. One thread writes and digests it; the few chunks between the client and that thread
//! are all the memory it takes. An intake that is dropped early leaves nothing of a plain upload, and all
//! bytes of an unfinished file that can be resumed.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::error::CatalogError;
use crate::intake::intakes::Intakes;
use crate::intake::worker::Worker;
use crate::locks::{FileLock, NameLock};
use crate::tasks::blocking;
use blobs::Received;
use model::fair_limit::FairPermit;
use model::labels::Labels;
use model::stored_file::StoreKind;
use model::unfinished_file::UnfinishedFileId;

/// A file that is being received under a locked name.
pub struct Intake {
    pub(super) intakes: Arc<Intakes>,
    pub(super) kind: StoreKind,
    pub(super) bytes: Receiving,
    /// Bytes that were handed over, those of earlier attempts included.
    pub(super) offset: u64,
    pub(super) lock: FileLock,
    /// The labels that the file brings.
    pub(super) labels: Labels,
    pub(super) _permit: Option<FairPermit>,
}

/// How far the bytes are.
pub(super) enum Receiving {
    /// They are being written.
    Worker(Worker),
    /// All were written, and the file had got its name, when the program ended.
    Published(Received, NameLock<UnfinishedFileId>),
}

impl Intake {
    /// Bytes that were handed over so far, those of earlier attempts included.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Gives the file labels. Without any it keeps those of an older file of its name.
    #[must_use]
    pub fn with_labels(self, labels: Labels) -> Self {
        Self { labels, ..self }
    }

    /// Whether nothing but the record is missing: the file had got its name when the program ended.
    pub fn is_complete(&self) -> bool {
        matches!(self.bytes, Receiving::Published(..))
    }

    /// Whether a file that begins like this may become an image.
    pub fn may_be_image(&self, beginning: &[u8]) -> bool {
        self.intakes.trees.may_be_image(beginning)
    }

    /// Hands over the next bytes; waits while the disk is behind.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), CatalogError> {
        let count = bytes.len() as u64;
        self.worker()?.write(bytes).await?;
        self.offset += count;
        Ok(())
    }

    /// Makes the bytes of an unfinished file outlast a crash, and saves the data that its owner needs to
    /// resume it.
    pub async fn checkpoint(&mut self, resume_data: Option<Value>) -> Result<(), CatalogError> {
        self.worker()?.ask(|upload, store| upload.checkpoint(store, resume_data)).await
    }

    /// Sets the size of the whole file, and allocates the space for it.
    pub async fn set_expected_size(&mut self, size: Option<u64>) -> Result<(), CatalogError> {
        self.worker()?.ask(move |upload, store| upload.set_size(store, size)).await
    }

    /// Removes all bytes: the source has another file now, of this size if it is known. If it is refused, the
    /// bytes stay.
    pub async fn restart(&mut self, size: Option<u64>) -> Result<(), CatalogError> {
        self.worker()?.ask(move |upload, store| upload.restart(store, size)).await?;
        self.offset = 0;
        Ok(())
    }

    /// Holds the bytes that follow: they count for nothing until they are released, and may be removed again.
    pub async fn hold(&mut self) -> Result<(), CatalogError> {
        self.worker()?
            .ask(|upload, _| {
                upload.hold();
                Ok(())
            })
            .await
    }

    /// Keeps the bytes that were held.
    pub async fn release(&mut self) -> Result<(), CatalogError> {
        self.worker()?
            .ask(|upload, _| {
                upload.release();
                Ok(())
            })
            .await
    }

    /// Removes the bytes that were held.
    pub async fn take_back(&mut self) -> Result<(), CatalogError> {
        self.offset =
            self.worker()?.ask(|upload, store| upload.take_back(store).map(|()| upload.size())).await?;
        Ok(())
    }

    /// Ends the work for now. When this returns, all bytes that were handed over outlast a crash, and the
    /// file can be resumed.
    pub async fn suspend(self) -> Result<(), CatalogError> {
        match self.bytes {
            Receiving::Worker(worker) => worker.suspend().await,
            Receiving::Published(..) => Ok(()),
        }
    }

    /// Ends the work for good and removes all bytes.
    pub async fn discard(self) -> Result<(), CatalogError> {
        let Self { intakes, kind, bytes, .. } = self;
        let stores = Arc::clone(&intakes.stores);
        match bytes {
            Receiving::Worker(worker) => {
                let (upload, _lock) = worker.end().await?;
                blocking(move || upload.discard(stores.of(kind))).await
            }
            // The file stays, for a client may have seen it already.
            Receiving::Published(_, lock) => {
                Ok(blocking(move || stores.of(kind).discard_unfinished(lock.key())).await??)
            }
        }
    }

    fn worker(&mut self) -> Result<&mut Worker, CatalogError> {
        match &mut self.bytes {
            Receiving::Worker(worker) => Ok(worker),
            Receiving::Published(..) => Err(CatalogError::Complete),
        }
    }
}
