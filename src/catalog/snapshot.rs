//! An immutable picture of the state, shared by all readers without a lock.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::inventory::Records;
use crate::model::identity::Identity;
use crate::model::image::{Image, ImageId};
use crate::model::job::Job;
use crate::model::names::{FileName, ImageName, ImageVersion};
use crate::model::stored_file::{FileRecord, StoreKind};

/// The records, and the paths that lead to them.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Counts the states since the start.
    generation: u64,
    records: Records,
    paths: BTreeMap<ImageName, BTreeMap<ImageVersion, ImageId>>,
    /// The versions of files that are known to be bad.
    damaged: Vec<Identity>,
}

impl Snapshot {
    pub(super) fn of(generation: u64, records: Records) -> Self {
        let mut paths: BTreeMap<ImageName, BTreeMap<ImageVersion, ImageId>> = BTreeMap::new();
        for image in records.images.values() {
            paths.entry(image.name.clone()).or_default().insert(image.version.clone(), image.id.clone());
        }
        let damaged = records.files.values().filter(|file| file.damage.is_some());
        Self { generation, damaged: damaged.map(|file| file.identity).collect(), records, paths }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn records(&self) -> &Records {
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

    /// The only image whose name and version differ from these in ASCII case alone: what firmware asks for in its own spelling.
    pub fn image_like(&self, name: &ImageName, version: &ImageVersion) -> Option<&Image> {
        let wanted = (name.as_str(), version.as_str());
        let is_like = |image: &&Image| {
            image.name.as_str().eq_ignore_ascii_case(wanted.0)
                && image.version.as_str().eq_ignore_ascii_case(wanted.1)
        };
        only(self.images().filter(is_like))
    }

    /// The only local ISO whose name differs from this one in ASCII case alone, and where it lies.
    pub fn local_like(&self, name: &FileName) -> Option<(&FileRecord, &PathBuf)> {
        let like =
            self.files(StoreKind::Iso).filter(|file| file.name.as_str().eq_ignore_ascii_case(name.as_str()));
        only(like.filter_map(|file| Some((file, file.local.as_ref()?))))
    }

    /// The jobs that are remembered.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.records.jobs.values()
    }

    /// The names that images have, in order.
    pub fn names(&self) -> impl Iterator<Item = &ImageName> {
        self.paths.keys()
    }

    /// The images of one name, by version.
    pub fn versions(&self, name: &ImageName) -> impl Iterator<Item = &Image> {
        let versions = self.paths.get(name).into_iter().flat_map(BTreeMap::values);
        versions.filter_map(|id| self.records.images.get(id))
    }

    /// What is remembered of a file.
    pub fn file(&self, kind: StoreKind, name: &FileName) -> Option<&FileRecord> {
        self.records.files.get(&(kind, name.clone()))
    }

    /// Whether this version of a file is known to be bad, whatever its name is. Numbers of devices change between boots, those of files do not.
    pub fn is_damaged(&self, found: &Identity) -> bool {
        self.damaged.iter().any(|known| known.inode == found.inode && known.same_version(found))
    }

    /// What is remembered of all files on a shelf.
    pub fn files(&self, kind: StoreKind) -> impl Iterator<Item = &FileRecord> {
        self.records.files.values().filter(move |file| file.kind == kind)
    }
}

fn only<T>(mut candidates: impl Iterator<Item = T>) -> Option<T> {
    let first = candidates.next()?;
    candidates.next().is_none().then_some(first)
}

/// The images that need the ISO `iso`, as `name version`; not counting `except`.
pub(super) fn users_of(records: &Records, iso: &FileName, except: Option<&ImageId>) -> Vec<String> {
    let images = records.images.values();
    shown(images.filter(|image| image.iso == *iso && image.needs_iso() && Some(&image.id) != except))
}

/// All ISOs that images need, and who needs each.
pub(super) fn users_by_iso(records: &Records) -> BTreeMap<FileName, Vec<String>> {
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
