//! Slow clients and slow handlers that are not cut, however long they take.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use file_transport::{Body, Incoming, RateLimit, ServerSettings};
use http::{Request, Response};
use http_body::Frame;
use tokio::time::{Sleep, sleep};

use crate::bodies::{LimitedBody, Original, Part};
use crate::expected::Expected;
use crate::requests::{Asked, Sends};
use crate::script::{Say, Script, Take, said, seconds};
use crate::stage::{CHECKS, on_paused_clock, play, serve};

#[test]
fn who_takes_its_time_is_not_cut() {
    let requests = [Asked::get(vec![Part::Bytes(20), Part::File(0..20), Part::Zeros(20)]), Asked::small()];
    let says: Vec<Say> =
        requests.iter().enumerate().map(|(index, request)| Say::Bytes(request.spell(index))).collect();
    let expected = Expected::new(&requests, &Original::small());
    let settings = ServerSettings::default();
    for pause in [Duration::from_millis(1), seconds(1), seconds(60), settings.stall_timeout - CHECKS] {
        let takes = vec![[Take::Pause(pause), Take::Bytes(1)]; 200].concat();
        let script = Script { says: says.clone(), takes, ..Script::default() };
        let played = play(settings.clone(), script, &requests, &Original::small(), Duration::ZERO);
        expected.is(&played.log.output);
        assert_eq!(settings.counters.stalled.get(), 0);
    }
}

#[test]
fn who_answers_after_minutes_is_waited_for() {
    let requests =
        [Asked::small(), Asked::small(), Asked { sends: Sends::Sized(b"sent".to_vec()), ..Asked::small() }];
    let says = vec![Say::Bytes(
        requests.iter().enumerate().flat_map(|(index, request)| request.spell(index)).collect(),
    )];
    let settings = ServerSettings::default();
    // A flush that had to wait does not make a client one that takes nothing.
    let flushes = vec![seconds(5), seconds(1)];
    let script = Script { says, flushes, ..Script::default() };
    let played = play(settings.clone(), script, &requests, &Original::small(), seconds(600));
    Expected::new(&requests, &Original::small()).is(&played.log.output);
    assert_eq!(settings.counters.broken.get(), 0);
}

#[test]
fn a_request_whose_body_takes_minutes_is_waited_for() {
    let request = Asked { sends: Sends::Sized(b"sent".to_vec()), ..Asked::small() };
    let mut head = request.spell(0);
    let body = head.split_off(head.len() - 4);
    let mut says = said(head);
    for byte in body {
        says.extend([Say::Pause(seconds(150)), Say::Bytes(vec![byte])]);
    }
    let (settings, requests) = (ServerSettings::default(), [request]);
    let script = Script { says, ..Script::default() };
    let played = play(settings.clone(), script, &requests, &Original::small(), Duration::ZERO);
    Expected::new(&requests, &Original::small()).is(&played.log.output);
    assert_eq!(settings.counters.broken.get(), 0);
}

/// A body of some bytes each few minutes.
fn slow_body() -> Body {
    struct Slow(u8, Pin<Box<Sleep>>);
    impl http_body::Body for Slow {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            ready!(self.1.as_mut().poll(context));
            if self.0 == 0 {
                return Poll::Ready(None);
            }
            self.0 -= 1;
            self.1.set(sleep(seconds(200)));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"slow")))))
        }
    }
    Body::stream(Slow(3, Box::pin(sleep(seconds(200)))))
}

#[test]
fn a_body_that_comes_in_minutes_is_waited_for() {
    let settings = ServerSettings::default();
    let script = Script { says: said(Asked::small().spell(0)), ..Script::default() };
    let handler = |_: Request<Incoming>, _| async { Response::new(slow_body()) };
    let (log, _) = on_paused_clock(serve(settings.clone(), script, handler));
    assert!(log.output.ends_with(b"\r\n\r\n4\r\nslow\r\n4\r\nslow\r\n4\r\nslow\r\n0\r\n\r\n"));
    assert_eq!(settings.counters.broken.get(), 0);
}

#[test]
fn a_transfer_that_is_held_back_is_not_cut() {
    let original = Arc::new(Original::new(10_000));
    for part in [Part::File(0..10_000), Part::Computed(0..10_000)] {
        let settings = ServerSettings::default();
        // A turn of 4 KiB takes half an hour.
        let limit = Arc::new(RateLimit::new(2));
        let script = Script {
            says: said(Asked::small().spell(0)),
            takes: vec![Take::Pause(seconds(100))],
            ..Script::default()
        };
        let (log, lasted) = on_paused_clock(async {
            let original = Arc::clone(&original);
            let handler = move |_: Request<Incoming>, _| {
                let body = original
                    .body(std::slice::from_ref(&part))
                    .observed(Arc::new(LimitedBody(vec![Arc::clone(&limit)])));
                async { Response::new(body) }
            };
            serve(settings.clone(), script, handler).await
        });
        assert!(log.output.ends_with(&original.bytes));
        assert_eq!(settings.counters.broken.get(), 0);
        assert!(lasted > seconds(4000), "{lasted:?}");
    }
}
