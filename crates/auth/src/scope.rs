//! Scopes: the kinds of things that a principal may do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of things that a principal may do. A route names the one that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// See images, files, jobs and the state of the service.
    Read,
    /// Send files into the stores.
    Upload,
    /// Register images, and remove images and files.
    Register,
    /// Sign links for machines.
    Boot,
    /// Everything, the tokens and the audit trail too.
    Admin,
}

/// Some scopes. One with [`Scope::Admin`] contains all.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct Scopes(u8);

impl Scope {
    /// All scopes, in the order in which they are listed.
    pub const ALL: [Self; 5] = [Self::Read, Self::Upload, Self::Register, Self::Boot, Self::Admin];

    /// The word for it in settings and tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Upload => "upload",
            Self::Register => "register",
            Self::Boot => "boot",
            Self::Admin => "admin",
        }
    }

    /// The scope of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Scopes {
    /// None.
    pub const NONE: Self = Self(0);

    /// All scopes, as [`Scope::Admin`] alone.
    pub const ADMIN: Self = Self(1 << Scope::Admin as u8);

    /// Whether these contain `scope`.
    pub fn contain(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes of both.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Each one that was given, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }

    /// The scopes of some words.
    ///
    /// # Errors
    ///
    /// The first word that is no scope.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        words.into_iter().map(|word| Scope::of_word(word).ok_or_else(|| word.to_owned())).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |all, scope| all | scope.bit()))
    }
}

impl From<Vec<Scope>> for Scopes {
    fn from(scopes: Vec<Scope>) -> Self {
        scopes.into_iter().collect()
    }
}

impl From<Scopes> for Vec<Scope> {
    fn from(scopes: Scopes) -> Self {
        scopes.iter().collect()
    }
}

/// The words, separated by blanks, as in a challenge (RFC 6750 §3).
impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Scope::as_str).collect();
        formatter.write_str(&words.join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Scopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_contains_all_and_the_others_only_themselves() {
        for scope in Scope::ALL {
            assert!(Scopes::ADMIN.contain(scope) && !Scopes::NONE.contain(scope));
            let one: Scopes = [scope].into_iter().collect();
            for other in Scope::ALL {
                assert_eq!(one.contain(other), scope == other || scope == Scope::Admin, "{scope} {other}");
            }
        }
    }

    #[test]
    fn words_are_scopes_and_back() {
        let scopes = Scopes::of_words(["upload", "read", "read"]).expect("scopes");
        assert_eq!(scopes.to_string(), "read upload");
        assert_eq!(serde_json::to_string(&scopes).expect("text"), r#"["read","upload"]"#);
        assert_eq!(serde_json::from_str::<Scopes>(r#"["upload","read"]"#).expect("scopes"), scopes);
        assert_eq!(Scopes::of_words(["read", "Read"]), Err("Read".to_owned()));
        assert!(serde_json::from_str::<Scopes>(r#"["everything"]"#).is_err());
    }
}
