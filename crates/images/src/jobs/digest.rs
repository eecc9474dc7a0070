//! The digests of files that did not arrive through this program. Each file is read once. Small files share a
//! job, for thousands may be copied into a store at once.

use std::collections::BTreeMap;

use ::jobs::{Outcome, Work};
use serde::{Deserialize, Serialize};

use super::environment::{Context, Environment};
use super::failure::{Failure, failed};
use crate::Recorded;
use blobs::{Way, read_whole};
use model::digest::Expected;
use model::names::FileName;
use model::stored_file::StoreKind;

/// Files that share a job at most.
const MAX_FILES: usize = 1000;

/// Bytes of files that share a job. A larger file has a job of its own, whose progress is that of the file.
const MAX_SHARED_BYTES: u64 = 64 << 20;

/// Computes the digests of stored files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Digest {
    /// The store.
    #[serde(rename = "shelf")]
    pub kind: StoreKind,
    /// The names of the files there, at least one.
    pub names: Vec<FileName>,
    /// The bytes of all files, when the digests were asked for.
    bytes: u64,
}

/// Why a digest was not recorded.
enum Unrecorded {
    /// The job was stopped.
    Stopped,
    /// This file has no digest now.
    Failed(Failure),
}

impl Digest {
    /// The work for these files, of the sizes that are told, in as few jobs as the limits allow.
    pub(super) fn jobs(files: BTreeMap<(StoreKind, FileName), u64>) -> Vec<Self> {
        let mut jobs: Vec<Self> = Vec::new();
        for ((kind, name), size) in files {
            match jobs.last_mut() {
                Some(last) if last.has_space_for(kind, size) => {
                    last.names.push(name);
                    last.bytes += size;
                }
                _ => jobs.push(Self { kind, names: vec![name], bytes: size }),
            }
        }
        jobs
    }

    fn has_space_for(&self, kind: StoreKind, size: u64) -> bool {
        self.kind == kind
            && self.names.len() < MAX_FILES
            && self.bytes.saturating_add(size) <= MAX_SHARED_BYTES
    }

    /// The file of a job that has only one.
    pub fn only_file(&self) -> Option<(StoreKind, &FileName)> {
        match self.names.as_slice() {
            [name] => Some((self.kind, name)),
            _ => None,
        }
    }

    /// What the job does, for people.
    pub(super) fn title(&self) -> String {
        match self.only_file() {
            Some((kind, name)) => format!("the digest of the {kind} {name}"),
            None => format!("the digests of {} files of the {} store", self.names.len(), self.kind),
        }
    }

    /// Computes and records the digest of one file, unless it is known by now. Returns the file's size.
    async fn digest(&self, context: &Context<'_>, name: &FileName, done: u64) -> Result<u64, Unrecorded> {
        let (kind, verifier) = (self.kind, &context.environment.catalog.verifier);
        let opened = verifier.open_for_digest(kind, name.clone()).await.map_err(Unrecorded::failed)?;
        let Some((file, identity)) = opened else { return Ok(0) };
        if self.only_file().is_some() {
            context.begin(0, Some(identity.size));
        }
        let stop = context.stop().clone();
        let read = tokio::task::spawn_blocking(move || {
            read_whole(&file, &Expected::default(), Way::Cache, |_| !stop.is_cancelled())
        });
        let recorded = match context.unless_stopped(read).await {
            Ok(Ok(Ok(Some(whole)))) if whole.identity == identity => {
                let sha256 = whole.digests.sha256;
                tracing::info!(%kind, %name, %sha256, "digested a file");
                verifier.record_digest(kind, name.clone(), identity, sha256).await
            }
            Ok(Ok(Ok(Some(_)))) => return Err(Unrecorded::changed()),
            Ok(Ok(Err(error))) => verifier.record_unreadable(kind, name.clone(), identity, &error).await,
            Ok(Ok(Ok(None)) | Err(_)) | Err(_) => return Err(Unrecorded::Stopped),
        };
        match recorded.map_err(Unrecorded::failed)? {
            Recorded::Good => {
                context.reach(done + identity.size);
                Ok(identity.size)
            }
            Recorded::Damaged(damage) => Err(Unrecorded::failed(Failure::Storage(damage.to_string()))),
            Recorded::Outdated => Err(Unrecorded::changed()),
        }
    }
}

