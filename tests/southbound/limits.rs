//! Limits: no client takes all connections, all transfers or all of a rate; waiting clients are served in
//! turn; and the API reports what happened.

use harness::crowd;
use harness::figures::{await_figure, figure, recent, running};
use harness::http::{self, Connection, Request, Response};
use harness::wait::eventually;
use harness::{Service, Setup, images, iso};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// More bytes than the buffers of a connection hold, so that a client which reads nothing keeps its transfer
/// running.
const BIG: u64 = 64 << 20;

/// Firmware gives up when the first byte takes longer.
const IN_TIME: Duration = Duration::from_secs(5);

/// How long a client may wait until it is served.
const PATIENCE: Duration = Duration::from_secs(10);

const IPXE: (&str, &str) = ("User-Agent", "iPXE/1.21.1+ (g4e456)");

fn service(tweaks: &[(&str, u64)]) -> Service {
    let setup = tweaks.iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, json!(value)));
    let setup = setup.file("static/small.txt", "small\n");
    iso::sparse_file(&setup.path("static/big.bin"), BIG, &[(BIG - 5, b"end.\n")]);
    setup.start()
}

/// Starts transfers of a big file by as many clients, which read nothing. Returns when all of them run.
#[track_caller]
fn stopped(service: &Service, count: usize) -> Vec<TcpStream> {
    let connect = |client| crowd::connect_with_small_buffers(&service.south("/"), client, 1).remove(0);
    let addresses = (1000..).map(crowd::address);
    let clients: Vec<TcpStream> = addresses.take(count).map(connect).collect();
    crowd::say(&clients, &crowd::get("/big.bin"));
    await_figure(service, "transfers_running", |running| running == count as u64);
    clients
}

/// A request for the first bytes of the big file, which needs a permit.
fn part(length: u64) -> Request {
    Request::new("GET", "/big.bin").header("Range", &format!("bytes=0-{}", length - 1))
}

#[track_caller]
fn expect_part(answer: &Response, length: u64) {
    assert_eq!(answer.status, 206, "{}", answer.head_text());
    assert_eq!(answer.body.len() as u64, length);
}

#[test]
fn an_address_has_its_connections_and_no_more() {
    let service = service(&[("maxConnectionsPerAddress", 5)]);
    let url = service.south("/small.txt");
    let greedy = crowd::connect(&url, crowd::address(1), 8);
    await_figure(&service, "connections_refused_total", |refused| refused == 3);
    let mut served: Vec<TcpStream> = eventually(Duration::from_secs(5), "five connections", || {
        let open = greedy.iter().filter(|client| crowd::is_open_and_silent(client));
        let open: Vec<TcpStream> = open.map(|client| client.try_clone().unwrap()).collect();
        (open.len() == 5).then_some(open)
    });
    drop(greedy);
    // Other clients are served as usual, by both APIs.
    http::get(&url).expect_status(200);
    assert_eq!(figure(&service, "connections_refused_total"), 3);
    let last = served.pop().unwrap();
    for client in served {
        assert!(crowd::last_answer(&client, "/small.txt").ends_with("small\n"));
    }
    // The clients have gone, so permits are free again.
    eventually(Duration::from_secs(5), "places that are free again", || {
        let more = crowd::connect(&url, crowd::address(1), 4);
        more.iter().all(crowd::is_open_and_silent).then(|| {
            more.iter()
                .map(|client| crowd::last_answer(client, "/small.txt"))
                .all(|text| text.ends_with("small\n"))
        })
    });
    assert!(crowd::last_answer(&last, "/small.txt").ends_with("small\n"), "the first five kept their places");
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let service = service(&[("maxConnections", 6)]);
    let url = service.south("/");
    let transfers = stopped(&service, 2);
    let mut idle = crowd::connect(&url, crowd::address(1), 2);
    idle.extend(crowd::connect(&url, crowd::address(2), 2));
    for _ in 0..8 {
        let mut newcomer = Connection::open(&url);
        newcomer.set_silence(PATIENCE);
        newcomer.get("/small.txt").expect_status(200);
    }
    eventually(PATIENCE, "an idle connection that had to go", || {
        idle.iter().any(|client| !crowd::is_open_and_silent(client)).then_some(())
    });
    assert!(figure(&service, "connections_crowded_total") > 0);
    for transfer in transfers {
        let answer = crowd::answer(&transfer, BIG);
        assert!(answer.ends_with(b"end.\n"), "a transfer was given up for a newcomer");
    }
}

