//! Files with the same bytes, which a new file could share.

use crate::stores::Stores;
use blobs::{Duplicate, Upload};
use model::digest::Sha256;
use model::names::FileName;
use model::stored_file::{Origin, StoreKind};
use records::inventory::Snapshot;

/// Each of them is read before its bytes are trusted, so a few must do.
const MAX_DUPLICATES: usize = 2;

/// Lets an upload that is complete have the bytes of a file that is stored already, if there is one.
pub(super) fn share(
    stores: &Stores,
    snapshot: &Snapshot,
    kind: StoreKind,
    name: &FileName,
    upload: &mut Upload,
) {
    let duplicates = duplicates(stores, snapshot, (kind, name), upload.sha256(), upload.size());
    let _ = duplicates.iter().any(|duplicate| upload.share(stores.of(kind), duplicate));
}

fn duplicates(
    stores: &Stores,
    snapshot: &Snapshot,
    this: (StoreKind, &FileName),
    sha256: Sha256,
    size: u64,
) -> Vec<Duplicate> {
    let records = [StoreKind::Iso, StoreKind::Microkernel].into_iter().flat_map(|kind| snapshot.files(kind));
    let alike = records.filter(|record| {
        let is_other = (record.kind, &record.name) != this;
        // An administrator may still write to a file that did not come through the service.
        let is_ours = matches!(record.origin, Some(Origin::Upload | Origin::Download { .. }));
        let is_stored = is_other && record.local.is_none() && is_ours;
        is_stored && record.sha256 == Some(sha256) && record.identity.size == size
    });
    let duplicates = alike.map(|record| Duplicate {
        path: stores.of(record.kind).path(&record.name),
        identity: record.identity,
    });
    duplicates.take(MAX_DUPLICATES).collect()
}
