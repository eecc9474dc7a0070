//! The life of one connection: idle, speaking, idle again, until somebody has enough.
//!
//! While nothing is asked, a connection is no more than its socket in the [`Lot`](crate::lot::Lot): hyper's state and buffers (some 17 KiB) exist
//! only from the first byte of a request to a quiet moment after the last answer. So ten thousand idle clients cost next to nothing,
//! and neither do ten thousand who send their request a byte a minute.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Body as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::time::{Instant, sleep, sleep_until};

use crate::body::Body;
use crate::lot::{Begun, Idle};
use crate::outbox::{Activity, Outbox};
use crate::server::{Held, Incoming, Server};
use crate::share::{Phase, Share};
use crate::socket::Socket;
use crate::wire::Wire;

/// The most that is buffered of a request, and so the longest head.
const MAX_BUFFER: usize = 64 << 10;

/// How often a speaking connection is looked at. One that did nothing in between becomes idle.
const TICK: Duration = Duration::from_secs(1);

/// The first looks come sooner, and then ever later: most clients that pause have asked for what they wanted.
const FIRST_TICK: Duration = Duration::from_millis(5);

/// After so many bytes a connection lets the others of its thread go on.
const TURN: u64 = 2 << 20;

/// What all connections of a server have in common.
pub(crate) struct Shared<H> {
    pub(crate) server: Server,
    pub(crate) handler: H,
}

/// Why a connection stopped speaking.
enum Pause<W> {
    /// It has ended.
    Over,
    /// It was quiet for a while. With what was read of the next request, if that has begun, and when that must be complete, if it was seen
    /// to come.
    Quiet { wire: W, unread: Bytes, head_deadline: Option<Instant> },
}

/// Why a connection is no longer idle.
enum Wake {
    Readable,
    Expired,
    /// The server stops, or needs the room.
    Unwanted,
}

/// Where a connection comes from.
pub(crate) enum Arrival {
    /// From the client.
    New,
    /// From the lot, because something comes, perhaps the rest of a head.
    Woken(Option<Box<Begun>>),
}

/// Serves a connection until it ends or can be left in the lot. Without what it holds of the server it is served to its end.
pub(crate) async fn run<W, H, F>(
    mut wire: W,
    peer: SocketAddr,
    shared: Arc<Shared<H>>,
    share: Arc<Share>,
    held: Option<Held>,
    arrival: Arrival,
) where
    W: Wire,
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let server = &shared.server;
    let is_new = matches!(arrival, Arrival::New);
    let mut begun = match arrival {
        Arrival::New => None,
        Arrival::Woken(begun) => begun,
    };
    // Those who have just come or just been answered mostly speak at once.
    let mut is_readable = !is_new;
    let mut patience = if is_new { FIRST_TICK } else { Duration::ZERO };
    loop {
        let now = Instant::now();
        // A head that has not begun may take as long as idling may.
        let deadline = begun.as_ref().map_or(now + server.idle_timeout, |begun| begun.deadline);
        let can_park = wire.is_socket() && held.is_some() && share.lot().is_some();
        if !is_readable {
            let until = if can_park { deadline.min(now + patience) } else { deadline };
            match idle(&mut wire, until, &share).await {
                Wake::Readable => {}
                Wake::Unwanted => return,
                Wake::Expired if until < deadline => {
                    if let (Ok(socket), Some(held)) = (wire.into_socket(), held) {
                        share.park(Idle { socket, peer, held, begun }, deadline);
                    }
                    return;
                }
                Wake::Expired => return count_expired(server, begun.is_some()),
            }
        }
        (is_readable, patience) = (false, Duration::ZERO);
        let (unread, deadline) = match begun.take() {
            Some(begun) => (begun.unread, begun.deadline),
            None => (Bytes::new(), Instant::now() + server.head_timeout),
        };
        match Box::pin(speak(wire, unread, deadline, peer, &shared, &share)).await {
            Pause::Over => return,
            Pause::Quiet { wire: again, unread, head_deadline } => {
                if share.is_crowded() {
                    return;
                }
                wire = again;
                let deadline = head_deadline.unwrap_or_else(|| Instant::now() + server.head_timeout);
                begun = (!unread.is_empty()).then(|| Box::new(Begun { unread, deadline }));
            }
        }
    }
}

