//! An immutable snapshot of the state, shared by all readers without a lock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use model::identity::Identity;
use model::image::{Image, ImageId};
use model::job::Job;
use model::names::{FileName, ImageName, ImageVersion};
use model::stored_file::{FileRecord, StoreKind};

use super::record_map::RecordMap;
use super::{Records, Touched};

/// The records, and an index of images by path. Successive states share what did not change.
#[derive(Debug, Default)]
pub struct Snapshot {
    records: Records,
    paths: Paths,
    /// The versions of files that are known to be damaged.
    damaged: Arc<Vec<Identity>>,
}

/// Copies of it share what did not change: a thousand images that change one by one must not make a thousand
/// new indexes.
type Paths = RecordMap<ImageName, RecordMap<ImageVersion, ImageId>>;

impl Snapshot {
    /// The first state.
    pub(super) fn first(records: Records) -> Self {
        let damaged = Arc::new(damaged_of(&records));
        let mut paths = Paths::default();
        records.images.values().for_each(|image| add_path(&mut paths, image));
        Self { records, paths, damaged }
    }

    /// The state after this one, in which only `touched` may differ.
    pub(super) fn next(&self, records: Records, touched: &Touched) -> Self {
        let is_damaged =
            |records: &Records, key| records.files.get(key).is_some_and(|file| file.damage.is_some());
        let mut files = touched.files.iter();
        let damaged = if files.any(|key| is_damaged(&self.records, key) || is_damaged(&records, key)) {
            Arc::new(damaged_of(&records))
        } else {
            Arc::clone(&self.damaged)
        };
        let paths = self.paths_after(&records, touched);
        Self { records, paths, damaged }
    }

    fn paths_after(&self, records: &Records, touched: &Touched) -> Paths {
        let images = touched.images.iter().map(|id| (self.records.images.get(id), records.images.get(id)));
        let path = |image: &Image| (image.name.clone(), image.version.clone());
        let moved = images.filter(|(before, after)| before.map(path) != after.map(path));
        let (gone, come): (Vec<_>, Vec<_>) = moved.unzip();
        let mut paths = self.paths.clone();
        // A name may pass from one image to another in one change.
        gone.into_iter().flatten().for_each(|image| remove_path(&mut paths, image));
        come.into_iter().flatten().for_each(|image| add_path(&mut paths, image));
        paths
    }

    /// All records.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// All images, by id.
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        self.records.images.values()
    }

    /// The image with this id.
    pub fn image(&self, id: &ImageId) -> Option<&Image> {
        self.records.images.get(id)
    }

    /// The image at `/<name>/<version>/`.
    pub fn image_at(&self, name: &ImageName, version: &ImageVersion) -> Option<&Image> {
        self.records.images.get(self.paths.get(name)?.get(version)?)
    }

    /// The only image whose name and version differ from these in ASCII case alone. Firmware requests names
    /// in a case of its own.
    pub fn image_like(&self, name: &ImageName, version: &ImageVersion) -> Option<&Image> {
        let wanted = (name.as_str(), version.as_str());
        let is_like = |image: &&Image| {
            image.name.as_str().eq_ignore_ascii_case(wanted.0)
                && image.version.as_str().eq_ignore_ascii_case(wanted.1)
        };
        only(self.images().filter(is_like))
    }

    /// The only local ISO whose name differs from this one in ASCII case alone, and its path.
    pub fn local_like(&self, name: &FileName) -> Option<(&FileRecord, &PathBuf)> {
        let like =
            self.files(StoreKind::Iso).filter(|file| file.name.as_str().eq_ignore_ascii_case(name.as_str()));
        only(like.filter_map(|file| Some((file, file.local.as_ref()?))))
    }

    /// All durable jobs.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.records.jobs.values()
    }

    /// The names that images have, in order.
    pub fn names(&self) -> impl Iterator<Item = &ImageName> {
        self.paths.iter().map(|(name, _)| name)
    }

    /// The images of one name, by version.
    pub fn versions(&self, name: &ImageName) -> impl Iterator<Item = &Image> {
        let versions = self.paths.get(name).into_iter().flat_map(RecordMap::values);
        versions.filter_map(|id| self.records.images.get(id))
    }

    /// The record of a file.
    pub fn file(&self, kind: StoreKind, name: &FileName) -> Option<&FileRecord> {
        self.records.files.get(&(kind, name.clone()))
    }

    /// Whether this version of a file is known to be damaged, under any name. Device numbers change between
    /// boots, inode numbers do not.
    pub fn is_damaged(&self, found: &Identity) -> bool {
        self.damaged.iter().any(|known| known.inode == found.inode && known.same_version(found))
    }

    /// The records of all files of a store.
    pub fn files(&self, kind: StoreKind) -> impl Iterator<Item = &FileRecord> {
        self.records.files.values().filter(move |file| file.kind == kind)
    }
}

fn add_path(paths: &mut Paths, image: &Image) {
    let versions = paths.get_or_insert_with(image.name.clone(), RecordMap::default);
    versions.insert(image.version.clone(), image.id.clone());
    versions.take_touched();
    paths.take_touched();
}

fn remove_path(paths: &mut Paths, image: &Image) {
    let Some(versions) = paths.get_mut(&image.name) else { return };
    versions.remove(&image.version);
    versions.take_touched();
    if versions.is_empty() {
        paths.remove(&image.name);
    }
    paths.take_touched();
}

fn damaged_of(records: &Records) -> Vec<Identity> {
    records.files.values().filter(|file| file.damage.is_some()).map(|file| file.identity).collect()
}

fn only<T>(mut candidates: impl Iterator<Item = T>) -> Option<T> {
    let first = candidates.next()?;
    candidates.next().is_none().then_some(first)
}

/// The images that need the ISO `iso`, as `name version`; not counting `except`.
pub fn users_of(records: &Records, iso: &FileName, except: Option<&ImageId>) -> Vec<String> {
    let images = records.images.values();
    shown(images.filter(|image| image.iso == *iso && image.needs_iso() && Some(&image.id) != except))
}

/// All ISOs that images need, and the images that need each.
pub fn users_by_iso(records: &Records) -> BTreeMap<FileName, Vec<String>> {
    let mut users: BTreeMap<FileName, Vec<&Image>> = BTreeMap::new();
    for image in records.images.values().filter(|image| image.needs_iso()) {
        users.entry(image.iso.clone()).or_default().push(image);
    }
    users.into_iter().map(|(iso, images)| (iso, shown(images))).collect()
}

fn shown<'a>(images: impl IntoIterator<Item = &'a Image>) -> Vec<String> {
    let mut shown: Vec<String> =
        images.into_iter().map(|image| format!("{} {}", image.name, image.version)).collect();
    shown.sort();
    shown
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
