//! The audit trail: a line of JSON for each change, which is on disk before the change is answered. Each line
//! has the SHA-256 of the one before, so that none can be changed or cut out unseen.

mod entry;
mod file;
mod page;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use entry::{Action, Entry, Outcome, Recorded};
pub use page::AuditPage;
pub use verify::{Head, Mismatch, verify};
pub use writer::{Audit, AuditError};
