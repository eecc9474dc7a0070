//! Exhaustion: no descriptors left, or no time, because the service is stopped under load.

use harness::crowd;
use harness::figures::{await_figure, descriptors, figure, figure_at, has_ended, limit_with_free};
use harness::http::{self, Connection, Request};
use harness::limited;
use harness::wait::eventually;
use harness::{Service, Setup, images, iso};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// More bytes than the buffers of a connection hold.
const BIG: u64 = 64 << 20;

/// How long a client may wait until it is served.
const PATIENCE: Duration = Duration::from_secs(10);

const IPXE: (&str, &str) = ("User-Agent", "iPXE/1.21.1+ (g4e456)");

/// Sets the soft limit on descriptors; the hard limit stays.
fn set_limit(pid: u32, descriptors: u64) {
    let process = Pid::from_raw(i32::try_from(pid).unwrap());
    let before = rustix::process::getrlimit(Resource::Nofile);
    prlimit(process, Resource::Nofile, Rlimit { current: Some(descriptors), maximum: before.maximum })
        .unwrap();
}

fn service() -> Service {
    let setup = Setup::new()
        .file("static/small.txt", "small\n")
        .file("static/middle.bin", images::pattern(1, 300_000));
    iso::sparse_file(&setup.path("static/big.bin"), BIG, &[(BIG - 5, b"end.\n")]);
    setup.start()
}

/// A new client on a connection of its own.
fn newcomer(url: &str) -> Connection {
    let mut connection = Connection::open(url);
    connection.set_silence(PATIENCE);
    connection
}

/// With only a few hundred descriptors, idle clients of both APIs never take those that files and new clients
/// need.
#[test]
fn few_descriptors_are_enough_for_everybody() {
    let names: Vec<String> = (0..40).map(|number| format!("file-{number}.bin")).collect();
    let bytes = images::pattern(1, 10_000);
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), bytes.as_slice())).collect();
    let service = limited::start(400, &files);
    let mut idle = Vec::new();
    for client in 1..=9 {
        idle.extend(crowd::connect(&service.south("/"), crowd::address(client), 50));
        idle.extend(crowd::connect(&service.north("/"), crowd::address(client), 50));
    }
    for name in &names {
        let answer = newcomer(&service.south("/")).get(&format!("/{name}")).expect_status(200);
        assert!(answer.body == bytes, "{name}");
    }
    newcomer(&service.north("/")).get("/images").expect_status(200);
    assert!(figure_at(&service.north("/metrics"), "connections_crowded_total") > 0);
    assert!(descriptors(service.pid()) <= 400);
}

/// Nothing can be opened for a while. Nothing ends because of it, and above all no file is reported missing.
#[test]
fn a_time_without_descriptors_passes() {
    let mut service = service();
    let (url, pid) = (service.south("/"), service.pid());
    let mut transfer = Connection::open(&url);
    transfer.send(&Request::new("GET", "/big.bin")).unwrap();
    transfer.receive_head().unwrap().expect_status(200);
    let mut kept = Connection::open(&url);
    kept.get("/small.txt").expect_status(200);
    // A recently requested file stays open for a moment.
    std::thread::sleep(Duration::from_millis(2500));

    // Even the descriptors that it will close exceed the limit, so closing frees none.
    set_limit(pid, limit_with_free(pid, 0));
    for _ in 0..3 {
        let refused = kept.get("/middle.bin").expect_status(503);
        assert_eq!(refused.header("Retry-After"), None, "only iPXE is known to come back");
        let refused = Request::new("GET", "/middle.bin").header(IPXE.0, IPXE.1);
        let refused = kept.exchange(&refused).unwrap().expect_status(503);
        assert!(refused.header("Retry-After").unwrap().parse::<u32>().is_ok());
    }
    // Most of these connections are not even accepted.
    let mut waiting: Vec<Connection> = (0..20).map(|_| newcomer(&url)).collect();
    for connection in &mut waiting {
        connection.send(&Request::new("GET", "/small.txt")).unwrap();
    }
    std::thread::sleep(Duration::from_secs(1));
    let body = transfer.read_some(usize::try_from(BIG).unwrap()).unwrap();
    assert!(body.ends_with(b"end.\n"), "a transfer needs no new descriptor");

    set_limit(pid, 10_000);
    for connection in &mut waiting {
        // Some were accepted and refused, or closed in favour of others; the rest are served now. No client
        // waits in vain.
        match connection.receive("GET") {
            Ok(answer) => assert!(matches!(answer.status, 200 | 503), "{}", answer.head_text()),
            Err(error) => {
                assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
            }
        }
    }
    let failed = figure(&service, "connections_failed_total");
    assert!((1..=500).contains(&failed), "it was tried {failed} times within a second");
    let answer = newcomer(&url).get("/middle.bin").expect_status(200);
    assert!(answer.body == images::pattern(1, 300_000));
    assert!(service.is_alive() && !service.log().contains("panicked"), "{}", service.log());
}

