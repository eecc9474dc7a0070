//! What one client may have: at most half of each thing of which there is a limited number, so that another
//! client, here at another address of this machine, still gets some.

use harness::disk::SmallDisk;
use harness::http::{Connection, Request, Response};
use harness::problem::expect_problem;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::{list, now, retry, wait_until};
use harness::{Service, Setup, crowd, images};
use serde_json::{Value, json};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

const MEBI: usize = 1 << 20;

/// How long changes may take to show.
const SOON: Duration = Duration::from_secs(10);

/// Streams of events and uploads at once that one client may have.
const STREAMS: usize = 64;
const UPLOADS: usize = 32;

fn greedy() -> Ipv4Addr {
    crowd::address(1)
}

fn other() -> Ipv4Addr {
    crowd::address(2)
}

/// A connection from an address.
#[track_caller]
fn connect(service: &Service, from: Ipv4Addr) -> Connection {
    let url = service.north("/");
    Connection::over(crowd::connect_one(&url, from), &url)
}

/// Sends a request from an address, with all of its body, and returns the connection.
#[track_caller]
fn send(service: &Service, from: Ipv4Addr, request: &Request) -> Connection {
    let mut connection = connect(service, from);
    connection.send(request).unwrap();
    connection
}

/// The whole answer to a request from an address.
#[track_caller]
fn ask(service: &Service, from: Ipv4Addr, request: &Request) -> Response {
    connect(service, from).exchange(request).unwrap()
}

/// Begins a resumable upload of `size` bytes without a byte.
#[track_caller]
fn begin(service: &Service, from: Ipv4Addr, name: &str, size: usize) -> Response {
    ask(service, from, &Request::new("POST", &format!("/uploads?name={name}&size={size}")))
}

/// The path of an upload that was begun.
#[track_caller]
fn path_of(begun: &Response) -> String {
    assert_eq!(begun.status, 201, "{}", begun.text());
    format!("/uploads/{}", begun.header("Location").unwrap().rsplit('/').next().unwrap())
}

/// Panics unless a client is told that it has its share, and when to come back.
#[track_caller]
fn expect_share(service: &Service, answer: &Response, part: &str) {
    expect_problem(service, answer, 429, part);
    let seconds = answer.header("Retry-After").unwrap_or_else(|| panic!("{}", answer.head_text()));
    assert!(seconds.parse::<u32>().is_ok(), "{seconds}");
}

#[test]
fn uploads_that_hardly_come_leave_half_of_the_places_to_others() {
    let service = Service::start(&json!({}));
    let put = |name: &str| Request::new("PUT", &format!("/microkernel?name={name}"));
    let slow = |number: usize| {
        let request = put(&format!("slow{number}")).header("Content-Length", "10000000");
        let mut connection = send(&service, greedy(), &request);
        connection.write(b"slow").unwrap();
        connection
    };
    let held: Vec<Connection> = (0..UPLOADS).map(slow).collect();
    let in_storage = || harness::http::get(&service.north("/storage")).json().to_string();
    eventually(SOON, "the uploads", || in_storage().contains("\"files\":32").then_some(()));
    expect_share(&service, &ask(&service, greedy(), &put("more").body("bytes")), "32 files of yours");
    let begun = Request::new("POST", "/uploads?name=more.iso&size=5");
    expect_share(&service, &ask(&service, greedy(), &begun), "32 files of yours");
    ask(&service, other(), &put("other").body("bytes")).expect_status(200);
    drop(held);
    eventually(SOON, "places of those that have gone", || {
        (ask(&service, greedy(), &put("more").body("bytes")).status == 200).then_some(())
    });
}

#[test]
fn streams_of_events_are_left_to_others() {
    let service = Setup::new().set("trustedProxies", json!([format!("{}/32", crowd::address(9))])).start();
    let events = Request::new("GET", "/events");
    let listen = |from, request: &Request| {
        let mut connection = send(&service, from, request);
        let status = connection.receive_head().unwrap().status;
        (connection, status)
    };
    let mut held = Vec::new();
    for _ in 0..STREAMS {
        let (connection, status) = listen(greedy(), &events);
        assert_eq!(status, 200);
        held.push(connection);
    }
    expect_share(&service, &ask(&service, greedy(), &events), "64 times already");
    // Clients behind a proxy are told apart, and what is said of the greedy one counts.
    let forwarded = |address: Ipv4Addr| events.clone().header("X-Forwarded-For", &address.to_string());
    let proxy = crowd::address(9);
    expect_share(&service, &ask(&service, proxy, &forwarded(greedy())), "64 times already");
    assert_eq!(listen(proxy, &forwarded(other())).1, 200);
    assert_eq!(listen(other(), &events).1, 200);
}

#[test]
fn queued_downloads_are_left_to_others() {
    let service = Setup::new().set("maxQueuedJobs", json!(4)).start();
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = silent.local_addr().unwrap();
    let register = |from, name: &str| {
        let target = format!("/images?name={name}&version=1&isoweb=http://{origin}/{name}.iso&wait=0");
        ask(&service, from, &Request::new("PUT", &target))
    };
    register(greedy(), "a").expect_status(200);
    register(greedy(), "b").expect_status(200);
    expect_share(&service, &register(greedy(), "c"), "2 jobs of yours");
    register(other(), "d").expect_status(200);
    // A job that is begun again counts as well, to the client that asks for it.
    let jobs = ask(&service, other(), &Request::new("GET", "/jobs?q=d.iso")).json();
    let job = format!("/jobs/{}", jobs[0]["id"].as_str().unwrap());
    ask(&service, other(), &Request::new("DELETE", &job)).expect_status(200);
    let retry = Request::new("POST", &format!("{job}/retry"));
    expect_share(&service, &ask(&service, greedy(), &retry), "2 jobs of yours");
    ask(&service, other(), &retry).expect_status(200);
    // What ended no longer counts.
    ask(&service, greedy(), &Request::new("DELETE", "/images?name=a&version=1")).expect_status(200);
    eventually(SOON, "the end of a job", || (register(greedy(), "c").status == 200).then_some(()));
}

