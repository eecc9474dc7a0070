//! Checksum files and their signatures: files made by GnuPG are accepted or refused, for the right reason.

use fetch::EgressPolicy;
use fetch::checksums::{ChecksumError, ListingError, Promise, expected};
use fetch::signature::{Keyring, SignatureError, Signer};
use fetch::{Fault, Fetcher};
use harness::gpg::Gpg;
use harness::web::{Behaviour, Origin};
use model::digest::{Expected, Sha256};
use pgp::composed::{ArmorOptions, Deserializable, DetachedSignature, SignedPublicKey, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, PublicSubkey, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, Password, Timestamp};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const BORN: &str = "20200101T000000";
const SIGNED: &str = "20210101T000000";
const LATER: &str = "20220101T000000";

/// The time of verification, in 2023.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_672_531_200)
}

fn sums() -> String {
    format!("{}  a.iso\n- dashes -\n\n{}  b.iso\n", "ab".repeat(32), "cd".repeat(32))
}

/// A folder of keyrings with these files.
fn keyrings(files: &[&[u8]]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (index, file) in files.iter().enumerate() {
        fs::write(folder.path().join(format!("keys-{index}")), file).unwrap();
    }
    folder
}

fn open(files: &[&[u8]]) -> Keyring {
    Keyring::open(keyrings(files).path()).unwrap()
}

#[track_caller]
fn sign(gpg: &Gpg, date: &str, key: &str, more: &[&str]) -> Vec<u8> {
    gpg.at(date, &[&["--local-user", key], more, &["--detach-sign"]].concat(), sums())
}

fn verify(keyring: &Keyring, signature: &[u8]) -> Result<Signer, SignatureError> {
    keyring.verify_detached(sums().as_bytes(), signature, now())
}

#[track_caller]
fn expect_problem(result: Result<Signer, SignatureError>, key: &str, part: &str) {
    match result {
        Err(SignatureError::Key { fingerprint, problem }) => {
            assert_eq!(fingerprint, key);
            assert!(problem.contains(part), "{problem}");
        }
        other => panic!("{part}: {other:?}"),
    }
}

#[test]
fn good_signatures_of_all_forms_are_believed() {
    let gpg = Gpg::empty();
    let mut publics = Vec::new();
    for (user, algorithm) in [("ed", "ed25519"), ("rsa", "rsa2048"), ("nist", "nistp256"), ("dsa", "dsa2048")]
    {
        let user = format!("{user} <{user}@example.org>");
        let key = gpg.key(BORN, &user, algorithm, "sign", "0");
        let keyring = open(&[&gpg.public(&key, false)]);
        for form in [
            &[][..],
            &["--armor"],
            &["--textmode"],
            &["--digest-algo", "SHA512"],
            &["--digest-algo", "SHA384"],
        ] {
            let signature = sign(&gpg, SIGNED, &key, form);
            let signer =
                verify(&keyring, &signature).unwrap_or_else(|error| panic!("{algorithm} {form:?}: {error}"));
            assert_eq!((&signer.fingerprint, signer.user_id.as_deref()), (&key, Some(user.as_str())));
            assert_eq!(signer.time.to_string(), "2021-01-01T00:00:00Z");
            let changed = sums().replace('a', "c");
            let changed = keyring.verify_detached(changed.as_bytes(), &signature, now());
            assert_eq!(changed, Err(SignatureError::Bad), "{algorithm} {form:?}");
        }
        let clear = gpg.at(SIGNED, &["--local-user", &key, "--clear-sign"], sums());
        let (text, signer) = keyring.verify_clear_signed(&clear, now()).unwrap();
        assert_eq!((text.replace("\r\n", "\n").trim_end(), &signer.fingerprint), (sums().trim_end(), &key));
        let changed = String::from_utf8(clear).unwrap().replacen("abab", "abac", 1);
        assert_eq!(keyring.verify_clear_signed(changed.as_bytes(), now()).unwrap_err(), SignatureError::Bad);
        publics.push(key);
    }
    // Keys are found in any file: several in a file, several armored blocks in a file, among files of other
    // kinds.
    let [first, second, third, fourth] = &publics[..] else { panic!() };
    let binary = [gpg.public(first, false), gpg.public(second, false)].concat();
    let armored = [gpg.public(third, true), b"\n# another\n".to_vec(), gpg.public(fourth, true)].concat();
    let keyring = open(&[b"This is no key.\n", &binary, &armored, b""]);
    for key in &publics {
        assert_eq!(verify(&keyring, &sign(&gpg, SIGNED, key, &[])).unwrap().fingerprint, *key);
    }
    // One good signature of several is enough.
    let others = Gpg::empty();
    let other = others.key(BORN, "other", "ed25519", "sign", "0");
    let both = [sign(&others, SIGNED, &other, &[]), sign(&gpg, SIGNED, first, &[])].concat();
    assert_eq!(verify(&keyring, &both).unwrap().fingerprint, *first);
}

