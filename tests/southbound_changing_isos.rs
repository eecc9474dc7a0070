//! An ISO that changes under a registered image: no byte of another file is ever served, requests are told to come back while the ISO
//! is looked at again, and when that has ended the image is served again or is an error.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use harness::http;
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

#[track_caller]
fn expect_served(service: &Service) {
    assert_eq!(status(service), "OK");
    assert!(http::get(&kernel(service)).expect_status(200).body == pattern(1, 300_000));
}

/// Panics unless the image's files are there to be asked for later.
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
