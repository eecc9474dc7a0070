//! The scrub: silently changed bytes are detected and no longer served. Nothing is deleted, and a restored
//! file is served again.

use harness::failing_disk::FailingDisk;
use harness::http;
use harness::served_digest::wait_for_digest;
use harness::wait::eventually;
use harness::{Service, Setup, digest, images};
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// Far longer than reading a few megabytes takes.
const SOON: Duration = Duration::from_secs(20);

const KERNEL: &str = "/linux/9/images/pxeboot/vmlinuz";

/// A service that scrubs all the time, with an image and files of every kind.
fn service(tweaks: &[(&str, Value)]) -> Service {
    let setup = Setup::new().set("scrubInterval", 300.into()).set("watchInterval", 0.into());
    let setup = tweaks.iter().fold(setup, |setup, (key, value)| setup.set(key, value.clone()));
    let service = setup.file("local/away.iso", fs::read(images::installer()).unwrap()).start();
    service.upload_iso("a.iso", &images::installer());
    http::put(&service.north("/microkernel?name=k"), images::pattern(9, 70_001)).expect_status(200);
    service.register("linux", "9", "isostore", "a.iso");
    service.register("away", "1", "isolocal", service.path("local/away.iso").to_str().unwrap());
    wait_for_digest(&service, "iso", "away.iso");
    service
}

fn listed(service: &Service, store: &str, name: &str) -> Value {
    http::get(&service.north(&format!("/{store}?name={name}"))).expect_status(200).json()[0].clone()
}

fn status(service: &Service, store: &str, name: &str) -> String {
    listed(service, store, name)["status"].as_str().unwrap().to_owned()
}

#[track_caller]
fn wait_for_file(service: &Service, store: &str, name: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut last = String::new();
    eventually(SOON, "the wanted status of a file", || {
        let now = status(service, store, name);
        if now != last {
            eprintln!("{name}: {now}");
            last.clone_from(&now);
        }
        wanted(&now).then_some(now)
    })
}

fn answer(service: &Service, target: &str) -> u16 {
    http::get(&service.south(target)).status
}

/// Flips a bit and keeps the times, like a failing disk.
fn rot(path: &Path, position: u64) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, position).unwrap();
    file.write_all_at(&[byte[0] ^ 4], position).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn rot_is_noticed_and_never_served_and_what_is_good_again_is_served_again() {
    let mut service = service(&[]);
    let was = digest::of_file(&images::installer());
    let paths = ["static/iso/a.iso", "static/common/k", "local/away.iso"].map(|path| service.path(path));
    for path in &paths {
        rot(path, 60_000);
    }
    let rotten = digest::of_file(&paths[0]);
    let told = format!("its SHA-256 is {rotten}, but {was} was recorded");
    for (store, name) in [("iso", "a.iso"), ("iso", "away.iso"), ("microkernel", "k")] {
        let status = wait_for_file(&service, store, name, |status| status.starts_with("error: "));
        assert!(name == "k" || status == format!("error: {told}"), "{status}");
    }
    let look = |service: &Service| {
        for (image, iso) in [("linux", "a.iso"), ("away", "away.iso")] {
            let image = service.images(&[("name", image)]).remove(0);
            let status = image["status"].as_str().unwrap();
            assert_eq!(status, format!("error: its ISO {iso} is damaged: {told}"));
        }
        // By every path.
        for target in [
            KERNEL,
            "/linux/9/",
            "/away/1/README",
            "/iso/a.iso",
            "/iso/A.ISO",
            "/ISO/a.iso",
            "/iso/away.iso",
            "/iso/AWAY.iso",
            "/common/k",
            "/common/K",
            "/Common/k",
        ] {
            assert_eq!(answer(service, target), 404, "{target}");
        }
        for (source, value) in
            [("isostore", "a.iso"), ("isolocal", service.path("local/away.iso").to_str().unwrap())]
        {
            let refused = service.put_image(&[("name", "new"), ("version", "1"), (source, value)]);
            assert!(refused.status == 409 && refused.text().contains(&rotten), "{}", refused.text());
        }
        for path in &paths {
            assert!(path.exists());
        }
    };
    look(&service);
    service.restart();
    look(&service);
    let unverified = listed(&service, "iso", "a.iso")["verified"].clone();
    for path in &paths {
        rot(path, 60_000);
    }
    for (store, name) in [("iso", "a.iso"), ("iso", "away.iso"), ("microkernel", "k")] {
        wait_for_file(&service, store, name, |status| status == "OK");
    }
    assert!(listed(&service, "iso", "a.iso")["verified"].as_str() > unverified.as_str());
    for target in [KERNEL, "/away/1/README", "/iso/a.iso", "/iso/away.iso", "/common/k"] {
        assert_eq!(answer(&service, target), 200, "{target}");
    }
    assert_eq!(service.images(&[("status", "OK")]).len(), 2);
}

