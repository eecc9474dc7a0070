//! Reads settings by key, and knows the origin of each value, so that a message can name key, value and
//! origin.
//!
//! The command line wins over the environment, and the environment over the file. A key is known once it is
//! read: each part of the program reads its own keys, a component those of its own section. An unknown key in
//! the file is an error ([`Settings::refuse_unknown`]).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};

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

/// Looks up an environment variable.
type Environment = Box<dyn Fn(&str) -> Option<String>>;

/// All values, or those of one section. Clones read the same values.
#[derive(Clone)]
pub struct Settings {
    sources: Rc<Sources>,
    section: Option<String>,
}

struct Sources {
    file: Map<String, Value>,
    environment: Environment,
    options: BTreeMap<&'static str, Value>,
    /// The keys that were read; those of a section have the section's name before them.
    known: RefCell<BTreeSet<String>>,
}

/// The environment variable that overrides `key`: `isoDir` → `IMAGE_SERVICE_ISO_DIR`, `ims.builder` →
/// `IMAGE_SERVICE_IMS_BUILDER`.
pub fn variable(key: &str) -> String {
    let mut name = String::from("IMAGE_SERVICE_");
    for character in key.chars() {
        if character.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(if character == '.' { '_' } else { character.to_ascii_uppercase() });
    }
    name
}

impl Settings {
    /// Gathers the values of `file` (the text of the configuration file, if there is one), of the environment
    /// and of the command line.
    ///
    /// # Errors
    ///
    /// The file is not a JSON object.
    pub fn gather(
        file: Option<&str>,
        environment: impl Fn(&str) -> Option<String> + 'static,
        options: BTreeMap<&'static str, Value>,
    ) -> Result<Self, ConfigError> {
        let file = match file {
            None => Map::new(),
            Some(text) => match serde_json::from_str(text) {
                Ok(Value::Object(object)) => object,
                Ok(other) => return Err(ConfigError::NotAnObject(format!("it holds {other}"))),
                Err(error) => return Err(ConfigError::NotAnObject(error.to_string())),
            },
        };
        let sources =
            Sources { file, environment: Box::new(environment), options, known: RefCell::default() };
        Ok(Self { sources: Rc::new(sources), section: None })
    }

    /// The settings of the section `name`: `{"name": {"key": …}}` in the file.
    ///
    /// # Errors
    ///
    /// The file has no object under this name, but another value.
    pub fn section(&self, name: &str) -> Result<Self, ConfigError> {
        let section = Self { sources: Rc::clone(&self.sources), section: Some(self.full_key(name)) };
        self.sources.known.borrow_mut().insert(self.full_key(name));
        match self.in_file(name) {
            None | Some(Value::Object(_)) => Ok(section),
            Some(value) => Err(self.error(name, value, "expected an object, the section of a component")),
        }
    }

    /// The value of `key` as `read` understands it; `None` if no source sets it.
    ///
    /// # Errors
    ///
    /// The error of `read`, with key, value and origin.
    pub fn get<T>(
        &self,
        key: &str,
        read: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        self.sources.known.borrow_mut().insert(self.full_key(key));
        let Some((value, _)) = self.find(key) else { return Ok(None) };
        read(&value).map(Some).map_err(|problem| self.error(key, &value, &problem))
    }

