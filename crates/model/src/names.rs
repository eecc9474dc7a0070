//! Validated names: each is one path segment, never a path.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name in bytes, that of Linux file systems (`NAME_MAX`).
pub const MAX_NAME_BYTES: usize = 255;

/// Top-level southbound folders that an image must not hide.
pub const RESERVED_IMAGE_NAMES: [&str; 3] = ["iso", "common", "gui"];

/// Characters that a shell interprets. No image needs them, and operators' scripts contain names.
const SHELL_CHARACTERS: &str = "`$;|&<>*?\"'";

/// Whether a character is not seen but changes the text around it: its direction (Unicode UAX #9 §2) or its
/// lines.
pub fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has no characters.
    #[error("is empty")]
    Empty,
    /// More than [`MAX_NAME_BYTES`] bytes.
    #[error("is {0} bytes long; at most {MAX_NAME_BYTES} are allowed")]
    TooLong(usize),
    /// `.` or `..`.
    #[error("must not be '.' or '..'")]
    Dots,
    /// Starts with `-`, which command-line tools take for an option.
    #[error("must not start with '-'")]
    LeadingDash,
    /// Begins or ends with white space, which people overlook.
    #[error("must not begin or end with white space")]
    OuterSpace,
    /// Contains a character that is not allowed.
    #[error("must not contain {0}")]
    Forbidden(String),
    /// One of [`RESERVED_IMAGE_NAMES`].
    #[error("'{0}' is reserved for the service's own folders")]
    Reserved(String),
}

fn validate(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong(text.len()));
    }
    if text == "." || text == ".." {
        return Err(NameError::Dots);
    }
    if text.starts_with('-') {
        return Err(NameError::LeadingDash);
    }
    for character in text.chars() {
        if character.is_control() {
            return Err(NameError::Forbidden(format!(
                "the control character U+{:04X}",
                u32::from(character)
            )));
        }
        if matches!(character, '/' | '\\') {
            return Err(NameError::Forbidden(format!("the character {character}")));
        }
    }
    Ok(())
}

/// The rule for new names. Existing ones are exempt from it.
fn validate_new(text: &str) -> Result<(), NameError> {
    validate(text)?;
    if text.trim() != text {
        return Err(NameError::OuterSpace);
    }
    if let Some(character) = text.chars().find(|character| is_invisible(*character)) {
        return Err(NameError::Forbidden(format!("the invisible character U+{:04X}", u32::from(character))));
    }
    match text.chars().find(|character| SHELL_CHARACTERS.contains(*character)) {
        Some(character) => Err(NameError::Forbidden(format!("the character {character}"))),
        None => Ok(()),
    }
}

/// The name of a file in a store.
///
/// `.incoming` is reserved: unfinished files lie in that folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

impl FileName {
    /// The folder inside a store for unfinished files.
    pub const INCOMING: &str = ".incoming";

    /// A new name.
    ///
    /// # Errors
    ///
    /// The rule that the name breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let name = Self::existing(text)?;
        validate_new(&name.0)?;
        Ok(name)
    }

    /// An existing name, on disk or in a record, which need only be one safe path segment.
    ///
    /// # Errors
    ///
    /// The rule that the name breaks.
    pub fn existing(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        validate(&text)?;
        if text == Self::INCOMING {
            return Err(NameError::Reserved(text));
        }
        Ok(Self(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An image's name: the first segment of its southbound path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName(String);

impl ImageName {
    /// A new name.
    ///
    /// # Errors
    ///
    /// The rule that the name breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let name = Self::existing(text)?;
        validate_new(&name.0)?;
        Ok(name)
    }

    /// An existing name, on disk or in a record, which need only be one safe path segment.
    ///
    /// # Errors
    ///
    /// The rule that the name breaks.
    pub fn existing(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        validate(&text)?;
        if RESERVED_IMAGE_NAMES.iter().any(|reserved| reserved.eq_ignore_ascii_case(&text)) {
            return Err(NameError::Reserved(text));
        }
        Ok(Self(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An image's version: the second segment of its southbound path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageVersion(String);

impl ImageVersion {
    /// A new name.
    ///
    /// # Errors
    ///
    /// The rule that the name breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let name = Self::existing(text)?;
        validate_new(&name.0)?;
        Ok(name)
    }

    /// An existing name, on disk or in a record, which need only be one safe path segment.
    ///
    /// # Errors
    ///
    /// The rule that the name breaks.
    pub fn existing(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        validate(&text)?;
        Ok(Self(text))
    }

    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_conversions {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::existing(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    )+};
}

text_conversions!(FileName, ImageName, ImageVersion);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_people_call_their_images() {
        for name in [
            "CentOS-7-x86_64.iso",
            "14.04.5 (server)",
            "a+b~c%20",
            "日本語",
            ".treeinfo",
            "..a",
            &"x".repeat(255),
        ] {
            assert!(FileName::new(name).is_ok(), "{name}");
            assert!(ImageName::new(name).is_ok(), "{name}");
            assert!(ImageVersion::new(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn refuses_what_is_not_one_safe_segment() {
        let long = "x".repeat(256);
        for name in [
            "", ".", "..", "-rf", "a/b", "/", "a\\b", "a\0b", "a\nb", "a\u{7f}", "a\u{85}b", "$(id)", "a;b",
            "a|b", "a&b", "`id`", "<b>", "*", "a?b", "\"", "'", &long,
        ] {
            assert!(FileName::new(name).is_err(), "{name:?}");
            assert!(ImageName::new(name).is_err(), "{name:?}");
            assert!(ImageVersion::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_exists_already_is_held_to_less() {
        for name in ["R&D", "it's.iso", " a", "a|b", "a\u{202e}osi.b", "\u{2066}a", "a\u{200f}", "a\u{2028}b"]
        {
            assert!(FileName::new(name).is_err() && ImageName::new(name).is_err(), "{name}");
            assert!(FileName::existing(name).is_ok() && ImageName::existing(name).is_ok(), "{name}");
        }
        assert!(FileName::existing("a/b").is_err() && ImageName::existing("..").is_err());
    }

    #[test]
    fn keeps_the_services_own_folders_free() {
        for name in RESERVED_IMAGE_NAMES {
            assert_eq!(ImageName::new(name), Err(NameError::Reserved(name.into())));
            assert!(ImageVersion::new(name).is_ok());
        }
        assert!(ImageName::new("ISO").is_err());
        assert!(FileName::new(".incoming").is_err());
    }
}
