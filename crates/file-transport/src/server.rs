//! Accepting connections and dealing them to the workers, until told to stop; then what is under way is brought to its end.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http::{Request, Response};
use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags, acceptfrom_with, shutdown};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::connection::{self, Arrival, Shared};
use crate::counters::Counters;
use crate::lot::{Idle, Leave, Lot};
use crate::places::{Place, Places, Refusal};
use crate::share::{Counted, Phase, Relief, Share};
use crate::tls::{self, Tls};
use crate::workers::Workers;
use crate::{Body, Wire};

pub use hyper::body::Incoming;

/// After a failed accept (no descriptors left, usually) this long passes before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The most threads that accept connections. They sleep in the system, which wakes one for each connection.
const MAX_ACCEPTORS: usize = 4;

/// After being told to end at once, connections get this long to do so.
const CUT_TIME: Duration = Duration::from_millis(200);

/// How connections are treated.
#[derive(Debug, Clone)]
pub struct Server {
    /// A request's head must be complete this long after its first byte.
    pub head_timeout: Duration,
    /// A connection on which nothing is asked is closed after this long.
    pub idle_timeout: Duration,
    /// A client that takes nothing of its answer for this long is cut. iPXE itself gives up after 120 s of silence.
    pub stall_timeout: Duration,
    /// Connections at once. When there are so many, a new one takes the place of the one that has been idle for longest; where none is
    /// idle, it waits.
    pub max_connections: usize,
    /// Connections at once from one IPv4 address or one IPv6 network of 64 bits. More are closed as they come.
    pub max_connections_per_address: usize,
    /// After a stop, transfers may go on for this long; then they are cut.
    pub drain_timeout: Duration,
    /// With this, connections that are accepted are encrypted.
    pub tls: Option<Tls>,
    /// Where what happens is counted.
    pub counters: Arc<Counters>,
    /// Lets others ask idle connections to go.
    pub relief: Relief,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(120),
            max_connections: 20_000,
            max_connections_per_address: 4096,
            drain_timeout: Duration::from_secs(30),
            tls: None,
            counters: Arc::default(),
            relief: Relief::default(),
        }
    }
}

/// What a connection holds of its server: its place, and that it is counted among those of its worker.
pub(crate) struct Held {
    _place: Place,
    _counted: Counted,
}

impl Held {
    pub(crate) fn new(place: Place, counted: Counted) -> Self {
        Self { _place: place, _counted: counted }
    }
}

/// What accepting needs to know.
struct Reception<H> {
    shared: Arc<Shared<H>>,
    shares: Vec<Arc<Share>>,
    places: Arc<Places>,
}

impl Server {
    /// Serves `listener` with `handler` on `workers` until `stop` is ready; returns when the last connection has ended or was cut.
    ///
    /// # Errors
    ///
    /// The listener cannot be shared between threads, or the system refuses a thread.
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
        let drain_timeout = self.drain_timeout;
        let places = Places::new(self.max_connections.max(1), self.max_connections_per_address.max(1));
        let share = |handle: &Handle| Ok(Share::new(handle.clone(), &places, Some(Lot::new()?)));
        let reception = Arc::new(Reception {
            shared: Arc::new(Shared { server: self, handler }),
            shares: workers.handles().iter().map(share).collect::<io::Result<_>>()?,
            places: Arc::clone(&places),
        });
        let attendants: Vec<_> = reception.shares.iter().map(|share| reception.attend(share)).collect();
        reception.shared.server.relief.add(&reception.shares);
        listener.set_nonblocking(false)?;
        for index in 0..workers.handles().len().min(MAX_ACCEPTORS) {
            let (listener, reception) = (listener.try_clone()?, Arc::clone(&reception));
            let acceptor = thread::Builder::new().name(format!("accept-{index}"));
            acceptor.spawn(move || reception.accept(&listener))?;
        }
        stop.await;
        places.close();
        // Wakes the threads that accept, and refuses whoever connects from now on.
        shutdown(&listener, Shutdown::Both)?;
        drop(listener);
        reception.enter(Phase::Draining);
        let leave = move |limit| {
            let places = Arc::clone(&places);
            tokio::task::spawn_blocking(move || places.wait_until_empty(limit))
        };
        let left = leave(drain_timeout).await.unwrap_or(0);
        if left > 0 {
            tracing::warn!(connections = left, "cutting transfers that did not end in time");
            reception.enter(Phase::Cutting);
            let _ = leave(CUT_TIME).await;
        }
        attendants.iter().for_each(JoinHandle::abort);
        Ok(())
    }
}

