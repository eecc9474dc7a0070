//! What the inventory of the previous service lacks.

use std::fs;

use blobs::Store;
use model::identity::Identity;
use model::image::{Source, Status};
use model::stored_file::{FileRecord, Origin, StoreKind};
use records::inventory::Records;

/// The previous service put a link into its store for each local ISO. Such a link becomes a record of where
/// the ISO lies.
pub(crate) fn adopt_links(mut records: Records, isos: &Store) -> Records {
    for image in records
        .images
        .values()
        .filter(|image| image.status == Status::Preparing && image.source == Source::Store)
    {
        let link = isos.path(&image.iso);
        let Ok(target) = fs::read_link(&link).and_then(|_| fs::canonicalize(&link)) else { continue };
        let Ok(metadata) = fs::metadata(&target) else { continue };
        let identity = Identity::of(&metadata);
        let mut record = FileRecord::new(StoreKind::Iso, image.iso.clone(), identity, Origin::Local);
        record.local = Some(target);
        records.files.get_or_insert_with((StoreKind::Iso, image.iso.clone()), || record);
    }
    records
}
