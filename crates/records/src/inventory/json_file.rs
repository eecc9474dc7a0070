//! The inventory as one JSON file.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::json_text::Texts;
use super::seals::Seals;
use super::{InventoryError, Records, previous_service};
use crate::document_file::{DocumentError, DocumentFile};
use crate::files::{beside, write_durably};
use model::image::{Image, ImageId, Source};
use model::job::Job;
use model::stored_file::FileRecord;

/// The version that this program writes. Version 1 is the file of the Node.js service, without a version
/// field.
const VERSION: u32 = 2;

/// A file with more bytes is neither written nor read: about a million images.
const MAX_BYTES: u64 = 1 << 30;

/// The inventory file, locked against other processes for as long as this value lives.
pub struct JsonFile {
    file: DocumentFile,
    seals: Seals,
    texts: Mutex<Box<Texts>>,
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
        let file = DocumentFile::open(&path, MAX_BYTES)?;
        // A key that was made before the file was moved to where a link leads.
        let key = Some(beside(&path, "key")).filter(|key| key.exists());
        let key = key.unwrap_or_else(|| beside(file.path(), "key"));
        Ok(Self { seals: Seals::new(key), file, texts: Mutex::default() })
    }

    pub(super) fn load(&self) -> Result<Records, InventoryError> {
        match self.file.read() {
            Ok(Some(text)) => self.parse(&text),
            Ok(None) => {
                // Its creation shows at the start, not at the first registration, whether it can be written.
                self.save(&Records::default())?;
                Ok(Records::default())
            }
            Err(DocumentError::TooLarge { limit, .. }) => {
                Err(self.corrupt(format!("it has more than {limit} bytes")))
            }
            Err(DocumentError::NotText(_)) => Err(self.corrupt("it is not UTF-8 text".into())),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn save(&self, records: &Records) -> Result<(), InventoryError> {
        let sealed = self.seals.seal(&records.images).map_err(|source| self.io("seal links of", source))?;
        self.file.replace(|file| {
            let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
            texts.write(VERSION, records, &sealed, &mut &mut *file)
        })?;
        self.seals.keep(sealed);
        Ok(())
    }

    fn parse(&self, text: &str) -> Result<Records, InventoryError> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| self.corrupt(error.to_string()))?;
        let version = match value.get("version") {
            None => {
                let records = previous_service::upgrade(&value).map_err(|problem| self.corrupt(problem))?;
                let kept = beside(self.file.path(), "v1");
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

    fn corrupt(&self, problem: String) -> InventoryError {
        InventoryError::Corrupt { path: self.file.path().to_owned(), problem, previous: self.file.previous() }
    }

    fn io(&self, action: &'static str, source: io::Error) -> InventoryError {
        InventoryError::Io { action, path: self.file.path().to_owned(), source }
    }
}

#[cfg(test)]
mod tests {
    use model::identity::Identity;
    use model::names::FileName;
    use model::stored_file::{Origin, StoreKind};
    use std::os::unix::fs::symlink;

    use std::fs;

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
        file.file.max_bytes = fs::metadata(&path).expect("is there").len();
        file.save(&records(10)).expect("saves");
        let error = file.save(&records(11)).expect_err("too large");
        assert!(matches!(error, InventoryError::TooLarge { .. }), "{error}");
        assert!(error.public_message().contains("remove images or files"), "{}", error.public_message());
        assert_eq!(file.load().expect("reads").files.len(), 10);
        assert!(!beside(&path, "new").exists());
        file.file.max_bytes -= 1;
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
