//! Looks at the folders of the stores now and then, for files that came, changed or went without a word to this program. It looks instead
//! of being told, because the kernel tells (inotify) only what is done on this machine, and the folders may be on a disk that others share.
//!
//! A file that is the same in two looks, or that nobody has written to for as long, counts as complete. Nobody else waits for a look: one on a
//! disk that hangs holds up only the next one of the same folder.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use super::Jobs;
use crate::catalog::{Catalog, CatalogError, Snapshot, StoreScan};
use crate::events::Change;
use crate::model::identity::Identity;
use crate::model::image::{ImageId, Status};
use crate::model::names::FileName;
use crate::model::stored_file::StoreKind;

/// A digest that was asked for and is not known after this time is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(600);

/// Watches the folder of one store.
pub(super) async fn run(jobs: Jobs, kind: StoreKind) {
    let (catalog, interval) = (jobs.0.catalog.clone(), jobs.0.settings.watch_interval);
    if interval.is_zero() {
        return;
    }
    let mut watch = FolderScan {
        catalog,
        kind,
        interval,
        before: None,
        asked: BTreeMap::new(),
        ever_seen: BTreeSet::new(),
        seen: BTreeMap::new(),
    };
    let mut fails = false;
    let looks = async {
        loop {
            match watch.look().await {
                Ok(()) => fails = false,
                // Said once, until it works again.
                Err(error) if !fails => {
                    tracing::warn!(%kind, %error, "a store cannot be looked at");
                    fails = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(interval).await;
        }
    };
    tokio::select! {
        () = looks => {}
        () = jobs.0.stop.cancelled() => {}
    }
}

struct FolderScan {
    catalog: Catalog,
    kind: StoreKind,
    interval: Duration,
    /// What was found in the look before.
    before: Option<StoreScan>,
    /// Of which version of a file a digest was asked for, and when.
    asked: BTreeMap<FileName, (Identity, Instant)>,
    /// The files that were there in any look.
    ever_seen: BTreeSet<FileName>,
    /// How images were when somebody looked last.
    seen: BTreeMap<ImageId, Status>,
}

impl FolderScan {
    async fn look(&mut self) -> Result<(), CatalogError> {
        let now = self.catalog.look(self.kind).await?;
        let snapshot = self.catalog.snapshot();
        for name in self.unknown(&snapshot, &now) {
            self.catalog.want_digest(self.kind, name);
        }
        self.asked.retain(|name, _| now.contains_key(name));
        let Some(before) = self.before.replace(now.clone()) else { return self.remember_images().await };
        // What this run has never seen may lie on a disk that is not mounted just now.
        self.ever_seen.extend(now.keys().cloned());
        let is_gone = |name: &FileName| {
            self.ever_seen.contains(name) && !before.contains_key(name) && !now.contains_key(name)
        };
        let gone: Vec<FileName> =
            snapshot.files(self.kind).map(|file| file.name.clone()).filter(is_gone).collect();
        for name in gone {
            self.catalog.forget_vanished(self.kind, name).await?;
        }
        self.tell(&differences(&before, &now), &now).await
    }

    /// The complete files whose digest nobody knows and nobody is asked for yet.
    fn unknown(&mut self, snapshot: &Snapshot, now: &StoreScan) -> Vec<FileName> {
        let mut unknown = Vec::new();
        for (name, identity) in now {
            let Some(identity) = identity else { continue };
            let record = snapshot.file(self.kind, name);
            if record.is_some_and(|record| record.is_known(identity)) {
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
                unknown.push(name.clone());
            }
        }
        unknown
    }

    async fn remember_images(&mut self) -> Result<(), CatalogError> {
        if self.kind == StoreKind::Iso {
            let images = self.catalog.images().await?;
            self.seen = images.into_iter().map(|image| (image.id, image.status)).collect();
        }
        Ok(())
    }

    /// Tells of files that changed, and of images that are no longer how they were because of their ISOs.
    async fn tell(&mut self, changed: &BTreeSet<FileName>, now: &StoreScan) -> Result<(), CatalogError> {
        for name in changed {
            tracing::debug!(kind = %self.kind, %name, "a file came, changed or went");
            self.catalog.tell(Change::File(self.kind, name.clone()));
        }
        if self.kind == StoreKind::Microkernel {
            return Ok(());
        }
        let snapshot = self.catalog.snapshot();
        self.seen.retain(|id, _| snapshot.image(id).is_some());
        // An ISO may also have come and gone between two looks.
        let is_as_recorded = |name: &FileName| {
            let found = now.get(name).copied().flatten();
            let record = snapshot.file(StoreKind::Iso, name);
            found.is_some_and(|found| record.is_some_and(|record| record.is_known(&found)))
        };
        for image in snapshot.images() {
            if !image.needs_iso() || !changed.contains(&image.iso) && is_as_recorded(&image.iso) {
                continue;
            }
            let status = match self.catalog.image(image.id.clone()).await {
                Err(CatalogError::NoSuchImage) => continue,
                image => image?.status,
            };
            let before = self.seen.insert(image.id.clone(), status.clone());
            if before.unwrap_or_else(|| image.status.clone()) != status {
                tracing::info!(id = %image.id, name = %image.name, version = %image.version, %status, "the ISO of an image is not what it was");
                self.catalog.tell(Change::Image(image.id.clone()));
            }
        }
        Ok(())
    }
}

/// The names of files that are not in `now` what they were in `before`.
fn differences(before: &StoreScan, now: &StoreScan) -> BTreeSet<FileName> {
    let differs = |name: &&FileName| before.get(*name) != now.get(*name);
    before.keys().chain(now.keys()).filter(differs).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(files: &[(&str, Option<u64>)]) -> StoreScan {
        let identity = |size| Identity { device: 1, inode: 2, size, seconds: 3, nanoseconds: 4 };
        let name = |name: &str| FileName::new(name).expect("a name");
        files.iter().map(|(file, size)| (name(file), size.map(identity))).collect()
    }

    #[test]
    fn what_came_changed_or_went_is_told() {
        let before = look(&[("gone", Some(1)), ("grown", Some(1)), ("lost", Some(1)), ("same", Some(1))]);
        let now = look(&[("grown", Some(2)), ("lost", None), ("new", Some(1)), ("same", Some(1))]);
        let expected = ["gone", "grown", "lost", "new"].map(|name| FileName::new(name).expect("a name"));
        for (one, other) in [(&before, &now), (&now, &before)] {
            assert_eq!(differences(one, other).into_iter().collect::<Vec<_>>(), expected);
        }
        assert!(differences(&now, &now).is_empty());
    }
}