/// A small disk of 60 MiB below the ISO store. The service stops before it is unmounted.
fn with_a_small_disk(test: impl FnOnce(&mut Service)) {
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.path("static/iso"), 60);
    let mut service = setup.start();
    test(&mut service);
    drop(service);
    drop(disk);
}

#[test]
fn a_promise_takes_no_disk_and_no_more_than_half_of_it() {
    with_a_small_disk(|service| {
        begin(service, greedy(), "first.iso", 20 * MEBI).expect_status(201);
        let more = begin(service, greedy(), "more.iso", 15 * MEBI);
        expect_share(service, &more, "20971520 bytes are promised to other files that you send");
        let put = Request::new("PUT", "/iso?name=more.iso").header("Content-Length", "15728640");
        let mut connection = send(service, greedy(), &put.header("Expect", "100-continue"));
        assert_eq!(connection.receive_head().unwrap().status, 429);
        // Without its promises it would not fit either.
        expect_problem(service, &begin(service, greedy(), "huge.iso", 90 * MEBI), 507, "space");
        begin(service, other(), "other.iso", 25 * MEBI).expect_status(201);
        for entry in fs::read_dir(service.path("static/iso/.incoming")).unwrap() {
            let path = entry.unwrap().path();
            let blocks = fs::metadata(&path).unwrap().blocks();
            assert!(blocks <= 16, "{blocks} blocks of {} are taken", path.display());
        }
    });
}

#[test]
fn downloads_are_promised_no_more_than_uploads() {
    with_a_small_disk(|service| {
        // It tells the size and then sends nothing.
        let silent = |bytes| Behaviour::Dribble { bytes, piece: MEBI, pause: Duration::from_secs(600) };
        let is_promised = |job: &Value| job["progress"]["total"].as_u64().is_some();
        let origin = Origin::start();
        let link = |service: &Service, name: &str, size: usize| {
            let mut bytes = fs::read(images::installer()).unwrap();
            bytes.resize(size, 0);
            origin.on(&format!("/{name}.iso"), silent(bytes));
            let link = origin.url(&format!("/{name}.iso"));
            let target = format!("/images?name={name}&version=1&isoweb={link}&wait=0");
            ask(service, greedy(), &Request::new("PUT", &target)).expect_status(200);
        };
        let job = |service: &Service, name: &str| {
            list(service, &[])
                .into_iter()
                .find(|job| job["title"].as_str().unwrap().starts_with(name))
                .unwrap()
        };
        link(service, "first", 20 * MEBI);
        wait_until(service, &job(service, "first"), "promised its space", is_promised);
        link(service, "second", 15 * MEBI);
        let second = wait_until(service, &job(service, "second"), "waiting", |job| job["state"] == "waiting");
        assert!(second["reason"].as_str().unwrap().contains("one client"), "{second}");
        let more = begin(service, greedy(), "more.iso", 19 * MEBI);
        expect_share(service, &more, "promised to other files that you send");
        service.restart();
        let more = begin(service, greedy(), "more.iso", 19 * MEBI);
        expect_share(service, &more, "promised to other files that you send");
        begin(service, other(), "other.iso", 25 * MEBI).expect_status(201);
        // The share is free again when the first download is.
        ask(service, greedy(), &Request::new("DELETE", "/images?name=first&version=1")).expect_status(200);
        let second = job(service, "second");
        eventually(SOON, "a second download", || {
            retry(service, &second);
            is_promised(&now(service, &second)).then_some(())
        });
    });
}

/// A file that needs more than half of the disk is taken if it fits, and still leaves half to others.
#[test]
fn one_large_file_is_taken_and_is_promised_half() {
    with_a_small_disk(|service| {
        let upload = path_of(&begin(service, greedy(), "large.iso", 50 * MEBI));
        expect_share(service, &begin(service, greedy(), "more.iso", MEBI), "are promised");
        expect_problem(service, &begin(service, other(), "other.iso", 35 * MEBI), 507, "space");
        let promised = path_of(&begin(service, other(), "other.iso", 25 * MEBI));
        // What was promised to the other client is there, whatever comes of the large file.
        let put = |from, path: &str, size: usize| {
            let mut connection =
                send(service, from, &Request::new("PUT", path).header("Content-Length", &size.to_string()));
            // The service may close the connection before it has read everything.
            let _ = connection.write(&vec![7; size]);
            connection.receive("PUT").map_or(507, |answer| answer.status)
        };
        assert_eq!(put(greedy(), &upload, 50 * MEBI), 507);
        // What came of the large file stays. The question is answered when its request has ended.
        let shown = ask(service, greedy(), &Request::new("HEAD", &upload)).expect_status(200);
        let offset: usize = shown.header("Upload-Offset").unwrap().parse().unwrap();
        assert!(offset > 25 * MEBI, "{offset}");
        assert_eq!(put(other(), &promised, 25 * MEBI), 200);
    });
}
