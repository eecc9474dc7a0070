//! The same bytes under two names: stored once, shown in listings, and independent of each other.

use harness::disk::CloningDisk;
use harness::http;
use harness::images;
use harness::remains::expect_no_unfinished;
use harness::wait::eventually;
use harness::{Service, Setup, digest};
use serde_json::{Value, json};
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

const SIZE: usize = 3_000_000;

/// A file's entry in the listing of a store.
fn listed(service: &Service, store: &str, name: &str) -> Value {
    http::get(&service.north(&format!("/{store}?name={name}"))).expect_status(200).json()[0].clone()
}

fn upload(service: &Service, store: &str, name: &str, body: &[u8]) {
    http::put(&service.north(&format!("/{store}?name={name}")), body).expect_status(200);
}

fn saved(service: &Service) -> Value {
    http::get(&service.north("/storage")).expect_status(200).json()["stores"][0]["saved"].clone()
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// Overwrites the first byte and keeps the times, like a failing disk.
fn rot(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"!", 0).unwrap();
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
}

/// Names in one store and in both: shown, deleted and replaced.
fn share_and_part(service: &Service) {
    let (body, other) = (images::pattern(41, SIZE), images::pattern(42, SIZE));
    upload(service, "iso", "a.iso", &body);
    assert_eq!(listed(service, "iso", "a.iso")["sharedWith"], Value::Null);
    let first = listed(service, "iso", "a.iso");
    upload(service, "iso", "b.iso", &body);
    assert_eq!(listed(service, "iso", "a.iso")["sharedWith"], json!([{"store": "iso", "name": "b.iso"}]));
    let second = listed(service, "iso", "b.iso");
    assert_eq!(second["sharedWith"], json!([{"store": "iso", "name": "a.iso"}]));
    assert_eq!(saved(service), SIZE);
    // Each name has its own time, and the first is not touched.
    assert_eq!(listed(service, "iso", "a.iso")["uploaded"], first["uploaded"]);
    assert!(second["uploaded"].as_str().unwrap() > first["uploaded"].as_str().unwrap(), "{first} {second}");
    let all = http::get(&service.north("/iso")).json();
    assert_eq!(all[1]["sharedWith"], second["sharedWith"]);

    // One is deleted, the other stays.
    http::delete(&service.north("/iso?name=a.iso")).expect_status(200);
    assert_eq!(listed(service, "iso", "b.iso")["sharedWith"], Value::Null);
    assert_eq!(http::get(&service.south("/iso/b.iso")).expect_status(200).body, body);
    // One is replaced, the other stays.
    upload(service, "iso", "c.iso", &body);
    assert_ne!(listed(service, "iso", "c.iso")["sharedWith"], Value::Null);
    upload(service, "iso", "b.iso", &other);
    assert_eq!(listed(service, "iso", "c.iso")["sharedWith"], Value::Null);
    for (name, bytes) in [("b.iso", &other), ("c.iso", &body)] {
        assert_eq!(http::get(&service.south(&format!("/iso/{name}"))).expect_status(200).body, *bytes);
    }
    assert_eq!(saved(service), 0);
    // The same bytes again under their own name.
    upload(service, "iso", "d.iso", &body);
    upload(service, "iso", "d.iso", &body);
    assert_eq!(listed(service, "iso", "d.iso")["sharedWith"], json!([{"store": "iso", "name": "c.iso"}]));
    assert_eq!(http::get(&service.south("/iso/d.iso")).expect_status(200).body, body);
    expect_no_unfinished(service);
}

#[test]
fn the_same_bytes_are_stored_once() {
    let mut service = Service::start(&json!({}));
    share_and_part(&service);
    let path = |name: &str| service.path(&format!("static/{name}"));
    assert_eq!(inode(&path("iso/c.iso")), inode(&path("iso/d.iso")));
    // The other store is on the same disk.
    let body = fs::read(path("iso/c.iso")).unwrap();
    upload(&service, "microkernel", "kernel", &body);
    let expected = json!([{"store": "iso", "name": "c.iso"}, {"store": "iso", "name": "d.iso"}]);
    assert_eq!(listed(&service, "microkernel", "kernel")["sharedWith"], expected);
    assert_eq!(inode(&path("common/kernel")), inode(&path("iso/c.iso")));
    let before = listed(&service, "iso", "d.iso");
    service.restart();
    assert_eq!(listed(&service, "iso", "d.iso"), before);
}

