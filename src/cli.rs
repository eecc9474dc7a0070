//! The command line: arguments, configuration, log, run, exit status.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use component::ComponentType;
use file_transport::Tls;
use model::io_words::without_numbers;
use model::settings::Settings;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app;
use crate::config::{Config, Overrides};
use crate::log::{Log, LogSettings};
use crate::reload::{Newer, Reloader};

/// The configuration cannot be used. Nothing was bound or changed.
const EXIT_CONFIGURATION: u8 = 2;

/// The service failed.
const EXIT_FAILURE: u8 = 1;

/// How long threads that wait for the system may delay the exit.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Registers operating-system ISOs and microkernels and serves them to machines that boot from the network.
///
/// The northbound is the management API, the southbound is the static HTTP server that machines boot from.
/// Without --config, ./config.json is used if it exists, and the defaults otherwise. Every key of the
/// configuration can be set by an environment variable too: isoDir by IMAGE_SERVICE_ISO_DIR, and so on.
/// Options win over variables, and variables over the file.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Configuration file; relative paths in it start from its folder
    #[arg(long, global = true, env = "IMAGE_SERVICE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Offer the management API at this address instead
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    northbound: Option<SocketAddr>,
    /// Serve machines at this address instead
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    southbound: Option<SocketAddr>,
    /// Southbound root folder (httpFileServiceRootDir)
    #[arg(long, global = true, value_name = "FOLDER")]
    root_dir: Option<PathBuf>,
    /// Folder of the ISO store (isoDir)
    #[arg(long, global = true, value_name = "FOLDER")]
    iso_dir: Option<PathBuf>,
    /// Folder of the microkernel store (microkernelDir)
    #[arg(long, global = true, value_name = "FOLDER")]
    microkernel_dir: Option<PathBuf>,
    /// File that keeps the inventory (inventoryFile)
    #[arg(long, global = true, value_name = "FILE")]
    inventory_file: Option<PathBuf>,
    /// How trees inside ISOs are read (imageBackend)
    #[arg(long, global = true, value_name = "extents|mount")]
    image_backend: Option<String>,
    /// Read the web UI's files from this folder at each request, to work on it
    #[arg(long, global = true, env = "IMAGE_SERVICE_WEB_UI", value_name = "FOLDER")]
    web_ui: Option<PathBuf>,
    /// 0 (everything) to 5 (nothing) (minLogLevel)
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<u8>,
    /// Lines for people, or a JSON object a line (logFormat)
    #[arg(long, global = true, value_name = "human|json")]
    log_format: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Check the configuration, print what would be bound and used, and exit
    CheckConfig,
}

const EXAMPLES: &str = "Examples:
  image-service
  image-service --config /etc/image-service/config.json
  image-service --southbound 0.0.0.0:9191 --log-format json
  IMAGE_SERVICE_ISO_DIR=/srv/iso image-service check-config

Exit status: 0 after a stop, 1 if it failed, 2 if the arguments or the configuration cannot be used.";

/// Runs the command of the command line, with these components.
pub fn run(components: &'static [ComponentType]) -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::CheckConfig) = arguments.command {
        return match configure(&arguments, components, None) {
            Ok(config) => {
                print_config(&config);
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error, EXIT_CONFIGURATION),
        };
    }
    let (runtime, hangups) = match start_runtime() {
        Ok(started) => started,
        Err(error) => return refuse(&error, EXIT_FAILURE),
    };
    let config = match configure(&arguments, components, None) {
        Ok(config) => config,
        Err(error) => return refuse(&error, EXIT_CONFIGURATION),
    };
    let log = match start_log(&config.log.get(), components) {
        Ok(log) => log,
        Err(error) => return refuse(&error, EXIT_FAILURE),
    };
    let reloader = reloader(arguments, components, &config, &log);
    let finished = runtime.block_on(app::run(config, log.clone(), reloader, hangups));
    // A thread may still wait for a silent server or a hanging disk. It has no work that matters.
    runtime.shutdown_timeout(EXIT_TIMEOUT);
    let words = finished.err().map(|error| without_numbers(&format!("image-service: {error:#}")));
    log.close(words.as_deref());
    if words.is_none() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILURE) }
}

fn refuse(error: &anyhow::Error, status: u8) -> ExitCode {
    eprintln!("image-service: {error:#}");
    ExitCode::from(status)
}

/// Starts the runtime, and keeps SIGHUP, which would end the program. It may come at once: systemd takes a
/// process for started before it has read its configuration.
fn start_runtime() -> Result<(Runtime, Signal)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let hangups = {
        let _entered = runtime.enter();
        signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?
    };
    Ok((runtime, hangups))
}

