//! Decides whether a certificate, a primary key with its subkeys, was valid for a signature at a time. The
//! library verifies only single signatures.

use std::time::{Duration, SystemTime};

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, RevocationCode, Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails, SignedUser, Tag, Timestamp};

/// A key of a certificate that may have signed something.
pub(super) enum Signing<'a> {
    Primary(&'a SignedPublicKey),
    Sub(&'a SignedPublicSubKey),
}

impl Signing<'_> {
    /// Whether a signature names this key. One that names none may be of any key.
    pub(super) fn is_named_by(&self, signature: &Signature) -> bool {
        let (id, fingerprint) = match self {
            Self::Primary(key) => (key.legacy_key_id(), key.fingerprint()),
            Self::Sub(key) => (key.legacy_key_id(), key.fingerprint()),
        };
        let (ids, fingerprints) = (signature.issuer_key_id(), signature.issuer_fingerprint());
        let says_nothing = ids.is_empty() && fingerprints.is_empty();
        says_nothing || ids.contains(&&id) || fingerprints.contains(&&fingerprint)
    }

    /// Whether this key made a signature of this content.
    pub(super) fn has_signed(&self, signature: &Signature, content: &[u8]) -> bool {
        let verified = match self {
            Self::Primary(key) => signature.verify(*key, content),
            Self::Sub(key) => signature.verify(*key, content),
        };
        verified.is_ok()
    }
}

/// The primary key and all subkeys.
pub(super) fn signing_keys(certificate: &SignedPublicKey) -> impl Iterator<Item = Signing<'_>> {
    let subkeys = certificate.public_subkeys.iter().map(Signing::Sub);
    std::iter::once(Signing::Primary(certificate)).chain(subkeys)
}

/// Whether a key was valid for signing at `time`; if not, why. Only statements that the primary key has
/// signed count.
pub(super) fn may_have_signed(
    certificate: &SignedPublicKey,
    key: &Signing<'_>,
    time: Timestamp,
    now: SystemTime,
) -> Result<(), &'static str> {
    let primary = &certificate.primary_key;
    let revocations = certificate.details.revocation_signatures.iter();
    if revoked(revocations.filter(|signature| signature.verify_key(primary).is_ok()), time) {
        return Err("was revoked");
    }
    let direct = newest(direct(certificate), now);
    let user = newest(users(certificate), now);
    for signature in [direct, user].into_iter().flatten() {
        check_lifetime(primary.created_at(), signature, time)?;
    }
    if primary.created_at() > time {
        return Err("is younger than the signature");
    }
    match key {
        Signing::Primary(_) => {
            let flags =
                newest(direct_and_users(certificate).filter(|signature| flags_of(signature).is_some()), now);
            // Old keys have no flags.
            match flags.and_then(flags_of) {
                Some(flags) if !flags.sign() => Err("is not for signing"),
                _ => Ok(()),
            }
        }
        Signing::Sub(subkey) => check_subkey(certificate, subkey, time, now),
    }
}

fn check_subkey(
    certificate: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    time: Timestamp,
    now: SystemTime,
) -> Result<(), &'static str> {
    let primary = &certificate.primary_key;
    let verified = |wanted| {
        let of_type = subkey.signatures.iter().filter(move |signature| signature.typ() == Some(wanted));
        of_type.filter(|signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok())
    };
    if revoked(verified(SignatureType::SubkeyRevocation), time) {
        return Err("has a subkey that was revoked, which made the signature");
    }
    let binding = newest(verified(SignatureType::SubkeyBinding), now);
    let binding = binding.ok_or("does not own the subkey that made the signature")?;
    check_lifetime(subkey.key.created_at(), binding, time)?;
    if subkey.key.created_at() > time {
        return Err("has a subkey that is younger than the signature, which made it");
    }
    if flags_of(binding).is_some_and(|flags| !flags.sign()) {
        return Err("has a subkey that is not for signing, which made the signature");
    }
    // Otherwise a certificate could claim a foreign signing key as its subkey (RFC 9580 §5.2.1.9).
    match binding.embedded_signature() {
        Some(back) if back.verify_primary_key_binding(&subkey.key, primary).is_ok() => Ok(()),
        _ => Err("is not confirmed by the subkey that made the signature"),
    }
}

