//! Files with records: readable by their owner alone, durable, locked against other processes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::lock_wait;
use rustix::fs::FlockOperation;

/// Bytes that are collected for one write.
const WRITE_BUFFER: usize = 64 << 10;

/// The path of the file `<path>.<suffix>`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Syncs the folder of `path`, so that its names survive a power cut.
///
/// # Errors
///
/// The disk fails.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Writes a file that only its owner may read, and which survives a power cut. A file or a link that has the
/// name is removed first: it is a leftover, perhaps of another user.
pub(crate) fn write_durably(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut buffer = BufWriter::with_capacity(WRITE_BUFFER, file);
    write(&mut buffer)?;
    buffer.into_inner()?.sync_all()
}

/// Makes an empty file that only its owner may read, unless there is one.
pub(crate) fn create(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all()?;
            sync_folder(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Locks `<path>.lock` for as long as the file is open; `None` if another process has it, and keeps it for
/// ten seconds: one that was killed may still be dying. The file is open for reading alone, so that its disk
/// can be made read-only.
pub(crate) fn lock(path: &Path) -> io::Result<Option<File>> {
    let path = beside(path, "lock");
    create(&path)?;
    let file = File::open(path)?;
    let is_locked =
        lock_wait::take(|| match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(errno) => Err(errno.into()),
        })?;
    Ok(is_locked.then_some(file))
}

/// Writes a file that only its owner may read, and which survives a power cut, in the place of one that has
/// the name.
///
/// # Errors
///
/// The disk fails. The file is the old one, or there is none.
pub fn write_private(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let fresh = beside(path, "new");
    write_durably(&fresh, |file| write(file))?;
    fs::rename(&fresh, path)?;
    sync_folder(path)
}
