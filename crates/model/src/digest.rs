//! Digests as values, shown as hexadecimal digits: those that a file has, and those that a client expects.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! digest {
    ($name:ident, $bytes:literal, $word:literal) => {
        #[doc = concat!("The ", $word, " (FIPS 180-4) of a whole file.")]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> String {
                digest.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotADigest;

            fn try_from(text: String) -> Result<Self, NotADigest> {
                from_hex(&text).map(Self).ok_or(NotADigest { algorithm: $word, digits: 2 * $bytes })
            }
        }
    };
}

digest!(Sha256, 32, "SHA-256");
digest!(Sha512, 64, "SHA-512");

/// The text is not a digest.
#[derive(Debug, thiserror::Error)]
#[error("is not a {algorithm} digest, which is {digits} hexadecimal digits")]
pub struct NotADigest {
    algorithm: &'static str,
    digits: usize,
}

/// The digests that a file must have, as far as they are given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Its SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Its SHA-512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<Sha512>,
}

/// The digests of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Its SHA-256.
    pub sha256: Sha256,
    /// Its SHA-512, which is computed only where one is expected.
    pub sha512: Option<Sha512>,
}

/// A file does not have an expected digest. The text has both values, so that people can see which one is
/// wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its {algorithm} is {found}, but {expected} was expected")]
pub struct Mismatch {
    algorithm: &'static str,
    found: String,
    expected: String,
}

impl Expected {
    /// Whether no digest is expected.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the digests of another source.
    ///
    /// # Errors
    ///
    /// The two sources expect different digests.
    pub fn and(self, other: Self) -> Result<Self, Mismatch> {
        fn both<T: Copy + PartialEq + fmt::Display>(
            algorithm: &'static str,
            one: Option<T>,
            other: Option<T>,
        ) -> Result<Option<T>, Mismatch> {
            match (one, other) {
                (Some(one), Some(other)) if one != other => Err(mismatch(algorithm, &one, &other)),
                _ => Ok(one.or(other)),
            }
        }
        Ok(Self {
            sha256: both("SHA-256", self.sha256, other.sha256)?,
            sha512: both("SHA-512", self.sha512, other.sha512)?,
        })
    }

    /// Compares a file's digests with the expected ones.
    ///
    /// # Errors
    ///
    /// A digest differs, or an expected one was not computed.
    pub fn check(&self, found: &Digests) -> Result<(), Mismatch> {
        if let Some(expected) = self.sha256.filter(|expected| *expected != found.sha256) {
            return Err(mismatch("SHA-256", &found.sha256, &expected));
        }
        match (self.sha512, found.sha512) {
            (Some(expected), Some(found)) if expected != found => Err(mismatch("SHA-512", &found, &expected)),
            (Some(expected), None) => Err(mismatch("SHA-512", &"not known", &expected)),
            _ => Ok(()),
        }
    }
}

fn mismatch(algorithm: &'static str, found: &dyn fmt::Display, expected: &dyn fmt::Display) -> Mismatch {
    Mismatch { algorithm, found: found.to_string(), expected: expected.to_string() }
}

fn from_hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    // `from_str_radix` accepts a sign.
    if text.len() != 2 * BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_the_same_digest() {
        let text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let digest = Sha256::try_from(text.to_owned()).expect("valid");
        assert_eq!(digest.to_string(), text);
        for wrong in ["", "9f", &"g".repeat(64), &"é".repeat(32), &"+1".repeat(32)] {
            assert!(Sha256::try_from(wrong.to_owned()).is_err());
        }
    }

    #[test]
    fn expectations_are_joined_and_held_against_what_was_found() {
        let sha256 = |byte| Some(Sha256([byte; 32]));
        let sha512 = |byte| Some(Sha512([byte; 64]));
        let one = Expected { sha256: sha256(1), sha512: None };
        let both = one.and(Expected { sha256: sha256(1), sha512: sha512(2) }).expect("they agree");
        assert_eq!(both, Expected { sha256: sha256(1), sha512: sha512(2) });
        assert!(both.and(Expected { sha256: sha256(3), sha512: None }).is_err());
        for (first, second, fits) in
            [(1, Some(2), true), (3, Some(2), false), (1, Some(3), false), (1, None, false)]
        {
            let found = Digests { sha256: Sha256([first; 32]), sha512: second.and_then(sha512) };
            assert_eq!(both.check(&found).is_ok(), fits, "{found:?}");
        }
        let found = Digests { sha256: Sha256([0xab; 32]), sha512: None };
        let told = one.check(&found).expect_err("another file").to_string();
        assert!(told.contains(&"ab".repeat(32)) && told.contains(&"01".repeat(32)), "{told}");
    }
}
