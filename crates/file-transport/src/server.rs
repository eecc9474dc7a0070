//! Accepting connections and distributing them over the workers, until a stop; then the requests that were
//! read are answered.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags, acceptfrom_with, shutdown};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::access_log::ACCESS_LOG;
use crate::body::Body;
use crate::connection::{self, Arrival, Shared};
use crate::connection_limit::{ConnectionLimit, ConnectionPermit, Refusal};
use crate::idle_eviction::evict_one;
use crate::idle_pool::{IdlePool, Removed};
use crate::limits::LiveLimits;
use crate::settings::ServerSettings;
use crate::tls;
use crate::wire::Wire;
use crate::worker_load::{IdleConnection, Phase, WorkerLoad};
use crate::workers::Workers;

/// The pause after a failed accept. Usually there is no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The most threads that accept connections. They sleep in the system, which wakes one for each connection.
const MAX_ACCEPTORS: usize = 4;

/// How long connections have to end after they were told to end at once.
const CUT_TIME: Duration = Duration::from_millis(200);

/// Speaks HTTP/1.1 on connections, as its settings say.
#[derive(Debug, Clone, Default)]
pub struct Server {
    settings: ServerSettings,
}

/// What the threads that accept connections share.
struct Acceptor<H> {
    shared: Arc<Shared<H>>,
    loads: Vec<Arc<WorkerLoad>>,
    limit: Arc<ConnectionLimit>,
}

/// A server that serves a listener.
pub struct Started<H> {
    acceptor: Arc<Acceptor<H>>,
    listener: TcpListener,
    limits: LiveLimits,
    idle_pools: Vec<JoinHandle<()>>,
}

impl Server {
    /// A server with these settings.
    pub fn new(settings: ServerSettings) -> Self {
        Self { settings }
    }

    /// Serves `listener` with `handler` on `workers` until `stop` is ready. Returns when the last connection
    /// has ended or was cut.
    ///
    /// # Errors
    ///
    /// As of [`Self::start`].
    pub async fn run<H, F>(
        self,
        workers: &Workers,
        listener: TcpListener,
        handler: H,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()>
    where
        H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        self.start(workers, listener, handler)?.until(stop).await
    }

    /// Begins to serve `listener` with `handler` on `workers`. The threads that accept connections run when
    /// this returns.
    ///
    /// # Errors
    ///
    /// The listener cannot be shared between threads, or the system refuses a thread.
    pub fn start<H, F>(self, workers: &Workers, listener: TcpListener, handler: H) -> io::Result<Started<H>>
    where
        H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let settings = self.settings;
        let limits = settings.limits.clone();
        let limit = ConnectionLimit::new(limits.clone());
        let load = |handle: &Handle| Ok(WorkerLoad::new(handle.clone(), &limit, Some(IdlePool::new()?)));
        let acceptor = Arc::new(Acceptor {
            shared: Arc::new(Shared { settings, handler }),
            loads: workers.handles().iter().map(load).collect::<io::Result<_>>()?,
            limit,
        });
        let idle_pools = acceptor.loads.iter().map(|load| acceptor.run_idle_pool(load)).collect();
        acceptor.shared.settings.idle_eviction.add(&acceptor.loads);
        listener.set_nonblocking(false)?;
        for index in 0..workers.handles().len().min(MAX_ACCEPTORS) {
            let (listener, acceptor) = (listener.try_clone()?, Arc::clone(&acceptor));
            let thread = thread::Builder::new().name(format!("accept-{index}"));
            thread.spawn(move || acceptor.accept(&listener))?;
        }
        Ok(Started { acceptor, listener, limits, idle_pools })
    }

    /// Serves one connection, made by the caller, to its end on the current runtime.
    pub async fn serve<W, H, F>(self, wire: W, peer: SocketAddr, handler: H)
    where
        W: Wire,
        H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let shared = Arc::new(Shared { settings: self.settings, handler });
        let limit = ConnectionLimit::new(LiveLimits::default());
        let load = WorkerLoad::new(Handle::current(), &limit, None);
        connection::run(wire, peer, shared, load, None, Arrival::New).await;
    }
}

impl<H> Started<H> {
    /// Serves until `stop` is ready. Returns when the last connection has ended or was cut.
    ///
    /// # Errors
    ///
    /// The listener cannot be closed.
    pub async fn until(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let Self { acceptor, listener, limits, idle_pools } = self;
        stop.await;
        acceptor.limit.close();
        // Wakes the threads that accept, and refuses new clients.
        shutdown(&listener, Shutdown::Both)?;
        drop(listener);
        acceptor.enter(Phase::Draining);
        let wait_until_empty = |time| {
            let limit = Arc::clone(&acceptor.limit);
            tokio::task::spawn_blocking(move || limit.wait_until_empty(time))
        };
        let left = wait_until_empty(limits.get().drain_timeout).await.unwrap_or(0);
        if left > 0 {
            tracing::warn!(connections = left, "cutting transfers that did not end in time");
            acceptor.enter(Phase::Cutting);
            let _ = wait_until_empty(CUT_TIME).await;
        }
        idle_pools.iter().for_each(JoinHandle::abort);
        Ok(())
    }
}