    /// A whole number, else `default`.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn number(&self, key: &str, default: u64) -> Result<u64, ConfigError> {
        Ok(self.get(key, whole_number)?.unwrap_or(default))
    }

    /// A time in milliseconds, else `default`.
    ///
    /// # Errors
    ///
    /// The value is no whole number.
    pub fn milliseconds(&self, key: &str, default: u64) -> Result<Duration, ConfigError> {
        Ok(Duration::from_millis(self.number(key, default)?))
    }

    /// A path, else `default`; a relative one starts from `folder`. It need not exist.
    ///
    /// # Errors
    ///
    /// The value is no text.
    pub fn path(&self, key: &str, folder: &Path, default: &str) -> Result<PathBuf, ConfigError> {
        let path = folder.join(self.get(key, text)?.unwrap_or_else(|| default.to_owned()));
        // Collecting the components drops each `.` and doubled slash, so that paths are shown as people write
        // them.
        Ok(path.components().collect())
    }

    /// The error that `value` of `key` is invalid because of `problem`.
    pub fn error(&self, key: &str, value: &dyn Display, problem: &str) -> ConfigError {
        ConfigError::Value {
            key: self.full_key(key),
            value: value.to_string(),
            origin: self.find(key).map_or(SettingOrigin::Default, |(_, origin)| origin),
            problem: problem.to_owned(),
        }
    }

    /// Refuses keys of the file that no part of the program has read. Called once, after all have read
    /// theirs.
    ///
    /// # Errors
    ///
    /// The first such key, with the known key that may have been meant.
    pub fn refuse_unknown(&self) -> Result<(), ConfigError> {
        self.refuse_unknown_in(&self.sources.file, "")
    }

    fn refuse_unknown_in(&self, values: &Map<String, Value>, section: &str) -> Result<(), ConfigError> {
        let known = self.sources.known.borrow();
        for (name, value) in values {
            let key = format!("{section}{name}");
            if !known.contains(&key) {
                let hint = hint(&key, &known);
                return Err(ConfigError::UnknownKey {
                    hint,
                    key,
                    value: value.to_string(),
                    origin: SettingOrigin::File,
                });
            }
            let below = format!("{key}.");
            if let Value::Object(values) = value
                && known.iter().any(|known| known.starts_with(&below))
            {
                self.refuse_unknown_in(values, &below)?;
            }
        }
        Ok(())
    }

    fn full_key(&self, key: &str) -> String {
        self.section.as_ref().map_or_else(|| key.to_owned(), |section| format!("{section}.{key}"))
    }

    fn find(&self, key: &str) -> Option<(Value, SettingOrigin)> {
        let full = self.full_key(key);
        if let Some(value) = self.sources.options.get(full.as_str()) {
            return Some((value.clone(), SettingOrigin::CommandLine));
        }
        let name = variable(&full);
        if let Some(text) = (self.sources.environment)(&name) {
            // Lists and numbers are written as in the file; any other value is plain text.
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            return Some((value, SettingOrigin::Environment(name)));
        }
        self.in_file(key).map(|value| (value.clone(), SettingOrigin::File))
    }

    fn in_file(&self, key: &str) -> Option<&Value> {
        let mut values = &self.sources.file;
        for name in self.section.iter().flat_map(|section| section.split('.')) {
            values = values.get(name)?.as_object()?;
        }
        values.get(key)
    }
}

/// Names the known key that differs only in case, `-` or `_`.
fn hint(key: &str, known: &BTreeSet<String>) -> String {
    let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
    known
        .iter()
        .find(|known| plain(known) == plain(key))
        .map(|known| format!("; did you mean `{known}`?"))
        .unwrap_or_default()
}

/// Reads text that is not empty.
///
/// # Errors
///
/// The value is something else.
pub fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains('\0') => Ok(text.clone()),
        _ => Err("expected text".into()),
    }
}

/// Reads `true` or `false`.
///
/// # Errors
///
/// The value is something else.
pub fn truth(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "expected true or false".into())
}

/// Reads a whole number, or text that spells one: the old service took both.
///
/// # Errors
///
/// The value is something else.
pub fn whole_number(value: &Value) -> Result<u64, String> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| "expected a whole number of at least 0".into())
}

/// Reads a whole number from 0 to `most`.
///
/// # Errors
///
/// The value is something else.
pub fn at_most<T: TryFrom<u64>>(value: &Value, most: u64) -> Result<T, String> {
    within(value, 0, most)
}

