//! `config.json`, environment and command line as one validated value. This module creates and binds nothing.

mod egress;
mod endpoint;
mod folders;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use component::{ComponentType, CoreSettings, OpenComponent, Setup};
use http_service::TrustedProxies;
use http_service::transfers::Limits;
use images::{ImageBackend, ImageSettings};
use serde_json::Value;

use crate::log::{AccessLog, LogFormat, LogSettings};
use crate::northbound;
pub use endpoint::{Endpoint, Router};
use model::host_pattern::HostPattern;
pub use model::settings::{ConfigError, variable};
use model::settings::{Live, Settings, at_least_one, at_most, choice, rate, truth};

/// The limit of `downloadRetries`.
const MAX_RETRIES: u64 = 1000;

/// The limit of `downloadRetryDelay`, in milliseconds: an hour, and each pause doubles.
const MAX_RETRY_DELAY: u64 = 3_600_000;

/// The limit of `maxConnections` and `maxConnectionsPerAddress`: no system gives a process more descriptors.
const MAX_CONNECTIONS: u64 = 1 << 20;

/// The limit of `maxFinishedJobs`: each is in the inventory, which is written whole.
const MAX_FINISHED_JOBS: u64 = 10_000;

/// Limits of the connections of each endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at the same time.
    pub all: usize,
    /// Connections at the same time from one address.
    pub per_address: usize,
    /// How long transfers may go on after a signal to stop.
    pub drain_timeout: Duration,
}

/// What browsers may do with the northbound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserSettings {
    /// More names by which the northbound may be called.
    pub allowed_hosts: Vec<HostPattern>,
    /// Web origins whose pages may call the service; `*` is all.
    pub cors_origins: Vec<String>,
    /// Whether answers by HTTPS forbid browsers to come by HTTP again.
    pub hsts: bool,
}

/// The validated configuration. Paths are absolute.
#[derive(Debug)]
pub struct Config {
    /// Addresses to bind, and the services of each.
    pub endpoints: Vec<Endpoint>,
    /// The southbound's URL prefix: empty, or `/a/b` without a closing slash.
    pub api_root: String,
    /// The URL of the southbound's root for machines, with a slash at its end. `None` if it follows from the
    /// endpoints.
    pub southbound_url: Option<String>,
    /// What browsers may do.
    pub browsers: Live<BrowserSettings>,
    /// The proxies that tell the addresses of clients.
    pub trusted_proxies: TrustedProxies,
    /// The configuration file, if the program has one.
    pub file: Option<PathBuf>,
    /// What was read, for a reload.
    pub settings: Settings,
    /// The logs.
    pub log: Live<LogSettings>,
    /// Limits of connections.
    pub connections: Live<ConnectionLimits>,
    /// The core of all components.
    pub core: CoreSettings,
    /// Images.
    pub images: ImageSettings,
    /// The management API.
    pub northbound: northbound::Settings,
    /// The components that are on.
    pub components: Components,
}

