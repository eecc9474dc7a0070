//! The records of the inventory in the change feed.

use model::image::ImageId;
use model::job::JobId;
use model::names::FileName;
use model::stored_file::StoreKind;

use crate::feed::Change;

const IMAGES: &str = "images";
const JOBS: &str = "jobs";
/// A table for each store, so that a key is a name.
const ISOS: &str = "isos";
const MICROKERNELS: &str = "microkernels";

/// A record of the inventory that changed or was removed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ChangedRecord {
    /// An image.
    Image(ImageId),
    /// A job.
    Job(JobId),
    /// A file of a store.
    File(StoreKind, FileName),
}

impl ChangedRecord {
    /// The record of a change in the feed. `None` if the change is in a table of a component.
    pub fn of(change: &Change) -> Option<Self> {
        let file = |kind| Some(Self::File(kind, FileName::existing(change.key.as_str()).ok()?));
        match change.table {
            IMAGES => Some(Self::Image(ImageId(change.key.clone()))),
            JOBS => Some(Self::Job(JobId(change.key.clone()))),
            ISOS => file(StoreKind::Iso),
            MICROKERNELS => file(StoreKind::Microkernel),
            _ => None,
        }
    }
}

impl From<ChangedRecord> for Change {
    fn from(record: ChangedRecord) -> Self {
        let (table, key) = match record {
            ChangedRecord::Image(id) => (IMAGES, id.0),
            ChangedRecord::Job(id) => (JOBS, id.0),
            ChangedRecord::File(StoreKind::Iso, name) => (ISOS, name.into()),
            ChangedRecord::File(StoreKind::Microkernel, name) => (MICROKERNELS, name.into()),
        };
        Self { table, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_apart_in_the_feed() {
        let name = FileName::new("a b.iso").expect("a name");
        for record in [
            ChangedRecord::Image(ImageId("7d/1e".into())),
            ChangedRecord::Job(JobId("1".into())),
            ChangedRecord::File(StoreKind::Iso, name.clone()),
            ChangedRecord::File(StoreKind::Microkernel, name),
        ] {
            assert_eq!(ChangedRecord::of(&record.clone().into()), Some(record));
        }
        assert_eq!(ChangedRecord::of(&Change { table: "ims.images", key: "1".into() }), None);
    }
}
