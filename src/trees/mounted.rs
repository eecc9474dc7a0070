//! Trees mounted by the kernel, for those who want them as local paths: `<mountDir>/<name>/<version>`. The mount points are
//! this room's own; it makes and removes them, and finds again what an earlier run left.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use loop_mount::{Existing, Mount, mounted_below};

use super::{FileError, Folder, ImageTree, Links, Tree, TreeError, open_regular};
use crate::model::image::TreeSummary;
use crate::model::names::{ImageName, ImageVersion};

type Key = (ImageName, ImageVersion);

/// The mounted images.
pub struct Mounts {
    folder: PathBuf,
    slots: Mutex<HashMap<Key, Arc<Mutex<Slot>>>>,
}

/// What stands at one mount point.
#[derive(Default)]
enum Slot {
    /// Nothing yet.
    #[default]
    Empty,
    /// A mounted tree.
    Mounted { tree: Arc<ImageTree>, mount: Mount },
    /// The last attempt failed.
    Failed(String),
}

impl Mounts {
    /// Takes `folder`, which is made if missing, for mount points. Mounts of an earlier run whose backing file is still that of an
    /// image in `expected` are left for [`Self::open`] to adopt; all others are undone.
    pub fn take(folder: PathBuf, expected: &[(ImageName, ImageVersion, PathBuf)]) -> Result<Self, TreeError> {
        fs::create_dir_all(&folder).map_err(TreeError::MountPoint)?;
        let folder = fs::canonicalize(&folder).map_err(TreeError::MountPoint)?;
        let mounts = Self { folder, slots: Mutex::default() };
        let mut seen = HashSet::new();
        for left in mounted_below(&mounts.folder)? {
            let wanted = expected.iter().any(|(name, version, iso)| {
                left.target() == mounts.target(name, version) && left.backing() == Some(iso)
            });
            // A second mount on one target would be a stack; only one may stay.
            if wanted && seen.insert(left.target().to_owned()) {
                continue;
            }
            tracing::info!(target = %left.target().display(), "undoing a mount of an earlier run");
            let target = left.target().to_owned();
            left.unmount()?;
            mounts.remove_mount_point(&target);
        }
        Ok(mounts)
    }

    pub(super) fn open(
        &self,
        name: &ImageName,
        version: &ImageVersion,
        iso: &Path,
    ) -> Result<Arc<ImageTree>, TreeError> {
        let slot = Arc::clone(self.lock().entry((name.clone(), version.clone())).or_default());
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Slot::Mounted { tree, .. } = &*slot {
            return Ok(Arc::clone(tree));
        }
        match self.mount(&self.target(name, version), iso) {
            Ok((tree, mount)) => {
                let tree = Arc::new(tree);
                *slot = Slot::Mounted { tree: Arc::clone(&tree), mount };
                Ok(tree)
            }
            Err(error) => {
                *slot = Slot::Failed(error.to_string());
                Err(error)
            }
        }
    }

    /// Mounts the file for a moment, at a place of its own.
    pub(super) fn inspect(&self, iso: &Path) -> Result<TreeSummary, TreeError> {
        let target = self.folder.join(format!(".inspect-{}", uuid::Uuid::new_v4()));
        let (tree, mount) = self.mount(&target, iso)?;
        mount.unmount()?;
        self.remove_mount_point(&target);
        Ok(tree.summary)
    }

    pub(super) fn trouble(&self, name: &ImageName, version: &ImageVersion) -> Option<String> {
        let slot = self.lock().get(&(name.clone(), version.clone())).map(Arc::clone)?;
        match &*slot.lock().unwrap_or_else(PoisonError::into_inner) {
            Slot::Failed(reason) => Some(reason.clone()),
            Slot::Empty | Slot::Mounted { .. } => None,
        }
    }

    pub(super) fn close(&self, name: &ImageName, version: &ImageVersion) -> Result<(), TreeError> {
        let Some(slot) = self.lock().remove(&(name.clone(), version.clone())) else { return Ok(()) };
        let slot = std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner));
        if let Slot::Mounted { mount, .. } = slot {
            mount.unmount()?;
            self.remove_mount_point(&self.target(name, version));
        }
        Ok(())
    }

    pub(super) fn close_all(&self) {
        let keys: Vec<Key> = self.lock().keys().cloned().collect();
        for (name, version) in keys {
            if let Err(error) = self.close(&name, &version) {
                tracing::error!(%name, %version, %error, "cannot undo a mount");
            }
        }
    }

    fn mount(&self, target: &Path, iso: &Path) -> Result<(ImageTree, Mount), TreeError> {
        let (_file, identity) = open_regular(iso)?;
        let iso = fs::canonicalize(iso).map_err(|error| TreeError::File(FileError::Io(error)))?;
        let mount = match self.existing(target)? {
            Some(left) if left.backing() == Some(&iso) => left.adopt(),
            Some(left) => {
                left.unmount()?;
                loop_mount::mount(&iso, target)?
            }
            None => {
                fs::create_dir_all(target).map_err(TreeError::MountPoint)?;
                loop_mount::mount(&iso, target).inspect_err(|_| self.remove_mount_point(target))?
            }
        };
        let folder = Folder::open(target, Links::InRoot).map_err(TreeError::MountPoint)?;
        let summary = TreeSummary { kind: "mount".to_owned(), ..TreeSummary::default() };
        Ok((ImageTree { tree: Tree::Folder(folder), identity, summary }, mount))
    }

    fn existing(&self, target: &Path) -> Result<Option<Existing>, TreeError> {
        Ok(mounted_below(target)?.into_iter().find(|left| left.target() == target))
    }

    fn target(&self, name: &ImageName, version: &ImageVersion) -> PathBuf {
        self.folder.join(name.as_str()).join(version.as_str())
    }

    /// Removes an empty mount point, and the folder above it when that is empty too. Never anything that holds something.
    fn remove_mount_point(&self, target: &Path) {
        for folder in target.ancestors().take_while(|folder| *folder != self.folder) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Mutex<Slot>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
