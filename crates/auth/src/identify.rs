//! The decision which principal a request is made for.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use model::client::ClientKey;

use crate::access::Access;
use crate::attempts::{Attempts, Failed};
use crate::principal::{Kind, Principal, Right};
use crate::scope::Scopes;
use crate::secret::SecretHash;
use crate::settings::{AuthRules, AuthSettings, Mode};

/// The other end of a request, as far as it cannot choose it.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Its address.
    pub address: IpAddr,
    /// What limits count it by; `None` for a proxy that speaks for many.
    pub key: Option<ClientKey>,
    /// Whether it called from the same machine, by nothing in between.
    pub is_local: bool,
    /// Whether it called by the Unix socket.
    pub is_socket: bool,
}

/// What a caller presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    Missing,
    /// The text of a token.
    Token(String),
    /// The secret of a session's cookie.
    Session(String),
    /// The names in a client certificate that a known authority signed.
    Certificate(Vec<String>),
    /// A trusted proxy names the user, and the groups of it.
    Proxy {
        /// The user.
        user: String,
        /// The groups.
        groups: Vec<String>,
    },
    /// Something that is no credential of a known form, and why.
    Malformed(&'static str),
}

/// A credential is unknown, has ended or cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// How long the caller has to wait, if it failed too often.
    pub retry_after: Option<Duration>,
    /// Whether log and audit trail tell of it.
    pub is_told: bool,
}

/// Decides for which principal a request is made. Opened once.
#[derive(Debug)]
pub struct Auth {
    /// Tokens and sessions.
    pub access: Access,
    mode: Mode,
    current: Arc<ArcSwap<Current>>,
    attempts: Attempts,
}

/// The rules of now, and the right of all principals that have their scopes by these rules alone.
#[derive(Debug)]
struct Current {
    rules: Arc<AuthRules>,
    right: Right,
}

impl Auth {
    /// Decides by these tokens and settings, and follows their changes.
    pub fn new(access: Access, settings: &AuthSettings) -> Self {
        let current = Current { rules: settings.rules.get(), right: Right::default() };
        let current = Arc::new(ArcSwap::from_pointee(current));
        let changed = Arc::clone(&current);
        settings.rules.on_change(move |rules| {
            let before = changed.load();
            if before.rules != *rules {
                changed.store(Arc::new(Current { rules: Arc::clone(rules), right: Right::default() }));
                before.right.end();
            }
        });
        Self { access, mode: settings.mode, current, attempts: Attempts::default() }
    }

    /// Whether requests need a credential.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The rules of now.
    pub fn rules(&self) -> Arc<AuthRules> {
        Arc::clone(&self.current.load().rules)
    }

    /// The principal that a request is made for. One without scopes is a stranger.
    ///
    /// # Errors
    ///
    /// The credential is wrong. The rights that the caller has without one do not count then.
    pub fn identify(&self, caller: &Caller, credential: &Credential) -> Result<Principal, Refused> {
        let Current { rules, right } = &**self.current.load();
        let by_rules = |principal: Principal| Principal { right: right.clone(), ..principal };
        if self.mode == Mode::Off || caller.is_socket {
            return Ok(by_rules(without_credential(self.mode, rules, caller)));
        }
        let now = Timestamp::now();
        let found = match credential {
            Credential::Missing => Some(by_rules(without_credential(self.mode, rules, caller))),
            Credential::Token(text) => {
                let is_admin = rules.admin_token.is_some_and(|hash| hash == SecretHash::of(text));
                let admin = || by_rules(Principal::new(Kind::Token, "adminTokenFile", Scopes::ADMIN));
                self.access.of_token(text, now).or_else(|| is_admin.then(admin))
            }
            Credential::Session(secret) => self.access.of_session(secret, now),
            Credential::Certificate(names) => Some(by_rules(of_certificate(rules, names))),
            Credential::Proxy { user, groups } => {
                let scopes = rules.scopes_of_groups(groups.iter().map(String::as_str));
                Some(by_rules(Principal::new(Kind::Proxy, user.clone(), scopes)))
            }
            Credential::Malformed(_) => None,
        };
        found.ok_or_else(|| {
            let Failed { retry_after, is_told } = self.attempts.failed(caller.key, Instant::now());
            Refused { retry_after, is_told }
        })
    }
}