#[test]
fn what_is_no_good_signature_is_refused_for_its_reason() {
    let gpg = Gpg::empty();
    let key = gpg.key(BORN, "signer", "rsa2048", "sign", "0");
    let public = gpg.public(&key, false);
    let keyring = open(&[&public]);
    let good = sign(&gpg, SIGNED, &key, &[]);
    assert!(verify(&keyring, &good).is_ok());

    let others = Gpg::empty();
    let other = others.key(BORN, "signer", "rsa2048", "sign", "0");
    let unknown = verify(&keyring, &sign(&others, SIGNED, &other, &[]));
    assert_eq!(unknown, Err(SignatureError::UnknownKey(other)));
    let weak = verify(&keyring, &sign(&gpg, SIGNED, &key, &["--digest-algo", "SHA1"]));
    assert_eq!(weak, Err(SignatureError::Weak("SHA1".into())));
    let expired = verify(&keyring, &sign(&gpg, SIGNED, &key, &["--default-sig-expire", "20210201T000000"]));
    assert_eq!(expired, Err(SignatureError::Expired));
    let lasting = verify(&keyring, &sign(&gpg, SIGNED, &key, &["--default-sig-expire", "20330201T000000"]));
    assert!(lasting.is_ok(), "{lasting:?}");
    let future = verify(&keyring, &sign(&gpg, "20230103T000000", &key, &[]));
    assert_eq!(future, Err(SignatureError::FromTheFuture));
    let nearly = verify(&keyring, &sign(&gpg, "20230101T120000", &key, &[]));
    assert!(nearly.is_ok(), "{nearly:?}");
    let critical = verify(&keyring, &sign(&gpg, SIGNED, &key, &["--sig-notation", "!what@example.org=x"]));
    assert_eq!(critical, Err(SignatureError::Critical));
    let noted = verify(&keyring, &sign(&gpg, SIGNED, &key, &["--sig-notation", "what@example.org=x"]));
    assert!(noted.is_ok(), "{noted:?}");

    // A signature by the right key over other bytes.
    let (certificate, _) = SignedPublicKey::from_reader_single(&public[..]).unwrap();
    let of_user = certificate.details.users[0].signatures[0].clone();
    let of_user = DetachedSignature::new(of_user).to_armored_bytes(ArmorOptions::default()).unwrap();
    let truncated = &good[..good.len() / 2];
    for garbage in [&of_user[..], truncated, b"", b"garbage", b"<html>Sign in</html>", &public, &[0xff; 5000]]
    {
        assert_eq!(verify(&keyring, garbage), Err(SignatureError::Unreadable), "{garbage:?}");
    }
    for garbage in [sums().as_bytes(), b"", &[0xff; 100], b"-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n"] {
        let refused = keyring.verify_clear_signed(garbage, now());
        assert_eq!(refused.unwrap_err(), SignatureError::NotClearSigned, "{garbage:?}");
    }
    for empty in [&[][..], &[&b"This is no key."[..]], &[&good]] {
        let refused = Keyring::open(keyrings(empty).path()).unwrap_err();
        assert!(matches!(refused, SignatureError::Keyring(_)), "{refused:?}");
    }
    assert!(matches!(Keyring::open(Path::new("/nonexistent")), Err(SignatureError::Keyring(_))));
}

