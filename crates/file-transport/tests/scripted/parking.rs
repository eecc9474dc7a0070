//! Idle connections are reduced to their sockets, and built up again when bytes come.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use file_transport::{Body, Incoming, ServerSettings};
use http::{Method, Request, Response};
use tokio::time::sleep;

use crate::bodies::Original;
use crate::requests::Asked;
use crate::script::{Say, Script, said, seconds};
use crate::stage::{CHECKS, collect, on_paused_clock, play, serve};

#[test]
fn who_is_idle_costs_no_wake_ups() {
    let settings = ServerSettings { idle_timeout: Duration::from_secs(1000), ..ServerSettings::default() };
    let requests = [Asked::get(Vec::new())];
    let calls = |idle: u64| {
        let says = vec![Say::Bytes(requests[0].spell(0)), Say::Pause(Duration::from_secs(idle)), Say::End];
        let script = Script { says, ..Script::default() };
        play(settings.clone(), script, &requests, &Arc::new(Original::new(0)), Duration::ZERO).log.calls
    };
    assert_eq!(calls(10), calls(900));
}

/// Plays a request with a body of 100 bytes, which another task reads after the answer, and then `says`.
/// Returns the methods of all requests, how many bytes of the body were read, and how long the connection
/// lasted.
fn read_later(settings: ServerSettings, says: Vec<Say>) -> (Vec<Method>, usize, Duration) {
    let mut post = b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n".to_vec();
    post.resize(post.len() + 10, b'x');
    let says = [said(post), says].concat();
    let (asked, read) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
    let handler = {
        let (asked, read) = (Arc::clone(&asked), Arc::clone(&read));
        move |request: Request<Incoming>, _| {
            asked.lock().unwrap().push(request.method().clone());
            let read = Arc::clone(&read);
            tokio::spawn(async move {
                let body = collect(request.into_body()).await;
                *read.lock().unwrap() += body.len();
            });
            async { Response::new(Body::empty()) }
        }
    };
    let lasted = on_paused_clock(async {
        let (_, lasted) = serve(settings, Script { says, ..Script::default() }, handler).await;
        // The task that reads the body may not have seen its end yet.
        sleep(seconds(1)).await;
        lasted
    });
    (asked.lock().unwrap().clone(), *read.lock().unwrap(), lasted)
}

#[test]
fn a_body_that_is_read_after_the_answer_is_no_request() {
    let rest = [vec![b'x'; 90], Asked::small().spell(1)].concat();
    let says = vec![Say::Pause(seconds(5)), Say::Bytes(rest), Say::End];
    // The answer to a request with a body is the last one.
    assert_eq!(read_later(ServerSettings::default(), says), (vec![Method::POST], 100, seconds(5)));
}

#[test]
fn a_body_that_is_read_after_the_answer_may_take_longer_than_a_head() {
    let says = vec![[Say::Pause(seconds(3)), Say::Bytes(vec![b'x'])]; 90].concat();
    let (_, read, lasted) = read_later(ServerSettings::default(), says);
    assert_eq!((read, lasted), (100, seconds(270)));
}

#[test]
fn a_body_that_stops_coming_ends_its_connection() {
    let settings = ServerSettings::default();
    let (_, read, lasted) = read_later(settings.clone(), Vec::new());
    assert_eq!(read, 10);
    assert!((settings.idle_timeout..=settings.idle_timeout + CHECKS).contains(&lasted), "{lasted:?}");
}
