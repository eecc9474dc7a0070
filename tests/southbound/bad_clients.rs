//! Clients that vanish, send slowly, flood, fall silent or speak no HTTP: other clients are served as usual,
//! and nothing of the bad ones remains.

use harness::crowd;
use harness::figures::{await_figure, descriptors, figure, memory, recent, wake_ups};
use harness::http::{self, Connection, Request};
use harness::wait::eventually;
use harness::{Service, Setup, images, iso};
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// More bytes than the buffers of a connection hold.
const BIG: u64 = 64 << 20;

const MEGABYTE: u64 = 1 << 20;

/// The time limit for other clients' requests, which take milliseconds alone; firmware gives up after it.
const UNHARMED: Duration = Duration::from_secs(5);

/// After this pause the service has put a silent connection aside.
const PAUSE: Duration = Duration::from_millis(1500);

fn service() -> Service {
    setup().start()
}

fn setup() -> Setup {
    let setup = Setup::new()
        .set("minLogLevel", json!(2))
        .file("static/small.txt", "small\n")
        .file("static/other.txt", "other file\n")
        .file("static/middle.bin", images::pattern(1, 300_000));
    iso::sparse_file(&setup.path("static/big.bin"), BIG, &[(0, b"begin"), (BIG - 5, b"end.\n")]);
    setup
}

/// Panics unless another client is served at once: on a new and on an open connection, small files and large.
#[track_caller]
fn expect_others_unharmed(service: &Service) {
    let begun = Instant::now();
    let mut kept = Connection::open(&service.south("/"));
    for _ in 0..10 {
        assert_eq!(kept.get("/small.txt").expect_status(200).text(), "small\n");
        http::get(&service.south("/missing")).expect_status(404);
    }
    assert!(kept.get("/middle.bin").expect_status(200).body == images::pattern(1, 300_000));
    http::get(&service.north("/images")).expect_status(200);
    assert!(begun.elapsed() < UNHARMED, "{:?}", begun.elapsed());
}

/// Waits until the service has no more than `before` descriptors open.
#[track_caller]
fn expect_descriptors_back(service: &Service, before: usize) {
    let mut last = 0;
    eventually(Duration::from_secs(20), "descriptors that were given back", || {
        last = descriptors(service.pid());
        (last <= before).then_some(())
    });
}

/// Open descriptors at rest.
#[track_caller]
fn descriptors_at_rest(service: &Service) -> usize {
    // Neither of these answers keeps a file open.
    for url in [service.south("/missing"), service.north("/images")] {
        http::get(&url);
    }
    eventually(Duration::from_secs(10), "rest", || {
        let before = descriptors(service.pid());
        std::thread::sleep(Duration::from_millis(200));
        (descriptors(service.pid()) == before).then_some(before)
    })
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let service = service();
    let before = descriptors_at_rest(&service);
    let url = service.south("/");
    let head = crowd::get("/big.bin");
    // What each client sends, and how many bytes it reads before it goes.
    let kinds: [(&[u8], usize); 7] = [
        (b"", 0),
        (b"G", 0),
        (&head[..head.len() - 1], 0),
        (&head, 0),
        (&head, 1),
        (&head, 5_000_000),
        (&head.repeat(3), 100_000),
    ];
    let mut begun = 0;
    for (number, (said, read)) in (0..).zip(kinds) {
        let clients = crowd::connect(&url, crowd::address(number), 20);
        crowd::say(&clients, said);
        for (turn, mut client) in clients.into_iter().enumerate() {
            if read > 0 {
                client.read_exact(&mut vec![0; read]).unwrap();
                begun += 1;
            }
            match turn % 3 {
                0 => crowd::reset(client),
                1 => drop(client),
                _ => {
                    client.shutdown(Shutdown::Write).unwrap();
                    drop(client);
                }
            }
        }
    }
    expect_others_unharmed(&service);
    await_figure(&service, "transfers_running", |running| running == 0);
    let broken = figure(&service, "transfers_broken_total");
    assert!(
        (begun..=begun + 20).contains(&broken),
        "{broken} transfers are called broken, {begun} were seen to begin"
    );
    assert!(figure(&service, "connections_broken_total") >= begun);
    let records = recent(&service);
    let records: Vec<_> = records.iter().filter(|ended| ended["path"] == "/big.bin").collect();
    assert_eq!(records.len() as u64, broken);
    for record in records {
        assert_eq!(record["outcome"], "broken off", "{record}");
        assert!(record["sent"].as_u64() < record["size"].as_u64(), "{record}");
    }
    expect_descriptors_back(&service, before);
}

