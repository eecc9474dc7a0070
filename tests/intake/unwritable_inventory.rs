//! An inventory that cannot be written while the program runs: changes are refused and change nothing, and
//! work that ends meanwhile is recorded later. The API stays true all the time, and no thread spins.

use harness::disk::SmallDisk;
use harness::figures::wake_ups;
use harness::http;
use harness::paced::Paced;
use harness::parallel::with_each;
use harness::problem::expect_problem;
use harness::remains::{Remains, expect_no_unfinished};
use harness::wait::eventually;
use harness::work::{self, SOON, begin, list, wait_for, wait_for_bytes};
use harness::{Service, Setup, digest, images, large};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const SIZE: usize = 4 << 20;

/// How a disk refuses writes.
#[derive(Debug, Clone, Copy)]
enum Way {
    Frozen,
    Full,
}

const WAYS: [Way; 2] = [Way::Frozen, Way::Full];

/// The service stops first and the disk is unmounted next, before the folder is removed.
struct Place {
    disk: SmallDisk,
    service: Service,
}

impl Place {
    /// A service with an image, whose inventory lies on a small disk.
    fn new() -> Self {
        let setup = Setup::new()
            .set("inventoryFile", json!("./kept/inventory.json"))
            .set("downloadRetryDelay", json!(200));
        let disk = SmallDisk::mount(&setup.path("kept"), 2);
        let service = setup.start();
        service.upload_iso("good.iso", &images::installer());
        service.register("good", "1", "isostore", "good.iso");
        Self { disk, service }
    }

    fn close(&self, way: Way) {
        match way {
            Way::Frozen => self.disk.freeze(),
            Way::Full => self.disk.fill(),
        }
    }

    fn open(&self, way: Way) {
        match way {
            Way::Frozen => self.disk.thaw(),
            Way::Full => self.disk.make_room(),
        }
    }

    fn inventory(&self) -> Vec<u8> {
        fs::read(self.service.path("kept/inventory.json")).unwrap()
    }

    #[track_caller]
    fn expect_served(&self, name: &str) {
        let kernel = http::get(&self.service.south(&format!("/{name}/1/images/pxeboot/vmlinuz")));
        assert!(kernel.expect_status(200).body == images::pattern(1, 300_000), "{name}");
    }
}

#[test]
fn what_cannot_be_recorded_is_refused_and_changes_nothing() {
    with_each(&WAYS, |&way| {
        let place = Place::new();
        let service = &place.service;
        let origin = Paced::start(large::image(1, SIZE), 0);
        http::put(&service.north("/iso?name=old.iso"), images::pattern(51, 9000)).expect_status(200);
        let (before, inventory) = (Remains::of(service), place.inventory());
        place.close(way);
        let image = |source, value| {
            service.put_image(&[("name", "new"), ("version", "1"), (source, value), ("wait", "10")])
        };
        let installer = images::installer();
        for (what, answer) in [
            ("isostore", image("isostore", "good.iso")),
            ("isolocal", image("isolocal", installer.to_str().unwrap())),
            ("isoweb", image("isoweb", &origin.url("/new.iso"))),
            (
                "isoclient",
                http::put(
                    &service.north("/images?name=new&version=1&isoclient=old.iso"),
                    fs::read(&installer).unwrap(),
                ),
            ),
            ("DELETE", http::delete(&service.north("/images?name=good"))),
        ] {
            let problem = expect_problem(service, &answer, 507, "the inventory cannot be written");
            assert!(problem["message"].as_str().unwrap().contains("nothing was changed"), "{what}");
            before.expect_again(service, what);
        }
        assert_eq!(origin.asked().len(), 0, "nothing is fetched that cannot be recorded");
        assert_eq!(list(service, &[("kind", "download")]), [] as [Value; 0]);
        assert_eq!(place.inventory(), inventory, "{way:?}");
        place.expect_served("good");
        place.open(way);
        service.register("new", "1", "isostore", "good.iso");
        http::delete(&service.north("/images?name=good")).expect_status(200);
        place.expect_served("new");
    });
}

