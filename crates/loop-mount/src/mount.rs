//! Mounting an image and undoing it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, OFlags, StatxAttributes, StatxFlags, statx};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use crate::error::Error;
use crate::file_system::FileSystem;
use crate::loop_device::LoopDevice;

/// The smallest block of any of the drivers, in bytes. For a shorter file the kernel says `EIO`, as for a
/// failing disk.
const SHORTEST: u64 = 1024;

/// A mounted image. Dropping it leaves the mount in place on purpose: an unmount can fail, and the caller has
/// to report that. A restarted program finds the mount again with [`mounted_below`](crate::mounted_below).
#[derive(Debug)]
#[must_use = "dropping it leaves the image mounted"]
pub struct Mount {
    target: PathBuf,
}

/// Attaches `image` read-only to a free loop device and mounts it at `target`, an existing empty folder, with
/// `ro,nodev,nosuid,noexec`. The type of the file system is read from the image. The loop device goes away
/// with the mount.
///
/// A failure leaves neither a mount nor an attached device.
///
/// # Errors
///
/// Every variant of [`Error`]; in particular [`Error::NotAnImage`] before any privilege is needed,
/// [`Error::Busy`] when `target` is a mount point, [`Error::NotPermitted`] and [`Error::NoFileSystem`].
pub fn mount(image: &Path, target: &Path) -> Result<Mount, Error> {
    let (file, file_system) = open(image)?;
    let target = target.canonicalize().map_err(|error| Error::of_file("open", target, error))?;
    refuse_unless_empty_folder(&target)?;

    // The kernel stacks mounts silently, so no other thread may mount between this check and this mount.
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
    /// A mount that exists already.
    pub(crate) fn existing(target: PathBuf) -> Self {
        Self { target }
    }

    /// The mount point, absolute and without symbolic links, as in the kernel's table.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Unmounts the tree. The target is an empty folder again when this returns.
    ///
    /// Open files stay readable, as after an unlink. The kernel detaches the loop device when the last of
    /// them is closed. So a running transfer neither fails nor delays the unmount.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`] without `CAP_SYS_ADMIN`; [`Error::Io`] when it is no longer mounted.
    pub fn unmount(self) -> Result<(), Error> {
        rustix::mount::unmount(&self.target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
            .map_err(|error| Error::of_call("unmount", &self.target, error))
    }
}

/// Opens an image and recognises its file system. A FIFO or a device neither blocks the caller nor is
/// attached.
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

/// Refuses a folder with entries, which a mount would hide, and a mount point.
fn refuse_unless_empty_folder(target: &Path) -> Result<(), Error> {
    refuse_mount_point(target)?;
    let refuse = || Error::NotAnEmptyFolder { target: target.to_owned() };
    if !target.is_dir() {
        return Err(refuse());
    }
    let mut entries = std::fs::read_dir(target).map_err(|error| Error::of_file("list", target, error))?;
    if entries.next().is_some() { Err(refuse()) } else { Ok(()) }
}

/// Refuses a folder that is the root of a mount, as `statx` says since Linux 5.8.
fn refuse_mount_point(target: &Path) -> Result<(), Error> {
    let found = statx(CWD, target, AtFlags::NO_AUTOMOUNT, StatxFlags::TYPE)
        .map_err(|error| Error::of_call("examine", target, error))?;
    if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(Error::Busy { target: target.to_owned() });
    }
    Ok(())
}
