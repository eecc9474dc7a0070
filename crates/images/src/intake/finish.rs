//! The end of an intake: all bytes are here, and the file gets its name and its record.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use iso_reader::TreeKind;
use jiff::Timestamp;

use crate::error::CatalogError;
use crate::file_records::record_file;
use crate::intake::duplicates::share;
use crate::intake::intakes::Intakes;
use crate::intake::receiving::{Intake, Receiving};
use crate::locks::{FileLock, NameLock};
use crate::tasks::blocking;
use crate::trees::{TreeError, Trees, format_at};
use blobs::{Published, Received, StoreError, Upload};
use model::digest::Sha256;
use model::image::TreeSummary;
use model::names::FileName;
use model::stored_file::{FileRecord, Origin, StoreKind, StoredFile};
use model::unfinished_file::UnfinishedFileId;
use records::inventory::ChangedRecord;

/// How long a file waits until a duplicate of it is recorded. After that both are stored.
const DUPLICATE_TIME: Duration = Duration::from_secs(60);

/// A file that has its name. No other request touches it until it has its record too.
struct Arrival {
    /// The record that it is to have, as that of an upload.
    record: FileRecord,
    published: Published,
    locks: ArrivalLocks,
}

/// What is locked until then. The fields are unlocked in this order.
struct ArrivalLocks {
    _name: FileLock,
    _unfinished: Option<NameLock<UnfinishedFileId>>,
    _digest: Option<NameLock<Sha256>>,
}

impl Intake {
    /// All bytes are here: makes the file durable and visible.
    pub async fn finish(self) -> Result<StoredFile, CatalogError> {
        let tasks = self.intakes.tasks.clone();
        tasks.run_to_completion(self.store()).await
    }

    async fn store(self) -> Result<StoredFile, CatalogError> {
        let (intakes, labels) = (Arc::clone(&self.intakes), self.labels.clone());
        // A digest can be computed again, but labels cannot.
        let needs_record = !labels.is_empty();
        let (arrival, ()) = self.publish(needs_record, |_, _| Ok(())).await?;
        let recorded = intakes.record_file(FileRecord { labels, ..arrival.record.clone() }).await;
        let record = match recorded {
            Err(error) if needs_record => {
                arrival.commit(false).await?;
                return Err(error);
            }
            Err(error) => {
                let (kind, name) = (arrival.record.kind, arrival.record.name.clone());
                tracing::warn!(%name, %error, "the digest of a new file cannot be recorded");
                intakes.events.publish(ChangedRecord::File(kind, name));
                arrival.record.clone()
            }
            Ok(record) => record,
        };
        arrival.commit(true).await?;
        tracing::info!(
            kind = %record.kind, name = %record.name, bytes = record.identity.size,
            sha256 = record.sha256.map(tracing::field::display), "stored a file"
        );
        Ok(StoredFile::new(record.name.clone(), record.identity, Some(&record)))
    }

    /// All bytes of an image's ISO are here: reads the tree that was asked for and makes the file durable and
    /// visible. Then `record` records the image. If any of that fails, the store is what it was before. The
    /// caller runs this within a change that runs to its end.
    pub(crate) async fn store_image<T, F>(
        self,
        asked: Option<TreeKind>,
        record: impl FnOnce(FileRecord, TreeSummary) -> F,
    ) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<T, CatalogError>>,
    {
        let inspect = move |trees: &Trees, path: &Path| trees.inspect(path, asked);
        let (arrival, summary) = self.publish(true, inspect).await?;
        let recorded = record(arrival.record.clone(), summary).await;
        arrival.commit(recorded.is_ok()).await?;
        recorded
    }

    /// Inspects the file and gives it its name. A file that can never become an image is removed; one that
    /// met a failure of the server stays.
    async fn publish<T: Send + 'static>(
        self,
        needs_record: bool,
        inspect: impl FnOnce(&Trees, &Path) -> Result<T, TreeError> + Send + 'static,
    ) -> Result<(Arrival, T), CatalogError> {
        let Self { intakes, kind, bytes, lock, .. } = self;
        let (record, published, unfinished, digest, inspected) = match bytes {
            Receiving::Published(received, unfinished) => {
                let published = blocking(move || {
                    let store = intakes.stores.of(kind);
                    let path = store.path(&received.name);
                    let (inspected, format) = (inspect(&intakes.trees, &path)?, format_at(&path));
                    let published = store.published_earlier(unfinished.key(), &received.name);
                    let record = record_of(kind, received, format);
                    Ok::<_, CatalogError>((record, published, Some(unfinished), None, inspected))
                });
                published.await??
            }
            Receiving::Worker(worker) => {
                let (upload, unfinished) = worker.end().await?;
                let digest = intakes.digest_locks.exclusive_within(upload.sha256(), DUPLICATE_TIME).await;
                let name = lock.key().1.clone();
                let published = blocking(move || {
                    intakes.publish_upload(kind, &name, upload, needs_record, |path| {
                        inspect(&intakes.trees, path)
                    })
                });
                let (record, published, inspected) = published.await??;
                (record, published, unfinished, digest, inspected)
            }
        };
        let locks = ArrivalLocks { _name: lock, _unfinished: unfinished, _digest: digest };
        Ok((Arrival { record, published, locks }, inspected))
    }
}

impl Intakes {
    /// The same for a file whose bytes have just been written.
    fn publish_upload<T>(
        &self,
        kind: StoreKind,
        name: &FileName,
        mut upload: Upload,
        needs_record: bool,
        inspect: impl FnOnce(&Path) -> Result<T, TreeError>,
    ) -> Result<(FileRecord, Published, T), CatalogError> {
        let store = self.stores.of(kind);
        let inspected = match upload.size() {
            0 => Err(CatalogError::Empty),
            _ => inspect(upload.path()).map_err(CatalogError::from),
        };
        match inspected {
            Ok(inspected) => {
                share(&self.stores, &self.records.snapshot(), kind, name, &mut upload);
                if needs_record {
                    upload.need_record();
                }
                let format = format_at(upload.path());
                let (received, published) = upload.finish(store)?;
                Ok((record_of(kind, received, format), published, inspected))
            }
            Err(error) if is_final(&error) => {
                upload.discard(store);
                Err(error)
            }
            Err(error) => {
                upload.checkpoint(store, None)?;
                Err(error)
            }
        }
    }

    /// Records a file that has just arrived. The record comes back, with the labels of its name.
    async fn record_file(&self, record: FileRecord) -> Result<FileRecord, CatalogError> {
        self.records.commit(move |records| Ok(record_file(records, record))).await
    }
}

impl Arrival {
    /// Lets the file keep its name, or restores what was there before.
    async fn commit(self, keep: bool) -> Result<(), CatalogError> {
        let Self { published, locks, .. } = self;
        blocking(move || if keep { published.keep() } else { drop(published) }).await?;
        drop(locks);
        Ok(())
    }
}

/// Whether no other try with the same bytes can end differently.
fn is_final(error: &CatalogError) -> bool {
    matches!(
        error,
        CatalogError::Empty
            | CatalogError::NotAnImage(_)
            | CatalogError::TreeChoice(_)
            | CatalogError::Store(StoreError::Mismatch(_))
    )
}

/// The record of a file that has just arrived, and whose bytes have all been digested.
fn record_of(kind: StoreKind, received: Received, format: Option<&'static str>) -> FileRecord {
    let mut record = FileRecord::new(kind, received.name, received.identity, Origin::Upload);
    record.verify(received.sha256);
    record.format = format.map(str::to_owned);
    record.uploaded = received.shared.then(Timestamp::now);
    record
}
