//! The thread that writes the audit trail. Entries that come at the same time are synced together.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::entry::{Entry, Recorded};
use super::file::{Tail, TrailFile, hash, line};

/// Entries that wait to be written.
const QUEUE: usize = 1024;

/// Entries that are synced together.
const BATCH: usize = 256;

/// Records entries. Clones write to the same file.
#[derive(Debug, Clone)]
pub struct Audit {
    path: Arc<Path>,
    queue: mpsc::Sender<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    entry: Entry,
    done: oneshot::Sender<Result<u64, Arc<io::Error>>>,
}

/// The audit trail cannot be opened or written. What would change something is refused then.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be opened.
    #[error("cannot open the audit trail {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An entry cannot be written.
    #[error("cannot write the audit trail: {0}")]
    Write(Arc<io::Error>),
    /// The program is ending.
    #[error("the audit trail is closed")]
    Closed,
}

impl Audit {
    /// Opens the trail in the file `path`, which only its owner may read, and starts its thread.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or its last line is no entry.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let open = |source| AuditError::Open { path: path.to_owned(), source };
        let file = TrailFile::open(path).map_err(open)?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        thread::Builder::new().name("audit".into()).spawn(move || work(file, waiting)).map_err(open)?;
        Ok(Self { path: path.into(), queue })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records an entry, and returns its number when it is on disk.
    ///
    /// # Errors
    ///
    /// The entry is not on disk.
    pub async fn record(&self, entry: Entry) -> Result<u64, AuditError> {
        let (done, recorded) = oneshot::channel();
        self.queue.send(Waiting { entry, done }).await.map_err(|_| AuditError::Closed)?;
        recorded.await.map_err(|_| AuditError::Closed)?.map_err(AuditError::Write)
    }
}

fn work(mut file: TrailFile, mut queue: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let (lines, tail) = lines(&batch, file.tail());
        let first = file.tail().id + 1;
        let written = file.append(&lines, tail).map_err(Arc::new);
        for (id, waiting) in (first..).zip(batch.drain(..)) {
            // A request that is gone does not wait.
            let _ = waiting.done.send(written.clone().map(|()| id));
        }
    }
}

/// The lines of some entries, and the end of the trail after them.
fn lines(batch: &[Waiting], tail: &Tail) -> (Vec<u8>, Tail) {
    let (mut lines, mut tail, time) = (Vec::new(), tail.clone(), Timestamp::now());
    for waiting in batch {
        let entry = Recorded::new(&waiting.entry, time, tail.id + 1, tail.hash.clone());
        let line = line(&entry);
        tail = Tail { id: entry.id, hash: hash(line.as_bytes()) };
        lines.extend_from_slice(line.as_bytes());
    }
    (lines, tail)
}
