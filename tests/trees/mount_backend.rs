//! `"imageBackend": "mount"`: trees mounted by the kernel, tested with squashfs. These tests need root and
//! fail without it.

use harness::disk::{MountGuard, SmallDisk, mounts_below};
use harness::http::{self, Connection, Request};
use harness::images::{self, pattern};
use harness::iso::SourceTree;
use harness::problem::expect_problem;
use harness::program::finish;
use harness::remains::unfinished;
use harness::unprivileged;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup, digest};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The content of image `number`.
fn tree(number: u32) -> SourceTree {
    SourceTree::new()
        .file("boot/vmlinuz", pattern(number, 300_000))
        .file("boot/initrd.img", pattern(number + 1, 70_001))
        .file("README", format!("This is image {number}.\n"))
        .file("MixedCase.Txt", "mixed\n")
        .file("empty", "")
        .folder("empty-folder")
        .link("kernel", "boot/vmlinuz")
        .link("here", ".")
        .link("leaves", "/etc/passwd")
}

/// Makes a squashfs of `tree` at `path`.
fn squash(tree: &SourceTree, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut command = Command::new("mksquashfs");
    command.arg(tree.root()).arg(path).args([
        "-noappend",
        "-quiet",
        "-no-progress",
        "-all-root",
        "-comp",
        "gzip",
    ]);
    let ended = finish(command);
    assert_eq!(ended.code, Some(0), "mksquashfs, package squashfs-tools: {ended:?}");
}

/// A service whose store holds `one.img` and `two.img`, and a guard that removes its mounts.
struct Mounting {
    // Dropped in this order: the process first, so that nothing is mounted again.
    service: Service,
    _guard: MountGuard,
}

impl Mounting {
    fn start() -> Self {
        assert!(rustix::process::geteuid().is_root(), "tests of kernel mounts need root");
        let setup = Setup::new().set("imageBackend", json!("mount"));
        squash(&tree(1), &setup.path("static/iso/one.img"));
        squash(&tree(2), &setup.path("static/iso/two.img"));
        Self::start_with(setup)
    }

    fn start_with(setup: Setup) -> Self {
        let guard = MountGuard(setup.path(""));
        Self { service: setup.start(), _guard: guard }
    }

    fn mount_point(&self, name: &str, version: &str) -> PathBuf {
        self.service.path("mounts").canonicalize().unwrap().join(name).join(version)
    }

    /// The mounts in the kernel's table.
    fn mounts(&self) -> Vec<PathBuf> {
        let mut targets: Vec<PathBuf> =
            mounts_below(&self.service.path("")).into_iter().map(|(target, _)| target).collect();
        targets.sort();
        targets
    }

    #[track_caller]
    fn expect_no_mounts(&self) {
        assert!(self.mounts().is_empty(), "{:?}", self.mounts());
    }

    #[track_caller]
    fn register(&self, name: &str, iso: &str) -> Value {
        let answer = self.service.put_image(&[("name", name), ("version", "1"), ("isostore", iso)]);
        answer.expect_status(200).json()
    }

    #[track_caller]
    fn expect_served(&self, name: &str, number: u32) {
        for (path, bytes) in [
            ("boot/vmlinuz", pattern(number, 300_000)),
            ("boot/initrd.img", pattern(number + 1, 70_001)),
            ("README", format!("This is image {number}.\n").into_bytes()),
            ("kernel", pattern(number, 300_000)),
            ("here/here/README", format!("This is image {number}.\n").into_bytes()),
            ("empty", Vec::new()),
        ] {
            let served = http::get(&self.service.south(&format!("/{name}/1/{path}"))).expect_status(200);
            assert!(served.body == bytes, "{name}: {path}");
        }
        assert_eq!(
            http::get(&self.service.south(&format!("/{name}/1/leaves"))).status,
            404,
            "a link out of the image"
        );
        assert_eq!(http::get(&self.service.south(&format!("/{name}/1/missing"))).status, 404);
    }
}