/// Counts a connection that ends because nothing came, or not the rest of a head.
pub(crate) fn count_expired(server: &Server, has_begun: bool) {
    let counter = if has_begun { &server.counters.slow_heads } else { &server.counters.idle };
    counter.add();
}

/// Waits until the client says something.
async fn idle<W: Wire>(wire: &mut W, deadline: Instant, share: &Share) -> Wake {
    let mut unwanted = pin!(share.unwanted());
    let _counted = share.count_idle();
    if share.phase() > Phase::Serving {
        return Wake::Unwanted;
    }
    let mut expired = pin!(sleep_until(deadline));
    poll_fn(|context| {
        // An error is met again by who reads.
        if wire.poll_readable(context).is_ready() {
            return Poll::Ready(Wake::Readable);
        }
        if unwanted.as_mut().poll(context).is_ready() {
            return Poll::Ready(Wake::Unwanted);
        }
        expired.as_mut().poll(context).map(|()| Wake::Expired)
    })
    .await
}

/// Speaks HTTP until the connection ends or has been quiet for a while.
async fn speak<W, H, F>(
    wire: W,
    unread: Bytes,
    head_deadline: Instant,
    peer: SocketAddr,
    shared: &Arc<Shared<H>>,
    share: &Share,
) -> Pause<W>
where
    W: Wire,
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let outbox = Outbox::default();
    let socket = Socket::new(wire, unread, outbox.clone());
    let service = {
        let (shared, outbox) = (Arc::clone(shared), outbox.clone());
        service_fn(move |request: Request<Incoming>| {
            let (has_body, is_head) = (!request.body().is_end_stream(), request.method() == Method::HEAD);
            let (answering, version) = (outbox.begin(has_body), request.version());
            let response = (shared.handler)(request, peer);
            async move {
                let mut response = response.await;
                // hyper takes an empty answer to HEAD for one that says nothing of its length.
                let says_length =
                    !matches!(response.status(), StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT);
                if is_head && says_length && response.body().length() == Some(0) {
                    response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
                }
                // hyper can take what follows a body for a request, good or bad, while the answer is still on its way.
                if has_body {
                    // Otherwise hyper would tell an older client that the connection stays open, as well.
                    *response.version_mut() = version;
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response.body_mut().answer(answering);
                Ok::<_, Infallible>(response)
            }
        })
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_BUFFER).half_close(true).writev(true).title_case_headers(true);
    let mut connection = builder.serve_connection(socket, service);
    let mut watcher = Watcher {
        outbox: &outbox,
        last: Activity::default(),
        head_deadline: Some(head_deadline),
        unmoved: Duration::ZERO,
        quiet: Duration::ZERO,
    };
    let mut tick_length = FIRST_TICK;
    let (mut tick, mut changed) = (pin!(sleep(tick_length)), pin!(share.phase_changed()));
    let mut phase = Phase::Serving;
    let ended = poll_fn(|context: &mut Context<'_>| {
        while share.phase() > phase {
            phase = share.phase();
            changed.set(share.phase_changed());
            Pin::new(&mut connection).graceful_shutdown();
        }
        if phase == Phase::Cutting {
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the server stops"))));
        }
        outbox.begin_turn(TURN);
        if let Poll::Ready(ended) = Pin::new(&mut connection).poll(context) {
            return Poll::Ready(Some(ended.map_err(io::Error::other)));
        }
        if phase > Phase::Serving && outbox.blocks_for_nothing() {
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the server stops"))));
        }
        if changed.as_mut().poll(context).is_ready() {
            // The change may be one that was seen above before it was told of; what is ready once would be ready for ever.
            changed.set(share.phase_changed());
            context.waker().wake_by_ref();
        }
        while tick.as_mut().poll(context).is_ready() {
            match watcher.look(shared, tick_length) {
                Verdict::Go => {
                    tick_length = TICK.min(tick_length * 2);
                    tick.as_mut().reset(Instant::now() + tick_length);
                }
                Verdict::Park => return Poll::Ready(None),
                Verdict::Cut(reason) => {
                    return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, reason))));
                }
            }
        }
        Poll::Pending
    })
    .await;
    match ended {
        None => {
            let parts = connection.into_parts();
            let (wire, unread) = parts.io.into_parts();
            // Both can hold bytes only if this spell read nothing.
            let unread = if parts.read_buf.is_empty() { unread } else { parts.read_buf };
            Pause::Quiet { wire, unread, head_deadline: watcher.head_deadline }
        }
        Some(Ok(())) => Pause::Over,
        Some(Err(error)) => {
            // Clients go away at any moment; that is theirs to do.
            tracing::debug!(%peer, %error, "a connection ended early");
            shared.server.counters.broken.add();
            Pause::Over
        }
    }
}

