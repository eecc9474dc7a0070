//! A disk that is too small, or that other programs fill during an upload or download. At each stage the
//! request is refused or the job fails with a clear text, and everything from before stays. With free space
//! the same request succeeds.

use harness::disk::SmallDisk;
use harness::http::{self, Connection, Request};
use harness::paced::Paced;
use harness::problem::{expect_discreet, expect_problem};
use harness::remains::expect_no_unfinished;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::{self, SOON, begin, retry, wait_for, wait_for_bytes};
use harness::{Service, Setup, digest, images, large};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

/// The size of the disk in megabytes.
const DISK: u32 = 50;

/// More bytes than that.
const TOO_LARGE: usize = 60 << 20;

/// The size of a new file, a part of the disk.
const SIZE: usize = 16 << 20;

/// The service stops first and the disk is unmounted next, before the folder is removed.
struct Place {
    disk: SmallDisk,
    service: Service,
    /// The digests of the files from before, by name.
    old: BTreeMap<String, String>,
    record: Value,
}

impl Place {
    /// A small disk at `folder`, and a service with an image whose ISO is in its store.
    fn new(folder: &str, tweaks: &[(&str, Value)]) -> Self {
        let setup = tweaks.iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, value.clone()));
        let disk = SmallDisk::mount(&setup.path(folder), DISK);
        let service = setup.start();
        service.upload_iso("good.iso", &images::installer());
        http::put(&service.north("/iso?name=old.iso"), images::pattern(31, 90_000)).expect_status(200);
        service.register("good", "1", "isostore", "good.iso");
        let mut place = Self { disk, service, old: BTreeMap::new(), record: Value::Null };
        place.old = place.files();
        place.record = place.good();
        place
    }

    /// The digests of all finished files in the ISO store.
    fn files(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.service.path("static/iso")).unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        let named = files.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
        let digested = named.map(|(name, path)| (name, digest::of_file(&path)));
        digested.filter(|(name, _)| name != "filler").collect()
    }

    fn good(&self) -> Value {
        self.service.images(&[("name", "good")]).remove(0)
    }

    /// Panics unless the files from before are unchanged, no other file has a name, and the inventory is
    /// readable and lists them.
    #[track_caller]
    fn expect_intact(&self) {
        assert_eq!(self.files(), self.old);
        assert_eq!(self.good(), self.record);
        let kernel = http::get(&self.service.south("/good/1/images/pxeboot/vmlinuz")).expect_status(200);
        assert!(kernel.body == images::pattern(1, 300_000));
        let log = self.service.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

fn inventory(service: &Service, path: &str) -> Vec<u8> {
    let bytes = fs::read(service.path(path)).unwrap();
    serde_json::from_slice::<Value>(&bytes).unwrap_or_else(|error| panic!("a torn inventory: {error}"));
    bytes
}

#[test]
fn what_is_announced_too_large_is_refused_with_the_figures() {
    let place = Place::new("static/iso", &[]);
    let before = inventory(&place.service, "inventory.json");
    for target in ["/iso?name=new.iso", "/iso?name=old.iso", "/images?name=n&version=1&isoclient=new.iso"] {
        let mut connection = Connection::open(&place.service.north(""));
        let length = TOO_LARGE.to_string();
        let request = Request::new("PUT", target).header("Content-Length", &length);
        connection.send(&request.header("Expect", "100-continue")).unwrap();
        // The client sent no byte of the body, and was not told to.
        let mut answer = connection.receive_head().unwrap();
        answer.body =
            connection.read_some(usize::try_from(answer.content_length().unwrap()).unwrap()).unwrap();
        let problem = expect_problem(&place.service, &answer, 507, &format!("{TOO_LARGE} bytes are needed"));
        let message = problem["message"].as_str().unwrap();
        let available = message.split_once("needed, ").unwrap().1.split(' ').next().unwrap();
        let available: u64 = available.parse().unwrap_or_else(|_| panic!("no figure in {message}"));
        assert!((30_000_000..52_428_800).contains(&available), "{message}");
        place.expect_intact();
    }
    // The same for a download whose source announces its length.
    let origin = Origin::start();
    origin.on("/web.iso", Behaviour::Short { declared: TOO_LARGE as u64, bytes: large::image(1, 1 << 20) });
    let answer = work::register(&place.service, "web", &[&origin.url("/web.iso")], "20");
    expect_problem(&place.service, &answer, 507, &format!("{TOO_LARGE} bytes are needed"));
    place.expect_intact();
    expect_no_unfinished(&place.service);
    let now: Value = serde_json::from_slice(&inventory(&place.service, "inventory.json")).unwrap();
    let before: Value = serde_json::from_slice(&before).unwrap();
    assert_eq!((&now["images"], &now["files"]), (&before["images"], &before["files"]));
}

#[test]
fn an_upload_whose_disk_is_filled_by_others_leaves_all_as_it_was() {
    let place = Place::new("static/iso", &[]);
    let bytes = large::image(2, SIZE);
    let before = inventory(&place.service, "inventory.json");
    for target in ["/iso?name=new.iso", "/iso?name=old.iso", "/images?name=n&version=1&isoclient=new.iso"] {
        let mut connection = Connection::open(&place.service.north(""));
        let request = Request::new("PUT", target)
            .header("Transfer-Encoding", "chunked")
            .header("Accept", "application/json");
        connection.send(&request).unwrap();
        connection.write(format!("{SIZE:x}\r\n").as_bytes()).unwrap();
        connection.write(&bytes[..SIZE / 4]).unwrap();
        eventually(SOON, "the first bytes on disk", || {
            let incoming = fs::read_dir(place.service.path("static/iso/.incoming")).unwrap();
            incoming.map(|entry| entry.unwrap().metadata().unwrap().len()).any(|len| len > 0).then_some(())
        });
        place.disk.fill();
        // The service may close the connection before it has read everything.
        let _ = connection.write(&bytes[SIZE / 4..]);
        let _ = connection.write(b"\r\n0\r\n\r\n");
        if let Ok(answer) = connection.receive("PUT") {
            assert_eq!(answer.status, 507, "{}", answer.text());
            assert!(answer.text().contains("space"), "{}", answer.text());
            expect_discreet(&place.service, &answer.text());
        }
        expect_no_unfinished(&place.service);
        place.expect_intact();
        assert_eq!(inventory(&place.service, "inventory.json"), before, "{target}");
        place.disk.make_room();
    }
    http::put(&place.service.north("/images?name=n&version=1&isoclient=new.iso"), bytes.clone())
        .expect_status(200);
    assert_eq!(digest::of_file(&place.service.path("static/iso/new.iso")), digest::of_bytes(&bytes));
}

#[test]
fn an_upload_that_told_its_size_has_its_space_whatever_others_do() {
    let place = Place::new("static/iso", &[]);
    let bytes = large::image(4, SIZE);
    for (target, name) in
        [("/iso?name=old.iso", "old.iso"), ("/images?name=n&version=1&isoclient=new.iso", "new.iso")]
    {
        let mut connection = Connection::open(&place.service.north(""));
        let request = Request::new("PUT", target).header("Content-Length", &SIZE.to_string());
        connection.send(&request.header("Accept", "application/json")).unwrap();
        connection.write(&bytes[..SIZE / 4]).unwrap();
        eventually(SOON, "the first bytes on disk", || {
            let incoming = fs::read_dir(place.service.path("static/iso/.incoming")).unwrap();
            incoming.map(|entry| entry.unwrap().metadata().unwrap().len()).any(|len| len > 0).then_some(())
        });
        place.disk.fill();
        connection.write(&bytes[SIZE / 4..]).unwrap();
        let answer = connection.receive("PUT").unwrap().expect_status(200).json();
        assert_eq!(answer["sha256"], digest::of_bytes(&bytes), "{target}");
        assert_eq!(digest::of_file(&place.service.path("static/iso").join(name)), digest::of_bytes(&bytes));
        expect_no_unfinished(&place.service);
        place.disk.make_room();
    }
    assert_eq!(place.good(), place.record);
}

#[test]
fn a_download_whose_disk_is_filled_by_others_goes_on_when_there_is_room() {
    let mut place = Place::new("static/iso", &[("downloadRetryDelay", json!(200))]);
    let bytes = large::image(3, SIZE);
    let origin = Paced::start(bytes.clone(), SIZE / 4);
    let job = begin(&place.service, "web", &[&origin.url("/web.iso")]);
    wait_for_bytes(&place.service, &job, 4 << 20);
    place.disk.fill();
    origin.set_rate(0);
    let ended = work::wait_until(&place.service, &job, "over", |job| {
        job["state"] == "failed" || job["state"] == "done"
    });
    // With its space allocated in advance the job may have succeeded; otherwise it states its reason.
    if ended["state"] == "failed" {
        let reason = ended["reason"].as_str().unwrap();
        assert!(reason.contains("not enough space"), "{ended}");
        expect_discreet(&place.service, &ended.to_string());
        let image = place.service.images(&[("name", "web")]).remove(0);
        assert_eq!(image["status"], format!("error: {reason}"));
        place.expect_intact();
        // A start on the full disk changes nothing.
        place.service.kill9();
        place.service.spawn();
        place.expect_intact();
        place.disk.make_room();
        retry(&place.service, &job).expect_status(200);
        wait_for(&place.service, &job, "done");
    } else {
        place.disk.make_room();
    }
    let image = place.service.wait_for_status("web", "1", |status| status == "OK");
    assert_eq!(image["sha256"], digest::of_bytes(&bytes));
    assert_eq!(digest::of_file(&place.service.path("static/iso/web.iso")), digest::of_bytes(&bytes));
    expect_no_unfinished(&place.service);
    fs::remove_file(place.service.path("static/iso/web.iso")).unwrap();
    place.expect_intact();
}