/// Heads that arrive in pieces with long pauses, cut at every place, are read like whole ones. So are those
/// whose connection was put aside meanwhile, and those behind the end of another request.
#[test]
fn a_request_may_come_in_pieces() {
    let service = service();
    let pair = [crowd::get("/small.txt"), crowd::get("/middle.bin")].concat();
    let clients = crowd::connect(&service.south("/"), crowd::address(1), pair.len() - 2);
    let cuts = || clients.iter().zip(1..);
    for (client, cut) in cuts() {
        crowd::say([client], &pair[..cut]);
    }
    std::thread::sleep(PAUSE);
    for (client, cut) in cuts() {
        crowd::say([client], &pair[cut..=cut]);
    }
    std::thread::sleep(PAUSE);
    for (mut client, cut) in cuts() {
        crowd::say([client], &pair[cut + 1..]);
        client.shutdown(Shutdown::Write).unwrap();
        let mut answers = Vec::new();
        client.read_to_end(&mut answers).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert!(answers.starts_with(b"HTTP/1.1 200 OK\r\n"), "cut at {cut}");
        let text = String::from_utf8_lossy(&answers);
        assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "cut at {cut}");
        assert!(text.contains("small\nHTTP/1.1 200 OK"), "cut at {cut}");
        assert!(answers.ends_with(&images::pattern(1, 300_000)), "cut at {cut}");
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let service = service();
    let clients = crowd::connect(&service.south("/"), crowd::address(1), 50);
    let request = crowd::get("/small.txt");
    for byte in &request {
        crowd::say(&clients, &[*byte]);
        std::thread::sleep(Duration::from_millis(20));
    }
    for client in &clients {
        client.shutdown(Shutdown::Write).unwrap();
        let answer = crowd::rest(client);
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(b"\r\nsmall\n"));
    }
}

/// The body of a GET is ignored, but it is never read as the next request.
#[test]
fn a_body_that_nobody_wants_is_no_request() {
    let service = service();
    let hidden = "GET /other.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    let begin = "GET /small.txt HTTP/1.1\r\nHost: x\r\n";
    let heads = [
        (format!("{begin}Content-Length: {}\r\n\r\n", hidden.len()), hidden.to_owned()),
        (
            format!("{begin}Transfer-Encoding: chunked\r\n\r\n"),
            format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len()),
        ),
        (
            format!("{begin}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", hidden.len()),
            hidden.to_owned(),
        ),
    ];
    let next = "GET /missing HTTP/1.1\r\nHost: x\r\n\r\n";
    for late in [false, true] {
        let clients = crowd::connect(&service.south("/"), crowd::address(1), heads.len());
        for (client, (head, body)) in clients.iter().zip(&heads) {
            let (now, _) = body.split_at(if late { 5 } else { body.len() });
            crowd::say([client], format!("{head}{now}").as_bytes());
        }
        if late {
            std::thread::sleep(PAUSE);
        }
        for (mut client, (head, body)) in clients.iter().zip(&heads) {
            if late {
                // The service may have closed the connection.
                let _ = client.write_all(&body.as_bytes()[5..]);
            }
            let _ = client.write_all(next.as_bytes());
            let _ = client.shutdown(Shutdown::Write);
            let mut answers = Vec::new();
            // A connection that is closed with unread bytes ends with a reset.
            let _ = client.read_to_end(&mut answers);
            let answers = String::from_utf8_lossy(&answers);
            assert!(answers.contains("small\n"), "{head}\n{answers}");
            assert!(!answers.contains("other file"), "a body was answered:\n{head}\n{answers}");
        }
    }
}

