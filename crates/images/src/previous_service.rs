//! What the inventory of the previous service lacks.

use std::fs;

use crate::error::CatalogError;
use crate::records::Writer;
use blobs::Store;
use model::identity::Identity;
use model::image::{Image, Source, Status};
use model::stored_file::{FileRecord, Origin, StoreKind};

/// The previous service put a link into its store for each local ISO. Such a link becomes a record of where
/// the ISO lies.
pub(crate) async fn adopt_links(records: &Writer, isos: &Store) -> Result<(), CatalogError> {
    let snapshot = records.snapshot();
    let unread = |image: &&Image| image.status == Status::Preparing && image.source == Source::Store;
    let unread = snapshot.images().filter(unread);
    let unknown = unread.filter(|image| snapshot.file(StoreKind::Iso, &image.iso).is_none());
    let found: Vec<FileRecord> = unknown.filter_map(|image| linked(image, isos)).collect();
    if found.is_empty() {
        return Ok(());
    }
    let adopt = move |records: &mut ::records::inventory::Records| {
        for file in found {
            records.files.get_or_insert_with((StoreKind::Iso, file.name.clone()), || file);
        }
        Ok(())
    };
    // It is found again at the next start, and a full disk must not keep the images from being served.
    records.commit_soon(adopt).await
}

/// The record of the ISO to which the image's link leads.
fn linked(image: &Image, isos: &Store) -> Option<FileRecord> {
    let link = isos.path(&image.iso);
    let target = fs::read_link(&link).and_then(|_| fs::canonicalize(&link)).ok()?;
    let identity = Identity::of(&fs::metadata(&target).ok()?);
    let mut record = FileRecord::new(StoreKind::Iso, image.iso.clone(), identity, Origin::Local);
    record.local = Some(target);
    Some(record)
}
