//! File systems mounted for a test: small, read-only, or able to clone files. They need root and are
//! unmounted even when the test fails.

use rustix::mount::MountFlags;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs, unmounted on drop.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a tmpfs of `megabytes` at `folder`, which is made if missing. Panics without root.
    #[track_caller]
    pub fn mount(folder: &Path, megabytes: u32) -> Self {
        fs::create_dir_all(folder).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "none", text(folder)]);
        Self { folder: folder.to_owned() }
    }

    /// Makes it read-only.
    #[track_caller]
    pub fn protect(&self) {
        run("mount", &["-o", "remount,ro", text(&self.folder)]);
    }

    /// Makes it writable again.
    #[track_caller]
    pub fn unprotect(&self) {
        run("mount", &["-o", "remount,rw", text(&self.folder)]);
    }

    /// Forbids creating, renaming and removing files in its folder, even while files in it are open.
    #[track_caller]
    pub fn freeze(&self) {
        run("chattr", &["+i", text(&self.folder)]);
    }

    /// Undoes `freeze`.
    #[track_caller]
    pub fn thaw(&self) {
        run("chattr", &["-i", text(&self.folder)]);
    }

    /// Fills it to the last byte with the file `filler`.
    pub fn fill(&self) {
        let mut filler = File::create(self.folder.join("filler")).unwrap();
        for piece in [1 << 20, 4096, 1] {
            // Ends when the disk is full.
            while filler.write_all(&vec![7; piece]).is_ok() {}
        }
    }

    /// Removes the file that `fill` made.
    pub fn make_room(&self) {
        fs::remove_file(self.folder.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.folder);
    }
}

/// A file system with reflinks: XFS in a file beside its folder.
pub struct CloningDisk {
    folder: PathBuf,
}

impl CloningDisk {
    /// Mounts it at `folder`, which is made if missing. Panics without root.
    #[track_caller]
    pub fn mount(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let backing = folder.with_extension("xfs");
        // The smallest that mkfs.xfs accepts; the file is sparse.
        File::create(&backing).unwrap().set_len(320 << 20).unwrap();
        run("mkfs.xfs", &["-q", "-m", "reflink=1", text(&backing)]);
        run("mount", &["-o", "loop", text(&backing), text(folder)]);
        Self { folder: folder.to_owned() }
    }
}

impl Drop for CloningDisk {
    fn drop(&mut self) {
        unmount(&self.folder);
    }
}

/// A file system that takes two letter cases for one name and has no hard links: exFAT in a file beside its
/// folder, as on disks that are carried between machines.
pub struct FoldingDisk {
    folder: PathBuf,
    device: String,
}

impl FoldingDisk {
    /// Mounts it at `folder`, which is made if missing. Panics without root.
    #[track_caller]
    pub fn mount(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let backing = folder.with_extension("exfat");
        File::create(&backing).unwrap().set_len(64 << 20).unwrap();
        run("mkfs.exfat", &[text(&backing)]);
        let device = run("losetup", &["--find", "--show", text(&backing)]).trim().to_owned();
        let disk = Self { folder: folder.to_owned(), device };
        run("mount.exfat-fuse", &[&disk.device, text(folder)]);
        disk
    }
}

impl Drop for FoldingDisk {
    fn drop(&mut self) {
        unmount(&self.folder);
        let _ = Command::new("losetup").args(["--detach", &self.device]).output();
    }
}

/// A disk that does not answer: a file system of FUSE (fuse(4)) whose program reads no request.
pub struct HangingDisk {
    folder: PathBuf,
    device: Option<File>,
}

impl HangingDisk {
    /// Mounts it over `folder`. Panics without root.
    #[track_caller]
    pub fn mount(folder: &Path) -> Self {
        let device = File::options().read(true).write(true).open("/dev/fuse").unwrap();
        let data = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let data = CString::new(data).unwrap();
        rustix::mount::mount("none", folder, "fuse", MountFlags::empty(), Some(data.as_c_str())).unwrap();
        Self { folder: folder.to_owned(), device: Some(device) }
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        // What waits for the disk gets an error.
        self.device = None;
        unmount(&self.folder);
    }
}

/// Unmounts everything at and below a folder on drop, so that a failed test leaves no mount.
pub struct MountGuard(pub PathBuf);

impl Drop for MountGuard {
    fn drop(&mut self) {
        for (target, _) in mounts_below(&self.0).into_iter().rev() {
            unmount(&target);
        }
    }
}

/// The mounts at and below `folder`, oldest first, as (target, file system type), from the kernel's table.
pub fn mounts_below(folder: &Path) -> Vec<(PathBuf, String)> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let parse = |line: &str| {
        let mut fields = line.split(' ');
        let target = fields.nth(4)?.replace("\\040", " ");
        let kind = fields.skip_while(|field| *field != "-").nth(1)?;
        Some((PathBuf::from(target), kind.to_owned()))
    };
    table.lines().filter_map(parse).filter(|(target, _)| target.starts_with(&folder)).collect()
}

/// Runs a program that needs root and returns what it printed. Panics when it fails.
#[track_caller]
pub(super) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed (these tests need root): {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(super) fn unmount(target: &Path) {
    // Lazily: an open file must not keep the mount.
    let _ = Command::new("umount").args(["--lazy", text(target)]).output();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
