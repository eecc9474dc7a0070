//! Files that are added, changed and removed in the stores' folders without the API: the service notices by
//! itself.

use harness::disk::SmallDisk;
use harness::http;
use harness::iso::{Maker, set_modified};
use harness::served_digest::wait_for_digest;
use harness::sse::Events;
use harness::wait::eventually;
use harness::{Service, Setup, digest, images};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

const KERNEL: &str = "/linux/9/images/pxeboot/vmlinuz";

fn service() -> Service {
    Setup::new().set("watchInterval", 200.into()).start()
}

fn listed(service: &Service, store: &str, name: &str) -> Value {
    http::get(&service.north(&format!("/{store}?name={name}"))).expect_status(200).json()[0].clone()
}

/// The inventory's record of a file. A request would make the service scan the folder.
fn recorded(service: &Service, name: &str) -> Option<Value> {
    let text = fs::read_to_string(service.path("inventory.json")).unwrap();
    let inventory: Value = serde_json::from_str(&text).unwrap();
    inventory["files"].as_array().unwrap().iter().find(|file| file["name"] == name).cloned()
}

/// Waits until the inventory has this digest of a file.
#[track_caller]
fn wait_for_record(service: &Service, name: &str, sha256: &str) -> Value {
    eventually(SOON, "a recorded digest", || {
        recorded(service, name).filter(|record| record["sha256"] == sha256)
    })
}

