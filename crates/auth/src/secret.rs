//! Secrets that callers present. Only their SHA-256 is kept: a secret of 256 random bits cannot be guessed,
//! so a slow hash would add nothing but load (NIST SP 800-63B-4 §3.1.2.2).

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What every token begins with, so that scanners of source code find one that was published.
const PREFIX: &str = "ist_";

/// Characters of a token's id.
const ID: usize = 10;

/// The characters of an id.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Random bytes of a secret.
const SECRET: usize = 32;

/// Characters of a secret in Base64url.
const SECRET_TEXT: usize = 43;

/// The system gave no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no random numbers")]
pub struct NoRandomness;

/// A token as its owner keeps it: `ist_`, its id, `_` and 256 random bits in Base64url.
#[derive(PartialEq, Eq)]
pub struct TokenText(String);

/// The SHA-256 of a secret. It is compared in constant time.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl TokenText {
    /// A new one.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn make() -> Result<Self, NoRandomness> {
        let id: String =
            random::<ID>()?.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
        Ok(Self(format!("{PREFIX}{id}_{}", make_secret()?)))
    }

    /// Reads one; `None` for text that has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_at_checked(ID)?;
        let secret = secret.strip_prefix('_')?;
        let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_id && is_secret(secret)).then(|| Self(text.to_owned()))
    }

    /// The id, which is no secret.
    pub fn id(&self) -> &str {
        self.0.get(PREFIX.len()..PREFIX.len() + ID).unwrap_or_default()
    }

    /// The text itself, which its owner is shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The hash of the whole text.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

/// Without the secret.
impl fmt::Debug for TokenText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenText({PREFIX}{}_…)", self.id())
    }
}

impl SecretHash {
    /// The hash of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The bytes, as the key of a map. They do not reveal the secret.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

/// In constant time.
impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash")
    }
}

/// In hexadecimal digits.
impl Serialize for SecretHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for SecretHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || de::Error::custom("expected 64 hexadecimal digits");
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = str::from_utf8(digits).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(hash))
    }
}

/// A new secret: 256 random bits in Base64url.
///
/// # Errors
///
/// The system gives no random numbers.
pub(crate) fn make_secret() -> Result<String, NoRandomness> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random::<SECRET>()?))
}

/// Whether a text has the form of a secret.
pub(crate) fn is_secret(text: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == SECRET_TEXT && text.bytes().all(is_base64url)
}

fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_token_has_its_form_and_no_other_has() {
        let texts: HashSet<String> =
            (0..100).map(|_| TokenText::make().expect("a token").reveal().to_owned()).collect();
        assert_eq!(texts.len(), 100);
        for text in &texts {
            assert_eq!(text.len(), 4 + 10 + 1 + 43);
            let token = TokenText::parse(text).expect(text);
            assert_eq!(token.id(), &text[4..14]);
            assert!(!format!("{token:?}").contains(&text[15..]));
            for wrong in [
                &text[1..],
                &text[..57],
                &format!("{text}a"),
                &text.to_uppercase(),
                &text.replacen('_', "-", 2),
                &format!("{}é{}", &text[..20], &text[22..]),
                &format!("ist_é{}", &text[6..]),
            ] {
                assert_eq!(TokenText::parse(wrong), None, "{wrong}");
            }
        }
    }

    #[test]
    fn a_hash_survives_a_restart_and_shows_nothing() {
        let hash = SecretHash::of("abc");
        let text = serde_json::to_string(&hash).expect("text");
        // FIPS 180-2, appendix B.1.
        assert_eq!(text, "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
        assert_eq!(serde_json::from_str::<SecretHash>(&text).expect("a hash"), hash);
        assert_ne!(SecretHash::of("abd"), hash);
        for wrong in ["\"\"", "\"ba\"", &text.replace('b', "g"), &text.replace("ba", "é")] {
            assert!(serde_json::from_str::<SecretHash>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(format!("{hash:?}"), "SecretHash");
    }
}
