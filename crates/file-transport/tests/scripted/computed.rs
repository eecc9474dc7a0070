//! Computed bodies: what a client costs that takes nothing, and what it gets when the source fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use file_transport::{Body, Incoming, Piece, ReadAt, ServerSettings};
use http::{Request, Response};

use crate::requests::Asked;
use crate::script::{Log, Say, Script, Take};
use crate::stage::{on_paused_clock, serve};

/// Bytes of one piece.
const PIECE: u64 = 128 << 10;

/// Bytes that depend on their position, with an error beyond `ends`.
#[derive(Debug)]
struct Counted {
    ends: u64,
    asked: AtomicU64,
}

impl ReadAt for Counted {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.asked.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        if offset + buffer.len() as u64 > self.ends {
            return Err(io::Error::other("it is damaged"));
        }
        (offset..).zip(buffer).for_each(|(position, byte)| *byte = at(position));
        Ok(())
    }
}

fn at(position: u64) -> u8 {
    u8::try_from(position.wrapping_mul(0x9e37_79b9) >> 16 & 0xff).unwrap()
}

/// Sends `length` bytes from `offset` on. Returns what the client took and how many bytes the source was
/// asked for.
fn send(ends: u64, (offset, length): (u64, u64), takes: Vec<Take>) -> (Log, u64, ServerSettings) {
    let (counted, settings) =
        (Arc::new(Counted { ends, asked: AtomicU64::new(0) }), ServerSettings::default());
    let says = vec![Say::Bytes(Asked::get(Vec::new()).spell(0)), Say::End];
    let script = Script { says, takes, ..Script::default() };
    let source = Arc::clone(&counted);
    let handler = move |_: Request<Incoming>, _| {
        let body = Body::from_pieces([Piece::Computed { source: source.clone(), offset, length }]);
        async { Response::new(body) }
    };
    let (log, _) = on_paused_clock(serve(settings.clone(), script, handler));
    (log, counted.asked.load(Ordering::Relaxed), settings)
}

#[test]
fn a_client_that_takes_nothing_costs_a_few_pieces() {
    for takes in [vec![], vec![Take::Bytes(1 << 20), Take::Bytes(300_000)]] {
        let rest = [Take::Pause(Duration::from_secs(1000))];
        let (log, asked, settings) = send(u64::MAX, (0, 1 << 40), [takes, rest.to_vec()].concat());
        assert_eq!(settings.counters.stalled.get(), 1);
        let held = asked - log.output.len().min(usize::try_from(asked).unwrap()) as u64;
        assert!(asked > 0 && held <= 3 * PIECE, "{held} of {asked} bytes were held");
    }
}

#[test]
fn bytes_are_asked_for_once_and_up_to_borders() {
    let (log, asked, _) = send(u64::MAX, (PIECE - 10, 2 * PIECE), Vec::new());
    let expected: Vec<u8> = (PIECE - 10..3 * PIECE - 10).map(at).collect();
    assert!(log.output.ends_with(&expected));
    assert_eq!(asked, 2 * PIECE);
}

#[test]
fn an_error_cuts_the_connection_and_nothing_is_made_up() {
    let (log, _, settings) = send(3 * PIECE - 1, (0, 10 * PIECE), Vec::new());
    let head = log.output.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let expected: Vec<u8> = (0..2 * PIECE).map(at).collect();
    assert!(log.output[head..] == expected, "{} bytes", log.output.len() - head);
    assert!(!log.shut, "a broken answer must not look complete");
    assert_eq!(settings.counters.broken.get(), 1);
}