/// An ISO of an image cannot be replaced, unless it is damaged.
#[test]
fn a_new_file_of_the_name_heals() {
    let service = service(&[]);
    let url = service.north("/iso?name=a.iso");
    assert_eq!(http::put(&url, fs::read(images::installer()).unwrap()).status, 409);
    rot(&service.path("static/iso/a.iso"), 1_000_000);
    wait_for_file(&service, "iso", "a.iso", |status| status.starts_with("error: "));
    assert_eq!(answer(&service, KERNEL), 404);
    http::put(&url, fs::read(images::installer()).unwrap()).expect_status(200);
    assert_eq!(status(&service, "iso", "a.iso"), "OK");
    service.wait_for_status("linux", "9", |status| status == "OK");
    assert_eq!(answer(&service, KERNEL), 200);
}

/// A written file is not damaged: it has another digest now.
#[test]
fn a_change_is_no_rot() {
    let service = service(&[]);
    let path = service.path("static/common/k");
    fs::write(&path, images::pattern(10, 70_001)).unwrap();
    let sha256 = digest::of_file(&path);
    eventually(SOON, "the digest of the new bytes", || {
        let file = listed(&service, "microkernel", "k");
        assert!(!file["status"].as_str().unwrap().starts_with("error"), "{file}");
        (file["sha256"] == sha256.as_str()).then_some(())
    });
    assert!(http::get(&service.south("/common/k")).expect_status(200).body == images::pattern(10, 70_001));
}

/// Each file is read again before its time is long past. A time in the future does not delay it.
#[test]
fn verified_times_move_on_whatever_the_clock_did() {
    let mut service = service(&[]);
    let verified = |service: &Service, name: &str| -> Timestamp {
        listed(service, "iso", name)["verified"].as_str().unwrap().parse().unwrap()
    };
    let first = verified(&service, "a.iso");
    eventually(SOON, "a later time", || (verified(&service, "a.iso") > first).then_some(()));
    service.sigterm();
    let path = service.path("inventory.json");
    let mut inventory: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for file in inventory["files"].as_array_mut().unwrap() {
        file["verified"] = json!("2100-01-01T00:00:00Z");
    }
    fs::write(&path, inventory.to_string()).unwrap();
    service.spawn();
    eventually(SOON, "a time that is not in the future", || {
        (verified(&service, "a.iso") < Timestamp::now() + SignedDuration::from_mins(1)).then_some(())
    });
}

