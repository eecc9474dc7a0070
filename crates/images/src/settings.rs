//! The settings of images, their files and the jobs on them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use blobs::Limits;
use model::settings::{ConfigError, Live, Settings, at_least_one, choice, rate, text};

use crate::jobs::JobSettings;

/// The limit of `maxDownloads`: each download has a thread or two that wait for the disk and the network.
const MAX_DOWNLOADS: u64 = 64;

/// Jobs that may wait. Each adds a kilobyte or two, and up to 16 KiB of links, to what each change writes.
const MAX_QUEUED: usize = 1000;

/// The limit of `maxQueuedJobs`: so many may make an inventory of some hundred megabytes.
const MAX_QUEUED_LIMIT: u64 = 100_000;

/// How the trees inside ISOs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageBackend {
    /// By this program, straight from the file's extents.
    Extents,
    /// By the kernel, through a read-only mount. Needs privileges.
    Mount,
}

/// The settings of images.
#[derive(Debug, Clone)]
pub struct ImageSettings {
    /// The southbound root folder.
    pub root_dir: PathBuf,
    /// The ISO store.
    pub iso_dir: PathBuf,
    /// The microkernel store.
    pub microkernel_dir: PathBuf,
    /// How trees are read.
    pub backend: ImageBackend,
    /// The folder of mount points, where the kernel reads trees.
    pub mount_dir: PathBuf,
    /// Memory for the indexes of open trees, in bytes. One tree may take more, in place of all others.
    pub tree_cache_bytes: Live<u64>,
    /// The limits of the ISO store.
    pub iso_limits: Live<Limits>,
    /// The limits of the microkernel store.
    pub microkernel_limits: Live<Limits>,
    /// The age, since the last request, at which an unfinished upload is removed.
    pub upload_expiry: Live<Duration>,
    /// The settings of the jobs.
    pub jobs: JobSettings,
}

impl ImageSettings {
    /// Reads the settings; relative paths start from `folder`.
    ///
    /// # Errors
    ///
    /// The first value that cannot be used.
    pub fn read(settings: &Settings, folder: &Path) -> Result<Self, ConfigError> {
        let backends = [("extents", ImageBackend::Extents), ("mount", ImageBackend::Mount)];
        let backend = settings.get("imageBackend", |value| choice(value, &backends))?;
        Ok(Self {
            root_dir: settings.path("httpFileServiceRootDir", folder, "./static")?,
            iso_dir: settings.path("isoDir", folder, "./static/iso")?,
            microkernel_dir: settings.path("microkernelDir", folder, "./static/common")?,
            backend: backend.unwrap_or(ImageBackend::Extents),
            mount_dir: settings.path("mountDir", folder, "./mounts")?,
            tree_cache_bytes: settings.live(|all| all.number("treeCacheBytes", 256 << 20))?,
            iso_limits: settings.live(|settings| limits(settings, "isoQuota"))?,
            microkernel_limits: settings.live(|settings| limits(settings, "microkernelQuota"))?,
            upload_expiry: settings.live(|all| all.milliseconds("uploadExpiry", 7 * 86_400_000))?,
            jobs: read_jobs(settings, folder)?,
        })
    }
}

/// The limits of a store, whose quota is at `quota`.
fn limits(settings: &Settings, quota: &str) -> Result<Limits, ConfigError> {
    Ok(Limits {
        max_file_size: settings.number("maxFileSize", 256 << 30)?,
        reserve: settings.number("reserveBytes", 64 << 20)?,
        quota: settings.number(quota, 0)?,
    })
}

fn read_jobs(settings: &Settings, folder: &Path) -> Result<JobSettings, ConfigError> {
    let keyring = settings.get("keyringDir", text)?;
    Ok(JobSettings {
        max_queued: settings.live(|all| {
            let queued = all.get("maxQueuedJobs", |value| at_least_one(value, MAX_QUEUED_LIMIT))?;
            Ok(queued.unwrap_or(MAX_QUEUED))
        })?,
        max_downloads: settings.live(|all| {
            Ok(all.get("maxDownloads", |value| at_least_one(value, MAX_DOWNLOADS))?.unwrap_or(4))
        })?,
        stall_timeout: settings.live(|all| {
            let stall = all.get("downloadStallTimeout", |value| at_least_one(value, u64::MAX))?;
            Ok(stall.map_or(Duration::from_secs(60), Duration::from_millis))
        })?,
        keyring: keyring.map(|path| folder.join(path).components().collect()),
        watch_interval: settings.live(|all| all.milliseconds("watchInterval", 10_000))?,
        scrub_interval: settings.live(|all| all.milliseconds("scrubInterval", 30 * 86_400_000))?,
        scrub_rate: settings.live(|all| Ok(all.get("scrubRate", rate)?.unwrap_or(32 << 20)))?,
    })
}
