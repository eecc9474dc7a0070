//! A folder for the images and mounts of one test. It is removed when the test ends, even by a panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Gid, Uid, getuid};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities, set_thread_res_gid, set_thread_res_uid};

/// How long the kernel may take to detach a loop device, which it does in the background.
const DETACH_LIMIT: Duration = Duration::from_secs(10);

/// The user `nobody`, which owns nothing.
const NOBODY: u32 = 65534;

/// A temporary folder. Before it is removed, all mounts below it are undone.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    /// Fails with a clear message when the tests do not run as root.
    pub(crate) fn new() -> Self {
        assert!(getuid().is_root(), "these tests mount images and must be run by root; ./check says how");
        let folder = tempfile::Builder::new().prefix("loop-mount-").tempdir().unwrap();
        // Another user must reach the folder, so that only the missing privilege stops it.
        run("chmod", &["755", folder.path().to_str().unwrap()]);
        Self(folder)
    }

    /// The path of `name` in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A new empty folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        path
    }

    /// A small tree for images: `folder/greeting`.
    pub(crate) fn tree(&self) -> PathBuf {
        let tree = self.path("tree");
        fs::create_dir_all(tree.join("folder")).unwrap();
        fs::write(tree.join("folder/greeting"), "hello\n").unwrap();
        tree
    }

    /// A squashfs file of [`Scratch::tree`].
    pub(crate) fn squashfs(&self, name: &str) -> PathBuf {
        let image = self.path(name);
        let tree = self.tree();
        run("mksquashfs", &[tree.to_str().unwrap(), image.to_str().unwrap(), "-quiet", "-no-progress"]);
        image
    }

    /// Fails when a loop device is still attached to `image` after [`DETACH_LIMIT`].
    pub(crate) fn wait_until_detached(&self, image: &Path) {
        let deadline = Instant::now() + DETACH_LIMIT;
        while is_attached(image) {
            assert!(Instant::now() < deadline, "{} is still attached to a loop device", image.display());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for existing in loop_mount::mounted_below(self.0.path()).unwrap_or_default() {
            let target = existing.target().to_owned();
            if let Err(error) = existing.unmount() {
                eprintln!("{} stays mounted: {error}", target.display());
            }
        }
    }
}

/// Runs a program. If it fails, the test fails with its output.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).args(arguments).env("PATH", path).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; ./check installs it"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Whether the kernel has this file system. Ask after the attempt to mount, which may load a module.
pub(crate) fn kernel_knows(kind: &str) -> bool {
    let table = fs::read_to_string("/proc/filesystems").unwrap();
    table.lines().any(|line| line.split_whitespace().next_back() == Some(kind))
}

/// Makes this thread run as a user without rights.
pub(crate) fn become_nobody() {
    let (group, user) = (Gid::from_raw(NOBODY), Uid::from_raw(NOBODY));
    set_thread_res_gid(group, group, group).unwrap();
    set_thread_res_uid(user, user, user).unwrap();
}

/// Makes this thread run as root without `CAP_SYS_ADMIN`: it may attach a loop device, but not mount it.
pub(crate) fn lose_mount_capability() {
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::SYS_ADMIN);
    sets.permitted.remove(CapabilitySet::SYS_ADMIN);
    set_capabilities(None, sets).unwrap();
}

/// Whether any loop device is attached to `image`, deleted or not.
fn is_attached(image: &Path) -> bool {
    fs::read_dir("/sys/block").unwrap().any(|device| {
        let backing =
            fs::read_to_string(device.unwrap().path().join("loop/backing_file")).unwrap_or_default();
        backing.starts_with(image.to_str().unwrap())
    })
}
