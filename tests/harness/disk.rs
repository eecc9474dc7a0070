//! File systems of the tests' own: a small disk to fill, a read-only one to write to in vain. They need root and are
//! unmounted whatever happens.

use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs of its own, gone with this value.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts `megabytes` of memory at `folder`, which is made if missing. Panics when not run by root.
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

    /// Lets nothing be made, renamed or removed in its folder, even while files of it are open.
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

    /// Gives the filled space back.
    pub fn make_room(&self) {
        fs::remove_file(self.folder.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.folder);
    }
}

/// Undoes all mounts at and below a folder when it goes, so that a failed test leaves none.
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
    // Lazily: a process that still holds something open must not keep the mount in the way.
    let _ = Command::new("umount").args(["--lazy", text(target)]).output();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A disk whose end can be taken away: what lies there cannot be read, as on a disk that dies.
pub struct FailingDisk {
    folder: PathBuf,
    backing: PathBuf,
    device: String,
    /// What was taken away, and from where on.
    taken: Option<(u64, Vec<u8>)>,
}

/// The size of the blocks in which a `FailingDisk` is written.
const BLOCK: u64 = 4096;

impl FailingDisk {
    /// Mounts a new file system of this size at `folder`, which is made if missing. Panics when not run by root.
    #[track_caller]
    pub fn mount(folder: &Path, megabytes: u64) -> Self {
        fs::create_dir_all(folder).unwrap();
        let backing = folder.with_extension("disk");
        File::create(&backing).unwrap().set_len(megabytes << 20).unwrap();
        let block = BLOCK.to_string();
        run("mkfs.ext4", &["-q", "-b", &block, "-O", "^has_journal", text(&backing)]);
        // Read past the system's memory, or older kernels give zeros in place of what is not there.
        let device =
            run("losetup", &["--find", "--show", "--direct-io=on", text(&backing)]).trim().to_owned();
        let disk = Self { folder: folder.to_owned(), backing, device, taken: None };
        run("mount", &[&disk.device, text(folder)]);
        disk
    }

    /// Takes away everything from the first byte of `file` on, which must have been written last, and what the system remembers of it.
    #[track_caller]
    pub fn fail(&mut self, file: &Path) {
        run("sync", &["--file-system", text(file)]);
        let extents = run("filefrag", &["-v", text(file)]);
        let first = extents.lines().find_map(|line| line.trim().strip_prefix("0:")).unwrap();
        let block: u64 = first.split(':').nth(1).unwrap().split("..").next().unwrap().trim().parse().unwrap();
        let bytes = fs::read(&self.backing).unwrap();
        let from = block * BLOCK;
        self.taken = Some((from, bytes[usize::try_from(from).unwrap()..].to_vec()));
        File::options().write(true).open(&self.backing).unwrap().set_len(from).unwrap();
        fadvise(File::open(file).unwrap(), 0, None, Advice::DontNeed).unwrap();
    }

    /// Gives it back.
    pub fn mend(&mut self) {
        let (from, bytes) = self.taken.take().unwrap();
        File::options().write(true).open(&self.backing).unwrap().write_all_at(&bytes, from).unwrap();
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        unmount(&self.folder);
        let _ = Command::new("losetup").args(["--detach", &self.device]).output();
    }
}
