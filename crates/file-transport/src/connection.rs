//! The life of one connection: idle, serving requests, idle again, until the client or the server ends it.
//!
//! Without a request a connection is no more than its socket in the [`IdlePool`](crate::idle_pool::IdlePool).
//! hyper's state and buffers, some 17 KiB, exist from the first byte of a request to a quiet moment after the
//! last answer. So ten thousand idle clients cost next to nothing, and neither do ten thousand that send a
//! head at a byte a minute.

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
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::time::{Instant, sleep, sleep_until};

use crate::access_log::ACCESS_LOG;
use crate::body::Body;
use crate::send_queue::{Activity, SendQueue};
use crate::settings::ServerSettings;
use crate::socket::Socket;
use crate::wire::Wire;
use crate::worker_load::{Admission, IdleConnection, PartialHead, Phase, WorkerLoad};

/// The most that is buffered of a request, and so the longest head.
const MAX_BUFFER: usize = 64 << 10;

/// How often an active connection is checked. One that did nothing in between becomes idle.
const TICK: Duration = Duration::from_secs(1);

/// The first check comes sooner, and later ones at growing intervals: most clients that pause have got what
/// they wanted.
const FIRST_TICK: Duration = Duration::from_millis(5);

/// After so many bytes a connection lets the others of its thread go on.
const TURN: u64 = 2 << 20;

/// What all connections of a server share.
pub(crate) struct Shared<H> {
    pub(crate) settings: ServerSettings,
    pub(crate) handler: H,
}

/// Why a connection stopped serving requests.
enum Pause<W> {
    /// It has ended.
    Over,
    /// It was quiet for a while. `unread` is the beginning of the next head, `head_deadline` its deadline if
    /// its arrival was seen.
    Quiet { wire: W, unread: Bytes, head_deadline: Option<Instant> },
}

/// Why a connection is no longer idle.
enum Wake {
    Readable,
    Expired,
    /// The server stops, or another connection needs the permit.
    Evicted,
}

/// Where a connection comes from.
pub(crate) enum Arrival {
    /// From the client.
    New,
    /// From the idle pool, because bytes have come. They may continue a head.
    Woken(Option<Box<PartialHead>>),
}

/// Serves a connection until it ends or can be parked in the idle pool. Without an admission it is never
/// parked.
pub(crate) async fn run<W, H, F>(
    mut wire: W,
    peer: SocketAddr,
    shared: Arc<Shared<H>>,
    load: Arc<WorkerLoad>,
    admission: Option<Admission>,
    arrival: Arrival,
) where
    W: Wire,
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let settings = &shared.settings;
    let is_new = matches!(arrival, Arrival::New);
    let mut head = match arrival {
        Arrival::New => None,
        Arrival::Woken(head) => head,
    };
    // A client that has just connected or been answered mostly sends a request at once.
    let mut is_readable = !is_new;
    let mut patience = if is_new { FIRST_TICK } else { Duration::ZERO };
    loop {
        let now = Instant::now();
        // Until a head begins, the idle timeout counts.
        let deadline = head.as_ref().map_or(now + settings.idle_timeout, |head| head.deadline);
        let can_park = wire.is_socket() && admission.is_some() && load.can_park();
        if !is_readable {
            let until = if can_park { deadline.min(now + patience) } else { deadline };
            match idle(&mut wire, until, &load).await {
                Wake::Readable => {}
                Wake::Evicted => return,
                Wake::Expired if until < deadline => {
                    if let (Ok(socket), Some(admission)) = (wire.into_socket(), admission) {
                        load.park(IdleConnection { socket, peer, admission, head }, deadline);
                    }
                    return;
                }
                Wake::Expired => return count_expired(settings, head.is_some()),
            }
        }
        (is_readable, patience) = (false, Duration::ZERO);
        let (unread, deadline) = match head.take() {
            Some(head) => (head.unread, head.deadline),
            None => (Bytes::new(), Instant::now() + settings.head_timeout),
        };
        match Box::pin(speak(wire, unread, deadline, peer, &shared, &load)).await {
            Pause::Over => return,
            Pause::Quiet { wire: again, unread, head_deadline } => {
                if load.is_crowded() {
                    return;
                }
                wire = again;
                let deadline = head_deadline.unwrap_or_else(|| Instant::now() + settings.head_timeout);
                head = (!unread.is_empty()).then(|| Box::new(PartialHead { unread, deadline }));
            }
        }
    }
}

/// Counts a connection that ends because no request came, or not the rest of its head.
pub(crate) fn count_expired(settings: &ServerSettings, has_begun: bool) {
    let counter = if has_begun { &settings.counters.slow_heads } else { &settings.counters.idle };
    counter.add();
}