#[test]
fn an_image_is_mounted_served_and_unmounted() {
    let mounting = Mounting::start();
    let service = &mounting.service;
    mounting.expect_no_mounts();
    let image = mounting.register("one", "one.img");
    assert_eq!(image["status"], "OK", "{image}");
    mounting.register("two", "two.img");
    mounting.expect_served("one", 1);
    mounting.expect_served("two", 2);
    let listing =
        http::get_with(&service.south("/one/1/"), &[("Accept", "text/plain")]).expect_status(200).text();
    let names: Vec<&str> = listing.lines().map(|line| line.trim_end_matches('/')).collect();
    for name in ["boot", "empty-folder", "empty", "MixedCase.Txt", "README"] {
        assert!(names.contains(&name), "no {name}: {names:?}");
    }
    assert_eq!(http::get(&service.south("/one/1/mixedcase.txt")).expect_status(200).text(), "mixed\n");

    // The same tree as a local path, read-only, without devices and setuid programs.
    let target = mounting.mount_point("one", "1");
    assert_eq!(mounting.mounts(), [target.clone(), mounting.mount_point("two", "1")]);
    assert_eq!(fs::read(target.join("boot/vmlinuz")).unwrap(), pattern(1, 300_000));
    assert!(File::create(target.join("new")).is_err());
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = table.lines().find(|line| line.contains(target.to_str().unwrap())).unwrap();
    for option in ["ro", "nodev", "nosuid", "noexec"] {
        let options = line.split(' ').nth(5).unwrap();
        assert!(options.split(',').any(|found| found == option), "no {option}: {line}");
    }
    assert!(line.contains(" - squashfs "), "{line}");

    let gone = http::delete(&service.north("/images?name=one&version=1")).expect_status(200).json();
    assert_eq!(gone["id"], image["id"]);
    assert_eq!(http::get(&service.south("/one/1/README")).status, 404);
    assert_eq!(mounting.mounts(), [mounting.mount_point("two", "1")]);
    assert!(!target.exists() && !target.parent().unwrap().exists(), "the mount point is removed");
    mounting.expect_served("two", 2);
    // The name can be used again, with other content.
    mounting.register("one", "two.img");
    mounting.expect_served("one", 2);
    http::delete(&service.north("/images?status=OK")).expect_status(200);
    mounting.expect_no_mounts();
    assert!(service.path("static/iso/one.img").is_file());
}

