//! What is wrong with the settings, and where the wrong value comes from.

use std::fmt::{self, Display};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingOrigin {
    /// The configuration file.
    File,
    /// The environment variable of this name.
    Environment(String),
    /// The command line.
    CommandLine,
    /// The program: no source sets the key.
    Default,
}

impl Display for SettingOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => formatter.write_str("the configuration file"),
            Self::Environment(name) => write!(formatter, "the environment variable {name}"),
            Self::CommandLine => formatter.write_str("the command line"),
            Self::Default => formatter.write_str("the defaults"),
        }
    }
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not JSON, or not an object.
    #[error("the configuration file is not a JSON object: {0}")]
    NotAnObject(String),
    /// A key that no part of the program reads.
    #[error("unknown key `{key}` with the value {value} in {origin}{hint}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// Where it comes from.
        origin: SettingOrigin,
        /// The key that may have been meant.
        hint: String,
    },
    /// An invalid value.
    #[error("`{key}` is {value} in {origin}: {problem}")]
    Value {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// Where it comes from.
        origin: SettingOrigin,
        /// The reason.
        problem: String,
    },
}

impl ConfigError {
    /// The text for clients, which are told no path of this machine, and no value of a key that may belong
    /// to anything.
    pub fn public_message(&self) -> String {
        let message = match self {
            Self::UnknownKey { key, origin, hint, .. } => format!("unknown key `{key}` in {origin}{hint}"),
            _ => self.to_string(),
        };
        let has_path = message
            .split(|c: char| c.is_whitespace() || "\"'(`[=".contains(c))
            .any(|word| word.starts_with('/') && word.len() > 1);
        match self {
            Self::Value { key, origin, .. } if has_path => {
                format!("`{key}` in {origin} cannot be used; the log has the reason")
            }
            _ if has_path => "the configuration cannot be used; the log has the reason".into(),
            _ => message,
        }
    }
}
