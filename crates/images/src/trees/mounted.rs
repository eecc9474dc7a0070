//! Trees that the kernel mounts, for use as local paths: `<mountDir>/<name>/<version>`.
//! This module makes and removes the mount points, and finds those that an earlier run left.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use loop_mount::{Existing, Mount, mounted_below};

use crate::trees::detect::detect;
use crate::trees::error::TreeError;
use crate::trees::folder::{Folder, Links};
use crate::trees::regular::{FileError, open_regular};
use crate::trees::tree::{ImageTree, Tree};
use model::identity::Identity;
use model::image::TreeSummary;
use model::names::{ImageName, ImageVersion};

/// The beginning of the names of mount points that exist only while a file is inspected.
const INSPECTION: &str = ".inspect-";

type ImageKey = (ImageName, ImageVersion);

/// The mounted images.
pub struct Mounts {
    folder: PathBuf,
    slots: Mutex<HashMap<ImageKey, Arc<Mutex<Slot>>>>,
}

/// The mount at one mount point. Its lock is held during mounting and unmounting, so that neither interrupts
/// the other.
type Slot = Option<(Arc<ImageTree>, Mount)>;

impl Mounts {
    /// Takes `folder`, which is made if missing, for mount points. A mount of an earlier run is kept if its
    /// backing file is still that of an image in `expected`: opening the image adopts it. All others are
    /// undone.
    pub fn take(folder: PathBuf, expected: &[(ImageName, ImageVersion, PathBuf)]) -> Result<Self, TreeError> {
        fs::create_dir_all(&folder).map_err(TreeError::MountPoint)?;
        let folder = fs::canonicalize(&folder).map_err(TreeError::MountPoint)?;
        let mounts = Self { folder, slots: Mutex::default() };
        let mut seen = HashSet::new();
        // Only loop mounts at paths of this form were made by this program; other mounts in the folder stay.
        let is_ours = |left: &Existing| left.backing().is_some() && mounts.is_mount_point(left.target());
        for left in mounted_below(&mounts.folder)?.into_iter().filter(is_ours) {
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
        let target = self.target(name, version);
        let current = fs::metadata(iso).map(|metadata| Identity::of(&metadata)).ok();
        if let Some((tree, _)) = slot.as_ref().filter(|(tree, _)| Some(tree.identity) == current) {
            return Ok(Arc::clone(tree));
        }
        // The mounted file is not the one at this path now.
        self.undo(&mut slot, &target)?;
        let (tree, mount) = self.mount(&target, iso)?;
        let (tree, _) = slot.insert((Arc::new(tree), mount));
        Ok(Arc::clone(tree))
    }

    /// Mounts the file for a moment, at a mount point of its own.
    pub(super) fn inspect(&self, iso: &Path) -> Result<TreeSummary, TreeError> {
        let target = self.folder.join(format!("{INSPECTION}{}", uuid::Uuid::new_v4()));
        let (tree, mount) = self.mount(&target, iso)?;
        mount.unmount()?;
        self.remove_mount_point(&target);
        Ok(tree.summary)
    }

    pub(super) fn close(&self, name: &ImageName, version: &ImageVersion) -> Result<(), TreeError> {
        let key = (name.clone(), version.clone());
        let Some(shared) = self.lock().get(&key).map(Arc::clone) else { return Ok(()) };
        let mut slot = shared.lock().unwrap_or_else(PoisonError::into_inner);
        self.undo(&mut slot, &self.target(name, version))?;
        drop(slot);
        let mut slots = self.lock();
        // A slot that no thread waits for has two owners: the map and this call.
        if Arc::strong_count(&shared) == 2 {
            slots.remove(&key);
        }
        Ok(())
    }

    fn undo(&self, slot: &mut Slot, target: &Path) -> Result<(), TreeError> {
        if let Some((_, mount)) = slot.take() {
            mount.unmount()?;
            self.remove_mount_point(target);
        }
        Ok(())
    }

    pub(super) fn close_all(&self) {
        let keys: Vec<ImageKey> = self.lock().keys().cloned().collect();
        for (name, version) in keys {
            if let Err(error) = self.close(&name, &version) {
                tracing::error!(%name, %version, %error, "cannot undo a mount");
            }
        }
    }

    fn mount(&self, target: &Path, iso: &Path) -> Result<(ImageTree, Mount), TreeError> {
        let (_file, identity) = open_regular(iso)?;
        let iso = fs::canonicalize(iso).map_err(|error| TreeError::File(FileError::Io(error)))?;
        let left = mounted_below(&self.folder)?.into_iter().find(|left| left.target() == target);
        let mount = match left.filter(|left| left.backing() == Some(&iso)) {
            Some(left) => left.adopt(),
            None => {
                fs::create_dir_all(target).map_err(TreeError::MountPoint)?;
                loop_mount::mount(&iso, target).inspect_err(|_| self.remove_mount_point(target))?
            }
        };
        let folder = Folder::open(target, Links::InRoot).map_err(TreeError::MountPoint)?;
        let tree = Tree::Folder(folder);
        // The kernel does not report the label.
        let system = detect(&tree, "");
        let summary = TreeSummary { kind: "mount".to_owned(), system, ..TreeSummary::default() };
        Ok((ImageTree { tree, identity, summary }, mount))
    }

    /// Whether `target` is where an image, or a file under inspection, would be mounted.
    fn is_mount_point(&self, target: &Path) -> bool {
        let inside = target.strip_prefix(&self.folder).map(|inside| inside.to_string_lossy().into_owned());
        inside.is_ok_and(|inside| inside.split('/').count() == 2 || inside.starts_with(INSPECTION))
    }

    fn target(&self, name: &ImageName, version: &ImageVersion) -> PathBuf {
        self.folder.join(name.as_str()).join(version.as_str())
    }

    /// Removes an empty mount point, and the folder above it when that is empty too. A folder with content
    /// stays.
    fn remove_mount_point(&self, target: &Path) {
        for folder in target.ancestors().take_while(|folder| *folder != self.folder) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ImageKey, Arc<Mutex<Slot>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
