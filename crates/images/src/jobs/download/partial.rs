//! The unfinished file of one attempt.

use super::resume_data::ResumeData;
use crate::Intake;

/// What an attempt has of the file.
pub(super) struct Partial {
    pub(super) intake: Intake,
    /// The size that the source announced.
    pub(super) total: Option<u64>,
    pub(super) resume_data: ResumeData,
}

/// The bytes that are here.
pub(super) fn offset(partial: Option<&Partial>) -> u64 {
    partial.map_or(0, |partial| partial.intake.offset())
}

/// Removes the unfinished file.
pub(super) async fn discard(partial: Option<Partial>) {
    if let Some(partial) = partial
        && let Err(error) = partial.intake.discard().await
    {
        tracing::warn!(%error, "an unfinished download cannot be removed");
    }
}

/// Keeps the unfinished file for another attempt.
pub(super) async fn suspend(partial: Option<Partial>) {
    if let Some(partial) = partial
        && let Err(error) = partial.intake.suspend().await
    {
        tracing::warn!(%error, "an unfinished download cannot be kept");
    }
}
