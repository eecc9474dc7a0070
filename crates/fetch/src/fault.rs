//! Why a file could not be fetched, and whether another attempt is worth it.

use std::fmt;
use std::time::Duration;

/// Characters of a source's text that are quoted. Its headers may have hundreds of kilobytes.
const MAX_QUOTED: usize = 100;

/// Why a file could not be fetched. The texts are for people and contain no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The source has no such file.
    #[error("{0}")]
    Missing(String),
    /// The egress policy refuses the link.
    #[error("{0}")]
    Refused(String),
    /// Another attempt would fail in the same way.
    #[error("{0}")]
    Permanent(String),
    /// The source or the network has a temporary problem.
    #[error("{text}")]
    Transient {
        /// The cause, for people.
        text: String,
        /// The pause that the source asks for.
        retry_after: Option<Duration>,
    },
    /// The bytes so far are not of the file as it is now. Another attempt must start over.
    #[error("{0}")]
    Changed(String),
    /// There is no connection to the source.
    #[error("{0}")]
    Unreachable(String),
}

impl Fault {
    /// The text of a source, shortened for a record.
    pub(super) fn quoted(said: impl fmt::Display) -> String {
        let said = said.to_string();
        match said.char_indices().nth(MAX_QUOTED) {
            Some((end, _)) => format!("{}…", said.get(..end).unwrap_or_default()),
            None => said,
        }
    }

    /// A temporary problem without a requested pause.
    pub(super) fn transient(text: impl Into<String>) -> Self {
        Self::Transient { text: text.into(), retry_after: None }
    }

    /// Whether the same link may work later.
    pub fn is_worth_retrying(&self) -> bool {
        matches!(self, Self::Transient { .. } | Self::Changed(_) | Self::Unreachable(_))
    }

    /// The pause that the source asks for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transient { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_quoted_briefly() {
        for (said, expected) in [
            ("brief".to_owned(), "brief".to_owned()),
            ("ß".repeat(100), "ß".repeat(100)),
            ("ß".repeat(101), format!("{}…", "ß".repeat(100))),
        ] {
            assert_eq!(Fault::quoted(&said), expected);
        }
    }
}
