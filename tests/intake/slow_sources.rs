//! Web servers that trickle, that ask clients to wait, and lists of links of which some are dead.

use harness::http;
use harness::source::Source;
use harness::web::{Behaviour, Origin, refusing_port};
use harness::work::{self, begin, register, wait_for, wait_until};
use harness::{Service, digest, large};
use serde_json::json;
use std::time::Duration;

const SIZE: usize = 2 << 20;

fn trickle(bytes: Vec<u8>) -> Behaviour {
    Behaviour::Dribble { bytes, piece: 1, pause: Duration::from_secs(1) }
}

#[track_caller]
fn expect_exactly(service: &Service, name: &str, bytes: &[u8]) {
    let image = service.wait_for_status(name, "1", |status| status == "OK");
    assert_eq!(image["sha256"], digest::of_bytes(bytes), "{image}");
}

#[test]
fn a_trickle_does_not_keep_others_waiting() {
    let service = Service::start(
        &json!({"maxDownloads": 1, "downloadStallTimeout": 2500, "downloadRetries": 1, "downloadRetryDelay": 600_000}),
    );
    let origin = Origin::start();
    let bytes = large::image(1, SIZE);
    origin.on("/trickle.iso", trickle(bytes.clone()));
    origin.on("/good.iso", Behaviour::Bytes(bytes.clone()));
    let trickling = begin(&service, "trickle", &[&origin.url("/trickle.iso")]);
    wait_for(&service, &trickling, "running");
    // There is one permit, and it is taken.
    let good = begin(&service, "good", &[&origin.url("/good.iso")]);
    let waiting = wait_for(&service, &trickling, "waiting");
    assert!(waiting["reason"].as_str().unwrap().contains("too slowly"), "{waiting}");
    wait_for(&service, &good, "done");
    expect_exactly(&service, "good", &bytes);
    // Its next attempt is the last.
    work::retry(&service, &trickling).expect_status(200);
    let failed = wait_for(&service, &trickling, "failed");
    assert!(failed["reason"].as_str().unwrap().contains("too slowly"), "{failed}");
    assert_eq!(failed["attempts"], 2, "{failed}");
    // From another server it succeeds.
    origin.on("/trickle.iso", Behaviour::Bytes(bytes.clone()));
    work::retry(&service, &trickling).expect_status(200);
    expect_exactly(&service, "trickle", &bytes);
}

#[test]
fn a_server_that_asks_for_peace_gets_it() {
    let service = Service::start(&json!({"downloadRetryDelay": 10, "downloadRetries": 4}));
    let origin = Origin::start();
    let bytes = large::image(2, SIZE);
    let good = Behaviour::Bytes(bytes.clone());
    origin.on("/busy.iso", Behaviour::Each(vec![Behaviour::Busy("2".into()), good.clone()]));
    // In the middle of a file as well as at its beginning.
    let cut = Behaviour::Source(Source::new(bytes.clone()).cut_after(SIZE / 2));
    let rest = Behaviour::Source(Source::new(bytes.clone()));
    origin.on("/middle.iso", Behaviour::Each(vec![cut, Behaviour::Busy("2".into()), rest]));
    // Without a Retry-After.
    origin.on(
        "/many.iso",
        Behaviour::Each(vec![Behaviour::Status(429), Behaviour::Status(429), Behaviour::Status(503), good]),
    );
    let jobs = ["busy", "middle", "many"]
        .map(|name| (name, begin(&service, name, &[&origin.url(&format!("/{name}.iso"))])));
    for (name, job) in &jobs {
        wait_for(&service, job, "done");
        expect_exactly(&service, name, &bytes);
    }
    for (name, index) in [("busy", 0), ("middle", 1)] {
        let seen = origin.asked_for(&format!("/{name}.iso"));
        let pause = seen[index + 1].at.duration_since(seen[index].at);
        assert!(pause >= Duration::from_millis(1990), "{name} is asked again after {pause:?}");
    }
    assert_eq!(origin.asked_for("/many.iso").len(), 4);

    // A client that waits for the answer waits for the server too.
    origin
        .on("/wait.iso", Behaviour::Each(vec![Behaviour::Busy("1".into()), Behaviour::Bytes(bytes.clone())]));
    let answer = register(&service, "wait", &[&origin.url("/wait.iso")], "20").expect_status(200).json();
    assert_eq!(answer["status"], "OK");

    // A server may ask for any delay.
    for (index, long) in ["99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"].iter().enumerate() {
        let (name, path) = (format!("long-{index}"), format!("/long-{index}.iso"));
        let busy = Behaviour::Busy((*long).to_owned());
        origin.on(&path, Behaviour::Each(vec![busy, Behaviour::Bytes(bytes.clone())]));
        let job = begin(&service, &name, &[&origin.url(&path)]);
        let waiting = wait_for(&service, &job, "waiting");
        assert!(waiting["until"].as_str().unwrap() < "2100", "{waiting}");
        work::retry(&service, &job).expect_status(200);
        expect_exactly(&service, &name, &bytes);
    }
}

#[test]
fn the_next_link_is_used_where_one_is_no_good() {
    let service = Service::start(
        &json!({"downloadRetryDelay": 50, "downloadRetries": 2, "downloadStallTimeout": 2000}),
    );
    let (origin, mirror) = (Origin::start(), Origin::start());
    let bytes = large::image(3, SIZE);
    origin.on("/page.iso", Behaviour::Html);
    origin.on("/text.iso", Behaviour::Bytes(b"This is no ISO.\n".repeat(10_000)));
    origin.on("/busy.iso", Behaviour::Status(503));
    origin.on("/silent.iso", Behaviour::Silent);
    origin.on("/half.iso", Behaviour::Short { declared: SIZE as u64, bytes: bytes[..SIZE / 2].to_vec() });
    let dead = format!("http://127.0.0.1:{}/x.iso", refusing_port());
    for (name, links, reason) in [
        ("dead", [dead.clone(), origin.url("/gone.iso")], "404"),
        ("missing", [origin.url("/gone.iso"), dead.clone()], "404"),
        ("page", [origin.url("/page.iso"), origin.url("/gone.iso")], "web page"),
        ("text", [origin.url("/text.iso"), dead.clone()], "not an ISO"),
        ("busy", [origin.url("/busy.iso"), dead.clone()], "503"),
        ("silent", [origin.url("/silent.iso"), dead], "too long"),
        ("half", [origin.url("/half.iso"), origin.url("/gone.iso")], "broke"),
    ] {
        let path = format!("/{name}-good.iso");
        mirror.on(&path, Behaviour::Bytes(bytes.clone()));
        let job = begin(&service, name, &[&links[0], &links[1], &mirror.url(&path)]);
        let done = wait_for(&service, &job, "done");
        expect_exactly(&service, name, &bytes);
        // The log names the fault of the first link.
        assert!(work::log(&done).contains(reason), "{name}: {done:#}");
        http::delete(&service.north(&format!("/images?name={name}"))).expect_status(200);
    }
    // With no good link the job fails and says so.
    let gone = [origin.url("/gone.iso"), origin.url("/page.iso"), origin.url("/text.iso")];
    let job = begin(&service, "none", &gone.each_ref().map(String::as_str));
    let failed = wait_until(&service, &job, "failed", |job| job["state"] == "failed");
    assert_eq!(failed["attempts"].as_u64().map(|attempts| attempts <= 3), Some(true), "{failed}");
}
