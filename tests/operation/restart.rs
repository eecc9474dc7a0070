//! Contract §4: registered images are served again after a stop and after a crash at any instant; a stop is
//! orderly.

use harness::http::{self, Connection, Request};
use harness::images::{self, pattern};
use harness::remains::{expect_no_unfinished, unfinished};
use harness::service::query;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup, digest};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn installer() -> Vec<u8> {
    fs::read(images::installer()).unwrap()
}

#[track_caller]
fn expect_served(service: &Service, name: &str, version: &str) {
    let kernel =
        http::get(&service.south(&format!("/{name}/{version}/images/pxeboot/vmlinuz"))).expect_status(200);
    assert!(kernel.body == pattern(1, 300_000), "the kernel of {name} {version} differs");
}

#[track_caller]
fn expect_gone(service: &Service, name: &str, version: &str) {
    let path = format!("/{name}/{version}/images/pxeboot/vmlinuz");
    let answer = http::get(&service.south(&path)).expect_status(404);
    assert!(answer.body.len() < 200 && !answer.text().contains('<'), "{}", answer.text());
}

/// The records, without members that describe the present moment.
fn records(service: &Service) -> Vec<Value> {
    let mut images = service.images(&[]);
    for image in &mut images {
        image.as_object_mut().unwrap().remove("updated");
    }
    images
}

#[test]
fn everything_is_served_again_after_a_stop_and_after_a_crash() {
    let origin = Origin::start();
    origin.on("/web.iso", Behaviour::Bytes(installer()));
    let setup = Setup::new().file("elsewhere/local.iso", installer()).file("static/plain.txt", "plain\n");
    let mut service = setup.start();
    let local = service.path("elsewhere/local.iso").to_str().unwrap().to_owned();
    service.upload_iso("store.iso", &images::installer());
    service.register("store", "1", "isostore", "store.iso");
    service.register("local", "1", "isolocal", &local);
    service.register("web", "1", "isoweb", &origin.url("/web.iso"));
    http::put(&service.north("/images?name=client&version=1&isoclient=client.iso"), installer())
        .expect_status(200);
    http::put(&service.north("/microkernel?name=vmlinuz"), pattern(81, 5000)).expect_status(200);
    service.register("gone", "1", "isostore", "store.iso");
    http::delete(&service.north("/images?name=gone")).expect_status(200);
    eventually(Duration::from_secs(10), "all digests", || {
        let files = http::get(&service.north("/iso")).json();
        files.as_array().unwrap().iter().all(|file| !file["sha256"].is_null()).then_some(())
    });
    let (images, files) = (records(&service), http::get(&service.north("/iso")).json());
    assert_eq!(images.len(), 4);
    for round in 0..4 {
        if round % 2 == 0 {
            service.restart();
        } else {
            service.kill9();
            service.spawn();
        }
        let restored = service.start_lines().into_iter().find(|(label, _)| *label == "images").unwrap();
        assert_eq!(restored.1, "4 restored");
        // The southbound first: no northbound request was needed.
        for name in ["store", "local", "web", "client"] {
            expect_served(&service, name, "1");
        }
        expect_gone(&service, "gone", "1");
        assert_eq!(http::get(&service.south("/common/vmlinuz")).body, pattern(81, 5000));
        assert_eq!(http::get(&service.south("/plain.txt")).text(), "plain\n");
        assert_eq!(records(&service), images, "round {round}");
        assert_eq!(http::get(&service.north("/iso")).json(), files, "round {round}");
    }
    assert_eq!(
        origin.seen().iter().filter(|seen| seen.method == "GET").count(),
        1,
        "nothing is fetched again"
    );
}

/// One client that registers, deletes and uploads until stopped; errors are those of a dying server.
fn disturb(north: &str, stop: &AtomicBool, seed: u32) {
    let body = fs::read(images::fragmented()).unwrap();
    let ask = |method: &str, target: &str, body: &[u8]| {
        let (authority, _) = http::split(north);
        let Ok(stream) = TcpStream::connect(authority) else { return false };
        drop(stream);
        let mut connection = Connection::open(north);
        connection.exchange(&Request::new(method, target).body(body)).is_ok()
    };
    let mut turn = seed;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let (name, file) = (turn % 3, turn % 4);
        let alive = match turn % 5 {
            0 => ask("PUT", &format!("/iso?name=loose-{seed}-{file}.iso"), &body),
            1 => ask("PUT", &format!("/images?name=store-{seed}&version={name}&isostore=kept.iso"), b""),
            2 => ask(
                "PUT",
                &format!("/images?name=client-{seed}&version={name}&isoclient=client-{seed}-{file}.iso"),
                &body,
            ),
            3 => ask("DELETE", &format!("/images?name=store-{seed}&version={name}"), b""),
            _ => ask("DELETE", &format!("/images?name=client-{seed}&version={name}"), b""),
        };
        if !alive {
            return;
        }
    }
}