#[test]
fn a_key_counts_for_the_time_that_it_was_valid() {
    let gpg = Gpg::empty();
    let key = gpg.key(BORN, "short", "ed25519", "sign", "0");
    let (early, late) = (sign(&gpg, "20200201T000000", &key, &[]), sign(&gpg, SIGNED, &key, &[]));
    gpg.at("20200301T000000", &["--quick-set-expire", &key, "20200601T000000"], "");
    let shortened = gpg.public(&key, false);
    let keyring = open(&[&shortened]);
    assert_eq!(verify(&keyring, &early).unwrap().fingerprint, key);
    expect_problem(verify(&keyring, &late), &key, "expired");
    // A certification by another key does not change its age.
    let other = Gpg::empty();
    let others = other.key(BORN, "other", "ed25519", "cert", "0");
    other.at("20200401T000000", &["--import"], &shortened);
    other.at("20200401T000000", &["--local-user", &others, "--quick-sign-key", &key], "");
    let certified = other.public(&key, false);
    assert!(certified.len() > shortened.len(), "certified by another");
    expect_problem(verify(&open(&[&certified]), &late), &key, "expired");
    // The key's lifetime was extended.
    gpg.at("20200501T000000", &["--quick-set-expire", &key, "0"], "");
    let lengthened = gpg.public(&key, false);
    assert!(verify(&open(&[&lengthened]), &late).is_ok());
    // With both versions in a keyring, the latest self-signature counts, in any order.
    for (first, second) in [(&shortened, &lengthened), (&lengthened, &shortened)] {
        let [mut both, other] = [first, second].map(|key| SignedPublicKey::from_bytes(&key[..]).unwrap());
        both.details.users[0].signatures.extend(other.details.users[0].signatures.clone());
        let both = both.to_armored_bytes(ArmorOptions::default()).unwrap();
        assert!(verify(&open(&[&both]), &late).is_ok());
    }

    // A key revoked without a reason may be stolen, and a thief can backdate signatures.
    gpg.revoke(&key);
    let keyring = open(&[&gpg.public(&key, false)]);
    for signature in [&early, &late] {
        expect_problem(verify(&keyring, signature), &key, "revoked");
    }

    // A retired key counts until its retirement.
    let key = gpg.key(BORN, "retired", "ed25519", "sign", "0");
    let (early, late) = (sign(&gpg, SIGNED, &key, &[]), sign(&gpg, "20220601T000000", &key, &[]));
    let edit = ["--no-batch", "--command-fd", "0", "--edit-key", &key];
    gpg.at(LATER, &edit, "revkey\ny\n3\n\ny\nsave\n");
    let keyring = open(&[&gpg.public(&key, false)]);
    assert_eq!(verify(&keyring, &early).unwrap().fingerprint, key);
    expect_problem(verify(&keyring, &late), &key, "revoked");
}

#[test]
fn subkeys_sign_for_their_primary_key() {
    let gpg = Gpg::empty();
    let key = gpg.key(BORN, "primary", "ed25519", "cert", "0");
    let subkey = gpg.subkey(BORN, &key, "ed25519", "sign");
    let second = gpg.subkey(BORN, &key, "rsa2048", "sign");
    let keyring = open(&[&gpg.public(&key, false)]);
    let signatures = [&subkey, &second].map(|subkey| sign(&gpg, SIGNED, &format!("{subkey}!"), &[]));
    for signature in &signatures {
        let signer = verify(&keyring, signature).unwrap();
        assert_eq!((&signer.fingerprint, signer.user_id.as_deref()), (&key, Some("primary")));
    }
    // The primary key itself may not sign.
    let secret = gpg.at(BORN, &["--export-secret-keys", &key], "");
    let (secret, _) = SignedSecretKey::from_reader_single(&secret[..]).unwrap();
    let mut config =
        SignatureConfig::v4(SignatureType::Binary, secret.primary_key.algorithm(), HashAlgorithm::Sha256);
    let time = SubpacketData::SignatureCreationTime(Timestamp::from_secs(1_610_000_000));
    config.hashed_subpackets = vec![Subpacket::regular(time).unwrap()];
    let made = config.sign(&secret.primary_key, &Password::empty(), sums().as_bytes()).unwrap();
    let made = DetachedSignature::new(made).to_armored_bytes(ArmorOptions::default()).unwrap();
    expect_problem(verify(&keyring, &made), &key, "not for signing");
    // One subkey is revoked, the other stays; then the primary key is revoked with both.
    let edit = ["--no-batch", "--command-fd", "0", "--edit-key", &key];
    gpg.at(LATER, &edit, "key 1\nrevkey\ny\n1\n\ny\nsave\n");
    let keyring = open(&[&gpg.public(&key, false)]);
    expect_problem(verify(&keyring, &signatures[0]), &key, "subkey that was revoked");
    assert!(verify(&keyring, &signatures[1]).is_ok());
    gpg.revoke(&key);
    let keyring = open(&[&gpg.public(&key, false)]);
    expect_problem(verify(&keyring, &signatures[1]), &key, "was revoked");
}