/// Requests that two parsers could read differently are refused, and the connection is closed.
#[test]
fn ambiguous_requests_end_the_connection() {
    let service = service();
    let hidden = "GET /other.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    for fields in [
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +0\r\n",
        "Content-Length: 0x0\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length : 5\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "X-Folded: 1\r\n  Content-Length: 5\r\n",
        "X-Nul: \0\r\n",
    ] {
        // A parser that takes the body for empty reads the hidden request next; a preceding empty chunk ends
        // it under chunked encoding.
        let text = format!("GET /small.txt HTTP/1.1\r\nHost: x\r\n{fields}\r\n0\r\n\r\n{hidden}");
        let client = crowd::connect_one(&service.south("/"), crowd::address(1));
        crowd::say([&client], text.as_bytes());
        client.shutdown(Shutdown::Write).unwrap();
        let mut answers = Vec::new();
        let _ = (&client).read_to_end(&mut answers);
        let answers = String::from_utf8_lossy(&answers);
        assert!(!answers.contains("other file"), "{fields:?}\n{answers}");
        let closed = answers.contains("\r\nConnection: close\r\n");
        assert!(answers.starts_with("HTTP/1.1 400 ") || closed, "{fields:?}\n{answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{fields:?}\n{answers}");
    }
    expect_others_unharmed(&service);
}