/// The principal of a caller that presents nothing.
fn without_credential(mode: Mode, rules: &AuthRules, caller: &Caller) -> Principal {
    if caller.is_socket {
        return Principal::new(Kind::Local, "socket", Scopes::ADMIN);
    }
    if mode == Mode::Off {
        return Principal::new(Kind::None, "anyone", Scopes::ADMIN);
    }
    if mode == Mode::Auto && caller.is_local {
        return Principal::new(Kind::Local, "local", Scopes::ADMIN);
    }
    let scopes = rules.anonymous_scopes(caller.address);
    if scopes.is_empty() {
        return Principal::new(Kind::None, "", Scopes::NONE);
    }
    Principal::new(Kind::Anonymous, caller.address.to_canonical().to_string(), scopes)
}

/// A certificate whose names have no scopes is known all the same: its holder may do nothing.
fn of_certificate(rules: &AuthRules, names: &[String]) -> Principal {
    let scopes = rules.scopes_of_certificate(names.iter().map(String::as_str));
    let known = names.iter().find(|name| rules.certificates.contains_key(*name));
    let name = known.or(names.first()).cloned().unwrap_or_default();
    Principal::new(Kind::Certificate, name, scopes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use model::settings::Settings;

    use super::*;
    use crate::access::NewToken;
    use crate::scope::Scope;

    const ADMIN_TOKEN: &str = "0123456789abcdef0123456789abcdef";

    const RULES: &str = r#""adminTokenFile": "token", "anonymous": [
        {"networks": ["10.1.0.0/16", "2001:db8::/32"], "scopes": ["read", "register"]},
        {"networks": ["10.1.2.3"], "scopes": ["upload"]}],
        "roles": {"operators": ["read", "upload"], "boss": ["admin"]},
        "certificates": {"spiffe://dc/rackhd": ["register"], "ci.example.com": ["read"]}"#;

    struct Place {
        folder: tempfile::TempDir,
        settings: Settings,
        auth: Auth,
    }

    fn place(mode: &str) -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("token"), format!("{ADMIN_TOKEN}\nsecond line\n"))
            .expect("written");
        let settings = gather(&format!(r#"{{"auth": "{mode}", {RULES}}}"#));
        let read = AuthSettings::read(&settings, folder.path(), &folder.path().join("inventory.json"));
        let read = read.expect("settings");
        let access = Access::open(&read.access_file).expect("opens");
        Place { auth: Auth::new(access, &read), settings, folder }
    }

    fn gather(text: &str) -> Settings {
        Settings::gather(Some(text), |_| None, std::collections::BTreeMap::new()).expect("JSON")
    }

    fn caller(address: &str) -> Caller {
        let address: IpAddr = address.parse().expect("an address");
        Caller { address, key: Some(address.into()), is_local: false, is_socket: false }
    }

    /// A token with the same id and another secret.
    fn other(token: &str) -> String {
        let last = if token.ends_with('A') { "E" } else { "A" };
        format!("{}{last}", &token[..57])
    }

    /// Kind and scopes, as words.
    fn shown(found: &Result<Principal, Refused>) -> String {
        match found {
            Ok(principal) => format!("{:?} {}", principal.kind, principal.scopes),
            Err(_) => "refused".into(),
        }
    }

    #[test]
    fn every_row_of_the_table() {
        let local = Caller { is_local: true, ..caller("127.0.0.1") };
        let socket = Caller { is_socket: true, ..caller("127.0.0.1") };
        let (far, near, both) = (caller("192.0.2.1"), caller("10.1.9.9"), caller("::ffff:10.1.2.3"));
        for (mode, rows) in [
            (
                "auto",
                [
                    "Local admin",
                    "Local admin",
                    "None ",
                    "Anonymous read register",
                    "Anonymous read upload register",
                ],
            ),
            (
                "on",
                [
                    "None ",
                    "Local admin",
                    "None ",
                    "Anonymous read register",
                    "Anonymous read upload register",
                ],
            ),
            ("off", ["None admin", "Local admin", "None admin", "None admin", "None admin"]),
        ] {
            let Place { auth, folder, .. } = place(mode);
            for (caller, row) in [local, socket, far, near, both].iter().zip(rows) {
                assert_eq!(shown(&auth.identify(caller, &Credential::Missing)), row, "{mode} {caller:?}");
            }
            let token = |words: &[&str]| {
                let scopes = Scopes::of_words(words.iter().copied()).expect("scopes");
                let new = NewToken { name: "t".into(), scopes, expires: None };
                auth.access.make_token(&new).expect("a token").1.reveal().to_owned()
            };
            let (reader, session) = (token(&["read"]), {
                let principal = Principal::new(Kind::Jwt, "ann", Scopes::of_words(["boot"]).expect("scopes"));
                auth.access.make_session(&principal, None, Duration::from_secs(9)).expect("a session")
            });
            let certificate = |names: &[&str]| {
                Credential::Certificate(names.iter().map(|name| (*name).to_owned()).collect())
            };
            let proxy = |groups: &[&str]| Credential::Proxy {
                user: "ann".into(),
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            };
            for (credential, row) in [
                (Credential::Token(reader.clone()), "Token read"),
                (Credential::Token(ADMIN_TOKEN.into()), "Token admin"),
                (Credential::Token(other(&reader)), "refused"),
                (Credential::Token("second line".into()), "refused"),
                (Credential::Token(String::new()), "refused"),
                (Credential::Session(session.clone()), "Session boot"),
                (Credential::Session(session.to_lowercase()), "refused"),
                (Credential::Session(String::new()), "refused"),
                (certificate(&["x", "ci.example.com", "spiffe://dc/rackhd"]), "Certificate read register"),
                (certificate(&["other"]), "Certificate "),
                (proxy(&["operators", "unknown"]), "Proxy read upload"),
                (proxy(&["boss"]), "Proxy admin"),
                (proxy(&[]), "Proxy "),
                (Credential::Malformed("odd"), "refused"),
            ] {
                // A wrong credential never falls back to what the caller may do without.
                for caller in [&local, &far, &near] {
                    let row = if mode == "off" { "None admin" } else { row };
                    assert_eq!(shown(&auth.identify(caller, &credential)), row, "{mode} {credential:?}");
                }
            }
            drop(folder);
        }
    }

    #[test]
    fn a_failed_login_is_limited_and_a_right_one_is_not() {
        let Place { auth, .. } = place("on");
        let (client, wrong) = (caller("192.0.2.1"), Credential::Token("wrong".into()));
        let mut refused = (0..12).map(|_| auth.identify(&client, &wrong).expect_err("wrong"));
        assert!(refused.by_ref().take(10).all(|refused| refused.retry_after.is_none()));
        assert!(refused.all(|refused| refused.retry_after.is_some()));
        assert!(auth.identify(&client, &Credential::Token(ADMIN_TOKEN.into())).is_ok());
    }

    #[test]
    fn a_reload_ends_the_rights_by_the_rules_that_it_changes() {
        let Place { auth, settings, folder } = place("on");
        let anonymous = auth.identify(&caller("10.1.9.9"), &Credential::Missing).expect("a principal");
        let new = NewToken { name: "t".into(), scopes: Scopes::ADMIN, expires: None };
        let (_, text) = auth.access.make_token(&new).expect("a token");
        let by_token = auth.identify(&caller("10.1.9.9"), &Credential::Token(text.reveal().into()));
        let by_token = by_token.expect("a principal");
        let reload = |text: &str| {
            let newer = gather(text);
            AuthSettings::read(&newer, folder.path(), Path::new("/i")).expect("settings");
            settings.reload(&newer).expect("reloads");
        };
        reload(&format!(r#"{{"auth": "on", {RULES}}}"#));
        assert!(!anonymous.right.has_ended(Timestamp::now()), "nothing has changed");
        reload(r#"{"auth": "on", "anonymous": [{"networks": ["10.1.9.9"], "scopes": ["read"]}]}"#);
        assert!(anonymous.right.has_ended(Timestamp::now()));
        assert!(!by_token.right.has_ended(Timestamp::now()));
        let now = auth.identify(&caller("10.1.9.9"), &Credential::Missing).expect("a principal");
        assert!(now.may(Scope::Read) && !now.may(Scope::Register));
        assert!(auth.identify(&caller("10.1.9.9"), &Credential::Token(ADMIN_TOKEN.into())).is_err());
    }
}
