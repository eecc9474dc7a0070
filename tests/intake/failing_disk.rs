//! A disk that fails under the store: requests and jobs that need it fail with a clear text, and files
//! elsewhere or on its good part are served.

use harness::failing_disk::FailingDisk;
use harness::http;
use harness::problem::{expect_discreet, expect_problem};
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::{self, SOON, begin, retry, wait_for};
use harness::{Service, Setup, digest, images, large};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::PathBuf;

/// The size of the disk in megabytes.
const DISK: u32 = 64;

/// The good part of it in megabytes.
const GOOD: u32 = 24;

/// The size of a new file, which lies behind the good part.
const SIZE: usize = 8 << 20;

/// The service stops first and the disk is unmounted next, before the folder is removed.
struct Place {
    disk: FailingDisk,
    service: Service,
    folder: &'static str,
}

impl Place {
    /// A disk at `folder`, its good part full, and a service with a good image and old files in both stores.
    fn new(folder: &'static str, setup: Setup) -> Self {
        let disk = FailingDisk::mount(&setup.path(folder), DISK);
        let service = setup.start();
        service.upload_iso("good.iso", &images::installer());
        http::put(&service.north("/iso?name=old.iso"), images::pattern(41, 90_000)).expect_status(200);
        http::put(&service.north("/microkernel?name=vmlinuz"), images::pattern(42, 9000)).expect_status(200);
        service.register("good", "1", "isostore", "good.iso");
        let place = Self { disk, service, folder };
        // Allocated at once, so that new files lie behind it.
        let mut ballast = fs::File::create(place.path("ballast")).unwrap();
        ballast.write_all(&vec![1; (GOOD as usize - 4) << 20]).unwrap();
        ballast.sync_all().unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.service.path(self.folder).join(name)
    }

    /// Panics unless the old files are unchanged, on the disk and by both APIs.
    #[track_caller]
    fn expect_well(&mut self) {
        let (service, old) = (&self.service, images::pattern(41, 90_000));
        assert!(http::get(&service.south("/iso/old.iso")).expect_status(200).body == old);
        assert_eq!(digest::of_file(&service.path("static/iso/old.iso")), digest::of_bytes(&old));
        let kernel = http::get(&service.south("/good/1/images/pxeboot/vmlinuz")).expect_status(200);
        assert!(kernel.body == images::pattern(1, 300_000));
        assert_eq!(service.images(&[("name", "good")])[0]["status"], "OK");
        assert!(
            http::get(&service.south("/common/vmlinuz")).expect_status(200).body == images::pattern(42, 9000)
        );
        assert!(self.service.is_alive());
        assert!(!self.service.log().contains("panicked"), "{}", self.service.log());
    }

