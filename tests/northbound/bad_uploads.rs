//! Uploads that break off, exceed a limit or collide: the old file stays, no partial file is left, and the
//! refusal is clear.

use harness::curl_answer::ask;
use harness::disk::SmallDisk;
use harness::http::{self, Connection, Request, Response};
use harness::iso::sparse_file;
use harness::problem::expect_problem;
use harness::remains::{Remains, expect_no_unfinished, unfinished};
use harness::wait::eventually;
use harness::{Service, Setup, digest, images};
use serde_json::json;
use std::fs;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Above this size an upload streams its progress, so that a later failure can only cut the answer off.
const SMALL: usize = 8 << 20;

/// A service with an image, a file in each store, and all digests computed, so that nothing changes by
/// itself.
fn service(tweaks: &[(&str, serde_json::Value)]) -> Service {
    let setup = tweaks.iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, value.clone()));
    let service = setup.start();
    service.upload_iso("good.iso", &images::installer());
    service.register("good", "1", "isostore", "good.iso");
    http::put(&service.north("/microkernel?name=vmlinuz"), images::pattern(71, 5000)).expect_status(200);
    service
}

/// Panics unless the image is served.
#[track_caller]
fn expect_well(service: &mut Service) {
    let kernel = http::get(&service.south("/good/1/images/pxeboot/vmlinuz")).expect_status(200);
    assert!(kernel.body == images::pattern(1, 300_000));
    assert!(service.is_alive());
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

#[test]
fn an_upload_that_breaks_off_leaves_the_old_file() {
    let mut service = service(&[]);
    http::put(&service.north("/iso?name=old.iso"), images::pattern(73, 9000)).expect_status(200);
    let before = Remains::of(&service);
    let installer = fs::read(images::installer()).unwrap();
    for target in [
        "/iso?name=old.iso",
        "/iso?name=new.iso",
        "/microkernel?name=vmlinuz",
        "/images?name=n&version=1&isoclient=old.iso",
    ] {
        for (length, chunked) in [(installer.len(), false), (installer.len(), true), (SMALL * 2, false)] {
            let mut connection = Connection::open(&service.north(""));
            let announced = length.to_string();
            let request = Request::new("PUT", target);
            let request = if chunked {
                request.header("Transfer-Encoding", "chunked")
            } else {
                request.header("Content-Length", &announced)
            };
            connection.send(&request).unwrap();
            if chunked {
                connection.write(format!("{:x}\r\n", installer.len()).as_bytes()).unwrap();
            }
            connection.write(&installer[..installer.len() / 2]).unwrap();
            eventually(Duration::from_secs(5), "an unfinished file", || {
                (!unfinished(&service).is_empty()).then_some(())
            });
            drop(connection);
            expect_no_unfinished(&service);
            before.expect_again(&service, target);
        }
    }
    // curl, stopped in the middle.
    let file = service.path("slow.bin");
    fs::write(&file, vec![0; SMALL + 5]).unwrap();
    let url = service.north("/iso?name=old.iso");
    let stopped =
        ask("PUT", &url, &["--max-time", "1", "--limit-rate", "1M", "--upload-file", file.to_str().unwrap()]);
    assert_eq!(stopped.code, 28, "{stopped:?}");
    expect_no_unfinished(&service);
    before.expect_again(&service, "a stopped curl");
    expect_well(&mut service);
}

#[test]
fn what_does_not_fit_on_the_disk_changes_nothing() {
    const DISK: u32 = 20;
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.path("static/iso"), DISK);
    let mut service = setup.start();
    service.upload_iso("good.iso", &images::installer());
    service.register("good", "1", "isostore", "good.iso");
    http::put(&service.north("/iso?name=old.iso"), images::pattern(74, 9000)).expect_status(200);
    let before = Remains::of(&service);
    let file = service.path("big.bin");
    sparse_file(&file, 40 << 20, &[(0, &fs::read(images::installer()).unwrap())]);
    let big = file.to_str().unwrap();

    for target in ["/iso?name=old.iso", "/iso?name=new.iso", "/images?name=n&version=1&isoclient=old.iso"] {
        // With a Content-Length the upload is refused with its proper status before a byte of it is read.
        let mut connection = Connection::open(&service.north(""));
        let request = Request::new("PUT", target)
            .header("Content-Length", &(40 << 20).to_string())
            .header("Expect", "100-continue");
        connection.send(&request).unwrap();
        let mut answer = connection.receive_head().unwrap();
        answer.body =
            connection.read_some(usize::try_from(answer.content_length().unwrap()).unwrap()).unwrap();
        expect_problem(&service, &answer, 507, "space");
        let url = service.north(target);
        let announced = ask("PUT", &url, &["--upload-file", big]);
        assert_eq!(announced.status, 507, "{announced:?}");
        assert!(announced.text.contains("\"message\""), "{announced:?}");

        // Without one the answer has begun; it is cut off, and curl reports that.
        let chunked = ask("PUT", &url, &["--upload-file", big, "--header", "Transfer-Encoding: chunked"]);
        assert!(chunked.code != 0 || chunked.status == 507, "{chunked:?}");
        assert!(!chunked.text.contains("finished"), "{chunked:?}");
        let json = ask(
            "PUT",
            &url,
            &[
                "--upload-file",
                big,
                "--header",
                "Transfer-Encoding: chunked",
                "--header",
                "Accept: application/json",
            ],
        );
        assert_eq!(json.status, 507, "{json:?}");
        expect_no_unfinished(&service);
        before.expect_again(&service, target);
    }
    // Another program fills the disk: even small uploads are refused, and existing files are served.
    disk.fill();
    for target in ["/iso?name=old.iso", "/iso?name=new.iso"] {
        let answer = http::put(&service.north(target), images::pattern(75, 9001));
        expect_problem(&service, &answer, 507, "space");
    }
    expect_no_unfinished(&service);
    expect_well(&mut service);
    disk.make_room();
    before.expect_again(&service, "a full disk");
    http::put(&service.north("/iso?name=new.iso"), images::pattern(76, 9001)).expect_status(200);
    // Reserved space counts as used.
    drop(service);
    drop(disk);
}