/// All permits are held by clients that have just been served, and each may stay idle for a minute.
#[test]
fn a_newcomer_gets_the_place_of_the_first_that_falls_silent() {
    let service = service(&[("maxConnections", 4)]);
    let url = service.south("/");
    let mut speaking = crowd::connect(&url, crowd::address(1), 2);
    speaking.extend(crowd::connect(&url, crowd::address(2), 2));
    crowd::say(&speaking, &crowd::get("/small.txt"));
    for client in &speaking {
        assert!(crowd::answer(client, 6).ends_with(b"small\n"));
    }
    for _ in 0..3 {
        let mut connection = Connection::open(&url);
        connection.set_silence(PATIENCE);
        connection.get("/small.txt").expect_status(200);
    }
}

/// A client that holds half of the transfers, and reads nothing, leaves the other half to others.
#[test]
fn one_client_gets_half_of_the_transfers() {
    let service = service(&[("maxTransfers", 4)]);
    let url = service.south("/");
    let greedy = crowd::connect_with_small_buffers(&url, crowd::address(1), 2);
    crowd::say(&greedy, &crowd::get("/big.bin"));
    await_figure(&service, "transfers_running", |running| running == 2);
    // iPXE is told at once to come back, and other firmware after a while, before it loses its patience.
    let begun = Instant::now();
    for (agent, least, most) in [(IPXE.1, 0, 3), ("GRUB", 3, 5)] {
        let client = crowd::connect_one(&url, crowd::address(1));
        let begun = Instant::now();
        let request = part(100_000).header("User-Agent", agent).header("Connection", "close");
        crowd::say([&client], &request.to_bytes("crowd"));
        let answer = String::from_utf8(crowd::rest(&client)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{answer}");
        assert!(answer.contains("\r\nRetry-After: ") && answer.contains("\r\nContent-Length: "), "{answer}");
        let took = begun.elapsed();
        assert!((Duration::from_secs(least)..Duration::from_secs(most + 5)).contains(&took), "{took:?}");
    }
    assert!(begun.elapsed() < PATIENCE * 2);
    assert_eq!(figure(&service, "transfers_refused_total"), 2);
    // Answers without a transfer need no permit.
    assert!(
        crowd::last_answer(&crowd::connect_one(&url, crowd::address(1)), "/small.txt").ends_with("small\n")
    );
    expect_part(&Connection::open(&url).exchange(&part(100_000)).unwrap(), 100_000);
    drop(greedy);
    eventually(PATIENCE, "its places again", || {
        let client = crowd::connect_one(&url, crowd::address(1));
        let request = part(5).header(IPXE.0, IPXE.1).header("Connection", "close").to_bytes("crowd");
        crowd::say([&client], &request);
        crowd::rest(&client).starts_with(b"HTTP/1.1 206 ").then_some(())
    });
}

#[test]
fn one_client_gets_half_of_the_connections() {
    let service = service(&[("maxConnections", 8)]);
    for url in [service.south("/small.txt"), service.north("/about")] {
        let greedy = crowd::connect(&url, crowd::address(1), 6);
        eventually(Duration::from_secs(5), "four connections", || {
            (greedy.iter().filter(|client| crowd::is_open_and_silent(client)).count() == 4).then_some(())
        });
        let others = crowd::connect(&url, crowd::address(2), 4);
        assert!(others.iter().all(crowd::is_open_and_silent));
        assert_eq!(greedy.iter().filter(|client| crowd::is_open_and_silent(client)).count(), 4);
    }
}

/// Only iPXE is known to obey Retry-After; other clients take a 503 for the end (`clients.md`).
#[test]
fn ipxe_is_told_to_come_back_when_there_is_no_place() {
    let service = service(&[("maxTransfers", 2)]);
    let holders = stopped(&service, 2);
    let mut ipxe = Connection::open(&service.south("/"));
    for request in [part(100_000), Request::new("GET", "/big.bin")] {
        let answer = ipxe.exchange(&request.header(IPXE.0, IPXE.1)).unwrap().expect_status(503);
        let seconds = answer.header("Retry-After").unwrap_or_else(|| panic!("{}", answer.head_text()));
        assert!(seconds.bytes().all(|byte| byte.is_ascii_digit()), "iPXE wants an integer: {seconds}");
        assert!((1..=30).contains(&seconds.parse::<u32>().unwrap()), "{seconds}");
        assert_eq!(answer.content_length(), Some(answer.body.len() as u64));
        assert_eq!(answer.reason, "Service Unavailable");
    }
    // Answers without a transfer need no permit, and the connection still works.
    for (request, status) in [
        (Request::new("HEAD", "/big.bin"), 200),
        (Request::new("GET", "/small.txt"), 200),
        (Request::new("GET", "/"), 200),
        (Request::new("GET", "/missing"), 404),
        (Request::new("GET", "/big.bin").header("If-None-Match", "*"), 304),
        (Request::new("GET", "/big.bin").header("If-Match", "\"other\""), 412),
        (Request::new("GET", "/big.bin").header("Range", &format!("bytes={BIG}-")), 416),
    ] {
        ipxe.exchange(&request.header(IPXE.0, IPXE.1)).unwrap().expect_status(status);
    }
    assert_eq!(figure(&service, "transfers_refused_total"), 2);
    assert_eq!(figure(&service, "southbound_responses_total{status=\"5xx\"}"), 2);
    assert_eq!(figure(&service, "transfers_waiting"), 0);
    drop(holders);
    let answer = eventually(PATIENCE, "a place", || {
        let answer = ipxe.exchange(&part(100_000).header(IPXE.0, IPXE.1)).unwrap();
        (answer.status != 503).then_some(answer)
    });
    expect_part(&answer, 100_000);
}

#[test]
fn all_others_wait_in_the_order_of_coming() {
    let service = service(&[("maxTransfers", 1)]);
    let holder = stopped(&service, 1);
    let url = service.south("/");
    let mut waiting = Vec::new();
    for number in 1..=6 {
        let client = crowd::connect_one(&url, crowd::address(number));
        let request = part(100_000 + u64::from(number)).header("Connection", "close").to_bytes("crowd");
        crowd::say([&client], &request);
        waiting.push(client);
        await_figure(&service, "transfers_waiting", |waiting| waiting == u64::from(number));
    }
    assert!(waiting.iter().all(crowd::is_open_and_silent));
    assert_eq!(running(&service).len(), 1);
    // Two clients give up, each in its own way. The service may notice late, but no other client loses its
    // turn.
    drop(waiting.remove(4));
    crowd::reset(waiting.remove(2));
    drop(holder);
    for (client, number) in waiting.iter().zip([1, 2, 4, 6]) {
        let answer = crowd::rest(client);
        assert!(answer.starts_with(b"HTTP/1.1 206 "), "{number}: {}", String::from_utf8_lossy(&answer));
        let bodies_begin = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(answer.len() - bodies_begin, 100_000 + number, "{number}");
    }
    await_figure(&service, "transfers_waiting", |waiting| waiting == 0);
    await_figure(&service, "transfers_running", |running| running == 0);
    let ended: Vec<u64> =
        recent(&service).iter().rev().map(|ended| ended["size"].as_u64().unwrap()).collect();
    let order: Vec<u64> = ended.into_iter().filter(|size| (100_001..=100_006).contains(size)).collect();
    assert!(order.is_sorted(), "served in another order than they came: {order:?}");
    assert!([100_001, 100_002, 100_004, 100_006].iter().all(|size| order.contains(size)), "{order:?}");
    assert_eq!(figure(&service, "transfers_refused_total"), 0);
}

/// Fetches the first `length` bytes, on a connection of its own; returns when the last arrived.
fn fetch(service: &Service, length: u64) -> Instant {
    let answer = Connection::open(&service.south("/")).exchange(&part(length)).unwrap();
    expect_part(&answer, length);
    Instant::now()
}

#[test]
fn the_total_rate_is_kept_and_shared_evenly() {
    const RATE: u64 = 4 << 20;
    let service = service(&[("transferRate", RATE)]);
    let begun = Instant::now();
    let times: Vec<Duration> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| fetch(&service, RATE / 2))).collect();
        await_figure(&service, "transfers_running", |running| running == 4);
        // Answers from memory do not wait.
        let mut other = Connection::open(&service.south("/"));
        for target in ["/small.txt", "/"] {
            other.get(target).expect_status(200);
        }
        assert_eq!(running(&service).len(), 4, "small answers came only after the large ones");
        clients.into_iter().map(|client| client.join().unwrap() - begun).collect()
    });
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(*last >= Duration::from_millis(1800), "twice the bytes of a second came within {last:?}");
    assert!(*last < Duration::from_secs(20), "{last:?}");
    assert!(*first * 2 > *last, "one client was given most of the rate: {times:?}");
}

