//! What stands on the shelves at this moment, for whoever watches them.

use std::collections::BTreeMap;
use std::fs;

use super::snapshot::users_of;
use super::{Catalog, CatalogError, Errand, Inner};
use crate::events::Change;
use crate::model::identity::Identity;
use crate::model::names::FileName;
use crate::model::stored_file::Shelf;
use crate::store::StoreError;

/// The files of a shelf; `None` is a local ISO that does not lie where it was registered.
pub type Look = BTreeMap<FileName, Option<Identity>>;

impl Catalog {
    /// Looks at all files of a shelf and reads none of them.
    pub async fn look(&self, shelf: Shelf) -> Result<Look, CatalogError> {
        self.blocking(move |inner| inner.look_at_all(shelf)).await?
    }

    /// Asks the workers for a file's digest.
    pub fn want_digest(&self, shelf: Shelf, name: FileName) {
        self.0.post(Errand::Digest(shelf, name));
    }

    /// Forgets a file that somebody took out of its store, unless it is there after all or an image needs it: it may come back.
    pub async fn forget_vanished(&self, shelf: Shelf, name: FileName) -> Result<(), CatalogError> {
        // Who is changing it knows better.
        let Some(_claim) = self.0.file_claims.exclusive((shelf, name.clone())) else { return Ok(()) };
        let asked = name.clone();
        let found = self.blocking(move |inner| inner.store(shelf).stat(&asked)).await?;
        if !matches!(found, Err(StoreError::NotFound(_))) {
            return Ok(());
        }
        let forgotten = self.0.writer.commit(move |records| {
            let is_needed = shelf == Shelf::Iso && !users_of(records, &name, None).is_empty();
            let key = (shelf, name.clone());
            if is_needed || records.files.get(&key).is_none_or(|file| file.local.is_some()) {
                return Err(CatalogError::NoSuchFile { shelf, name });
            }
            tracing::info!(%shelf, %name, "a file was taken out of its store");
            records.files.remove(&key);
            Ok(())
        });
        match forgotten.await {
            Err(CatalogError::NoSuchFile { .. }) => Ok(()),
            other => other,
        }
    }

    /// Tells whoever listens that something looks different though no record of it has changed.
    pub fn tell(&self, change: Change) {
        self.0.events.publish(change);
    }
}

impl Inner {
    fn look_at_all(&self, shelf: Shelf) -> Result<Look, CatalogError> {
        let store = self.store(shelf);
        store.expect_in_place()?;
        let mut look: Look =
            store.list()?.into_iter().map(|(name, identity)| (name, Some(identity))).collect();
        for record in self.writer.snapshot().files(shelf) {
            if let Some(path) = &record.local {
                let identity = fs::metadata(path).ok().filter(fs::Metadata::is_file);
                look.insert(record.name.clone(), identity.map(|metadata| Identity::of(&metadata)));
            }
        }
        Ok(look)
    }
}