#[test]
fn a_crash_at_any_instant_loses_nothing_that_was_told() {
    let tiny = images::fragmented();
    let whole = digest::of_file(&tiny);
    let mut service = Setup::new()
        .set("minLogLevel", json!(4))
        .file("static/iso/kept.iso", fs::read(&tiny).unwrap())
        .start();
    service.register("kept", "1", "isostore", "kept.iso");
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut changes = 0;
    let mut last = Vec::new();
    let mut rounds = 0..;
    // On a slow machine the kill may come before any change; such rounds prove nothing.
    while rounds.start < 24 || changes < 13 {
        let round: u32 = rounds.next().unwrap();
        assert!(Instant::now() < deadline, "only {changes} of {round} rounds changed anything in a minute");
        let stop = Arc::new(AtomicBool::new(false));
        let north = service.north("");
        let clients: Vec<_> = (0..3)
            .map(|seed| {
                let (north, stop) = (north.clone(), Arc::clone(&stop));
                // A client of a dying server may fail in any way.
                std::thread::spawn(move || std::panic::catch_unwind(|| disturb(&north, &stop, seed)).is_ok())
            })
            .collect();
        // Instants spread over the work of a few requests, different in each round.
        std::thread::sleep(Duration::from_micros(u64::from(7_000 + round * 7_919 % 90_000)));
        service.kill9();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        let inventory: Value = serde_json::from_slice(&fs::read(service.path("inventory.json")).unwrap())
            .unwrap_or_else(|error| panic!("round {round}: the inventory is torn: {error}"));
        changes += u32::from(inventory["images"].as_array() != Some(&last));
        last.clone_from(inventory["images"].as_array().unwrap());
        let recorded = inventory["images"].as_array().unwrap().len();

        service.spawn();
        let images = service.images(&[]);
        assert_eq!(images.len(), recorded, "round {round}");
        assert!(images.iter().any(|image| image["name"] == "kept"), "round {round}");
        for image in images {
            assert_eq!(image["status"], "OK", "round {round}: {image}");
            for (file, bytes) in [("one.txt", b"one\n".to_vec()), ("split.bin", images::fragmented_content())]
            {
                let url = format!("{}{file}", image["path"].as_str().unwrap());
                let served = http::get(&service.south(&url)).expect_status(200);
                assert!(served.body == bytes, "round {round}: {url}");
            }
        }
        for file in http::get(&service.north("/iso")).json().as_array().unwrap() {
            let name = file["name"].as_str().unwrap();
            assert_eq!(
                digest::of_file(&service.path(&format!("static/iso/{name}"))),
                whole,
                "round {round}: half of {name}"
            );
        }
        assert_eq!(unfinished(&service), [""; 0], "round {round}");
    }
}

#[test]
fn an_answer_that_was_given_survives_the_crash_that_follows() {
    let mut service = Setup::new().file("static/iso/kept.iso", installer()).start();
    for round in 0..6 {
        let version = round.to_string();
        service
            .put_image(&[("name", "told"), ("version", &version), ("isostore", "kept.iso")])
            .expect_status(200);
        if round > 0 {
            let gone = query(&[("name", "told"), ("version", &(round - 1).to_string())]);
            http::delete(&service.north(&format!("/images?{gone}"))).expect_status(200);
        }
        http::put(&service.north(&format!("/iso?name=told-{round}.iso")), pattern(82, 1000))
            .expect_status(200);
        service.kill9();
        service.spawn();
        let images = service.images(&[("name", "told")]);
        assert_eq!((images.len(), &images[0]["version"]), (1, &json!(version)), "round {round}");
        expect_served(&service, "told", &version);
        let file = http::get(&service.north(&format!("/iso?name=told-{round}.iso"))).json();
        assert_eq!(file[0]["sha256"], digest::of_bytes(&pattern(82, 1000)), "round {round}");
    }
}

