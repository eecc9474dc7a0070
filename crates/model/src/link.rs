//! A link from outside, which may contain credentials. It is printed, logged and stored without them; only a
//! caller of [`Link::secret_url`] sees them.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// A link that may hold credentials.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Link(Url);

impl Link {
    /// The whole link, with user name, password and query. For connecting, never for a text or a file.
    pub fn secret_url(&self) -> &Url {
        &self.0
    }

    /// The link as it may be shown.
    pub fn shown(&self) -> Url {
        shown(&self.0)
    }

    /// Whether the link has parts that are not shown.
    pub fn hides_something(&self) -> bool {
        self.shown() != self.0
    }
}

/// A link without user name, password, query and fragment: tokens and signatures are credentials too.
pub fn shown(url: &Url) -> Url {
    let mut shown = url.clone();
    // Both fail only for links that cannot have credentials.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown
}

impl From<Url> for Link {
    fn from(url: Url) -> Self {
        Self(url)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.shown(), formatter)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Link({self})")
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asks_for_the_secret_gets_it() {
        let text = "ftp://me:secret@host/a.iso?token=secret#secret";
        let link: Link = serde_json::from_value(text.into()).expect("a link");
        assert_eq!(link.secret_url().as_str(), text);
        for shown in [link.to_string(), serde_json::json!(link).to_string(), format!("{link:?}")] {
            assert!(!shown.contains("secret") && shown.contains("ftp://host/a.iso"), "{shown}");
        }
        assert!(link.hides_something() && !Link::from(link.shown()).hides_something());
    }
}
