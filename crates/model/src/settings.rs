//! Reads settings by key, and knows the origin of each value, so that a message can name key, value and
//! origin.
//!
//! The command line wins over the environment, and the environment over the file. A key is known once it is
//! read: each part of the program reads its own keys, a component those of its own section. An unknown key in
//! the file is an error ([`Settings::refuse_unknown`]).
//!
//! A part that can follow a change reads its keys by [`Settings::live`], and gets a [`Live`] value. A reload
//! of the settings ([`Settings::reload`]) changes these values, and names all other keys that changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug, Display, Formatter};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

pub use crate::config_error::{ConfigError, SettingOrigin};
pub use crate::live::{Live, Reloaded};

/// Looks up an environment variable.
type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Gives a live value its new one.
type Commit = Box<dyn FnOnce() + Send>;

/// Reads a live value from newer settings.
type Update = Box<dyn Fn(&Settings) -> Result<Commit, ConfigError> + Send>;

/// All values, or those of one section. Clones read the same values.
#[derive(Clone)]
pub struct Settings {
    sources: Arc<Sources>,
    section: Option<String>,
    /// Whether the keys that are read belong to live values.
    is_live: bool,
}

struct Sources {
    file: Map<String, Value>,
    environment: Environment,
    options: BTreeMap<&'static str, Value>,
    known: Mutex<Known>,
}

/// Without the values, of which some may be secret.
impl Debug for Settings {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Settings").field("section", &self.section).finish_non_exhaustive()
    }
}

