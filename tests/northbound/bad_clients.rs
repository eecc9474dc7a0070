//! Clients that race, send slowly or speak no HTTP: other clients are not affected, and nothing happens that
//! no client requested.

use harness::http::{self, Connection, Request, Response};
use harness::problem::expect_problem;
use harness::remains::{Remains, expect_no_unfinished};
use harness::service::query;
use harness::{Service, Setup, images};
use serde_json::json;
use std::fs;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

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
fn two_registrations_of_one_image_give_one_image() {
    let mut service = service(&[]);
    let installer = fs::read(images::installer()).unwrap();
    service.write("elsewhere/local.iso", &installer);
    let origin = harness::web::Origin::start();
    origin.on("/web.iso", harness::web::Behaviour::Bytes(installer.clone()));
    let local = service.path("elsewhere/local.iso").to_str().unwrap().to_owned();
    let sources = [
        ("isostore", "good.iso".to_owned()),
        ("isostore", "good.iso".to_owned()),
        ("isolocal", local),
        ("isoweb", origin.url("/web.iso")),
        ("isoclient", "one.iso".to_owned()),
        ("isoclient", "two.iso".to_owned()),
    ];
    for round in 0..10 {
        let version = round.to_string();
        let barrier = Arc::new(Barrier::new(sources.len()));
        let answers: Vec<Response> = std::thread::scope(|scope| {
            let start = |(source, value): &(&str, String)| {
                let parameters = query(&[("name", "race"), ("version", &version), (source, value)]);
                let (url, barrier) = (service.north(&format!("/images?{parameters}")), Arc::clone(&barrier));
                let body = if *source == "isoclient" { installer.clone() } else { Vec::new() };
                scope.spawn(move || {
                    barrier.wait();
                    http::put(&url, body)
                })
            };
            let racers: Vec<_> = sources.iter().map(start).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            expect_problem(&service, answer, 409, "");
        }
        service.wait_for_status("race", &version, |status| status == "OK");
        assert_eq!(service.images(&[("name", "race")]).len(), 1);
        http::get(&service.south(&format!("/race/{version}/README"))).expect_status(200);
        http::delete(&service.north("/images?name=race")).expect_status(200);
        // The bytes of the refused clients are not stored.
        let listed = http::get(&service.north("/iso")).json();
        for file in listed.as_array().unwrap().iter().filter(|file| file["name"] != "good.iso") {
            let name = file["name"].as_str().unwrap();
            http::delete(&service.north(&format!("/iso?name={name}"))).expect_status(200);
        }
        assert!(listed.as_array().unwrap().len() <= 2, "{listed}");
    }
    expect_no_unfinished(&service);
    expect_well(&mut service);
}

#[test]
fn one_bad_client_is_nobody_elses_business() {
    let mut service = service(&[]);
    let mut open = Vec::new();
    // Some send nothing, some half a head, some a byte now and then.
    for kind in 0..60 {
        let mut connection = Connection::open(&service.north(""));
        match kind % 3 {
            0 => {}
            1 => connection.write(b"PUT /images?name=n HTTP/1.1\r\nHost: x\r\nX-Slow").unwrap(),
            _ => {
                let request = Request::new("PUT", &format!("/iso?name=dribble-{kind}.iso"))
                    .header("Content-Length", "1000000");
                connection.send(&request).unwrap();
                connection.write(b"x").unwrap();
            }
        }
        open.push(connection);
    }
    for _ in 0..10 {
        let started = Instant::now();
        assert_eq!(service.images(&[("name", "good")]).len(), 1);
        expect_well(&mut service);
        service.upload_iso("meanwhile.iso", &images::installer());
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        for connection in open.iter_mut().skip(2).step_by(3) {
            connection.write(b"x").unwrap();
        }
    }
    let listed = http::get(&service.north("/iso")).json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    drop(open);
    expect_no_unfinished(&service);
    expect_well(&mut service);
}

#[test]
fn the_body_of_a_refused_upload_is_no_request() {
    let mut service = service(&[]);
    let before = Remains::of(&service);
    // A server that reads the body of a refused request as the next request would run these commands.
    let command = b"DELETE /images?name=good&version=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    for length in [command.len(), 100_000, 4 << 20] {
        let body = command.repeat(length / command.len());
        for target in [
            "/iso?name=good.iso",
            "/iso",
            "/images?name=n",
            "/nothing",
            "/images?name=good&version=1&isoclient=x.iso",
        ] {
            let mut connection = Connection::open(&service.north(""));
            // The service may close the connection before it has read everything.
            let _ = connection.send(&Request::new("PUT", target).body(body.clone()));
            if let Ok(answer) = connection.receive("PUT") {
                assert!((400..500).contains(&answer.status), "{target}: {}", answer.head_text());
            }
            // The connection is either closed or ready for the next request.
            if connection.send(&Request::new("GET", "/images?name=good")).is_ok()
                && let Ok(answer) = connection.receive("GET")
            {
                assert_eq!((answer.status, &answer.json()[0]["name"]), (200, &json!("good")), "{target}");
            }
            assert_eq!(service.images(&[("name", "good")]).len(), 1, "{target}: a body was obeyed");
        }
    }
    before.expect_again(&service, "refused bodies");
    expect_well(&mut service);
}

