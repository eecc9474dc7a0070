//! `kill -9` at random instants of resumable uploads: the client asks for the offset, continues there, and
//! the result is its file.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use harness::chance::Chance;
use harness::http::{self, Connection, Request, SILENCE};
use harness::parallel::in_parallel;
use harness::wait::eventually;
use harness::work::SOON;
use harness::{Service, digest, large};
use serde_json::json;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Kills in each of four workers.
const KILLS: usize = 5;

const SIZE: usize = 16 << 20;

/// Bytes per second.
const RATE: usize = 2 << 20;

/// The most bytes that a crash may lose: those of the two seconds between checkpoints, and of one more for a
/// slow disk and bytes in transit.
const LOSS: usize = 3 * RATE;

const PIECE: usize = 16 << 10;

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

/// Creates an upload; returns the path of its resource.
#[track_caller]
fn create(service: &Service, name: &str, length: usize) -> String {
    let metadata =
        format!("filename {},store {}", BASE64_STANDARD.encode(name), BASE64_STANDARD.encode("iso"));
    let length = length.to_string();
    let headers = [TUS, ("Upload-Length", length.as_str()), ("Upload-Metadata", metadata.as_str())];
    let answer = http::request("POST", &service.north("/uploads"), &headers, "").expect_status(201);
    let location = answer.header("Location").unwrap();
    // It is relative to the request's URL, whose port changes with each start of the service.
    assert!(location.starts_with("uploads/"), "{location}");
    format!("/{location}")
}

/// The upload's offset, as the service reports it.
#[track_caller]
fn offset(service: &Service, path: &str) -> usize {
    let answer = http::request("HEAD", &service.north(path), &[TUS], "").expect_status(200);
    assert_eq!(answer.header("Upload-Length"), Some(SIZE.to_string().as_str()));
    answer.header("Upload-Offset").unwrap().parse().unwrap()
}

/// Sends `bytes` from `from` on at `rate` bytes per second (0 is unlimited), and counts in `reached`. Ends
/// early when the service does.
fn send(
    mut connection: Connection,
    path: &str,
    bytes: &[u8],
    from: usize,
    rate: usize,
    reached: &AtomicUsize,
) -> std::io::Result<http::Response> {
    let request = Request::new("PATCH", path)
        .header(TUS.0, TUS.1)
        .header("Content-Type", "application/offset+octet-stream")
        .header("Upload-Offset", &from.to_string())
        .header("Content-Length", &(bytes.len() - from).to_string());
    connection.send(&request)?;
    let mut due = Instant::now();
    for piece in bytes[from..].chunks(PIECE) {
        connection.write(piece)?;
        reached.fetch_add(piece.len(), Ordering::Relaxed);
        if rate > 0 {
            due +=
                Duration::from_secs(1) * u32::try_from(piece.len()).unwrap() / u32::try_from(rate).unwrap();
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
    connection.receive("PATCH")
}

/// Sends from `from` on and kills the service after `life`, or that long after the last byte; returns how far
/// the client came.
fn kill_while_sending(
    service: &mut Service,
    (path, bytes): (&str, &[u8]),
    from: usize,
    rate: usize,
    (after_the_last_byte, life): (bool, Duration),
) -> usize {
    let reached = AtomicUsize::new(from);
    let connection = Connection::open(&service.north(""));
    std::thread::scope(|scope| {
        let client = scope.spawn(|| send(connection, path, bytes, from, rate, &reached));
        if after_the_last_byte {
            eventually(SILENCE, "the last byte", || {
                (reached.load(Ordering::Relaxed) == bytes.len()).then_some(())
            });
        }
        std::thread::sleep(life);
        service.kill9();
        // The client's result is that of a dying server.
        let _ = client.join().unwrap();
    });
    reached.load(Ordering::Relaxed)
}

/// Sends the rest; panics unless the file has the client's bytes.
#[track_caller]
fn finish(service: &Service, path: &str, name: &str, bytes: &[u8]) {
    let from = offset(service, path);
    if from < bytes.len() {
        let connection = Connection::open(&service.north(""));
        let answer = send(connection, path, bytes, from, 0, &AtomicUsize::new(0)).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text());
        assert_eq!(answer.header("Upload-Offset"), Some(bytes.len().to_string().as_str()));
    }
    // A client that was told that all bytes arrived asks for nothing more, so the service must finish by
    // itself.
    let file = service.path("static/iso").join(name);
    eventually(SOON, "the whole file", || fs::read(&file).is_ok_and(|there| there == bytes).then_some(()));
    let listed = http::get(&service.north(&format!("/iso?name={name}"))).json();
    assert_eq!(listed[0]["sha256"], digest::of_bytes(bytes), "{listed}");
}

#[test]
fn an_upload_goes_on_after_each_of_many_kills() {
    let bytes = large::image(1, SIZE);
    in_parallel(|worker| {
        let mut chance = Chance::of_worker(worker);
        let mut service = Service::start(&json!({"minLogLevel": 2}));
        let path = create(&service, "up.iso", SIZE);
        let mut from = 0;
        for kill in 0..KILLS {
            // The last kill comes after at least one checkpoint.
            let life = if kill + 1 == KILLS { chance.time(3200, 4000) } else { chance.time(1, 2500) };
            let reached = kill_while_sending(&mut service, (&path, &bytes), from, RATE, (false, life));
            assert!(!service.path("static/iso/up.iso").exists() || reached == SIZE, "half a file");
            service.spawn();
            let offset = offset(&service, &path);
            eprintln!("worker {worker}: killed after {life:?} at {reached}, goes on at {offset}");
            assert!(offset <= reached && offset + LOSS >= reached, "{offset} of {reached} are known");
            assert!(offset >= from, "what was noted before is lost: {offset} after {from}");
            assert!(kill + 1 < KILLS || offset > from, "nothing is kept of {life:?}");
            from = offset;
        }
        finish(&service, &path, "up.iso", &bytes);
        service.kill9();
        service.spawn();
        assert_eq!(digest::of_file(&service.path("static/iso/up.iso")), digest::of_bytes(&bytes));
    });
}

#[test]
fn a_kill_around_the_last_byte_of_an_upload_leaves_it_whole_or_to_be_finished() {
    in_parallel(|worker| {
        let mut chance = Chance::of_worker(10 + worker);
        let mut service = Service::start(&json!({"minLogLevel": 2}));
        let (mut whole, mut unfinished) = (0, 0);
        for round in 0..KILLS {
            let bytes = large::image(u32::try_from(round).unwrap(), SIZE);
            let name = format!("{round}.iso");
            let file = service.path("static/iso").join(&name);
            // The older file of that name stays until the new one is complete.
            http::put(&service.north(&format!("/iso?name={name}")), vec![7; 5000]).expect_status(200);
            let path = create(&service, &name, SIZE);
            kill_while_sending(&mut service, (&path, &bytes), 0, 0, (true, chance.time(0, 150)));
            let there = fs::read(&file).unwrap();
            assert!(there == bytes || there == vec![7; 5000], "round {round}: half a file");
            *(if there == bytes { &mut whole } else { &mut unfinished }) += 1;
            service.spawn();
            finish(&service, &path, &name, &bytes);
        }
        eprintln!("worker {worker}: {unfinished} times to be finished, {whole} times whole");
    });
}
