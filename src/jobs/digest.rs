//! Digests of files that did not arrive through this program. Each is read once.

use super::Failure;
use super::runner::{Context, Outcome};
use crate::catalog::Recorded;
use crate::model::digest::Expected;
use crate::model::job::{Job, Work};
use crate::model::names::FileName;
use crate::model::stored_file::StoreKind;
use crate::store::{Way, read_whole};

/// The job that computes the digest of a file.
pub(super) fn job_for(kind: StoreKind, name: FileName) -> Job {
    let title = format!("the digest of the {kind} {name}");
    Job::new(Work::Digest { kind, name }, title)
}

/// A file whose digest is wanted.
pub(super) struct Digesting {
    pub(super) kind: StoreKind,
    pub(super) name: FileName,
}

impl Digesting {
    /// Computes and records it, unless it is known by now.
    pub(super) async fn run(&self, context: &Context<'_>) -> Outcome {
        let (kind, name, catalog) = (self.kind, &self.name, &context.jobs.0.catalog);
        let (file, identity) = match catalog.open_for_digest(kind, name.clone()).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return Outcome::Done,
            Err(error) => return Outcome::Failed(error.into()),
        };
        context.begin(0, Some(identity.size));
        let stop = context.stop().clone();
        let read = tokio::task::spawn_blocking(move || {
            read_whole(&file, &Expected::default(), Way::Cache, |_| !stop.is_cancelled())
        });
        let changed = || Outcome::Failed(Failure::Conflict("it was written to meanwhile".into()));
        let recorded = match context.unless_stopped(read).await {
            Ok(Ok(Ok(Some(whole)))) if whole.identity == identity => {
                let sha256 = whole.digests.sha256;
                tracing::info!(%kind, %name, %sha256, "digested a file");
                catalog.record_digest(kind, name.clone(), identity, sha256).await
            }
            Ok(Ok(Ok(Some(_)))) => return changed(),
            Ok(Ok(Err(error))) => catalog.record_unreadable(kind, name.clone(), identity, &error).await,
            Ok(Ok(Ok(None)) | Err(_)) | Err(_) => return Outcome::Stopped,
        };
        match recorded {
            Ok(Recorded::Good) => Outcome::Done,
            Ok(Recorded::Damaged(damage)) => Outcome::Failed(Failure::Storage(damage.to_string())),
            Ok(Recorded::Outdated) => changed(),
            Err(error) => Outcome::Failed(error.into()),
        }
    }
}
