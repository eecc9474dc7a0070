//! Verifies OpenPGP signatures (RFC 9580) of checksum files by the keyrings of a folder. Every key in the
//! folder is trusted; the web of trust is not used.

mod certificate;
mod error;
mod keyring;

use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::types::KeyDetails;

use certificate::{may_have_signed, signing_keys, user_id};
pub use error::SignatureError;
pub use keyring::Keyring;

/// How a clear-signed message begins (RFC 9580 §7.1).
const CLEAR_SIGNED: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";

/// The most signatures of one file. No distribution has more.
const MAX_SIGNATURES: usize = 32;

/// How far the signer's clock may be ahead. A machine in a rack often starts with a wrong date.
const CLOCK_SLACK: Duration = Duration::from_secs(24 * 60 * 60);

/// The signer of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The fingerprint of the primary key, as OpenPGP programs show it.
    pub fingerprint: String,
    /// The user ID of the key.
    pub user_id: Option<String>,
    /// When it was signed.
    pub time: Timestamp,
}

impl fmt::Display for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user_id {
            Some(user_id) => write!(formatter, "{user_id} ({})", self.fingerprint),
            None => formatter.write_str(&self.fingerprint),
        }
    }
}

/// Whether a file is clear-signed by its own header.
pub fn is_clear_signed(file: &[u8]) -> bool {
    file.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_end() == CLEAR_SIGNED)
}

impl Keyring {
    /// Verifies a file by detached signatures, binary or armored. One valid signature is enough.
    ///
    /// # Errors
    ///
    /// No signature is valid; the error is of the most telling one.
    pub fn verify_detached(
        &self,
        file: &[u8],
        signature: &[u8],
        now: SystemTime,
    ) -> Result<Signer, SignatureError> {
        let (parsed, _) =
            DetachedSignature::from_reader_many(signature).map_err(|_| SignatureError::Unreadable)?;
        let signatures: Vec<Signature> =
            parsed.take(MAX_SIGNATURES).map_while(Result::ok).map(|parsed| parsed.signature).collect();
        self.verify_any(&signatures, file, now)
    }

    /// Verifies a clear-signed message, and returns the signed text alone, without the lines around it.
    ///
    /// # Errors
    ///
    /// The file is not clear-signed, or no signature is valid.
    pub fn verify_clear_signed(
        &self,
        file: &[u8],
        now: SystemTime,
    ) -> Result<(String, Signer), SignatureError> {
        let file = std::str::from_utf8(file).map_err(|_| SignatureError::NotClearSigned)?;
        let (message, _) =
            CleartextSignedMessage::from_string(file).map_err(|_| SignatureError::NotClearSigned)?;
        let text = message.signed_text();
        let signatures = message.signatures();
        let signer =
            self.verify_any(signatures.get(..MAX_SIGNATURES).unwrap_or(signatures), text.as_bytes(), now)?;
        Ok((text, signer))
    }

    fn verify_any(
        &self,
        signatures: &[Signature],
        content: &[u8],
        now: SystemTime,
    ) -> Result<Signer, SignatureError> {
        let mut worst = SignatureError::Unreadable;
        for signature in signatures {
            match self.verify(signature, content, now) {
                Ok(signer) => return Ok(signer),
                // The error of a known key says more than an unknown key.
                Err(error) if matches!(worst, SignatureError::Unreadable | SignatureError::UnknownKey(_)) => {
                    worst = error;
                }
                Err(_) => {}
            }
        }
        Err(worst)
    }

    fn verify(
        &self,
        signature: &Signature,
        content: &[u8],
        now: SystemTime,
    ) -> Result<Signer, SignatureError> {
        let time = check_form(signature, now)?;
        let mut error = SignatureError::UnknownKey(issuer(signature));
        for certificate in &self.certificates {
            for key in signing_keys(certificate).filter(|key| key.is_named_by(signature)) {
                if !key.has_signed(signature, content) {
                    // A signature that names no key fits at most one of them.
                    if matches!(error, SignatureError::UnknownKey(_)) {
                        error = SignatureError::Bad;
                    }
                    continue;
                }
                match may_have_signed(certificate, &key, time, now) {
                    Ok(()) => return Ok(signer(certificate, time)),
                    Err(problem) => {
                        error = SignatureError::Key { fingerprint: fingerprint(certificate), problem };
                    }
                }
            }
        }
        Err(error)
    }
}

/// Checks a signature without a key, and returns its time.
fn check_form(signature: &Signature, now: SystemTime) -> Result<pgp::types::Timestamp, SignatureError> {
    let config = signature.config().ok_or(SignatureError::Unreadable)?;
    // Other types sign keys, or nothing, and must not pass for signatures of files.
    if !matches!(config.typ, SignatureType::Binary | SignatureType::Text) {
        return Err(SignatureError::Unreadable);
    }
    if !matches!(
        config.hash_alg,
        HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha224
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    ) {
        return Err(SignatureError::Weak(config.hash_alg.to_string()));
    }
    // An unknown critical subpacket invalidates the signature (RFC 9580 §5.2.3.7).
    let not_understood = |data: &SubpacketData| {
        matches!(
            data,
            SubpacketData::Experimental(..) | SubpacketData::Other(..) | SubpacketData::Notation(_)
        )
    };
    if config.hashed_subpackets().any(|part| part.is_critical && not_understood(&part.data)) {
        return Err(SignatureError::Critical);
    }
    let time = signature.created().ok_or(SignatureError::Unreadable)?;
    if SystemTime::from(time) > now + CLOCK_SLACK {
        return Err(SignatureError::FromTheFuture);
    }
    let lifetime = signature.signature_expiration_time().map_or(0, |lifetime| lifetime.as_secs());
    if lifetime > 0 && SystemTime::from(time) + Duration::from_secs(lifetime.into()) <= now {
        return Err(SignatureError::Expired);
    }
    Ok(time)
}

fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|fingerprint| format!("{fingerprint:X}"));
    let id = || signature.issuer_key_id().first().map(|id| id.to_string().to_ascii_uppercase());
    fingerprint.or_else(id).unwrap_or_else(|| "of nobody".to_owned())
}

fn signer(certificate: &SignedPublicKey, time: pgp::types::Timestamp) -> Signer {
    let time = Timestamp::from_second(i64::from(time.as_secs())).unwrap_or_default();
    Signer { fingerprint: fingerprint(certificate), user_id: user_id(certificate), time }
}

fn fingerprint(certificate: &SignedPublicKey) -> String {
    format!("{:X}", certificate.primary_key.fingerprint())
}