impl<H, F> Acceptor<H>
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    /// Accepts connections until the listener is shut down.
    fn accept(&self, listener: &TcpListener) {
        let (counters, exempt) = (&self.shared.settings.counters, &self.shared.settings.exempt);
        loop {
            match acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok((socket, peer)) => {
                    counters.accepted.add();
                    let Some(peer) = peer.and_then(|peer| SocketAddr::try_from(peer).ok()) else { continue };
                    // An IPv4 client of an IPv6 socket has a mapped address (RFC 4291 §2.5.5.2).
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    let mut crowded = false;
                    let make_room = |connections| {
                        if !std::mem::replace(&mut crowded, true) {
                            counters.crowded.add();
                        }
                        (0..connections).for_each(|_| evict_one(&self.loads));
                    };
                    let counted = Some(peer.ip()).filter(|address| !exempt.contains(*address));
                    match self.limit.acquire(counted, make_room) {
                        Ok(permit) => self.assign(socket.into(), peer, permit),
                        Err(Refusal::Address) => {
                            counters.refused.add();
                            tracing::info!(target: ACCESS_LOG, client = %peer, "too many connections from one address");
                        }
                        Err(Refusal::Closed) => return,
                    }
                }
                // The listener was shut down.
                Err(Errno::INVAL) => return,
                // The client has gone away already.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => {
                    counters.failed.add();
                    tracing::warn!(%error, "cannot accept a connection");
                    evict_one(&self.loads);
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }

    /// Runs the pool of a worker on that worker.
    fn run_idle_pool(&self, load: &Arc<WorkerLoad>) -> JoinHandle<()> {
        let (shared, load) = (Arc::clone(&self.shared), Arc::clone(load));
        let handle = load.handle.clone();
        handle.spawn(async move {
            let run = load.run_idle_pool(|removed| match removed {
                Removed::Expired(idle) => connection::count_expired(&shared.settings, idle.head.is_some()),
                Removed::Readable(idle) => {
                    let IdleConnection { socket, peer, admission, head } = idle;
                    match TcpStream::from_std(socket) {
                        Ok(stream) => {
                            let (shared, load) = (Arc::clone(&shared), Arc::clone(&load));
                            let (admission, arrival) = (Some(admission), Arrival::Woken(head));
                            tokio::spawn(connection::run(stream, peer, shared, load, admission, arrival));
                        }
                        Err(error) => tracing::warn!(%peer, %error, "cannot wait for a connection"),
                    }
                }
            });
            if let Err(error) = run.await {
                tracing::error!(%error, "idle connections cannot be kept small");
            }
        })
    }

    /// Gives a connection to the worker that has fewest.
    fn assign(&self, stream: std::net::TcpStream, peer: SocketAddr, permit: ConnectionPermit) {
        let Some(load) = self.loads.iter().min_by_key(|load| load.connections()).cloned() else { return };
        let shared = Arc::clone(&self.shared);
        // Counted at once, so that connections that come together go to different workers.
        let admission = WorkerLoad::admit(&load, permit);
        let handle = load.handle.clone();
        handle.spawn(async move {
            // Registers the socket with the current runtime, so it has to run on the worker.
            let stream = match TcpStream::from_std(stream) {
                Ok(stream) => stream,
                Err(error) => return tracing::warn!(%peer, %error, "cannot wait for a connection"),
            };
            // Otherwise the end of a small answer can wait for a delayed acknowledgement. A failure only
            // costs speed.
            let _ = stream.set_nodelay(true);
            let settings = &shared.settings;
            match &settings.tls {
                None => connection::run(stream, peer, shared, load, Some(admission), Arrival::New).await,
                Some(tls) => {
                    let (limit, counters) = (settings.head_timeout, &settings.counters);
                    let accepted =
                        Box::pin(tls::accept_within(limit, tls, stream, peer, counters, &load)).await;
                    if let Some(stream) = accepted {
                        connection::run(stream, peer, shared, load, Some(admission), Arrival::New).await;
                    }
                }
            }
        });
    }
}

impl<H> Acceptor<H> {
    fn enter(&self, phase: Phase) {
        self.loads.iter().for_each(|load| load.enter(phase));
    }
}