/// A read error is shown on the file and its images, is not repeated with every listing, and ends when the
/// disk works again.
#[test]
fn what_cannot_be_read_is_told_and_nothing_else_suffers() {
    let setup = Setup::new().set("scrubInterval", 300.into()).set("watchInterval", 0.into());
    let mut disk = FailingDisk::mount(&setup.path("static/iso"), 40);
    let mut service = setup.start();
    service.upload_iso("good.iso", &images::installer());
    // Other bytes, since equal ones would be stored once.
    service.upload_iso("bad.iso", &images::fragmented());
    service.register("good", "1", "isostore", "good.iso");
    service.register("bad", "1", "isostore", "bad.iso");
    // Written without the API, and not read before the disk fails.
    service.sigterm();
    let late = service.path("static/iso/late.img");
    fs::write(&late, images::pattern(8, 2_000_000)).unwrap();
    disk.lose_from(&service.path("static/iso/bad.iso"));
    fadvise(File::open(late).unwrap(), 0, None, Advice::DontNeed).unwrap();
    service.spawn();
    for name in ["bad.iso", "late.img"] {
        let status = wait_for_file(&service, "iso", name, |status| status.starts_with("error: "));
        assert!(status.starts_with("error: cannot be read: "), "{status}");
    }
    let image = service.wait_for_status("bad", "1", |status| status.starts_with("error: "));
    assert!(
        image["status"].as_str().unwrap().contains("its ISO bad.iso is damaged: cannot be read: "),
        "{image}"
    );
    assert_eq!(answer(&service, "/bad/1/split.bin"), 404);
    assert_eq!(answer(&service, "/iso/bad.iso"), 404);
    assert_eq!(http::get(&service.south("/good/1/README")).expect_status(200).body.len(), 19);
    for _ in 0..5 {
        status(&service, "iso", "late.img");
    }
    service.expect_logged("the digest of the ISO late.img");
    let tries = service.log().matches("the digest of the ISO late.img").count();
    assert_eq!(tries, 1, "a listing must not make the disk try again");
    disk.mend();
    for name in ["bad.iso", "late.img"] {
        wait_for_file(&service, "iso", name, |status| status == "OK");
    }
    assert_eq!(answer(&service, "/bad/1/split.bin"), 200);
}

/// The scrub is slow, of low priority, bypasses the page cache, is shown as a job, and can be stopped at
/// once.
#[test]
fn the_scrub_is_in_nobodys_way() {
    let mut service = service(&[("scrubRate", (64 << 10).into())]);
    let path = service.path("static/iso/a.iso");
    let job = eventually(SOON, "a running scrub", || {
        let jobs = http::get(&service.north("/jobs")).expect_status(200).json();
        let is_scrub = |job: &&Value| job["kind"] == "scrub" && job["state"] == "running";
        jobs.as_array().unwrap().iter().find(is_scrub).cloned()
    });
    assert!(job["title"].as_str().is_some_and(|title| !title.is_empty()), "{job}");
    let policy = eventually(SOON, "the thread that reads", || policy_of_thread(service.pid(), "scrub"));
    assert_eq!(policy, "5", "SCHED_IDLE (sched(7))");
    let url = service.north(&format!("/jobs/{}", job["id"].as_str().unwrap()));
    eventually(SOON, "a job that comes further", || {
        let job = http::get(&url).expect_status(200).json();
        (job["progress"]["done"].as_u64() > Some(0)).then_some(())
    });
    assert!(service.sigterm().success());

    service.reconfigure("scrubRate", 0.into());
    let file = File::open(&path).unwrap();
    file.sync_all().unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    // Reading a byte loads its page; this advice prevents loading others.
    fadvise(&file, 0, None, Advice::Random).unwrap();
    if is_in_memory(&file, 100_000) {
        eprintln!("this file system keeps everything in memory");
        return;
    }
    let verified = listed_in_inventory(&service);
    service.spawn();
    eventually(SOON, "a reading", || (listed_in_inventory(&service) != verified).then_some(()));
    service.kill9();
    assert!(!is_in_memory(&file, 1_500_000), "the scrub has filled the memory");
}

/// The time at which the ISO was verified, from the inventory.
fn listed_in_inventory(service: &Service) -> Value {
    let text = fs::read_to_string(service.path("inventory.json")).unwrap();
    let inventory: Value = serde_json::from_str(&text).unwrap();
    let files = inventory["files"].as_array().unwrap();
    files.iter().find(|file| file["name"] == "a.iso").unwrap()["verified"].clone()
}

/// The scheduling policy of a thread by its name, from `/proc/…/stat` (field 41).
fn policy_of_thread(pid: u32, name: &str) -> Option<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.map_while(Result::ok).find_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        let (head, rest) = stat.rsplit_once(") ")?;
        head.ends_with(&format!("({name}")).then(|| rest.split(' ').nth(38).unwrap().to_owned())
    })
}

/// Whether a byte is in the page cache.
fn is_in_memory(file: &File, position: u64) -> bool {
    let read = preadv2(file, &mut [IoSliceMut::new(&mut [0])], position, ReadWriteFlags::NOWAIT);
    read != Err(Errno::AGAIN)
}