/// Sends the first half of an upload and waits until it is on the disk.
fn start_upload(service: &Service, name: &str, length: usize) -> Connection {
    let mut connection = Connection::open(&service.north(""));
    let announced = length.to_string();
    connection
        .send(&Request::new("PUT", &format!("/iso?name={name}")).header("Content-Length", &announced))
        .unwrap();
    connection.write(&pattern(84, length)[..length / 2]).unwrap();
    eventually(Duration::from_secs(5), "an unfinished file", || {
        (!unfinished(service).is_empty()).then_some(())
    });
    connection
}

#[track_caller]
fn finish_upload(mut connection: Connection, length: usize) {
    connection.write(&pattern(84, length)[length / 2..]).unwrap();
    let answer = connection.receive("PUT").unwrap().expect_status(200);
    assert!(answer.text().ends_with("Upload finished!\n"), "{}", answer.text());
}

#[test]
fn an_interrupted_download_goes_on_at_the_next_start() {
    let origin = Origin::start();
    let bytes = installer();
    let slow = Behaviour::Dribble {
        bytes: bytes.clone(),
        piece: bytes.len() / 50,
        pause: Duration::from_millis(200),
    };
    for crash in [false, true] {
        let mut service = Service::start(&json!({"shutdownTimeout": 1000}));
        origin.on("/slow.iso", slow.clone());
        let url = origin.url("/slow.iso");
        let parameters = query(&[("name", "web"), ("version", "1"), ("isoweb", &url), ("wait", "0")]);
        let image = http::put(&service.north(&format!("/images?{parameters}")), "").expect_status(200).json();
        eventually(Duration::from_secs(10), "the first bytes", || {
            service.images(&[("name", "web")])[0]["progress"]["received"].as_u64().filter(|bytes| *bytes > 0)
        });
        if crash {
            service.kill9();
        } else {
            let started = Instant::now();
            assert!(service.sigterm().success());
            assert!(started.elapsed() < Duration::from_secs(5), "a download does not hold up the stop");
            assert!(!service.path("static/iso/slow.iso").exists(), "what is unfinished has no name");
        }
        origin.on("/slow.iso", Behaviour::Bytes(bytes.clone()));
        service.spawn();
        let lines = service.start_lines();
        assert!(lines.contains(&("images", "0 restored, 1 to be downloaded")), "{lines:?}");
        let done = service.wait_for_status("web", "1", |status| status == "OK");
        assert_eq!(done["id"], image["id"]);
        expect_served(&service, "web", "1");
        assert_eq!(digest::of_file(&service.path("static/iso/slow.iso")), digest::of_bytes(&bytes));
        expect_no_unfinished(&service);
        // A source that went offline meanwhile is reported.
        http::delete(&service.north("/images?name=web")).expect_status(200);
        http::delete(&service.north("/iso?name=slow.iso")).expect_status(200);
        origin.on("/slow.iso", slow.clone());
        http::put(&service.north(&format!("/images?{parameters}")), "").expect_status(200);
        service.kill9();
        origin.on("/slow.iso", Behaviour::Status(404));
        service.spawn();
        let failed = service.wait_for_status("web", "1", |status| status.starts_with("error: "));
        assert!(failed["status"].as_str().unwrap().contains("404"), "{failed}");
    }
}

