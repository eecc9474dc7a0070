//! Files that a store receives: begun, resumed and discarded.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

use super::checkpoint::Checkpoint;
use super::error::{MAX_UNFINISHED_FILES, StoreError};
use super::publish::Published;
use super::store::Store;
use super::upload::{Received, Upload};
use model::client::ClientKey;
use model::digest::Expected;
use model::fair_limit::share_of;
use model::identity::Identity;
use model::names::FileName;
use model::unfinished_file::{Plan, UnfinishedFile, UnfinishedFileId};

/// An unfinished file as a resume finds it.
#[derive(Debug)]
pub enum Resumed {
    /// It lacks bytes, or at least its name.
    Unfinished(Box<Upload>),
    /// It had its name already when the program ended.
    Published(Received),
}

impl Store {
    /// Begins to receive a file of the announced `size` from `client`. A file that does not have the
    /// `expected` digests is never published.
    ///
    /// # Errors
    ///
    /// The file does not fit, or its name belongs to something else than a file.
    pub fn receive(
        &self,
        client: Option<ClientKey>,
        name: FileName,
        size: Option<u64>,
        expected: Expected,
    ) -> Result<Upload, StoreError> {
        self.check_name(&name)?;
        let promise = self.promise(client, size)?;
        Upload::plain(self, promise, name, expected)
    }

    /// Begins an unfinished file, which stays until its owner resumes it, even after a crash.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive); or the id exists, or the store has too many unfinished files.
    pub fn begin_unfinished(&self, id: &UnfinishedFileId, plan: Plan) -> Result<Upload, StoreError> {
        if self.unfinished.checkpoint(id).is_some() {
            return Err(StoreError::UnfinishedFileExists);
        }
        let (all, from_client) = self.unfinished.count(plan.client);
        if plan.client.is_some() && from_client as u64 >= share_of(MAX_UNFINISHED_FILES as u64) {
            return Err(StoreError::ClientHasUnfinishedFiles(self.kind));
        }
        if all >= MAX_UNFINISHED_FILES {
            return Err(StoreError::TooManyUnfinishedFiles(self.kind));
        }
        self.check_name(&plan.name)?;
        let promise = self.promise(plan.client, plan.size)?;
        Upload::unfinished(self, promise, id, Checkpoint::new(plan))
    }

    /// Resumes an unfinished file. Callers hold a lock on its id.
    ///
    /// # Errors
    ///
    /// There is no such file, or the disk fails.
    pub fn resume_unfinished(&self, id: &UnfinishedFileId) -> Result<Resumed, StoreError> {
        let checkpoint = self
            .unfinished
            .checkpoint(id)
            .filter(|checkpoint| !checkpoint.is_published)
            .ok_or(StoreError::NoSuchUnfinishedFile)?;
        if let Some(received) = self.published(&checkpoint) {
            return Ok(Resumed::Published(received));
        }
        if fs::exists(self.unfinished.bytes(id)).map_err(|source| self.io("look at a file", source))? {
            let promise = self.unfinished.promised(id).unwrap_or_else(|| {
                // The file was published, and that was undone.
                let plan = &checkpoint.plan;
                let promise = self.promise_again(plan.client, plan.size, (checkpoint.offset, 0));
                self.unfinished.set_promise(id, &promise);
                promise
            });
            let checkpoint = self
                .unfinished
                .unshare(id, checkpoint)
                .map_err(|source| self.io("look at a file", source))?;
            return Ok(Resumed::Unfinished(Box::new(Upload::resumed(self, promise, id, checkpoint)?)));
        }
        // The published file was removed or replaced meanwhile.
        self.discard_unfinished(id)?;
        Err(StoreError::NoSuchUnfinishedFile)
    }

    /// The published file of this checkpoint, if it has its name already.
    fn published(&self, checkpoint: &Checkpoint) -> Option<Received> {
        let (complete, name) = (checkpoint.complete?, &checkpoint.plan.name);
        let found = fs::symlink_metadata(self.path(name)).ok().filter(Metadata::is_file)?;
        let identity = Identity::of(&found);
        if !identity.same_version(&complete.identity) {
            return None;
        }
        let shared = found.nlink() > 1;
        Some(Received { name: name.clone(), identity, sha256: complete.sha256, shared })
    }

    /// The publication of an unfinished file that already had its name when the program ended.
    pub fn published_earlier(&self, id: &UnfinishedFileId, name: &FileName) -> Published {
        Published::earlier(self, name, id.clone())
    }

    /// All unfinished files, and uploads that became complete lately.
    pub fn unfinished_files(&self) -> Vec<UnfinishedFile> {
        self.unfinished.list()
    }

    /// Removes an unfinished file that is not in use. A published file keeps its name.
    ///
    /// # Errors
    ///
    /// There is no such file, or the disk fails.
    pub fn discard_unfinished(&self, id: &UnfinishedFileId) -> Result<(), StoreError> {
        self.unfinished.checkpoint(id).ok_or(StoreError::NoSuchUnfinishedFile)?;
        self.unfinished.remove(id).map_err(|source| self.io("remove a file", source))
    }
}
