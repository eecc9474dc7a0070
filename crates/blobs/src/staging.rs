//! The staging file of an upload, which has the bytes until they are published, and its fate on drop.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::checkpoint::{Checkpoint, CompleteFile};
use super::error::StoreError;
use super::hashers::Hashers;
use super::publish::Rollback;
use super::store::Store;
use super::unfinished_files::UnfinishedFiles;
use model::unfinished_file::UnfinishedFileId;

/// A staging file.
#[derive(Debug)]
pub(super) enum Staging {
    /// Removed on drop.
    Plain(Temporary),
    /// Kept on drop, for a resume.
    Resumable(Box<Resumable>),
}

/// A staging file that is removed on drop unless it was published.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    is_published: bool,
}

/// The staging file and the checkpoint of an unfinished file.
#[derive(Debug)]
pub(super) struct Resumable {
    id: UnfinishedFileId,
    files: UnfinishedFiles,
    path: PathBuf,
    pub(super) checkpoint: Checkpoint,
    /// When the checkpoint was last written.
    pub(super) saved: Instant,
}

impl Staging {
    pub(super) fn plain(store: &Store) -> Result<(File, Self), StoreError> {
        let path = store.incoming().join(format!("{}.part", UnfinishedFileId::random()));
        Ok((create(store, &path)?, Self::Plain(Temporary { path, is_published: false })))
    }

    pub(super) fn unfinished(
        store: &Store,
        id: &UnfinishedFileId,
        checkpoint: Checkpoint,
    ) -> Result<(File, Self), StoreError> {
        let resumable = Resumable::of(store, id, checkpoint);
        Ok((create(store, &resumable.path)?, Self::Resumable(Box::new(resumable))))
    }

    pub(super) fn resumed(
        store: &Store,
        id: &UnfinishedFileId,
        checkpoint: Checkpoint,
    ) -> Result<(File, Self), StoreError> {
        let resumable = Resumable::of(store, id, checkpoint);
        let file = OpenOptions::new().read(true).write(true).open(&resumable.path);
        Ok((file.map_err(|source| store.io("open a file", source))?, Self::Resumable(Box::new(resumable))))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Plain(temporary) => &temporary.path,
            Self::Resumable(resumable) => &resumable.path,
        }
    }

    /// Records the complete file before it is published. After a crash in between no byte is read again.
    pub(super) fn prepare(
        &mut self,
        store: &Store,
        size: u64,
        hashers: &Hashers,
        complete: CompleteFile,
    ) -> Result<Rollback, StoreError> {
        let Self::Resumable(resumable) = self else { return Ok(Rollback::Nothing) };
        resumable.checkpoint.advance(size, hashers);
        resumable.checkpoint.complete = Some(complete);
        resumable.save(store)?;
        Ok(Rollback::Unfinished(resumable.id.clone(), resumable.files.clone()))
    }

    /// The file is published, so a drop removes nothing.
    pub(super) fn set_published(&mut self) {
        if let Self::Plain(temporary) = self {
            temporary.is_published = true;
        }
    }

    /// Removes the staging file and its checkpoint.
    pub(super) fn discard(self, store: &Store) {
        if let Self::Resumable(resumable) = self
            && let Err(error) = resumable.files.remove(&resumable.id)
        {
            tracing::warn!(id = %resumable.id, kind = %store.kind, %error, "an unfinished file stays behind");
        }
    }
}

impl Resumable {
    fn of(store: &Store, id: &UnfinishedFileId, checkpoint: Checkpoint) -> Self {
        let files = store.unfinished.clone();
        Self { id: id.clone(), path: files.bytes(id), files, checkpoint, saved: Instant::now() }
    }

    /// Writes the checkpoint.
    pub(super) fn save(&mut self, store: &Store) -> Result<(), StoreError> {
        self.files
            .save(&self.id, self.checkpoint.clone())
            .map_err(|source| store.io("write a checkpoint", source))?;
        self.saved = Instant::now();
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_published
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, "an unfinished upload stays behind until the next start");
        }
    }
}

fn create(store: &Store, path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(path);
    file.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => StoreError::UnfinishedFileExists,
        _ => store.io("make a file", source),
    })
}
