//! Stores that take in no files while the program runs: read-only, without inodes, not permitted. What is
//! there is served, the cause is told in one sentence, and once it is gone the same requests work again.

use harness::disk::SmallDisk;
use harness::http;
use harness::problem::expect_problem;
use harness::unprivileged;
use harness::web::{Behaviour, Origin};
use harness::work::{begin, wait_for};
use harness::{Service, Setup, images};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The problem of the ISO store in `GET /storage`.
fn problem(service: &Service) -> Value {
    let storage = http::get(&service.north("/storage")).expect_status(200).json();
    let iso = storage["stores"].as_array().unwrap().iter().find(|store| store["store"] == "iso").unwrap();
    iso["problem"].clone()
}

#[track_caller]
fn expect_served(service: &Service) {
    let kernel = http::get(&service.south("/before/1/images/pxeboot/vmlinuz")).expect_status(200);
    assert!(kernel.body == images::pattern(1, 300_000));
}

/// All ways to bring a file are refused with `cause`, which the state of the store and the readiness tell as
/// well.
#[track_caller]
fn expect_refused(service: &Service, cause: &str) {
    let body = || fs::read(images::installer()).unwrap();
    for target in ["/iso?name=new.iso", "/images?name=new&version=1&isoclient=new.iso"] {
        expect_problem(service, &http::put(&service.north(target), body()), 507, cause);
    }
    let begun = http::request("POST", &service.north("/uploads?name=new.iso&size=100000"), &[], "");
    expect_problem(service, &begun, 507, cause);
    expect_problem(service, &http::delete(&service.north("/iso?name=spare.iso")), 507, cause);
    let origin = Origin::start();
    origin.on("/web.iso", Behaviour::Bytes(body()));
    let job = begin(service, "web", &[&origin.url("/web.iso")]);
    let failed = wait_for(service, &job, "failed");
    assert!(failed["reason"].as_str().unwrap().contains(cause), "{failed}");
    http::delete(&service.north("/images?name=web&version=1")).expect_status(200);
    let problem = problem(service);
    assert!(problem.as_str().unwrap().contains(cause), "{problem}");
    let readiness = http::get(&service.north("/readyz"));
    assert!(readiness.status == 503 && readiness.text().contains(cause), "{}", readiness.text());
    expect_served(service);
}

#[track_caller]
fn expect_usable(service: &Service) {
    service.upload_iso("new.iso", images::installer().as_path());
    http::delete(&service.north("/iso?name=new.iso")).expect_status(200);
    assert!(problem(service).is_null());
    http::get(&service.north("/readyz")).expect_status(200);
    expect_served(service);
}

/// A service with an image and a spare ISO.
fn with_images(setup: Setup) -> Service {
    let service = setup.start();
    service.upload_iso("before.iso", images::installer().as_path());
    service.register("before", "1", "isostore", "before.iso");
    http::put(&service.north("/iso?name=spare.iso"), "spare").expect_status(200);
    service
}

#[test]
fn a_store_that_becomes_read_only_serves_and_says_why() {
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.path("static/iso"), 32);
    let service = with_images(setup);
    disk.protect();
    expect_refused(&service, "the file system is read-only");
    disk.unprotect();
    expect_usable(&service);
    drop(service);
}

#[test]
fn a_store_without_inodes_serves_and_says_why() {
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.path("static/iso"), 32);
    let service = with_images(setup);
    let folder = service.path("static/iso");
    let limit = |inodes: &str| {
        let options = format!("remount,nr_inodes={inodes}");
        let mounted = Command::new("mount").args(["-o", &options]).arg(&folder).status().unwrap();
        assert!(mounted.success());
    };
    limit("100");
    let mut names = 0;
    while fs::write(folder.join(format!("filler-{names}")), "").is_ok() {
        names += 1;
    }
    let body = fs::read(images::installer()).unwrap();
    for target in ["/iso?name=new.iso", "/images?name=new&version=1&isoclient=new.iso"] {
        expect_problem(&service, &http::put(&service.north(target), body.clone()), 507, "inodes");
    }
    let begun = http::request("POST", &service.north("/uploads?name=new.iso&size=100000"), &[], "");
    expect_problem(&service, &begun, 507, "inodes");
    assert!(problem(&service).as_str().unwrap().contains("inodes"));
    assert!(http::get(&service.north("/readyz")).text().contains("inodes"));
    expect_served(&service);
    for number in 0..names {
        fs::remove_file(folder.join(format!("filler-{number}"))).unwrap();
    }
    expect_usable(&service);
    drop(service);
    drop(disk);
}

/// A file of another user in the store: it is listed with the reason, and no job fails over it again and
/// again.
#[test]
fn a_file_without_permission_is_told_and_no_job_fails_for_ever() {
    let prepare = |folder: &std::path::Path| {
        fs::create_dir_all(folder.join("static/iso")).unwrap();
        let path = folder.join("static/iso/secret.iso");
        fs::copy(images::installer(), &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let service = unprivileged::start(&json!({"watchInterval": 100}), prepare, &["static/iso/secret.iso"]);
    let listed = || http::get(&service.north("/iso?name=secret.iso")).expect_status(200).json()[0].clone();
    harness::wait::eventually(harness::work::SOON, "the reason", || {
        listed()["status"].as_str().unwrap().contains("no permission to read it").then_some(())
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(listed()["status"].as_str().unwrap().starts_with("error"));
    let jobs = http::get(&service.north("/jobs")).json();
    assert_eq!(jobs, json!([]));
    service.expect_logged("has no permission to read a file");
    assert_eq!(service.log().matches("has no permission to read a file").count(), 1, "{}", service.log());
    let refused = http::put(&service.north("/images?name=n&version=1&isostore=secret.iso"), Vec::new());
    assert!(refused.status >= 400 && refused.text().contains("no permission"), "{}", refused.text());
}
