//! Changes of the records of images.

use jiff::Timestamp;

use crate::error::CatalogError;
use crate::file_records::record_file;
use crate::records::Writer;
use model::identity::Identity;
use model::image::{Image, ImageId, TreeSummary};
use model::stored_file::{FileRecord, StoreKind};
use records::inventory::Records;

/// Inserts an image. Fails if another image has its name and version by now.
pub(super) fn insert(
    records: &mut Records,
    mut image: Image,
    file: Option<FileRecord>,
) -> Result<Image, CatalogError> {
    let is_taken = |other: &Image| {
        (&other.name, &other.version) == (&image.name, &image.version) && other.id != image.id
    };
    let other = records.images.values().find(|other| is_taken(other));
    // Another request may have chosen the same id for a new image. An image that is registered anew keeps the
    // time of its creation.
    let same_id = records.images.get(&image.id).filter(|known| known.created != image.created);
    if same_id.is_some() {
        return Err(CatalogError::Busy(format!("the image {}", image.id)));
    }
    if let Some(id) = other.map(|other| other.id.clone()) {
        return Err(CatalogError::Duplicate { name: image.name, version: image.version, id });
    }
    if let Some(file) = file {
        insert_file(records, file)?;
    }
    // Looked up here and not earlier: it may have become known while the tree was read.
    let known = records.files.get(&(StoreKind::Iso, image.iso.clone()));
    image.sha256 = known.and_then(|known| known.sha256_of(&image.identity?));
    records.images.insert(image.id.clone(), image.clone());
    Ok(image)
}

fn insert_file(records: &mut Records, file: FileRecord) -> Result<(), CatalogError> {
    let key = (file.kind, file.name.clone());
    let known = records.files.get(&key).filter(|known| known.local.is_some());
    if known.is_some_and(|known| file.local.is_some() && known.local != file.local) {
        return Err(CatalogError::NameIsLocal(file.name));
    }
    // The digest of a local ISO that is listed already is worth keeping.
    if known.is_none_or(|known| known.sha256_of(&file.identity).is_none()) {
        record_file(records, file);
    }
    Ok(())
}

/// Changes one image's record and its time, in a way that a crash may undo: the work that changes it is done
/// again then.
pub(super) async fn update_soon(
    records: &Writer,
    id: ImageId,
    change: impl FnOnce(&mut Image) + Send + 'static,
) -> Result<(), CatalogError> {
    let updated = records.commit_soon(move |records| {
        let image = records.images.get_mut(&id).ok_or(CatalogError::NoSuchImage)?;
        change(image);
        image.updated = Timestamp::now();
        Ok(image.clone())
    });
    let image: Image = updated.await?;
    tracing::info!(
        id = %image.id, name = %image.name, version = %image.version, status = %image.status,
        "image changed"
    );
    Ok(())
}

/// The image, made from the version `identity` of its ISO.
pub(super) fn opened(mut image: Image, identity: Identity, summary: TreeSummary) -> Image {
    image.identity = Some(identity);
    image.tree = Some(summary);
    image
}

/// The same for an ISO whose digest is known from its intake.
pub(super) fn opened_received(mut image: Image, file: &FileRecord, summary: TreeSummary) -> Image {
    image.sha256 = file.sha256;
    opened(image, file.identity, summary)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use model::digest::{Expected, Sha256};
    use model::image::{Source, Status};
    use model::labels::Labels;
    use model::names::{FileName, ImageName, ImageVersion};
    use model::stored_file::Origin;

    const IDENTITY: Identity = Identity { device: 1, inode: 2, size: 3, seconds: 4, nanoseconds: 5 };

    fn image(id: &str, name: &str) -> Image {
        Image {
            id: ImageId(id.into()),
            name: ImageName::new(name).expect("a name"),
            version: ImageVersion::new("1").expect("a version"),
            iso: FileName::new("a.iso").expect("a name"),
            status: Status::Ok,
            source: Source::Local,
            created: Timestamp::UNIX_EPOCH,
            updated: Timestamp::UNIX_EPOCH,
            identity: Some(IDENTITY),
            sha256: None,
            expected: Expected::default(),
            tree: None,
            asked_tree: None,
            labels: Labels::default(),
        }
    }

    fn local(path: &str, sha256: Option<Sha256>) -> FileRecord {
        let name = FileName::new("a.iso").expect("a name");
        let mut record = FileRecord::new(StoreKind::Iso, name, IDENTITY, Origin::Local);
        record.local = Some(PathBuf::from(path));
        if let Some(sha256) = sha256 {
            record.verify(sha256);
        }
        record
    }

    #[test]
    fn a_name_and_version_belong_to_one_image() {
        let mut records = Records::default();
        insert(&mut records, image("1", "linux"), None).expect("free");
        let refused = insert(&mut records, image("2", "linux"), None);
        assert!(matches!(refused, Err(CatalogError::Duplicate { .. })), "{refused:?}");
        insert(&mut records, image("1", "linux"), None).expect("its own");
        insert(&mut records, image("2", "other"), None).expect("free");
        assert_eq!(records.images.len(), 2);
    }

    #[test]
    fn the_digest_of_a_local_iso_is_kept_and_its_path_too() {
        let mut records = Records::default();
        let sha256 = Sha256([7; 32]);
        insert(&mut records, image("1", "a"), Some(local("/a.iso", Some(sha256)))).expect("free");
        let image =
            insert(&mut records, image("2", "b"), Some(local("/a.iso", None))).expect("the same file");
        assert_eq!(image.sha256, Some(sha256));
        let refused = insert(&mut records, self::image("3", "c"), Some(local("/other/a.iso", None)));
        assert!(matches!(refused, Err(CatalogError::NameIsLocal(_))), "{refused:?}");
        assert!(!records.images.contains_key(&ImageId("3".into())));
    }
}
