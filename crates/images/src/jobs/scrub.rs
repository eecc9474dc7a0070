//! The scrub: stored files that were not verified for long are read again, slowly, and compared with their
//! digests. A file that has rotted is marked, never deleted.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::jobs::{Jobs, Outcome, Work, low_priority};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::environment::{Context, Environment};
use super::failure::failed;
use crate::trees::FileError;
use crate::{Catalog, CatalogError, Recorded};
use blobs::{Way, Whole, read_whole};
use model::digest::Expected;
use model::identity::Identity;
use model::names::FileName;
use model::stored_file::{Damage, FileRecord, StoreKind};

/// The longest time until an unreadable file is tried again: a cable may be back in place, or a file server
/// running again.
const RECHECK: Duration = Duration::from_secs(15 * 60);

/// Checks for due files within one interval. The pause between two is within the bounds below.
const CHECKS: u32 = 4;
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// How often a reader that waits for its rate checks whether it is to stop.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// How often the progress of a reader is measured.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// A file that is to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Due {
    kind: StoreKind,
    name: FileName,
    size: u64,
    /// When its bytes were last verified; `None` comes first.
    verified: Option<Timestamp>,
}

/// The result of reading a file.
#[derive(Debug)]
enum Verdict {
    /// The file has its digest.
    Good,
    /// It has another digest, or the disk cannot read it.
    Damaged(Damage),
    /// It is gone, or a program writes to it.
    Changed,
    /// The job was stopped.
    Stopped,
}

/// Reads all stored files that are due.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scrub {}

impl Work for Scrub {
    const KIND: &'static str = "scrub";
    /// Slow readers have a queue of their own, so that they do not hold up digests that a client waits for.
    const QUEUE: &'static str = "scrubs";
    const DURABLE: bool = false;
    type Environment = Environment;

    /// Reads one file after the other.
    async fn attempt(&mut self, context: &Context<'_>) -> Outcome {
        let (catalog, settings) = (&context.environment.catalog, &context.environment.settings);
        let due = match context.unless_stopped(due(catalog, *settings.scrub_interval.get())).await {
            Ok(Ok(due)) => due,
            Ok(Err(error)) => return failed(error),
            Err(stopped) => return stopped,
        };
        context.begin(0, Some(due.iter().map(|due| due.size).sum()));
        let mut done = 0;
        for Due { kind, name, size, .. } in due {
            let reach = |read: u64| context.reach(done + read.min(size));
            let verdict =
                verify_file(catalog, (kind, &name), *settings.scrub_rate.get(), context.stop(), reach);
            match verdict.await {
                Ok(Verdict::Good | Verdict::Changed) => {}
                Ok(Verdict::Damaged(damage)) => {
                    context.note(format!("the {kind} {name} is damaged: {damage}"));
                }
                Ok(Verdict::Stopped) => return Outcome::Stopped,
                Err(error) => {
                    tracing::warn!(%kind, %name, %error, "a file cannot be verified");
                    context.note(format!("the {kind} {name} could not be verified"));
                }
            }
            done += size;
            context.reach(done);
        }
        Outcome::Done
    }
}

/// Begins a scrub whenever a file is due, until `stop`.
pub(super) async fn run_when_due(environment: Arc<Environment>, jobs: Jobs, stop: CancellationToken) {
    let setting = &environment.settings.scrub_interval;
    loop {
        let interval = setting.get();
        let pause = (*interval / CHECKS).clamp(MIN_PAUSE, MAX_PAUSE);
        tokio::select! {
            () = tokio::time::sleep(pause), if !interval.is_zero() => {}
            () = setting.changed(&interval) => continue,
            () = stop.cancelled() => return,
        }
        match due(&environment.catalog, *interval).await {
            Ok(due) if due.is_empty() => {}
            Ok(_) => drop(jobs.begin(Scrub {}.job("reading what was not verified for long"))),
            Err(error) => tracing::warn!(%error, "the stores cannot be listed for the scrub"),
        }
    }
}

