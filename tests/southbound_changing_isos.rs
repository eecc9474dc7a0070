//! An ISO that changes under a registered image: no byte of another file is ever served, requests are told to come back while the ISO
//! is looked at again, and when that has ended the image is served again or is an error.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use harness::http::{self, Request};
use harness::images::{self, pattern};
use harness::wait::eventually;
use harness::{Service, Setup};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// So large that its digest takes a while, even if nearly all of it is a hole.
const LONG: u64 = 1 << 30;

/// An installer whose padding makes it `LONG`.
fn make_long(path: &Path) {
    fs::copy(images::installer(), path).unwrap();
    File::options().write(true).open(path).unwrap().set_len(LONG).unwrap();
}

/// Writes one byte of the padding, in place.
fn write_padding(path: &Path, byte: u8) {
    File::options().write(true).open(path).unwrap().write_all_at(&[byte], LONG - 1).unwrap();
}

fn kernel(service: &Service) -> String {
    service.south("/linux/1/images/pxeboot/vmlinuz")
}

fn status(service: &Service) -> String {
    service.images(&[("name", "linux")])[0]["status"].as_str().unwrap().to_owned()
}

fn await_digest(service: &Service) {
    eventually(Duration::from_secs(60), "the image's digest", || {
        (!service.images(&[("name", "linux")])[0]["sha256"].is_null()).then_some(())
    });
}

#[track_caller]
fn expect_served(service: &Service) {
    assert_eq!(status(service), "OK");
    assert!(http::get(&kernel(service)).expect_status(200).body == pattern(1, 300_000));
}

/// Panics unless the image's files are there to be asked for later.
#[track_caller]
fn expect_looked_at(service: &Service) {
    assert_eq!(status(service), "preparing");
    for (agent, method) in
        [("iPXE/1.21", "GET"), ("iPXE/1.21", "HEAD"), ("curl/8", "GET"), ("curl/8", "HEAD")]
    {
        for path in ["images/pxeboot/vmlinuz", "README", "", "nothing"] {
            let url = service.south(&format!("/linux/1/{path}"));
            let answer = http::request(method, &url, &[("User-Agent", agent)], "").expect_status(503);
            assert!(answer.body.len() < 200 && !answer.text().contains('<'), "{}", answer.text());
            // All others take a 503 for the end.
            let pause = answer.header("Retry-After").map(|pause| pause.parse::<u16>().unwrap());
            assert_eq!(pause.is_some(), agent.starts_with("iPXE"), "{agent}: {pause:?}");
        }
    }
}

#[test]
fn requests_are_put_off_while_a_changed_iso_is_looked_at() {
    let setup = Setup::new();
    let iso = setup.path("static/iso/linux.iso");
    make_long(&iso);
    let mut service = setup.start();
    service.register("linux", "1", "isostore", "linux.iso");
    expect_served(&service);
    await_digest(&service);
    for restart in [false, true] {
        write_padding(&iso, 1);
        if restart {
            service.restart();
            let lines = service.start_lines();
            assert!(lines.contains(&("images", "0 restored, 1 being looked at")), "{lines:?}");
        }
        expect_looked_at(&service);
        // It is not free to be registered anew until it is known to have failed.
        let again = service.put_image(&[("name", "linux"), ("version", "1"), ("isostore", "linux.iso")]);
        again.expect_status(409);
        service.wait_for_status("linux", "1", |status| status != "preparing");
        assert!(status(&service).contains("changed"), "{}", status(&service));
        http::get(&kernel(&service)).expect_status(404);

        write_padding(&iso, 0);
        if restart {
            service.restart();
        }
        expect_looked_at(&service);
        service.wait_for_status("linux", "1", |status| status != "preparing");
        expect_served(&service);
    }
}

/// Other lengths cannot be the same bytes, and no digest is needed to tell.
#[test]
fn another_length_is_another_iso_at_once() {
    let setup = Setup::new();
    let iso = setup.path("static/iso/linux.iso");
    fs::copy(images::installer(), &iso).unwrap();
    let service = setup.start();
    service.register("linux", "1", "isostore", "linux.iso");
    await_digest(&service);
    let length = fs::metadata(&iso).unwrap().len();
    let bytes = fs::read(&iso).unwrap();
    for other in [length + 1, length + (1 << 20), length - 1, 40_000, 0] {
        expect_served(&service);
        File::options().write(true).open(&iso).unwrap().set_len(other).unwrap();
        http::get(&kernel(&service)).expect_status(404);
        assert!(status(&service).contains("changed"), "{other}: {}", status(&service));
        fs::write(&iso, &bytes).unwrap();
        service.wait_for_status("linux", "1", |status| status == "OK");
    }
}

/// A digest is computed over seconds; what is written meanwhile must not become what was registered.
#[test]
fn a_digest_of_two_versions_is_no_digest() {
    let setup = Setup::new();
    let iso = setup.path("static/iso/linux.iso");
    make_long(&iso);
    let service = setup.start();
    service.register("linux", "1", "isostore", "linux.iso");
    expect_served(&service);
    std::thread::sleep(Duration::from_millis(100));
    assert!(service.images(&[])[0]["sha256"].is_null(), "the digest was too fast for this test");
    write_padding(&iso, 1);
    let digest = eventually(Duration::from_secs(60), "the digest of the new version", || {
        let files = http::get(&service.north("/iso")).json();
        files[0]["sha256"].as_str().map(str::to_owned)
    });
    let image = &service.images(&[])[0];
    assert_ne!(image["sha256"], digest.as_str(), "that is not what was registered");
    assert!(status(&service).contains("changed"), "{}", status(&service));
    http::get(&kernel(&service)).expect_status(404);
}