/// Waits until the client sends something.
async fn idle<W: Wire>(wire: &mut W, deadline: Instant, load: &WorkerLoad) -> Wake {
    let idle = load.count_idle();
    let mut evicted = pin!(idle.evicted());
    if load.phase() > Phase::Serving {
        return Wake::Evicted;
    }
    let mut expired = pin!(sleep_until(deadline));
    poll_fn(|context| {
        // The next read meets an error again.
        if wire.poll_readable(context).is_ready() {
            return Poll::Ready(Wake::Readable);
        }
        if evicted.as_mut().poll(context).is_ready() {
            return Poll::Ready(Wake::Evicted);
        }
        expired.as_mut().poll(context).map(|()| Wake::Expired)
    })
    .await
}

/// Serves requests until the connection ends or has been quiet for a while.
async fn speak<W, H, F>(
    wire: W,
    unread: Bytes,
    head_deadline: Instant,
    peer: SocketAddr,
    shared: &Arc<Shared<H>>,
    load: &WorkerLoad,
) -> Pause<W>
where
    W: Wire,
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let send_queue = SendQueue::default();
    let socket = Socket::new(wire, unread, send_queue.clone());
    let service = {
        let (shared, send_queue) = (Arc::clone(shared), send_queue.clone());
        service_fn(move |request| answer(&shared, &send_queue, peer, request))
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_BUFFER).half_close(true).writev(true).title_case_headers(true);
    let mut connection = builder.serve_connection(socket, service);
    let mut monitor = ActivityMonitor::new(&send_queue, head_deadline);
    let mut tick_length = FIRST_TICK;
    let (mut tick, mut changed) = (pin!(sleep(tick_length)), pin!(load.phase_changed()));
    let mut phase = Phase::Serving;
    let ended = poll_fn(|context: &mut Context<'_>| {
        while load.phase() > phase {
            phase = load.phase();
            changed.set(load.phase_changed());
            Pin::new(&mut connection).graceful_shutdown();
        }
        if phase == Phase::Cutting {
            return Poll::Ready(Some(Err(cut("the server stops"))));
        }
        send_queue.begin_turn(TURN);
        if let Poll::Ready(ended) = Pin::new(&mut connection).poll(context) {
            return Poll::Ready(Some(ended.map_err(io::Error::other)));
        }
        if phase > Phase::Serving && send_queue.is_blocked_on_expendable() {
            return Poll::Ready(Some(Err(cut("the server stops"))));
        }
        if changed.as_mut().poll(context).is_ready() {
            // The loop above may have seen this change already. A future that is ready would stay ready, so
            // it is replaced.
            changed.set(load.phase_changed());
            context.waker().wake_by_ref();
        }
        while tick.as_mut().poll(context).is_ready() {
            match monitor.check(&shared.settings, tick_length) {
                Verdict::GoOn => {
                    tick_length = TICK.min(tick_length * 2);
                    tick.as_mut().reset(Instant::now() + tick_length);
                }
                Verdict::Park => return Poll::Ready(None),
                Verdict::Cut(reason) => return Poll::Ready(Some(Err(cut(reason)))),
            }
        }
        Poll::Pending
    })
    .await;
    match ended {
        None => {
            let parts = connection.into_parts();
            let (wire, unread) = parts.io.into_parts();
            // Both can hold bytes only if nothing was read since the last pause.
            let unread = if parts.read_buf.is_empty() { unread } else { parts.read_buf };
            Pause::Quiet { wire, unread, head_deadline: monitor.head_deadline }
        }
        Some(Ok(())) => Pause::Over,
        Some(Err(error)) => {
            // Clients may go away at any moment.
            tracing::info!(target: ACCESS_LOG, client = %peer, %error, "a connection ended early");
            shared.settings.counters.broken.add();
            Pause::Over
        }
    }
}

fn cut(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, reason)
}

