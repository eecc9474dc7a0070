//! `config.json`, environment and command line as one validated value. Nothing is created or bound here.

mod egress;
mod endpoint;
mod folders;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fetch::EgressPolicy;
use serde_json::Value;

pub use endpoint::{Endpoint, Router};
pub use model::settings::{ConfigError, Origin, variable};
use model::settings::{Settings, at_least_one, at_most, choice, text, whole_number};

/// The most that `maxDownloads` may say: each download has a thread or two that wait for the disk and the net.
const MAX_DOWNLOADS: u64 = 64;

/// The most that `downloadRetries` and `downloadRetryDelay` (in milliseconds, an hour) may say: the pauses double.
const MAX_RETRIES: u64 = 1000;
const MAX_RETRY_DELAY: u64 = 3_600_000;

/// The most that the limits of connections may say: no system gives a process more descriptors.
const MAX_CONNECTIONS: u64 = 1 << 20;

/// The least that a rate may be, in bytes a second. dnf gives up below 1,000, and a rate is shared.
const MIN_RATE: u64 = 64 << 10;

/// The most that `maxFinishedJobs` may say: each is in the inventory, which is written whole.
const MAX_FINISHED_JOBS: u64 = 10_000;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Human,
    /// A JSON object a line.
    Json,
}

/// How the trees inside ISOs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageBackend {
    /// By our own reader, straight from the file's extents.
    Extents,
    /// By the kernel, through a read-only mount. Needs privileges.
    Mount,
}

/// The validated configuration. Paths are absolute.
#[derive(Debug, Clone)]
pub struct Config {
    /// What to bind, and what is offered there.
    pub endpoints: Vec<Endpoint>,
    /// The southbound root folder.
    pub root_dir: PathBuf,
    /// The southbound's URL prefix: empty, or `/a/b` without a closing slash.
    pub api_root: String,
    /// The ISO store.
    pub iso_dir: PathBuf,
    /// The microkernel store.
    pub microkernel_dir: PathBuf,
    /// Where the inventory is kept.
    pub inventory_file: PathBuf,
    /// The longest that one northbound request may take; `None` (0 in the file) is without limit.
    pub http_timeout: Option<Duration>,
    /// 0 (everything) to 5 (nothing).
    pub min_log_level: u8,
    /// How logs are written.
    pub log_format: LogFormat,
    /// How trees are read.
    pub image_backend: ImageBackend,
    /// Where images are mounted when the kernel reads them.
    pub mount_dir: PathBuf,
    /// The largest file taken in, in bytes.
    pub max_file_size: u64,
    /// Bytes of disk that intake leaves free.
    pub reserve_bytes: u64,
    /// Web origins that browsers may call the northbound from; `*` is all.
    pub cors_origins: Vec<String>,
    /// How long running transfers may go on after a stop was asked for.
    pub shutdown_timeout: Duration,
    /// Downloads that run at once; others wait.
    pub max_downloads: usize,
    /// A download that brings no byte for this long has failed.
    pub download_stall_timeout: Duration,
    /// How often in a row a download is tried again without having come further.
    pub download_retries: u32,
    /// The pause before the first of these tries; it doubles with each.
    pub download_retry_delay: Duration,
    /// Where downloads may go.
    pub egress: EgressPolicy,
    /// The folder of OpenPGP keyrings that signatures of checksum files are held against.
    pub keyring_dir: Option<PathBuf>,
    /// An unfinished upload that nobody has touched for so long goes.
    pub upload_expiry: Duration,
    /// Bytes that the ISO store may hold; 0 is no limit.
    pub iso_quota: u64,
    /// Bytes that the microkernel store may hold; 0 is no limit.
    pub microkernel_quota: u64,
    /// How often the stores' folders are looked at; zero is never.
    pub watch_interval: Duration,
    /// How long after its last verification a stored file is read again; zero is never.
    pub scrub_interval: Duration,
    /// Bytes a second that such reading takes.
    pub scrub_rate: u64,
    /// Jobs that are remembered after their end.
    pub max_finished_jobs: usize,
    /// Memory for the indexes of open trees, in bytes. One tree may take more, in place of all others.
    pub tree_cache_bytes: u64,
    /// Connections at once, of each endpoint.
    pub max_connections: usize,
    /// Connections at once from one address, of each endpoint.
    pub max_connections_per_address: usize,
    /// Transfers at once; 0 is no limit.
    pub max_transfers: usize,
    /// Bytes a second of all transfers together; 0 is no limit.
    pub transfer_rate: u64,
    /// Bytes a second of all transfers from one image; 0 is no limit.
    pub image_transfer_rate: u64,
    /// The URL of the southbound's root as machines know it, with a slash at its end, where that cannot be told from the endpoints.
    pub southbound_url: Option<String>,
    /// A folder to read the web UI's files from at each request, for those who work on it. No key of the file: the command line says so, or
    /// the variable that stands for its option.
    pub web_ui: Option<PathBuf>,
}

