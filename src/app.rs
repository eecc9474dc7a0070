//! Wiring: opens the core, images and components, serves their endpoints, and stops in reverse order.

mod browsers;
mod checks;
mod descriptors;
mod endpoints;
mod limits;
mod services;
mod signals;
mod welcome;

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow};
use component::{Component, Core};
use file_transport::{Counters, ExemptAddresses, IdleEviction, Incoming, Server, ServerSettings, Workers};
use http::Request;
use http_service::answer;
use tokio::signal::unix::Signal;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Components, Config, Endpoint};
use crate::log::Log;
use crate::northbound::Process;
use crate::reload::Reloader;
use services::Services;
use signals::Signals;

/// Runs the service until it is told to stop (SIGTERM or SIGINT). A second signal ends it at once. Each of
/// `hangups` reloads the settings.
///
/// # Errors
///
/// The core, images or a component cannot be opened, or an endpoint cannot be served.
pub async fn run(mut config: Config, log: Log, reloader: Reloader, hangups: Signal) -> Result<()> {
    let mut signals = Signals::listen()?;
    tokio::spawn(signals::reload_on_hangup(hangups, reloader.clone()));
    let descriptors = descriptors::raise_limit();
    let connections = Arc::new(Counters::default());
    let idle_eviction = IdleEviction::default();
    let core = Core::open(&config.core, Arc::clone(&connections))?;
    let mut images = images::open(&core, &config.images).await?;
    let mut components = vec![std::mem::take(&mut images.component)];
    components.extend(open_components(&core, std::mem::take(&mut config.components)).await?);
    let listeners = endpoints::listen(&config.endpoints)?;
    let southbound_address = endpoints::southbound_address(&config, &listeners)?;
    let workers = Arc::new(Workers::one_a_core().context("cannot start the threads that serve connections")?);
    let process = Process { started: SystemTime::now(), log, reloader };
    let services = Services::new(
        &core,
        &images,
        components,
        &config,
        southbound_address,
        process,
        &workers,
        &idle_eviction,
    )?;
    // Before the first client can ask for them.
    core.resume_jobs();
    images.jobs.begin_downloads(&images.restored.downloads);
    let told = welcome::text(&config, &listeners, &images.restored);
    let stop = CancellationToken::new();
    let mut servers = JoinSet::new();
    for (endpoint, listener) in listeners {
        let limit = descriptors::connection_limit(descriptors, endpoint, &config.endpoints);
        let settings = server_settings(&config, endpoint, limit);
        let (counters, idle_eviction) = (Arc::clone(&connections), idle_eviction.clone());
        let server = Server::new(ServerSettings { counters, idle_eviction, ..settings });
        let services = services.at(endpoint);
        let (proxies, is_encrypted) = (config.trusted_proxies.clone(), endpoint.tls.is_some());
        let handler = move |request: Request<Incoming>, peer| {
            let client = proxies.client(peer, is_encrypted, request.headers());
            answer(&services, request, client)
        };
        let started = server.start(&workers, listener, handler).context("an endpoint cannot be served")?;
        servers.spawn(started.until(stop.clone().cancelled_owned()));
    }
    // Readers of these lines take the service for ready.
    told.and_then(welcome::print).context("cannot print where the service is")?;
    let failed = tokio::select! {
        () = signals.wait() => None,
        ended = servers.join_next() => ended,
    };
    tracing::info!(limit = ?config.connections.get().drain_timeout, "stopping: transfers in flight may end");
    stop.cancel();
    // Subscribers of the change feed would stay connected until the drain timeout.
    core.feed.close();
    tokio::select! {
        () = async { while servers.join_next().await.is_some() {} } => {}
        () = signals.wait() => tracing::warn!("stopping at once"),
    }
    core.stop_work().await;
    images.catalog.close().await;
    core.close().await;
    tracing::info!("stopped");
    match failed {
        Some(Ok(Err(error))) => Err(error).context("an endpoint cannot be served"),
        Some(Err(error)) => Err(error).context("an endpoint is no longer served"),
        Some(Ok(Ok(()))) | None => Ok(()),
    }
}

/// How an endpoint treats its connections, of which there may be `limit` for want of descriptors.
fn server_settings(config: &Config, endpoint: &Endpoint, limit: usize) -> ServerSettings {
    let proxies = config.trusted_proxies.clone();
    ServerSettings {
        limits: limits::follow(config, limit),
        tls: endpoint.tls.clone(),
        exempt: ExemptAddresses::new(move |address| proxies.contains(address)),
        ..ServerSettings::default()
    }
}

/// Opens the components that are on, in the order of `components.rs`.
async fn open_components(core: &Core, components: Components) -> Result<Vec<Component>> {
    let mut open = Vec::new();
    for (name, component) in components.0 {
        let opened = component(core.clone()).await;
        open.push(
            opened.map_err(|error| anyhow!(error).context(format!("cannot open the component {name}")))?,
        );
    }
    Ok(open)
}
