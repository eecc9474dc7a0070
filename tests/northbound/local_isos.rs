//! `isolocal`: an ISO is registered where it lies, shown by its base name, and never written to.

use harness::disk::SmallDisk;
use harness::http::{self, Response};
use harness::problem::expect_problem;
use harness::service::query;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup, digest, images};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::Duration;

const KERNEL: &str = "images/pxeboot/vmlinuz";

/// A service whose store holds `stored.iso`, and a folder with `local.iso`.
fn service() -> Service {
    let installer = fs::read(images::installer()).unwrap();
    Setup::new().file("static/iso/stored.iso", &installer).file("elsewhere/local.iso", &installer).start()
}

#[track_caller]
fn expect_kernel_served(service: &Service, name: &str, version: &str) {
    let answer = http::get(&service.south(&format!("/{name}/{version}/{KERNEL}"))).expect_status(200);
    assert!(answer.body == images::pattern(1, 300_000), "the kernel of {name} {version} differs");
}

/// DELETE with parameters, encoded here.
fn delete(service: &Service, parameters: &[(&str, &str)]) -> Response {
    http::delete(&service.north(&format!("/images?{}", query(parameters))))
}

#[test]
fn a_local_iso_is_shown_and_never_touched() {
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.path("media"), 20);
    let file = setup.path("media/install.iso");
    fs::copy(images::installer(), &file).unwrap();
    let before = fs::metadata(&file).unwrap();
    // The file system is read-only, so a write would fail.
    disk.protect();
    let service = setup.start();
    let path = file.to_str().unwrap();
    service.register("local", "1", "isolocal", path);
    service.register("local", "2", "isolocal", path);
    service.register("local", "3", "isostore", "install.iso");
    for version in ["1", "2", "3"] {
        expect_kernel_served(&service, "local", version);
    }
    let sha256 = digest::of_file(&file);
    let listed = eventually(Duration::from_secs(10), "the digest of the local ISO", || {
        let listed = http::get(&service.north("/iso")).json();
        (!listed[0]["sha256"].is_null()).then_some(listed)
    });
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["name"], "install.iso");
    assert_eq!(listed[0]["local"], true);
    assert_eq!(listed[0]["bytes"], before.len());
    assert_eq!(listed[0]["sha256"], sha256);
    assert_eq!(
        fs::read_dir(service.path("static/iso"))
            .unwrap()
            .filter(|e| e.as_ref().unwrap().file_name() != ".incoming")
            .count(),
        0,
        "nothing is copied or linked"
    );
    let whole = http::get(&service.south("/iso/install.iso")).expect_status(200);
    assert_eq!(digest::of_bytes(&whole.body), sha256);

    // No upload may take the name, and no request under it reaches the file.
    let body = fs::read(&file).unwrap();
    let origin = Origin::start();
    origin.on("/install.iso", Behaviour::Bytes(body.clone()));
    let web = http::encode(origin.url("/install.iso"));
    for target in [
        "/iso?name=install.iso".to_owned(),
        "/images?name=n&version=v&isoclient=install.iso".to_owned(),
        format!("/images?name=n&version=v&isoweb={web}"),
    ] {
        let answer = http::put(&service.north(&target), body.clone());
        expect_problem(&service, &answer, 409, "install.iso");
    }
    let in_use =
        expect_problem(&service, &http::delete(&service.north("/iso?name=install.iso")), 409, "install.iso");
    assert!(in_use["message"].as_str().unwrap().contains("local 1"), "{in_use}");

    for version in ["1", "2", "3"] {
        delete(&service, &[("name", "local"), ("version", version)]).expect_status(200);
    }
    let removed = http::delete(&service.north("/iso?name=install.iso")).expect_status(200).json();
    assert_eq!((&removed["name"], &removed["local"]), (&json!("install.iso"), &json!(true)));
    assert_eq!(http::get(&service.north("/iso")).text(), "[]");
    http::get(&service.south("/iso/install.iso")).expect_status(404);

    let after = fs::metadata(&file).unwrap();
    assert_eq!(
        (after.ino(), after.len(), after.mtime_nsec()),
        (before.ino(), before.len(), before.mtime_nsec())
    );
    assert_eq!((after.mtime(), after.nlink(), after.mode()), (before.mtime(), before.nlink(), before.mode()));
    assert_eq!(digest::of_file(&file), sha256);
    // The reference is removed, so the name is free again.
    service.register("local", "4", "isolocal", path);
    drop(service);
    drop(disk);
}

#[test]
fn base_names_of_local_isos_do_not_hide_each_other() {
    let service = service();
    let installer = fs::read(images::installer()).unwrap();
    for file in ["elsewhere/stored.iso", "other/local.iso"] {
        service.write(file, &installer);
    }
    symlink(service.path("elsewhere/local.iso"), service.path("linked.iso")).unwrap();
    let at = |relative: &str| service.path(relative).to_str().unwrap().to_owned();
    let try_local = |version: &str, path: &str| {
        service.put_image(&[("name", "local"), ("version", version), ("isolocal", path)])
    };
    expect_problem(&service, &try_local("1", &at("elsewhere/stored.iso")), 409, "stored.iso");
    try_local("2", &at("elsewhere/local.iso")).expect_status(200);
    expect_problem(&service, &try_local("3", &at("other/local.iso")), 409, "local.iso");
    // A link is followed at the registration, and the image shows the link's name.
    assert_eq!(try_local("4", &at("linked.iso")).expect_status(200).json()["iso"], "linked.iso");
    // A file of the store needs no reference and stays an ordinary file.
    assert_eq!(try_local("5", &at("static/iso/stored.iso")).expect_status(200).json()["iso"], "stored.iso");
    let listed = http::get(&service.north("/iso")).json();
    let local: Vec<(&str, bool)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["name"].as_str().unwrap(), f["local"].as_bool().unwrap()))
        .collect();
    assert_eq!(local, [("linked.iso", true), ("local.iso", true), ("stored.iso", false)]);
    for version in ["2", "4", "5"] {
        expect_kernel_served(&service, "local", version);
    }
    assert_eq!(service.images(&[]).len(), 3);
}
