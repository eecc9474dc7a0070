//! Credentials in links: they are needed again after a restart, and no file holds them in the clear.

use harness::images;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin, Seen};
use harness::{Service, Setup};
use serde_json::{Value, json};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The Authorization field for `operator` and `s3cr3t!`.
const AUTHORIZATION: &str = "Basic b3BlcmF0b3I6czNjcjN0IQ==";

/// Texts that no file may hold.
const SECRETS: [&str; 5] = ["operator", "s3cr3t", "t0ken", "b3BlcmF0b3I6czNjcjN0IQ", "mirr0r"];

fn installer() -> Vec<u8> {
    fs::read(images::installer()).unwrap()
}

/// The link to `path` with every part that can hold a secret.
fn secret(origin: &Origin, path: &str) -> String {
    origin.url(path).replacen("://", "://operator:s3cr3t%21@", 1) + "?access=t0ken"
}

/// Starts a download that will not end, and waits for its request.
#[track_caller]
fn begin(service: &Service, origin: &Origin, name: &str, link: &str) -> Seen {
    let asked = origin.seen().len();
    let mirror = origin.url("/mirror.iso?sign=mirr0r");
    let parameters =
        [("name", name), ("version", "1"), ("isoweb", link), ("isoweb", mirror.as_str()), ("wait", "0")];
    service.put_image(&parameters).expect_status(200);
    next_request(origin, asked)
}

/// Waits for the request after `earlier` others.
#[track_caller]
fn next_request(origin: &Origin, after: usize) -> Seen {
    eventually(Duration::from_secs(20), "a request", || origin.seen().get(after).cloned())
}

#[track_caller]
fn expect_credentials(seen: &Seen, are_sent: bool) {
    assert_eq!(
        seen.headers.get("authorization").is_some_and(|sent| sent == AUTHORIZATION),
        are_sent,
        "{seen:?}"
    );
    assert_eq!(seen.target.ends_with("?access=t0ken"), are_sent, "{seen:?}");
}

/// Panics if a file below `folder` holds a secret.
#[track_caller]
fn expect_no_secret(folder: &Path) {
    let mut folders = vec![folder.to_owned()];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = match fs::read(&path) {
                // The service may be replacing the file at this moment; the new one is read under its own
                // name.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                bytes => bytes.unwrap(),
            };
            let holds = |secret: &&str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            let found: Vec<_> = SECRETS.iter().filter(|secret| holds(secret)).collect();
            assert!(found.is_empty(), "{} holds {found:?}", path.display());
            looked_at += 1;
        }
    }
    assert!(looked_at >= 4, "only {looked_at} files: is this the right folder?");
}

fn key_of(service: &Service) -> PathBuf {
    service.path("data/inventory.json.key")
}

fn setup() -> Setup {
    Setup::new()
        .set("inventoryFile", json!("./data/inventory.json"))
        .set("minLogLevel", json!(0))
        .set("downloadStallTimeout", json!(600_000))
}

#[test]
fn a_download_goes_on_with_its_credentials_and_no_file_shows_them() {
    let origin = Origin::start();
    origin.on("/private.iso", Behaviour::Stall(installer()));
    let mut service = setup().start();
    service.put_image(&[("name", "open"), ("version", "1"), ("isoweb", &origin.url("/none.iso"))]);
    assert!(!key_of(&service).exists(), "there is nothing to hide yet");
    let link = secret(&origin, "/private.iso");
    expect_credentials(&begin(&service, &origin, "private", &link), true);
    let key = fs::metadata(key_of(&service)).unwrap();
    assert_eq!((key.len(), key.permissions().mode() & 0o777), (32, 0o600));
    for kill in [false, true] {
        expect_no_secret(&service.path(""));
        let asked = origin.seen().len();
        if kill {
            service.kill9();
            service.spawn();
        } else {
            service.restart();
        }
        expect_credentials(&next_request(&origin, asked), true);
    }
    origin.on("/private.iso", Behaviour::Bytes(installer()));
    service.restart();
    let image = service.wait_for_status("private", "1", |status| status == "OK");
    assert_eq!(image["url"], origin.url("/private.iso"));
    expect_no_secret(&service.path(""));
}

#[test]
fn without_its_key_a_link_is_used_as_it_is_shown() {
    let origin = Origin::start();
    origin.on("/private.iso", Behaviour::Stall(installer()));
    origin.on("/later.iso", Behaviour::Stall(installer()));
    let mut service = setup().start();
    service.upload_iso("other.iso", &images::installer());
    begin(&service, &origin, "private", &secret(&origin, "/private.iso"));
    let (key, aside) = (key_of(&service), service.path("aside"));
    let warnings = |service: &Service| {
        let log = service.log();
        log.lines().filter(|line| line.contains("WARN") && line.contains("inventory.json.key")).count()
    };
    assert_eq!(warnings(&service), 0);
    let mut expected = 0;
    for damage in [None, Some(vec![7; 32]), Some(b"short".to_vec())] {
        service.sigterm();
        fs::rename(&key, &aside).unwrap();
        if let Some(bytes) = damage {
            fs::write(&key, bytes).unwrap();
        }
        let asked = origin.seen().len();
        service.spawn();
        expect_credentials(&next_request(&origin, asked), false);
        expected += 1;
        eventually(Duration::from_secs(10), "a warning", || (warnings(&service) >= expected).then_some(()));
        assert_eq!(warnings(&service), expected, "{}", service.log());
        // Sealed secrets stay sealed through other changes.
        service.register("other", &expected.to_string(), "isostore", "other.iso");
        service.sigterm();
        fs::rename(&aside, &key).unwrap();
        let asked = origin.seen().len();
        service.spawn();
        expect_credentials(&next_request(&origin, asked), true);
    }
    // If the key is lost, a new one seals later secrets.
    service.sigterm();
    fs::remove_file(&key).unwrap();
    service.spawn();
    origin.on("/private.iso", Behaviour::Status(404));
    begin(&service, &origin, "later", &secret(&origin, "/later.iso"));
    assert_eq!(fs::read(&key).unwrap().len(), 32);
    expect_no_secret(&service.path(""));
    let asked = origin.seen().len();
    service.restart();
    let later = eventually(Duration::from_secs(20), "a request", || {
        origin.seen()[asked..].iter().find(|seen| seen.target.starts_with("/later")).cloned()
    });
    expect_credentials(&later, true);
}

#[test]
fn an_older_inventory_with_credentials_in_the_clear_is_sealed_at_the_start() {
    let origin = Origin::start();
    origin.on("/private.iso", Behaviour::Stall(installer()));
    let record = |name: &str, url: &str| -> Value {
        json!({
            "id": name, "name": name, "version": "1", "iso": format!("{name}.iso"), "status": "downloading iso",
            "source": {"kind": "web", "url": url},
            "created": "2026-11-20T23:13:48Z", "updated": "2026-11-20T23:13:48Z",
        })
    };
    let images = [record("private", &secret(&origin, "/private.iso"))];
    let inventory = json!({"version": 2, "images": images, "files": []});
    let service = setup().file("data/inventory.json", inventory.to_string()).start();
    expect_credentials(&next_request(&origin, 0), true);
    expect_no_secret(&service.path(""));
    let stored: Value =
        serde_json::from_slice(&fs::read(service.path("data/inventory.json")).unwrap()).unwrap();
    assert_eq!(stored["images"][0]["source"]["url"], origin.url("/private.iso"));
    assert!(stored["sealed"]["private"].is_string(), "{stored}");
}