#[test]
fn a_foreign_key_cannot_be_claimed_as_a_subkey() {
    let (gpg, thief) = (Gpg::empty(), Gpg::empty());
    let rich = gpg.key(BORN, "rich", "ed25519", "cert", "0");
    let subkey = gpg.subkey(BORN, &rich, "ed25519", "sign");
    let by_subkey = sign(&gpg, SIGNED, &format!("{subkey}!"), &[]);
    let (rich, _) = SignedPublicKey::from_reader_single(&gpg.public(&rich, false)[..]).unwrap();
    let key = gpg.key(BORN, "owner", "rsa2048", "sign", "0");
    let thiefs = thief.key(BORN, "thief", "ed25519", "sign", "0");
    let signature = sign(&gpg, SIGNED, &key, &[]);
    let (owner, _) = SignedPublicKey::from_reader_single(&gpg.public(&key, false)[..]).unwrap();
    let secret = thief.at(BORN, &["--export-secret-keys", &thiefs], "");
    let (secret, _) = SignedSecretKey::from_reader_single(&secret[..]).unwrap();
    let mut claimed = SignedPublicKey::from(secret.clone());

    // Unchanged, with its owner's self-signatures.
    let grafted = SignedPublicKey { public_subkeys: rich.public_subkeys, ..claimed.clone() };
    let grafted = grafted.to_armored_bytes(ArmorOptions::default()).unwrap();
    expect_problem(verify(&open(&[&grafted]), &by_subkey), &thiefs, "does not own");

    // A subkey of the same key material, which the thief claims.
    let stolen = &owner.primary_key;
    let inner = pgp::packet::PubKeyInner::new(
        stolen.version(),
        stolen.algorithm(),
        stolen.created_at(),
        None,
        stolen.public_params().clone(),
    );
    let stolen = PublicSubkey::from_inner(inner.unwrap()).unwrap();
    let mut config = SignatureConfig::v4(
        SignatureType::SubkeyBinding,
        secret.primary_key.algorithm(),
        HashAlgorithm::Sha256,
    );
    let mut flags = KeyFlags::default();
    flags.set_sign(true);
    config.hashed_subpackets = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(1_590_000_000)),
        SubpacketData::IssuerFingerprint(secret.primary_key.fingerprint()),
        SubpacketData::KeyFlags(flags),
    ]
    .map(|data| Subpacket::regular(data).unwrap())
    .to_vec();
    let public = secret.primary_key.public_key();
    let binding =
        config.sign_subkey_binding(&secret.primary_key, public, &Password::empty(), &stolen).unwrap();
    claimed.public_subkeys.push(pgp::composed::SignedPublicSubKey::new(stolen, vec![binding]));
    let claimed = claimed.to_armored_bytes(ArmorOptions::default()).unwrap();
    expect_problem(verify(&open(&[&claimed]), &signature), &thiefs, "not confirmed");
}

/// Fetches and reads a checksum file for `a.iso`.
async fn promise(
    origin: &Origin,
    signature: Option<&str>,
    keyring: Option<&Path>,
) -> Result<Promise, ChecksumError> {
    let fetcher = Fetcher::new(EgressPolicy::default(), Duration::from_secs(5)).unwrap();
    let url = |path: &str| origin.url(path).replacen("://", "://operator:secret@", 1).parse().unwrap();
    let signature = signature.map(url);
    expected(&fetcher, &url("/SUMS?token=secret"), signature.as_ref(), keyring, &["a.iso"]).await
}

