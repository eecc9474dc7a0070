//! The names that a new file may take.

use crate::error::CatalogError;
use model::image::ImageId;
use model::names::FileName;
use model::stored_file::StoreKind;
use records::inventory::{Records, users_of};

/// Refuses a change of the file `name` that a local ISO forbids, or an image other than the one that the file
/// is for.
pub(crate) fn check_free(
    records: &Records,
    kind: StoreKind,
    name: &FileName,
    for_image: Option<&ImageId>,
) -> Result<(), CatalogError> {
    if kind == StoreKind::Microkernel {
        return Ok(());
    }
    if records.files.get(&(kind, name.clone())).is_some_and(|file| file.local.is_some()) {
        return Err(CatalogError::NameIsLocal(name.clone()));
    }
    let images = users_of(records, name, for_image);
    if images.is_empty() { Ok(()) } else { Err(CatalogError::InUse { iso: name.clone(), images }) }
}