#[test]
fn what_is_not_http_is_answered_or_closed() {
    let mut service = service(&[]);
    let before = Remains::of(&service);
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(200_000));
    let long_header = format!("GET /images HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(2_000_000));
    let many_headers = format!("GET /images HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(20_000));
    let garbage = images::pattern(79, 5000);
    let hello: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for (what, bytes) in [
        ("random bytes", garbage.as_slice()),
        ("a TLS greeting", hello),
        ("an SSH greeting", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("no method", b" / HTTP/1.1\r\n\r\n"),
        ("an unknown version", b"GET /images HTTP/9.9\r\nHost: x\r\n\r\n"),
        ("no version", b"GET /images\r\n\r\n"),
        ("two lengths", b"PUT /iso?name=x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("a negative length", b"PUT /iso?name=x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
        ("a length that is none", b"PUT /iso?name=x HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n"),
        ("a length beyond numbers", b"PUT /iso?name=x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
        ("chunks that are none", b"PUT /iso?name=x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n"),
        ("a chunk beyond numbers", b"PUT /iso?name=x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx"),
        ("a header without a name", b"GET /images HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n"),
        ("NUL in a header", b"GET /images HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"),
        ("a long target", long_target.as_bytes()),
        ("a long header", long_header.as_bytes()),
        ("many headers", many_headers.as_bytes()),
    ] {
        let mut connection = Connection::open(&service.north(""));
        connection.set_silence(Duration::from_secs(10));
        // The service may close the connection before it has read everything.
        let _ = connection.write(bytes);
        connection.finish_sending();
        match connection.receive("PUT") {
            Ok(answer) => assert!(matches!(answer.status, 400..=499 | 505), "{what}: {}", answer.head_text()),
            // A streamed answer that has begun can only be cut off.
            Err(error) => assert!(
                error.kind() != std::io::ErrorKind::WouldBlock,
                "{what}: neither answered nor closed"
            ),
        }
        expect_well(&mut service);
    }
    // A huge but well-formed length is refused for lack of space.
    let request = Request::new("PUT", "/iso?name=x").header("Content-Length", &u64::MAX.to_string());
    let mut connection = Connection::open(&service.north(""));
    connection.send(&request.header("Expect", "100-continue")).unwrap();
    if let Ok(answer) = connection.receive_head() {
        assert!(matches!(answer.status, 400..=499 | 507), "{}", answer.head_text());
    }
    before.expect_again(&service, "garbage");
    assert!(fs::metadata(service.path("static/iso/x")).is_err());
}
