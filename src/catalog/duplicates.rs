//! Files with the same bytes: those that a new file could share, and those that share already.

use std::collections::HashMap;

use super::Inner;
use crate::inventory::Snapshot;
use crate::model::digest::Sha256;
use crate::model::names::FileName;
use crate::model::stored_file::{Origin, StoreKind};
use crate::store::{Bytes, Duplicate, Upload};

/// Each of them is read before its bytes are trusted, so a few must do.
const MAX_DUPLICATES: usize = 2;

/// The files that have the same bytes, by these. Clones that were written to since are told apart by their digests.
pub(super) type SharedBytes = HashMap<(Bytes, Option<Sha256>), Vec<(StoreKind, FileName)>>;

impl Inner {
    /// Lets a file that arrived whole have the bytes of one that is stored already, if there is one.
    pub(super) fn share(&self, kind: StoreKind, name: &FileName, upload: &mut Upload) {
        let (sha256, size) = (upload.sha256(), upload.size());
        let duplicates = self.duplicates(kind, name, sha256, size);
        let _ = duplicates.iter().any(|duplicate| upload.share(self.store(kind), duplicate));
    }

    fn duplicates(&self, kind: StoreKind, name: &FileName, sha256: Sha256, size: u64) -> Vec<Duplicate> {
        let snapshot = self.writer.snapshot();
        let records =
            [StoreKind::Iso, StoreKind::Microkernel].into_iter().flat_map(|kind| snapshot.files(kind));
        let alike = records.filter(|record| {
            let is_other = (record.kind, &record.name) != (kind, name);
            // Who put a file there by himself may write to it by himself too.
            let is_ours = matches!(record.origin, Some(Origin::Upload | Origin::Download { .. }));
            let is_stored = is_other && record.local.is_none() && is_ours;
            is_stored && record.sha256 == Some(sha256) && record.identity.size == size
        });
        let duplicates = alike.map(|record| Duplicate {
            path: self.store(record.kind).path(&record.name),
            identity: record.identity,
        });
        duplicates.take(MAX_DUPLICATES).collect()
    }

    /// Who shares bytes with whom, as far as that is certain. A store that cannot be listed just now is passed over.
    pub(super) fn shared(&self, snapshot: &Snapshot) -> SharedBytes {
        let mut shared = SharedBytes::new();
        for kind in [StoreKind::Iso, StoreKind::Microkernel] {
            let listed = self.store(kind).list_bytes().inspect_err(|error| {
                tracing::warn!(%kind, %error, "it cannot be told who shares bytes");
            });
            for (name, identity, bytes) in listed.unwrap_or_default() {
                let sha256 = snapshot.file(kind, &name).and_then(|record| record.sha256_of(&identity));
                let key = match bytes {
                    Some(linked @ Bytes::Linked { .. }) => (linked, None),
                    Some(cloned @ Bytes::Cloned(_)) if sha256.is_some() => (cloned, sha256),
                    _ => continue,
                };
                shared.entry(key).or_default().push((kind, name));
            }
        }
        shared.retain(|_, names| names.len() > 1);
        shared
    }
}

/// The other files that have the bytes of this one.
pub(super) fn others(shared: &SharedBytes, kind: StoreKind, name: &FileName) -> Vec<(StoreKind, FileName)> {
    let is_this = |(at, called): &&(StoreKind, FileName)| (*at, called) == (kind, name);
    let group = shared.values().find(|names| names.iter().any(|name| is_this(&name)));
    group.into_iter().flatten().filter(|name| !is_this(name)).cloned().collect()
}
