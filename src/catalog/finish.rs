//! The end of an intake: all bytes are here, and the file gets its name and its record.

use std::path::Path;
use std::time::Duration;

use iso_reader::TreeKind;
use jiff::Timestamp;

use super::intake::{Intake, Receiving};
use super::locks::NameLock;
use super::{Catalog, CatalogError, Inner};
use crate::model::digest::Sha256;
use crate::model::image::TreeSummary;
use crate::model::names::FileName;
use crate::model::stored_file::{FileRecord, Origin, StoreKind, StoredFile};
use crate::model::unfinished_file::UnfinishedFileId;
use crate::store::{Published, Received, StoreError};

/// How long a file waits for another one with the same bytes to be recorded. After that both are stored.
const TWIN_TIME: Duration = Duration::from_secs(60);

/// A file that has its name, which nobody else touches until it has its record too.
struct Arrival {
    catalog: Catalog,
    received: Received,
    named: Published,
    locks: NameLocks,
}

/// What is claimed until then. It is let go of in this order.
struct NameLocks {
    _name: NameLock<(StoreKind, FileName)>,
    _part: Option<NameLock<UnfinishedFileId>>,
    _alike: Option<NameLock<Sha256>>,
}

impl Intake {
    /// All bytes are here: makes the file durable and visible.
    pub async fn finish(self) -> Result<StoredFile, CatalogError> {
        let catalog = self.catalog.clone();
        catalog.whole(self.store()).await
    }

    async fn store(self) -> Result<StoredFile, CatalogError> {
        let kind = self.kind;
        let (arrival, ()) = self.arrive(false, |_, _| Ok(())).await?;
        let received = arrival.received.clone();
        let record = record_of(kind, &received, Origin::Upload);
        arrival.catalog.note_digest(record.clone()).await;
        arrival.settle(true).await?;
        tracing::info!(%kind, name = %received.name, bytes = received.identity.size, sha256 = %received.sha256, "stored a file");
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
        let inspect = move |inner: &Inner, path: &Path| Ok(inner.trees.inspect(path, asked)?);
        let (arrival, summary) = self.arrive(true, inspect).await?;
        let recorded = record(arrival.received.clone(), summary).await;
        arrival.settle(recorded.is_ok()).await?;
        recorded
    }

    /// Lets `inspect` judge the file, and gives it its name. A part that can never become what was asked for goes; one that
    /// met a failure of ours stays.
    async fn arrive<T: Send + 'static>(
        self,
        needs_record: bool,
        inspect: impl FnOnce(&Inner, &Path) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<(Arrival, T), CatalogError> {
        let Self { catalog, kind, bytes, lock, .. } = self;
        let mut alike = None;
        let (received, named, part, found) = match bytes {
            Receiving::Published(received, part) => {
                let inspected = catalog.blocking(move |inner| {
                    let store = inner.store(kind);
                    let found = inspect(inner, &store.path(&received.name))?;
                    let named = store.named_earlier(part.key(), &received.name);
                    Ok::<_, CatalogError>((received, named, Some(part), found))
                });
                inspected.await??
            }
            Receiving::Worker(worker) => {
                let (mut upload, part) = worker.end().await?;
                let digests = &catalog.0.digest_locks;
                alike = digests.exclusive_within(upload.sha256(), TWIN_TIME).await;
                let name = lock.key().1.clone();
                let finished = catalog.blocking(move |inner| {
                    let store = inner.store(kind);
                    let inspected = match upload.size() {
                        0 => Err(CatalogError::Empty),
                        _ => inspect(inner, upload.path()),
                    };
                    match inspected {
                        Ok(found) => {
                            inner.share(kind, &name, &mut upload);
                            if needs_record {
                                upload.need_record();
                            }
                            let (received, named) = upload.finish(store)?;
                            Ok((received, named, part, found))
                        }
                        Err(error) if error.blames_the_file() => {
                            upload.discard(store);
                            Err(error)
                        }
                        Err(error) => {
                            upload.checkpoint(store, None)?;
                            Err(error)
                        }
                    }
                });
                finished.await??
            }
        };
        Ok((
            Arrival {
                catalog,
                received,
                named,
                locks: NameLocks { _name: lock, _part: part, _alike: alike },
            },
            found,
        ))
    }
}

impl Arrival {
    /// Lets the file keep its name, or brings the state before back.
    async fn settle(self, keep: bool) -> Result<(), CatalogError> {
        let Self { catalog, named, locks, .. } = self;
        catalog.blocking(move |_| if keep { named.keep() } else { drop(named) }).await?;
        drop(locks);
        Ok(())
    }
}

impl CatalogError {
    /// Whether no other try with the same bytes can end differently.
    fn blames_the_file(&self) -> bool {
        matches!(
            self,
            Self::Empty | Self::NotAnImage(_) | Self::TreeChoice(_) | Self::Store(StoreError::Mismatch(_))
        )
    }
}

/// The record of a file that has just arrived. All of its bytes have passed through here.
pub(super) fn record_of(kind: StoreKind, received: &Received, origin: Origin) -> FileRecord {
    let mut record = FileRecord::new(kind, received.name.clone(), received.identity, origin);
    record.verify(received.sha256);
    record.uploaded = received.shared.then(Timestamp::now);
    record
}
