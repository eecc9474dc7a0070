//! The checkpoint of an unfinished file, beside its bytes. It is replaced in one step, so it is always
//! complete.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::hashers::{DigestState, Hashers};
use model::digest::Sha256;
use model::identity::Identity;
use model::unfinished_file::Plan;

/// The format of a checkpoint. Files with another format are not resumed.
const FORMAT: u32 = 1;

/// The longest checkpoint. It has some hundred bytes and the data of the owner.
const MAX_BYTES: u64 = 256 << 10;

/// The state of an unfinished file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    format: u32,
    /// The file that it is to become.
    pub(super) plan: Plan,
    /// Bytes that are on disk.
    pub(super) offset: u64,
    /// The state of their digests.
    hashers: DigestState,
    pub(super) created: Timestamp,
    /// When it last grew.
    pub(super) touched: Timestamp,
    /// The complete file, once it is about to be published.
    #[serde(rename = "arrived")]
    pub(super) complete: Option<CompleteFile>,
    /// Whether the file is published and its staging file is removed.
    #[serde(rename = "whole")]
    pub(super) is_published: bool,
}

/// A complete file.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct CompleteFile {
    pub(super) identity: Identity,
    pub(super) sha256: Sha256,
}

impl Checkpoint {
    /// The checkpoint of a file without bytes.
    pub(super) fn new(plan: Plan) -> Self {
        let now = Timestamp::now();
        let hashers = Hashers::new(&plan.expected).state();
        Self {
            format: FORMAT,
            plan,
            offset: 0,
            hashers,
            created: now,
            touched: now,
            complete: None,
            is_published: false,
        }
    }

    /// Forgets all bytes.
    pub(super) fn begin_again(&mut self) {
        (self.offset, self.hashers) = (0, Hashers::new(&self.plan.expected).state());
    }

    /// Records that `offset` bytes are on disk. A file that still has none does not become younger.
    pub(super) fn advance(&mut self, offset: u64, hashers: &Hashers) {
        if self.offset > 0 || offset > 0 {
            self.touched = Timestamp::now();
        }
        (self.offset, self.hashers) = (offset, hashers.state());
    }

    /// The digests at its offset; `None` if they are not understood.
    pub(super) fn hashers(&self) -> Option<Hashers> {
        self.hashers.restore(&self.plan.expected)
    }

    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
        let checkpoint: Self = serde_json::from_slice(&bytes)?;
        if checkpoint.format == FORMAT {
            Ok(checkpoint)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "another version wrote it"))
        }
    }

    /// Whether this error means that the checkpoint is unusable, rather than unreadable for the moment.
    pub(super) fn is_lost(error: &io::Error) -> bool {
        use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
        matches!(error.kind(), NotFound | InvalidData | UnexpectedEof)
    }

    /// Replaces the checkpoint at `path`, and syncs it.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(self)?;
        if bytes.len() as u64 >= MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it has become too long"));
        }
        let fresh = path.with_extension("new");
        let written = File::create(&fresh)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&fresh, path));
        if written.is_err() {
            // Returns its space to a full disk; if this fails too, the next start removes the file.
            let _ = fs::remove_file(&fresh);
        }
        written
    }
}