/// What the command line says; it wins over everything.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Values by key.
    pub values: BTreeMap<&'static str, Value>,
    /// The northbound's only address.
    pub northbound: Option<SocketAddr>,
    /// The southbound's only address.
    pub southbound: Option<SocketAddr>,
    /// The folder of the web UI.
    pub web_ui: Option<PathBuf>,
}

impl Config {
    /// Puts a configuration together.
    ///
    /// `file` is the text of `config.json`, if there is one; `folder` is where it lies, the base of relative paths;
    /// `environment` looks a variable up.
    pub fn assemble(
        file: Option<&str>,
        folder: &Path,
        environment: impl Fn(&str) -> Option<String> + 'static,
        overrides: Overrides,
    ) -> Result<Self, ConfigError> {
        let settings = Settings::gather(file, environment, overrides.values)?;
        let path = |key, default: &str| -> Result<PathBuf, ConfigError> {
            let path = folder.join(settings.get(key, text)?.unwrap_or_else(|| default.to_owned()));
            // Collecting the components drops each `.` and doubled slash, so that paths are shown as people write them.
            Ok(path.components().collect())
        };
        let milliseconds = |key, default: u64| -> Result<Duration, ConfigError> {
            Ok(Duration::from_millis(settings.get(key, whole_number)?.unwrap_or(default)))
        };
        let number = |key, default: u64| -> Result<u64, ConfigError> {
            Ok(settings.get(key, whole_number)?.unwrap_or(default))
        };

        let mut endpoints = settings
            .get("httpEndpoints", |value| endpoint::parse(value, folder))?
            .unwrap_or_else(endpoint::defaults);
        for (router, address) in
            [(Router::Northbound, overrides.northbound), (Router::Southbound, overrides.southbound)]
        {
            if let Some(address) = address {
                endpoint::move_to(&mut endpoints, router, address);
            }
        }
        endpoint::check(&endpoints)
            .map_err(|problem| settings.error("httpEndpoints", &endpoint::shown(&endpoints), &problem))?;

        let config = Self {
            endpoints,
            root_dir: path("httpFileServiceRootDir", "./static")?,
            api_root: settings.get("httpFileServiceApiRoot", api_root)?.unwrap_or_default(),
            iso_dir: path("isoDir", "./static/iso")?,
            microkernel_dir: path("microkernelDir", "./static/common")?,
            inventory_file: path("inventoryFile", "./inventory.json")?,
            http_timeout: Some(milliseconds("httpTimeout", 86_400_000)?).filter(|limit| !limit.is_zero()),
            min_log_level: settings.get("minLogLevel", log_level)?.unwrap_or(0),
            log_format: settings
                .get("logFormat", |value| {
                    choice(value, &[("human", LogFormat::Human), ("json", LogFormat::Json)])
                })?
                .unwrap_or(LogFormat::Human),
            image_backend: settings
                .get("imageBackend", |value| {
                    choice(value, &[("extents", ImageBackend::Extents), ("mount", ImageBackend::Mount)])
                })?
                .unwrap_or(ImageBackend::Extents),
            mount_dir: path("mountDir", "./mounts")?,
            max_file_size: number("maxFileSize", 256 << 30)?,
            reserve_bytes: number("reserveBytes", 64 << 20)?,
            cors_origins: settings.get("corsOrigins", origins)?.unwrap_or_default(),
            shutdown_timeout: milliseconds("shutdownTimeout", 30_000)?,
            max_downloads: settings
                .get("maxDownloads", |value| at_least_one(value, MAX_DOWNLOADS))?
                .unwrap_or(4),
            download_stall_timeout: settings
                .get("downloadStallTimeout", |value| at_least_one(value, u64::MAX))?
                .map_or(Duration::from_secs(60), Duration::from_millis),
            download_retries: settings
                .get("downloadRetries", |value| at_most(value, MAX_RETRIES))?
                .unwrap_or(8),
            download_retry_delay: settings
                .get("downloadRetryDelay", |value| at_least_one(value, MAX_RETRY_DELAY))?
                .map_or(Duration::from_secs(1), Duration::from_millis),
            egress: egress::read(&settings)?,
            keyring_dir: settings
                .get("keyringDir", text)?
                .map(|path| folder.join(path).components().collect()),
            upload_expiry: milliseconds("uploadExpiry", 7 * 86_400_000)?,
            iso_quota: number("isoQuota", 0)?,
            microkernel_quota: number("microkernelQuota", 0)?,
            watch_interval: milliseconds("watchInterval", 10_000)?,
            scrub_interval: milliseconds("scrubInterval", 30 * 86_400_000)?,
            scrub_rate: settings.get("scrubRate", rate)?.unwrap_or(32 << 20),
            max_finished_jobs: settings
                .get("maxFinishedJobs", |value| at_least_one(value, MAX_FINISHED_JOBS))?
                .unwrap_or(200),
            tree_cache_bytes: number("treeCacheBytes", 256 << 20)?,
            max_connections: settings
                .get("maxConnections", |value| at_least_one(value, MAX_CONNECTIONS))?
                .unwrap_or(20_000),
            max_connections_per_address: settings
                .get("maxConnectionsPerAddress", |value| at_least_one(value, MAX_CONNECTIONS))?
                .unwrap_or(4096),
            max_transfers: usize::try_from(number("maxTransfers", 0)?).unwrap_or(usize::MAX),
            transfer_rate: settings.get("transferRate", rate)?.unwrap_or(0),
            image_transfer_rate: settings.get("imageTransferRate", rate)?.unwrap_or(0),
            southbound_url: settings.get("southboundUrl", root_url)?,
            web_ui: overrides.web_ui,
        };
        settings.refuse_unknown()?;
        config.check_folders(&settings)?;
        Ok(config)
    }

