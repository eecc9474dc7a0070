//! Real images on real loop devices. The tests need root and fail without it. Each cleans up, even when it
//! fails.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod scratch;

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use loop_mount::{Error, mount, mounted_below};
use rustix::mount::MountFlags;

use scratch::{Scratch, kernel_knows, run};

#[test]
fn a_squashfs_file_is_mounted_read_only_and_unmounted_without_a_trace() {
    let scratch = Scratch::new();
    let image = scratch.squashfs("root.squashfs");
    let target = scratch.folder("target");

    let mounted = mount(&image, &target).unwrap();
    assert_eq!(mounted.target(), target);
    assert_eq!(fs::read(target.join("folder/greeting")).unwrap(), b"hello\n");
    let refused = fs::write(target.join("new"), "x").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);

    let existing = mounted_below(&target).unwrap();
    assert_eq!(existing.len(), 1);
    assert_eq!(existing[0].file_system(), "squashfs");
    assert!(existing[0].device().unwrap().starts_with("/dev"), "{existing:?}");
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = table.lines().find(|line| line.contains(target.to_str().unwrap())).unwrap();
    assert!(line.contains(" ro,nosuid,nodev,noexec"), "{line}");

    mounted.unmount().unwrap();
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    assert_eq!(mounted_below(&target).unwrap(), []);
    scratch.wait_until_detached(&image);
}

#[test]
fn a_mount_point_is_busy_and_nothing_is_stacked() {
    let scratch = Scratch::new();
    let image = scratch.squashfs("root.squashfs");
    let target = scratch.folder("target");
    let _mounted = mount(&image, &target).unwrap();
    let error = mount(&image, &target).unwrap_err();
    assert!(matches!(&error, Error::Busy { target: busy } if *busy == target), "{error}");
    assert_eq!(mounted_below(&target).unwrap().len(), 1);
}

#[test]
fn of_eight_threads_with_one_target_one_wins() {
    let scratch = Scratch::new();
    let image = scratch.squashfs("root.squashfs");
    let target = scratch.folder("target");
    let start = Barrier::new(8);
    let attempt = || {
        start.wait();
        mount(&image, &target)
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(attempt)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert!(matches!(error, Error::Busy { .. }), "{error}");
    }
    assert_eq!(mounted_below(&target).unwrap().len(), 1);
}

#[test]
fn eight_threads_that_race_for_loop_devices_all_get_one() {
    let scratch = Scratch::new();
    let image = scratch.squashfs("root.squashfs");
    let start = Barrier::new(8);
    let (scratch, image, start) = (&scratch, &image, &start);
    thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let target = scratch.folder(&number.to_string());
                start.wait();
                let mounted = mount(image, &target).unwrap();
                assert!(target.join("folder/greeting").is_file());
                mounted.unmount().unwrap();
            });
        }
    });
    scratch.wait_until_detached(image);
}

