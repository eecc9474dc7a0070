//! The settings of the logs.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Human,
    /// A JSON object a line.
    Json,
}

/// Where the lines of single requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// They are not written.
    Off,
    /// Standard error, among the lines of the log.
    StandardError,
    /// A file, to whose end they are added.
    File(PathBuf),
}

impl Display for AccessLog {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => formatter.write_str("none"),
            Self::StandardError => formatter.write_str("stderr"),
            Self::File(path) => Display::fmt(&path.display(), formatter),
        }
    }
}

/// What is written, how and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// 0 (everything) to 5 (nothing).
    pub min_level: u8,
    /// How lines are written.
    pub format: LogFormat,
    /// The access log.
    pub access: AccessLog,
}
