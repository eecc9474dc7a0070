//! Labels: short pairs of key and value by which people and tools group images and files. The rule is that of
//! Kubernetes, but a key with its prefix has at most 63 characters.

use std::collections::BTreeMap;
use std::fmt::{self, Formatter};

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The most labels of one thing.
pub const MAX_LABELS: usize = 64;

/// The longest key and the longest value, in characters. All are ASCII.
pub const MAX_LABEL_LENGTH: usize = 63;

/// Why labels were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The key breaks the rule.
    #[error(
        "has the key '{0}'; a key is 1 to {MAX_LABEL_LENGTH} letters, digits, '-', '_' and '.', begins and ends with a \
         letter or digit, and may have a prefix of the same form and a '/' before it"
    )]
    Key(String),
    /// The value breaks the rule.
    #[error(
        "has the value '{0}'; a value is empty, or 1 to {MAX_LABEL_LENGTH} letters, digits, '-', '_' and '.' that \
         begin and end with a letter or digit"
    )]
    Value(String),
    /// The text has no `=`.
    #[error("is '{0}'; a label is written key=value")]
    NoValue(String),
    /// The same key stands twice.
    #[error("names the key '{0}' more than once")]
    Twice(String),
    /// More than [`MAX_LABELS`].
    #[error("is given {0} times; at most {MAX_LABELS} labels are allowed")]
    TooMany(usize),
}

/// The labels of an image or a file, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Labels that clients wrote as `key=value`.
    ///
    /// # Errors
    ///
    /// The rule that the labels break.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, LabelError> {
        let mut labels = BTreeMap::new();
        let mut count = 0_usize;
        for text in texts {
            count += 1;
            let (key, value) = text.split_once('=').ok_or_else(|| LabelError::NoValue(shortened(text)))?;
            check_key(key)?;
            check_value(value)?;
            if labels.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(LabelError::Twice(key.to_owned()));
            }
        }
        if count > MAX_LABELS { Err(LabelError::TooMany(count)) } else { Ok(Self(labels)) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values, in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// A record may have been edited by hand, so its labels are held to the rule as those of clients are.
impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelsVisitor;

        impl<'de> Visitor<'de> for LabelsVisitor {
            type Value = Labels;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut texts = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    texts.push(format!("{key}={value}"));
                }
                let labels = Labels::parse(texts.iter().map(String::as_str));
                labels.map_err(|error| A::Error::custom(format_args!("`labels` {error}")))
            }
        }

        deserializer.deserialize_map(LabelsVisitor)
    }
}

/// A filter: the label with this key has this value, or any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelFilter {
    key: String,
    value: Option<String>,
}

impl LabelFilter {
    /// A filter as clients write it: `key=value`, or `key` for any value.
    ///
    /// # Errors
    ///
    /// The rule that key or value break: no label can match.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
        check_key(key)?;
        value.map(check_value).transpose()?;
        Ok(Self { key: key.to_owned(), value: value.map(str::to_owned) })
    }

    /// Whether one of the labels matches.
    pub fn matches(&self, labels: &Labels) -> bool {
        let found = labels.0.get(&self.key);
        found.is_some_and(|found| self.value.as_ref().is_none_or(|wanted| wanted == found))
    }
}

fn check_key(key: &str) -> Result<(), LabelError> {
    let is_good = key.len() <= MAX_LABEL_LENGTH
        && match key.split_once('/') {
            Some((prefix, name)) => is_word(prefix) && is_word(name),
            None => is_word(key),
        };
    if is_good { Ok(()) } else { Err(LabelError::Key(shortened(key))) }
}

fn check_value(value: &str) -> Result<(), LabelError> {
    let is_good = value.is_empty() || (value.len() <= MAX_LABEL_LENGTH && is_word(value));
    if is_good { Ok(()) } else { Err(LabelError::Value(shortened(value))) }
}

/// Letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_word(text: &str) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    is_end(bytes.first()) && is_end(bytes.last()) && bytes.iter().all(is_inner)
}

/// The beginning of a text that an error quotes, without control characters.
fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_words_of_bounded_length_and_number() {
        let long = "x".repeat(63);
        for good in ["a=b", "a=", "example.com/team=blue", "a-b_c.d=1.0-rc_1", &format!("{long}={long}")] {
            assert!(Labels::parse([good]).is_ok(), "{good}");
        }
        for bad in [
            "a",
            "",
            "=b",
            "-a=b",
            "a-=b",
            "a b=c",
            "a=b c",
            "a=-",
            "ä=b",
            "a=ä",
            "a/b/c=d",
            "/a=b",
            "a/=b",
            "a=b=c",
            &format!("x{long}=a"),
            &format!("a=x{long}"),
            "a=\u{202e}b",
        ] {
            assert!(Labels::parse([bad]).is_err(), "{bad}");
        }
        assert_eq!(Labels::parse(["a=1", "a=2"]), Err(LabelError::Twice("a".into())));
        let many: Vec<String> = (0..65).map(|number| format!("k{number}=v")).collect();
        assert!(Labels::parse(many[..64].iter().map(String::as_str)).is_ok());
        assert_eq!(Labels::parse(many.iter().map(String::as_str)), Err(LabelError::TooMany(65)));
    }

    #[test]
    fn a_filter_names_a_value_or_only_a_key() {
        let labels = Labels::parse(["team=blue", "arch="]).expect("labels");
        for (filter, is_match) in
            [("team=blue", true), ("team", true), ("team=red", false), ("arch=", true), ("rack", false)]
        {
            assert_eq!(LabelFilter::parse(filter).expect(filter).matches(&labels), is_match, "{filter}");
        }
        assert!(LabelFilter::parse("a b").is_err() && LabelFilter::parse("").is_err());
    }

    #[test]
    fn labels_of_a_record_are_held_to_the_rule() {
        let read = |text: &str| serde_json::from_str::<Labels>(text).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"a": "1", "b/c": ""}"#), Ok(Labels::parse(["a=1", "b/c="]).expect("labels")));
        let long = format!(r#"{{"a": "{}"}}"#, "x".repeat(64));
        for bad in [r#"{"a b": "c"}"#, r#"{"a=b": "c"}"#, r#"{"a=b": ""}"#, r#"{"a": "1", "a": "2"}"#, &long]
        {
            let refused = read(bad).expect_err(bad);
            assert!(refused.starts_with("`labels` "), "{refused}");
        }
    }
}
