//! Wiring only: shelves → desk → jobs → doors, and the way down again.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use file_transport::{Counters, IdleEviction, Server, ServerSettings, Workers};
use http_service::{HttpService, OnRuntime, answer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpSocket;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Endpoint, ImageBackend, Router};
use crate::northbound::{self, Northbound, SouthboundAddress};
use crate::southbound::Southbound;
use blobs::{Disks, Limits, Store};
use http_service::transfers::{self, Transfers};
use images::jobs::{self, Jobs};
use images::trees::{Mounts, Trees};
use images::{Catalog, Restored, Storage};
use model::image::Status;
use model::stored_file::StoreKind;
use records::feed::Feed;
use records::inventory::{Inventory, JsonFile, Records};

/// Connections that may wait to be accepted: a rack that powers on comes all at once.
const BACKLOG: u32 = 4096;

/// Descriptors that are kept for files: those of open trees, of what was answered a moment ago, and of what is coming in.
const FILE_DESCRIPTORS: u64 = 6000;

/// Runs the service until it is told to stop (SIGTERM or SIGINT). A second signal ends it at once.
pub async fn run(config: Config) -> Result<()> {
    let mut signals = Signals::listen()?;
    let descriptors = raise_descriptor_limit();
    let events = Feed::default();
    let catalog = open_catalog(&config, events.clone())?;
    let restored = catalog.restore().await?;
    let settings = jobs::JobSettings {
        max_downloads: config.max_downloads,
        stall_timeout: config.download_stall_timeout,
        retries: config.download_retries,
        retry_delay: config.download_retry_delay,
        max_finished: config.max_finished_jobs,
        egress: config.egress.clone(),
        keyring: config.keyring_dir.clone(),
        watch_interval: config.watch_interval,
        scrub_interval: config.scrub_interval,
        scrub_rate: config.scrub_rate,
    };
    let jobs = Jobs::start(catalog.clone(), settings).context("cannot make the client for downloads")?;

    let connections = Arc::new(Counters::default());
    let limits = transfers::Limits {
        transfers: config.max_transfers,
        rate: config.transfer_rate,
        image_rate: config.image_transfer_rate,
    };
    let transfers = Transfers::new(limits, Arc::clone(&connections));
    let idle_eviction = IdleEviction::default();
    catalog.intakes.expire_uploads(config.upload_expiry);
    let mut listeners = Vec::new();
    for endpoint in &config.endpoints {
        let listener = listen(endpoint.address);
        listeners.push((
            endpoint,
            listener.with_context(|| format!("cannot listen on {} (httpEndpoints)", endpoint.address))?,
        ));
    }
    let settings = northbound::Settings {
        timeout: config.http_timeout,
        cors_origins: config.cors_origins.clone(),
        upload_expiry: config.upload_expiry,
        web_ui: config.web_ui.clone(),
    };
    let northbound = Northbound::new(
        catalog.clone(),
        jobs.clone(),
        transfers.clone(),
        events.clone(),
        &config.api_root,
        southbound_address(&config, &listeners)?,
        &settings,
    );
    let services = Services {
        // The northbound may take its time, for no machine waits for a worker of this runtime.
        northbound: Arc::new(OnRuntime::new(Handle::current(), Arc::new(northbound.router(&settings)))),
        southbound: Arc::new(Southbound::new(
            catalog.clone(),
            transfers,
            idle_eviction.clone(),
            &config.api_root,
        )),
    };
    if let Err(error) = print_welcome(&config, &listeners, &restored) {
        // Nobody may be able to read it; the service is there all the same.
        tracing::warn!(%error, "cannot print where the service is");
    }
    jobs.resume(&restored.downloads);

    let workers = Arc::new(Workers::one_a_core().context("cannot start the threads that serve connections")?);
    let stop = CancellationToken::new();
    let mut servers = JoinSet::new();
    for (endpoint, listener) in listeners {
        let services = services.at(endpoint);
        let handler = move |request, peer| answer(&services, request, peer);
        let server = Server::new(ServerSettings {
            drain_timeout: config.shutdown_timeout,
            max_connections: config.max_connections.min(connection_limit(
                descriptors,
                endpoint,
                &config.endpoints,
            )),
            max_connections_per_address: config.max_connections_per_address,
            tls: endpoint.tls.clone(),
            counters: Arc::clone(&connections),
            idle_eviction: idle_eviction.clone(),
            ..ServerSettings::default()
        });
        let (workers, stop) = (Arc::clone(&workers), stop.clone().cancelled_owned());
        servers.spawn(async move { server.run(&workers, listener, handler, stop).await });
    }
    let failed = tokio::select! {
        () = signals.wait() => None,
        ended = servers.join_next() => ended,
    };
    tracing::info!(limit = ?config.shutdown_timeout, "stopping: transfers in flight may end");
    stop.cancel();
    // Those who are told of changes would be told for as long as they like.
    events.close();
    tokio::select! {
        () = async { while servers.join_next().await.is_some() {} } => {}
        () = signals.wait() => tracing::warn!("stopping at once"),
    }
    jobs.stop().await;
    catalog.close().await;
    tracing::info!("stopped");
    // No server ends by itself, unless it could not even begin.
    match failed {
        Some(Ok(Err(error))) => Err(error).context("an endpoint cannot be served"),
        Some(Err(error)) => Err(error).context("an endpoint is no longer served"),
        Some(Ok(Ok(()))) | None => Ok(()),
    }
}

