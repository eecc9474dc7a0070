//! Digests computed later, for files that did not arrive through this program or that changed behind its back.

use std::fs::File;

use super::{Catalog, CatalogError, Inner};
use crate::model::digest::Sha256;
use crate::model::identity::Identity;
use crate::model::names::FileName;
use crate::model::stored_file::{FileRecord, Origin, Shelf};
use crate::trees::open_regular;

impl Catalog {
    /// Opens a file whose digest is wanted; `None` if the digest of this very version is known by now.
    pub async fn open_for_digest(
        &self,
        shelf: Shelf,
        name: FileName,
    ) -> Result<Option<(File, Identity)>, CatalogError> {
        let opened = self.blocking(move |inner| inner.open(shelf, &name));
        let (file, identity, known) = opened.await??;
        Ok(if known.is_some() { None } else { Some((file, identity)) })
    }

    /// Records the digest of the version `identity` of a file, all of whose bytes have just been read. Images made from the same bytes are
    /// served (again) from this version.
    pub async fn record_digest(
        &self,
        shelf: Shelf,
        name: FileName,
        identity: Identity,
        sha256: Sha256,
    ) -> Result<(), CatalogError> {
        self.0
            .writer
            .commit(move |records| {
                let file = records
                    .files
                    .entry((shelf, name.clone()))
                    .or_insert_with(|| FileRecord::new(shelf, name.clone(), identity, Origin::Folder));
                if file.sha256.is_some_and(|known| known != sha256) && file.local.is_none() {
                    // Other bytes, and they did not come through here.
                    file.origin = Some(Origin::Folder);
                }
                file.identity = identity;
                file.verify(sha256);
                for image in
                    records.images.values_mut().filter(|image| shelf == Shelf::Iso && image.iso == name)
                {
                    let Some(known) = image.identity.as_mut() else { continue };
                    if image.sha256 == Some(sha256) {
                        *known = identity;
                    } else if image.sha256.is_none() && known.same_version(&identity) {
                        image.sha256 = Some(sha256);
                    }
                }
                Ok(())
            })
            .await
    }
}

impl Inner {
    /// Opens a file on a shelf, or where it was registered, with the digest of this very version if that is known.
    pub(super) fn open(
        &self,
        shelf: Shelf,
        name: &FileName,
    ) -> Result<(File, Identity, Option<Sha256>), CatalogError> {
        let snapshot = self.writer.snapshot();
        let record = snapshot.file(shelf, name);
        let (file, identity) = match record.and_then(|record| record.local.as_ref()) {
            Some(path) => open_regular(path).map_err(CatalogError::Local)?,
            None => self.store(shelf).open_file(name)?,
        };
        Ok((file, identity, record.and_then(|record| record.sha256_of(&identity))))
    }
}
