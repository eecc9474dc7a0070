//! `Repr-Digest` (RFC 9530): complete stored files are sent with the digest of exactly these bytes, other
//! answers without one.

use harness::http::{Connection, Request, Response};
use harness::served_digest::{repr_digest, wait_for_digest};
use harness::{Service, Setup, images, iso};
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

const FIELD: &str = "Repr-Digest";

/// A service with both stores, a local ISO, an image and a plain file; all digests are known.
fn service() -> Service {
    // Changes must be noticed between the steps of the tests.
    let setup = Setup::new()
        .set("watchInterval", 0.into())
        .file("static/plain.bin", images::pattern(3, 50_000))
        .file("static/iso/folder/inner.iso", images::pattern(4, 50_000))
        .file("local/away.iso", fs::read(images::installer()).unwrap());
    let service = setup.start();
    service.upload_iso("stored.iso", &images::installer());
    for (name, length) in [("small", 500), ("large.img", 90_000)] {
        let url = service.north(&format!("/microkernel?name={name}"));
        harness::http::put(&url, images::pattern(9, length)).expect_status(200);
    }
    service.register("linux", "9", "isolocal", service.path("local/away.iso").to_str().unwrap());
    wait_for_digest(&service, "iso", "away.iso");
    service
}

fn ask(service: &Service, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
    let mut connection = Connection::open(&service.south("/"));
    connection.exchange(&Request::new(method, target).headers(headers)).unwrap()
}

#[test]
fn whole_stored_files_carry_their_digest() {
    let service = service();
    let installer = fs::read(images::installer()).unwrap();
    for (target, content) in [
        ("/iso/stored.iso", installer.clone()),
        ("/iso//%73tored.iso", installer.clone()),
        ("/iso/away.iso", installer),
        ("/common/small", images::pattern(9, 500)),
        ("/common/large.img", images::pattern(9, 90_000)),
    ] {
        let digest = repr_digest(&content);
        let expected = Some(digest.as_str());
        let whole = ask(&service, "GET", target, &[]).expect_status(200);
        assert!(whole.body == content, "{target}");
        assert_eq!(whole.header(FIELD), expected, "{target}");
        let line = format!("{FIELD}: {digest}");
        assert_eq!(whole.raw_line(FIELD), Some(line), "{target}");
        assert_eq!(ask(&service, "HEAD", target, &[]).expect_status(200).header(FIELD), expected, "{target}");
        // The field describes the whole representation, whatever part is sent (RFC 9530 §3).
        for range in ["bytes=1-3", "bytes=0-0,5-9"] {
            let part = ask(&service, "GET", target, &[("Range", range)]).expect_status(206);
            assert_eq!(part.header(FIELD), expected, "{target} {range}");
        }
        // A 304 carries few fields (RFC 9110 §15.4.5), and the text of a refusal is another representation.
        for (header, value, status) in
            [("If-None-Match", "*", 304), ("If-Match", "\"x\"", 412), ("Range", "bytes=9999999999-", 416)]
        {
            let answer = ask(&service, "GET", target, &[(header, value)]).expect_status(status);
            assert_eq!(answer.header(FIELD), None, "{target} {status}");
        }
    }
}

#[test]
fn nothing_else_carries_one() {
    let service = service();
    for target in [
        "/plain.bin",
        "/iso/folder/inner.iso",
        "/linux/9/README",
        "/linux/9/images/pxeboot/vmlinuz",
        "/iso/",
        "/common/",
        "/",
        "/linux/",
    ] {
        assert_eq!(ask(&service, "GET", target, &[]).expect_status(200).header(FIELD), None, "{target}");
    }
    assert_eq!(ask(&service, "GET", "/iso/none.iso", &[]).expect_status(404).header(FIELD), None);
    assert_eq!(ask(&service, "PUT", "/iso/stored.iso", &[]).expect_status(405).header(FIELD), None);
}

/// The digest belongs to the bytes: a file that may have changed has none until its own is computed.
#[test]
fn a_file_that_changed_has_no_digest_until_its_own_is_known() {
    let service = service();
    let check = |target: &str, file: &str, store: &str| {
        let (name, path) = (target.rsplit('/').next().unwrap(), service.path(file));
        let before = ask(&service, "GET", target, &[]).expect_status(200);
        assert!(before.header(FIELD).is_some(), "{target}");
        // Other bytes, the same size, another time.
        let mut bytes = before.body;
        bytes[77] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let changed = ask(&service, "GET", target, &[]).expect_status(200);
        assert!(
            changed.body == bytes && changed.header(FIELD).is_none(),
            "{target}: {}",
            changed.head_text()
        );
        wait_for_digest(&service, store, name);
        let known = ask(&service, "GET", target, &[]).expect_status(200);
        assert_eq!(known.header(FIELD), Some(repr_digest(&bytes).as_str()), "{target}");
        // The same bytes with another time may be other bytes until they are hashed.
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(ask(&service, "HEAD", target, &[]).expect_status(200).header(FIELD), None, "{target}");
    };
    check("/common/small", "static/common/small", "microkernel");
    check("/common/large.img", "static/common/large.img", "microkernel");
    check("/iso/stored.iso", "static/iso/stored.iso", "iso");
    check("/iso/away.iso", "local/away.iso", "iso");
}

/// Firmware that spells headers its own way gets the file and ignores digests; with the longest name the head
/// is short enough.
#[test]
fn heads_stay_short_with_the_longest_names() {
    let service = service();
    let name = format!("{}.iso", "n".repeat(251));
    service.upload_iso(&name, &iso_of_one_file());
    let answer = ask(&service, "GET", &format!("/iso/{name}"), &[("Range", "bytes=1-5")]).expect_status(206);
    assert!(answer.header(FIELD).is_some() && answer.head.len() < 2048, "{}", answer.head_text());
    ask(&service, "GET", "/iso/STORED.ISO", &[]).expect_status(200);
}

fn iso_of_one_file() -> std::path::PathBuf {
    images::rock_ridge(iso::Maker::Xorriso)
}