fn open_catalog(config: &Config, events: Feed) -> Result<Catalog> {
    for (key, folder) in [
        ("httpFileServiceRootDir", &config.root_dir),
        ("isoDir", &config.iso_dir),
        ("microkernelDir", &config.microkernel_dir),
    ] {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {} (`{key}`)", folder.display()))?;
    }
    let inventory_folder = config.inventory_file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(inventory_folder).with_context(|| {
        format!("cannot make the folder {} (`inventoryFile`)", inventory_folder.display())
    })?;
    let inventory = Inventory::JsonFile(JsonFile::open(config.inventory_file.clone())?);
    let disks = Disks::default();
    let limits = |quota| Limits { max_file_size: config.max_file_size, reserve: config.reserve_bytes, quota };
    let isos = Store::open(StoreKind::Iso, config.iso_dir.clone(), limits(config.iso_quota), &disks)?;
    let trees = match config.image_backend {
        ImageBackend::Extents => Trees::extents(config.tree_cache_bytes),
        ImageBackend::Mount => Trees::Mounted(take_mounts(config, &inventory, &isos)?),
    };
    let shelves = Storage {
        isos,
        microkernels: Store::open(
            StoreKind::Microkernel,
            config.microkernel_dir.clone(),
            limits(config.microkernel_quota),
            &disks,
        )?,
        trees,
        root: config.root_dir.clone(),
        events,
        settling: config.watch_interval,
    };
    Ok(Catalog::open(shelves, inventory)?)
}

/// Mounts of an earlier run are kept where an image still wants exactly them.
fn take_mounts(config: &Config, inventory: &Inventory, isos: &Store) -> Result<Mounts> {
    let records: Records = inventory.load()?;
    let images = records.images.values().filter(|image| image.status == Status::Ok);
    let expected: Vec<_> = images
        .filter_map(|image| {
            let local =
                records.files.get(&(StoreKind::Iso, image.iso.clone())).and_then(|file| file.local.clone());
            let path = fs::canonicalize(local.unwrap_or_else(|| isos.path(&image.iso))).ok()?;
            Some((image.name.clone(), image.version.clone(), path))
        })
        .collect();
    Mounts::take(config.mount_dir.clone(), &expected)
        .context("cannot use `mountDir` with \"imageBackend\": \"mount\"")
}

/// The services that an endpoint may have.
struct Services {
    northbound: Arc<dyn HttpService>,
    southbound: Arc<dyn HttpService>,
}

impl Services {
    /// The services of one endpoint, in the order in which they are asked. The southbound is last, for every path may be
    /// that of a file.
    fn at(&self, endpoint: &Endpoint) -> Vec<Arc<dyn HttpService>> {
        let all = [(Router::Northbound, &self.northbound), (Router::Southbound, &self.southbound)];
        let chosen = all.into_iter().filter(|(router, _)| endpoint.routers.contains(router));
        chosen.map(|(_, service)| Arc::clone(service)).collect()
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the run before to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Where machines find the southbound: as it was configured, else at the first of its endpoints. Not all firmware speaks TLS, so one without it
/// goes first.
fn southbound_address(config: &Config, listeners: &[(&Endpoint, TcpListener)]) -> Result<SouthboundAddress> {
    if let Some(url) = &config.southbound_url {
        return Ok(SouthboundAddress::Known(url.clone()));
    }
    let southbound = listeners.iter().filter(|(endpoint, _)| endpoint.routers.contains(&Router::Southbound));
    let (endpoint, listener) = southbound
        .min_by_key(|(endpoint, _)| endpoint.tls.is_some())
        .context("there is no southbound endpoint")?;
    let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
    Ok(SouthboundAddress::At { scheme, address: listener.local_addr()? })
}

fn print_welcome(config: &Config, listeners: &[(&Endpoint, TcpListener)], restored: &Restored) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "image-service {}", env!("CARGO_PKG_VERSION"))?;
    for (endpoint, listener) in listeners {
        let address = listener.local_addr()?;
        let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
        for router in &endpoint.routers {
            let root = if *router == Router::Southbound { config.api_root.as_str() } else { "" };
            writeln!(out, "{:<13} {scheme}://{address}{root}/", router.as_str())?;
        }
    }
    writeln!(out, "{:<13} {}", "isos", config.iso_dir.display())?;
    writeln!(out, "{:<13} {}", "microkernels", config.microkernel_dir.display())?;
    write!(out, "{:<13} {} restored", "images", restored.served)?;
    if restored.looked_at > 0 {
        write!(out, ", {} being looked at", restored.looked_at)?;
    }
    if restored.in_error > 0 {
        write!(out, ", {} in error", restored.in_error)?;
    }
    if !restored.downloads.is_empty() {
        write!(out, ", {} to be downloaded", restored.downloads.len())?;
    }
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Each connection and each open file needs a descriptor, and the usual soft limit of 1,024 is soon used up. Tells how many there are.
fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current.unwrap_or(u64::MAX);
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files stays as it is");
            limit.current.unwrap_or(u64::MAX)
        }
    }
}

/// How many of the descriptors the connections of an endpoint may take, so that there are always some for the files that they want. Machines
/// come in thousands, those who manage them do not.
fn connection_limit(descriptors: u64, endpoint: &Endpoint, all: &[Endpoint]) -> usize {
    let share = |endpoint: &Endpoint| if endpoint.routers.contains(&Router::Southbound) { 7 } else { 1 };
    let shares: u64 = all.iter().map(share).sum();
    let limit = descriptors.saturating_sub(FILE_DESCRIPTORS).max(descriptors / 2);
    let limit = u128::from(limit) * u128::from(share(endpoint)) / u128::from(shares.max(1));
    usize::try_from(limit).unwrap_or(usize::MAX).max(1)
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