/// The primary user ID of the key, else its first.
pub(super) fn user_id(certificate: &SignedPublicKey) -> Option<String> {
    let own = |user: &&SignedUser| self_certifications(certificate, user).next().is_some();
    let users = || certificate.details.users.iter().filter(own);
    let user = users().find(|user| user.is_primary()).or_else(|| users().next())?;
    let text = String::from_utf8_lossy(user.id.id()).into_owned();
    // A line break could forge a line of the log.
    Some(text.chars().filter(|character| !character.is_control()).collect())
}

/// Whether a key counts as revoked at `time`. A superseded or retired key is valid until then. A compromised
/// one never is, because a thief can date signatures at will.
fn revoked<'a>(mut revocations: impl Iterator<Item = &'a Signature>, time: Timestamp) -> bool {
    revocations.any(|revocation| {
        let given_up = matches!(
            revocation.revocation_reason_code(),
            Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
        );
        !given_up || revocation.created().is_none_or(|revoked| revoked <= time)
    })
}

fn check_lifetime(created: Timestamp, says: &Signature, time: Timestamp) -> Result<(), &'static str> {
    let lifetime = says.key_expiration_time().map_or(0, |lifetime| lifetime.as_secs());
    let end = u64::from(created.as_secs()) + u64::from(lifetime);
    if lifetime > 0 && u64::from(time.as_secs()) >= end {
        return Err("had expired when the signature was made");
    }
    Ok(())
}

/// The newest of the signatures that are neither expired nor from the future.
fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>, now: SystemTime) -> Option<&'a Signature> {
    let is_current = |signature: &&Signature| {
        let Some(created) = signature.created().map(SystemTime::from) else { return false };
        let lifetime = signature.signature_expiration_time().map_or(0, |lifetime| lifetime.as_secs());
        created <= now && (lifetime == 0 || created + Duration::from_secs(lifetime.into()) > now)
    };
    signatures
        .filter(|signature| signature.hash_alg() != Some(HashAlgorithm::Md5))
        .filter(is_current)
        .max_by_key(|signature| signature.created())
}

fn direct_and_users(certificate: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    direct(certificate).chain(users(certificate))
}

/// The statements of the key about itself.
fn direct(certificate: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let signatures = certificate.details.direct_signatures.iter();
    signatures
        .filter(|signature| signature.typ() == Some(SignatureType::Key))
        .filter(|signature| signature.verify_key(&certificate.primary_key).is_ok())
}

/// The statements of the key about its users that are still valid.
fn users(certificate: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    certificate.details.users.iter().flat_map(|user| self_certifications(certificate, user))
}

/// The certifications of a user by the key itself; none that were revoked.
fn self_certifications<'a>(
    certificate: &'a SignedPublicKey,
    user: &'a SignedUser,
) -> impl Iterator<Item = &'a Signature> {
    let own = |signature: &&Signature| {
        signature.verify_certification(&certificate.primary_key, Tag::UserId, &user.id).is_ok()
    };
    let is_revocation = |signature: &&Signature| signature.typ() == Some(SignatureType::CertRevocation);
    let revoked =
        user.signatures.iter().filter(is_revocation).filter(own).filter_map(Signature::created).max();
    let certifications = user.signatures.iter().filter(move |signature| !is_revocation(signature));
    certifications
        .filter(own)
        .filter(move |signature| revoked.is_none_or(|revoked| signature.created() > Some(revoked)))
}

fn flags_of(signature: &Signature) -> Option<&KeyFlags> {
    signature.config()?.hashed_subpackets().find_map(|part| match &part.data {
        SubpacketData::KeyFlags(flags) => Some(flags),
        _ => None,
    })
}
