//! Requests that depend on the version of a file that the client has seen.

use http_service::{EntityTag, Preconditions, Problem};
use images::{CatalogError, ListedFile, LockedFile};
use model::names::FileName;
use model::stored_file::StoreKind;

use crate::northbound::api::Northbound;
use crate::northbound::problems::problem;
use crate::northbound::views::file::StoredFile;

/// Checks the conditions of a request about `file`, if there is one. A client has seen it alone, or as the
/// only one of a list.
pub(super) fn check(
    conditions: &Preconditions,
    kind: StoreKind,
    file: Option<&ListedFile>,
) -> Result<(), Problem> {
    let shown = file.map(|file| StoredFile::listed(kind, file));
    let tags = shown.iter().flat_map(|shown| [EntityTag::of_json(shown), EntityTag::of_json(&[shown])]);
    conditions.check(&tags.collect::<Vec<_>>())
}

/// The same for the file that has this name now.
pub(super) async fn check_now(
    api: &Northbound,
    conditions: &Preconditions,
    kind: StoreKind,
    name: &FileName,
) -> Result<(), Problem> {
    if conditions.are_none() {
        return Ok(());
    }
    match api.catalog.files.get(kind, name.clone()).await {
        Ok(file) => check(conditions, kind, Some(&file)),
        Err(CatalogError::NoSuchFile { .. }) => check(conditions, kind, None),
        Err(error) => Err(problem(error)),
    }
}

/// The same for a file that is locked for the change.
pub(super) async fn check_locked(
    conditions: &Preconditions,
    kind: StoreKind,
    file: &LockedFile,
) -> Result<(), Problem> {
    if conditions.are_none() {
        return Ok(());
    }
    check(conditions, kind, Some(&file.get().await.map_err(problem)?))
}