/// Idle clients are closed before a client with a request is kept waiting.
#[test]
fn idle_connections_make_room_when_descriptors_run_out() {
    let service = service();
    let url = service.south("/");
    let before = descriptors(service.pid());
    set_limit(service.pid(), limit_with_free(service.pid(), 60));
    // More connections than the limit allows.
    let idle = crowd::connect(&url, crowd::address(1), 100);
    eventually(PATIENCE, "clients that were let in", || {
        (descriptors(service.pid()) >= before + 30).then_some(())
    });
    for target in ["/small.txt", "/middle.bin"] {
        let mut connection = newcomer(&url);
        eventually(PATIENCE, "an answer", || {
            let answer = connection.get(target);
            // A descriptor for the client may be free a moment before one for its file.
            assert!(matches!(answer.status, 200 | 503), "{}", answer.head_text());
            (answer.status == 200).then_some(())
        });
    }
    eventually(PATIENCE, "an idle client that had to go", || {
        idle.iter().any(|client| !crowd::is_open_and_silent(client)).then_some(())
    });
}

/// A client that requests one file after the other does not keep them all open at the expense of others.
#[test]
fn files_of_a_moment_ago_make_room_when_descriptors_run_out() {
    let names: Vec<String> = (0..300).map(|number| format!("file-{number}.bin")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"bytes".as_slice())).collect();
    let service = limited::start(200, &files);
    let mut connection = newcomer(&service.south("/"));
    for name in &names {
        let answer = connection.get(&format!("/{name}"));
        assert_eq!(answer.status, 200, "{name}: {}\n{}", answer.head_text(), service.log());
    }
    newcomer(&service.south("/")).get("/").expect_status(200);
}

