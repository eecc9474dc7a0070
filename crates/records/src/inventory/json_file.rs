//! The inventory as one JSON file. A save writes a temporary file beside it, syncs it, keeps the old file as
//! `….previous`, and renames. At every instant the file is a complete state. If the path is a link, all this
//! happens where it leads, and the link stays.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use serde::Deserialize;

use super::json_text::Texts;
use super::seals::Seals;
use super::{InventoryError, Records, previous_service};
use crate::files::{self, beside, sync_folder, write_durably};
use model::image::{Image, ImageId, Source};
use model::job::Job;
use model::stored_file::FileRecord;

/// The version that this program writes. Version 1 is the file of the Node.js service, without a version
/// field.
const VERSION: u32 = 2;

/// A file with more bytes is neither written nor read: about a million images.
const MAX_BYTES: u64 = 1 << 30;

/// Links that are followed from one to the next, as the kernel does.
const MAX_LINKS: usize = 40;

/// The inventory file, locked against other processes for as long as this value lives.
pub struct JsonFile {
    /// The file itself, never a link to it.
    path: PathBuf,
    max_bytes: u64,
    seals: Seals,
    texts: Mutex<Box<Texts>>,
    _lock: File,
}

#[derive(Deserialize)]
struct Document {
    images: Vec<Image>,
    #[serde(default)]
    files: Vec<FileRecord>,
    #[serde(default)]
    jobs: Vec<Job>,
    #[serde(default)]
    sealed: BTreeMap<ImageId, String>,
}

/// Whether links are in the file in full, as earlier versions wrote them.
fn hides_something(records: &Records) -> bool {
    let mut sources = records.images.values().map(|image| &image.source);
    sources.any(|source| match source {
        Source::Web(web) => web.all_links().iter().any(|link| link.hides_something()),
        Source::Local | Source::Client | Source::Store => false,
    })
}

impl JsonFile {
    /// Takes the inventory at `path` for this process. The file itself need not exist yet; its folder must.
    /// If another process has it, this waits for ten seconds.
    pub fn open(path: PathBuf) -> Result<Self, InventoryError> {
        let io = |action, path: &Path, source| InventoryError::Io { action, path: path.to_owned(), source };
        let file = followed(path.clone()).map_err(|source| io("follow", &path, source))?;
        // A key that was made before the file was moved to where a link leads.
        let key = Some(beside(&path, "key")).filter(|key| key.exists()).unwrap_or(beside(&file, "key"));
        let lock = files::lock(&file).map_err(|source| io("lock", &file, source))?;
        let Some(lock) = lock else { return Err(InventoryError::InUse(file)) };
        if is_mount_point(&file) {
            return Err(InventoryError::MountPoint(file));
        }
        Ok(Self {
            seals: Seals::new(key),
            path: file,
            max_bytes: MAX_BYTES,
            texts: Mutex::default(),
            _lock: lock,
        })
    }

