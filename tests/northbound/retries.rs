//! How long a registration waits, and how a failed one is retried under its id.

use harness::http::{self, Response};
use harness::problem::expect_problem;
use harness::service::query;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup, images};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

const KERNEL: &str = "images/pxeboot/vmlinuz";

/// A service whose store holds `stored.iso`, and a folder with `local.iso`.
fn service() -> Service {
    let installer = fs::read(images::installer()).unwrap();
    Setup::new().file("static/iso/stored.iso", &installer).file("elsewhere/local.iso", &installer).start()
}

#[track_caller]
fn expect_kernel_served(service: &Service, name: &str, version: &str) {
    let answer = http::get(&service.south(&format!("/{name}/{version}/{KERNEL}"))).expect_status(200);
    assert!(answer.body == images::pattern(1, 300_000), "the kernel of {name} {version} differs");
}

/// DELETE with parameters, encoded here.
fn delete(service: &Service, parameters: &[(&str, &str)]) -> Response {
    http::delete(&service.north(&format!("/images?{}", query(parameters))))
}

#[test]
fn a_registration_from_the_web_waits_as_long_as_it_is_asked_to() {
    let service = service();
    let origin = Origin::start();
    let installer = fs::read(images::installer()).unwrap();
    let piece = installer.len() / 10 + 1;
    // Five seconds in total, longer than the service waits by default.
    let slow = Behaviour::Dribble { bytes: installer, piece, pause: Duration::from_millis(500) };
    let register = |version: &str, more: &[(&str, &str)], headers: &[(&str, &str)]| {
        // Downloads of one file name share a file in the store, so each has a path of its own.
        let link = format!("/slow-{version}.iso");
        origin.on(&link, slow.clone());
        let url = origin.url(&link);
        let parameters = [&[("name", "web"), ("version", version), ("isoweb", &url)], more].concat();
        let started = Instant::now();
        let answer =
            http::request("PUT", &service.north(&format!("/images?{}", query(&parameters))), headers, "");
        (answer.expect_status(200).json()["status"].as_str().unwrap().to_owned(), started.elapsed())
    };
    let (status, took) = register("async", &[], &[("Prefer", "respond-async")]);
    assert_eq!(status, "downloading iso");
    assert!(took < Duration::from_secs(2), "{took:?}");
    let (status, took) = register("zero", &[("wait", "0")], &[]);
    assert_eq!(status, "downloading iso");
    assert!(took < Duration::from_secs(2), "{took:?}");
    let (status, took) = register("default", &[], &[]);
    assert_eq!(status, "downloading iso");
    assert!(took < Duration::from_secs(5), "a few seconds at most, not {took:?}");
    let (status, _) = register("parameter", &[("wait", "50")], &[]);
    assert_eq!(status, "OK");
    let (status, _) = register("prefer", &[], &[("Prefer", "respond-async, Wait=\"50\"")]);
    assert_eq!(status, "OK");
    for version in ["async", "zero", "default", "parameter", "prefer"] {
        service.wait_for_status("web", version, |status| status == "OK");
        expect_kernel_served(&service, "web", version);
    }
}

#[test]
fn a_failed_image_is_retried_under_its_id() {
    let service = service();
    let origin = Origin::start();
    let url = origin.url("/later.iso");
    let parameters = [("name", "retry"), ("version", "1"), ("isoweb", url.as_str())];
    let target = service.north(&format!("/images?{}", query(&parameters)));
    let first = http::request("PUT", &target, &[("Prefer", "respond-async")], "").expect_status(200).json();
    let failed = service.wait_for_status("retry", "1", |status| status.starts_with("error: "));
    assert!(failed["status"].as_str().unwrap().contains("404"), "{failed}");
    assert_eq!(failed["id"], first["id"]);
    http::get(&service.south(&format!("/retry/1/{KERNEL}"))).expect_status(404);

    // A retry that is refused changes neither the record nor its position in the list.
    expect_problem(
        &service,
        &service.put_image(&[("name", "retry"), ("version", "1"), ("isostore", "none.iso")]),
        404,
        "`isostore`",
    );
    expect_problem(&service, &service.put_image(&parameters), 404, "404");
    let listed = service.images(&[("name", "retry")]);
    assert_eq!((listed.len(), &listed[0]["id"]), (1, &first["id"]));
    assert!(listed[0]["status"].as_str().unwrap().starts_with("error: "), "{listed:?}");

    origin.on("/later.iso", Behaviour::File(images::installer()));
    let again = http::put(&target, "").expect_status(200).json();
    assert_eq!(again["id"], first["id"]);
    service.wait_for_status("retry", "1", |status| status == "OK");
    expect_kernel_served(&service, "retry", "1");
    expect_problem(&service, &service.put_image(&parameters), 409, "retry 1");

    // An image whose ISO was removed is in error too; another source repairs it.
    fs::remove_file(service.path("static/iso/later.iso")).unwrap();
    service.wait_for_status("retry", "1", |status| status.starts_with("error: "));
    let again = service.put_image(&[("name", "retry"), ("version", "1"), ("isostore", "stored.iso")]);
    let again = again.expect_status(200).json();
    assert_eq!((&again["id"], &again["iso"]), (&first["id"], &json!("stored.iso")));
    expect_kernel_served(&service, "retry", "1");
    delete(&service, &[("name", "retry"), ("version", "1")]).expect_status(200);
    assert_eq!(http::get(&service.north("/images")).text(), "[]");
}

#[test]
fn a_lost_iso_can_be_sent_again() {
    let service = service();
    let url = service.north("/images?name=again&version=1&isoclient=again.iso");
    let headers = [("Accept", "application/json")];
    let installer = fs::read(images::installer()).unwrap();
    let first = http::request("PUT", &url, &headers, installer.clone()).expect_status(200).json();
    fs::remove_file(service.path("static/iso/again.iso")).unwrap();
    service.wait_for_status("again", "1", |status| status.contains("missing"));
    let again = http::request("PUT", &url, &headers, installer).expect_status(200).json();
    assert_eq!((&again["id"], &again["status"]), (&first["id"], &json!("OK")));
    expect_kernel_served(&service, "again", "1");
}

#[test]
fn a_retry_is_not_undone_by_the_failure_before_it() {
    let service = service();
    let closed = format!("http://127.0.0.1:{}/x.iso", harness::web::refusing_port());
    let failing = service
        .north(&format!("/images?{}", query(&[("name", "race"), ("version", "1"), ("isoweb", &closed)])));
    for round in 0..60 {
        let failure = std::thread::scope(|scope| {
            let failing = scope.spawn(|| http::put(&failing, ""));
            eventually(Duration::from_secs(5), "a successful retry", || {
                let retry =
                    service.put_image(&[("name", "race"), ("version", "1"), ("isostore", "stored.iso")]);
                (retry.status == 200).then_some(())
            });
            failing.join().unwrap()
        });
        assert!((400..500).contains(&failure.status), "{}", failure.head_text());
        let listed = service.images(&[("name", "race")]);
        assert_eq!(listed.len(), 1, "round {round}: what was answered with 200 is gone");
        assert_eq!(listed[0]["status"], "OK", "round {round}");
        delete(&service, &[("name", "race"), ("version", "1")]).expect_status(200);
    }
}