/// Reads the configuration as at the start, and takes it over if all of it can be used.
fn reloader(
    arguments: Arguments,
    components: &'static [ComponentType],
    config: &Config,
    log: &Log,
) -> Reloader {
    let certificates: Vec<Tls> =
        config.endpoints.iter().filter_map(|endpoint| endpoint.tls.clone()).collect();
    let (log, rotated) = (log.clone(), log.clone());
    let read = move |in_use: &Settings| {
        let newer = configure(&arguments, components, Some(in_use))?;
        let settings = newer.log.get();
        let prepared = log.prepare(&settings).map_err(|error| {
            let problem = format!("the file cannot be opened ({})", error.kind());
            newer.settings.error("accessLog", &settings.access, &problem)
        })?;
        let (log, certificates) = (log.clone(), certificates.clone());
        let take_over = move || {
            log.apply(prepared);
            certificates.iter().for_each(Tls::renew);
        };
        Ok(Newer { settings: newer.settings, take_over: Box::new(take_over) })
    };
    Reloader::new(config.settings.clone(), read, move || rotated.reopen())
}

/// `in_use` are the settings of the running program, if there is one.
fn configure(
    arguments: &Arguments,
    components: &[ComponentType],
    in_use: Option<&Settings>,
) -> Result<Config> {
    component::check_names(components)?;
    let here = std::env::current_dir().context("cannot find the current folder")?;
    if let Some(folder) = &arguments.web_ui {
        ensure!(here.join(folder).is_dir(), "`--web-ui` is {}: that is no folder", folder.display());
    }
    let path = here.join(arguments.config.as_deref().unwrap_or(Path::new("config.json")));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && arguments.config.is_none() => None,
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read the configuration file {}", path.display()));
        }
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let config = Config::assemble(
        components,
        text.as_deref(),
        folder,
        |name| std::env::var(name).ok(),
        Overrides { file: text.is_some().then(|| path.clone()), ..overrides(arguments, &here) },
        in_use,
    );
    config.with_context(|| format!("the configuration ({}) cannot be used", path.display()))
}

/// Relative paths on the command line start from the current folder `here`.
fn overrides(arguments: &Arguments, here: &Path) -> Overrides {
    let path = |path: &Option<PathBuf>| {
        path.as_ref().map(|path| Value::from(here.join(path).to_string_lossy().into_owned()))
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let values = [
        ("httpFileServiceRootDir", path(&arguments.root_dir)),
        ("isoDir", path(&arguments.iso_dir)),
        ("microkernelDir", path(&arguments.microkernel_dir)),
        ("inventoryFile", path(&arguments.inventory_file)),
        ("imageBackend", text(&arguments.image_backend)),
        ("minLogLevel", arguments.log_level.map(Value::from)),
        ("logFormat", text(&arguments.log_format)),
    ];
    let values: BTreeMap<&str, Value> =
        values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let web_ui = arguments.web_ui.as_ref().map(|folder| here.join(folder));
    Overrides {
        values,
        northbound: arguments.northbound,
        southbound: arguments.southbound,
        web_ui,
        file: None,
    }
}

fn print_config(config: &Config) {
    println!("the configuration is valid");
    for endpoint in &config.endpoints {
        let routers: Vec<&str> = endpoint.routers.iter().map(|router| router.as_str()).collect();
        println!("{:<13} {}://{} {}", "endpoint", endpoint.scheme(), endpoint.address, routers.join(" and "));
    }
    for (what, path) in [
        ("root", &config.images.root_dir),
        ("isos", &config.images.iso_dir),
        ("microkernels", &config.images.microkernel_dir),
        ("inventory", &config.core.inventory_file),
    ] {
        println!("{what:<13} {}", path.display());
    }
}

/// The crates of this program, whose events follow `minLogLevel`. Components, whose crates have their names,
/// are more.
const CRATES: &str = env!("CRATES");

fn start_log(settings: &LogSettings, components: &[ComponentType]) -> Result<Log> {
    let names = CRATES.split(',').chain(["image_service"]).map(str::to_owned);
    Log::start(settings, names.chain(components.iter().map(|component| component.name.replace('-', "_"))))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_log_has_the_events_of_all_crates() {
        let crates = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/crates")).expect("crates");
        for folder in crates.map(|entry| entry.expect("an entry").path()) {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
            let name = folder.file_name().and_then(|name| name.to_str()).expect("a name").replace('-', "_");
            if manifest.contains("\ntracing") {
                assert!(CRATES.split(',').any(|known| known == name), "{name}");
            }
        }
    }
}
