//! Gives a file its name, and rolls that back.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::disk::remove_if_exists;
use super::error::StoreError;
use super::store::Store;
use super::unfinished_files::UnfinishedFiles;
use model::names::FileName;
use model::unfinished_file::{Owner, UnfinishedFileId};

/// A file that has its name, until the caller keeps it. A drop restores the earlier state.
#[derive(Debug)]
#[must_use = "a drop takes the name away again"]
pub struct Published {
    path: PathBuf,
    name: FileName,
    unfinished: UnfinishedFiles,
    old: Option<PathBuf>,
    rollback: Rollback,
    undo: bool,
}

/// The state that a rollback restores.
#[derive(Debug)]
pub(super) enum Rollback {
    /// No file.
    Nothing,
    /// No file; a crash before the record is rolled back as well.
    Record,
    /// This unfinished file.
    Unfinished(UnfinishedFileId, UnfinishedFiles),
}

impl Published {
    /// Gives the file at `from` its name.
    pub(super) fn publish(
        store: &Store,
        from: &Path,
        name: &FileName,
        rollback: Rollback,
    ) -> Result<Self, StoreError> {
        let _naming = store.lock_spelling(name)?;
        let mut published = Self {
            path: store.path(name),
            name: name.clone(),
            unfinished: store.unfinished.clone(),
            old: None,
            rollback,
            undo: false,
        };
        let old = match published.rollback {
            Rollback::Record => store.replaced(name),
            Rollback::Nothing | Rollback::Unfinished(..) => from.with_extension("old"),
        };
        remove_if_exists(&old).map_err(|source| store.io("remove a file", source))?;
        match fs::hard_link(&published.path, &old) {
            Ok(()) => published.old = Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Without hard links the older file cannot be kept aside, and the client asked to replace it.
            Err(error) => tracing::debug!(%error, "an older file is replaced for good"),
        }
        fs::rename(from, &published.path).map_err(|source| store.io("name a file", source))?;
        published.undo = true;
        // A rename does nothing if both names lead to the same file.
        remove_if_exists(from).map_err(|source| store.io("name a file", source))?;
        Ok(published)
    }

    /// An unfinished file that got its name before the program ended.
    pub(super) fn earlier(store: &Store, name: &FileName, id: UnfinishedFileId) -> Self {
        Self {
            path: store.path(name),
            name: name.clone(),
            unfinished: store.unfinished.clone(),
            old: None,
            rollback: Rollback::Unfinished(id, store.unfinished.clone()),
            undo: true,
        }
    }

    /// Keeps the file, and removes the one that it replaced. The checkpoint of a client's upload stays and
    /// says that the file is complete; those of earlier files of the name go.
    pub fn keep(mut self) {
        self.undo = false;
        let id = match &self.rollback {
            Rollback::Unfinished(id, files) => {
                if let Err(error) = complete(id, files) {
                    tracing::warn!(%id, %error, "a checkpoint cannot record that a file is complete");
                }
                Some(id)
            }
            Rollback::Nothing | Rollback::Record => None,
        };
        if let Err(error) = self.unfinished.forget_published(&self.name, id) {
            tracing::warn!(name = %self.name, %error, "a checkpoint of a replaced file stays behind");
        }
    }

    /// Restores the earlier state.
    fn roll_back(&self) -> io::Result<()> {
        if let Rollback::Unfinished(id, files) = &self.rollback {
            let bytes = files.bytes(id);
            // An unfinished file that shares the bytes of another still has its own.
            if !fs::exists(&bytes)? {
                if self.old.is_none() {
                    return fs::rename(&self.path, &bytes);
                }
                // The name must lead to one of the two files at every instant. After a crash here the file
                // counts as published.
                fs::hard_link(&self.path, &bytes).or_else(|_| fs::rename(&self.path, &bytes))?;
            }
        }
        match &self.old {
            Some(old) => fs::rename(old, &self.path).and_then(|()| remove_if_exists(old)),
            None => remove_if_exists(&self.path),
        }
    }
}

fn complete(id: &UnfinishedFileId, files: &UnfinishedFiles) -> io::Result<()> {
    match files.checkpoint(id) {
        Some(mut checkpoint) if checkpoint.plan.owner == Owner::Upload => {
            checkpoint.is_published = true;
            files.save(id, checkpoint)?;
            remove_if_exists(&files.bytes(id))
        }
        _ => files.remove(id),
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let done = match (&self.old, self.undo) {
            (_, true) => self.roll_back(),
            (Some(old), false) => fs::remove_file(old),
            (None, false) => return,
        };
        let folder = self.path.parent().map(File::open);
        let synced = done.and_then(|()| folder.map_or(Ok(()), |folder| folder?.sync_all()));
        if let Err(error) = synced {
            tracing::error!(%error, undo = self.undo, "cannot tidy up after a file was published");
        }
    }
}