/// Looks at a speaking connection from time to time.
struct Watcher<'a> {
    outbox: &'a Outbox,
    last: Activity,
    /// When the head that is coming must be complete; `None` if none is known to be.
    head_deadline: Option<Instant>,
    /// How long the client has taken nothing of what there is to send.
    unmoved: Duration,
    /// How long nothing at all has happened.
    quiet: Duration,
}

enum Verdict {
    Go,
    Park,
    Cut(&'static str),
}

impl Watcher<'_> {
    /// Judges what happened in the time `passed` since the last look.
    fn look<H>(&mut self, shared: &Shared<H>, passed: Duration) -> Verdict {
        let (before, now) = (self.last, self.outbox.activity());
        self.last = now;
        let moved = now.writes != before.writes || !self.outbox.is_blocked();
        self.unmoved = if moved { Duration::ZERO } else { self.unmoved + passed };
        if self.unmoved >= shared.server.stall_timeout {
            shared.server.counters.stalled.add();
            return Verdict::Cut("the client took nothing for too long");
        }
        if !self.outbox.is_settled() || now.requests != before.requests {
            self.head_deadline = None;
            self.quiet = Duration::ZERO;
            return Verdict::Go;
        }
        self.quiet = if now == before { self.quiet + passed } else { Duration::ZERO };
        if self.outbox.has_body() {
            // No head follows. Somebody may still read the body, which must not be taken for one.
            if self.quiet < shared.server.idle_timeout {
                return Verdict::Go;
            }
            shared.server.counters.idle.add();
            return Verdict::Cut("nothing came of a body for too long");
        }
        if now == before {
            return Verdict::Park;
        }
        // Bytes came, but no request: a head comes in parts.
        let time = Instant::now();
        if time > *self.head_deadline.get_or_insert(time + shared.server.head_timeout) {
            shared.server.counters.slow_heads.add();
            return Verdict::Cut("the head of a request took too long");
        }
        Verdict::Go
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::net::TcpStream;
    use tokio::runtime::Handle;

    use super::*;
    use crate::places::Places;

    /// A change can be seen just before it is told of, which must not keep the connection awake.
    #[tokio::test]
    async fn a_change_that_was_seen_before_it_is_told_wakes_once() {
        let share = Share::new(Handle::current(), &Places::new(1, 1), None);
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&polls);
        let handler = move |_, _| {
            let counted = Arc::clone(&counted);
            poll_fn(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                Poll::<Response<Body>>::Pending
            })
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut client = std::net::TcpStream::connect(address).expect("a connection");
        let (stream, peer) = listener.accept().expect("a connection");
        stream.set_nonblocking(true).expect("a mode");
        let stream = TcpStream::from_std(stream).expect("room");
        let shared = Arc::new(Shared { server: Server::default(), handler });
        let served = tokio::spawn(run(stream, peer, shared, Arc::clone(&share), None, Arrival::New));
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        sleep(Duration::from_millis(50)).await;
        for _ in 0..2 {
            share.enter(Phase::Draining);
            sleep(Duration::from_millis(50)).await;
        }
        served.abort();
        let polls = polls.load(Ordering::Relaxed);
        assert!((1..50).contains(&polls), "asked {polls} times");
    }
}
