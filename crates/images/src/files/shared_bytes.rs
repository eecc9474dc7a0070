//! Files that share their bytes on disk.

use std::collections::HashMap;
use std::rc::Rc;

use crate::stores::Stores;
use blobs::Bytes;
use model::digest::Sha256;
use model::names::FileName;
use model::stored_file::StoreKind;
use records::inventory::Snapshot;

type File = (StoreKind, FileName);
type FilesByBytes = HashMap<(Bytes, Option<Sha256>), Vec<File>>;

/// For each file that shares its bytes, all files that have them. Clones that were written to since are told
/// apart by their digests.
pub(super) struct SharedBytes(HashMap<File, Rc<Vec<File>>>);

impl SharedBytes {
    /// The files of both stores that are known to share bytes. A store that cannot be listed is left out.
    pub(super) fn of(stores: &Stores, snapshot: &Snapshot) -> Self {
        let mut shared = FilesByBytes::new();
        for kind in [StoreKind::Iso, StoreKind::Microkernel] {
            let listed = stores.of(kind).list_bytes().inspect_err(|error| {
                tracing::warn!(%kind, %error, "a store cannot be checked for shared bytes");
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
        let groups = shared.into_values().filter(|names| names.len() > 1).map(Rc::new);
        let mut groups_by_file = HashMap::new();
        for group in groups {
            groups_by_file.extend(group.iter().map(|file| (file.clone(), Rc::clone(&group))));
        }
        Self(groups_by_file)
    }

    /// The other files that have the bytes of this one.
    pub(super) fn others(&self, kind: StoreKind, name: &FileName) -> Vec<File> {
        let file = (kind, name.clone());
        let group = self.0.get(&file).into_iter().flat_map(|group| group.iter());
        group.filter(|other| **other != file).cloned().collect()
    }
}
