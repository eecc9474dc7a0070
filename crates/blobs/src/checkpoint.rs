//! What is written down of a part beside its bytes. It is replaced as a whole, so there is always one, and always a true one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::hashers::{DigestState, Hashers};
use model::digest::Sha256;
use model::identity::Identity;
use model::unfinished_file::Plan;

/// How notes are written. What another version wrote is not taken up.
const FORMAT: u32 = 1;

/// A note is some hundred bytes and what the owner wants to find again.
const MAX_BYTES: u64 = 256 << 10;

/// All that is known of a part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    format: u32,
    /// What it is to become.
    pub(super) plan: Plan,
    /// So many bytes are on disk for certain.
    pub(super) offset: u64,
    /// The digests of these.
    hashers: DigestState,
    pub(super) created: Timestamp,
    /// When it last grew.
    pub(super) touched: Timestamp,
    /// What the whole file is, once it is about to get its name.
    pub(super) arrived: Option<Arrived>,
    /// Whether it has its name and nobody needs the bytes under this one any more.
    pub(super) whole: bool,
}

/// What a whole file is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Arrived {
    pub(super) identity: Identity,
    pub(super) sha256: Sha256,
}

impl Checkpoint {
    /// Of a part without bytes.
    pub(super) fn new(plan: Plan) -> Self {
        let now = Timestamp::now();
        let hashers = Hashers::new(&plan.expected).keep();
        Self {
            format: FORMAT,
            plan,
            offset: 0,
            hashers,
            created: now,
            touched: now,
            arrived: None,
            whole: false,
        }
    }

    /// Forgets all bytes.
    pub(super) fn begin_again(&mut self) {
        (self.offset, self.hashers) = (0, Hashers::new(&self.plan.expected).keep());
    }

    /// Notes that so many bytes are on disk.
    pub(super) fn reach(&mut self, offset: u64, hashers: &Hashers) {
        (self.offset, self.hashers, self.touched) = (offset, hashers.keep(), Timestamp::now());
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

    /// Whether the note that led to this error will never be of use. Otherwise it could only not be read just now.
    pub(super) fn is_lost(error: &io::Error) -> bool {
        use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
        matches!(error.kind(), NotFound | InvalidData | UnexpectedEof)
    }

    /// Replaces the note at `path`, on disk for certain.
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
            // Gives its space back to a full disk; if this fails too, the next start does it.
            let _ = fs::remove_file(&fresh);
        }
        written
    }
}
