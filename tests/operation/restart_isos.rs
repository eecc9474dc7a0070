//! Contract §4: a missing, changed or unreadable ISO makes its image an error, which ends when the ISO is
//! back.

use harness::http;
use harness::images::{self, pattern};
use harness::started::Started;
use harness::unprivileged;
use harness::wait::eventually;
use harness::{Service, Setup, digest};
use serde_json::{Value, json};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

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

/// The same for an ISO that was changed without the API, which the service notices within a second or two.
#[track_caller]
fn expect_gone_soon(service: &Service, name: &str, version: &str) {
    let url = service.south(&format!("/{name}/{version}/images/pxeboot/vmlinuz"));
    eventually(Duration::from_secs(3), "a 404", || (http::head(&url).status == 404).then_some(()));
    expect_gone(service, name, version);
}

/// The present status of one image.
#[track_caller]
fn status(service: &Service, name: &str) -> String {
    let images = service.images(&[("name", name)]);
    assert_eq!(images.len(), 1, "one record of {name}");
    images[0]["status"].as_str().unwrap().to_owned()
}

#[test]
fn an_image_recovers_when_its_iso_does() {
    let mut service = Setup::new().file("elsewhere/local.iso", installer()).start();
    service.upload_iso("store.iso", &images::installer());
    service.register("store", "1", "isostore", "store.iso");
    let local = service.path("elsewhere/local.iso");
    service.register("local", "1", "isolocal", local.to_str().unwrap());
    let ids = |service: &Service| -> Vec<Value> {
        service.images(&[]).iter().map(|image| image["id"].clone()).collect()
    };
    let before = ids(&service);
    let store = service.path("static/iso/store.iso");
    let aside = service.path("aside");
    fs::create_dir(&aside).unwrap();
    for (name, file) in [("store", &store), ("local", &local)] {
        let hidden = aside.join(name);
        // While the service runs.
        fs::rename(file, &hidden).unwrap();
        expect_gone_soon(&service, name, "1");
        assert!(status(&service, name).starts_with("error: "), "{}", status(&service, name));
        assert!(status(&service, name).contains("missing"), "{}", status(&service, name));
        fs::rename(&hidden, file).unwrap();
        assert_eq!(status(&service, name), "OK");
        expect_served(&service, name, "1");
        // Over a restart, and back while the service runs.
        fs::rename(file, &hidden).unwrap();
        service.restart();
        let lines = service.start_lines();
        assert!(lines.contains(&("images", "1 restored, 1 in error")), "{lines:?}");
        expect_gone_soon(&service, name, "1");
        assert!(status(&service, name).contains("missing"));
        let other = if name == "store" { "local" } else { "store" };
        expect_served(&service, other, "1");
        fs::rename(&hidden, file).unwrap();
        expect_served(&service, name, "1");
        assert_eq!(status(&service, name), "OK");
        // Back before the next start.
        fs::rename(file, &hidden).unwrap();
        service.kill9();
        fs::rename(&hidden, file).unwrap();
        service.spawn();
        expect_served(&service, name, "1");
        assert_eq!(status(&service, name), "OK");
    }
    assert_eq!(ids(&service), before, "records stay as they are");
}

#[test]
fn an_iso_that_changed_is_not_served_until_its_bytes_are_back() {
    let mut service = Setup::new().file("elsewhere/local.iso", installer()).start();
    service.upload_iso("store.iso", &images::installer());
    service.register("store", "1", "isostore", "store.iso");
    let local = service.path("elsewhere/local.iso");
    service.register("local", "1", "isolocal", local.to_str().unwrap());
    // A change can be told from a copy only once the digest is known.
    eventually(Duration::from_secs(10), "the digest of the local ISO", || {
        (!service.images(&[("name", "local")])[0]["sha256"].is_null()).then_some(())
    });
    let store = service.path("static/iso/store.iso");
    let other = fs::read(images::fragmented()).unwrap();
    for restart in [false, true] {
        for (name, file) in [("store", &store), ("local", &local)] {
            // Another ISO under the name.
            fs::remove_file(file).unwrap();
            fs::write(file, &other).unwrap();
            if restart {
                service.restart();
            }
            expect_gone_soon(&service, name, "1");
            assert_eq!(
                http::get(&service.south(&format!("/{name}/1/one.txt"))).status,
                404,
                "never the other's files"
            );
            assert!(status(&service, name).contains("changed"), "{}", status(&service, name));
            // Long enough for its digest to be known; that must make no difference.
            std::thread::sleep(Duration::from_millis(300));
            assert!(status(&service, name).starts_with("error: "));

            // A copy from a backup: another time and inode, the same bytes.
            fs::remove_file(file).unwrap();
            fs::write(file, installer()).unwrap();
            File::open(file)
                .unwrap()
                .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
                .unwrap();
            if restart {
                service.restart();
            }
            service.wait_for_status(name, "1", |status| status == "OK");
            expect_served(&service, name, "1");

            // Bytes changed in place, with the same size and name.
            let mut bytes = installer();
            let last = bytes.len() - 5;
            bytes[last] ^= 1;
            fs::write(file, &bytes).unwrap();
            if restart {
                service.restart();
            }
            expect_gone_soon(&service, name, "1");
            std::thread::sleep(Duration::from_millis(300));
            assert!(status(&service, name).contains("changed"), "{}", status(&service, name));

            // Truncated in place, while transfers have it open.
            File::options().write(true).open(file).unwrap().set_len(50_000).unwrap();
            expect_gone_soon(&service, name, "1");
            assert!(status(&service, name).starts_with("error: "));

            // A folder in its place.
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
            if restart {
                service.restart();
            }
            expect_gone_soon(&service, name, "1");
            assert!(status(&service, name).starts_with("error: "), "{}", status(&service, name));
            fs::remove_dir(file).unwrap();
            fs::copy(images::installer(), file).unwrap();
            service.wait_for_status(name, "1", |status| status == "OK");
            expect_served(&service, name, "1");
        }
    }
}

