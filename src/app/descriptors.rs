//! File descriptors: the limit of the process, and the share of connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Endpoint, Router};

/// Descriptors that are kept for files: open trees, cached responses, uploads and downloads.
const FILE_DESCRIPTORS: u64 = 6000;

/// Raises the soft limit of descriptors to the hard limit, and returns it. Each connection and each open file
/// needs one, and the usual soft limit of 1,024 is soon used up.
pub(super) fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current.unwrap_or(u64::MAX);
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files stays as it is");
            limit.current.unwrap_or(u64::MAX)
        }
    }
}

/// Connections that an endpoint may have, so that descriptors are left for the files that clients request. An
/// endpoint with the southbound gets seven shares, any other one: machines come in thousands, their
/// administrators do not.
pub(super) fn connection_limit(descriptors: u64, endpoint: &Endpoint, all: &[Endpoint]) -> usize {
    let share = |endpoint: &Endpoint| if endpoint.routers.contains(&Router::Southbound) { 7 } else { 1 };
    let shares: u64 = all.iter().map(share).sum();
    let limit = descriptors.saturating_sub(FILE_DESCRIPTORS).max(descriptors / 2);
    let limit = u128::from(limit) * u128::from(share(endpoint)) / u128::from(shares.max(1));
    usize::try_from(limit).unwrap_or(usize::MAX).max(1)
}