/// Asks the handler for the answer to a request.
fn answer<H, F>(
    shared: &Shared<H>,
    send_queue: &SendQueue,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<H, F>
where
    H: Fn(Request<Incoming>, SocketAddr) -> F,
    F: Future<Output = Response<Body>>,
{
    let (has_body, is_head) = (!request.body().is_end_stream(), request.method() == Method::HEAD);
    let (answering, version) = (send_queue.begin(has_body), request.version());
    let response = (shared.handler)(request, peer);
    async move {
        let mut response = response.await;
        // hyper leaves the length out of an empty answer to HEAD.
        let has_length = !matches!(response.status(), StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT);
        if is_head && has_length && response.body().length() == Some(0) {
            response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
        }
        // While the answer is being sent, hyper can take the bytes behind a body for a request, good or bad.
        if has_body {
            // Otherwise hyper would also tell an HTTP/1.0 client that the connection stays open.
            *response.version_mut() = version;
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response.body_mut().answer(answering);
        Ok(response)
    }
}

/// Checks an active connection from time to time.
struct ActivityMonitor<'a> {
    send_queue: &'a SendQueue,
    last: Activity,
    /// When the head that is arriving must be complete; `None` if none is known to be arriving.
    head_deadline: Option<Instant>,
    /// How long the client has taken nothing of what there is to send.
    unmoved: Duration,
    /// How long the client has been slower than the answer since its rate was last judged.
    blocked: Duration,
    /// The bytes that it had taken then.
    judged: u64,
    /// How long nothing at all has happened.
    quiet: Duration,
}

enum Verdict {
    GoOn,
    Park,
    Cut(&'static str),
}

impl<'a> ActivityMonitor<'a> {
    fn new(send_queue: &'a SendQueue, head_deadline: Instant) -> Self {
        Self {
            send_queue,
            last: Activity::default(),
            head_deadline: Some(head_deadline),
            unmoved: Duration::ZERO,
            blocked: Duration::ZERO,
            judged: send_queue.written(),
            quiet: Duration::ZERO,
        }
    }

    /// Judges what happened in the time `passed` since the last check.
    fn check(&mut self, settings: &ServerSettings, passed: Duration) -> Verdict {
        let (before, now) = (self.last, self.send_queue.activity());
        self.last = now;
        let moved = now.writes != before.writes || !self.send_queue.is_blocked();
        self.unmoved = if moved { Duration::ZERO } else { self.unmoved + passed };
        if self.unmoved >= settings.stall_timeout {
            settings.counters.stalled.add();
            return Verdict::Cut("the client took nothing for too long");
        }
        if !self.keeps_up(settings, passed) {
            settings.counters.stalled.add();
            return Verdict::Cut("the client took too little for too long");
        }
        if !self.send_queue.is_settled() || now.requests != before.requests {
            self.head_deadline = None;
            self.quiet = Duration::ZERO;
            return Verdict::GoOn;
        }
        self.quiet = if now == before { self.quiet + passed } else { Duration::ZERO };
        if self.send_queue.has_body() {
            // No head follows. The handler may still read the body, whose bytes must not be taken for a head.
            if self.quiet < settings.idle_timeout {
                return Verdict::GoOn;
            }
            settings.counters.idle.add();
            return Verdict::Cut("nothing came of a body for too long");
        }
        if now == before {
            return Verdict::Park;
        }
        // Bytes came, but no request: a head comes in parts.
        let time = Instant::now();
        if time > *self.head_deadline.get_or_insert(time + settings.head_timeout) {
            settings.counters.slow_heads.add();
            return Verdict::Cut("the head of a request took too long");
        }
        Verdict::GoOn
    }

    /// Whether the client takes the minimum rate. Only the time counts in which it holds the answer up, and
    /// not a disk or a rate limit.
    fn keeps_up(&mut self, settings: &ServerSettings, passed: Duration) -> bool {
        if !self.send_queue.is_blocked() {
            return true;
        }
        self.blocked += passed;
        if self.blocked < settings.stall_timeout {
            return true;
        }
        let written = self.send_queue.written();
        let taken = written - std::mem::replace(&mut self.judged, written);
        let blocked = std::mem::take(&mut self.blocked);
        taken >= settings.limits.get().minimum_rate.saturating_mul(blocked.as_secs())
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
    use crate::connection_limit::ConnectionLimit;
    use crate::limits::LiveLimits;

    /// A connection can see a change of phase just before it is notified of it. That must not keep it awake.
    #[tokio::test]
    async fn a_change_that_was_seen_before_it_is_told_wakes_once() {
        let load = WorkerLoad::new(Handle::current(), &ConnectionLimit::new(LiveLimits::default()), None);
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
        let stream = TcpStream::from_std(stream).expect("registered");
        let shared = Arc::new(Shared { settings: ServerSettings::default(), handler });
        let served = tokio::spawn(run(stream, peer, shared, Arc::clone(&load), None, Arrival::New));
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        sleep(Duration::from_millis(50)).await;
        for _ in 0..2 {
            load.enter(Phase::Draining);
            sleep(Duration::from_millis(50)).await;
        }
        served.abort();
        let polls = polls.load(Ordering::Relaxed);
        assert!((1..50).contains(&polls), "polled {polls} times");
    }
}