    /// The names in the ISO store.
    #[track_caller]
    fn names(&self) -> Vec<String> {
        let files = http::get(&self.service.north("/iso")).expect_status(200).json();
        files.as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn an_upload_to_a_bad_disk_is_refused_and_leaves_the_old_file() {
    let mut place = Place::new("static/iso", Setup::new());
    place.disk.lose_all_behind(GOOD);
    let bytes = large::image(5, SIZE);
    let json = [("Accept", "application/json")];
    for target in ["/iso?name=new.iso", "/iso?name=old.iso", "/images?name=n&version=1&isoclient=new.iso"] {
        let answer = http::request("PUT", &place.service.north(target), &json, bytes.clone());
        expect_problem(&place.service, &answer, 500, "the ISO store fails: the disk failed");
        place.expect_well();
        assert_eq!(place.service.images(&[("name", "n")]), [] as [Value; 0]);
        assert_eq!(place.names(), ["ballast", "good.iso", "old.iso"], "{target}");
    }
    place.service.expect_logged("cannot sync a file");
    // The streamed answer begins long before the disk fails, so it is cut off.
    let mut connection = http::Connection::open(&place.service.north(""));
    let request = http::Request::new("PUT", "/iso?name=new.iso").body(large::image(5, SIZE * 2));
    let answered = connection.exchange(&request);
    assert!(answered.is_err() || !answered.unwrap().text().contains("finished"));
    // The other store is another disk.
    http::put(&place.service.north("/microkernel?name=initrd"), bytes.clone()).expect_status(200);

    place.disk.mend();
    http::put(&place.service.north("/images?name=n&version=1&isoclient=new.iso"), bytes.clone())
        .expect_status(200);
    assert_eq!(digest::of_file(&place.path("new.iso")), digest::of_bytes(&bytes));
    place.expect_well();
}

#[test]
fn a_download_to_a_bad_disk_fails_and_can_be_begun_again() {
    let mut place = Place::new("static/iso", Setup::new().set("downloadRetryDelay", json!(100)));
    place.disk.lose_all_behind(GOOD);
    let bytes = large::image(6, SIZE);
    let origin = Origin::start();
    origin.on("/web.iso", Behaviour::Bytes(bytes.clone()));
    let job = begin(&place.service, "web", &[&origin.url("/web.iso")]);
    let failed = wait_for(&place.service, &job, "failed");
    assert!(failed["reason"].as_str().unwrap().contains("the service cannot store it"), "{failed}");
    expect_discreet(&place.service, &failed.to_string());
    let image = place.service.images(&[("name", "web")]).remove(0);
    assert_eq!(image["status"].as_str().unwrap(), format!("error: {}", failed["reason"].as_str().unwrap()));
    place.expect_well();
    assert_eq!(place.names(), ["ballast", "good.iso", "old.iso"]);
    // A retry meets the same disk, and the bytes from before the crash are not trusted.
    retry(&place.service, &job).expect_status(200);
    place.service.kill9();
    place.service.spawn();
    let failed = wait_for(&place.service, &job, "failed");
    assert!(failed["reason"].as_str().unwrap().contains("the service cannot store it"), "{failed}");
    place.expect_well();

    place.disk.mend();
    retry(&place.service, &job).expect_status(200);
    wait_for(&place.service, &job, "done");
    assert_eq!(
        place.service.wait_for_status("web", "1", |status| status == "OK")["sha256"],
        digest::of_bytes(&bytes)
    );
    assert_eq!(digest::of_file(&place.path("web.iso")), digest::of_bytes(&bytes));
    place.expect_well();
}

#[test]
fn a_file_that_cannot_be_read_is_never_sent_as_whole_nor_digested() {
    let mut place = Place::new("static/iso", Setup::new().set("watchInterval", json!(0)));
    let bytes = large::image(8, SIZE);
    http::put(&place.service.north("/images?name=lost&version=1&isoclient=lost.iso"), bytes.clone())
        .expect_status(200);
    // Written without the API, and never read yet.
    fs::write(place.path("dropped.iso"), &bytes).unwrap();
    for name in ["lost.iso", "dropped.iso"] {
        place.disk.forget(&place.path(name));
    }
    place.disk.lose_all_behind(GOOD);
    // The listing starts the digest of the new file.
    place.names();
    let failed = eventually(SOON, "the failed digest", || {
        let jobs = work::list(&place.service, &[("kind", "digest"), ("state", "failed")]);
        jobs.into_iter().next()
    });
    assert!(failed["reason"].as_str().unwrap().contains("cannot be read"), "{failed}");
    expect_discreet(&place.service, &failed.to_string());
    let listed = http::get(&place.service.north("/iso?name=dropped.iso")).json();
    assert!(listed[0]["sha256"].is_null(), "{listed}");
    for target in ["/iso/lost.iso", "/iso/dropped.iso"] {
        let mut connection = http::Connection::open(&place.service.south(""));
        let answer = connection.exchange(&http::Request::new("GET", target));
        assert!(answer.is_err() || answer.unwrap().status != 200, "{target} is said to be whole");
    }
    let refused = place.service.put_image(&[
        ("name", "n"),
        ("version", "1"),
        ("isostore", "dropped.iso"),
        ("wait", "20"),
    ]);
    assert!((400..600).contains(&refused.status), "{}", refused.text());
    expect_discreet(&place.service, &refused.text());
    place.expect_well();
}

#[test]
fn an_inventory_on_a_dead_disk_changes_nothing() {
    let mut place = Place::new("kept", Setup::new().set("inventoryFile", json!("./kept/inventory.json")));
    let path = place.path("inventory.json");
    let records = || serde_json::from_slice::<Value>(&fs::read(&path).unwrap()).unwrap();
    let before = records();
    place.disk.die();
    let refused = place.service.put_image(&[("name", "n"), ("version", "1"), ("isostore", "good.iso")]);
    expect_problem(&place.service, &refused, 507, "inventory");
    let refused = http::put(
        &place.service.north("/images?name=n&version=1&isoclient=old.iso"),
        fs::read(images::installer()).unwrap(),
    );
    expect_problem(&place.service, &refused, 507, "inventory");
    expect_problem(
        &place.service,
        &http::delete(&place.service.north("/images?name=good")),
        507,
        "inventory",
    );
    assert_eq!(place.service.images(&[]).len(), 1);
    place.expect_well();

    place.service.kill9();
    place.disk.revive();
    assert_eq!(records(), before);
    place.service.spawn();
    place.expect_well();
    place.service.register("n", "1", "isostore", "good.iso");
}
