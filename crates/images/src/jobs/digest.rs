//! The digest of a file that did not arrive through this program. The file is read once.

use ::jobs::{Outcome, Work};
use serde::{Deserialize, Serialize};

use super::environment::{Context, Environment};
use super::failure::{Failure, failed};
use crate::Recorded;
use blobs::{Way, read_whole};
use model::digest::Expected;
use model::names::FileName;
use model::stored_file::StoreKind;

/// Computes the digest of a stored file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Digest {
    /// The store.
    #[serde(rename = "shelf")]
    pub kind: StoreKind,
    /// The file's name there.
    pub name: FileName,
}

impl Work for Digest {
    const KIND: &'static str = "digest";
    const QUEUE: &'static str = "digests";
    const DURABLE: bool = false;
    /// There may be thousands at once, and their results stand with the files.
    const LISTED: bool = false;
    type Environment = Environment;

    /// Computes and records the digest, unless it is known by now.
    async fn attempt(&mut self, context: &Context<'_>) -> Outcome {
        let (kind, name, catalog) = (self.kind, &self.name, &context.environment.catalog);
        let (file, identity) = match catalog.verifier.open_for_digest(kind, name.clone()).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return Outcome::Done,
            Err(error) => return failed(error),
        };
        context.begin(0, Some(identity.size));
        let stop = context.stop().clone();
        let read = tokio::task::spawn_blocking(move || {
            read_whole(&file, &Expected::default(), Way::Cache, |_| !stop.is_cancelled())
        });
        let changed = || failed(Failure::Conflict("it was written to meanwhile".into()));
        let recorded = match context.unless_stopped(read).await {
            Ok(Ok(Ok(Some(whole)))) if whole.identity == identity => {
                let sha256 = whole.digests.sha256;
                tracing::info!(%kind, %name, %sha256, "digested a file");
                catalog.verifier.record_digest(kind, name.clone(), identity, sha256).await
            }
            Ok(Ok(Ok(Some(_)))) => return changed(),
            Ok(Ok(Err(error))) => {
                catalog.verifier.record_unreadable(kind, name.clone(), identity, &error).await
            }
            Ok(Ok(Ok(None)) | Err(_)) | Err(_) => return Outcome::Stopped,
        };
        match recorded {
            Ok(Recorded::Good) => Outcome::Done,
            Ok(Recorded::Damaged(damage)) => failed(Failure::Storage(damage.to_string())),
            Ok(Recorded::Outdated) => changed(),
            Err(error) => failed(error),
        }
    }
}
