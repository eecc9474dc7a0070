//! Image files by path: opened read-only, and only if they are regular files.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use file_transport::OpenFile;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use model::identity::Identity;

/// The path does not name a file that can be read. The texts carry no path: they go to clients.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing there.
    #[error("there is no such file on the server")]
    NotFound,
    /// A folder, a FIFO, a socket or a device.
    #[error("it is a {0}, not a regular file")]
    NotRegular(&'static str),
    /// The service may not read it.
    #[error("the service has no permission to read it")]
    Forbidden,
    /// The disk failed.
    #[error("it cannot be opened: {0}")]
    Io(io::Error),
}

/// Opens a regular file. Its kind is checked before: to open a FIFO waits, and to open a device has effects.
pub fn open_regular(path: &Path) -> Result<(File, Identity), FileError> {
    check_regular(&fs::metadata(path).map_err(classify)?)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|errno| classify(errno.into()))?;
    let metadata = file.metadata().map_err(FileError::Io)?;
    check_regular(&metadata)?;
    Ok((file, Identity::of(&metadata)))
}

fn check_regular(metadata: &fs::Metadata) -> Result<(), FileError> {
    use std::os::unix::fs::FileTypeExt;

    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(FileError::NotRegular(if kind.is_dir() {
        "folder"
    } else if kind.is_fifo() {
        "FIFO"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    }))
}

/// An error if an image was written to after it was opened: bytes that were computed from it may be wrong.
pub(super) fn check_unchanged(file: &OpenFile) -> io::Result<()> {
    if file.is_as_it_was() {
        Ok(())
    } else {
        Err(io::Error::other("the image has changed under its transfer"))
    }
}

fn classify(error: io::Error) -> FileError {
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => FileError::NotFound,
        Some(Errno::ACCESS | Errno::PERM) => FileError::Forbidden,
        _ => FileError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_nothing_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RUSR).expect("a FIFO");
        assert!(matches!(open_regular(&fifo), Err(FileError::NotRegular("FIFO"))));
        assert!(matches!(open_regular(folder.path()), Err(FileError::NotRegular("folder"))));
        assert!(matches!(open_regular(Path::new("/dev/null")), Err(FileError::NotRegular("device"))));
        assert!(matches!(open_regular(&folder.path().join("none")), Err(FileError::NotFound)));
        assert!(matches!(open_regular(Path::new("/dev/null/none")), Err(FileError::NotFound)));
        let file = folder.path().join("file");
        fs::write(&file, "12").expect("writes");
        assert_eq!(open_regular(&file).expect("opens").1.size, 2);
    }
}
