//! Where the inventory lies: behind a link, mounted as a single file, on a read-only disk, in use by a
//! process that is just dying.

use harness::disk::{MountGuard, SmallDisk};
use harness::http;
use harness::{Setup, images};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

/// Configuration management links the inventory to a data disk: the file there is replaced, the link stays.
#[test]
fn the_file_behind_a_link_is_replaced_and_the_link_stays() {
    let setup = Setup::new();
    fs::create_dir(setup.path("data")).unwrap();
    symlink("data/kept.json", setup.path("inventory.json")).unwrap();
    let mut service = setup.start();
    service.upload_iso("a.iso", &images::installer());
    service.register("linked", "1", "isostore", "a.iso");
    let kept = fs::read_to_string(service.path("data/kept.json")).unwrap();
    assert!(kept.contains("\"linked\""));
    assert!(service.path("inventory.json").is_symlink());
    assert!(service.path("data/kept.json.previous").is_file());
    service.restart();
    assert_eq!(service.images(&[]).len(), 1);
    // The two names are one inventory, which one process uses.
    let mut other = Setup::new();
    other = other.set("inventoryFile", json!(service.path("data/kept.json")));
    let begun = Instant::now();
    let failure = other.try_start().err().expect("the inventory is in use");
    assert!(failure.stderr.contains("is in use by another image-service"), "{failure:?}");
    assert!(begun.elapsed() > Duration::from_secs(9), "a process that dies may need some time");
}

/// The key that seals credentials stays beside the link if it is there already.
#[test]
fn credentials_survive_the_move_of_the_file_behind_a_link() {
    let mut service = Setup::new().set("downloadRetryDelay", json!(600_000)).start();
    let link = "http://operator:s3cret@127.0.0.1:1/a.iso";
    harness::work::register(&service, "web", &[link], "0").expect_status(200);
    assert!(service.sigterm().success());
    fs::create_dir(service.path("data")).unwrap();
    fs::rename(service.path("inventory.json"), service.path("data/inventory.json")).unwrap();
    symlink("data/inventory.json", service.path("inventory.json")).unwrap();
    service.spawn();
    assert!(!service.log().contains("credentials over a restart"), "{}", service.log());
    assert!(!service.path("data/inventory.json.key").exists());
    assert!(service.path("inventory.json.key").exists());
}

/// A container gets the single file by a mount of its own: no other file can take its place.
#[test]
fn an_inventory_that_is_a_mount_is_refused_at_the_start() {
    let setup = Setup::new().file("inventory.json", r#"{"version": 2, "images": []}"#);
    let path = setup.path("inventory.json");
    fs::write(setup.path("elsewhere.json"), r#"{"version": 2, "images": []}"#).unwrap();
    let _guard = MountGuard(path.clone());
    let mounted = Command::new("mount").arg("--bind").arg(setup.path("elsewhere.json")).arg(&path).status();
    assert!(mounted.unwrap().success(), "this test needs root");
    let failure = setup.try_start().err().expect("changes could not be saved");
    assert!(failure.stderr.contains("mounted as a single file"), "{failure:?}");
    assert!(failure.stderr.contains("mount the folder"), "{failure:?}");
}

#[test]
fn a_read_only_inventory_is_told_in_each_refusal_and_works_again() {
    let setup = Setup::new().set("inventoryFile", json!("./kept/inventory.json"));
    let disk = SmallDisk::mount(&setup.path("kept"), 2);
    let service = setup.start();
    service.upload_iso("a.iso", &images::installer());
    disk.protect();
    let register = || service.put_image(&[("name", "n"), ("version", "1"), ("isostore", "a.iso")]);
    let refused = register();
    assert_eq!(refused.status, 507);
    assert!(refused.text().contains("the file system is read-only"), "{}", refused.text());
    disk.unprotect();
    register().expect_status(200);
    http::get(&service.south("/n/1/images/pxeboot/vmlinuz")).expect_status(200);
    drop(service);
}

/// `kill -9` and a start at once: the system has not released all locks yet.
#[test]
fn a_start_waits_for_a_process_that_is_dying() {
    let mut service = Setup::new().start();
    service.upload_iso("a.iso", &images::installer());
    assert!(service.sigterm().success());
    // The locks of a process that goes on for a second.
    let held = [service.path("inventory.json.lock"), service.path("static/iso/.incoming")];
    let mut holders: Vec<_> = held
        .iter()
        .map(|path| Command::new("flock").arg(path).args(["sleep", "1"]).spawn().unwrap())
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    service.spawn();
    for holder in &mut holders {
        holder.wait().unwrap();
    }
    assert_eq!(http::get(&service.north("/iso")).json()[0]["name"], "a.iso");
}
