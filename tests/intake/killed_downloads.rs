//! `kill -9` at random instants of downloads: afterwards the file is absent or complete, and fetched bytes
//! are not fetched again.

use harness::chance::Chance;
use harness::http::{Connection, Request};
use harness::paced::Paced;
use harness::parallel::in_parallel;
use harness::remains::expect_no_unfinished;
use harness::service::query;
use harness::wait::eventually;
use harness::work::{SOON, begin, list};
use harness::{Service, digest, images, large};
use serde_json::{Value, json};
use std::fs;

/// Kills in each of four workers.
const KILLS: usize = 5;

const SIZE: usize = 24 << 20;

/// Bytes per second: a download takes eight seconds.
const RATE: usize = 3 << 20;

/// The most bytes that a crash may lose: those of the two seconds between checkpoints, and of one more for a
/// slow disk.
const LOSS: usize = 3 * RATE;

/// Panics unless every finished file has the right bytes and the inventory is readable. The service is
/// stopped.
#[track_caller]
fn expect_all_or_nothing(service: &Service, sha256: &str) -> usize {
    let mut whole = 0;
    for entry in fs::read_dir(service.path("static/iso")).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_file() {
            assert_eq!(digest::of_file(&entry.path()), sha256, "half of {}", entry.path().display());
            whole += 1;
        }
    }
    let inventory = fs::read(service.path("inventory.json")).unwrap();
    serde_json::from_slice::<Value>(&inventory).unwrap_or_else(|error| panic!("torn inventory: {error}"));
    whole
}

/// Whether the inventory records that an image is complete.
fn is_recorded(service: &Service, name: &str) -> bool {
    let inventory = fs::read(service.path("inventory.json")).unwrap();
    let inventory: Value = serde_json::from_slice(&inventory).unwrap();
    let mut images = inventory["images"].as_array().unwrap().iter();
    images.any(|image| image["name"] == name && image["status"] == "OK")
}

#[track_caller]
fn expect_served(service: &Service, name: &str, iso: &str, sha256: &str) {
    let image = service.wait_for_status(name, "1", |status| status == "OK");
    assert_eq!((&image["iso"], &image["sha256"]), (&json!(iso), &json!(sha256)), "{image}");
    assert_eq!(digest::of_file(&service.path("static/iso").join(iso)), sha256);
    let kernel = harness::http::get(&service.south(&format!("/{name}/1/images/pxeboot/vmlinuz")));
    assert!(kernel.expect_status(200).body == images::pattern(1, 300_000), "the kernel of {name} differs");
}

#[test]
fn a_download_goes_on_after_each_of_many_kills() {
    let bytes = large::image(7, SIZE);
    let sha256 = digest::of_bytes(&bytes);
    in_parallel(|worker| {
        let mut chance = Chance::of_worker(worker);
        let origin = Paced::start(bytes.clone(), RATE);
        let mut service = Service::start(&json!({"minLogLevel": 2}));
        begin(&service, "web", &[&origin.url("/web.iso")]);
        for kill in 0..KILLS {
            let last = kill + 1 == KILLS;
            // The last kill comes after at least one checkpoint.
            let life = if last { chance.time(3200, 4000) } else { chance.time(1, 3000) };
            let asked = origin.asked().len();
            std::thread::sleep(life);
            service.kill9();
            let reached = origin.reached();
            let whole = expect_all_or_nothing(&service, &sha256);
            service.spawn();
            if whole > 0 && origin.asked().len() == asked {
                continue;
            }
            // Without any request the service continues, close to where it was.
            let again = eventually(SOON, "a request for the rest", || {
                origin.asked().get(asked.max(1)..).and_then(|later| later.last().cloned())
            });
            eprintln!("worker {worker}: killed after {life:?} at {reached}, goes on at {}", again.start);
            assert!(again.start + LOSS >= reached, "{} of {reached} bytes are asked for again", again.start);
            assert!(again.start <= reached);
            assert_eq!(again.start > 0, again.if_range.is_some(), "{again:?}");
            assert!(!last || again.start > 0, "nothing is kept of {life:?}");
            let status = service.images(&[("name", "web")])[0]["status"].clone();
            assert!(["downloading iso", "preparing", "OK"].contains(&status.as_str().unwrap()), "{status}");
        }
        origin.set_rate(0);
        expect_served(&service, "web", "web.iso", &sha256);
        let sent = origin.sent();
        eprintln!("worker {worker}: {sent} bytes were sent for {SIZE} and {KILLS} kills");
        assert!(sent <= SIZE + KILLS * LOSS, "{sent}");
        expect_no_unfinished(&service);
        assert_eq!(expect_all_or_nothing(&service, &sha256), 1);
    });
}