#[test]
fn a_registration_right_after_a_change_sees_the_new_iso() {
    let service = Setup::new().file("static/iso/a.iso", installer()).start();
    service.register("old", "1", "isostore", "a.iso");
    expect_served(&service, "old", "1");
    service.write("aside.iso", fs::read(images::fragmented()).unwrap());
    fs::rename(service.path("aside.iso"), service.path("static/iso/a.iso")).unwrap();
    service.put_image(&[("name", "new"), ("version", "1"), ("isostore", "a.iso")]).expect_status(200);
    assert_eq!(http::get(&service.south("/new/1/one.txt")).expect_status(200).text(), "one\n");
    assert_eq!(http::get(&service.south("/new/1/README")).status, 404, "not the old one's files");
    assert_eq!(status(&service, "new"), "OK");
}

#[test]
fn a_copy_of_a_dropped_iso_is_recognised() {
    let mut service = Setup::new().file("static/iso/there.iso", installer()).start();
    // Registered while its digest is computed, and registered before any scan of the store.
    service.register("there", "1", "isostore", "there.iso");
    service.write("static/iso/dropped.iso", installer());
    service.register("dropped", "1", "isostore", "dropped.iso");
    for name in ["there", "dropped"] {
        let digest = eventually(Duration::from_secs(10), "the image's digest", || {
            service.images(&[("name", name)])[0]["sha256"].as_str().map(str::to_owned)
        });
        assert_eq!(digest, digest::of_bytes(&installer()), "{name}");
        let file = service.path(&format!("static/iso/{name}.iso"));
        fs::write(&file, installer()).unwrap();
        service.wait_for_status(name, "1", |status| status == "OK");
        service.kill9();
        fs::write(&file, installer()).unwrap();
        service.spawn();
        service.wait_for_status(name, "1", |status| status == "OK");
        expect_served(&service, name, "1");
    }
}

#[test]
fn an_iso_that_may_not_be_read_is_told_and_recovers() {
    const ISO: &str = "static/iso/kept.iso";
    let permit = |service: &Started, mode: u32| {
        fs::set_permissions(service.path(ISO), Permissions::from_mode(mode)).unwrap();
    };
    let prepare = |folder: &Path| {
        fs::create_dir_all(folder.join("static/iso")).unwrap();
        fs::copy(images::installer(), folder.join(ISO)).unwrap();
        fs::write(folder.join("secret.iso"), installer()).unwrap();
        fs::set_permissions(folder.join("secret.iso"), Permissions::from_mode(0o600)).unwrap();
    };
    let service = unprivileged::start(&json!({}), prepare, &[ISO, "secret.iso"]);
    let put = |target: &str| http::put(&service.north(target), "");
    put("/images?name=kept&version=1&isostore=kept.iso").expect_status(200);
    let kernel = service.south("/kept/1/images/pxeboot/vmlinuz");
    assert!(http::get(&kernel).expect_status(200).body == pattern(1, 300_000));
    permit(&service, 0o600);
    let status = service.wait_for_status(|status| status.starts_with("error: "));
    assert!(status.contains("may not be read"), "{status}");
    eventually(Duration::from_secs(3), "a 404", || (http::head(&kernel).status == 404).then_some(()));
    // Such a file cannot be registered from the store or from elsewhere, and the attempt leaves nothing.
    let secret = http::encode(service.path("secret.iso").to_str().unwrap());
    for source in ["isostore=kept.iso".to_owned(), format!("isolocal={secret}")] {
        let answer = put(&format!("/images?name=new&version=1&{source}")).expect_status(403);
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("permission") && !message.contains("/secret"), "{message}");
    }
    assert_eq!(http::get(&service.north("/images")).json().as_array().unwrap().len(), 1);
    permit(&service, 0o644);
    assert_eq!(service.wait_for_status(|status| status == "OK"), "OK");
    assert!(http::get(&kernel).expect_status(200).body == pattern(1, 300_000));
}
