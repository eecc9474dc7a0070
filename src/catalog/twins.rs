//! Files with the same bytes: those that a new file could share, and those that share already.

use std::collections::HashMap;

use super::Inner;
use super::snapshot::Snapshot;
use crate::model::digest::Sha256;
use crate::model::names::FileName;
use crate::model::stored_file::{Origin, Shelf};
use crate::store::{Bytes, Twin, Upload};

/// Each of them is read before its bytes are trusted, so a few must do.
const MAX_TWINS: usize = 2;

/// The files that have the same bytes, by these. Clones that were written to since are told apart by their digests.
pub(super) type Sharers = HashMap<(Bytes, Option<Sha256>), Vec<(Shelf, FileName)>>;

impl Inner {
    /// Lets a file that arrived whole have the bytes of one that is stored already, if there is one.
    pub(super) fn share(&self, shelf: Shelf, name: &FileName, upload: &mut Upload) {
        let (sha256, size) = (upload.sha256(), upload.size());
        let twins = self.twins(shelf, name, sha256, size);
        let _ = twins.iter().any(|twin| upload.share(self.store(shelf), twin));
    }

    fn twins(&self, shelf: Shelf, name: &FileName, sha256: Sha256, size: u64) -> Vec<Twin> {
        let snapshot = self.writer.snapshot();
        let records = [Shelf::Iso, Shelf::Microkernel].into_iter().flat_map(|shelf| snapshot.files(shelf));
        let alike = records.filter(|record| {
            let is_other = (record.shelf, &record.name) != (shelf, name);
            // Who put a file there by himself may write to it by himself too.
            let is_ours = matches!(record.origin, Some(Origin::Upload | Origin::Download { .. }));
            let is_stored = is_other && record.local.is_none() && is_ours;
            is_stored && record.sha256 == Some(sha256) && record.identity.size == size
        });
        let twins = alike.map(|record| Twin {
            path: self.store(record.shelf).path(&record.name),
            identity: record.identity,
        });
        twins.take(MAX_TWINS).collect()
    }

    /// Who shares bytes with whom, as far as that is certain. A store that cannot be listed just now is passed over.
    pub(super) fn sharers(&self, snapshot: &Snapshot) -> Sharers {
        let mut sharers = Sharers::new();
        for shelf in [Shelf::Iso, Shelf::Microkernel] {
            let listed = self.store(shelf).list_bytes().inspect_err(|error| {
                tracing::warn!(%shelf, %error, "it cannot be told who shares bytes");
            });
            for (name, identity, bytes) in listed.unwrap_or_default() {
                let sha256 = snapshot.file(shelf, &name).and_then(|record| record.sha256_of(&identity));
                let key = match bytes {
                    Some(linked @ Bytes::Linked { .. }) => (linked, None),
                    Some(cloned @ Bytes::Cloned(_)) if sha256.is_some() => (cloned, sha256),
                    _ => continue,
                };
                sharers.entry(key).or_default().push((shelf, name));
            }
        }
        sharers.retain(|_, names| names.len() > 1);
        sharers
    }
}

/// The other files that have the bytes of this one.
pub(super) fn others(sharers: &Sharers, shelf: Shelf, name: &FileName) -> Vec<(Shelf, FileName)> {
    let is_this = |(at, called): &&(Shelf, FileName)| (*at, called) == (shelf, name);
    let group = sharers.values().find(|names| names.iter().any(|name| is_this(&name)));
    group.into_iter().flatten().filter(|name| !is_this(name)).cloned().collect()
}