    /// Folders must be usable before anything is bound: existing and writable, or possible to create.
    fn check_folders(&self, settings: &Settings) -> Result<(), ConfigError> {
        let inventory_folder = self.inventory_file.parent().unwrap_or(Path::new("/"));
        if self.inventory_file.is_dir() {
            return Err(settings.error(
                "inventoryFile",
                &self.inventory_file.display(),
                "is a folder, not a file",
            ));
        }
        let mut folders = vec![
            ("httpFileServiceRootDir", &self.root_dir, self.root_dir.as_path()),
            ("isoDir", &self.iso_dir, &self.iso_dir),
            ("microkernelDir", &self.microkernel_dir, &self.microkernel_dir),
            ("inventoryFile", &self.inventory_file, inventory_folder),
        ];
        if self.image_backend == ImageBackend::Mount {
            folders.push(("mountDir", &self.mount_dir, &self.mount_dir));
        }
        for &(key, value, folder) in &folders {
            if let Err(problem) = folders::check_folder(folder) {
                return Err(settings.error(key, &value.display(), &problem));
            }
        }
        if let Some(folder) = self.keyring_dir.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(settings.error("keyringDir", &folder.display(), "is not a folder"));
        }
        // Beside it lies the key to what its links hide, and everything below these folders is served.
        for (key, folder) in folders.iter().take(3).map(|(key, _, folder)| (key, folder)) {
            if folders::lies_below(&self.inventory_file, folder) {
                let problem = format!("lies below `{key}`, where everything is served to everybody");
                return Err(settings.error("inventoryFile", &self.inventory_file.display(), &problem));
            }
            endpoint::check_key(&self.endpoints, folder).map_err(|path| {
                let problem =
                    format!("the `key` in `tls` lies below `{key}`, where everything is served to everybody");
                settings.error("httpEndpoints", &path.display(), &problem)
            })?;
        }
        if self.iso_dir == self.microkernel_dir {
            return Err(settings.error(
                "microkernelDir",
                &self.microkernel_dir.display(),
                "is the same folder as `isoDir`",
            ));
        }
        Ok(())
    }
}

fn api_root(value: &Value) -> Result<String, String> {
    let root = text(value)?;
    let segments: Vec<&str> = root.split('/').filter(|segment| !segment.is_empty()).collect();
    if !root.starts_with('/')
        || segments.iter().any(|segment| matches!(*segment, "." | "..") || segment.contains(['?', '#', '%']))
    {
        return Err("expected a URL path that starts with '/', such as / or /files".into());
    }
    Ok(segments.iter().map(|segment| format!("/{segment}")).collect())
}

fn log_level(value: &Value) -> Result<u8, String> {
    whole_number(value)
        .ok()
        .and_then(|level| u8::try_from(level).ok())
        .filter(|level| *level <= 5)
        .ok_or_else(|| "expected a level from 0 (everything) to 5 (nothing)".into())
}

fn rate(value: &Value) -> Result<u64, String> {
    whole_number(value)
        .ok()
        .filter(|rate| *rate == 0 || *rate >= MIN_RATE)
        .ok_or_else(|| format!("expected bytes a second, at least {MIN_RATE}, or 0 for no limit"))
}

/// The URL of a folder, with a slash at its end.
fn root_url(value: &Value) -> Result<String, String> {
    let url = value.as_str().and_then(|text| url::Url::parse(text).ok());
    let url = url.filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
    });
    let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
    let url = url.ok_or("expected a URL such as \"http://boot.example:9090/\"")?;
    Ok(format!("{}/", url.as_str().trim_end_matches('/')))
}

fn origins(value: &Value) -> Result<Vec<String>, String> {
    const EXPECTED: &str =
        "expected a list of origins such as [\"https://panel.example\"], or [\"*\"] for all";
    let list = value.as_array().ok_or(EXPECTED)?;
    list.iter()
        .map(|origin| {
            let origin = origin.as_str().ok_or(EXPECTED)?;
            let valid = origin == "*"
                || url::Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == origin);
            if valid { Ok(origin.to_owned()) } else { Err(EXPECTED.to_owned()) }
        })
        .collect()
}

#[cfg(test)]
mod tests;
