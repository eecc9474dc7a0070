//! Wiring only: shelves → desk → jobs → doors, and the way down again.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use file_transport::{Body, Incoming, Server};
use http::{Request, Response};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, Restored, Shelves};
use crate::config::{Config, Endpoint, ImageBackend, Router};
use crate::inventory::{Inventory, JsonFile, Records};
use crate::jobs::{self, Jobs};
use crate::model::image::Status;
use crate::model::stored_file::Shelf;
use crate::northbound::{self, Northbound, Routes};
use crate::southbound::Southbound;
use crate::store::{Limits, Store};
use crate::trees::{Mounts, Trees};

/// Connections that may wait to be accepted: a rack that powers on comes all at once.
const BACKLOG: u32 = 4096;

/// Runs the service until it is told to stop (SIGTERM or SIGINT). A second signal ends it at once.
pub async fn run(config: Config) -> Result<()> {
    let mut signals = Signals::listen()?;
    raise_descriptor_limit();
    let catalog = open_catalog(&config)?;
    let restored = catalog.restore().await?;
    let settings =
        jobs::Settings { max_downloads: config.max_downloads, stall_timeout: config.download_stall_timeout };
    let jobs = Jobs::start(catalog.clone(), settings).context("cannot make the client for downloads")?;

    let doors = Doors {
        northbound: Northbound::new(catalog.clone(), jobs.clone(), &config.api_root).router(
            &northbound::Settings { timeout: config.http_timeout, cors_origins: config.cors_origins.clone() },
        ),
        southbound: Southbound::new(catalog.clone(), &config.api_root),
    };
    let mut listeners = Vec::new();
    for endpoint in &config.endpoints {
        let listener = listen(endpoint.address);
        listeners.push((
            endpoint,
            listener.with_context(|| format!("cannot listen on {} (httpEndpoints)", endpoint.address))?,
        ));
    }
    if let Err(error) = print_welcome(&config, &listeners, &restored) {
        // Nobody may be able to read it; the service is there all the same.
        tracing::warn!(%error, "cannot print where the service is");
    }
    jobs.resume(&restored.downloads);

    let stop = CancellationToken::new();
    let mut servers = JoinSet::new();
    for (endpoint, listener) in listeners {
        let (doors, routers) = (doors.clone(), endpoint.routers.clone());
        let handler = move |request, peer| doors.clone().handle(routers.clone(), request, peer);
        let server = Server { drain_timeout: config.shutdown_timeout, ..Server::default() };
        servers.spawn(server.run(listener, handler, stop.clone().cancelled_owned()));
    }
    signals.wait().await;
    tracing::info!(limit = ?config.shutdown_timeout, "stopping: transfers in flight may end");
    stop.cancel();
    tokio::select! {
        () = async { while servers.join_next().await.is_some() {} } => {}
        () = signals.wait() => tracing::warn!("stopping at once"),
    }
    jobs.stop().await;
    catalog.close().await;
    tracing::info!("stopped");
    Ok(())
}

fn open_catalog(config: &Config) -> Result<Catalog> {
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
    let limits = Limits { max_file_size: config.max_file_size, reserve: config.reserve_bytes };
    let isos = Store::open(Shelf::Iso, config.iso_dir.clone(), limits)?;
    let trees = match config.image_backend {
        ImageBackend::Extents => Trees::extents(config.tree_cache_bytes),
        ImageBackend::Mount => Trees::Mounted(take_mounts(config, &inventory, &isos)?),
    };
    let shelves = Shelves {
        isos,
        microkernels: Store::open(Shelf::Microkernel, config.microkernel_dir.clone(), limits)?,
        trees,
        root: config.root_dir.clone(),
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
                records.files.get(&(Shelf::Iso, image.iso.clone())).and_then(|file| file.local.clone());
            let path = fs::canonicalize(local.unwrap_or_else(|| isos.path(&image.iso))).ok()?;
            Some((image.name.clone(), image.version.clone(), path))
        })
        .collect();
    Mounts::take(config.mount_dir.clone(), &expected)
        .context("cannot use `mountDir` with \"imageBackend\": \"mount\"")
}

#[derive(Clone)]
struct Doors {
    northbound: Routes,
    southbound: Southbound,
}

impl Doors {
    async fn handle(
        self,
        routers: Vec<Router>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<Body> {
        let northbound = routers.contains(&Router::Northbound);
        let southbound = routers.contains(&Router::Southbound);
        // Where both share an endpoint, the management paths are the northbound's and all others are files.
        if northbound && (!southbound || Routes::owns(request.uri().path())) {
            self.northbound.handle(request, peer).await
        } else {
            self.southbound.handle(request, peer).await
        }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the run before to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn print_welcome(config: &Config, listeners: &[(&Endpoint, TcpListener)], restored: &Restored) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "image-service {}", env!("CARGO_PKG_VERSION"))?;
    for (endpoint, listener) in listeners {
        let address = listener.local_addr()?;
        for router in &endpoint.routers {
            let root = if *router == Router::Southbound { config.api_root.as_str() } else { "" };
            writeln!(out, "{:<13} http://{address}{root}/", router.as_str())?;
        }
    }
    writeln!(out, "{:<13} {}", "isos", config.iso_dir.display())?;
    writeln!(out, "{:<13} {}", "microkernels", config.microkernel_dir.display())?;
    write!(out, "{:<13} {} restored", "images", restored.served)?;
    if restored.in_error > 0 {
        write!(out, ", {} in error", restored.in_error)?;
    }
    if !restored.downloads.is_empty() {
        write!(out, ", {} to be downloaded", restored.downloads.len())?;
    }
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Each connection and each open image needs a descriptor, and the usual soft limit of 1,024 is soon used up.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(
            Resource::Nofile,
            rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum },
        )
    {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
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