#[test]
fn a_stop_lets_transfers_end_and_takes_no_new_ones() {
    // Larger than the buffers of sockets, so that the transfer runs until it is read.
    const SIZE: usize = 24 << 20;
    let setup = Setup::new().set("shutdownTimeout", json!(15_000)).file("static/big.bin", pattern(85, SIZE));
    let mut service = setup.start();
    let (north, south) = (service.north("/images"), service.south("/big.bin"));
    let mut idle = Connection::open(&south);
    assert_eq!(idle.get("/missing").status, 404);
    let mut download = Connection::open(&south);
    download.send(&Request::new("GET", "/big.bin")).unwrap();
    assert_eq!(download.receive_head().unwrap().status, 200);
    let mut received = download.read_some(1 << 20).unwrap();
    let upload = start_upload(&service, "late.iso", 200_000);

    let pid = service.pid();
    service.signal(rustix::process::Signal::TERM);
    for url in [&north, &south] {
        let (authority, _) = http::split(url);
        eventually(Duration::from_secs(5), "a refused connection", || {
            TcpStream::connect(authority).is_err().then_some(())
        });
    }
    assert!(service.is_alive() && service.pid() == pid, "transfers are in flight");
    // A request on its way at the stop may be answered once more.
    eventually(Duration::from_secs(5), "the end of an idle connection", || {
        idle.exchange(&Request::new("GET", "/missing")).is_err().then_some(())
    });
    received.extend(download.read_some(SIZE - received.len()).unwrap());
    assert!(received == pattern(85, SIZE), "the transfer came to its end");
    finish_upload(upload, 200_000);
    drop(download);
    eventually(Duration::from_secs(5), "an end, as nothing is in flight any more", || {
        let state = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        state.contains("State:\tZ").then_some(())
    });
    // The process has ended already; only its exit status matters.
    assert_eq!(service.sigterm().code(), Some(0));
    service.spawn();
    assert_eq!(http::get(&service.north("/iso")).json()[0]["name"], "late.iso");
}

#[test]
fn a_stop_waits_only_so_long() {
    let setup =
        Setup::new().set("shutdownTimeout", json!(1000)).file("static/big.bin", pattern(86, 24 << 20));
    let mut service = setup.start();
    let mut download = Connection::open(&service.south("/"));
    download.send(&Request::new("GET", "/big.bin")).unwrap();
    assert_eq!(download.receive_head().unwrap().status, 200);
    let _upload = start_upload(&service, "never.iso", 200_000);
    let started = Instant::now();
    let status = service.sigterm();
    assert_eq!(status.code(), Some(0), "{status}");
    let took = started.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(6)).contains(&took), "{took:?}");
    service.spawn();
    expect_no_unfinished(&service);
    assert_eq!(http::get(&service.north("/iso")).text(), "[]");
}

#[test]
fn silent_sources_do_not_hold_up_a_stop() {
    let mut service = Service::start(&json!({"shutdownTimeout": 1000}));
    let web = Origin::start();
    web.on("/silent.iso", Behaviour::Silent);
    web.on("/stall.iso", Behaviour::Stall(installer()));
    // An FTP server that greets and then falls silent.
    let ftp = TcpListener::bind("127.0.0.1:0").unwrap();
    let greeting = ftp.try_clone().unwrap();
    std::thread::spawn(move || {
        let held: Vec<TcpStream> = greeting.incoming().map_while(Result::ok).take(1).collect();
        for mut stream in &held {
            // The service may have disconnected.
            let _ = stream.write_all(b"220 silent\r\n");
        }
        std::thread::sleep(Duration::from_secs(30));
    });
    for (name, url) in [
        ("web", web.url("/silent.iso")),
        ("stall", web.url("/stall.iso")),
        ("ftp", format!("ftp://{}/by-ftp.iso", ftp.local_addr().unwrap())),
    ] {
        let parameters = query(&[("name", name), ("version", "1"), ("isoweb", &url), ("wait", "0")]);
        http::put(&service.north(&format!("/images?{parameters}")), "").expect_status(200);
    }
    std::thread::sleep(Duration::from_millis(500));
    let started = Instant::now();
    assert_eq!(service.sigterm().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn a_start_keeps_what_it_does_not_know() {
    let mut service = Setup::new().file("static/iso/kept.iso", installer()).start();
    service.register("kept", "1", "isostore", "kept.iso");
    service.sigterm();
    // Files of other programs, and the rest of an interrupted upload.
    for file in [
        "static/iso/.hidden",
        "static/iso/readme",
        "static/own/file",
        "static/common/x.part",
        "inventory.json.backup",
    ] {
        service.write(file, "mine");
    }
    service.write("static/iso/.incoming/left-over.part", "half");
    service.spawn();
    for file in [
        "static/iso/.hidden",
        "static/iso/readme",
        "static/own/file",
        "static/common/x.part",
        "inventory.json.backup",
    ] {
        assert_eq!(fs::read(service.path(file)).unwrap(), b"mine", "{file}");
    }
    assert!(!service.path("static/iso/.incoming/left-over.part").exists());
    expect_served(&service, "kept", "1");
}
