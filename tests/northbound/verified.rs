//! The history of a file in listings: its source, and when all of its bytes were last verified.

use harness::http;
use harness::iso::sparse_file;
use harness::served_digest::wait_for_digest;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup, images};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// The listed file of a name.
fn listed(service: &Service, store: &str, name: &str) -> Value {
    let files = http::get(&service.north(&format!("/{store}?name={name}"))).expect_status(200).json();
    assert_eq!(files.as_array().unwrap().len(), 1, "{files}");
    files[0].clone()
}

/// Checks that a file is verified and has this source, within the last minute.
#[track_caller]
fn expect_good(file: &Value, origin: &str) -> Timestamp {
    assert_eq!((&file["status"], &file["origin"]), (&json!("OK"), &json!(origin)), "{file}");
    let verified: Timestamp = file["verified"].as_str().unwrap_or_else(|| panic!("{file}")).parse().unwrap();
    let age = Timestamp::now().duration_since(verified);
    assert!(age >= SignedDuration::ZERO && age < SignedDuration::from_mins(1), "{file}");
    verified
}

#[test]
fn a_file_tells_how_it_came_and_that_it_is_good() {
    let installer = fs::read(images::installer()).unwrap();
    let origin = Origin::start();
    origin.on("/fetched.iso", Behaviour::Bytes(installer.clone()));
    let mut service = Setup::new()
        .set("watchInterval", 0.into())
        .file("static/iso/dropped.iso", &installer)
        .file("static/common/dropped", "dropped")
        .file("local/away.iso", &installer)
        .start();
    let uploaded = http::request(
        "PUT",
        &service.north("/iso?name=uploaded.iso"),
        &[("Accept", "application/json")],
        installer.clone(),
    );
    expect_good(&uploaded.expect_status(200).json(), "upload");
    http::put(&service.north("/microkernel?name=uploaded"), "uploaded").expect_status(200);
    let together = service.north("/images?name=client&version=1&isoclient=together.iso");
    http::put(&together, installer).expect_status(200);
    let url = origin.url("/fetched.iso");
    let with_secrets = url.replace("http://", "http://me:secret@") + "?token=secret";
    service.register("web", "1", "isoweb", &with_secrets);
    service.register("local", "1", "isolocal", service.path("local/away.iso").to_str().unwrap());
    let expected = [
        ("iso", "uploaded.iso", "upload"),
        ("iso", "together.iso", "upload"),
        ("iso", "fetched.iso", "download"),
        ("iso", "away.iso", "local"),
        ("iso", "dropped.iso", "folder"),
        ("microkernel", "uploaded", "upload"),
        ("microkernel", "dropped", "folder"),
    ];
    let look = |service: &Service| {
        expected.map(|(store, name, origin)| {
            wait_for_digest(service, store, name);
            let file = listed(service, store, name);
            let shown = if origin == "download" { json!(url) } else { Value::Null };
            assert_eq!(file["url"], shown, "{file}");
            expect_good(&file, origin)
        })
    };
    let before = look(&service);
    let inventory: Value =
        serde_json::from_str(&fs::read_to_string(service.path("inventory.json")).unwrap()).unwrap();
    let files = inventory["files"].to_string();
    assert!(files.contains(&url) && !files.contains("secret"), "{files}");
    service.restart();
    assert_eq!(look(&service), before);
}

/// A file counts as verified once all of it has been read, and no sooner.
#[test]
fn a_file_whose_bytes_nobody_knows_is_being_prepared() {
    let service = Setup::new().set("watchInterval", 0.into()).start();
    http::put(&service.north("/iso?name=a.iso"), fs::read(images::installer()).unwrap()).expect_status(200);
    expect_good(&listed(&service, "iso", "a.iso"), "upload");
    // Large enough that it is still being read at the first request.
    sparse_file(&service.path("static/iso/a.iso"), 4 << 30, &[(0, &images::pattern(3, 9))]);
    let file = listed(&service, "iso", "a.iso");
    let fields = ["status", "origin", "verified", "sha256"].map(|field| file[field].clone());
    assert_eq!(fields, [json!("preparing"), json!("folder"), Value::Null, Value::Null], "{file}");
    fs::write(service.path("static/iso/a.iso"), "another").unwrap();
    wait_for_digest(&service, "iso", "a.iso");
    expect_good(&listed(&service, "iso", "a.iso"), "folder");
}

#[test]
fn a_local_iso_that_is_missing_is_not_good() {
    let service = Setup::new().file("local/away.iso", fs::read(images::installer()).unwrap()).start();
    let path = service.path("local/away.iso");
    service.register("local", "1", "isolocal", path.to_str().unwrap());
    wait_for_digest(&service, "iso", "away.iso");
    fs::rename(&path, service.path("gone.iso")).unwrap();
    assert_eq!(listed(&service, "iso", "away.iso")["status"], "error: it is missing");
    fs::rename(service.path("gone.iso"), &path).unwrap();
    expect_good(&listed(&service, "iso", "away.iso"), "local");
}

/// Inventories without these fields: neither source nor time of verification is known.
#[test]
fn an_older_inventory_is_read_and_kept() {
    let mut service = Setup::new().set("scrubInterval", 0.into()).set("watchInterval", 0.into()).start();
    service.upload_iso("a.iso", &images::installer());
    service.sigterm();
    let path = service.path("inventory.json");
    let mut inventory: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let record = inventory["files"][0].as_object_mut().unwrap();
    for field in ["origin", "verified"] {
        assert!(record.remove(field).is_some(), "{record:?}");
    }
    fs::write(&path, inventory.to_string()).unwrap();
    service.spawn();
    let file = listed(&service, "iso", "a.iso");
    let fields = ["status", "origin", "verified"].map(|field| file[field].clone());
    assert_eq!(fields, [json!("OK"), Value::Null, Value::Null], "{file}");
    // A change of another file writes the whole inventory and must not invent values.
    http::put(&service.north("/microkernel?name=b"), "b").expect_status(200);
    eventually(Duration::from_secs(5), "a saved inventory", || {
        let saved: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let files = saved["files"].as_array().unwrap();
        let is_old = |file: &Value| file["name"] == "a.iso" && file.get("verified").is_none();
        (files.len() == 2 && files.iter().any(is_old)).then_some(())
    });
}
