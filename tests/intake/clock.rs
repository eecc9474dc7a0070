//! A clock that jumps by a year, forward and back, during transfers and pauses: nothing expires, hurries or
//! hangs.

use harness::clock::Clock;
use harness::http::{self, Connection, Request};
use harness::paced::Paced;
use harness::remains::expect_no_unfinished;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::{self, SOON, begin, wait_for, wait_for_bytes};
use harness::{Service, Setup, digest, images, large};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SIZE: usize = 4 << 20;

/// Forward, back, far ahead, and right again.
const JUMPS: [&str; 4] = ["+365d", "-365d", "+20y", "+0"];

fn start(tweaks: &[(&str, Value)]) -> (Clock, Service) {
    let setup = tweaks.iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, value.clone()));
    let (clock, setup) = Clock::for_program(setup);
    (clock, setup.start())
}

/// The year of the program's clock, from a new job's record.
fn year(service: &Service, name: &str) -> i32 {
    let job = begin(service, name, &[&format!("http://127.0.0.1:1/{name}.iso")]);
    job["created"].as_str().unwrap()[..4].parse().unwrap()
}

#[test]
fn the_program_sees_the_jumps() {
    let (clock, service) = start(&[]);
    let right = year(&service, "now");
    for (name, jump, years) in [("later", "+20y", 20), ("earlier", "-20y", -20)] {
        clock.jump(jump);
        assert_eq!(year(&service, name) - right, years);
    }
}

#[test]
fn what_comes_in_is_not_disturbed() {
    let (clock, mut service) = start(&[("downloadStallTimeout", json!(3000))]);
    let bytes = large::image(1, SIZE);
    let origin = Paced::start(bytes.clone(), SIZE / 4);
    let job = begin(&service, "web", &[&origin.url("/web.iso")]);
    let mut upload = Connection::open(&service.north(""));
    let request = Request::new("PUT", "/iso?name=client.iso").header("Content-Length", &SIZE.to_string());
    upload.send(&request.header("Accept", "application/json")).unwrap();
    for (index, piece) in bytes.chunks(SIZE / 8).enumerate() {
        upload.write(piece).unwrap();
        wait_for_bytes(&service, &job, (index * SIZE / 16) as u64);
        clock.jump(JUMPS[index % JUMPS.len()]);
    }
    assert_eq!(upload.receive("PUT").unwrap().expect_status(200).json()["sha256"], digest::of_bytes(&bytes));
    wait_for(&service, &job, "done");
    assert_eq!(work::now(&service, &job)["attempts"], 1);
    service.wait_for_status("web", "1", |status| status == "OK");
    for name in ["web.iso", "client.iso"] {
        assert_eq!(digest::of_file(&service.path("static/iso").join(name)), digest::of_bytes(&bytes));
    }
    // The image stays, in any year and over restarts.
    let kernel = service.south("/web/1/images/pxeboot/vmlinuz");
    for jump in JUMPS {
        clock.jump(jump);
        assert!(http::get(&kernel).expect_status(200).body == images::pattern(1, 300_000), "{jump}");
        assert_eq!(service.images(&[("name", "web")])[0]["status"], "OK", "{jump}");
    }
    for jump in JUMPS {
        clock.jump(jump);
        service.restart();
        assert_eq!(service.images(&[("name", "web")])[0]["status"], "OK", "{jump}");
    }
    expect_no_unfinished(&service);
}

#[test]
fn a_pause_is_as_long_as_it_was_to_be() {
    let (clock, service) = start(&[("downloadRetryDelay", json!(2000)), ("downloadRetries", json!(5))]);
    let bytes = large::image(2, SIZE);
    let origin = Origin::start();
    for (name, jump) in [("forward", "+365d"), ("back", "-365d")] {
        clock.jump("+0");
        let path = format!("/{name}.iso");
        origin.on(&path, Behaviour::Each(vec![Behaviour::Status(503), Behaviour::Bytes(bytes.clone())]));
        let busy = format!("/{name}-busy.iso");
        let told = Behaviour::Each(vec![Behaviour::Busy("2".into()), Behaviour::Bytes(bytes.clone())]);
        origin.on(&busy, told);
        let jobs = [
            begin(&service, name, &[&origin.url(&path)]),
            begin(&service, &format!("{name}-busy"), &[&origin.url(&busy)]),
        ];
        for job in &jobs {
            wait_for(&service, job, "waiting");
        }
        clock.jump(jump);
        for job in &jobs {
            wait_for(&service, job, "done");
        }
        // The pause is 2 s, give or take a quarter; the other one is the server's Retry-After.
        for (path, least) in [(path, 1450), (busy, 1990)] {
            let seen = origin.asked_for(&path);
            let pause = seen[1].at.duration_since(seen[0].at);
            let expected = Duration::from_millis(least)..Duration::from_secs(6);
            assert!(expected.contains(&pause), "{path}: {pause:?}");
        }
    }
}

#[test]
fn silence_is_noticed_after_its_time_and_not_before() {
    let limit = Duration::from_millis(2500);
    let (clock, service) = start(&[("downloadStallTimeout", json!(2500)), ("downloadRetries", json!(0))]);
    let bytes = large::image(3, SIZE);
    let origin = Origin::start();
    origin.on("/forward.iso", Behaviour::Stall(bytes.clone()));
    origin.on("/back.iso", Behaviour::Stall(bytes));
    for (name, jump) in [("forward", "+365d"), ("back", "-365d")] {
        clock.jump("+0");
        let job = begin(&service, name, &[&origin.url(&format!("/{name}.iso"))]);
        wait_for_bytes(&service, &job, 1);
        let since = Instant::now();
        clock.jump(jump);
        let failed = wait_for(&service, &job, "failed");
        let took = since.elapsed();
        assert!(failed["reason"].as_str().unwrap().contains("too long"), "{failed}");
        // A little of the limit had passed when the first bytes were seen.
        assert!((limit / 2..limit * 3).contains(&took), "{jump}: {took:?}");
    }
    // Jobs of other years can be told apart and removed from the list.
    for job in work::list(&service, &[("kind", "download")]) {
        work::cancel(&service, &job).expect_status(200);
    }
    eventually(SOON, "an empty list", || {
        work::list(&service, &[("kind", "download")]).is_empty().then_some(())
    });
}
