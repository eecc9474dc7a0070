//! Changes of the records of files.

use model::stored_file::FileRecord;
use records::inventory::Records;

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
