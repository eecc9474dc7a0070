//! The text of the inventory, as a person reads it. Chunks of records that did not change since the last time
//! have their text already, so a change costs the text of the chunk that it touched.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::Records;
use super::record_map::{Chunk, RecordMap};
use super::seals::Entries;
use model::image::{Image, ImageId};
use model::job::{Job, JobId};
use model::names::FileName;
use model::stored_file::{FileRecord, StoreKind};

/// The texts of the chunks that were written last.
#[derive(Default)]
pub(super) struct Texts {
    images: ChunkTexts<ImageId, Image>,
    files: ChunkTexts<(StoreKind, FileName), FileRecord>,
    jobs: ChunkTexts<JobId, Job>,
}

/// Texts by the address of their chunk, which is kept so that no other chunk gets its address.
struct ChunkTexts<K, V>(HashMap<usize, Text<K, V>>);

struct Text<K, V> {
    _chunk: Arc<Chunk<K, V>>,
    text: Arc<[u8]>,
}

impl<K, V> Default for ChunkTexts<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl Texts {
    /// Writes all records. The result is that of `serde_json::to_writer_pretty` for one document.
    pub(super) fn write(
        &mut self,
        version: u32,
        records: &Records,
        sealed: &Entries,
        file: &mut impl Write,
    ) -> io::Result<()> {
        write!(file, "{{\n  \"version\": {version},\n  \"images\": ")?;
        self.images.write(&records.images, file)?;
        file.write_all(b",\n  \"files\": ")?;
        self.files.write(&records.files, file)?;
        file.write_all(b",\n  \"jobs\": ")?;
        self.jobs.write(&records.jobs, file)?;
        if !sealed.is_empty() {
            file.write_all(b",\n  \"sealed\": ")?;
            file.write_all(&indented(&serde_json::to_vec_pretty(sealed)?))?;
        }
        file.write_all(b"\n}\n")
    }
}

impl<K: Ord + Clone, V: Clone + Serialize> ChunkTexts<K, V> {
    fn write(&mut self, records: &RecordMap<K, V>, file: &mut impl Write) -> io::Result<()> {
        if records.is_empty() {
            self.0.clear();
            return file.write_all(b"[]");
        }
        let mut texts = HashMap::new();
        let mut separator: &[u8] = b"[";
        for chunk in records.chunks() {
            let address = Arc::as_ptr(chunk).addr();
            let known = self.0.remove(&address).map(Ok);
            let known = known.unwrap_or_else(|| {
                Ok::<_, io::Error>(Text { _chunk: Arc::clone(chunk), text: text_of(chunk)?.into() })
            })?;
            file.write_all(separator)?;
            file.write_all(&known.text)?;
            separator = b",";
            texts.insert(address, known);
        }
        self.0 = texts;
        file.write_all(b"\n  ]")
    }
}

/// The records of a chunk as they stand in the list: without its brackets, each line two steps further in.
fn text_of<K, V: Serialize>(chunk: &Chunk<K, V>) -> io::Result<Vec<u8>> {
    let records: Vec<&V> = chunk.iter().map(|(_, record)| &**record).collect();
    let text = indented(&serde_json::to_vec_pretty(&records)?);
    let inner = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"\n  ]"));
    Ok(inner.unwrap_or(&text).to_vec())
}

/// The text with each further line two columns to the right. JSON has no line break inside a string.
fn indented(text: &[u8]) -> Vec<u8> {
    let mut indented = Vec::with_capacity(text.len() + text.len() / 8);
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if number > 0 {
            indented.extend_from_slice(b"\n  ");
        }
        indented.extend_from_slice(line);
    }
    indented
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::identity::Identity;
    use model::job::WorkRecord;
    use model::stored_file::Origin;
    use proptest::prelude::*;

    use super::super::tests::image;
    use super::*;

    #[derive(Serialize)]
    struct Document<'a> {
        version: u32,
        images: Vec<&'a Image>,
        files: Vec<&'a FileRecord>,
        jobs: Vec<&'a Job>,
    }

    fn file(number: usize) -> FileRecord {
        let name = FileName::new(format!("{number:05} é.iso")).expect("a name");
        let identity = Identity { device: 1, inode: 1, size: 1, seconds: 0, nanoseconds: 0 };
        FileRecord::new(StoreKind::Iso, name, identity, Origin::Upload)
    }

    #[track_caller]
    fn expect_whole(texts: &mut Texts, records: &Records) {
        let mut written = Vec::new();
        texts.write(2, records, &BTreeMap::new(), &mut written).expect("writes");
        let document = Document {
            version: 2,
            images: records.images.values().collect(),
            files: records.files.values().collect(),
            jobs: records.jobs.values().collect(),
        };
        let expected = serde_json::to_string_pretty(&document).expect("JSON") + "\n";
        assert!(String::from_utf8(written).expect("UTF-8") == expected, "{}", records.files.len());
    }

    #[test]
    fn the_text_is_that_of_one_document_whatever_changed() {
        let (mut texts, mut records) = (Texts::default(), Records::default());
        expect_whole(&mut texts, &records);
        let job =
            Job::new(WorkRecord { kind: "download".into(), details: serde_json::Map::new() }, "a\nb".into());
        records.jobs.insert(job.id.clone(), job);
        let image = image("1", "a");
        records.images.insert(image.id.clone(), image);
        for number in (0..1500).rev() {
            let file = file(number);
            records.files.insert((file.kind, file.name.clone()), file);
            if number % 100 == 0 {
                expect_whole(&mut texts, &records);
            }
        }
        for number in (0..1500).step_by(7) {
            let file = file(number);
            let key = (file.kind, file.name);
            if number % 2 == 0 {
                records.files.remove(&key);
            } else if let Some(file) = records.files.get_mut(&key) {
                file.identity.size = 7;
            }
            if number % 91 == 0 {
                expect_whole(&mut texts, &records);
            }
        }
        expect_whole(&mut texts, &Records::default());
        expect_whole(&mut texts, &records);
        // An older state is written as it was.
        let before = records.clone();
        records.files.insert((StoreKind::Iso, file(9).name), file(8));
        expect_whole(&mut texts, &records);
        expect_whole(&mut texts, &before);
    }

    /// A disk that is full after some bytes.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 16,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Changes, changes that are taken back, and saves that fail midway.
        #[test]
        fn no_change_is_missed(
            steps in prop::collection::vec((0..6_u8, 0..700_usize, any::<u16>()), 1..300),
        ) {
            let (mut texts, mut records) = (Texts::default(), Records::default());
            records.files.extend((0..600).map(|number| ((StoreKind::Iso, file(number).name), file(number))));
            let mut before = records.clone();
            for (step, number, value) in steps {
                let key = (StoreKind::Iso, file(number).name);
                match step {
                    0 => drop(records.files.insert(key, file(number))),
                    1 => drop(records.files.remove(&key)),
                    2 => {
                        if let Some(file) = records.files.get_mut(&key) {
                            file.identity.size = u64::from(value);
                        }
                    }
                    3 => before = records.clone(),
                    4 => records = before.clone(),
                    _ => drop(texts.write(2, &records, &BTreeMap::new(), &mut Full(usize::from(value)))),
                }
                if value % 8 == 0 {
                    expect_whole(&mut texts, &records);
                }
            }
            expect_whole(&mut texts, &records);
        }
    }
}
