//! Keeps a replaced file until the new one has its record, so that a crash in between can be undone.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use sha2::Digest;

use super::store::Store;
use super::unfinished_files::REPLACED;
use model::digest::Sha256;
use model::identity::Identity;
use model::names::FileName;

impl Store {
    /// The path of the replaced file of this name. It has the digest of the name, which may be too long for
    /// an extension.
    pub(super) fn replaced(&self, name: &FileName) -> PathBuf {
        let digest = Sha256(sha2::Sha256::digest(name.as_str().as_bytes()).into());
        self.incoming().join(format!("{digest}.{REPLACED}"))
    }

    /// Recovers from a crash: a replaced file comes back if the record is of it and not of the new file. All
    /// others are removed.
    pub fn recover_replaced<'a>(&self, recorded: impl Iterator<Item = (&'a FileName, &'a Identity)>) {
        for (name, identity) in recorded {
            let is_recorded = |path: PathBuf| {
                fs::symlink_metadata(path).is_ok_and(|file| Identity::of(&file).same_version(identity))
            };
            let replaced = self.replaced(name);
            if is_recorded(replaced.clone()) && !is_recorded(self.path(name)) {
                let back = fs::rename(&replaced, self.path(name));
                tracing::warn!(kind = %self.kind, %name, ?back, "an older file comes back: the new one has no record");
            }
        }
        let left = fs::read_dir(self.incoming()).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in left.filter(|path| path.extension() == Some(OsStr::new(REPLACED))) {
            if let Err(error) = fs::remove_file(path) {
                tracing::warn!(kind = %self.kind, %error, "a replaced file stays behind");
            }
        }
        if let Err(error) = self.sync() {
            tracing::warn!(%error, "the recovery of replaced files may not be on disk");
        }
    }
}