/// The files that were not verified for `interval`, the one with the oldest verification first.
async fn due(catalog: &Catalog, interval: Duration) -> Result<Vec<Due>, CatalogError> {
    let now = Timestamp::now();
    let mut due = Vec::new();
    for kind in [StoreKind::Iso, StoreKind::Microkernel] {
        let listed = catalog.files.list(kind).await?;
        let snapshot = catalog.snapshot();
        due.extend(listed.into_iter().filter_map(|listed| {
            let record = snapshot.file(kind, &listed.file.name)?;
            let is_due = is_due(record, &listed.file.identity, interval, now);
            let (name, size, verified) = (listed.file.name, listed.file.identity.size, listed.file.verified);
            is_due.then_some(Due { kind, name, size, verified })
        }));
    }
    due.sort_by_key(|due| due.verified);
    Ok(due)
}

/// Whether a file is due, of which the version `found` is on disk. If another version is on record, another
/// job computes its digest anew.
fn is_due(record: &FileRecord, found: &Identity, interval: Duration, now: Timestamp) -> bool {
    if !record.identity.same_version(found) {
        return false;
    }
    let interval = match &record.damage {
        Some(Damage::Unreadable { .. }) => interval.min(RECHECK),
        _ => interval,
    };
    let interval = SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX);
    let looked_at = record.damage.as_ref().map(Damage::noticed).or(record.verified);
    match looked_at {
        // A wrong clock recorded a time in the future.
        Some(time) => time > now || now.duration_since(time) >= interval,
        // A file without a digest waits for its digest job.
        None => record.sha256.is_some(),
    }
}

/// Reads a file, at most `rate` bytes a second (0 is no limit), and records the verdict. `progress` gets the
/// number of bytes read.
///
/// A suspect file is read twice, because memory fails as well.
async fn verify_file(
    catalog: &Catalog,
    (kind, name): (StoreKind, &FileName),
    rate: u64,
    stop: &CancellationToken,
    mut progress: impl FnMut(u64),
) -> Result<Verdict, CatalogError> {
    let (file, identity, recorded) = match catalog.verifier.open_to_verify(kind, name.clone()).await {
        Err(CatalogError::NoSuchFile { .. } | CatalogError::Local(FileError::NotFound)) => {
            return Ok(Verdict::Changed);
        }
        opened => opened?,
    };
    let file = Arc::new(file);
    let mut read = read_idly(&file, rate, stop, &mut progress).await;
    let is_suspect = match &read {
        Ok(Some(whole)) => recorded.is_some_and(|recorded| recorded != whole.digests.sha256),
        Ok(None) => false,
        Err(_) => true,
    };
    if is_suspect {
        read = read_idly(&file, rate, stop, &mut progress).await;
    }
    let recorded = match read {
        Ok(None) => return Ok(Verdict::Stopped),
        Ok(Some(whole)) if whole.identity != identity => return Ok(Verdict::Changed),
        Ok(Some(whole)) => {
            catalog.verifier.record_digest(kind, name.clone(), identity, whole.digests.sha256).await?
        }
        // Any other error says nothing about the file.
        Err(error) if !is_loss(&error) => {
            tracing::warn!(%kind, %name, %error, "a file cannot be verified now");
            return Ok(Verdict::Changed);
        }
        Err(error) => catalog.verifier.record_unreadable(kind, name.clone(), identity, &error).await?,
    };
    Ok(match recorded {
        Recorded::Good => Verdict::Good,
        Recorded::Damaged(damage) => Verdict::Damaged(damage),
        Recorded::Outdated => Verdict::Changed,
    })
}

/// Whether the disk has lost the bytes, or returns others than were written.
fn is_loss(error: &io::Error) -> bool {
    use rustix::io::Errno;

    let told = error.raw_os_error().map(Errno::from_raw_os_error);
    told.is_some_and(|errno| [Errno::IO, Errno::UCLEAN, Errno::BADMSG, Errno::NODATA].contains(&errno))
}

/// Reads a file on a thread of low priority. There is one such thread at most, so a disk that hangs holds no
/// more than one.
async fn read_idly(
    file: &Arc<File>,
    rate: u64,
    stop: &CancellationToken,
    progress: &mut impl FnMut(u64),
) -> io::Result<Option<Whole>> {
    static READERS: Semaphore = Semaphore::const_new(1);
    let turn = tokio::select! {
        turn = READERS.acquire() => turn.map_err(io::Error::other)?,
        () = stop.cancelled() => return Ok(None),
    };
    let (file, done) = (Arc::clone(file), Arc::new(AtomicU64::new(0)));
    let (told, stopped) = (Arc::clone(&done), stop.clone());
    let mut whole = low_priority::spawn("scrub", move || {
        let _turn = turn;
        let mut pace = ReadRate::new(rate);
        read_whole(&file, &Expected::default(), Way::Disk, |read| {
            told.store(read, Ordering::Relaxed);
            pace.keep(read, &stopped)
        })
    })?;
    loop {
        tokio::select! {
            whole = &mut whole => return whole.unwrap_or(Ok(None)),
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(PROGRESS_INTERVAL) => progress(done.load(Ordering::Relaxed)),
        }
    }
}

