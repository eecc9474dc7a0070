//! Connections that share a thread: none keeps it for long, and another thread loads files that are not in
//! the page cache.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use file_transport::{Incoming, Server};
use http::{Request, Response};
use rustix::fs::{Advice, fadvise};

use crate::bodies::{Original, Part};
use crate::expected::Expected;
use crate::requests::Asked;
use crate::script::{Say, Script};
use crate::stage::{PEER, on_paused_clock, patient, play};
use crate::wire::Scripted;

/// Bytes that a connection may send before the others of its thread run.
const TURN: usize = 2 << 20;

/// A write that begins within the turn may end after it.
const SLACK: usize = 1 << 20;

fn asking() -> Script {
    Script { says: vec![Say::Bytes(Asked::get(Vec::new()).spell(0)), Say::End], ..Script::default() }
}

/// The most bytes that one turn sends to a client which takes everything at once.
fn longest_turn(original: &Arc<Original>, parts: &[Part]) -> usize {
    on_paused_clock(async {
        let wire = Scripted::new(asking());
        let log = wire.log();
        let handler = {
            let (original, parts) = (Arc::clone(original), parts.to_vec());
            move |_: Request<Incoming>, _| {
                let body = original.body(&parts);
                async { Response::new(body) }
            }
        };
        let mut connection = pin!(Server::default().serve(wire, PEER, handler));
        let (mut sent, mut longest) = (0, 0);
        poll_fn(|context| {
            let polled = connection.as_mut().poll(context);
            let now = log.lock().unwrap().output.len();
            longest = longest.max(now - sent);
            sent = now;
            polled
        })
        .await;
        assert!(log.lock().unwrap().output.ends_with(&original.expected(parts)));
        longest
    })
}

#[test]
fn nobody_keeps_the_thread_for_long() {
    const LENGTH: usize = 4 * TURN + 1000;
    let original = Arc::new(Original::new(LENGTH));
    let bodies = [
        vec![Part::File(0..LENGTH)],
        vec![Part::File(0..20_000); 400],
        vec![Part::Zeros(LENGTH)],
        vec![Part::Bytes(100_000); 80],
        [vec![Part::Bytes(100_000); 19], vec![Part::File(0..LENGTH)]].concat(),
    ];
    for parts in bodies {
        let longest = longest_turn(&original, &parts);
        assert!(longest <= TURN + SLACK, "{longest} bytes at once of {:?}…", parts[0]);
    }
}

#[test]
fn a_head_leaves_with_the_first_bytes_of_its_file() {
    let original = Arc::new(Original::new(1000));
    let bodies = [
        (vec![Part::File(0..1000)], 1),
        (vec![Part::Bytes(10), Part::File(0..10), Part::File(5..10)], 1),
        (vec![Part::File(0..10), Part::Bytes(10), Part::File(5..10)], 2),
        (vec![Part::Bytes(10), Part::Zeros(10)], 0),
    ];
    for (parts, promises) in bodies {
        let played = play(patient(), asking(), &[Asked::get(parts)], &original, Duration::ZERO);
        assert_eq!(played.log.promises, promises);
    }
}

#[test]
fn what_is_not_in_memory_is_loaded() {
    const LENGTH: usize = 10 << 20;
    let original = Arc::new(Original::new(LENGTH));
    // A temporary file on tmpfs stays in memory; then the test is easier.
    original.file.sync_all().unwrap();
    fadvise(&**original.file, 0, None, Advice::DontNeed).unwrap();
    let ranges = [0..LENGTH, 1..2, LENGTH - 1..LENGTH, 100_000..5_000_000];
    let requests = ranges.map(|range| Asked::get(vec![Part::File(range)]));
    let says = requests.iter().enumerate().map(|(index, request)| Say::Bytes(request.spell(index))).collect();
    let expected = Expected::new(&requests, &original);
    let script = Script { says, ..Script::default() };
    let played = play(patient(), script, &requests, &original, Duration::ZERO);
    expected.is(&played.log.output);
}