#[test]
fn reserved_space_and_the_largest_size_are_kept() {
    let setup = Setup::new().set("reserveBytes", json!(15 << 20)).set("maxFileSize", json!(3 << 20));
    let disk = SmallDisk::mount(&setup.path("static/iso"), 20);
    let service = setup.start();
    let put =
        |name: &str, length: usize| http::put(&service.north(&format!("/iso?name={name}")), vec![1; length]);
    expect_problem(&service, &put("large", (3 << 20) + 1), 413, "maxFileSize");
    put("first", 3 << 20).expect_status(200);
    expect_problem(&service, &put("second", 3 << 20), 507, "space");
    put("third", 1 << 20).expect_status(200);
    let chunks = [b"300001\r\n".as_slice(), &vec![1; (3 << 20) + 1], b"\r\n0\r\n\r\n"].concat();
    let headers = [("Transfer-Encoding", "chunked"), ("Accept", "application/json")];
    let answer = http::request("PUT", &service.north("/iso?name=chunked"), &headers, chunks);
    assert!(matches!(answer.status, 413 | 507), "{}", answer.head_text());
    assert_eq!(http::get(&service.north("/iso")).json().as_array().unwrap().len(), 2);
    expect_no_unfinished(&service);
    drop(service);
    drop(disk);
}

#[test]
fn two_uploads_of_one_name_do_not_mix() {
    let mut service = service(&[]);
    let (first, second) = (images::pattern(77, 400_000), images::pattern(78, 300_000));
    let mut slow = Connection::open(&service.north(""));
    slow.send(&Request::new("PUT", "/iso?name=same.iso").header("Content-Length", "400000")).unwrap();
    slow.write(&first[..200_000]).unwrap();
    eventually(Duration::from_secs(5), "an unfinished file", || {
        (!unfinished(&service).is_empty()).then_some(())
    });
    for target in ["/iso?name=same.iso", "/images?name=n&version=1&isoclient=same.iso"] {
        let started = Instant::now();
        expect_problem(&service, &http::put(&service.north(target), second.clone()), 409, "same.iso");
        assert!(started.elapsed() < Duration::from_secs(5), "no request waits behind an upload");
    }
    expect_problem(&service, &http::delete(&service.north("/iso?name=same.iso")), 409, "same.iso");
    // The same name in the other store, and other names, are free.
    http::put(&service.north("/microkernel?name=same.iso"), second.clone()).expect_status(200);
    http::put(&service.north("/iso?name=Same.iso"), second).expect_status(200);
    slow.write(&first[200_000..]).unwrap();
    slow.receive("PUT").unwrap().expect_status(200);
    assert_eq!(digest::of_file(&service.path("static/iso/same.iso")), digest::of_bytes(&first));

    // All at once: the stored file is one of the uploads, and each success was true when it was sent.
    let barrier = Arc::new(Barrier::new(8));
    let answers: Vec<(u32, Response)> = std::thread::scope(|scope| {
        let race = |seed: u32| {
            let (url, barrier) = (service.north("/iso?name=race.iso"), Arc::clone(&barrier));
            scope.spawn(move || {
                let body = images::pattern(seed, 2_000_000);
                barrier.wait();
                (seed, http::put(&url, body))
            })
        };
        let racers: Vec<_> = (200..208).map(race).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    let won: Vec<u32> =
        answers.iter().filter(|(_, answer)| answer.status == 200).map(|(seed, _)| *seed).collect();
    assert!(!won.is_empty());
    for (_, answer) in answers.iter().filter(|(_, answer)| answer.status != 200) {
        expect_problem(&service, answer, 409, "race.iso");
    }
    let stored = digest::of_file(&service.path("static/iso/race.iso"));
    assert!(
        won.iter().any(|seed| digest::of_bytes(&images::pattern(*seed, 2_000_000)) == stored),
        "a mixture"
    );
    assert_eq!(http::get(&service.north("/iso?name=race.iso")).json()[0]["sha256"], stored);
    expect_no_unfinished(&service);
    expect_well(&mut service);
}

#[test]
fn a_request_that_takes_too_long_is_ended() {
    let mut service = service(&[("httpTimeout", json!(1000))]);
    let before = Remains::of(&service);
    let mut connection = Connection::open(&service.north(""));
    connection.send(&Request::new("PUT", "/iso?name=slow.iso").header("Content-Length", "1000")).unwrap();
    connection.write(b"x").unwrap();
    let started = Instant::now();
    match connection.receive("PUT") {
        Ok(answer) => {
            expect_problem(&service, &answer, 408, "");
        }
        Err(error) => assert!(error.kind() != std::io::ErrorKind::WouldBlock, "neither answered nor closed"),
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    expect_no_unfinished(&service);
    before.expect_again(&service, "a slow upload");
    http::put(&service.north("/iso?name=slow.iso"), "the name is free").expect_status(200);
    expect_well(&mut service);
}