/// What was read. Keys of a section have the section's name before them.
#[derive(Default)]
struct Known {
    /// The sections, and all keys that were read.
    keys: BTreeSet<String>,
    /// The values in use, of the keys that some source sets.
    values: BTreeMap<String, Value>,
    /// The keys of live values.
    live: BTreeSet<String>,
    updates: Vec<Update>,
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
    /// and of the command line. A byte order mark before the text is passed over (RFC 8259 §8.1).
    ///
    /// # Errors
    ///
    /// The file is not a JSON object.
    pub fn gather(
        file: Option<&str>,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        options: BTreeMap<&'static str, Value>,
    ) -> Result<Self, ConfigError> {
        let file = match file {
            None => Map::new(),
            Some(text) => match serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
                Ok(Value::Object(object)) => object,
                Ok(_) => return Err(ConfigError::NotAnObject("expected {\"key\": value, …}".into())),
                Err(error) => return Err(ConfigError::NotAnObject(error.to_string())),
            },
        };
        let sources = Sources { file, environment: Box::new(environment), options, known: Mutex::default() };
        Ok(Self { sources: Arc::new(sources), section: None, is_live: false })
    }

    /// The settings of the section `name`: `{"name": {"key": …}}` in the file.
    ///
    /// # Errors
    ///
    /// The file has no object under this name, but another value.
    pub fn section(&self, name: &str) -> Result<Self, ConfigError> {
        let section = Self { section: Some(self.full_key(name)), ..self.clone() };
        self.known().keys.insert(self.full_key(name));
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
        let (full, found) = (self.full_key(key), self.find(key));
        let mut known = self.known();
        known.keys.insert(full.clone());
        if self.is_live {
            known.live.insert(full.clone());
        }
        let Some((value, _)) = found else { return Ok(None) };
        known.values.insert(full, value.clone());
        drop(known);
        read(&value).map(Some).map_err(|problem| self.error(key, &value, &problem))
    }

    /// A value that a reload may change. `read` reads its keys from the settings that it is given, the first
    /// time from these. A reload that leaves it as it is tells no listener.
    ///
    /// # Errors
    ///
    /// The error of `read`.
    pub fn live<T: PartialEq + Send + Sync + 'static>(
        &self,
        read: impl Fn(&Self) -> Result<T, ConfigError> + Send + 'static,
    ) -> Result<Live<T>, ConfigError> {
        let value = Live::new(read(&Self { is_live: true, ..self.clone() })?);
        let (section, shared) = (self.section.clone(), value.clone());
        let update = Box::new(move |newer: &Self| -> Result<Commit, ConfigError> {
            let value = read(&Self { section: section.clone(), ..newer.clone() })?;
            let shared = shared.clone();
            Ok(Box::new(move || shared.set_if_other(value)))
        });
        self.known().updates.push(update);
        Ok(value)
    }

    /// Takes the live values of `newer` over. All parts have read `newer` already, so it is valid.
    ///
    /// # Errors
    ///
    /// A value cannot be used. Then nothing is changed.
    pub fn reload(&self, newer: &Self) -> Result<Reloaded, ConfigError> {
        let mut known = self.known();
        let commits = known.updates.iter().map(|update| update(newer)).collect::<Result<Vec<_>, _>>()?;
        let found = newer.known().values.clone();
        let mut reloaded = Reloaded::default();
        let keys: BTreeSet<&String> = known.values.keys().chain(found.keys()).collect();
        for key in keys.into_iter().filter(|key| known.values.get(*key) != found.get(*key)) {
            let is_live = known.live.contains(key);
            let keys = if is_live { &mut reloaded.changed } else { &mut reloaded.needs_restart };
            keys.push(key.clone());
        }
        for key in &reloaded.changed {
            match found.get(key) {
                Some(value) => known.values.insert(key.clone(), value.clone()),
                None => known.values.remove(key),
            };
        }
        drop(known);
        commits.into_iter().for_each(|commit| commit());
        Ok(reloaded)
    }

    /// Whether `key` has the same value in both. Both have read it.
    pub fn agrees(&self, other: &Self, key: &str) -> bool {
        let value = |all: &Self| all.known().values.get(&all.full_key(key)).cloned();
        value(self) == value(other)
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
        refuse_unknown_in(&self.known().keys, &self.sources.file, "")
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.sources.known.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Refuses the keys of `values`, a section or the whole file, that are not known.
fn refuse_unknown_in(
    known: &BTreeSet<String>,
    values: &Map<String, Value>,
    section: &str,
) -> Result<(), ConfigError> {
    for (name, value) in values {
        let key = format!("{section}{name}");
        if !known.contains(&key) {
            let hint = hint(&key, known);
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
            refuse_unknown_in(known, values, &below)?;
        }
    }
    Ok(())
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
    fn a_byte_order_mark_is_passed_over() {
        let all = settings("\u{feff}{\"lease\": 60}");
        assert_eq!(all.number("lease", 0).expect("a number"), 60);
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

    #[test]
    fn a_reload_tells_of_values_that_changed_and_of_no_others() {
        let first = settings(r#"{"rate": 1, "limit": 7}"#);
        let told = Arc::new(Mutex::new(Vec::new()));
        for key in ["rate", "limit"] {
            let value = first.live(move |all| all.number(key, 0)).expect("a number");
            let told = Arc::clone(&told);
            value.on_change(move |value| told.lock().expect("no panic").push((key, **value)));
        }
        first.reload(&settings(r#"{"rate": 2, "limit": 7}"#)).expect("valid");
        first.reload(&settings(r#"{"rate": 2, "limit": 7}"#)).expect("valid");
        assert_eq!(*told.lock().expect("no panic"), [("rate", 2)]);
    }

    #[test]
    fn a_reload_changes_live_values_and_names_all_others() {
        let first = settings(r#"{"rate": 1, "folder": "a", "ims": {"lease": 60, "nodes": 1}}"#);
        let rate = first.live(|all| all.number("rate", 0)).expect("a number");
        let limit = first.live(|all| all.number("limit", 7)).expect("a number");
        let ims = first.section("ims").expect("an object");
        let lease = ims.live(|ims| ims.number("lease", 0)).expect("a number");
        let read = |all: &Settings| {
            let ims = all.section("ims")?;
            let _ = (all.number("rate", 0)?, all.number("limit", 7)?, all.get("folder", text)?);
            let _ = (ims.number("lease", 0)?, ims.number("nodes", 0)?);
            all.refuse_unknown()
        };
        read(&first).expect("valid");
        let told = |file: &str| {
            let newer = settings(file);
            read(&newer)?;
            first.reload(&newer).map(|told| (told.changed.join(" "), told.needs_restart.join(" ")))
        };
        let values = || [rate.get(), limit.get(), lease.get()].map(|value| *value);

        let same = told(r#"{"rate": 1, "folder": "a", "ims": {"lease": 60, "nodes": 1}}"#);
        assert_eq!(same.expect("valid"), (String::new(), String::new()));
        let second = r#"{"rate": 2, "limit": 8, "folder": "b", "ims": {"lease": 61, "nodes": 1}}"#;
        assert_eq!(told(second).expect("valid"), ("ims.lease limit rate".into(), "folder".into()));
        assert_eq!(values(), [2, 8, 61]);
        assert_eq!(told(second).expect("valid"), (String::new(), "folder".into()), "a restart is still due");
        assert!(told(r#"{"rate": 3, "limit": "x"}"#).is_err());
        assert_eq!(values(), [2, 8, 61], "one wrong value changes nothing");
        let less = told(r#"{"folder": "a"}"#).expect("valid");
        assert_eq!(less, ("ims.lease limit rate".into(), "ims.nodes".into()));
        assert_eq!(values(), [0, 7, 0]);
    }
}
