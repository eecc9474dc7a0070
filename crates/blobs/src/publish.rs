//! The step that makes a file visible, and the way back.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::parts::Parts;
use super::{Store, StoreError};
use model::names::FileName;
use model::unfinished_file::{Owner, UnfinishedFileId};

/// A file that has got its name, until it is decided that it keeps it. Letting go of this brings the state before back.
#[derive(Debug)]
#[must_use = "letting go of it takes the file away again"]
pub struct Published {
    path: PathBuf,
    old: Option<PathBuf>,
    after: Rollback,
    undo: bool,
}

/// What the file was before.
#[derive(Debug)]
pub(super) enum Rollback {
    /// Nothing that anybody could go on with.
    Nothing,
    /// The same, and after a crash it is undone if there is no record of it.
    Record,
    /// This part.
    Part(UnfinishedFileId, Parts),
}

impl Published {
    /// Gives the file at `from` its name.
    pub(super) fn give(
        store: &Store,
        from: &Path,
        name: &FileName,
        after: Rollback,
    ) -> Result<Self, StoreError> {
        let mut named = Self { path: store.path(name), old: None, after, undo: false };
        let old = match named.after {
            Rollback::Record => store.replaced(name),
            Rollback::Nothing | Rollback::Part(..) => from.with_extension("old"),
        };
        remove_if_there(&old).map_err(|source| store.io("remove a file", source))?;
        match fs::hard_link(&named.path, &old) {
            Ok(()) => named.old = Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Without hard links an older file cannot be kept aside; replacing it is what was asked for.
            Err(error) => tracing::debug!(%error, "an older file is replaced for good"),
        }
        fs::rename(from, &named.path).map_err(|source| store.io("name a file", source))?;
        named.undo = true;
        // Nothing is renamed where both names lead to the same file already.
        remove_if_there(from).map_err(|source| store.io("name a file", source))?;
        Ok(named)
    }

    /// A part that got its name before the program ended.
    pub(super) fn earlier(store: &Store, name: &FileName, id: UnfinishedFileId) -> Self {
        Self { path: store.path(name), old: None, after: Rollback::Part(id, store.parts.clone()), undo: true }
    }

    /// The file stays, and what it replaced goes. Of a part that a client uploaded it stays known that it is whole.
    pub fn keep(mut self) {
        self.undo = false;
        if let Rollback::Part(id, parts) = &self.after
            && let Err(error) = conclude(id, parts)
        {
            tracing::warn!(%id, %error, "a checkpoint cannot record that a file is complete");
        }
    }

    /// Makes the file again what it was before.
    fn take_away(&self) -> io::Result<()> {
        if let Rollback::Part(id, parts) = &self.after {
            let bytes = parts.bytes(id);
            // A part that shares the bytes of another file still has its own.
            if !fs::exists(&bytes)? {
                if self.old.is_none() {
                    return fs::rename(&self.path, &bytes);
                }
                // The name must lead to one of the two files at every instant. After a crash here the part counts as named.
                fs::hard_link(&self.path, &bytes).or_else(|_| fs::rename(&self.path, &bytes))?;
            }
        }
        match &self.old {
            Some(old) => fs::rename(old, &self.path).and_then(|()| remove_if_there(old)),
            None => remove_if_there(&self.path),
        }
    }
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn conclude(id: &UnfinishedFileId, parts: &Parts) -> io::Result<()> {
    match parts.checkpoint(id) {
        Some(mut checkpoint) if checkpoint.plan.owner == Owner::Upload => {
            checkpoint.whole = true;
            parts.keep(id, checkpoint)?;
            remove_if_there(&parts.bytes(id))
        }
        _ => parts.remove(id),
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let done = match (&self.old, self.undo) {
            (_, true) => self.take_away(),
            (Some(old), false) => fs::remove_file(old),
            (None, false) => return,
        };
        let folder = self.path.parent().map(File::open);
        let synced = done.and_then(|()| folder.map_or(Ok(()), |folder| folder?.sync_all()));
        if let Err(error) = synced {
            tracing::error!(%error, undo = self.undo, "cannot tidy up after a file was named");
        }
    }
}