#[tokio::test]
async fn a_signed_checksum_file_is_fetched_and_believed() {
    let gpg = Gpg::empty();
    let key = gpg.key(BORN, "signer", "ed25519", "sign", "0");
    let folder = keyrings(&[&gpg.public(&key, false)]);
    let origin = Origin::start();
    let a = Expected { sha256: Some(Sha256([0xab; 32])), sha512: None };
    origin.on("/SUMS", Behaviour::Bytes(sums().into_bytes()));
    origin.on("/SUMS.sig", Behaviour::Bytes(sign(&gpg, SIGNED, &key, &[])));
    let unsigned = promise(&origin, None, Some(folder.path())).await.unwrap();
    assert_eq!(unsigned, Promise { expected: a, signer: None });
    let signed = promise(&origin, Some("/SUMS.sig"), Some(folder.path())).await.unwrap();
    assert_eq!((signed.expected, signed.signer.unwrap().fingerprint), (a, key.clone()));

    // A signature without a keyring is refused rather than ignored.
    let refused = promise(&origin, Some("/SUMS.sig"), None).await.unwrap_err();
    assert!(
        matches!(refused, ChecksumError::Signature { error: SignatureError::NoKeyring, .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("`keyringDir`"), "{refused}");
    origin.on("/SUMS", Behaviour::Bytes(sums().replace("ab", "ba").into_bytes()));
    let changed = promise(&origin, Some("/SUMS.sig"), Some(folder.path())).await.unwrap_err();
    assert!(matches!(changed, ChecksumError::Signature { error: SignatureError::Bad, .. }), "{changed:?}");

    // A clear-signed file is read in either case, and verified where possible.
    let clear = gpg.at(SIGNED, &["--local-user", &key, "--clear-sign"], sums());
    origin.on("/SUMS", Behaviour::Bytes(clear.clone()));
    assert_eq!(promise(&origin, None, None).await.unwrap(), Promise { expected: a, signer: None });
    let signed = promise(&origin, None, Some(folder.path())).await.unwrap();
    assert_eq!((signed.expected, signed.signer.unwrap().fingerprint), (a, key));
    // Text before and behind the signed text is not signed.
    let evil = format!("{}  a.iso\n", "ee".repeat(32));
    for around in [[evil.as_bytes(), &clear].concat(), [&clear, evil.as_bytes()].concat()] {
        origin.on("/SUMS", Behaviour::Bytes(around));
        if let Ok(promise) = promise(&origin, None, Some(folder.path())).await {
            assert_eq!(promise.expected, a);
        }
    }
    let others = Gpg::empty();
    let other = others.key(BORN, "other", "ed25519", "sign", "0");
    origin
        .on("/SUMS", Behaviour::Bytes(others.at(SIGNED, &["--local-user", &other, "--clear-sign"], sums())));
    let refused = promise(&origin, None, Some(folder.path())).await.unwrap_err();
    assert!(refused.to_string().contains(&other), "{refused}");
}

#[tokio::test]
async fn what_a_checksum_file_lacks_is_told_without_secrets() {
    let origin = Origin::start();
    let fault = promise(&origin, None, None).await.unwrap_err();
    assert!(matches!(fault.fault(), Some(Fault::Missing(_))), "{fault:?}");
    let mut texts = vec![fault.to_string()];
    origin.on("/SUMS", Behaviour::Bytes(vec![b'\n'; (1 << 20) + 1]));
    texts.push(promise(&origin, None, None).await.unwrap_err().to_string());
    origin.on("/SUMS", Behaviour::Bytes(sums().replace("a.iso", "c.iso").into_bytes()));
    let unlisted = promise(&origin, None, None).await.unwrap_err();
    assert!(
        matches!(&unlisted, ChecksumError::Listing { error: ListingError::NotListed(name), .. } if name == "a.iso")
    );
    texts.push(unlisted.to_string());
    origin.on("/SUMS", Behaviour::Html);
    texts.push(promise(&origin, None, None).await.unwrap_err().to_string());
    for (text, part) in texts.iter().zip(["404", "larger", "a.iso", "no checksums"]) {
        assert!(
            text.contains(part) && text.contains(&origin.url("/SUMS")) && !text.contains("secret"),
            "{text}"
        );
    }
}