#[test]
fn a_mounted_image_can_be_looked_into_and_tells_its_system() {
    let setup = Setup::new().set("imageBackend", json!("mount"));
    let marked = tree(7).file(".alpine-release", "alpine-standard 3.20.2 240722\n");
    squash(&marked, &setup.path("static/iso/marked.img"));
    let mounting = Mounting::start_with(setup);
    let image = mounting.register("marked", "marked.img");
    let system = json!({"family": "alpine", "name": "Alpine Linux", "version": "3.20.2", "arch": null});
    assert_eq!(image["system"], system, "{image}");
    let url = mounting.service.north(&format!("/images/{}/tree", image["id"].as_str().unwrap()));
    let paths = |query: &str| -> Vec<String> {
        let view = http::get(&format!("{url}?{query}")).expect_status(200).json();
        let entries = view["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths("path=boot"), ["boot/initrd.img", "boot/vmlinuz"]);
    assert_eq!(paths("path=here/boot&offset=1"), ["here/boot/vmlinuz"]);
    assert_eq!(paths("search=VM"), ["boot/vmlinuz"]);
    assert_eq!(paths("search=e&path=here&limit=2"), ["here/empty-folder/", "here/here/"]);
    assert!(paths("search=leaves").is_empty());
}

#[test]
fn uploads_downloads_and_local_files_are_mounted_too() {
    let mounting = Mounting::start();
    let service = &mounting.service;
    let bytes = fs::read(service.path("static/iso/one.img")).unwrap();
    let origin = Origin::start();
    origin.on("/web.img", Behaviour::Bytes(bytes.clone()));
    service.write("elsewhere/local.img", &bytes);
    service.register("local", "1", "isolocal", service.path("elsewhere/local.img").to_str().unwrap());
    service.register("web", "1", "isoweb", &origin.url("/web.img"));
    http::put(&service.north("/images?name=client&version=1&isoclient=client.img"), bytes.clone())
        .expect_status(200);
    for name in ["local", "web", "client"] {
        mounting.expect_served(name, 1);
        assert!(mounting.mounts().contains(&mounting.mount_point(name, "1")), "{:?}", mounting.mounts());
    }
    assert_eq!(mounting.mounts().len(), 3, "no other mount is left: {:?}", mounting.mounts());
    assert_eq!(digest::of_file(&service.path("elsewhere/local.img")), digest::of_bytes(&bytes));
}

#[test]
fn what_cannot_be_mounted_leaves_nothing() {
    let mounting = Mounting::start();
    let service = &mounting.service;
    mounting.register("one", "one.img");
    let before = mounting.mounts();
    let squashfs = fs::read(service.path("static/iso/two.img")).unwrap();
    service.write("static/iso/text.img", "This is no image.\n".repeat(5000));
    service.write("static/iso/cut.img", &squashfs[..squashfs.len() / 2]);
    service.write("static/iso/empty.img", "");
    for iso in ["text.img", "cut.img", "empty.img"] {
        let answer = service.put_image(&[("name", "bad"), ("version", "1"), ("isostore", iso)]);
        expect_problem(service, &answer, 422, "not an image that the kernel mounts");
        let body = fs::read(service.path(&format!("static/iso/{iso}"))).unwrap();
        let answer = http::put(&service.north("/images?name=bad&version=1&isoclient=sent.img"), body);
        assert!(matches!(answer.status, 400 | 422), "{iso}: {}", answer.head_text());
        expect_problem(service, &answer, answer.status, "");
        assert_eq!(mounting.mounts(), before, "{iso}");
        assert!(!service.path("mounts/bad").exists(), "{iso}");
        assert!(!service.path("static/iso/sent.img").exists(), "{iso}");
        assert_eq!(unfinished(service), [""; 0], "{iso}");
    }
    // A kernel without iso9660 is no fault of the image, but the error must say so.
    let kinds = fs::read_to_string("/proc/filesystems").unwrap();
    fs::copy(images::installer(), service.path("static/iso/real.iso")).unwrap();
    let answer = service.put_image(&[("name", "real"), ("version", "1"), ("isostore", "real.iso")]);
    if kinds.contains("iso9660") || has_module("isofs") {
        answer.expect_status(200);
        assert_eq!(
            http::get(&service.south("/real/1/README")).expect_status(200).text(),
            "This is a fixture.\n"
        );
    } else {
        expect_problem(service, &answer, 500, "iso9660");
        service.expect_logged("iso9660");
        assert!(!service.path("mounts/real").exists());
        assert_eq!(service.images(&[("name", "real")]).len(), 0);
    }
    mounting.expect_served("one", 1);
}

/// Whether the kernel could load a file system as a module.
fn has_module(name: &str) -> bool {
    Command::new("modinfo")
        .arg(name)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn a_stop_unmounts_and_a_start_mounts_again() {
    let mut mounting = Mounting::start();
    mounting.register("one", "one.img");
    mounting.register("two", "two.img");
    let before = mounting.mounts();
    assert!(mounting.service.sigterm().success());
    mounting.expect_no_mounts();
    mounting.service.spawn();
    // As local paths they exist before the first request.
    assert_eq!(mounting.mounts(), before);
    assert_eq!(fs::read(mounting.mount_point("two", "1").join("README")).unwrap(), b"This is image 2.\n");
    mounting.expect_served("one", 1);
    mounting.expect_served("two", 2);
    // With the other backend nothing stays mounted.
    mounting.service.reconfigure("imageBackend", json!("extents"));
    mounting.service.restart();
    mounting.expect_no_mounts();
}

#[test]
fn mounts_of_a_crashed_run_are_adopted_and_never_stacked() {
    let mut mounting = Mounting::start();
    mounting.register("one", "one.img");
    mounting.register("two", "two.img");
    let before = mounting.mounts();
    assert_eq!(before.len(), 2);
    for round in 0..3 {
        mounting.service.kill9();
        assert_eq!(mounting.mounts(), before, "a crash leaves them");
        mounting.service.spawn();
        mounting.expect_served("one", 1);
        mounting.expect_served("two", 2);
        assert_eq!(mounting.mounts(), before, "round {round}: adopted, not stacked");
    }
    // Mounts without an image are removed at the next start.
    let other = mounting.service.path("mounts/stray/9");
    fs::create_dir_all(&other).unwrap();
    let stray = mounting.service.path("elsewhere/stray.img");
    squash(&tree(6), &stray);
    mount_by_hand(&stray, &other);
    // A stack of mounts becomes one mount again.
    let copy = mounting.service.path("elsewhere/copy.img");
    squash(&tree(7), &copy);
    mount_by_hand(&copy, &mounting.mount_point("two", "1"));
    assert_eq!(mounting.mounts().len(), before.len() + 2);
    mounting.service.kill9();
    mounting.service.spawn();
    mounting.expect_served("two", 2);
    assert_eq!(mounting.mounts(), before);
    // An image that the inventory no longer holds is not restored by its mount.
    http::delete(&mounting.service.north("/images?name=one")).expect_status(200);
    mounting.service.kill9();
    mounting.service.spawn();
    assert_eq!(mounting.mounts(), [mounting.mount_point("two", "1")]);
    assert!(mounting.service.sigterm().success());
    mounting.expect_no_mounts();
}

#[test]
fn a_mount_whose_iso_changed_is_not_adopted() {
    let mut mounting = Mounting::start();
    mounting.register("one", "one.img");
    mounting.service.kill9();
    let store = mounting.service.path("static/iso/one.img");
    fs::remove_file(&store).unwrap();
    squash(&tree(5), &store);
    mounting.service.spawn();
    // Until its digest is known it may be the same; neither the old nor the new one is served.
    let readme = mounting.service.south("/one/1/README");
    assert!(matches!(http::get(&readme).status, 404 | 503));
    mounting.service.wait_for_status("one", "1", |status| status.starts_with("error: "));
    eventually(Duration::from_secs(3), "a 404", || (http::get(&readme).status == 404).then_some(()));
    // An ISO that is gone for good: an error, and no mount that keeps it open.
    fs::remove_file(&store).unwrap();
    mounting.service.restart();
    let status = mounting.service.images(&[("name", "one")])[0]["status"].as_str().unwrap().to_owned();
    assert!(status.contains("missing"), "{status}");
    mounting.expect_no_mounts();
}

fn mount_by_hand(image: &Path, target: &Path) {
    let mut command = Command::new("mount");
    command.args(["-o", "loop,ro", "-t", "squashfs"]).arg(image).arg(target);
    let ended = finish(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_mount_point_in_use_is_told_and_left_alone() {
    let mounting = Mounting::start();
    let service = &mounting.service;
    service.write("mounts/full/1/precious", "mine");
    let answer = service.put_image(&[("name", "full"), ("version", "1"), ("isostore", "one.img")]);
    expect_problem(service, &answer, 500, "in use");
    assert_eq!(fs::read(service.path("mounts/full/1/precious")).unwrap(), b"mine");
    service.write("mounts/file/1", "a file");
    let answer = service.put_image(&[("name", "file"), ("version", "1"), ("isostore", "one.img")]);
    expect_problem(service, &answer, 500, "");
    // A foreign file system is mounted there.
    let foreign = service.path("mounts/foreign/1");
    let disk = SmallDisk::mount(&foreign, 1);
    fs::write(foreign.join("precious"), "mine").unwrap();
    let answer = service.put_image(&[("name", "foreign"), ("version", "1"), ("isostore", "one.img")]);
    expect_problem(service, &answer, 500, "in use");
    assert_eq!(fs::read(foreign.join("precious")).unwrap(), b"mine");
    for name in ["full", "file", "foreign"] {
        assert!(service.images(&[("name", name)]).is_empty(), "{name}");
    }
    drop(disk);
    mounting.expect_no_mounts();
    mounting.register("foreign", "one.img");
    mounting.expect_served("foreign", 1);
}

#[test]
fn what_somebody_else_mounted_stays() {
    let setup = Setup::new().set("imageBackend", json!("mount"));
    squash(&tree(1), &setup.path("static/iso/one.img"));
    let own = SmallDisk::mount(&setup.path("mounts"), 1);
    let foreign = SmallDisk::mount(&setup.path("mounts/theirs/1"), 1);
    fs::write(setup.path("mounts/theirs/1/precious"), "mine").unwrap();
    let mut mounting = Mounting::start_with(setup);
    let disks = mounting.mounts();
    assert_eq!(disks.len(), 2, "the start undoes only what an earlier run left: {disks:?}");
    mounting.register("one", "one.img");
    mounting.expect_served("one", 1);
    mounting.service.restart();
    mounting.expect_served("one", 1);
    assert!(mounting.service.sigterm().success());
    assert_eq!(mounting.mounts(), disks);
    assert_eq!(fs::read(mounting.service.path("mounts/theirs/1/precious")).unwrap(), b"mine");
    drop(foreign);
    drop(own);
}

#[test]
fn an_image_that_is_being_read_can_still_be_deleted() {
    let mounting = Mounting::start();
    mounting.register("one", "one.img");
    let held = File::open(mounting.mount_point("one", "1").join("boot/vmlinuz")).unwrap();
    http::delete(&mounting.service.north("/images?name=one&version=1")).expect_status(200);
    assert_eq!(http::get(&mounting.service.south("/one/1/README")).status, 404);
    drop(held);
    // By now the name is free again.
    eventually(Duration::from_secs(5), "the same name again", || {
        let answer =
            mounting.service.put_image(&[("name", "one"), ("version", "1"), ("isostore", "two.img")]);
        (answer.status == 200).then_some(())
    });
    mounting.expect_served("one", 2);
    assert_eq!(mounting.mounts().len(), 1, "{:?}", mounting.mounts());
}

#[test]
fn a_retry_mounts_the_new_iso() {
    let mounting = Mounting::start();
    let first = mounting.register("one", "one.img");
    mounting.expect_served("one", 1);
    fs::remove_file(mounting.service.path("static/iso/one.img")).unwrap();
    let failed = mounting.service.wait_for_status("one", "1", |status| status.starts_with("error: "));
    assert_eq!(failed["id"], first["id"]);
    assert_eq!(mounting.register("one", "two.img")["id"], first["id"]);
    mounting.expect_served("one", 2);
    assert_eq!(fs::read(mounting.mount_point("one", "1").join("README")).unwrap(), b"This is image 2.\n");
    assert_eq!(mounting.mounts(), [mounting.mount_point("one", "1")]);
}

#[test]
fn an_iso_that_changes_under_its_mount_is_noticed() {
    let mounting = Mounting::start();
    mounting.register("one", "one.img");
    let service = &mounting.service;
    service.wait_for_status("one", "1", |status| status == "OK");
    let file = service.path("static/iso/one.img");
    let bytes = fs::read(&file).unwrap();
    let readme = service.south("/one/1/README");
    eventually(Duration::from_secs(10), "the digest", || {
        http::get(&service.north("/iso"));
        (!service.images(&[])[0]["sha256"].is_null()).then_some(())
    });
    // Another file under the name: the mount still shows the old one, which is no longer the registered one.
    fs::rename(service.path("static/iso/two.img"), &file).unwrap();
    service.wait_for_status("one", "1", |status| status.starts_with("error: "));
    eventually(Duration::from_secs(3), "a 404", || (http::head(&readme).status == 404).then_some(()));
    // The same bytes in another file, as from a backup.
    fs::remove_file(&file).unwrap();
    fs::write(&file, &bytes).unwrap();
    service.wait_for_status("one", "1", |status| status == "OK");
    eventually(Duration::from_secs(3), "the tree", || (http::head(&readme).status == 200).then_some(()));
    mounting.expect_served("one", 1);
    assert_eq!(mounting.mounts(), [mounting.mount_point("one", "1")]);
}

#[test]
fn a_registration_that_cannot_be_recorded_leaves_no_mount() {
    let setup =
        Setup::new().set("imageBackend", json!("mount")).set("inventoryFile", json!("small/inventory.json"));
    squash(&tree(1), &setup.path("static/iso/one.img"));
    squash(&tree(2), &setup.path("static/iso/two.img"));
    let disk = SmallDisk::mount(&setup.path("small"), 1);
    let mounting = Mounting::start_with(setup);
    let only_disk = mounting.mounts();
    disk.fill();
    let answer = mounting.service.put_image(&[("name", "one"), ("version", "1"), ("isostore", "one.img")]);
    expect_problem(&mounting.service, &answer, 507, "inventory");
    assert_eq!(mounting.mounts(), only_disk, "nothing is left of it");
    disk.make_room();
    mounting.register("one", "two.img");
    mounting.expect_served("one", 2);
    drop(mounting);
    drop(disk);
}

#[test]
fn a_client_that_goes_away_does_not_leave_half_a_removal() {
    let mounting = Mounting::start();
    let service = &mounting.service;
    for round in 0..10 {
        let (iso, number) = if round % 2 == 0 { ("one.img", 1) } else { ("two.img", 2) };
        let image = mounting.register("one", iso);
        mounting.expect_served("one", number);
        // By its id, so that a late request cannot name the next image.
        let target = format!("/images?id={}", image["id"].as_str().unwrap());
        let mut connection = Connection::open(&service.north(""));
        connection.send(&Request::new("DELETE", &target)).unwrap();
        std::thread::sleep(Duration::from_micros(300 * round));
        drop(connection);
        eventually(Duration::from_secs(5), "the removal", || {
            // A request that was never read deletes nothing.
            http::delete(&service.north(&target));
            service.images(&[]).is_empty().then_some(())
        });
    }
    eventually(Duration::from_secs(5), "no mount", || mounting.mounts().is_empty().then_some(()));
}

/// The kernel has an order of its own, and no option to choose a tree.
#[test]
fn a_tree_cannot_be_chosen_where_the_kernel_mounts() {
    let setup = Setup::new();
    squash(&tree(1), &setup.path("static/iso/one.img"));
    fs::copy(images::installer(), setup.path("static/iso/linux.iso")).unwrap();
    let mut mounting = Mounting::start_with(setup);
    let parameters = [("name", "linux"), ("version", "1"), ("isostore", "linux.iso"), ("tree", "joliet")];
    mounting.service.put_image(&parameters).expect_status(200);
    // Chosen under the other backend: reported as an error, neither served wrongly nor forgotten.
    mounting.service.reconfigure("imageBackend", json!("mount"));
    mounting.service.restart();
    let image = mounting.service.images(&[])[0].clone();
    assert!(image["status"].as_str().unwrap().contains("cannot be chosen"), "{image}");
    assert_eq!(http::get(&mounting.service.south("/linux/1/README")).status, 404);
    mounting.expect_no_mounts();
    for word in ["joliet", "rockridge"] {
        let parameters = [("name", "one"), ("version", "1"), ("isostore", "one.img"), ("tree", word)];
        let answer = mounting.service.put_image(&parameters);
        let problem = expect_problem(&mounting.service, &answer, 422, "cannot be chosen");
        assert_eq!(problem["parameter"], "tree");
    }
    mounting.expect_no_mounts();
    mounting.register("one", "one.img");
    mounting.expect_served("one", 1);
    mounting.service.reconfigure("imageBackend", json!("extents"));
    mounting.service.restart();
    assert_eq!(mounting.service.images(&[("name", "linux")])[0]["status"], "OK");
}

#[test]
fn without_privileges_the_reason_is_told() {
    let prepare = |folder: &Path| squash(&tree(1), &folder.join("static/iso/one.img"));
    let service = unprivileged::start(&json!({"imageBackend": "mount"}), prepare, &[]);
    let _guard = MountGuard(service.path(""));
    let url = service.north("/images?name=one&version=1&isostore=one.img");
    let answer = http::put(&url, "").expect_status(500);
    assert_eq!(answer.header("Content-Type"), Some("application/problem+json"));
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("privileges"), "{message}");
    assert_eq!(http::get(&service.north("/images")).text(), "[]");
    service.expect_logged("CAP_SYS_ADMIN");
    assert!(mounts_below(&service.path("")).is_empty());
    assert!(!service.path("mounts/one").exists());
}
