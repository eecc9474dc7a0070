//! Space: uploads that cannot fit are refused early, no byte is reserved twice, and the figures add up.

use harness::disk::SmallDisk;
use harness::http::{self, Connection, Request, Response};
use harness::images;
use harness::problem::expect_problem;
use harness::remains::{Remains, expect_no_unfinished};
use harness::wait::eventually;
use harness::{Service, Setup};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const MEBI: usize = 1 << 20;

/// A store in `GET /storage`.
fn store(service: &Service, name: &str) -> Value {
    let storage = http::get(&service.north("/storage")).expect_status(200).json();
    let mut stores = storage["stores"].as_array().expect("stores").iter();
    stores.find(|store| store["store"] == name).unwrap_or_else(|| panic!("no {name} in {storage}")).clone()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// Sends the beginning of an upload.
fn begin(service: &Service, name: &str, size: usize, sent: usize) -> Connection {
    let mut connection = Connection::open(&service.north(""));
    let request =
        Request::new("PUT", &format!("/iso?name={name}")).header("Content-Length", &size.to_string());
    connection.send(&request).unwrap();
    connection.write(&vec![1; sent]).unwrap();
    connection
}

/// Whether an upload of this size is accepted, before any of it is sent: the answer is 100 (Continue) or
/// progress.
fn accepts(service: &Service, target: &str, size: usize) -> bool {
    let status = ask(service, target, size).status;
    assert!(matches!(status, 100 | 200 | 507), "{status}");
    status != 507
}

/// The head of the answer to an upload of this size.
fn ask(service: &Service, target: &str, size: usize) -> Response {
    let mut connection = Connection::open(&service.north(""));
    let request = Request::new("PUT", target)
        .header("Content-Length", &size.to_string())
        .header("Expect", "100-continue");
    connection.send(&request).unwrap();
    let mut answer = connection.receive_head().unwrap();
    if let Some(length) = answer.content_length() {
        answer.body = connection.read_some(usize::try_from(length).unwrap()).unwrap();
    }
    answer
}

#[test]
fn storage_tells_what_there_is_and_what_fits() {
    let reserve = 3 * MEBI;
    let setup = Setup::new().set("reserveBytes", json!(reserve)).set("isoQuota", json!(30 * MEBI));
    let disk = SmallDisk::mount(&setup.path("static/iso"), 40);
    let service = setup.start();
    let empty = store(&service, "iso");
    assert_eq!((number(&empty["files"]), number(&empty["bytes"]), number(&empty["saved"])), (0, 0, 0));
    assert_eq!(empty["unfinished"], json!({"files": 0, "bytes": 0, "promised": 0}));
    assert_eq!((number(&empty["quota"]), number(&empty["available"])), (30 << 20, 30 << 20));
    assert_eq!(store(&service, "microkernel")["quota"], Value::Null);

    http::put(&service.north("/iso?name=a.iso"), vec![1; 2 * MEBI]).expect_status(200);
    let unfinished = begin(&service, "b.iso", 8 * MEBI, MEBI);
    eventually(Duration::from_secs(5), "a mebibyte", || {
        let store = store(&service, "iso");
        let unfinished = json!({"files": 1, "bytes": MEBI, "promised": 8 * MEBI});
        (store["unfinished"] == unfinished).then_some(())
    });
    let now = store(&service, "iso");
    assert_eq!((number(&now["files"]), number(&now["bytes"])), (1, 2 << 20));
    assert_eq!(number(&now["available"]), 20 << 20);

    let storage = http::get(&service.north("/storage")).json();
    let systems = storage["fileSystems"].as_array().expect("file systems");
    let own = systems.iter().find(|system| system["stores"] == json!(["iso"])).expect("the small disk");
    assert_eq!((number(&own["total"]), number(&own["reserved"])), (40 << 20, reserve as u64));
    assert_eq!(number(&own["used"]) + number(&own["free"]), 40 << 20);
    assert_eq!(number(&own["available"]), number(&own["free"]) - reserve as u64 - number(&own["promised"]));
    // All of the second file is reserved, whether or not the file system has allocated it.
    assert!(number(&own["available"]) <= (40 - 3 - 2 - 8) << 20, "{own}");
    assert_eq!(systems.len(), 2, "{storage}");

    drop(unfinished);
    expect_no_unfinished(&service);
    let after = store(&service, "iso");
    assert_eq!(after["unfinished"], empty["unfinished"]);
    let index = http::get(&service.north("/")).json();
    assert_eq!(index["storage"], "/storage");
    drop(service);
    drop(disk);
}

#[test]
fn the_same_space_is_not_promised_twice() {
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.path("static/iso"), 20);
    let service = setup.start();
    let first = begin(&service, "first.iso", 12 * MEBI, MEBI);
    eventually(Duration::from_secs(5), "the first", || {
        (number(&store(&service, "iso")["unfinished"]["bytes"]) > 0).then_some(())
    });
    let refused = ask(&service, "/iso?name=second.iso", 12 * MEBI);
    let problem = expect_problem(&service, &refused, 507, "space");
    let needed = format!("{} bytes are needed", 12 * MEBI);
    assert!(problem["message"].as_str().unwrap().contains(&needed), "{problem}");
    assert!(accepts(&service, "/iso?name=third.iso", 7 * MEBI));
    assert!(!accepts(&service, "/iso?name=fourth.iso", 8 * MEBI + 1));
    drop(first);
    expect_no_unfinished(&service);
    // The file system may need a moment to free the space.
    eventually(Duration::from_secs(5), "space for the second", || {
        accepts(&service, "/iso?name=second.iso", 12 * MEBI).then_some(())
    });
    drop(service);
    drop(disk);
}