#[test]
fn each_image_has_its_rate() {
    const RATE: u64 = 2_000_000;
    let service = service(&[("imageTransferRate", RATE)]);
    service.register("linux", "9", "isolocal", images::installer().to_str().unwrap());
    let begun = Instant::now();
    let image = |target: &str| {
        http::get(&service.south(target)).expect_status(200);
        begun.elapsed()
    };
    std::thread::scope(|scope| {
        // 2.7 MB of one image, and half a megabyte of another file.
        let targets = ["images/pxeboot/initrd.img", "images/pxeboot/initrd.img", "images/pxeboot/vmlinuz"];
        let of_image: Vec<_> =
            targets.map(|file| scope.spawn(move || image(&format!("/linux/9/{file}")))).into_iter().collect();
        let of_other = scope.spawn(|| fetch(&service, 500_000) - begun);
        let image = of_image.into_iter().map(|client| client.join().unwrap()).max().unwrap();
        let other = of_other.join().unwrap();
        assert!(image >= Duration::from_millis(1200), "2.7 MB came within {image:?}");
        assert!(image < Duration::from_secs(20), "{image:?}");
        assert!(other >= Duration::from_millis(200), "half a megabyte came within {other:?}");
        assert!(other < image, "a file waited for an image that it does not belong to: {other:?}, {image:?}");
    });
}

