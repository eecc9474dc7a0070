//! A disk that fails: ext4 on a loop device that shrinks under it, so that the kernel answers EIO to reads
//! and writes behind its new end. It needs root; it is unmounted and detached even when the test fails.

use super::disk::{run, unmount};
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file system, unmounted on drop.
pub struct FailingDisk {
    folder: PathBuf,
    backing: PathBuf,
    device: String,
    /// The bytes that were cut off, and their offset.
    lost: Option<(u64, Vec<u8>)>,
}

/// The size of its blocks.
const BLOCK: u64 = 4096;

impl FailingDisk {
    /// Mounts a disk of `megabytes` at `folder`, which is made if missing. Its backing file lies beside the
    /// folder.
    #[track_caller]
    pub fn mount(folder: &Path, megabytes: u32) -> Self {
        fs::create_dir_all(folder).unwrap();
        let backing = folder.with_extension("disk");
        File::create(&backing).unwrap().set_len(u64::from(megabytes) << 20).unwrap();
        let (path, block) = (backing.to_str().unwrap(), BLOCK.to_string());
        // Without a journal no delayed write can fail and make the whole file system read-only.
        run("mkfs.ext4", &["-q", "-F", "-b", &block, "-m", "0", "-O", "^has_journal", path]);
        let device = run("losetup", &["--find", "--show", path]).trim().to_owned();
        let disk = Self { folder: folder.to_owned(), backing, device, lost: None };
        disk.mount_device();
        disk
    }

    /// Everything behind the first `megabytes` fails, reads and writes alike.
    #[track_caller]
    pub fn lose_all_behind(&mut self, megabytes: u32) {
        run("sync", &["--file-system", self.folder.to_str().unwrap()]);
        self.lose(u64::from(megabytes) << 20);
    }

    /// All of `file` fails, and everything behind it on the disk.
    #[track_caller]
    pub fn lose_from(&mut self, file: &Path) {
        run("sync", &["--file-system", self.folder.to_str().unwrap()]);
        let extents = run("filefrag", &["-v", file.to_str().unwrap()]);
        let first = extents.lines().find_map(|line| line.trim().strip_prefix("0:")).unwrap();
        let block: u64 = first.split(':').nth(1).unwrap().split("..").next().unwrap().trim().parse().unwrap();
        self.lose(block * BLOCK);
        self.forget(file);
    }

    /// Restores the lost bytes and accepts writes again.
    #[track_caller]
    pub fn mend(&mut self) {
        let (from, bytes) = self.lost.take().unwrap();
        File::options().write(true).open(&self.backing).unwrap().write_all_at(&bytes, from).unwrap();
        run("losetup", &["--set-capacity", &self.device]);
    }

    /// Fails every later access, as if the disk had been pulled out.
    #[track_caller]
    pub fn die(&self) {
        // EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH, for which there is no shell tool.
        let script = "import fcntl, os, struct, sys; \
            fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";
        run("python3", &["-c", script, self.folder.to_str().unwrap()]);
    }

    /// Mounts it again, with what had reached it before `die`. No process may have a file of it open.
    #[track_caller]
    pub fn revive(&self) {
        run("umount", &[self.folder.to_str().unwrap()]);
        self.mount_device();
    }

    /// Drops a file from the page cache, so that the next read reaches the disk.
    #[track_caller]
    pub fn forget(&self, path: &Path) {
        let file = File::open(path).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }

    #[track_caller]
    fn mount_device(&self) {
        run("mount", &["-o", "errors=continue", &self.device, self.folder.to_str().unwrap()]);
    }

    #[track_caller]
    fn lose(&mut self, from: u64) {
        let backing = File::options().read(true).write(true).open(&self.backing).unwrap();
        let mut bytes = vec![0; usize::try_from(backing.metadata().unwrap().len() - from).unwrap()];
        backing.read_exact_at(&mut bytes, from).unwrap();
        backing.set_len(from).unwrap();
        self.lost = Some((from, bytes));
        run("losetup", &["--set-capacity", &self.device]);
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        unmount(&self.folder);
        // The unmount is lazy: the device is detached when the last process closes its files.
        let _ = Command::new("losetup").args(["--detach", &self.device]).output();
    }
}
