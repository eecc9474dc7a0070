//! The stage of a script: a runtime with a paused clock, a server, and a handler.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Buf;
use file_transport::{Body, Incoming, RateLimit, Server, ServerSettings};
use http::{Request, Response};
use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use tokio::time::{Instant, sleep, timeout};

use crate::bodies::{Followed, Follower, Original};
use crate::requests::{Asked, digest};
use crate::script::{FOREVER, Log, Script};
use crate::wire::Scripted;

pub(crate) const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// The rate limit of the tests, in bytes a second.
const RATE: u64 = 100_000;

/// A connection is checked at least once a second, and it takes two checks to see that nothing moves.
pub(crate) const CHECKS: Duration = Duration::from_secs(2);

/// The result of a play.
pub(crate) struct Played {
    pub(crate) log: Log,
    /// How many requests the handler got.
    pub(crate) asked: usize,
    /// The followers of answers, in the order in which they were dropped.
    pub(crate) followed: Vec<Followed>,
    /// How long the connection lasted.
    pub(crate) lasted: Duration,
}

/// The same cases in each run.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Settings with timeouts that no script here reaches.
pub(crate) fn patient() -> ServerSettings {
    let long = Duration::from_secs(1800);
    ServerSettings {
        head_timeout: long,
        idle_timeout: long,
        stall_timeout: long,
        ..ServerSettings::default()
    }
}

/// Runs a future to its end on a paused clock, on which waiting takes no time.
pub(crate) fn on_paused_clock<T>(play: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async { timeout(FOREVER, play).await.expect("a connection without an end") })
}

/// Serves `script` with `handler` to its end.
pub(crate) async fn serve<H, F>(settings: ServerSettings, script: Script, handler: H) -> (Log, Duration)
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let wire = Scripted::new(script);
    let (log, begun) = (wire.log(), Instant::now());
    Server::new(settings).serve(wire, PEER, handler).await;
    let log = log.lock().unwrap().clone();
    (log, begun.elapsed())
}

/// Serves `script` with the answers of `requests`, each after `thinking`, and follows each of them.
pub(crate) fn play(
    settings: ServerSettings,
    script: Script,
    requests: &[Asked],
    original: &Arc<Original>,
    thinking: Duration,
) -> Played {
    on_paused_clock(async {
        let wire = Scripted::new(script);
        let (log, book) = (wire.log(), Arc::new(Mutex::new(Vec::new())));
        let asked = Arc::new(AtomicUsize::new(0));
        let handler = {
            let (requests, original) = (Arc::new(requests.to_vec()), Arc::clone(original));
            let (log, book) = (Arc::clone(&log), Arc::clone(&book));
            let (asked, limit) = (Arc::clone(&asked), Arc::new(RateLimit::new(RATE)));
            move |request: Request<Incoming>, _peer: SocketAddr| {
                asked.fetch_add(1, Ordering::Relaxed);
                let index: usize = request.uri().path()[1..].parse().unwrap();
                let rate_limits = requests[index].limited.then(|| Arc::clone(&limit)).into_iter().collect();
                let follower = Follower::new(index, Arc::clone(&log), Arc::clone(&book), rate_limits);
                let body = original.body(&requests[index].answer).observed(follower);
                let length = body.length().filter(|_| requests[index].measured);
                async move {
                    let brought = collect(request.into_body()).await;
                    sleep(thinking).await;
                    let mut response = Response::builder().header("X-Brought", digest(&brought));
                    if let Some(length) = length {
                        response = response.header("Content-Length", length);
                    }
                    response.body(body).unwrap()
                }
            }
        };
        let begun = Instant::now();
        Server::new(settings).serve(wire, PEER, handler).await;
        let lasted = begun.elapsed();
        let (log, followed) = (log.lock().unwrap().clone(), book.lock().unwrap().clone());
        Played { log, asked: asked.load(Ordering::Relaxed), followed, lasted }
    })
}

/// All bytes of a body, or those before it broke off.
pub(crate) async fn collect<B: http_body::Body + Unpin>(mut body: B) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(mut data) = frame.into_data() {
            bytes.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        }
    }
    bytes
}
