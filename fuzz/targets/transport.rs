//! Any bytes as a script of a connection: what a client sends, what it takes, and when it goes away. Serving
//! it must end, without a panic. The client must get well-formed answers with the right bytes, or the
//! beginning of them.
//!
//! A script begins with the number of steps in which the client takes bytes. A byte for each of these
//! follows, then one for a flush that waits. The rest is what the client sends. In it, a byte of 255 and the
//! next one are a step and not sent.

#![no_main]

#[path = "transport/answers.rs"]
mod answers;
#[allow(dead_code, reason = "shared with tests that use more of it")]
#[path = "../../crates/file-transport/tests/scripted/bodies.rs"]
mod bodies;
#[allow(dead_code, reason = "shared with tests that use more of it")]
#[path = "../../crates/file-transport/tests/scripted/script.rs"]
mod script;
#[path = "transport/served.rs"]
mod served;
#[path = "../../crates/file-transport/tests/scripted/wire.rs"]
mod wire;

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use answers::{Answered, check};
use bodies::{Followed, Follower};
use file_transport::{Body, Incoming, RateLimit, Server, ServerSettings};
use http::{HeaderValue, Request, Response};
use http_body::Body as _;
use libfuzzer_sys::fuzz_target;
use script::{FOREVER, Log, Say, Script, Take};
use served::{original, parts, streamed};
use tokio::time::{sleep, timeout};
use wire::Scripted;

/// Each timeout of the server, and how long a handler waits for a body.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nothing lasts longer, because a script has so few pauses and requests.
const LONGEST: Duration = Duration::from_secs(100_000);
/// Bytes of the input that are played.
const PLAYED: usize = 2048;

/// What a handler records.
#[derive(Clone, Default)]
struct Notes {
    answered: Arc<Mutex<Vec<Answered>>>,
    followed: Arc<Mutex<Vec<Followed>>>,
}

fuzz_target!(|bytes: &[u8]| {
    let script = script(&bytes[..bytes.len().min(PLAYED)]);
    let shrinks = script.takes.iter().any(|take| matches!(take, Take::Shrink(_)));
    let (log, notes) = play(script);
    check(&log.output, &notes.answered.lock().unwrap());
    let followed = notes.followed.lock().unwrap();
    assert_eq!(followed.len(), notes.answered.lock().unwrap().len(), "each is let go once");
    assert!(followed.iter().map(|one| one.sent).sum::<u64>() >= log.from_files);
    if shrinks {
        original().file.write_all_at(&original().bytes, 0).unwrap();
    }
});

/// Seven bits, of which the low ones are an amount and the high ones its unit.
fn pause(code: u8) -> Duration {
    if code & 127 == 127 {
        return FOREVER;
    }
    let amount = u64::from(code & 31) + 1;
    Duration::from_millis(amount * [1, 50, 333, 1100][usize::from(code >> 5 & 3)])
}

fn script(bytes: &[u8]) -> Script {
    let (count, rest) =
        bytes.split_first().map_or((0, bytes), |(count, rest)| (usize::from(count % 32), rest));
    let (takes, rest) = rest.split_at(count.min(rest.len()));
    let takes = takes.iter().map(|code| {
        let amount = usize::from(code >> 3);
        match code & 7 {
            0 => Take::Bytes(amount),
            1 => Take::Bytes(amount * 100),
            2 => Take::Bytes(amount * amount * 100),
            3 => Take::Refuse(u32::from(*code)),
            4 => Take::Pause(pause(code >> 3 | 64)),
            5 => Take::Pause(pause(code >> 3 | 96)),
            6 => Take::Shrink(amount as u64 * 3333),
            _ => Take::Reset,
        }
    });
    let (flush, mut rest) = rest.split_first().map_or((0, rest), |(flush, rest)| (*flush, rest));
    let waits = if flush < 128 { Duration::ZERO } else { pause(flush & 127) };
    let (mut says, mut said) = (Vec::new(), Vec::new());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != 255 {
            said.push(*byte);
            continue;
        }
        let Some((code, after)) = rest.split_first() else { break };
        rest = after;
        says.push(Say::Bytes(std::mem::take(&mut said)));
        says.push(match code {
            0..128 => Say::Pause(pause(*code)),
            // The byte before would otherwise never be sent.
            128..160 => Say::Bytes(vec![255]),
            // A long head.
            160..192 => Say::Bytes(vec![b'x'; usize::from(code - 159) * 700]),
            192..208 => Say::Nothing,
            208..232 => Say::End,
            232.. => Say::Reset,
        });
    }
    says.push(Say::Bytes(said));
    Script { says, takes: takes.collect(), flushes: vec![waits; 3], shutdown: waits }
}

/// Serves the script to its end.
fn play(script: Script) -> (Log, Notes) {
    let notes = Notes::default();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let log = runtime.block_on(async {
        let wire = Scripted::new(script);
        let log = wire.log();
        let settings = ServerSettings {
            head_timeout: PATIENCE,
            idle_timeout: PATIENCE,
            stall_timeout: PATIENCE,
            ..ServerSettings::default()
        };
        let handler = {
            let (log, notes) = (Arc::clone(&log), notes.clone());
            move |request, _peer| answer(request, &log, &notes)
        };
        let serving = Server::new(settings).serve(wire, SocketAddr::from((Ipv4Addr::LOCALHOST, 9)), handler);
        timeout(LONGEST, serving).await.expect("a connection without an end");
        let log = log.lock().unwrap();
        assert!(log.over, "the wire is let go");
        log.clone()
    });
    (log, notes)
}

/// Answers with the parts that the path spells, in the way that its query spells.
fn answer(
    request: Request<Incoming>,
    log: &Arc<Mutex<Log>>,
    notes: &Notes,
) -> impl Future<Output = Response<Body>> + Send + use<> {
    let parts = parts(request.uri().path());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let is_streamed = query.contains('s');
    let mut answered = notes.answered.lock().unwrap();
    let rate_limits = query.contains('p').then(|| Arc::new(RateLimit::new(10_000))).into_iter().collect();
    let follower = Follower::new(answered.len(), Arc::clone(log), Arc::clone(&notes.followed), rate_limits);
    let body = if is_streamed { streamed(&parts) } else { original().body(&parts) };
    answered.push(Answered { method: request.method().clone(), parts, streamed: is_streamed });
    async move {
        if query.contains('r') {
            let mut brought = request.into_body();
            let read = async {
                while let Some(Ok(_)) = poll_fn(|context| Pin::new(&mut brought).poll_frame(context)).await {}
            };
            // A client that never sends the body gets an answer all the same.
            let _ = timeout(PATIENCE, read).await;
        }
        if query.contains('w') {
            sleep(2 * PATIENCE).await;
        }
        let mut response = Response::new(body.observed(follower));
        if query.contains('c') {
            response.headers_mut().insert("connection", HeaderValue::from_static("close"));
        }
        response
    }
}