#[test]
fn other_file_systems_are_mounted_or_named_as_missing_from_the_kernel() {
    let scratch = Scratch::new();
    let tree = scratch.tree();
    let iso = scratch.path("disc.iso");
    run(
        "xorriso",
        &["-as", "mkisofs", "-quiet", "-R", "-J", "-o", iso.to_str().unwrap(), tree.to_str().unwrap()],
    );
    // A file system that was not unmounted cleanly, like the image of a running machine.
    let ext4 = scratch.path("disk.ext4");
    File::create(&ext4).unwrap().set_len(16 << 20).unwrap();
    run("mkfs.ext4", &["-q", "-J", "size=4", "-d", tree.to_str().unwrap(), ext4.to_str().unwrap()]);
    run("debugfs", &["-w", "-R", "feature needs_recovery", ext4.to_str().unwrap()]);

    for (kind, image) in [("iso9660", iso), ("ext4", ext4)] {
        let target = scratch.folder(kind);
        let result = mount(&image, &target);
        if kernel_knows(kind) {
            let mounted = result.unwrap();
            assert_eq!(fs::read(target.join("folder/greeting")).unwrap(), b"hello\n", "{kind}");
            mounted.unmount().unwrap();
        } else {
            let error = result.unwrap_err();
            assert!(matches!(error, Error::NoFileSystem { kind: missing, .. } if missing == kind), "{error}");
            assert!(error.to_string().contains(kind), "{error}");
        }
        assert_eq!(mounted_below(&target).unwrap(), []);
        scratch.wait_until_detached(&image);
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let scratch = Scratch::new();
    let target = scratch.folder("target");
    fs::write(scratch.path("text"), "no image\n").unwrap();
    fs::write(scratch.path("empty"), "").unwrap();
    run("mkfifo", &[scratch.path("fifo").to_str().unwrap()]);
    fs::write(scratch.path("long text"), "no image\n".repeat(10_000)).unwrap();
    // Random bytes are not compressible, so both cuts remove some of them.
    run(
        "dd",
        &["if=/dev/urandom", &format!("of={}", scratch.tree().join("noise").display()), "bs=64k", "count=1"],
    );
    for (name, length) in [("cut", 60_000), ("stump", 600)] {
        let cut = scratch.squashfs(name);
        File::options().write(true).open(cut).unwrap().set_len(length).unwrap();
    }

    for name in ["text", "long text", "empty", "fifo", "cut", "stump", "target", "/dev/null"] {
        let image = scratch.path(name);
        let error = mount(&image, &target).unwrap_err();
        assert!(
            matches!(&error, Error::NotAnImage { image: refused, .. } if *refused == image),
            "{name}: {error}"
        );
    }
    let error = mount(&scratch.path("absent"), &target).unwrap_err();
    assert!(matches!(&error, Error::Io { error, .. } if error.kind() == ErrorKind::NotFound), "{error}");
    assert_eq!(mounted_below(&target).unwrap(), []);
    scratch.wait_until_detached(&scratch.path("cut"));
}

#[test]
fn only_an_empty_folder_is_a_target() {
    let scratch = Scratch::new();
    let image = scratch.squashfs("root.squashfs");
    let tree = scratch.tree();
    for target in [&image, &tree] {
        let error = mount(&image, target).unwrap_err();
        assert!(matches!(error, Error::NotAnEmptyFolder { .. }), "{error}");
    }
    let error = mount(&image, &scratch.path("absent")).unwrap_err();
    assert!(matches!(&error, Error::Io { error, .. } if error.kind() == ErrorKind::NotFound), "{error}");
    assert_eq!(mounted_below(&scratch.path("")).unwrap(), []);
}

#[test]
fn a_mount_left_by_an_earlier_run_is_found_and_adopted() {
    let scratch = Scratch::new();
    let image = scratch.squashfs("a b\\c\nd#é.squashfs");
    let target = scratch.folder("target \\ with\na#é\ttab");
    drop(mount(&image, &target).unwrap());

    let mut existing = mounted_below(&scratch.path("")).unwrap();
    assert_eq!(existing.len(), 1);
    let existing = existing.remove(0);
    assert_eq!(existing.target(), target);
    assert_eq!(existing.backing(), Some(image.as_path()));
    let mounted = existing.adopt();
    assert_eq!(mounted.target(), target);
    mounted.unmount().unwrap();
    assert_eq!(mounted_below(&scratch.path("")).unwrap(), []);
}

#[test]
fn a_replaced_image_is_not_taken_for_the_mounted_one() {
    let scratch = Scratch::new();
    let image = scratch.squashfs("root.squashfs");
    let target = scratch.folder("target");
    drop(mount(&image, &target).unwrap());
    fs::remove_file(&image).unwrap();
    scratch.squashfs("root.squashfs");
    let existing = mounted_below(&target).unwrap();
    assert_ne!(existing[0].backing(), Some(image.as_path()));
    assert!(existing[0].backing().unwrap().to_string_lossy().ends_with(" (deleted)"));
}

#[test]
fn stacked_and_foreign_mounts_are_undone_youngest_first() {
    let scratch = Scratch::new();
    let image = scratch.squashfs("root.squashfs");
    let target = scratch.folder("target");
    drop(mount(&image, &target).unwrap());
    rustix::mount::mount("tmpfs", &target, "tmpfs", MountFlags::NOEXEC, None).unwrap();
    fs::create_dir(target.join("deeper")).unwrap();
    rustix::mount::mount("tmpfs", target.join("deeper"), "tmpfs", MountFlags::NOEXEC, None).unwrap();

    let existing = mounted_below(&scratch.path("")).unwrap();
    let kinds: Vec<_> =
        existing.iter().map(|mount| (mount.file_system(), mount.backing().is_some())).collect();
    assert_eq!(kinds, [("tmpfs", false), ("tmpfs", false), ("squashfs", true)]);
    for mount in existing {
        mount.unmount().unwrap();
    }
    assert_eq!(mounted_below(&scratch.path("")).unwrap(), []);
    scratch.wait_until_detached(&image);
}

#[test]
fn an_open_file_stays_readable_after_the_unmount() {
    let scratch = Scratch::new();
    let image = scratch.squashfs("root.squashfs");
    let target = scratch.folder("target");
    let mounted = mount(&image, &target).unwrap();
    let mut open = File::open(target.join("folder/greeting")).unwrap();
    mounted.unmount().unwrap();
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello\n");
    // The target is free for the next mount although the file of the old one is open.
    mount(&image, &target).unwrap().unmount().unwrap();
    drop(open);
    scratch.wait_until_detached(&image);
}

#[test]
fn without_privileges_mounting_and_unmounting_are_not_permitted() {
    let scratch = Scratch::new();
    let image = scratch.squashfs("root.squashfs");
    let (target, other) = (scratch.folder("target"), scratch.folder("other"));
    type Drop = fn();
    let ways: [(&str, Drop); 2] = [
        ("another user", scratch::become_nobody),
        ("root without CAP_SYS_ADMIN", scratch::lose_mount_capability),
    ];
    for (name, lose_privileges) in ways {
        let mounted = mount(&image, &other).unwrap();
        // Linux keeps user and capabilities by thread, so the other tests go on as root.
        let (mounting, unmounting) = thread::scope(|scope| {
            let unprivileged = scope.spawn(|| {
                lose_privileges();
                (mount(&image, &target), mounted.unmount())
            });
            unprivileged.join().unwrap()
        });
        let (mounting, unmounting) = (mounting.unwrap_err(), unmounting.unwrap_err());
        assert!(matches!(mounting, Error::NotPermitted { .. }), "{name}: {mounting}");
        assert!(matches!(unmounting, Error::NotPermitted { .. }), "{name}: {unmounting}");
        assert!(mounting.to_string().contains("CAP_SYS_ADMIN"), "{mounting}");
        for existing in mounted_below(&scratch.path("")).unwrap() {
            assert_eq!(existing.target(), other, "{name}");
            existing.unmount().unwrap();
        }
        scratch.wait_until_detached(&image);
    }
}

#[test]
fn a_relative_path_through_a_link_is_the_same_target() {
    let scratch = Scratch::new();
    let image = scratch.squashfs("root.squashfs");
    let target = scratch.folder("target");
    let link = scratch.path("link");
    std::os::unix::fs::symlink("target", &link).unwrap();
    let mounted = mount(&image, &link.join(".")).unwrap();
    assert_eq!(mounted.target(), target);
    assert!(matches!(mount(&image, &target), Err(Error::Busy { .. })));
    assert_eq!(mounted_below(&link).unwrap().len(), 1);
    assert_eq!(
        mounted_below(Path::new("/")).unwrap().iter().filter(|found| found.target() == target).count(),
        1
    );
}
