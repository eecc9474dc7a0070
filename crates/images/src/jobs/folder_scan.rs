//! Scans the folders of the stores for files that other programs added, changed or removed. It polls, because
//! inotify reports only changes by this machine, and several machines may share the disk.
//!
//! A file counts as complete if two scans find it unchanged, or if it was not written to for as long as an
//! interval. A scan of a disk that hangs holds up only the next scan of the same folder.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio_util::sync::CancellationToken;

use super::environment::Environment;
use crate::{Catalog, CatalogError, Snapshot, StoreScan};
use model::identity::Identity;
use model::image::{ImageId, Status};
use model::names::FileName;
use model::stored_file::StoreKind;
use records::inventory::ChangedRecord;

/// A digest that is still unknown after this time is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(600);

/// Scans the folder of one store, until `stop`.
pub(super) async fn run(environment: Arc<Environment>, stop: CancellationToken, kind: StoreKind) {
    let (catalog, setting) = (environment.catalog.clone(), environment.settings.watch_interval.clone());
    let mut scan = FolderScan {
        catalog,
        kind,
        interval: *setting.get(),
        before: None,
        asked: BTreeMap::new(),
        ever_seen: BTreeSet::new(),
        seen: BTreeMap::new(),
    };
    let mut fails = false;
    let scans = async {
        loop {
            let interval = setting.get();
            scan.interval = *interval;
            if interval.is_zero() {
                setting.changed(&interval).await;
                continue;
            }
            match scan.run().await {
                Ok(()) => fails = false,
                // Logged once, until a scan succeeds.
                Err(error) if !fails => {
                    tracing::warn!(%kind, %error, "a store cannot be looked at");
                    fails = true;
                }
                Err(_) => {}
            }
            // A shorter interval counts at once.
            let _ = tokio::time::timeout(*interval, setting.changed(&interval)).await;
        }
    };
    tokio::select! {
        () = scans => {}
        () = stop.cancelled() => {}
    }
}

struct FolderScan {
    catalog: Catalog,
    kind: StoreKind,
    interval: Duration,
    /// The result of the previous scan.
    before: Option<StoreScan>,
    /// The version of a file whose digest was asked for, and when.
    asked: BTreeMap<FileName, (Identity, Instant)>,
    /// The files that any scan found.
    ever_seen: BTreeSet<FileName>,
    /// The status of images at the last scan.
    seen: BTreeMap<ImageId, Status>,
}

impl FolderScan {
    async fn run(&mut self) -> Result<(), CatalogError> {
        let now = self.catalog.files.scan(self.kind).await?;
        let snapshot = self.catalog.snapshot();
        for (name, size) in self.unknown(&snapshot, &now) {
            self.catalog.verifier.want_digest(self.kind, name, size);
        }
        self.asked.retain(|name, _| now.contains_key(name));
        let Some(before) = self.before.replace(now.clone()) else { return self.remember_images().await };
        // A file that this run has never seen may be on a disk that is not mounted now.
        self.ever_seen.extend(now.keys().cloned());
        let is_gone = |name: &FileName| {
            self.ever_seen.contains(name) && !before.contains_key(name) && !now.contains_key(name)
        };
        let gone: Vec<FileName> =
            snapshot.files(self.kind).map(|file| file.name.clone()).filter(is_gone).collect();
        if !gone.is_empty() {
            self.catalog.files.forget_vanished(self.kind, gone).await?;
        }
        self.publish(&differences(&before, &now), &now).await
    }

    /// The complete files whose digest or format is unknown and was not asked for yet, and their sizes.
    fn unknown(&mut self, snapshot: &Snapshot, now: &StoreScan) -> Vec<(FileName, u64)> {
        let mut unknown = Vec::new();
        for (name, identity) in now {
            let Some(identity) = identity else { continue };
            let record = snapshot.file(self.kind, name);
            if record.is_some_and(|record| !record.lacks(identity)) {
                self.asked.remove(name);
                continue;
            }
            let is_same = self.before.as_ref().and_then(|before| before.get(name)) == Some(&Some(*identity));
            let is_asked = self
                .asked
                .get(name)
                .is_some_and(|(version, at)| version == identity && at.elapsed() < ASK_AGAIN);
            if !is_asked && (is_same || identity.is_untouched_for(self.interval, SystemTime::now())) {
                self.asked.insert(name.clone(), (*identity, Instant::now()));
                unknown.push((name.clone(), identity.size));
            }
        }
        unknown
    }

    async fn remember_images(&mut self) -> Result<(), CatalogError> {
        if self.kind == StoreKind::Iso {
            let images = self.catalog.images.list().await?;
            self.seen = images.into_iter().map(|image| (image.id, image.status)).collect();
        }
        Ok(())
    }

    /// Publishes the files that changed, and the images whose status changed with their ISOs.
    async fn publish(&mut self, changed: &BTreeSet<FileName>, now: &StoreScan) -> Result<(), CatalogError> {
        for name in changed {
            tracing::debug!(kind = %self.kind, %name, "a file came, changed or went");
            self.catalog.tell(ChangedRecord::File(self.kind, name.clone()));
        }
        if self.kind == StoreKind::Microkernel {
            return Ok(());
        }
        let snapshot = self.catalog.snapshot();
        self.seen.retain(|id, _| snapshot.image(id).is_some());
        // An ISO may also have come and gone between two scans.
        let is_as_recorded = |name: &FileName| {
            let found = now.get(name).copied().flatten();
            let record = snapshot.file(StoreKind::Iso, name);
            found.is_some_and(|found| record.is_some_and(|record| record.is_known(&found)))
        };
        for image in snapshot.images() {
            if !image.needs_iso() || !changed.contains(&image.iso) && is_as_recorded(&image.iso) {
                continue;
            }
            let status = match self.catalog.images.get(image.id.clone()).await {
                Err(CatalogError::NoSuchImage) => continue,
                image => image?.status,
            };
            let before = self.seen.insert(image.id.clone(), status.clone());
            if before.unwrap_or_else(|| image.status.clone()) != status {
                let (id, name, version) = (&image.id, &image.name, &image.version);
                tracing::info!(%id, %name, %version, %status, "the ISO of an image changed");
                self.catalog.tell(ChangedRecord::Image(image.id.clone()));
            }
        }
        Ok(())
    }
}

/// The names of files that differ between two scans.
fn differences(before: &StoreScan, now: &StoreScan) -> BTreeSet<FileName> {
    let differs = |name: &&FileName| before.get(*name) != now.get(*name);
    before.keys().chain(now.keys()).filter(differs).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(files: &[(&str, Option<u64>)]) -> StoreScan {
        let identity = |size| Identity { device: 1, inode: 2, size, seconds: 3, nanoseconds: 4 };
        let name = |name: &str| FileName::new(name).expect("a name");
        files.iter().map(|(file, size)| (name(file), size.map(identity))).collect()
    }

    #[test]
    fn what_came_changed_or_went_is_told() {
        let before = scan(&[("gone", Some(1)), ("grown", Some(1)), ("lost", Some(1)), ("same", Some(1))]);
        let now = scan(&[("grown", Some(2)), ("lost", None), ("new", Some(1)), ("same", Some(1))]);
        let expected = ["gone", "grown", "lost", "new"].map(|name| FileName::new(name).expect("a name"));
        for (one, other) in [(&before, &now), (&now, &before)] {
            assert_eq!(differences(one, other).into_iter().collect::<Vec<_>>(), expected);
        }
        assert!(differences(&now, &now).is_empty());
    }
}
