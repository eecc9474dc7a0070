//! Why a file could not be fetched, and whether it is worth another try.

use std::fmt;
use std::time::Duration;

/// So many characters of what a source said are told. Its headers may be hundreds of kilobytes.
const MAX_QUOTED: usize = 100;

/// Why a file could not be fetched. The texts are for people and hold no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The source says that there is no such file.
    #[error("{0}")]
    Missing(String),
    /// The settings do not allow to fetch from there.
    #[error("{0}")]
    Refused(String),
    /// The next try would end in the same way.
    #[error("{0}")]
    Permanent(String),
    /// The source, or the way to it, is in trouble.
    #[error("{text}")]
    Transient {
        /// What happened.
        text: String,
        /// How long the source asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// What has come so far is not the file, or no longer. Another try has to begin anew.
    #[error("{0}")]
    Changed(String),
    /// There was no connection to the source at all.
    #[error("{0}")]
    Unreachable(String),
}

impl Fault {
    /// What a source said, as much of it as people need: these texts are kept.
    pub(super) fn quoted(said: impl fmt::Display) -> String {
        let said = said.to_string();
        match said.char_indices().nth(MAX_QUOTED) {
            Some((end, _)) => format!("{}…", said.get(..end).unwrap_or_default()),
            None => said,
        }
    }

    /// A trouble that says nothing of when to come again.
    pub(super) fn transient(text: impl Into<String>) -> Self {
        Self::Transient { text: text.into(), retry_after: None }
    }

    /// Whether the same link may work later.
    pub fn is_worth_retrying(&self) -> bool {
        matches!(self, Self::Transient { .. } | Self::Changed(_) | Self::Unreachable(_))
    }

    /// How long the source asks to be left alone.
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
