//! Changes of the records of files.

use model::identity::Identity;
use model::names::FileName;
use model::stored_file::{FileRecord, Origin, StoreKind};
use records::inventory::Records;

/// The record of a file. One without a record was put into the folder, as the version `identity`.
pub(crate) fn entry<'a>(
    records: &'a mut Records,
    kind: StoreKind,
    name: &FileName,
    identity: Identity,
) -> &'a mut FileRecord {
    let new = || FileRecord::new(kind, name.clone(), identity, Origin::Folder);
    records.files.get_or_insert_with((kind, name.clone()), new)
}

/// Records a file. Labels belong to its name: they stay unless the file brings others.
pub(crate) fn record_file(records: &mut Records, mut file: FileRecord) -> FileRecord {
    let key = (file.kind, file.name.clone());
    if file.labels.is_empty()
        && let Some(older) = records.files.get(&key)
    {
        file.labels = older.labels.clone();
    }
    records.files.insert(key, file.clone());
    file
}