/// The components that are on, in the order in which they are opened.
#[derive(Default)]
pub struct Components(pub Vec<(&'static str, OpenComponent)>);

impl fmt::Debug for Components {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Values of the command line, which win over all others.
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
    /// The configuration file.
    pub file: Option<PathBuf>,
}

impl Config {
    /// Puts a configuration together.
    ///
    /// `components` are those that the program has. `file` is the text of `config.json`, if it exists. Its
    /// folder, `folder`, is the base of relative paths. `environment` looks a variable up. If the program
    /// runs already, `in_use` are its settings: what it uses is not checked on disk again, because a disk
    /// that fails or hangs now is no reason to refuse other changes.
    ///
    /// # Errors
    ///
    /// The first value that cannot be used, or a key that no part of the program knows.
    pub fn assemble(
        components: &[ComponentType],
        file: Option<&str>,
        folder: &Path,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        overrides: Overrides,
        in_use: Option<&Settings>,
    ) -> Result<Self, ConfigError> {
        let settings = Settings::gather(file, environment, overrides.values.clone())?;
        let endpoints = read_endpoints(&settings, components, folder, &overrides)?;
        let images = ImageSettings::read(&settings, folder)?;
        let config = Self {
            api_root: settings.get("httpFileServiceApiRoot", values::api_root)?.unwrap_or_default(),
            southbound_url: settings.get("southboundUrl", values::root_url)?,
            browsers: read_browsers(&settings)?,
            trusted_proxies: read_proxies(&settings)?,
            log: read_log(&settings, folder)?,
            connections: read_connections(&settings)?,
            core: read_core(&settings, folder, images.jobs.stall_timeout.clone())?,
            northbound: read_northbound(&settings, images.upload_expiry.clone(), overrides.web_ui)?,
            components: configure(components, &settings, folder, &endpoints)?,
            file: overrides.file,
            endpoints,
            images,
            settings,
        };
        config.settings.refuse_unknown()?;
        let is_new = |key: &str| in_use.is_none_or(|in_use| !in_use.agrees(&config.settings, key));
        config.check_folders(&config.settings, is_new)?;
        Ok(config)
    }

    /// Checks that folders are writable, or can be created, before anything is bound. Those of keys that are
    /// not new are left alone.
    fn check_folders(&self, settings: &Settings, is_new: impl Fn(&str) -> bool) -> Result<(), ConfigError> {
        let inventory_folder = self.core.inventory_file.parent().unwrap_or(Path::new("/"));
        if is_new("inventoryFile") && self.core.inventory_file.is_dir() {
            return Err(settings.error(
                "inventoryFile",
                &self.core.inventory_file.display(),
                "is a folder, not a file",
            ));
        }
        let mut folders = vec![
            ("httpFileServiceRootDir", &self.images.root_dir, self.images.root_dir.as_path()),
            ("isoDir", &self.images.iso_dir, &self.images.iso_dir),
            ("microkernelDir", &self.images.microkernel_dir, &self.images.microkernel_dir),
            ("inventoryFile", &self.core.inventory_file, inventory_folder),
        ];
        if self.images.backend == ImageBackend::Mount {
            folders.push(("mountDir", &self.images.mount_dir, &self.images.mount_dir));
        }
        for &(key, value, folder) in folders.iter().filter(|(key, ..)| is_new(key)) {
            if let Err(problem) = folders::check_folder(folder) {
                return Err(settings.error(key, &value.display(), &problem));
            }
        }
        let keyring = self.images.jobs.keyring.as_ref().filter(|_| is_new("keyringDir"));
        if let Some(folder) = keyring.filter(|folder| !folder.is_dir()) {
            return Err(settings.error("keyringDir", &folder.display(), "is not a folder"));
        }
        let access_log = match &self.log.get().access {
            AccessLog::File(path) => Some(path.clone()),
            AccessLog::Off | AccessLog::StandardError => None,
        };
        if let Some(path) = &access_log {
            self.check_log(path).map_err(|problem| settings.error("accessLog", &path.display(), &problem))?;
        }
        // All files below these folders are served. Beside the inventory lies the key of its sealed links.
        for (key, folder) in folders.iter().take(3).map(|(key, _, folder)| (key, folder)) {
            let files =
                [("inventoryFile", Some(&self.core.inventory_file)), ("accessLog", access_log.as_ref())];
            for (name, path) in files.into_iter().filter_map(|(name, path)| Some((name, path?))) {
                if (is_new(key) || is_new(name)) && folders::lies_below(path, folder) {
                    let problem = format!("lies below `{key}`, where everything is served to everybody");
                    return Err(settings.error(name, &path.display(), &problem));
                }
            }
            if !is_new(key) && !is_new("httpEndpoints") {
                continue;
            }
            endpoint::check_key(&self.endpoints, folder).map_err(|path| {
                let problem =
                    format!("the `key` in `tls` lies below `{key}`, where everything is served to everybody");
                settings.error("httpEndpoints", &path.display(), &problem)
            })?;
        }
        if self.images.iso_dir == self.images.microkernel_dir {
            return Err(settings.error(
                "microkernelDir",
                &self.images.microkernel_dir.display(),
                "is the same folder as `isoDir`",
            ));
        }
        Ok(())
    }

    /// Lines of a log would destroy any other file of the service.
    fn check_log(&self, path: &Path) -> Result<(), String> {
        let database = self.core.database_file();
        let mut taken = vec![
            (
                self.core.inventory_file.as_path(),
                "the file of `inventoryFile`, or one that is kept beside it",
            ),
            (&database, "the file of the records of components, or one that is kept beside it"),
        ];
        taken.extend(self.file.as_deref().map(|file| (file, "the configuration file")));
        for tls in self.endpoints.iter().filter_map(|endpoint| endpoint.tls.as_ref()) {
            taken.push((tls.key(), "the `key` of an endpoint"));
            taken.push((tls.certificate(), "the `certificate` of an endpoint"));
        }
        folders::check_log(path, &taken)
    }
}

fn read_endpoints(
    settings: &Settings,
    components: &[ComponentType],
    folder: &Path,
    overrides: &Overrides,
) -> Result<Vec<Endpoint>, ConfigError> {
    let mut endpoints = settings
        .get("httpEndpoints", |value| endpoint::parse(value, components, folder))?
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
    Ok(endpoints)
}

fn read_log(settings: &Settings, folder: &Path) -> Result<Live<LogSettings>, ConfigError> {
    let folder = folder.to_owned();
    settings.live(move |settings| {
        let formats = [("human", LogFormat::Human), ("json", LogFormat::Json)];
        let access = settings.get("accessLog", |value| values::access_log(value, &folder))?;
        Ok(LogSettings {
            min_level: settings.get("minLogLevel", values::log_level)?.unwrap_or(0),
            format: settings.get("logFormat", |value| choice(value, &formats))?.unwrap_or(LogFormat::Human),
            access: access.unwrap_or(AccessLog::Off),
        })
    })
}

fn read_connections(settings: &Settings) -> Result<Live<ConnectionLimits>, ConfigError> {
    settings.live(|settings| {
        let limit = |key| settings.get(key, |value| at_least_one(value, MAX_CONNECTIONS));
        Ok(ConnectionLimits {
            all: limit("maxConnections")?.unwrap_or(20_000),
            per_address: limit("maxConnectionsPerAddress")?.unwrap_or(4096),
            drain_timeout: settings.milliseconds("shutdownTimeout", 30_000)?,
        })
    })
}

fn read_core(
    settings: &Settings,
    folder: &Path,
    stall_timeout: Live<Duration>,
) -> Result<CoreSettings, ConfigError> {
    Ok(CoreSettings {
        inventory_file: settings.path("inventoryFile", folder, "./inventory.json")?,
        egress: settings.live(egress::read)?,
        stall_timeout,
        jobs: settings.live(read_jobs)?,
        transfers: settings.live(read_transfers)?,
    })
}

fn read_jobs(settings: &Settings) -> Result<jobs::Settings, ConfigError> {
    Ok(jobs::Settings {
        retries: settings.get("downloadRetries", |value| at_most(value, MAX_RETRIES))?.unwrap_or(8),
        retry_delay: settings
            .get("downloadRetryDelay", |value| at_least_one(value, MAX_RETRY_DELAY))?
            .map_or(Duration::from_secs(1), Duration::from_millis),
        max_finished: settings
            .get("maxFinishedJobs", |value| at_least_one(value, MAX_FINISHED_JOBS))?
            .unwrap_or(200),
    })
}

fn read_transfers(settings: &Settings) -> Result<Limits, ConfigError> {
    Ok(Limits {
        transfers: usize::try_from(settings.number("maxTransfers", 0)?).unwrap_or(usize::MAX),
        rate: settings.get("transferRate", rate)?.unwrap_or(0),
        image_rate: settings.get("imageTransferRate", rate)?.unwrap_or(0),
    })
}

fn read_proxies(settings: &Settings) -> Result<TrustedProxies, ConfigError> {
    let networks =
        settings.live(|all| Ok(all.get("trustedProxies", values::networks)?.unwrap_or_default()))?;
    let proxies = TrustedProxies::new(networks.get().to_vec());
    let changed = proxies.clone();
    networks.on_change(move |networks| changed.replace(networks.to_vec()));
    Ok(proxies)
}

fn read_browsers(settings: &Settings) -> Result<Live<BrowserSettings>, ConfigError> {
    settings.live(|settings| {
        Ok(BrowserSettings {
            allowed_hosts: settings.get("allowedHosts", values::hosts)?.unwrap_or_default(),
            cors_origins: settings.get("corsOrigins", values::origins)?.unwrap_or_default(),
            hsts: settings.get("hsts", truth)?.unwrap_or(false),
        })
    })
}

fn read_northbound(
    settings: &Settings,
    upload_expiry: Live<Duration>,
    web_ui: Option<PathBuf>,
) -> Result<northbound::Settings, ConfigError> {
    Ok(northbound::Settings {
        timeout: settings.live(|settings| {
            let timeout = settings.milliseconds("httpTimeout", 86_400_000)?;
            Ok(Some(timeout).filter(|limit| !limit.is_zero()))
        })?,
        upload_expiry,
        require_preconditions: settings
            .live(|all| Ok(all.get("requirePreconditions", truth)?.unwrap_or(false)))?,
        web_ui,
    })
}

/// Has each component read its section of the settings.
fn configure(
    components: &[ComponentType],
    settings: &Settings,
    folder: &Path,
    endpoints: &[Endpoint],
) -> Result<Components, ConfigError> {
    let routers: Vec<String> = endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.routers)
        .map(|router| router.as_str().to_owned())
        .collect();
    let mut on = Vec::new();
    for component in components {
        let settings = settings.section(component.name)?;
        let open = (component.configure)(&Setup { settings, folder, routers: &routers })?;
        on.extend(open.map(|open| (component.name, open)));
    }
    Ok(Components(on))
}

#[cfg(test)]
mod tests;
