//! A document that is one file and always complete. A save writes a temporary file beside it, syncs it, keeps
//! the old file as `….previous`, and renames. If the path is a link, all this happens where it leads, and the
//! link stays.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use crate::files::{self, beside, sync_folder, write_durably};

/// Links that are followed from one to the next, as the kernel does.
const MAX_LINKS: usize = 40;

/// A file that its owner alone may read. It is locked against other processes for as long as this value
/// lives.
#[derive(Debug)]
pub struct DocumentFile {
    /// The file itself, never a link to it.
    path: PathBuf,
    /// A file with more bytes is neither written nor read.
    pub(crate) max_bytes: u64,
    _lock: File,
}

/// A document could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Another process works with it.
    #[error("{} is in use by another image-service", .0.display())]
    InUse(PathBuf),
    /// The file is a mount of its own, so no other file can take its place.
    #[error(
        "{} is mounted as a single file, which cannot be replaced when a change is saved: mount the folder that holds it instead",
        .0.display()
    )]
    MountPoint(PathBuf),
    /// It has, or would have, more bytes than are read.
    #[error("{} has more than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// It holds something else than text.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// The disk failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DocumentFile {
    /// Takes the file at `path` for this process. It need not exist yet; its folder must. A file of more than
    /// `max_bytes` bytes is neither read nor written. If another process has it, this waits for ten seconds.
    ///
    /// # Errors
    ///
    /// Another process has the file, it is a mount of its own, or the disk fails.
    pub fn open(path: &Path, max_bytes: u64) -> Result<Self, DocumentError> {
        let io = |action, path: &Path, source| DocumentError::Io { action, path: path.to_owned(), source };
        let file = followed(path.to_owned()).map_err(|source| io("follow", path, source))?;
        let lock = files::lock(&file).map_err(|source| io("lock", &file, source))?;
        let Some(lock) = lock else { return Err(DocumentError::InUse(file)) };
        if is_mount_point(&file) {
            return Err(DocumentError::MountPoint(file));
        }
        Ok(Self { path: file, max_bytes, _lock: lock })
    }

    /// The file itself, never a link to it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The copy of the state before the last save, if there is one.
    pub fn previous(&self) -> Option<PathBuf> {
        Some(beside(&self.path, "previous")).filter(|previous| previous.exists())
    }

    /// The text of the file; `None` if there is no file.
    ///
    /// # Errors
    ///
    /// The file is too large or no text, or the disk fails.
    pub fn read(&self) -> Result<Option<String>, DocumentError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.io("open", source)),
        };
        let mut text = String::new();
        match file.take(self.max_bytes + 1).read_to_string(&mut text) {
            Ok(read) if read as u64 > self.max_bytes => Err(self.too_large()),
            Ok(_) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(DocumentError::NotText(self.path.clone()))
            }
            Err(source) => Err(self.io("read", source)),
        }
    }

    /// Replaces the file durably by what `write` writes. The old one becomes `….previous`.
    ///
    /// # Errors
    ///
    /// The text is too large, or the disk fails. The file is the old or the new one.
    pub fn replace(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), DocumentError> {
        let fresh = beside(&self.path, "new");
        let mut is_too_large = false;
        let written = write_durably(&fresh, |file| {
            let written = write(&mut Limited { file, left: self.max_bytes });
            is_too_large = written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::FileTooLarge);
            written
        });
        let written = written.and_then(|()| self.stage_previous());
        if let Err(source) = written {
            // Gives its space back to a full disk. If this fails too, the next save overwrites it.
            let _ = fs::remove_file(&fresh);
            return Err(if is_too_large { self.too_large() } else { self.io("write", source) });
        }
        fs::rename(&fresh, &self.path).map_err(|source| self.io("replace", source))?;
        // A failure is harmless: the new state is in place already.
        if let Err(error) = fs::rename(beside(&self.path, "previous.new"), beside(&self.path, "previous"))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.path.display(), "the state before the last change cannot be kept");
        }
        sync_folder(&self.path).map_err(|source| self.io("sync", source))
    }

    /// Gives the current state a second name, which it keeps when the new state takes the first.
    fn stage_previous(&self) -> io::Result<()> {
        let staged = beside(&self.path, "previous.new");
        match fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match fs::hard_link(&self.path, &staged) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // File systems without hard links get a copy.
            Err(_) => {
                let bytes = fs::read(&self.path)?;
                write_durably(&staged, |file| file.write_all(&bytes))
            }
        }
    }

    fn too_large(&self) -> DocumentError {
        DocumentError::TooLarge { path: self.path.clone(), limit: self.max_bytes }
    }

    fn io(&self, action: &'static str, source: io::Error) -> DocumentError {
        DocumentError::Io { action, path: self.path.clone(), source }
    }
}

/// The file that a path leads to over symbolic links. It need not exist.
///
/// # Errors
///
/// A link cannot be read, or too many follow one another.
pub fn followed(mut path: PathBuf) -> io::Result<PathBuf> {
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("/")).join(target),
            // It is no link.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many links lead from one to the next"))
}

/// Whether a file is mounted by itself. Kernels before 5.8 do not tell.
fn is_mount_point(path: &Path) -> bool {
    statx(CWD, path, AtFlags::empty(), StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Refuses more bytes than are read again.
struct Limited<W> {
    file: W,
    left: u64,
}

impl<W: Write> Write for Limited<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