impl Unrecorded {
    fn failed(failure: impl Into<Failure>) -> Self {
        Self::Failed(failure.into())
    }

    fn changed() -> Self {
        Self::failed(Failure::Conflict("it was written to meanwhile".into()))
    }
}

impl Work for Digest {
    const KIND: &'static str = "digest";
    const QUEUE: &'static str = "digests";
    const DURABLE: bool = false;
    /// There may be many, and their results stand with the files.
    const LISTED: bool = false;
    type Environment = Environment;

    /// Reads one file after the other. A file that fails does not keep the others from their digests.
    async fn attempt(&mut self, context: &Context<'_>) -> Outcome {
        if self.only_file().is_none() {
            context.begin(0, Some(self.bytes));
        }
        let (mut done, mut failures) = (0, Vec::new());
        for name in &self.names {
            match self.digest(context, name, done).await {
                Ok(size) => done += size,
                Err(Unrecorded::Stopped) => return Outcome::Stopped,
                Err(Unrecorded::Failed(failure)) => failures.push((name, failure)),
            }
        }
        let count = failures.len();
        match failures.into_iter().next() {
            None => Outcome::Done,
            Some((_, failure)) if self.only_file().is_some() => failed(failure),
            Some((name, failure)) => {
                let text = format!("{count} of {} files failed; {name}: {failure}", self.names.len());
                failed(failure.told_as(text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(files: &[(StoreKind, usize, u64)]) -> Vec<(StoreKind, usize, u64)> {
        let mut all = BTreeMap::new();
        for (kind, count, size) in files {
            for number in 0..*count {
                let name = FileName::new(format!("{size:020}-{number:06}")).expect("a name");
                all.insert((*kind, name), *size);
            }
        }
        Digest::jobs(all).iter().map(|job| (job.kind, job.names.len(), job.bytes)).collect()
    }

    #[test]
    fn small_files_share_a_job() {
        use StoreKind::{Iso, Microkernel};

        assert_eq!(jobs(&[(Iso, 2500, 8)]), [(Iso, 1000, 8000), (Iso, 1000, 8000), (Iso, 500, 4000)]);
        assert_eq!(jobs(&[(Iso, 2, 8), (Microkernel, 1, 8)]), [(Iso, 2, 16), (Microkernel, 1, 8)]);
        assert_eq!(jobs(&[(Iso, 3, 30 << 20)]), [(Iso, 2, 60 << 20), (Iso, 1, 30 << 20)]);
        assert_eq!(
            jobs(&[(Iso, 1, 1), (Iso, 2, 5 << 30)]),
            [(Iso, 1, 1), (Iso, 1, 5 << 30), (Iso, 1, 5 << 30)]
        );
        assert!(jobs(&[]).is_empty());
    }

    #[test]
    fn a_job_for_one_file_names_it() {
        let name = |name: &str| FileName::new(name).expect("a name");
        let job = |names: &[&str]| Digest {
            kind: StoreKind::Iso,
            names: names.iter().map(|text| name(text)).collect(),
            bytes: 0,
        };
        assert_eq!(job(&["a.iso"]).only_file(), Some((StoreKind::Iso, &name("a.iso"))));
        assert_eq!(job(&["a.iso"]).title(), "the digest of the ISO a.iso");
        assert_eq!(job(&["a.iso", "b.iso"]).only_file(), None);
        assert_eq!(job(&["a.iso", "b.iso"]).title(), "the digests of 2 files of the ISO store");
    }
}
