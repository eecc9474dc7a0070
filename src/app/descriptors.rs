//! File descriptors: how many there are, and how connections share them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Endpoint, Router};

/// Descriptors that are kept for files: those of open trees, of cached answers, and of uploads and downloads.
const FILE_DESCRIPTORS: u64 = 6000;

/// Each connection and each open file needs a descriptor, and the usual soft limit of 1,024 is soon used up. Tells how many there are.
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

/// How many of the descriptors the connections of an endpoint may take, so that there are always some for the files that they want. Machines
/// come in thousands, those who manage them do not.
pub(super) fn connection_limit(descriptors: u64, endpoint: &Endpoint, all: &[Endpoint]) -> usize {
    let share = |endpoint: &Endpoint| if endpoint.routers.contains(&Router::Southbound) { 7 } else { 1 };
    let shares: u64 = all.iter().map(share).sum();
    let limit = descriptors.saturating_sub(FILE_DESCRIPTORS).max(descriptors / 2);
    let limit = u128::from(limit) * u128::from(share(endpoint)) / u128::from(shares.max(1));
    usize::try_from(limit).unwrap_or(usize::MAX).max(1)
}