#[test]
fn a_quota_is_refused_with_its_figures() {
    let service = Service::start(&json!({"isoQuota": 10 * MEBI, "microkernelQuota": MEBI}));
    let put = |target: &str, size: usize| http::put(&service.north(target), vec![1; size]);
    put("/iso?name=a.iso", 4 * MEBI).expect_status(200);
    let running = begin(&service, "b.iso", 5 * MEBI, 1);
    eventually(Duration::from_secs(5), "the second", || {
        (number(&store(&service, "iso")["unfinished"]["bytes"]) == 1).then_some(())
    });
    for target in ["/iso?name=c.iso", "/images?name=n&version=1&isoclient=c.iso"] {
        let problem = expect_problem(&service, &put(target, 2 * MEBI), 507, "`isoQuota`");
        let message = problem["message"].as_str().unwrap();
        for figure in [2 * MEBI, MEBI, 10 * MEBI] {
            assert!(message.contains(&figure.to_string()), "{figure} is not in: {message}");
        }
    }
    put("/iso?name=c.iso", MEBI).expect_status(200);
    expect_problem(&service, &put("/microkernel?name=k", MEBI + 1), 507, "`microkernelQuota`");
    put("/microkernel?name=k", MEBI).expect_status(200);
    drop(running);
    expect_no_unfinished(&service);

    // An upload of unknown length ends at the quota.
    let before = Remains::of(&service);
    let body =
        [format!("{:x}\r\n", 5 * MEBI + 1).into_bytes(), vec![1; 5 * MEBI + 1], b"\r\n0\r\n\r\n".to_vec()]
            .concat();
    let headers = [("Transfer-Encoding", "chunked"), ("Accept", "application/json")];
    let answer = http::request("PUT", &service.north("/iso?name=d.iso"), &headers, body);
    expect_problem(&service, &answer, 507, "`isoQuota`");
    before.expect_again(&service, "an upload without an end");
}

#[test]
fn a_disk_that_fills_in_the_middle_harms_nothing() {
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.path("static/iso"), 50);
    let mut service = setup.start();
    service.upload_iso("good.iso", &images::installer());
    service.register("good", "1", "isostore", "good.iso");
    http::put(&service.north("/iso?name=old.iso"), images::pattern(5, 9000)).expect_status(200);
    let before = Remains::of(&service);

    // The length is unknown, and another program fills the disk meanwhile.
    let mut connection = Connection::open(&service.north(""));
    let request = Request::new("PUT", "/iso?name=old.iso")
        .header("Transfer-Encoding", "chunked")
        .header("Accept", "application/json");
    connection.send(&request).unwrap();
    let chunk = [format!("{MEBI:x}\r\n").into_bytes(), vec![1; MEBI], b"\r\n".to_vec()].concat();
    connection.write(&chunk).unwrap();
    eventually(Duration::from_secs(5), "a mebibyte", || {
        (number(&store(&service, "iso")["unfinished"]["bytes"]) == MEBI as u64).then_some(())
    });
    disk.fill();
    // The service may close the connection before it has read everything.
    let _ = (0..4).try_for_each(|_| connection.write(&chunk));
    let answer = connection.receive("PUT").unwrap();
    expect_problem(&service, &answer, 507, "space");
    expect_no_unfinished(&service);
    disk.fill();
    expect_problem(&service, &http::put(&service.north("/iso?name=new.iso"), "x"), 507, "space");

    // A file whose bytes come has the next ones allocated.
    disk.make_room();
    let promised = images::pattern(6, 4 * MEBI);
    let mut connection = begin(&service, "promised.iso", promised.len(), 0);
    connection.write(&promised[..1]).unwrap();
    eventually(Duration::from_secs(5), "the first byte", || {
        (number(&store(&service, "iso")["unfinished"]["bytes"]) == 1).then_some(())
    });
    disk.fill();
    connection.write(&promised[1..]).unwrap();
    connection.receive("PUT").unwrap().expect_status(200);
    assert_eq!(fs::read(service.path("static/iso/promised.iso")).unwrap(), promised);
    disk.make_room();
    http::delete(&service.north("/iso?name=promised.iso")).expect_status(200);
    expect_no_unfinished(&service);
    before.expect_again(&service, "a disk that was full");
    service.restart();
    before.expect_again(&service, "a restart");
    drop(service);
    drop(disk);
}
