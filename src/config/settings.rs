//! Keys, their values and where each value came from, so that a message can name all three.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{KEYS, variable};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    File,
    /// The environment variable of this name.
    Environment(String),
    /// The command line.
    CommandLine,
    /// Nobody said anything.
    Default,
}

impl Display for Origin {
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
    /// A key that means nothing.
    #[error("unknown key `{key}` with the value {value} in {origin}{hint}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// The key that may have been meant.
        hint: String,
    },
    /// A value that cannot be used.
    #[error("`{key}` is {value} in {origin}: {problem}")]
    Value {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// What is wrong.
        problem: String,
    },
}

/// All values, by key.
pub(super) struct Settings {
    values: BTreeMap<String, (Value, Origin)>,
}

impl Settings {
    pub(super) fn gather(
        file: Option<&str>,
        environment: impl Fn(&str) -> Option<String>,
        options: BTreeMap<&'static str, Value>,
    ) -> Result<Self, ConfigError> {
        let mut values = BTreeMap::new();
        if let Some(text) = file {
            let parsed: Value =
                serde_json::from_str(text).map_err(|error| ConfigError::NotAnObject(error.to_string()))?;
            let Value::Object(object) = parsed else {
                return Err(ConfigError::NotAnObject(format!("it holds {parsed}")));
            };
            for (key, value) in object {
                if !KEYS.contains(&key.as_str()) {
                    return Err(ConfigError::UnknownKey {
                        hint: hint(&key),
                        key,
                        value: value.to_string(),
                        origin: Origin::File,
                    });
                }
                values.insert(key, (value, Origin::File));
            }
        }
        for key in KEYS {
            let name = variable(key);
            if let Some(text) = environment(&name) {
                // Lists and numbers are written as in the file; everything else is plain text.
                let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
                values.insert(key.to_owned(), (value, Origin::Environment(name)));
            }
        }
        values.extend(options.into_iter().map(|(key, value)| (key.to_owned(), (value, Origin::CommandLine))));
        Ok(Self { values })
    }

    /// The value of `key` as `read` understands it; `None` when nobody set it.
    pub(super) fn get<T>(
        &self,
        key: &str,
        read: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((value, _)) = self.values.get(key) else { return Ok(None) };
        read(value).map(Some).map_err(|problem| self.error(key, value, &problem))
    }

    pub(super) fn error(&self, key: &str, value: &dyn Display, problem: &str) -> ConfigError {
        let origin = self.values.get(key).map_or(Origin::Default, |(_, origin)| origin.clone());
        ConfigError::Value {
            key: key.to_owned(),
            value: value.to_string(),
            origin,
            problem: problem.to_owned(),
        }
    }
}

/// Names the known key that differs only in case, `-` or `_`.
fn hint(key: &str) -> String {
    let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
    KEYS.iter()
        .find(|known| plain(known) == plain(key))
        .map(|known| format!("; did you mean `{known}`?"))
        .unwrap_or_default()
}

pub(super) fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains('\0') => Ok(text.clone()),
        _ => Err("expected text".into()),
    }
}

/// A whole number, or text that spells one: the old service took both.
pub(super) fn whole_number(value: &Value) -> Result<u64, String> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| "expected a whole number of at least 0".into())
}

pub(super) fn choice<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, choice)| *choice).ok_or_else(
        || {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            format!("expected {}", words.join(" or "))
        },
    )
}

/// Whether `path` is in `folder`, as it is written or when links are followed. Neither need exist.
pub(super) fn lies_below(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| {
        let found = path.ancestors().find_map(|above| Some((fs::canonicalize(above).ok()?, above)));
        found.map_or_else(
            || path.to_owned(),
            |(real, above)| real.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        )
    };
    path.starts_with(folder) || real(path).starts_with(real(folder))
}

/// Whether files can be made in `folder`, or `folder` itself in the nearest folder above it that exists.
pub(super) fn check_folder(folder: &Path) -> Result<(), String> {
    use rustix::fs::{Access, access};

    let existing = folder.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    if !existing.is_dir() {
        return Err(format!("{} is not a folder", existing.display()));
    }
    access(existing, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        if existing == folder {
            format!("the folder is not writable ({error})")
        } else {
            format!("the folder cannot be created: {} is not writable ({error})", existing.display())
        }
    })
}
