//! A limit of files that are received or checked at once.

use model::client::ClientKey;
use model::fair_limit::{FairLimit, FairPermit, Refusal};

use crate::error::CatalogError;

/// Uploads that may arrive at once. Each has a thread that writes and digests, and there are 512 such threads
/// in all.
const MAX_INTAKES: usize = 64;

/// The permits. One is taken at once or refused.
#[derive(Debug, Clone)]
pub(crate) struct IntakePermits(FairLimit);

impl Default for IntakePermits {
    fn default() -> Self {
        Self(FairLimit::new(MAX_INTAKES))
    }
}

impl IntakePermits {
    pub(crate) fn take(&self, client: Option<ClientKey>) -> Result<FairPermit, CatalogError> {
        self.0.try_acquire(client).map_err(|refusal| match refusal {
            Refusal::Client => CatalogError::ClientCrowds(self.0.share()),
            Refusal::All => CatalogError::Crowded,
        })
    }
}