#[test]
fn a_download_that_ends_meanwhile_is_recorded_later() {
    with_each(&WAYS, |&way| {
        let place = Place::new();
        let bytes = large::image(2, SIZE);
        let origin = Paced::start(bytes.clone(), SIZE / 4);
        let job = begin(&place.service, "web", &[&origin.url("/web.iso")]);
        wait_for_bytes(&place.service, &job, 200_000);
        let inventory = place.inventory();
        place.close(way);
        origin.set_rate(0);
        eventually(SOON, "the last byte", || (origin.sent() == SIZE).then_some(()));
        // The record has to wait, at hardly any cost.
        let (woken, logged) = (wake_ups(place.service.pid()), place.service.log().lines().count());
        std::thread::sleep(Duration::from_millis(4500));
        let (woken, logged) =
            (wake_ups(place.service.pid()) - woken, place.service.log().lines().count() - logged);
        assert!(woken < 500 && logged < 50, "{way:?}: {woken} wake-ups, {logged} lines");
        assert_eq!(place.inventory(), inventory, "{way:?}");
        // The API does not report what is not recorded.
        let image = place.service.images(&[("name", "web")]).remove(0);
        assert!(["downloading iso", "preparing"].contains(&image["status"].as_str().unwrap()), "{image}");
        let now = work::now(&place.service, &job);
        assert_ne!(now["state"], "done", "{now}");
        assert_eq!(http::get(&place.service.south("/web/1/README")).status, 404);
        place.expect_served("good");

        place.open(way);
        let done = wait_for(&place.service, &job, "done");
        assert_eq!(origin.sent(), SIZE, "nothing is fetched again: {done}");
        let image = place.service.wait_for_status("web", "1", |status| status == "OK");
        assert_eq!(image["sha256"], digest::of_bytes(&bytes));
        place.expect_served("web");
        expect_no_unfinished(&place.service);
    });
}

#[test]
fn a_failure_that_cannot_be_recorded_is_told_all_the_same_and_recorded_later() {
    with_each(&WAYS, |&way| {
        let mut place = Place::new();
        let origin = Paced::start(b"This is no ISO.\n".repeat(SIZE / 16), 20_000);
        let job = begin(&place.service, "web", &[&origin.url("/web.iso")]);
        eventually(SOON, "a request", || origin.asked().first().map(drop));
        place.close(way);
        origin.set_rate(0);
        std::thread::sleep(Duration::from_millis(2500));
        let now = work::now(&place.service, &job);
        assert!(["running", "failed"].contains(&now["state"].as_str().unwrap()), "{now}");
        place.open(way);
        let failed = wait_for(&place.service, &job, "failed");
        assert!(failed["reason"].as_str().unwrap().contains("not an ISO"), "{failed}");
        let reason = format!("error: {}", failed["reason"].as_str().unwrap());
        place.service.wait_for_status("web", "1", |status| status == reason);
        expect_no_unfinished(&place.service);
        eventually(SOON, "the record of the job", || {
            String::from_utf8_lossy(&place.inventory()).contains(r#""failed""#).then_some(())
        });
        place.service.kill9();
        place.service.spawn();
        assert_eq!(work::now(&place.service, &job)["reason"], failed["reason"]);
    });
}

#[test]
fn a_crash_meanwhile_loses_nothing() {
    with_each(&WAYS, |&way| {
        let mut place = Place::new();
        let bytes = large::image(3, SIZE);
        let origin = Paced::start(bytes.clone(), SIZE / 4);
        let job = begin(&place.service, "web", &[&origin.url("/web.iso")]);
        wait_for_bytes(&place.service, &job, 200_000);
        place.close(way);
        origin.set_rate(0);
        eventually(SOON, "the last byte", || (origin.sent() == SIZE).then_some(()));
        place.service.kill9();
        match place.service.try_spawn() {
            // It may serve the file, but must not report more than is recorded.
            Ok(()) => {
                place.expect_served("good");
                assert_ne!(place.service.images(&[("name", "web")])[0]["status"], "OK");
                place.service.kill9();
            }
            Err(failure) => {
                assert_eq!(failure.status.code(), Some(2), "{failure:?}");
                assert!(failure.stderr.contains("inventory"), "{failure:?}");
            }
        }
        place.open(way);
        place.service.spawn();
        place.service.wait_for_status("web", "1", |status| status == "OK");
        place.expect_served("web");
        place.expect_served("good");
        assert_eq!(digest::of_file(&place.service.path("static/iso/web.iso")), digest::of_bytes(&bytes));
        wait_for(&place.service, &job, "done");
        expect_no_unfinished(&place.service);
    });
}