/// As `scp` writes: under its final name, piece by piece. It is no ISO before it is complete.
#[test]
fn a_file_is_taken_up_when_it_is_complete() {
    // Longer than a busy machine delays a writer.
    let service = Setup::new().set("watchInterval", 1000.into()).start();
    let bytes = images::pattern(5, 1_000_000);
    let mut file = File::create(service.path("static/iso/slow.iso")).unwrap();
    let begun = Instant::now();
    for part in bytes.chunks(8000) {
        file.write_all(part).unwrap();
        let shown = listed(&service, "iso", "slow.iso");
        assert_eq!((&shown["status"], &shown["sha256"]), (&"preparing".into(), &Value::Null), "{shown}");
        assert_eq!(recorded(&service, "slow.iso"), None);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(begun.elapsed() > Duration::from_secs(2), "the file was not scanned meanwhile");
    drop(file);
    let record = wait_for_record(&service, "slow.iso", &digest::of_bytes(&bytes));
    assert_eq!(record["origin"]["kind"], "folder");
    let shown = listed(&service, "iso", "slow.iso");
    assert_eq!((&shown["status"], &shown["origin"]), (&"OK".into(), &"folder".into()), "{shown}");
    service.expect_logged("digested a file");
    assert_eq!(service.log().matches("digested a file").count(), 1);
}

#[test]
fn what_comes_changes_and_goes_is_noticed_without_a_question() {
    let service = service();
    for (store, folder) in [("iso", "iso"), ("microkernel", "common")] {
        let path = service.path(&format!("static/{folder}/file"));
        fs::write(&path, "one").unwrap();
        wait_for_record(&service, "file", &digest::of_bytes(b"one"));
        fs::write(&path, "two").unwrap();
        wait_for_record(&service, "file", &digest::of_bytes(b"two"));
        // Renamed into place, with an old time.
        let beside = service.path("beside");
        fs::write(&beside, "six").unwrap();
        set_modified(&beside);
        fs::rename(&beside, &path).unwrap();
        wait_for_record(&service, "file", &digest::of_bytes(b"six"));
        // An uploaded file counts as found in the folder once another program has overwritten it.
        http::put(&service.north(&format!("/{store}?name=sent")), "sent").expect_status(200);
        fs::write(service.path(&format!("static/{folder}/sent")), "more").unwrap();
        let record = wait_for_record(&service, "sent", &digest::of_bytes(b"more"));
        assert_eq!(record["origin"]["kind"], "folder");
        for name in ["file", "sent"] {
            fs::remove_file(service.path(&format!("static/{folder}/{name}"))).unwrap();
            eventually(SOON, "a record that goes", || recorded(&service, name).is_none().then_some(()));
        }
    }
}

/// The record of a missing ISO stays while an image needs it, for it may come back. Subscribers are told each
/// time.
#[test]
fn images_follow_their_isos() {
    let service = service();
    service.upload_iso("a.iso", &images::installer());
    service.register("linux", "9", "isostore", "a.iso");
    let id = service.images(&[]).remove(0)["id"].clone();
    let mut events = Events::open(&service.north("/events"), &[]);
    let mut expect_told = |status: &str| {
        events.until(status, |event| {
            let image = event.json();
            event.name.starts_with("image")
                && image["id"] == id
                && image["status"].as_str().unwrap().starts_with(status)
        });
    };
    let (path, away) = (service.path("static/iso/a.iso"), service.path("away.iso"));
    fs::rename(&path, &away).unwrap();
    expect_told("error: its ISO a.iso is missing");
    assert!(recorded(&service, "a.iso").is_some());
    fs::rename(&away, &path).unwrap();
    expect_told("OK");
    fs::copy(images::rock_ridge(Maker::Xorriso), &path).unwrap();
    expect_told("error: its ISO a.iso has changed");
    // The same bytes with another time: hashed, and served.
    fs::copy(images::installer(), &path).unwrap();
    expect_told("OK");
    assert_eq!(http::get(&service.south(KERNEL)).expect_status(200).body.len(), 300_000);
    let local = service.path("local.iso");
    fs::copy(images::installer(), &local).unwrap();
    service.register("local", "1", "isolocal", local.to_str().unwrap());
    wait_for_digest(&service, "iso", "local.iso");
    let sha256 = recorded(&service, "local.iso").unwrap()["sha256"].clone();
    fs::rename(&local, &away).unwrap();
    service.wait_for_status("local", "1", |status| status.starts_with("error"));
    fs::rename(&away, &local).unwrap();
    service.wait_for_status("local", "1", |status| status == "OK");
    assert_eq!(recorded(&service, "local.iso").unwrap()["sha256"], sha256);
}

/// An unmounted disk shows an empty folder. No record is lost by that.
#[test]
fn an_unmounted_disk_is_no_removal() {
    let service = service();
    service.upload_iso("a.iso", &images::installer());
    http::put(&service.north("/microkernel?name=k"), "kernel").expect_status(200);
    let before = ["a.iso", "k"].map(|name| recorded(&service, name).unwrap());
    let disks =
        ["iso", "common"].map(|folder| SmallDisk::mount(&service.path(&format!("static/{folder}")), 1));
    eventually(SOON, "the scan", || {
        (service.log().matches("a store cannot be looked at").count() == 2).then_some(())
    });
    // The same scan finds a new file there, if it scans at all.
    drop(disks);
    fs::write(service.path("static/iso/new.iso"), "new").unwrap();
    fs::write(service.path("static/common/new"), "new").unwrap();
    for name in ["new.iso", "new"] {
        wait_for_record(&service, name, &digest::of_bytes(b"new"));
    }
    assert_eq!(["a.iso", "k"].map(|name| recorded(&service, name).unwrap()), before);
}

/// A folder of thousands of small files is copied into a store: the work grows with their number, not with
/// its square.
#[test]
fn many_small_files_share_jobs_and_saves() {
    const FILES: usize = 4500;
    let service = Setup::new().set("watchInterval", 500.into()).start();
    let written = || {
        let text = fs::read_to_string(format!("/proc/{}/io", service.pid())).unwrap();
        let bytes = text.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
        bytes.parse::<u64>().unwrap()
    };
    let (begun, before) = (Instant::now(), written());
    for number in 0..FILES {
        fs::write(service.path(&format!("static/common/{number:05}")), format!("{number:08}")).unwrap();
    }
    let mut seen = BTreeSet::new();
    eventually(Duration::from_secs(120), "all digests", || {
        let jobs = http::get(&service.north("/jobs")).expect_status(200).json();
        seen.extend(jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        assert!(jobs.as_array().unwrap().len() <= 1, "{jobs}");
        let text = fs::read_to_string(service.path("inventory.json")).unwrap();
        (text.matches("\"sha256\"").count() == FILES).then_some(())
    });
    assert!(seen.len() <= 60, "{} jobs", seen.len());
    assert_eq!(recorded(&service, "00042").unwrap()["sha256"], digest::of_bytes(b"00000042"));
    let size = fs::metadata(service.path("inventory.json")).unwrap().len();
    let saves = (written() - before) / size;
    assert!(saves <= begun.elapsed().as_secs() + 5, "{saves} saves in {:?}", begun.elapsed());
    eprintln!("{saves} saves, {} jobs in {:?}", seen.len(), begun.elapsed());
    // They go in one change.
    let before = written();
    for number in 0..FILES {
        fs::remove_file(service.path(&format!("static/common/{number:05}"))).unwrap();
    }
    eventually(SOON, "records that go", || recorded(&service, "00042").is_none().then_some(()));
    eventually(SOON, "records that go", || recorded(&service, "04499").is_none().then_some(()));
    assert!(written() - before < 10 * size, "{} bytes", written() - before);
}