impl Server {
    /// Serves one connection that was made elsewhere to its end, on the current runtime.
    pub async fn serve<W, H, F>(self, wire: W, peer: SocketAddr, handler: H)
    where
        W: Wire,
        H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let shared = Arc::new(Shared { server: self, handler });
        let places = Places::new(usize::MAX, usize::MAX);
        let share = Share::new(Handle::current(), &places, None);
        connection::run(wire, peer, shared, share, None, Arrival::New).await;
    }
}

impl<H, F> Reception<H>
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    /// Accepts until the listener is shut down.
    fn accept(&self, listener: &TcpListener) {
        let counters = &self.shared.server.counters;
        loop {
            match acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok((socket, peer)) => {
                    counters.accepted.add();
                    let Some(peer) = peer.and_then(|peer| SocketAddr::try_from(peer).ok()) else { continue };
                    let mut crowded = false;
                    let make_room = || {
                        if !std::mem::replace(&mut crowded, true) {
                            counters.crowded.add();
                        }
                        self.make_room();
                    };
                    match self.places.enter(peer.ip(), make_room) {
                        Ok(place) => self.deal(socket.into(), peer, place),
                        Err(Refusal::Address) => {
                            counters.refused.add();
                            tracing::debug!(%peer, "too many connections from one address");
                        }
                        Err(Refusal::Closed) => return,
                    }
                }
                // The listener was shut down.
                Err(Errno::INVAL) => return,
                // The client went away before it was looked at.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => {
                    counters.failed.add();
                    tracing::warn!(%error, "cannot accept a connection");
                    self.make_room();
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }

    /// Keeps an eye on the connections that idle in the lot of a worker.
    fn attend(&self, share: &Arc<Share>) -> JoinHandle<()> {
        let (shared, share) = (Arc::clone(&self.shared), Arc::clone(share));
        let handle = share.handle.clone();
        handle.spawn(async move {
            let attended = share.attend(|leave| match leave {
                Leave::Expired(idle) => connection::count_expired(&shared.server, idle.begun.is_some()),
                Leave::Readable(Idle { socket, peer, held, begun }) => match TcpStream::from_std(socket) {
                    Ok(stream) => {
                        let (shared, share) = (Arc::clone(&shared), Arc::clone(&share));
                        let arrival = Arrival::Woken(begun);
                        tokio::spawn(connection::run(stream, peer, shared, share, Some(held), arrival));
                    }
                    Err(error) => tracing::warn!(%peer, %error, "cannot watch a connection"),
                },
            });
            if let Err(error) = attended.await {
                tracing::error!(%error, "idle connections cannot be kept small");
            }
        })
    }

    /// Asks the connection to go that has been idle for longest on the worker that has most of them.
    fn make_room(&self) {
        if let Some(share) = self.shares.iter().max_by_key(|share| share.idle()) {
            share.drop_an_idle_one();
        }
    }

    /// Gives a connection to the worker that has fewest.
    fn deal(&self, stream: std::net::TcpStream, peer: SocketAddr, place: Place) {
        let Some(share) = self.shares.iter().min_by_key(|share| share.connections()).cloned() else { return };
        let shared = Arc::clone(&self.shared);
        // Counted at once, so that those who come together are not all sent to the same worker.
        let held = Held::new(place, Share::count(&share));
        let handle = share.handle.clone();
        handle.spawn(async move {
            // Registers with the runtime of the worker, which therefore has to do it.
            match TcpStream::from_std(stream) {
                Ok(stream) => {
                    // Without this the end of a small answer can wait for the client's delayed acknowledgement. Failing changes only
                    // speed.
                    let _ = stream.set_nodelay(true);
                    match &shared.server.tls {
                        None => connection::run(stream, peer, shared, share, Some(held), Arrival::New).await,
                        Some(tls) => {
                            let met = Box::pin(tls::meet(tls, stream, peer, &shared.server, &share)).await;
                            if let Some(stream) = met {
                                connection::run(stream, peer, shared, share, Some(held), Arrival::New).await;
                            }
                        }
                    }
                }
                Err(error) => tracing::warn!(%peer, %error, "cannot watch a connection"),
            }
        });
    }
}

impl<H> Reception<H> {
    fn enter(&self, phase: Phase) {
        self.shares.iter().for_each(|share| share.enter(phase));
    }
}