#[test]
fn a_file_system_that_clones_files_shares_them_so() {
    let setup = Setup::new();
    let disk = CloningDisk::mount(&setup.path("static/iso"));
    let service = setup.start();
    let free = || http::get(&service.north("/storage")).json()["fileSystems"][0]["free"].as_u64().unwrap();
    share_and_part(&service);
    let path = |name: &str| service.path(&format!("static/iso/{name}"));
    assert_ne!(inode(&path("c.iso")), inode(&path("d.iso")));
    let before = free();
    upload(&service, "iso", "e.iso", &fs::read(path("c.iso")).unwrap());
    eventually(Duration::from_secs(10), "space is given back", || {
        (before.saturating_sub(free()) < SIZE as u64 / 4).then_some(())
    });
    assert_eq!(digest::of_file(&path("e.iso")), digest::of_file(&path("c.iso")));
    // A write to one leaves the other alone, and the service notices it.
    fs::write(path("c.iso"), "something else").unwrap();
    assert_eq!(listed(&service, "iso", "e.iso")["sharedWith"], json!([{"store": "iso", "name": "d.iso"}]));
    drop(service);
    drop(disk);
}

#[test]
fn rotten_bytes_do_not_take_the_place_of_good_ones() {
    let service = Service::start(&json!({}));
    let body = images::pattern(43, SIZE);
    upload(&service, "iso", "a.iso", &body);
    rot(&service.path("static/iso/a.iso"));
    upload(&service, "iso", "b.iso", &body);
    assert_eq!(listed(&service, "iso", "b.iso")["sharedWith"], Value::Null);
    assert_eq!(digest::of_file(&service.path("static/iso/b.iso")), digest::of_bytes(&body));
    // The next upload shares the good copy.
    upload(&service, "iso", "c.iso", &body);
    assert_eq!(listed(&service, "iso", "c.iso")["sharedWith"], json!([{"store": "iso", "name": "b.iso"}]));
}

#[test]
fn two_that_come_at_once_are_stored_once() {
    let service = Service::start(&json!({}));
    let body = images::pattern(44, SIZE);
    let names: Vec<String> = (0..6).map(|number| format!("{number}.iso")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| upload(&service, "iso", name, &body));
        }
    });
    let inodes: Vec<u64> =
        names.iter().map(|name| inode(&service.path(&format!("static/iso/{name}")))).collect();
    assert!(inodes.iter().all(|inode| *inode == inodes[0]), "{inodes:?}");
    assert_eq!(saved(&service), 5 * SIZE);
}

#[test]
fn an_image_of_shared_bytes_outlives_the_other() {
    let mut service = Service::start(&json!({}));
    let iso = fs::read(images::installer()).unwrap();
    upload(&service, "iso", "a.iso", &iso);
    let target = service.north("/images?name=n&version=1&isoclient=b.iso");
    http::put(&target, iso.clone()).expect_status(200);
    assert_eq!(inode(&service.path("static/iso/a.iso")), inode(&service.path("static/iso/b.iso")));
    service.wait_for_status("n", "1", |status| status == "OK");
    let tree = http::get(&service.south("/n/1/")).expect_status(200).body;
    http::delete(&service.north("/iso?name=a.iso")).expect_status(200);
    assert_eq!(http::get(&service.south("/n/1/")).expect_status(200).body, tree);
    service.restart();
    service.wait_for_status("n", "1", |status| status == "OK");
    assert_eq!(http::get(&service.south("/n/1/")).expect_status(200).body, tree);
    assert_eq!(digest::of_file(&service.path("static/iso/b.iso")), digest::of_bytes(&iso));
}

#[test]
fn whoever_asks_by_time_is_not_given_the_older_file_for_the_newer() {
    let service = Service::start(&json!({}));
    let (old, new) = (images::pattern(45, SIZE), images::pattern(46, SIZE));
    upload(&service, "iso", "a.iso", &old);
    let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    let file = File::options().write(true).open(service.path("static/iso/a.iso")).unwrap();
    file.set_times(FileTimes::new().set_modified(hour_ago)).unwrap();
    eventually(Duration::from_secs(10), "the digest", || {
        listed(&service, "iso", "a.iso")["sha256"].as_str().map(drop)
    });
    upload(&service, "iso", "b.iso", &new);
    let seen = http::get(&service.south("/iso/b.iso")).expect_status(200);
    let modified = seen.header("Last-Modified").unwrap().to_owned();
    upload(&service, "iso", "b.iso", &old);
    let headers = [("If-Modified-Since", modified.as_str())];
    let answer = http::get_with(&service.south("/iso/b.iso"), &headers);
    // Within one second the time alone cannot tell.
    if answer.status != 304 {
        assert_eq!(answer.expect_status(200).body, old);
    }
    assert_ne!(inode(&service.path("static/iso/a.iso")), inode(&service.path("static/iso/b.iso")));
}
