//! Opens images over the core: stores, trees, catalog and jobs.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use blobs::{Disks, Store, StoreError, make_folder};
use component::{Check, Component, ContentSource, Core};
use model::image::Status;
use model::stored_file::StoreKind;
use records::inventory::Snapshot;

use crate::error::CatalogError;
use crate::handle::{Catalog, OpenError, Storage};
use crate::jobs::Jobs;
use crate::restore::Restored;
use crate::settings::{ImageBackend, ImageSettings};
use crate::trees::{Mounts, TreeError, Trees};

/// Images, opened.
pub struct OpenImages {
    /// The catalog.
    pub catalog: Catalog,
    /// The jobs on images.
    pub jobs: Jobs,
    /// The state of images and downloads after the start.
    pub restored: Restored,
    /// The content and the checks of images.
    pub component: Component,
}

/// Images cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenImagesError {
    /// A folder cannot be created.
    #[error("cannot make the folder {} (`{key}`)", path.display())]
    Folder {
        /// The setting.
        key: &'static str,
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Mounts cannot be used.
    #[error("cannot use `mountDir` with \"imageBackend\": \"mount\"")]
    Mounts(#[source] TreeError),
    /// The catalog cannot be opened.
    #[error(transparent)]
    Catalog(#[from] OpenError),
    /// The images of the last run cannot be checked.
    #[error(transparent)]
    Restore(#[from] CatalogError),
}

/// Opens images: creates the folders, opens stores and trees, checks all images, and starts the jobs.
///
/// # Errors
///
/// A folder, a store, the mounts or the catalog cannot be opened. Records and files stay as they are.
pub async fn open(core: &Core, settings: &ImageSettings) -> Result<OpenImages, OpenImagesError> {
    make_folders(settings)?;
    let isos = open_store(StoreKind::Iso, settings, &core.disks)?;
    let trees = match settings.backend {
        ImageBackend::Extents => Trees::extents(settings.tree_cache_bytes.clone()),
        ImageBackend::Mount => Trees::Mounted(take_mounts(settings, &core.inventory.snapshot(), &isos)?),
    };
    let storage = Storage {
        isos,
        microkernels: open_store(StoreKind::Microkernel, settings, &core.disks)?,
        trees,
        root: settings.root_dir.clone(),
        lookups: core.lookups.clone(),
        settling: settings.jobs.watch_interval.clone(),
        max_queued: settings.jobs.max_queued.clone(),
    };
    let catalog = Catalog::open(storage, core.inventory.handle(), core.feed.clone()).await?;
    let restored = catalog.restore().await?;
    let jobs = Jobs::start(core, catalog.clone(), settings.jobs.clone());
    catalog.intakes.expire_uploads(settings.upload_expiry.clone());
    let content: Vec<Arc<dyn ContentSource>> = vec![catalog.resolver.clone()];
    let component = Component { services: Vec::new(), content, checks: checks(&catalog) };
    Ok(OpenImages { catalog, jobs, restored, component })
}

fn make_folders(settings: &ImageSettings) -> Result<(), OpenImagesError> {
    for (key, path) in [
        ("httpFileServiceRootDir", &settings.root_dir),
        ("isoDir", &settings.iso_dir),
        ("microkernelDir", &settings.microkernel_dir),
    ] {
        make_folder(path).map_err(|source| OpenImagesError::Folder { key, path: path.clone(), source })?;
    }
    Ok(())
}

fn open_store(kind: StoreKind, settings: &ImageSettings, disks: &Disks) -> Result<Store, StoreError> {
    let (folder, limits) = match kind {
        StoreKind::Iso => (&settings.iso_dir, &settings.iso_limits),
        StoreKind::Microkernel => (&settings.microkernel_dir, &settings.microkernel_limits),
    };
    Store::open(kind, folder.clone(), limits.clone(), disks)
}

/// Mounts of an earlier run are kept if an image needs exactly them.
fn take_mounts(
    settings: &ImageSettings,
    records: &Snapshot,
    isos: &Store,
) -> Result<Mounts, OpenImagesError> {
    let images = records.images().filter(|image| image.status == Status::Ok);
    let expected: Vec<_> = images
        .filter_map(|image| {
            let local = records.file(StoreKind::Iso, &image.iso).and_then(|file| file.local.clone());
            let path = fs::canonicalize(local.unwrap_or_else(|| isos.path(&image.iso))).ok()?;
            Some((image.name.clone(), image.version.clone(), path))
        })
        .collect();
    Mounts::take(settings.mount_dir.clone(), &expected).map_err(OpenImagesError::Mounts)
}

/// Each store must be in its place, for a disk may not be mounted, and receive files.
fn checks(catalog: &Catalog) -> Vec<Check> {
    [("iso store", StoreKind::Iso), ("microkernel store", StoreKind::Microkernel)]
        .map(|(name, kind)| {
            let files = catalog.files.clone();
            Check::new(name, move || {
                let files = files.clone();
                async move { files.expect_usable(kind).await }
            })
        })
        .into()
}
