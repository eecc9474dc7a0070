//! Accepting and serving connections, until told to stop; then what is under way is brought to its end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Body;
use crate::outbox::Outbox;
use crate::socket::Socket;

pub use hyper::body::Incoming;

/// The most that is buffered of a request, and so the longest head.
const MAX_BUFFER: usize = 64 << 10;

/// After a failed accept (no descriptors left, usually) this long passes before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How connections are treated.
#[derive(Debug, Clone)]
pub struct Server {
    /// A request's head must be complete this long after its connection was opened or last used.
    pub head_timeout: Duration,
    /// A client that takes nothing of its answer for this long is cut. iPXE itself gives up after 120 s of silence.
    pub stall_timeout: Duration,
    /// Connections at once; more wait until the system's backlog is full, and then are refused by it.
    pub max_connections: usize,
    /// After a stop, transfers may go on for this long; then they are cut.
    pub drain_timeout: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(120),
            max_connections: 20_000,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl Server {
    /// Serves `listener` with `handler` until `stop` is ready; returns when the last connection has ended or was cut.
    pub async fn run<H, F>(self, listener: TcpListener, handler: H, stop: impl Future<Output = ()>)
    where
        H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let (stopping, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if connections.len() < self.max_connections => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(self.clone().connection(stream, peer, handler.clone(), stopped.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let _ = stopping.send(true);
        let drained = tokio::time::timeout(self.drain_timeout, async {
            while connections.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            tracing::warn!(connections = connections.len(), "cutting transfers that did not end in time");
            connections.shutdown().await;
        }
    }

    async fn connection<H, F>(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        handler: H,
        mut stopped: watch::Receiver<bool>,
    ) where
        H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        // Without this the end of a small answer can wait for the client's delayed acknowledgement. Failing changes only speed.
        let _ = stream.set_nodelay(true);
        let outbox = Outbox::default();
        let socket = Socket::new(stream, outbox.clone(), self.stall_timeout);
        let service = service_fn(move |request| {
            let (response, outbox) = (handler(request, peer), outbox.clone());
            async move {
                let mut response = response.await;
                response.body_mut().send_through(&outbox);
                Ok::<_, Infallible>(response)
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_buf_size(MAX_BUFFER)
            .half_close(true)
            .writev(true)
            .title_case_headers(true);
        let mut connection = pin!(builder.serve_connection(socket, service));
        let stop = async move {
            // An error means that the server is gone, which is a stop too.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // Clients go away at any moment; that is theirs to do.
            tracing::debug!(%peer, %error, "a connection ended early");
        }
    }
}