/// Reads a whole number from 1 to `most`.
///
/// # Errors
///
/// The value is something else.
pub fn at_least_one<T: TryFrom<u64>>(value: &Value, most: u64) -> Result<T, String> {
    within(value, 1, most)
}

fn within<T: TryFrom<u64>>(value: &Value, least: u64, most: u64) -> Result<T, String> {
    whole_number(value)
        .ok()
        .filter(|number| (least..=most).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("expected a whole number from {least} to {most}"))
}

/// The lowest rate, in bytes a second. dnf gives up below 1,000, and clients share a rate.
const MIN_RATE: u64 = 64 << 10;

/// Reads bytes a second; 0 is no limit.
///
/// # Errors
///
/// The value is something else, or a rate below 64 KiB a second.
pub fn rate(value: &Value) -> Result<u64, String> {
    whole_number(value)
        .ok()
        .filter(|rate| *rate == 0 || *rate >= MIN_RATE)
        .ok_or_else(|| format!("expected bytes a second, at least {MIN_RATE}, or 0 for no limit"))
}

/// Reads one of the words of `choices`.
///
/// # Errors
///
/// The value is something else.
pub fn choice<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, choice)| *choice).ok_or_else(
        || {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            format!("expected {}", words.join(" or "))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(file: &str) -> Settings {
        let environment = |name: &str| (name == "IMAGE_SERVICE_IMS_BUILDER").then(|| "nodes".to_owned());
        Settings::gather(Some(file), environment, BTreeMap::from([("s3.quota", Value::from(7))]))
            .expect("an object")
    }

    #[test]
    fn a_section_has_its_own_keys_from_all_sources() {
        let all = settings(r#"{"ims": {"builder": "local", "lease": 60}, "s3": {"quota": 1}}"#);
        let ims = all.section("ims").expect("an object");
        assert_eq!(ims.get("builder", text).expect("text"), Some("nodes".to_owned()));
        assert_eq!(ims.get("lease", whole_number).expect("a number"), Some(60));
        assert_eq!(ims.get("other", whole_number).expect("nothing"), None);
        let s3 = all.section("s3").expect("an object");
        assert_eq!(s3.get("quota", whole_number).expect("a number"), Some(7));
        all.refuse_unknown().expect("all keys are known");
    }

    #[test]
    fn a_key_of_a_section_is_named_in_full() {
        let all = settings(r#"{"ims": {"lease": "x", "leese": 1}}"#);
        let ims = all.section("ims").expect("an object");
        let wrong = ims.get("lease", whole_number).expect_err("no number").to_string();
        assert!(wrong.starts_with("`ims.lease` is \"x\" in the configuration file"), "{wrong}");
        let unknown = all.refuse_unknown().expect_err("unknown").to_string();
        assert!(unknown.contains("`ims.leese` with the value 1"), "{unknown}");
        let flat = settings(r#"{"ims": 1}"#);
        let wrong = flat.section("ims").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(wrong.starts_with("`ims` is 1"), "{wrong}");
    }

    #[test]
    fn an_object_that_is_a_value_is_not_searched_for_keys() {
        let all = settings(r#"{"httpEndpoints": {"any": 1}}"#);
        let read = all.get("httpEndpoints", |value| Ok::<_, String>(value.clone())).expect("a value");
        assert!(read.is_some());
        all.refuse_unknown().expect("known");
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
        let read = |options: BTreeMap<&'static str, Value>, environment: Option<&'static str>| {
            let environment = move |_: &str| environment.map(str::to_owned);
            let all = Settings::gather(Some(r#"{"port": 1}"#), environment, options).expect("an object");
            all.number("port", 0).expect("a number")
        };
        assert_eq!(read(BTreeMap::from([("port", Value::from(3))]), Some("2")), 3);
        assert_eq!(read(BTreeMap::new(), Some("2")), 2);
        assert_eq!(read(BTreeMap::new(), None), 1);
    }
}
