//! The inventory as one JSON file. A save writes a temporary file beside it, syncs it, keeps the old file as
//! `….previous`, and renames. At every instant the file is a complete state.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::seals::{Entries, Seals};
use super::{InventoryError, Records, previous_service};
use crate::files::{self, beside, sync_folder, write_durably};
use model::image::{Image, ImageId, Source};
use model::job::Job;
use model::stored_file::FileRecord;

/// The version that this program writes. Version 1 is the file of the Node.js service, without a version
/// field.
const VERSION: u32 = 2;

/// Bytes after which reading stops: about a million images.
const MAX_BYTES: u64 = 1 << 30;

/// The inventory file, locked against other processes for as long as this value lives.
pub struct JsonFile {
    path: PathBuf,
    seals: Seals,
    _lock: File,
}

#[derive(Serialize)]
struct DocumentOut<'a> {
    version: u32,
    images: Vec<&'a Image>,
    files: Vec<&'a FileRecord>,
    jobs: Vec<&'a Job>,
    /// The links of images in full, sealed.
    #[serde(skip_serializing_if = "Entries::is_empty")]
    sealed: &'a Entries,
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
    pub fn open(path: PathBuf) -> Result<Self, InventoryError> {
        match files::lock(&path) {
            Ok(Some(lock)) => Ok(Self { seals: Seals::new(beside(&path, "key")), path, _lock: lock }),
            Ok(None) => Err(InventoryError::InUse(path)),
            Err(source) => Err(InventoryError::Io { action: "lock", path, source }),
        }
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
            Ok(file) => match file.take(MAX_BYTES).read_to_string(&mut text) {
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
        let document = DocumentOut {
            version: VERSION,
            images: records.images.values().collect(),
            files: records.files.values().collect(),
            jobs: records.jobs.values().collect(),
            sealed: &sealed,
        };
        let fresh = beside(&self.path, "new");
        let written = write_durably(&fresh, |file| {
            serde_json::to_writer_pretty(&mut *file, &document)?;
            file.write_all(b"\n")
        });
        let written = written.and_then(|()| self.stage_previous());
        if let Err(source) = written {
            // Gives its space back to a full disk. If this fails too, the next save overwrites it.
            let _ = fs::remove_file(&fresh);
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
        let document: Document =
            serde_json::from_value(value).map_err(|error| self.corrupt(error.to_string()))?;
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
        records.files =
            document.files.into_iter().map(|file| ((file.kind, file.name.clone()), file)).collect();
        records.jobs = document.jobs.into_iter().map(|job| (job.id.clone(), job)).collect();
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