/// A turn is not lost when its client goes away.
#[test]
fn who_goes_away_takes_nothing_of_the_rate_along() {
    let service = service(&[("transferRate", 100_000)]);
    for client in stopped(&service, 500) {
        crowd::reset(client);
    }
    let begun = Instant::now();
    let mut connection = Connection::open(&service.south("/"));
    expect_part(&connection.exchange(&part(5000)).unwrap(), 5000);
    assert!(begun.elapsed() < IN_TIME, "5000 bytes of 100,000 a second took {:?}", begun.elapsed());
}

/// Small answers do not wait; still, other clients must not wait until all small ones are accounted for.
#[test]
fn a_flood_of_small_answers_does_not_use_up_the_rate() {
    let service = service(&[("transferRate", 1_000_000)]);
    service.write("static/four.bin", images::pattern(4, 4000));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = Connection::open(&service.south("/"));
                for _ in 0..2000 {
                    connection.get("/four.bin").expect_status(200);
                }
            });
        }
    });
    let begun = Instant::now();
    let mut connection = Connection::open(&service.south("/"));
    expect_part(&connection.exchange(&part(100_000)).unwrap(), 100_000);
    assert!(begun.elapsed() < IN_TIME, "a tenth of a second's bytes took {:?}", begun.elapsed());
}

