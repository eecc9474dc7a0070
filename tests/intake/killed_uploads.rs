//! `kill -9` at random instants of plain uploads: the file of that name is the old one or the new one,
//! complete, and nothing else is left.

use harness::chance::Chance;
use harness::http::{self, Connection, Request};
use harness::parallel::in_parallel;
use harness::remains::unfinished;
use harness::service::query;
use harness::wait::eventually;
use harness::work::SOON;
use harness::{Service, digest, images, large};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

/// Kills in each of four workers.
const KILLS: u32 = 6;

const SIZE: usize = 4 << 20;

/// Sends an upload in pieces that take about 60 ms together, and signals when the last is sent. Ends early
/// when the service does.
fn send(mut connection: Connection, target: &str, bytes: &[u8], sent: &mpsc::Sender<()>) -> io::Result<()> {
    let length = bytes.len().to_string();
    connection.send(&Request::new("PUT", target).header("Content-Length", &length))?;
    for piece in bytes.chunks(bytes.len() / 30) {
        connection.write(piece)?;
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = sent.send(());
    connection.receive("PUT").map(drop)
}

/// Uploads to `target` and kills the service during the transfer or in the last steps.
fn kill_during(service: &mut Service, chance: &mut Chance, target: &str, bytes: &[u8]) {
    let connection = Connection::open(&service.north(""));
    let (sender, sent) = mpsc::channel();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| send(connection, target, bytes, &sender));
        if chance.between(0, 2) == 0 {
            std::thread::sleep(chance.time(0, 100));
        } else {
            // All bytes are sent; now come the digest, fsync, the rename and the record.
            sent.recv_timeout(http::SILENCE).unwrap();
            std::thread::sleep(chance.time(0, 50));
        }
        service.kill9();
        // The client's result is that of a dying server.
        let _ = client.join().unwrap();
    });
}

#[test]
fn a_killed_upload_leaves_the_old_file_or_the_new_one() {
    in_parallel(|worker| {
        let mut chance = Chance::of_worker(worker);
        let mut service = Service::start(&json!({"minLogLevel": 2}));
        let target = "/iso?name=over.iso";
        let file = service.path("static/iso/over.iso");
        let mut old = images::pattern(200, SIZE / 2);
        http::put(&service.north(target), old.clone()).expect_status(200);
        let mut found = [0; 2];
        for round in 0..KILLS {
            let fresh = large::image(round, SIZE);
            let (before, after) = (digest::of_bytes(&old), digest::of_bytes(&fresh));
            kill_during(&mut service, &mut chance, target, &fresh);
            let there = digest::of_file(&file);
            assert!(there == before || there == after, "round {round}: half a file");
            service.spawn();
            assert_eq!(unfinished(&service), [""; 0], "round {round}");
            assert_eq!(digest::of_file(&file), there, "round {round}: changed by the start");
            let listed = http::get(&service.north(target)).json()[0].clone();
            assert_eq!(listed["bytes"], fs::metadata(&file).unwrap().len(), "round {round}");
            // The file may have to be hashed again, but its digest is never another file's.
            assert!(listed["sha256"].is_null() || listed["sha256"] == there, "round {round}: {listed}");
            found[usize::from(there == after)] += 1;
            if there == after {
                old = fresh;
            }
        }
        eprintln!("worker {worker}: {} times the old file, {} times the new one", found[0], found[1]);
        http::put(&service.north(target), large::image(99, SIZE)).expect_status(200);
        assert_eq!(digest::of_file(&file), digest::of_bytes(&large::image(99, SIZE)));
    });
}

#[test]
fn a_killed_registration_leaves_no_image_without_its_iso() {
    in_parallel(|worker| {
        let mut chance = Chance::of_worker(10 + worker);
        let mut service = Service::start(&json!({"minLogLevel": 2}));
        let old = images::pattern(201, 50_000);
        let mut found = [0; 3];
        for round in 0..KILLS {
            let iso = format!("{round}.iso");
            let file = service.path("static/iso").join(&iso);
            http::put(&service.north(&format!("/iso?name={iso}")), old.clone()).expect_status(200);
            let fresh = large::image(round, SIZE);
            let target = format!("/images?name=client&version={round}&isoclient={iso}");
            kill_during(&mut service, &mut chance, &target, &fresh);
            service.spawn();
            assert_eq!(unfinished(&service), [""; 0], "round {round}");
            let version = round.to_string();
            let images: Vec<Value> = service.images(&[("version", &version)]);
            let there = digest::of_file(&file);
            let (before, after) = (digest::of_bytes(&old), digest::of_bytes(&fresh));
            found[images.len() + usize::from(there == after)] += 1;
            assert!(there == after || (there == before && images.is_empty()), "round {round}: {images:?}");
            if let Some(image) = images.first() {
                assert_eq!((&image["status"], &image["sha256"]), (&json!("OK"), &json!(there)), "{image}");
                let kernel = http::get(&service.south(&format!("/client/{round}/images/pxeboot/vmlinuz")));
                assert!(kernel.expect_status(200).body == images::pattern(1, 300_000), "round {round}");
            }
        }
        eprintln!("worker {worker}: the old file, the new one, the new one and its image: {found:?}");
    });
}

/// A crash between the rename and the record of a registration: the older file of that name is lost, and
/// there is no image.
#[test]
fn a_killed_registration_brings_the_older_file_back() {
    let mut service = Service::start(&json!({"minLogLevel": 2}));
    let (old, new) = (images::pattern(1, 50_000), large::image(1, 4 << 20));
    for round in 0..40_u64 {
        let iso = format!("{round}.iso");
        let file = service.path("static/iso").join(&iso);
        http::put(&service.north(&format!("/iso?name={iso}")), old.clone()).expect_status(200);
        let parameters = query(&[("name", "n"), ("version", &round.to_string()), ("isoclient", &iso)]);
        let mut client = Connection::open(&service.north(""));
        client.send(&Request::new("PUT", &format!("/images?{parameters}")).body(new.clone())).unwrap();
        // Ends when the file is renamed, which is before its image is recorded.
        eventually(SOON, "the new file", || (file.metadata().unwrap().len() > 50_000).then_some(()));
        std::thread::sleep(Duration::from_micros(round * 50));
        service.kill9();
        service.spawn();
        let images = service.images(&[("version", &round.to_string())]);
        let is_old = digest::of_file(&file) == digest::of_bytes(&old);
        assert_eq!(images.is_empty(), is_old, "round {round}: the older file is gone and there is no image");
    }
}
