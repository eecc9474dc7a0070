//! Files on their way in. A thread per file writes and digests what the sender delivers; the few chunks between them are all the
//! memory it takes. Let go early, a plain upload leaves nothing, and a part keeps all that it was handed.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::files::check_free;
use super::intake_worker::Worker;
use super::locks::NameLock;
use super::{Catalog, CatalogError, Inner};
use crate::model::digest::Expected;
use crate::model::image::{ImageId, Status};
use crate::model::names::FileName;
use crate::model::stored_file::StoreKind;
use crate::model::unfinished_file::UnfinishedFileId;
use crate::store::{Received, StoreError};

/// A file being received under a claimed name.
pub struct Intake {
    pub(super) catalog: Catalog,
    pub(super) kind: StoreKind,
    pub(super) bytes: Receiving,
    /// How many bytes were handed over, those of earlier times included.
    pub(super) offset: u64,
    pub(super) lock: NameLock<(StoreKind, FileName)>,
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

/// How far the bytes are.
pub(super) enum Receiving {
    /// They are being written.
    Worker(Worker),
    /// All were written, and the file had got its name, when the program ended.
    Published(Received, NameLock<UnfinishedFileId>),
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
        kind: StoreKind,
        name: FileName,
        size: Option<u64>,
        expected: Expected,
    ) -> Result<Intake, CatalogError> {
        self.receive_for(None, kind, name, size, expected, Some(self.place()?)).await
    }

    /// The same for the ISO of an image that is recorded already, which does not keep the name from being used. Downloads have a limit of
    /// their own and take no place.
    pub(super) async fn receive_for(
        &self,
        image: Option<&ImageId>,
        kind: StoreKind,
        name: FileName,
        size: Option<u64>,
        expected: Expected,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Intake, CatalogError> {
        let lock = self.claim_name(kind, &name, image).await?;
        let upload = self.blocking(move |inner| inner.store(kind).receive(name, size, expected)).await??;
        let worker = Worker::start(self, kind, upload, None);
        let bytes = Receiving::Worker(worker);
        Ok(Intake { catalog: self.clone(), kind, bytes, offset: 0, lock, _place: place })
    }

    /// NameLocks a name for a file that is to come; one that an image other than `image` needs is refused.
    pub(super) async fn claim_name(
        &self,
        kind: StoreKind,
        name: &FileName,
        image: Option<&ImageId>,
    ) -> Result<NameLock<(StoreKind, FileName)>, CatalogError> {
        self.claim_name_within(Duration::ZERO, kind, name, image).await
    }

    /// The same, for a name whose holder may be letting go of it.
    pub(super) async fn claim_name_within(
        &self,
        limit: Duration,
        kind: StoreKind,
        name: &FileName,
        image: Option<&ImageId>,
    ) -> Result<NameLock<(StoreKind, FileName)>, CatalogError> {
        let lock = self.0.file_locks.exclusive_within((kind, name.clone()), limit).await;
        let lock = lock.ok_or_else(|| CatalogError::Busy(format!("the {kind} {name}")))?;
        match check_free(self.snapshot().records(), kind, name, image) {
            Err(refusal) if !self.is_only_missing_or_bad(name).await? => Err(refusal),
            _ => Ok(lock),
        }
    }

    /// Whether images were made from an ISO of this name that has since vanished or is damaged. To bring it back replaces nothing good.
    async fn is_only_missing_or_bad(&self, name: &FileName) -> Result<bool, CatalogError> {
        let snapshot = self.snapshot();
        let is_local = snapshot.file(StoreKind::Iso, name).is_some_and(|file| file.local.is_some());
        let mut users = snapshot.images().filter(|image| image.iso == *name && image.needs_iso());
        if is_local || !users.all(|image| image.status == Status::Ok) {
            return Ok(false);
        }
        let name = name.clone();
        let is_so = move |inner: &Inner| match inner.isos.stat(&name) {
            Ok(identity) => {
                let snapshot = inner.writer.snapshot();
                snapshot.file(StoreKind::Iso, &name).is_some_and(|file| file.damage_of(&identity).is_some())
            }
            Err(error) => matches!(error, StoreError::NotFound(_)),
        };
        self.blocking(is_so).await
    }
}

impl Intake {
    /// Bytes that were handed over so far, those of earlier times included.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether nothing but the record is missing: the file had got its name when the program ended.
    pub fn is_whole(&self) -> bool {
        matches!(self.bytes, Receiving::Published(..))
    }

    /// Whether a file that begins like this may become an image.
    pub fn may_be_image(&self, beginning: &[u8]) -> bool {
        self.catalog.0.trees.may_be_image(beginning)
    }

    /// Hands over the next bytes; waits while the disk is behind.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), CatalogError> {
        let count = bytes.len() as u64;
        self.worker()?.write(bytes).await?;
        self.offset += count;
        Ok(())
    }

    /// Makes sure that what a part has got outlasts a crash, and notes what its owner wants to find again.
    pub async fn checkpoint(&mut self, resume_data: Option<Value>) -> Result<(), CatalogError> {
        self.worker()?.ask(|upload, store| upload.checkpoint(store, resume_data)).await
    }

    /// Learns the size of the whole file, and takes the space for it.
    pub async fn set_expected_size(&mut self, size: Option<u64>) -> Result<(), CatalogError> {
        self.worker()?.ask(move |upload, store| upload.set_size(store, size)).await
    }

    /// Takes back all bytes: the sender has another file now.
    pub async fn restart(&mut self) -> Result<(), CatalogError> {
        self.worker()?.ask(|upload, store| upload.restart(store)).await?;
        self.offset = 0;
        Ok(())
    }

    /// Bytes that come from now on may be taken back, and count for nothing until they are released.
    pub async fn hold(&mut self) -> Result<(), CatalogError> {
        self.worker()?
            .ask(|upload, _| {
                upload.hold();
                Ok(())
            })
            .await
    }

    /// The bytes that were held stay.
    pub async fn release(&mut self) -> Result<(), CatalogError> {
        self.worker()?
            .ask(|upload, _| {
                upload.release();
                Ok(())
            })
            .await
    }

    /// Takes back the bytes that were held.
    pub async fn take_back(&mut self) -> Result<(), CatalogError> {
        self.offset =
            self.worker()?.ask(|upload, store| upload.take_back(store).map(|()| upload.size())).await?;
        Ok(())
    }

    /// Ends the work for now. When this returns, all that was handed over will outlast a crash, and the part can be resumed.
    pub async fn suspend(self) -> Result<(), CatalogError> {
        match self.bytes {
            Receiving::Worker(worker) => worker.suspend().await,
            Receiving::Published(..) => Ok(()),
        }
    }

    /// Ends the work for good; nothing stays of it.
    pub async fn discard(self) -> Result<(), CatalogError> {
        let Self { catalog, kind, bytes, .. } = self;
        match bytes {
            Receiving::Worker(worker) => {
                let (upload, _lock) = worker.end().await?;
                catalog.blocking(move |inner| upload.discard(inner.store(kind))).await
            }
            // The file stays, for it may have been seen already.
            Receiving::Published(_, lock) => {
                Ok(catalog.blocking(move |inner| inner.store(kind).discard_part(lock.key())).await??)
            }
        }
    }

    fn worker(&mut self) -> Result<&mut Worker, CatalogError> {
        match &mut self.bytes {
            Receiving::Worker(worker) => Ok(worker),
            Receiving::Published(..) => Err(CatalogError::Whole),
        }
    }
}
