//! Mounting an image and undoing it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, OFlags, StatxAttributes, StatxFlags, statx};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use crate::Error;
use crate::file_system::FileSystem;
use crate::loop_device::LoopDevice;

/// The smallest block that any of the drivers reads. Of a shorter file the kernel says `EIO`, as of a failing disk.
const SHORTEST: u64 = 1024;

/// A mounted image. Dropping it leaves the mount in place on purpose: the kernel's table is the record, an unmount can
/// fail and has to be reported, and a restarted program finds the mount again with [`mounted_below`](crate::mounted_below).
#[derive(Debug)]
#[must_use = "dropping it leaves the image mounted"]
pub struct Mount {
    target: PathBuf,
}

/// Attaches `image` read-only to a free loop device and mounts it at `target`, an existing empty folder, with
/// `ro,nodev,nosuid,noexec`. The type of the file system is read from the image. The loop device goes away with the mount.
///
/// A failure leaves neither a mount nor an attached device.
///
/// # Errors
///
/// Every variant of [`Error`]; in particular [`Error::NotAnImage`] before any privilege is needed, [`Error::Busy`] when
/// `target` is a mount point, [`Error::NotPermitted`] and [`Error::NoFileSystem`].
pub fn mount(image: &Path, target: &Path) -> Result<Mount, Error> {
    let (file, file_system) = open(image)?;
    let target = target.canonicalize().map_err(|error| Error::of_file("open", target, error))?;
    refuse_unless_empty_folder(&target)?;

    // The kernel stacks mounts without a word, so looking and mounting must not be interleaved with another thread's.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let device = LoopDevice::attach(&file)?;
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    refuse_mount_point(&target)?;
    let flags = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    rustix::mount::mount(device.path(), &target, file_system.name(), flags, file_system.options()).map_err(
        |error| match error {
            Errno::NODEV => Error::NoFileSystem { kind: file_system.name(), image: image.to_owned() },
            Errno::BUSY => Error::Busy { target: target.clone() },
            // EUCLEAN, "structure needs cleaning", is how ext4 and erofs say that an image is corrupt.
            Errno::INVAL | Errno::UCLEAN => Error::NotAnImage {
                image: image.to_owned(),
                reason: format!(
                    "the kernel refuses it as {}, so it is damaged or uses a feature the kernel lacks",
                    file_system.name()
                ),
            },
            other => Error::of_call("mount an image at", &target, other),
        },
    )?;
    Ok(Mount { target })
}

impl Mount {
    /// Takes responsibility for a mount that exists already.
    pub(crate) fn existing(target: PathBuf) -> Self {
        Self { target }
    }

    /// The mount point, absolute and free of symbolic links, as the kernel's table spells it.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Takes the tree away from the target, which is an empty folder again as soon as this returns.
    ///
    /// Files that are open stay readable, as after an unlink: the kernel lets go of the image and its loop device with the
    /// last of them. A transfer under way therefore neither fails nor keeps the unmount from happening.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`] without `CAP_SYS_ADMIN`; [`Error::Io`] when someone else unmounted it first.
    pub fn unmount(self) -> Result<(), Error> {
        rustix::mount::unmount(&self.target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
            .map_err(|error| Error::of_call("unmount", &self.target, error))
    }
}

/// Opens an image and recognises its file system. A FIFO or a device must neither block the caller nor be attached.
fn open(image: &Path) -> Result<(File, FileSystem), Error> {
    let refuse = |reason: &str| Error::NotAnImage { image: image.to_owned(), reason: reason.to_owned() };
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(image)
        .map_err(|error| Error::of_file("open", image, error))?;
    let metadata = file.metadata().map_err(|error| Error::of_file("examine", image, error))?;
    if !metadata.is_file() {
        return Err(refuse("it is no regular file"));
    }
    if metadata.len() < SHORTEST {
        return Err(refuse("it is shorter than any file system"));
    }
    let file_system = FileSystem::of(&file)
        .map_err(|error| Error::of_file("read", image, error))?
        .ok_or_else(|| refuse("it holds none of iso9660, udf, squashfs, erofs, ext4"))?;
    Ok((file, file_system))
}

/// A mount hides what the folder holds, which nobody who mounts an image can want. A mount point is judged elsewhere.
fn refuse_unless_empty_folder(target: &Path) -> Result<(), Error> {
    refuse_mount_point(target)?;
    let refuse = || Error::NotAnEmptyFolder { target: target.to_owned() };
    if !target.is_dir() {
        return Err(refuse());
    }
    let mut entries = std::fs::read_dir(target).map_err(|error| Error::of_file("list", target, error))?;
    if entries.next().is_some() { Err(refuse()) } else { Ok(()) }
}

/// Refuses a folder that is the root of a mount (Linux 5.8 tells so).
fn refuse_mount_point(target: &Path) -> Result<(), Error> {
    let found = statx(CWD, target, AtFlags::NO_AUTOMOUNT, StatxFlags::TYPE)
        .map_err(|error| Error::of_call("examine", target, error))?;
    if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(Error::Busy { target: target.to_owned() });
    }
    Ok(())
}