#[test]
fn who_has_said_everything_still_gets_every_answer() {
    let service = service();
    let all =
        [crowd::get("/small.txt"), crowd::get("/big.bin"), crowd::get("/missing"), crowd::get("/other.txt")];
    let old = Request::new("GET", "/big.bin").http10().without_host().to_bytes("");
    for (said, length) in [(all.concat(), BIG), (old, BIG), (crowd::get("/middle.bin"), 300_000)] {
        let client = crowd::connect_one(&service.south("/"), crowd::address(1));
        crowd::say([&client], &said);
        client.shutdown(Shutdown::Write).unwrap();
        // Long enough for the service to find that no request follows.
        std::thread::sleep(Duration::from_millis(200));
        let answers = crowd::rest(&client);
        assert!(answers.len() as u64 > length, "{} of {length} bytes came", answers.len());
        if said.len() > 200 {
            assert!(answers.ends_with(b"\r\n\r\nother file\n"), "the last answer is missing");
        }
    }
    // An unfinished request does not count.
    let client = crowd::connect_one(&service.south("/"), crowd::address(1));
    crowd::say([&client], b"GET /small.txt HTTP/1.1\r\nHost: x\r\n");
    client.shutdown(Shutdown::Write).unwrap();
    let answer = String::from_utf8_lossy(&crowd::rest(&client)).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[test]
fn four_hundred_requests_may_come_at_once() {
    let service = service();
    let middle = images::pattern(1, 300_000);
    let kinds: [(Request, u16, &[u8]); 8] = [
        (Request::new("GET", "/small.txt"), 200, b"small\n"),
        (Request::new("GET", "/middle.bin").header("Range", "bytes=100-99999"), 206, &middle[100..100_000]),
        (Request::new("HEAD", "/big.bin"), 200, b""),
        (Request::new("GET", "/middle.bin"), 200, &middle),
        (Request::new("GET", "/middle.bin").header("If-None-Match", "*"), 304, b""),
        (Request::new("GET", "/missing"), 404, b"Not found\n"),
        (Request::new("GET", "/big.bin").header("Range", "bytes=0-4"), 206, b"begin"),
        (
            Request::new("GET", "/middle.bin").header("Range", "bytes=300000-"),
            416,
            b"Range not satisfiable\n",
        ),
    ];
    let said: Vec<u8> = kinds.iter().flat_map(|(request, ..)| request.to_bytes("x")).collect();
    let mut connection = Connection::open(&service.south("/"));
    connection.write(&said.repeat(50)).unwrap();
    for (number, (request, status, body)) in kinds.iter().cycle().take(400).enumerate() {
        let method = if *status == 200 && body.is_empty() { "HEAD" } else { "GET" };
        let answer =
            connection.receive(method).unwrap_or_else(|error| panic!("{number} {request:?}: {error}"));
        assert_eq!(answer.status, *status, "{number} {request:?}");
        assert!(answer.body == *body, "{number} {request:?}: {} bytes", answer.body.len());
    }
    assert_eq!(connection.get("/small.txt").expect_status(200).text(), "small\n");
}

/// A client that sends requests and never reads is stopped, and costs no memory.
#[test]
fn a_flood_of_requests_is_held_back() {
    let service = service();
    expect_others_unharmed(&service);
    let before = memory(service.pid());
    let requests = crowd::get("/small.txt").repeat(1000);
    let clients = crowd::connect_with_small_buffers(&service.south("/"), crowd::address(1), 3);
    for mut client in &clients {
        client.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let held_back = (0..2000).find_map(|_| client.write_all(&requests).err());
        let error = held_back.expect("two million requests were taken without an answer being read");
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    }
    expect_others_unharmed(&service);
    let grown = memory(service.pid()).saturating_sub(before);
    assert!(grown < 32 * MEGABYTE, "three floods cost {grown} bytes");
}

#[test]
fn random_bytes_harm_nobody() {
    let mut service = service();
    let before = descriptors_at_rest(&service);
    let valid = [
        crowd::get("/small.txt"),
        Request::new("GET", "/middle.bin").header("Range", "bytes=0-99,-100").to_bytes("x"),
        Request::new("HEAD", "/").header("Content-Length", "7").to_bytes("x"),
        b"sevenabGET /other.txt HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
    ]
    .concat();
    let mut numbers = images::pattern(99, 1 << 20).into_iter().map(usize::from).cycle();
    let mut below = move |limit: usize| {
        let mut number = || numbers.next().unwrap();
        (number() << 16 | number() << 8 | number()) % limit
    };
    for round in 0..250 {
        let mut bytes = valid.clone();
        for _ in 0..=below(6) {
            let place = below(bytes.len());
            match below(5) {
                0 => bytes[place] = u8::try_from(below(256)).unwrap(),
                1 => bytes.truncate(place.max(1)),
                2 => drop(bytes.remove(place)),
                3 => bytes.insert(place, b"\r\n \t\0:/%\x80\xff"[below(10)]),
                _ => bytes.rotate_left(place),
            }
        }
        if round % 10 == 0 {
            bytes = (0..1 + below(3000)).map(|_| u8::try_from(below(256)).unwrap()).collect();
        }
        let client = crowd::connect_one(&service.south("/"), crowd::address(1));
        // The service may close the connection before it has read everything.
        let _ = (&client).write_all(&bytes);
        let _ = client.shutdown(Shutdown::Write);
        let mut answers = Vec::new();
        if let Err(error) = (&client).read_to_end(&mut answers) {
            assert_eq!(
                error.kind(),
                ErrorKind::ConnectionReset,
                "{error}: {:?}",
                String::from_utf8_lossy(&bytes)
            );
        }
        let shown = || String::from_utf8_lossy(&bytes).into_owned();
        assert!(answers.is_empty() || answers.starts_with(b"HTTP/1.1 "), "{:?}", shown());
    }
    expect_others_unharmed(&service);
    assert!(service.is_alive() && !service.log().contains("panicked"), "{}", service.log());
    expect_descriptors_back(&service, before);
}

/// Endless heads, from two thousand connections, some of which never stop.
#[test]
fn slow_heads_hold_up_nobody() {
    crowd::allow_thousands();
    let service = service();
    let before = descriptors_at_rest(&service);
    let memory_before = memory(service.pid());
    let mut slow: Vec<TcpStream> = Vec::new();
    for number in 0..4 {
        slow.extend(crowd::connect(&service.south("/"), crowd::address(number), 500));
    }
    crowd::say(&slow, b"GET /small.txt HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    for _ in 0..3 {
        expect_others_unharmed(&service);
        crowd::say(&slow[..1000], b"x");
        std::thread::sleep(Duration::from_millis(700));
    }
    let grown = memory(service.pid()).saturating_sub(memory_before);
    assert!(grown < 100 * MEGABYTE, "two thousand slow heads cost {grown} bytes");
    // A slow head that is complete in time is answered.
    for client in slow.iter().step_by(97) {
        crowd::say([client], b"\r\nConnection: close\r\n\r\n");
        assert!(crowd::rest(client).ends_with(b"\r\n\r\nsmall\n"));
    }
    drop(slow);
    expect_descriptors_back(&service, before);
}

/// Clients that pause in the middle and continue later miss nothing.
#[test]
fn who_stops_reading_may_go_on() {
    let service = service();
    let clients = crowd::connect(&service.south("/"), crowd::address(1), 4);
    crowd::say(&clients, &[crowd::get("/big.bin"), crowd::get("/small.txt")].concat());
    await_figure(&service, "transfers_running", |running| running == 4);
    std::thread::sleep(PAUSE);
    expect_others_unharmed(&service);
    for client in &clients {
        let big = crowd::answer(client, BIG);
        let begin = big.len() - usize::try_from(BIG).unwrap();
        let zeros = &big[begin + 5..big.len() - 5];
        assert!(big[begin..].starts_with(b"begin") && big.ends_with(b"end.\n"));
        assert!(zeros.iter().all(|byte| *byte == 0), "bytes that are not in the file");
        assert!(crowd::answer(client, 6).ends_with(b"\r\nsmall\n"));
    }
    await_figure(&service, "transfers_running", |running| running == 0);
    assert_eq!(figure(&service, "transfers_broken_total"), 0);
}

#[test]
fn ten_thousand_idle_clients_cost_next_to_nothing() {
    crowd::allow_thousands();
    // Both APIs at one address, so that it may have all connections.
    let endpoint = json!({"address": "127.0.0.1", "port": 0, "routers": ["northbound", "southbound"]});
    let service = setup().set("httpEndpoints", json!([endpoint])).start();
    let before = descriptors_at_rest(&service);
    let memory_before = memory(service.pid());
    let mut idle: Vec<TcpStream> = Vec::new();
    for number in 0..10 {
        idle.extend(crowd::connect(&service.south("/"), crowd::address(number), 1000));
    }
    await_figure(&service, "connections_accepted_total", |accepted| accepted >= 10_000);
    eventually(Duration::from_secs(10), "ten thousand connections", || {
        (descriptors(service.pid()) >= before + 10_000).then_some(())
    });
    expect_others_unharmed(&service);
    let grown = memory(service.pid()).saturating_sub(memory_before);
    assert!(grown < 64 * MEGABYTE, "ten thousand idle connections cost {grown} bytes");
    // Once the service has forgotten the last request, nothing wakes it.
    eventually(Duration::from_secs(10), "a second without work", || {
        let woken = wake_ups(service.pid());
        std::thread::sleep(Duration::from_secs(1));
        (wake_ups(service.pid()) - woken <= 5).then_some(())
    });
    // All connections still work.
    for client in idle.iter().step_by(101) {
        assert!(crowd::last_answer(client, "/small.txt").ends_with("\r\n\r\nsmall\n"));
    }
    assert_eq!(figure(&service, "connections_crowded_total"), 0);
    drop(idle);
    expect_descriptors_back(&service, before);
    expect_others_unharmed(&service);
}