#[test]
fn a_kill_around_the_last_byte_leaves_nothing_or_all() {
    let bytes = fs::read(images::installer()).unwrap();
    let sha256 = digest::of_bytes(&bytes);
    in_parallel(|worker| {
        let mut chance = Chance::of_worker(100 + worker);
        let origin = Paced::start(bytes.clone(), 0);
        let mut service = Service::start(&json!({"minLogLevel": 2}));
        let mut found = [0; 3];
        for round in 0..KILLS {
            let (name, iso) = (format!("web-{round}"), format!("{round}.iso"));
            let link = origin.url(&format!("/{iso}"));
            let parameters = query(&[("name", &name), ("version", "1"), ("isoweb", &link), ("wait", "20")]);
            let before = origin.sent();
            let mut client = Connection::open(&service.north(""));
            client.send(&Request::new("PUT", &format!("/images?{parameters}"))).unwrap();
            eventually(SOON, "the last byte", || (origin.sent() - before == bytes.len()).then_some(()));
            // The bytes are being written, or written; then come fsync, rename and three records.
            std::thread::sleep(chance.time(0, 100));
            service.kill9();
            let whole = expect_all_or_nothing(&service, &sha256);
            let was_recorded = is_recorded(&service, &name);
            found[usize::from(whole > round) + usize::from(was_recorded)] += 1;
            let asked = origin.asked().len();
            service.spawn();
            expect_served(&service, &name, &iso, &sha256);
            // The job may have to find that its work was done.
            eventually(SOON, "the end of the job", || {
                let jobs = list(&service, &[("kind", "download")]);
                jobs.iter().all(|job| job["state"] == "done").then_some(())
            });
            assert!(whole == round || origin.asked().len() == asked, "what is there is fetched again");
            expect_no_unfinished(&service);
        }
        eprintln!("worker {worker}: nothing, a file, a file and its record: {found:?}");
        assert!(origin.sent() <= 2 * KILLS * bytes.len(), "{}", origin.sent());
        service.kill9();
        service.spawn();
        assert_eq!(service.images(&[("status", "OK")]).len(), KILLS);
        assert_eq!(expect_all_or_nothing(&service, &sha256), KILLS);
    });
}

#[test]
fn a_stop_in_good_order_loses_nothing() {
    let bytes = large::image(9, SIZE);
    let origin = Paced::start(bytes.clone(), 2 * RATE);
    let mut service = Service::start(&json!({"minLogLevel": 2}));
    begin(&service, "web", &[&origin.url("/web.iso")]);
    for stop in 1..=3 {
        eventually(SOON, "a few megabytes", || (origin.reached() >= stop * SIZE / 5).then_some(()));
        service.restart();
        let asked = eventually(SOON, "a request for the rest", || {
            Some(origin.asked()).filter(|asked| asked.len() > stop)
        });
        let (before, again) = (&asked[stop - 1], &asked[stop]);
        // Bytes in transit between the two programs are lost.
        let reached = before.start + before.sent;
        assert!(again.start + (4 << 20) >= reached && again.start > before.start, "{before:?} {again:?}");
    }
    origin.set_rate(0);
    expect_served(&service, "web", "web.iso", &digest::of_bytes(&bytes));
    assert!(origin.sent() <= SIZE + 3 * (4 << 20), "{}", origin.sent());
    expect_no_unfinished(&service);
}
