//! An ISO that changes under a registered image: bytes of another file are never served. Requests are told to
//! come back while the ISO is hashed again; then the image is served again or is an error.

use harness::figures::await_figure;
use harness::http::{self, Connection, Request};
use harness::images::{self, pattern};
use harness::wait::eventually;
use harness::{Service, Setup, iso};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// So large that its digest takes a while, even if it is mostly a hole.
const LONG: u64 = 1 << 30;

/// Writes an installer, padded to `LONG`.
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

/// Panics unless requests for the image's files are told to come back later.
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
            // Other clients take a 503 for the end.
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
        // The name is not free until the image is known to have failed.
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

/// Another length means other bytes; no digest is needed.
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

/// Hashing takes seconds; bytes written meanwhile must not become the registered ones.
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

/// More bytes than the buffers of a connection hold.
const BIG: u64 = 32 << 20;

/// The content of the file of that size: zeros except at its ends.
const ENDS: [(u64, &[u8]); 2] = [(0, b"begin"), (BIG - 5, b"end.\n")];

/// A change of an ISO during a transfer of a file in it.
#[derive(Debug, Clone, Copy)]
enum Change {
    Cut(u64),
    Emptied,
    Rewritten,
    Grown,
    Replaced,
    Deleted,
}

impl Change {
    /// Makes the change to the ISO at `path`, which has `length` bytes.
    fn apply(self, path: &Path, length: u64) {
        let file = File::options().write(true).open(path).unwrap();
        match self {
            Self::Cut(length) => file.set_len(length).unwrap(),
            Self::Emptied => file.set_len(0).unwrap(),
            Self::Rewritten => {
                let other = vec![b'X'; 1 << 20];
                (0..length / (1 << 20)).for_each(|at| file.write_all_at(&other, at << 20).unwrap());
            }
            Self::Grown => file.set_len(length + 5000).unwrap(),
            Self::Replaced => {
                // Outside the store.
                let other = path.ancestors().nth(3).unwrap().join("other.iso");
                fs::write(&other, vec![b'X'; usize::try_from(length).unwrap()]).unwrap();
                fs::rename(other, path).unwrap();
            }
            Self::Deleted => fs::remove_file(path).unwrap(),
        }
    }
}

/// Whether these are the bytes of the registered file of this size.
fn is_registered(bytes: &[u8], size: u64) -> bool {
    if size == BIG {
        bytes.ends_with(b"end.\n") && !bytes.contains(&b'X')
    } else {
        bytes == pattern(7, 3_000_000)
    }
}

/// All bytes of a transfer until it ends, complete or cut off.
fn rest(connection: &mut Connection, length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < length {
        let wanted = usize::try_from((length - bytes.len() as u64).min(10_000)).unwrap();
        match connection.read_some(wanted) {
            Ok(read) => bytes.extend(read),
            Err(_) => break,
        }
    }
    bytes
}

/// A transfer has the registered bytes or is cut off; then the image is an error until its ISO is back.
#[test]
fn a_transfer_out_of_a_changing_iso_is_whole_or_cut() {
    let setup = Setup::new();
    let made = setup.path("made.iso");
    let tree = iso::SourceTree::new().sparse("big.bin", BIG, &ENDS).file("middle.bin", pattern(7, 3_000_000));
    iso::Maker::Xorriso.make(&["-R"], &tree, &made);
    let path = setup.path("static/iso/linux.iso");
    fs::copy(&made, &path).unwrap();
    let mut service = setup.start();
    service.register("linux", "1", "isostore", "linux.iso");
    await_digest(&service);
    let pid = service.pid();
    let length = fs::metadata(&path).unwrap().len();
    let changes = [
        Change::Cut(length - 1000),
        Change::Cut(BIG / 2),
        Change::Emptied,
        Change::Rewritten,
        Change::Grown,
        Change::Replaced,
        Change::Deleted,
    ];
    let mut broken = 0;
    for (name, size, expected) in
        [("big.bin", BIG, vec![0; 1000]), ("middle.bin", 3_000_000, pattern(7, 1000))]
    {
        // Bytes in the send buffer belong to the open file: a small one is sent before it can be cut off.
        let is_through = |change: &Change| size < BIG && matches!(change, Change::Rewritten);
        for change in changes.into_iter().filter(|change| !is_through(change)) {
            let mut connection = Connection::open(&service.south("/"));
            connection.send(&Request::new("GET", &format!("/linux/1/{name}"))).unwrap();
            assert_eq!(connection.receive_head().unwrap().expect_status(200).content_length(), Some(size));
            let first = connection.read_some(1000).unwrap();
            assert!(first[5..] == expected[5..], "{name}");
            // While the client does not read, only the buffers' content has been sent.
            std::thread::sleep(Duration::from_millis(50));
            change.apply(&path, length);
            let rest = rest(&mut connection, size - 1000);
            let whole = rest.len() as u64 == size - 1000;
            match change {
                // Open descriptors keep the old file.
                Change::Replaced | Change::Deleted => {
                    assert!(whole, "{name} {change:?}: {} bytes", rest.len());
                }
                _ if size == BIG => assert!(!whole, "{name} {change:?}: all bytes came"),
                _ => {}
            }
            if whole {
                let bytes = [first, rest].concat();
                assert!(is_registered(&bytes, size), "{name} {change:?}: bytes of another file");
            } else {
                broken += 1;
                await_figure(&service, "transfers_broken_total", |total| total == broken);
            }
            let answer = http::get(&service.south(&format!("/linux/1/{name}")));
            assert!(matches!(answer.status, 404 | 503), "{name} {change:?}: {}", answer.status);
            let ended = service.wait_for_status("linux", "1", |status| status != "preparing");
            assert!(ended["status"].as_str().unwrap().starts_with("error: "), "{change:?}: {ended}");
            http::get(&service.south(&format!("/linux/1/{name}"))).expect_status(404);
            fs::copy(&made, &path).unwrap();
            service.wait_for_status("linux", "1", |status| status == "OK");
            let answer = http::get(&service.south(&format!("/linux/1/{name}"))).expect_status(200);
            assert_eq!(answer.body.len() as u64, size, "{name} after {change:?}");
        }
    }
    assert!(service.is_alive() && service.pid() == pid, "one process all the time");
}