/// Limits a reader to a rate. A reader that was slower does not catch up.
struct ReadRate {
    rate: u64,
    read: u64,
    since: Instant,
}

impl ReadRate {
    fn new(rate: u64) -> Self {
        Self { rate, read: 0, since: Instant::now() }
    }

    /// Waits until `read` bytes may have been read; `false` if the reader is to stop.
    fn keep(&mut self, read: u64, stop: &CancellationToken) -> bool {
        let wait = pause(read - self.read, self.rate);
        let until = self.since + wait;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            if stop.is_cancelled() {
                return false;
            }
            std::thread::sleep(left.min(STOP_CHECK));
        }
        (self.read, self.since) = (read, Instant::now());
        !stop.is_cancelled()
    }
}

/// How long `bytes` take at `rate` bytes a second; 0 is no limit.
fn pause(bytes: u64, rate: u64) -> Duration {
    let nanoseconds = (u128::from(bytes) * 1_000_000_000).checked_div(u128::from(rate)).unwrap_or(0);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::digest::Sha256;
    use model::stored_file::Origin;

    const DAY: i64 = 86_400;

    fn record(verified: Option<i64>, damage: Option<Damage>) -> FileRecord {
        let identity = Identity { device: 1, inode: 2, size: 3, seconds: 4, nanoseconds: 5 };
        let name = FileName::new("a").expect("a name");
        let mut record = FileRecord::new(StoreKind::Iso, name, identity, Origin::Upload);
        record.sha256 = Some(Sha256([7; 32]));
        record.verified = verified.map(at);
        record.damage = damage;
        record
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    #[test]
    fn files_are_due_when_nobody_has_looked_for_long() {
        let digest = Sha256([1; 32]);
        let rotten = |noticed| Some(Damage::Rotten { found: digest, recorded: digest, noticed: at(noticed) });
        let unreadable = |noticed| Some(Damage::Unreadable { error: String::new(), noticed: at(noticed) });
        let now = 1000 * DAY;
        for (what, verified, damage, expected) in [
            ("never", None, None, true),
            ("long ago", Some(now - 31 * DAY), None, true),
            ("just the interval ago", Some(now - 30 * DAY), None, true),
            ("lately", Some(now - 29 * DAY), None, false),
            ("now", Some(now), None, false),
            ("a clock that was wrong", Some(now + 1), None, true),
            ("known to be bad", Some(now - 90 * DAY), rotten(now - 29 * DAY), false),
            ("bad for long", Some(now - 90 * DAY), rotten(now - 30 * DAY), true),
            ("not readable a moment ago", None, unreadable(now - 60), false),
            ("not readable a while ago", Some(now - DAY), unreadable(now - 15 * 60), true),
        ] {
            let record = record(verified, damage);
            let interval = Duration::from_secs(30 * DAY.unsigned_abs());
            assert_eq!(is_due(&record, &record.identity, interval, at(now)), expected, "{what}");
            let other = Identity { seconds: 9, ..record.identity };
            assert!(!is_due(&record, &other, interval, at(now)), "{what}, but it is another file");
        }
        let mut unknown = record(None, None);
        unknown.sha256 = None;
        assert!(!is_due(&unknown, &unknown.identity, RECHECK, at(now)), "its digest is being computed");
    }

    #[test]
    fn a_rate_is_a_time_for_each_byte() {
        assert_eq!(pause(256 << 10, 64 << 10), Duration::from_secs(4));
        assert_eq!(pause(1, 0), Duration::ZERO);
        assert_eq!(pause(u64::MAX, 1), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn a_reader_that_waits_hears_that_it_is_to_stop() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(!ReadRate::new(1).keep(u64::MAX, &stop));
    }
}
