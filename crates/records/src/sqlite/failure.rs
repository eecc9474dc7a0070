//! From errors of SQLite to [`Error`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::ErrorCode;

use crate::Error;

/// A query that takes longer is stopped: an index is missing, or the page lies too far behind.
pub(super) const QUERY_TIME: Duration = Duration::from_secs(5);

pub(super) fn of(path: &Path, action: &'static str, error: rusqlite::Error) -> Error {
    let source = Arc::new(error);
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Error::Corrupt { path, problem: source.to_string() }
        }
        Some(ErrorCode::DiskFull) => Error::Disk { path, action, full: true, source },
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::DatabaseBusy
            | ErrorCode::OutOfMemory,
        ) => Error::Disk { path, action, full: false, source },
        Some(ErrorCode::OperationInterrupted) => Error::TooSlow(QUERY_TIME),
        _ => Error::Statement { action, source },
    }
}
