//! The settings for identifying callers and for their rights.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use model::settings::{ConfigError, Live, Settings, choice, text};
use serde_json::Value;

use crate::scope::Scopes;
use crate::secret::SecretHash;

/// The longest life of a session, in milliseconds: a year.
const MAX_LIFETIME: u64 = 366 * 86_400_000;

/// The shortest token in `adminTokenFile`, in characters.
const MIN_SECRET: usize = 32;

/// The most that is read of a file with a secret, in bytes.
const MAX_FILE: u64 = 4096;

/// Whether requests need a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All but those from the same machine.
    Auto,
    /// All.
    On,
    /// None.
    Off,
}

/// Rights without a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anonymous {
    /// The networks of the clients.
    pub networks: Vec<IpNet>,
    /// What they may do.
    pub scopes: Scopes,
}

/// The settings that a reload may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthRules {
    /// Rights without a credential, by address.
    pub anonymous: Vec<Anonymous>,
    /// The scopes of groups that a proxy or an identity provider names.
    pub roles: BTreeMap<String, Scopes>,
    /// The scopes of names in client certificates.
    pub certificates: BTreeMap<String, Scopes>,
    /// The hash of the token with all rights that the operator keeps in a file.
    pub admin_token: Option<SecretHash>,
    /// The folders below which an image may be published in place; `None` is everywhere.
    pub local_dirs: Option<Vec<PathBuf>>,
    /// How long a login in a browser holds.
    pub session_lifetime: Duration,
}

/// All settings.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// Whether requests need a credential.
    pub mode: Mode,
    /// The file with the tokens.
    pub access_file: PathBuf,
    /// What a reload may change.
    pub rules: Live<AuthRules>,
}

impl Default for AuthRules {
    fn default() -> Self {
        Self {
            anonymous: Vec::new(),
            roles: BTreeMap::new(),
            certificates: BTreeMap::new(),
            admin_token: None,
            local_dirs: None,
            session_lifetime: Duration::from_secs(12 * 3600),
        }
    }
}

impl AuthSettings {
    /// Reads them. Relative paths start from `folder`, and the access file lies beside `inventory` unless
    /// another place is set.
    ///
    /// # Errors
    ///
    /// The first value that cannot be used.
    pub fn read(settings: &Settings, folder: &Path, inventory: &Path) -> Result<Self, ConfigError> {
        let modes = [("auto", Mode::Auto), ("on", Mode::On), ("off", Mode::Off)];
        let beside = inventory.with_file_name("access.json");
        let access_file = settings.get("accessFile", text)?.map_or(beside, |path| folder.join(path));
        let folder = folder.to_owned();
        Ok(Self {
            mode: settings.get("auth", |value| choice(value, &modes))?.unwrap_or(Mode::Auto),
            access_file: access_file.components().collect(),
            rules: settings.live(move |settings| AuthRules::read(settings, &folder))?,
        })
    }
}

impl AuthRules {
    fn read(settings: &Settings, folder: &Path) -> Result<Self, ConfigError> {
        let lifetime =
            settings.get("sessionLifetime", |value| model::settings::at_least_one(value, MAX_LIFETIME))?;
        Ok(Self {
            anonymous: settings.get("anonymous", anonymous)?.unwrap_or_default(),
            roles: settings.get("roles", scopes_by_name)?.unwrap_or_default(),
            certificates: settings.get("certificates", scopes_by_name)?.unwrap_or_default(),
            admin_token: settings.get("adminTokenFile", |value| first_line(value, folder))?.flatten(),
            local_dirs: settings.get("localDirs", |value| folders(value, folder))?.flatten(),
            session_lifetime: lifetime.map_or(Self::default().session_lifetime, Duration::from_millis),
        })
    }

    /// The scopes of a client without a credential.
    pub fn anonymous_scopes(&self, address: IpAddr) -> Scopes {
        let address = address.to_canonical();
        let entries = self.anonymous.iter();
        let fitting = entries.filter(|entry| entry.networks.iter().any(|it| it.contains(&address)));
        fitting.fold(Scopes::NONE, |all, entry| all.union(entry.scopes))
    }

    /// The scopes of a member of some groups.
    pub fn scopes_of_groups<'a>(&self, groups: impl IntoIterator<Item = &'a str>) -> Scopes {
        union(&self.roles, groups)
    }

    /// The scopes of a certificate with these names.
    pub fn scopes_of_certificate<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Scopes {
        union(&self.certificates, names)
    }
}

fn union<'a>(table: &BTreeMap<String, Scopes>, names: impl IntoIterator<Item = &'a str>) -> Scopes {
    names.into_iter().filter_map(|name| table.get(name)).fold(Scopes::NONE, |all, it| all.union(*it))
}

fn anonymous(value: &Value) -> Result<Vec<Anonymous>, String> {
    const EXPECTED: &str =
        "expected a list such as [{\"networks\": [\"10.1.0.0/16\"], \"scopes\": [\"read\"]}]";
    let entries = value.as_array().ok_or(EXPECTED)?;
    let entry = |entry: &Value| {
        let entry = entry.as_object().filter(|entry| entry.len() == 2).ok_or(EXPECTED)?;
        let networks = entry.get("networks").and_then(Value::as_array).ok_or(EXPECTED)?;
        let networks = networks.iter().map(|network| {
            let text = network.as_str().unwrap_or_default();
            let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| format!("{network:?} is no network"))
        });
        Ok(Anonymous {
            networks: networks.collect::<Result<_, String>>()?,
            scopes: scopes(entry.get("scopes").unwrap_or(&Value::Null))?,
        })
    };
    entries.iter().map(entry).collect()
}

fn scopes_by_name(value: &Value) -> Result<BTreeMap<String, Scopes>, String> {
    let names =
        value.as_object().ok_or("expected an object such as {\"operators\": [\"read\", \"upload\"]}")?;
    names.iter().map(|(name, words)| Ok((name.clone(), scopes(words)?))).collect()
}

fn scopes(value: &Value) -> Result<Scopes, String> {
    const EXPECTED: &str =
        "expected a list of scopes: \"read\", \"upload\", \"register\", \"boot\", \"admin\"";
    let words = value.as_array().ok_or(EXPECTED)?;
    let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
    Scopes::of_words(words.ok_or(EXPECTED)?).map_err(|word| format!("`{word}` is no scope; {EXPECTED}"))
}

fn folders(value: &Value, folder: &Path) -> Result<Option<Vec<PathBuf>>, String> {
    const EXPECTED: &str = "expected a list of folders such as [\"/srv/images\"]";
    if value.is_null() {
        return Ok(None);
    }
    let list = value.as_array().ok_or(EXPECTED)?;
    let paths =
        list.iter().map(|path| text(path).map(|path| folder.join(path)).map_err(|_| EXPECTED.to_owned()));
    paths.collect::<Result<_, _>>().map(Some)
}

/// The hash of the first line of a file.
fn first_line(value: &Value, folder: &Path) -> Result<Option<SecretHash>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let path = folder.join(text(value)?);
    let mut content = String::new();
    fs::File::open(&path)
        .and_then(|file| file.take(MAX_FILE).read_to_string(&mut content))
        .map_err(|error| format!("the file cannot be read: {}", model::io_words::in_words(&error)))?;
    let line = content.lines().next().unwrap_or_default().trim();
    if line.len() < MIN_SECRET || !line.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "its first line is no token: it has at least {MIN_SECRET} visible ASCII characters, such as `openssl rand -hex 32` prints"
        ));
    }
    Ok(Some(SecretHash::of(line)))
}