/// Reads the body of a transfer slowly; returns its last bytes and its length.
fn read_slowly(mut stream: TcpStream) -> (Vec<u8>, u64) {
    let (mut piece, mut last, mut length) = (vec![0; 1 << 20], Vec::new(), 0);
    loop {
        let read = stream.read(&mut piece).unwrap();
        if read == 0 {
            return (last, length);
        }
        length += read as u64;
        last.extend_from_slice(&piece[..read]);
        last.drain(..last.len().saturating_sub(16));
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_stop_under_load_lets_everybody_finish_who_has_asked() {
    const SIZE: u64 = 24 << 20;
    let setup = Setup::new()
        .set("shutdownTimeout", json!(30_000))
        .set("maxTransfers", json!(8))
        .file("static/small.txt", "small\n");
    iso::sparse_file(&setup.path("static/big.bin"), SIZE, &[(SIZE - 5, b"end.\n")]);
    let mut service = setup.start();
    let url = service.south("/");
    let mut used = Connection::open(&url);
    used.get("/small.txt").expect_status(200);
    let idle = crowd::connect(&url, crowd::address(1), 100);
    let half = crowd::connect(&url, crowd::address(2), 50);
    crowd::say(&half, b"GET /small.txt HTTP/1.1\r\nHost: x\r\n");
    // Eight of these run, four wait for a permit.
    let mut transfers = crowd::connect(&url, crowd::address(3), 4);
    transfers.extend(crowd::connect(&url, crowd::address(4), 4));
    transfers.extend(crowd::connect(&url, crowd::address(5), 4));
    crowd::say(&transfers, &crowd::get("/big.bin"));
    await_figure(&service, "transfers_waiting", |waiting| waiting == 4);
    await_figure(&service, "transfers_running", |running| running == 8);

    service.signal(rustix::process::Signal::TERM);
    let authority = http::split(&url).0.to_owned();
    eventually(PATIENCE, "a refused connection", || TcpStream::connect(&authority).is_err().then_some(()));
    assert!(idle.iter().all(crowd::is_closed), "an idle connection got something");
    assert!(used.exchange(&Request::new("GET", "/small.txt")).is_err());
    assert!(service.is_alive(), "transfers are in flight");
    let readers: Vec<_> =
        transfers.into_iter().map(|stream| std::thread::spawn(move || read_slowly(stream))).collect();
    for reader in readers {
        let (last, length) = reader.join().unwrap();
        assert!(last.ends_with(b"end.\n") && length > SIZE, "a transfer was cut after {length} bytes");
    }
    eventually(PATIENCE, "an end, though half a request is here", || has_ended(service.pid()).then_some(()));
    // The process has ended already; only its exit status matters.
    assert_eq!(service.sigterm().code(), Some(0));
    assert!(!service.log().contains("cutting"), "{}", service.log());
    drop(half);
}

/// A client that requests at the moment of the stop is answered completely or not at all; repeated requests
/// cannot delay the stop.
#[test]
fn no_answer_is_torn_by_a_stop() {
    let mut service = Setup::new()
        .set("shutdownTimeout", json!(30_000))
        .set("minLogLevel", json!(2))
        .file("static/small.txt", "small\n")
        .file("static/middle.bin", images::pattern(1, 300_000))
        .start();
    let url = service.south("/");
    let (authority, answered) = (http::split(&url).0, AtomicUsize::new(0));
    let files = [("/small.txt", b"small\n".to_vec()), ("/middle.bin", images::pattern(1, 300_000))];
    std::thread::scope(|scope| {
        for at_most in [usize::MAX, usize::MAX, usize::MAX, 1, 1, 7] {
            let (answered, files) = (&answered, &files);
            scope.spawn(move || {
                while let Ok(mut stream) = TcpStream::connect(authority) {
                    for (target, content) in files.iter().cycle().take(at_most) {
                        if stream.write_all(&crowd::get(target)).is_err() {
                            break;
                        }
                        let Some(answer) = crowd::whole_or_nothing(&stream, content.len() as u64) else {
                            break;
                        };
                        assert!(
                            answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(content),
                            "{target}"
                        );
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        eventually(PATIENCE, "answers", || (answered.load(Ordering::Relaxed) > 200).then_some(()));
        assert_eq!(service.sigterm().code(), Some(0));
    });
    assert!(!service.log().contains("cutting"), "{}", service.log());
}

#[test]
fn a_second_signal_stops_at_once() {
    let setup = Setup::new().set("shutdownTimeout", json!(60_000));
    iso::sparse_file(&setup.path("static/big.bin"), BIG, &[]);
    let mut service = setup.start();
    let mut transfer = Connection::open(&service.south("/"));
    transfer.send(&Request::new("GET", "/big.bin")).unwrap();
    transfer.receive_head().unwrap().expect_status(200);
    service.signal(rustix::process::Signal::TERM);
    assert!(!service.ends_within(Duration::from_millis(500)), "a transfer is in flight");
    assert_eq!(service.sigterm().code(), Some(0));
    // The transfer is incomplete.
    if let Ok(rest) = transfer.read_to_end() {
        assert!((rest.len() as u64) < BIG);
    }
}