    pub(super) fn load(&self) -> Result<Records, InventoryError> {
        let mut text = String::new();
        match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Its creation shows at the start, not at the first registration, whether it can be written.
                self.save(&Records::default())?;
                return Ok(Records::default());
            }
            Err(source) => return Err(self.io("open", source)),
            Ok(file) => match file.take(self.max_bytes + 1).read_to_string(&mut text) {
                Ok(read) if read as u64 > self.max_bytes => {
                    return Err(self.corrupt(format!("it has more than {} bytes", self.max_bytes)));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(self.corrupt("it is not UTF-8 text".into()));
                }
                Err(source) => return Err(self.io("read", source)),
            },
        }
        self.parse(&text)
    }

    pub(super) fn save(&self, records: &Records) -> Result<(), InventoryError> {
        let sealed = self.seals.seal(&records.images).map_err(|source| self.io("seal links of", source))?;
        let fresh = beside(&self.path, "new");
        let mut is_too_large = false;
        let written = write_durably(&fresh, |file| {
            let mut file = Limited { file, left: self.max_bytes };
            let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
            let written = texts.write(VERSION, records, &sealed, &mut file);
            is_too_large = written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::FileTooLarge);
            written
        });
        let written = written.and_then(|()| self.stage_previous());
        if let Err(source) = written {
            // Gives its space back to a full disk. If this fails too, the next save overwrites it.
            let _ = fs::remove_file(&fresh);
            if is_too_large {
                return Err(InventoryError::TooLarge { path: self.path.clone(), limit: self.max_bytes });
            }
            return Err(self.io("write", source));
        }
        fs::rename(&fresh, &self.path).map_err(|source| self.io("replace", source))?;
        self.seals.keep(sealed);
        // A failure is harmless: the new state is in place already.
        if let Err(error) = fs::rename(beside(&self.path, "previous.new"), beside(&self.path, "previous"))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the previous inventory cannot be kept");
        }
        sync_folder(&self.path).map_err(|source| self.io("sync", source))
    }

    fn parse(&self, text: &str) -> Result<Records, InventoryError> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| self.corrupt(error.to_string()))?;
        let version = match value.get("version") {
            None => {
                let records = previous_service::upgrade(&value).map_err(|problem| self.corrupt(problem))?;
                let kept = beside(&self.path, "v1");
                write_durably(&kept, |file| file.write_all(text.as_bytes()))
                    .map_err(|source| self.io("keep a copy of", source))?;
                self.save(&records)?;
                let images = records.images.len();
                let copy = kept.display();
                tracing::info!(images, %copy, "upgraded the inventory of the previous service");
                return Ok(records);
            }
            Some(version) => version.as_u64(),
        };
        if version != Some(u64::from(VERSION)) {
            return Err(self
                .corrupt(format!("its version is {}, and this program knows {VERSION}", value["version"])));
        }
        drop(value);
        // From the text, so that an error tells its line, and a member that stands twice is one.
        let document: Document =
            serde_json::from_str(text).map_err(|error| self.corrupt(error.to_string()))?;
        let mut records = Records::default();
        let mut paths = HashSet::new();
        for image in document.images {
            if !paths.insert((image.name.clone(), image.version.clone())) {
                return Err(self.corrupt(format!("it holds two images {} {}", image.name, image.version)));
            }
            if let Some(other) = records.images.insert(image.id.clone(), image) {
                return Err(self.corrupt(format!("it holds two images with the id {}", other.id)));
            }
        }
        for file in document.files {
            if let Some(other) = records.files.insert((file.kind, file.name.clone()), file) {
                return Err(self.corrupt(format!("it holds two files {} of one store", other.name)));
            }
        }
        for job in document.jobs {
            if let Some(other) = records.jobs.insert(job.id.clone(), job) {
                return Err(self.corrupt(format!("it holds two jobs with the id {}", other.id)));
            }
        }
        let is_in_the_clear = hides_something(&records);
        self.seals.open(&mut records.images, document.sealed);
        if is_in_the_clear {
            // Twice, so that the previous state on disk is without credentials as well.
            let saved = self.save(&records).and_then(|()| self.save(&records));
            if let Err(error) = saved {
                tracing::warn!(
                    error = error.with_cause(),
                    "the inventory still holds links with credentials in the clear"
                );
            }
        }
        Ok(records)
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

    fn corrupt(&self, problem: String) -> InventoryError {
        let previous = Some(beside(&self.path, "previous")).filter(|previous| previous.exists());
        InventoryError::Corrupt { path: self.path.clone(), problem, previous }
    }

    fn io(&self, action: &'static str, source: io::Error) -> InventoryError {
        InventoryError::Io { action, path: self.path.clone(), source }
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

#[cfg(test)]
mod tests {
    use model::identity::Identity;
    use model::names::FileName;
    use model::stored_file::{Origin, StoreKind};
    use std::os::unix::fs::symlink;

    use super::*;

    fn records(count: usize) -> Records {
        let mut records = Records::default();
        for number in 0..count {
            let name = FileName::new(format!("{number}.iso")).expect("a name");
            let identity = Identity { device: 1, inode: 1, size: 1, seconds: 0, nanoseconds: 0 };
            let file = FileRecord::new(StoreKind::Iso, name.clone(), identity, Origin::Upload);
            records.files.insert((StoreKind::Iso, name), file);
        }
        records
    }

    #[test]
    fn what_would_not_be_read_again_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("inventory.json");
        let mut file = JsonFile::open(path.clone()).expect("opens");
        file.save(&records(10)).expect("saves");
        file.max_bytes = fs::metadata(&path).expect("is there").len();
        file.save(&records(10)).expect("saves");
        let error = file.save(&records(11)).expect_err("too large");
        assert!(matches!(error, InventoryError::TooLarge { .. }), "{error}");
        assert!(error.public_message().contains("remove images or files"), "{}", error.public_message());
        assert_eq!(file.load().expect("reads").files.len(), 10);
        assert!(!beside(&path, "new").exists());
        file.max_bytes -= 1;
        assert!(matches!(file.load(), Err(InventoryError::Corrupt { .. })));
    }

    #[test]
    fn a_link_stays_and_leads_to_the_new_state() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder");
        let (link, second) = (folder.path().join("inventory.json"), folder.path().join("second"));
        // One link leads to the other, and the file is not there yet.
        symlink("second", &link).expect("links");
        symlink("data/real.json", &second).expect("links");
        let file = JsonFile::open(link.clone()).expect("opens");
        assert!(file.load().expect("reads").files.is_empty());
        file.save(&records(3)).expect("saves");
        assert!(link.is_symlink() && second.is_symlink());
        assert!(data.join("real.json").is_file() && data.join("real.json.previous").is_file());
        drop(file);
        let file = JsonFile::open(data.join("real.json")).expect("opens");
        assert_eq!(file.load().expect("reads").files.len(), 3);
        symlink("loop", folder.path().join("loop")).expect("links");
        assert!(JsonFile::open(folder.path().join("loop")).is_err());
    }
}
