//! Where the bytes of an upload are until it has its name, and what becomes of them when it is let go.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::checkpoint::{Arrived, Checkpoint};
use super::hashers::Hashers;
use super::parts::Parts;
use super::publish::Rollback;
use super::{Store, StoreError};
use model::unfinished_file::UnfinishedFileId;

/// The place of an upload's bytes.
#[derive(Debug)]
pub(super) enum Staging {
    /// Nobody goes on with them.
    Plain(Temporary),
    /// They stay.
    Part(Box<Resumable>),
}

/// The unfinished file, removed when it is let go before it got its name.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    named: bool,
}

/// A part, and what is noted of it.
#[derive(Debug)]
pub(super) struct Resumable {
    id: UnfinishedFileId,
    parts: Parts,
    path: PathBuf,
    pub(super) checkpoint: Checkpoint,
    /// When it was noted last.
    pub(super) saved: Instant,
}

impl Staging {
    pub(super) fn plain(store: &Store) -> Result<(File, Self), StoreError> {
        let path = store.incoming().join(format!("{}.part", UnfinishedFileId::random()));
        Ok((create(store, &path)?, Self::Plain(Temporary { path, named: false })))
    }

    pub(super) fn part(
        store: &Store,
        id: &UnfinishedFileId,
        checkpoint: Checkpoint,
    ) -> Result<(File, Self), StoreError> {
        let kept = Resumable::of(store, id, checkpoint);
        Ok((create(store, &kept.path)?, Self::Part(Box::new(kept))))
    }

    pub(super) fn resumed(
        store: &Store,
        id: &UnfinishedFileId,
        checkpoint: Checkpoint,
    ) -> Result<(File, Self), StoreError> {
        let kept = Resumable::of(store, id, checkpoint);
        let file = OpenOptions::new().read(true).write(true).open(&kept.path);
        Ok((file.map_err(|source| store.io("open a file", source))?, Self::Part(Box::new(kept))))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Plain(temporary) => &temporary.path,
            Self::Part(kept) => &kept.path,
        }
    }

    /// Notes what the whole file is, which is about to get its name. After a crash between the two nobody needs to read it again.
    pub(super) fn arrive(
        &mut self,
        store: &Store,
        size: u64,
        hashers: &Hashers,
        arrived: Arrived,
    ) -> Result<Rollback, StoreError> {
        let Self::Part(kept) = self else { return Ok(Rollback::Nothing) };
        kept.checkpoint.reach(size, hashers);
        kept.checkpoint.arrived = Some(arrived);
        kept.keep(store)?;
        kept.parts.sync().map_err(|source| store.io("sync the folder", source))?;
        Ok(Rollback::Part(kept.id.clone(), kept.parts.clone()))
    }

    /// The file has its name: there is nothing to remove any more.
    pub(super) fn leave(&mut self) {
        if let Self::Plain(temporary) = self {
            temporary.named = true;
        }
    }

    /// Removes what there is.
    pub(super) fn discard(self, store: &Store) {
        if let Self::Part(kept) = self
            && let Err(error) = kept.parts.remove(&kept.id)
        {
            tracing::warn!(id = %kept.id, kind = %store.kind, %error, "an unfinished file stays behind");
        }
    }
}

impl Resumable {
    fn of(store: &Store, id: &UnfinishedFileId, checkpoint: Checkpoint) -> Self {
        let parts = store.parts.clone();
        Self { id: id.clone(), path: parts.bytes(id), parts, checkpoint, saved: Instant::now() }
    }

    /// Writes the note down.
    pub(super) fn keep(&mut self, store: &Store) -> Result<(), StoreError> {
        self.parts
            .keep(&self.id, self.checkpoint.clone())
            .map_err(|source| store.io("write a checkpoint", source))?;
        self.saved = Instant::now();
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.named
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, "an unfinished upload stays behind until the next start");
        }
    }
}

fn create(store: &Store, path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(path);
    file.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => StoreError::PartExists,
        _ => store.io("make a file", source),
    })
}
