//! Contract §4: a corrupt inventory, a full disk under it, that of the previous service, and two processes
//! with one folder.

use harness::disk::SmallDisk;
use harness::http::{self, Connection, Request};
use harness::images::{self, pattern};
use harness::problem::expect_problem;
use harness::remains::{expect_no_unfinished, unfinished};
use harness::service::query;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup, digest, iso};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

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

/// The present status of one image.
#[track_caller]
fn status(service: &Service, name: &str) -> String {
    let images = service.images(&[("name", name)]);
    assert_eq!(images.len(), 1, "one record of {name}");
    images[0]["status"].as_str().unwrap().to_owned()
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
fn a_corrupt_inventory_stops_the_start_and_says_what_to_do() {
    let mut service = Setup::new().file("static/iso/kept.iso", installer()).start();
    service.register("kept", "1", "isostore", "kept.iso");
    service.register("kept", "2", "isostore", "kept.iso");
    service.sigterm();
    let inventory = service.path("inventory.json");
    let sound = fs::read(&inventory).unwrap();
    let previous = fs::read(service.path("inventory.json.previous")).unwrap();
    let text = String::from_utf8(sound.clone()).unwrap();
    let twice = {
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let first = document["images"][0].clone();
        document["images"].as_array_mut().unwrap().push(first);
        document.to_string()
    };
    for (what, bytes) in [
        ("cut", sound[..sound.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("garbage", pattern(83, 4000)),
        ("a list", b"[]".to_vec()),
        ("of the future", text.replace("\"version\": 2,", "\"version\": 99,").into_bytes()),
        ("without images", b"{\"version\": 2}".to_vec()),
        ("with a bad name", text.replace("\"name\": \"kept\"", "\"name\": \"../kept\"").into_bytes()),
        ("with twins", twice.into_bytes()),
    ] {
        fs::write(&inventory, &bytes).unwrap();
        let failure = service.try_spawn().expect_err(what);
        assert!(!failure.status.success(), "{what}");
        assert!(!failure.stdout.contains("northbound"), "{what}: nothing is served");
        let message = failure.stderr.lines().last().unwrap();
        for part in ["inventory.json", "inventory.json.previous", "Nothing was changed"] {
            assert!(message.contains(part), "{what}: no {part} in {message}");
        }
        assert!(!message.contains("panicked"), "{what}: {message}");
        assert_eq!(fs::read(&inventory).unwrap(), bytes, "{what}: changed");
        assert_eq!(fs::read(service.path("inventory.json.previous")).unwrap(), previous, "{what}: changed");
        assert!(service.path("static/iso/kept.iso").is_file());
    }
    // The advice of the message works: the copy is the state before the last change.
    fs::copy(service.path("inventory.json.previous"), &inventory).unwrap();
    service.spawn();
    let names: Vec<Value> = service.images(&[]).iter().map(|image| image["version"].clone()).collect();
    assert!(names.contains(&json!("1")), "{names:?}");
    expect_served(&service, "kept", "1");
    service.sigterm();
    // Without the inventory the service starts empty; the ISOs stay.
    fs::remove_file(&inventory).unwrap();
    service.spawn();
    assert!(service.images(&[]).is_empty());
    assert_eq!(http::get(&service.north("/iso")).json()[0]["name"], "kept.iso");
}

#[test]
fn a_full_disk_refuses_changes_and_keeps_the_state() {
    let setup = Setup::new()
        .set("inventoryFile", json!("./small/inventory.json"))
        .file("static/iso/kept.iso", installer());
    let disk = SmallDisk::mount(&setup.path("small"), 1);
    let mut service = setup.start();
    service.register("kept", "1", "isostore", "kept.iso");
    // The digest of a file from before is computed a moment later.
    let digested = || Some(records(&service)).filter(|records| !records[0]["sha256"].is_null());
    let before = eventually(Duration::from_secs(20), "the digest", digested);
    service.upload_iso("old.iso", &images::rock_ridge(iso::Maker::Xorriso));
    let old = digest::of_file(&service.path("static/iso/old.iso"));
    disk.fill();
    let bytes = fs::read(service.path("small/inventory.json")).unwrap();
    let refused = service.put_image(&[("name", "new"), ("version", "1"), ("isostore", "kept.iso")]);
    expect_problem(&service, &refused, 507, "inventory");
    let refused = http::delete(&service.north("/images?name=kept"));
    expect_problem(&service, &refused, 507, "inventory");
    let refused = http::put(&service.north("/images?name=new&version=1&isoclient=new.iso"), installer());
    expect_problem(&service, &refused, 507, "inventory");
    assert!(!service.path("static/iso/new.iso").exists(), "nothing is left behind");
    // The older file of the name is unchanged.
    let refused = http::put(&service.north("/images?name=new&version=1&isoclient=old.iso"), installer());
    expect_problem(&service, &refused, 507, "inventory");
    assert_eq!(digest::of_file(&service.path("static/iso/old.iso")), old);
    let listed = http::get(&service.north("/iso?name=old.iso")).json();
    assert_eq!(listed[0]["sha256"], old);
    expect_gone(&service, "new", "1");
    expect_served(&service, "kept", "1");
    assert_eq!(records(&service), before);
    assert_eq!(fs::read(service.path("small/inventory.json")).unwrap(), bytes);
    expect_no_unfinished(&service);

    // A crash now, and a start on the full disk.
    service.kill9();
    service.spawn();
    expect_served(&service, "kept", "1");
    assert_eq!(records(&service), before);
    disk.make_room();
    service.register("new", "1", "isostore", "kept.iso");
    http::delete(&service.north("/images?name=kept")).expect_status(200);
    service.kill9();
    service.spawn();
    expect_served(&service, "new", "1");
    expect_gone(&service, "kept", "1");
    drop(service);
    drop(disk);
}

#[test]
fn a_download_survives_a_removal_that_was_refused() {
    let setup = Setup::new().set("inventoryFile", json!("./small/inventory.json"));
    let disk = SmallDisk::mount(&setup.path("small"), 1);
    let service = setup.start();
    let origin = Origin::start();
    let bytes = installer();
    let (piece, pause) = (bytes.len() / 20, Duration::from_millis(150));
    origin.on("/slow.iso", Behaviour::Dribble { bytes, piece, pause });
    let parameters =
        query(&[("name", "web"), ("version", "1"), ("isoweb", &origin.url("/slow.iso")), ("wait", "0")]);
    http::put(&service.north(&format!("/images?{parameters}")), "").expect_status(200);
    disk.fill();
    let refused = http::delete(&service.north("/images?name=web"));
    expect_problem(&service, &refused, 507, "inventory");
    assert_eq!(status(&service, "web"), "downloading iso");
    disk.make_room();
    // The refused request changed nothing: the download completes.
    service.wait_for_status("web", "1", |status| status == "OK");
    expect_served(&service, "web", "1");
    drop(service);
    drop(disk);
}

#[test]
fn a_download_that_ends_on_a_full_disk_does_not_hang() {
    let setup = Setup::new().set("inventoryFile", json!("./small/inventory.json"));
    let disk = SmallDisk::mount(&setup.path("small"), 1);
    let service = setup.start();
    let origin = Origin::start();
    let bytes = installer();
    let (piece, pause) = (bytes.len() / 5, Duration::from_millis(100));
    origin.on("/slow.iso", Behaviour::Dribble { bytes, piece, pause });
    let url = origin.url("/slow.iso");
    let parameters = query(&[("name", "web"), ("version", "1"), ("isoweb", &url), ("wait", "0")]);
    http::put(&service.north(&format!("/images?{parameters}")), "").expect_status(200);
    disk.fill();
    std::thread::sleep(Duration::from_millis(1500));
    assert_ne!(status(&service, "web"), "OK", "it is not recorded");
    disk.make_room();
    // In either case the download ends, and its image can be registered.
    let ended = service.wait_for_status("web", "1", |status| status == "OK" || status.starts_with("error: "));
    if ended["status"] != "OK" {
        let parameters = query(&[("name", "web"), ("version", "1"), ("isoweb", &url), ("wait", "20")]);
        http::put(&service.north(&format!("/images?{parameters}")), "").expect_status(200);
    }
    service.wait_for_status("web", "1", |status| status == "OK");
    expect_served(&service, "web", "1");
    drop(service);
    drop(disk);
}

#[test]
fn the_old_services_inventory_is_taken_over() {
    let setup =
        Setup::new().file("static/iso/stored.iso", installer()).file("elsewhere/linked.iso", installer());
    symlink(setup.path("elsewhere/linked.iso"), setup.path("static/iso/linked.iso")).unwrap();
    symlink(setup.path("elsewhere/nowhere.iso"), setup.path("static/iso/dangling.iso")).unwrap();
    fs::write(setup.path("static/iso/text.iso"), "no ISO").unwrap();
    let path = setup.path("static/iso/path.iso").to_str().unwrap().to_owned();
    fs::copy(images::installer(), &path).unwrap();
    let old = |id: &str, name: &str, iso: &str, status: &str| json!({"id": id, "name": name, "version": "1", "iso": iso, "status": status});
    let inventory = json!({"images": [
        old("id-stored", "stored", "stored.iso", "OK"),
        old("id-linked", "linked", "linked.iso", "OK"),
        old("id-path", "path", &path, "OK"),
        old("id-missing", "missing", "missing.iso", "OK"),
        old("id-dangling", "dangling", "dangling.iso", "OK"),
        old("id-text", "text", "text.iso", "OK"),
        old("id-half", "half", "half.iso", "downloading iso"),
    ]});
    let mut service = setup.file("inventory.json", inventory.to_string()).start();
    for restarted in [false, true] {
        for name in ["stored", "linked", "path"] {
            expect_served(&service, name, "1");
            assert_eq!(status(&service, name), "OK");
        }
        for name in ["missing", "dangling", "text", "half"] {
            expect_gone(&service, name, "1");
            assert!(status(&service, name).starts_with("error: "), "{name}: {}", status(&service, name));
        }
        let images = service.images(&[]);
        assert_eq!(images.len(), 7);
        for image in &images {
            assert_eq!(image["id"], format!("id-{}", image["name"].as_str().unwrap()), "{image}");
        }
        let files = http::get(&service.north("/iso")).json();
        let local: BTreeMap<&str, bool> = files
            .as_array()
            .unwrap()
            .iter()
            .map(|f| (f["name"].as_str().unwrap(), f["local"].as_bool().unwrap()))
            .collect();
        assert_eq!(local.get("linked.iso"), Some(&true), "a link of the old service is a local ISO: {files}");
        assert_eq!(local.get("stored.iso"), Some(&false));
        assert!(http::get(&service.south("/iso/linked.iso")).body == installer());
        if !restarted {
            assert_eq!(
                serde_json::from_slice::<Value>(&fs::read(service.path("inventory.json.v1")).unwrap())
                    .unwrap(),
                inventory,
                "the old file is kept beside the new one"
            );
            service.kill9();
            service.spawn();
        }
    }
    // A missing ISO that comes back repairs its image, here too.
    fs::copy(images::installer(), service.path("static/iso/missing.iso")).unwrap();
    service.wait_for_status("missing", "1", |status| status == "OK");
    expect_served(&service, "missing", "1");
    // Removing the local one removes the reference, never the file.
    http::delete(&service.north("/images?name=linked")).expect_status(200);
    http::delete(&service.north("/iso?name=linked.iso")).expect_status(200);
    assert!(service.path("elsewhere/linked.iso").is_file());
}

#[test]
fn two_processes_do_not_share_an_inventory() {
    let mut first = Setup::new().file("static/iso/kept.iso", installer()).start();
    first.register("kept", "1", "isostore", "kept.iso");
    // Nothing changes by itself once the digest of the file is recorded.
    eventually(Duration::from_secs(10), "the digest", || {
        (!first.images(&[("name", "kept")])[0]["sha256"].is_null()).then_some(())
    });
    let inventory = first.path("inventory.json");
    let bytes = fs::read(&inventory).unwrap();
    let upload = start_upload(&first, "slow.iso", 200_000);
    let second = Setup::new()
        .set("inventoryFile", json!(inventory))
        .set("isoDir", json!(first.path("static/iso")))
        .try_start();
    let failure = second.err().expect("the second must not start");
    assert!(!failure.status.success());
    assert!(
        failure.stderr.contains("inventory.json") && failure.stderr.contains("in use"),
        "{}",
        failure.stderr
    );
    assert_eq!(fs::read(&inventory).unwrap(), bytes);
    assert_eq!(unfinished(&first).len(), 1, "an upload of the first is not cleared away by the second");
    finish_upload(upload, 200_000);
    expect_served(&first, "kept", "1");
    // After a crash of the first process the folder is free at once.
    first.kill9();
    first.spawn();
    expect_served(&first, "kept", "1");
}

#[test]
fn two_processes_do_not_share_a_store() {
    let first = Service::start(&json!({}));
    let upload = start_upload(&first, "slow.iso", 200_000);
    // Its inventory is its own, but the folder is not.
    let second = Setup::new().set("isoDir", json!(first.path("static/iso"))).try_start();
    let failure = second.err().expect("the second is refused");
    assert!(failure.stderr.contains("in use"), "{}", failure.stderr);
    finish_upload(upload, 200_000);
    assert_eq!(digest::of_file(&first.path("static/iso/slow.iso")), digest::of_bytes(&pattern(84, 200_000)));
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