/// Clients that read nothing delay only themselves.
#[test]
fn who_stops_reading_takes_nothing_of_the_rate() {
    let service = service(&[("transferRate", 20_000_000)]);
    let _stopped = stopped(&service, 8);
    let mut moved = 0;
    eventually(Duration::from_secs(60), "clients whose buffers are full", || {
        let sent = figure(&service, "southbound_bytes_total");
        (std::mem::replace(&mut moved, sent) == sent).then_some(())
    });
    let begun = Instant::now();
    fetch(&service, 10_000_000);
    assert!(begun.elapsed() < Duration::from_secs(10), "half a second's bytes took {:?}", begun.elapsed());
}

#[test]
fn transfers_are_told_while_they_run_and_afterwards() {
    let service = service(&[]);
    let url = service.south("/");
    let client = crowd::connect_one(&url, crowd::address(5));
    crowd::say([&client], &crowd::get("/big.bin?ks=1"));
    let shown = eventually(Duration::from_secs(5), "a running transfer", || running(&service).pop());
    assert_eq!(shown["client"], client.local_addr().unwrap().to_string());
    assert_eq!((&shown["path"], &shown["size"]), (&json!("/big.bin"), &json!(BIG)));
    assert!(shown["sent"].as_u64().unwrap() < BIG, "{shown}");
    crowd::reset(client);
    await_figure(&service, "transfers_broken_total", |broken| broken == 1);
    let broken = recent(&service).remove(0);
    assert_eq!((&broken["path"], &broken["outcome"]), (&json!("/big.bin"), &json!("broken off")));
    let sent_of_broken = broken["sent"].as_u64().unwrap();
    assert!(sent_of_broken < BIG, "{broken}");

    let mut connection = Connection::open(&url);
    let whole = connection.get("/big.bin").expect_status(200);
    assert!(whole.body.len() as u64 == BIG && whole.body.ends_with(b"end.\n"));
    expect_part(&connection.exchange(&part(70_000)).unwrap(), 70_000);
    connection.get("/small.txt").expect_status(200);
    for (method, target, status) in [("HEAD", "/big.bin", 200), ("GET", "/missing", 404), ("GET", "/", 200)] {
        connection.exchange(&Request::new(method, target)).unwrap().expect_status(status);
    }
    connection
        .exchange(&Request::new("GET", "/big.bin").header("If-None-Match", "*"))
        .unwrap()
        .expect_status(304);
    connection.exchange(&Request::new("PUT", "/big.bin")).unwrap().expect_status(405);
    let told: Vec<(Value, u64, Value)> = recent(&service)
        .into_iter()
        .take(3)
        .map(|ended| (ended["path"].clone(), ended["sent"].as_u64().unwrap(), ended["outcome"].clone()))
        .collect();
    let done = json!("done");
    let expected = [("/small.txt", 6), ("/big.bin", 70_000), ("/big.bin", BIG)];
    assert_eq!(told, expected.map(|(path, sent)| (json!(path), sent, done.clone())));
    assert_eq!(figure(&service, "southbound_bytes_total"), sent_of_broken + BIG + 70_000 + 6);
    let answers = ["2xx", "3xx", "4xx", "5xx"]
        .map(|class| figure(&service, &format!("southbound_responses_total{{status=\"{class}\"}}")));
    assert_eq!(answers, [6, 1, 2, 0]);
    assert!(running(&service).is_empty());
}

#[test]
fn what_is_remembered_has_an_end() {
    let service = service(&[]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = Connection::open(&service.south("/"));
                for _ in 0..300 {
                    connection.get("/small.txt").expect_status(200);
                }
            });
        }
    });
    let long = format!("/{}", "x/../".repeat(1000)) + "small.txt";
    http::get(&service.south(&long)).expect_status(200);
    let recent = recent(&service);
    assert!((100..=200).contains(&recent.len()), "{} transfers are shown", recent.len());
    let path = recent[0]["path"].as_str().unwrap();
    assert!(long.starts_with(path) && path.len() <= 512, "{} bytes of path are remembered", path.len());
    assert_eq!(figure(&service, "southbound_bytes_total"), 1201 * 6);
}
