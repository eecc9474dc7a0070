//! Giving the keys of a session to the kernel.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::libc::{
    TLS_1_2_VERSION, TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_128, TLS_CIPHER_AES_GCM_256,
    TLS_CIPHER_CHACHA20_POLY1305, tls_crypto_info, tls12_crypto_info_aes_gcm_128,
    tls12_crypto_info_aes_gcm_256, tls12_crypto_info_chacha20_poly1305,
};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{TcpTlsRx, TcpTlsTx, TcpUlp, TlsCryptoInfo};
use rustls::{CipherSuite, ConnectionTrafficSecrets, ServerConnection, SupportedCipherSuite};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

/// How long the kernel may take to connect to itself.
const TRIAL_TIME: Duration = Duration::from_secs(1);

/// The version and the cipher of a session, in the kernel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SessionKind {
    version: u16,
    cipher: u16,
}

/// The kinds of sessions that the kernel takes over.
pub(super) struct Offer(Vec<SessionKind>);

impl Offer {
    /// What this kernel offers. The first call finds it out by trial.
    pub(super) async fn of_kernel() -> &'static Self {
        static OFFER: OnceCell<Offer> = OnceCell::const_new();
        // A trial that fails in any way is no offer.
        OFFER.get_or_init(|| async { spawn_blocking(Self::find).await.unwrap_or(Self(Vec::new())) }).await
    }

    fn find() -> Self {
        let versions = [TLS_1_2_VERSION, TLS_1_3_VERSION];
        let ciphers = [TLS_CIPHER_AES_GCM_128, TLS_CIPHER_AES_GCM_256, TLS_CIPHER_CHACHA20_POLY1305];
        let kinds = versions
            .iter()
            .flat_map(|version| ciphers.map(|cipher| SessionKind { version: *version, cipher }));
        let (mut taken, mut refusal) = (Vec::new(), None);
        for kind in kinds {
            match try_out(kind) {
                Ok(()) => taken.push(kind),
                Err(error) => refusal = Some(error),
            }
        }
        match refusal {
            Some(error) if taken.is_empty() => tracing::info!(%error, "the kernel does not take TLS over"),
            _ => tracing::info!(kinds = taken.len(), "the kernel takes TLS over"),
        }
        Self(taken)
    }

    /// Whether the kernel takes sessions with `suite` over.
    pub(super) fn covers(&self, suite: SupportedCipherSuite) -> bool {
        kind(suite).is_some_and(|kind| self.0.contains(&kind))
    }
}

/// Tries with a connection to this process and keys that are never used. On a client's connection, a failure
/// half way would break it.
fn try_out(kind: SessionKind) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect_timeout(&listener.local_addr()?, TRIAL_TIME)?;
    let info = || crypto_info(kind, &[0; 32], &[0; 12], 0);
    give(&client, info()?, info()?)
}

/// Gives the keys of a session to the kernel, and returns how many records may be sent with them. Everything
/// must have been sent and received. After a failure the connection cannot be used.
pub(super) fn hand_over(stream: &impl AsFd, tls: ServerConnection) -> io::Result<u64> {
    let unsupported = || io::Error::from(io::ErrorKind::Unsupported);
    let suite = tls.negotiated_cipher_suite().ok_or_else(unsupported)?;
    let kind = kind(suite).ok_or_else(unsupported)?;
    let secrets = tls.dangerous_extract_secrets().map_err(io::Error::other)?;
    let info = |(sequence, secrets): &(u64, ConnectionTrafficSecrets)| match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
            crypto_info(kind, key.as_ref(), iv.as_ref(), *sequence)
        }
        _ => Err(unsupported()),
    };
    give(stream, info(&secrets.tx)?, info(&secrets.rx)?)?;
    let limit = match suite {
        SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
        SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
    };
    Ok(limit.saturating_sub(secrets.tx.0))
}

fn give(stream: &impl AsFd, tx: TlsCryptoInfo, rx: TlsCryptoInfo) -> io::Result<()> {
    setsockopt(stream, TcpUlp::default(), b"tls")?;
    setsockopt(stream, TcpTlsTx, &tx)?;
    setsockopt(stream, TcpTlsRx, &rx)?;
    Ok(())
}

fn kind(suite: SupportedCipherSuite) -> Option<SessionKind> {
    let version = match suite {
        SupportedCipherSuite::Tls12(_) => TLS_1_2_VERSION,
        SupportedCipherSuite::Tls13(_) => TLS_1_3_VERSION,
    };
    let cipher = match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => TLS_CIPHER_AES_GCM_128,
        CipherSuite::TLS13_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => TLS_CIPHER_AES_GCM_256,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => TLS_CIPHER_CHACHA20_POLY1305,
        _ => return None,
    };
    Some(SessionKind { version, cipher })
}

/// One direction of a session as the kernel wants it: the key, the twelve bytes of the nonce, and the number
/// of the next record. Of a longer key the beginning is used.
fn crypto_info(kind: SessionKind, key: &[u8], iv: &[u8], sequence: u64) -> io::Result<TlsCryptoInfo> {
    let info = tls_crypto_info { version: kind.version, cipher_type: kind.cipher };
    let rec_seq = sequence.to_be_bytes();
    if kind.cipher == TLS_CIPHER_CHACHA20_POLY1305 {
        let (key, iv) = (part(key, 0)?, part(iv, 0)?);
        let info = tls12_crypto_info_chacha20_poly1305 { info, iv, key, salt: [], rec_seq };
        return Ok(TlsCryptoInfo::Chacha20Poly1305(info));
    }
    let salt = part(iv, 0)?;
    let mut iv: [u8; 8] = part(iv, 4)?;
    if kind.version == TLS_1_2_VERSION {
        // The kernel counts nonces up from this one, while rustls used `iv` exclusive-or the record's number.
        // A nonce that is used twice betrays the key. So the kernel begins at a distance that no session
        // reaches.
        let [first, ..] = &mut iv;
        *first ^= 0x80;
    }
    if kind.cipher == TLS_CIPHER_AES_GCM_128 {
        let info = tls12_crypto_info_aes_gcm_128 { info, iv, key: part(key, 0)?, salt, rec_seq };
        return Ok(TlsCryptoInfo::Aes128Gcm(info));
    }
    Ok(TlsCryptoInfo::Aes256Gcm(tls12_crypto_info_aes_gcm_256 {
        info,
        iv,
        key: part(key, 0)?,
        salt,
        rec_seq,
    }))
}

/// `N` bytes of `bytes` from `start` on.
fn part<const N: usize>(bytes: &[u8], start: usize) -> io::Result<[u8; N]> {
    let part = bytes.get(start..).and_then(|rest| rest.first_chunk());
    part.copied().ok_or_else(|| io::Error::other("a key of another length than its cipher wants"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_told_keys_as_it_wants_them() {
        let key: Vec<u8> = (100..132).collect();
        let iv: Vec<u8> = (1..13).collect();
        let info = |version, cipher| {
            crypto_info(SessionKind { version, cipher }, &key, &iv, 7).expect("long enough")
        };
        let TlsCryptoInfo::Aes128Gcm(newer) = info(TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_128) else { panic!() };
        assert_eq!((newer.salt, newer.iv), ([1, 2, 3, 4], [5, 6, 7, 8, 9, 10, 11, 12]));
        assert_eq!((newer.key.as_slice(), newer.rec_seq), (&key[..16], [0, 0, 0, 0, 0, 0, 0, 7]));
        let TlsCryptoInfo::Aes256Gcm(older) = info(TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_256) else { panic!() };
        assert_eq!(older.key.as_slice(), key);
        // rustls has used nonces near the exported one, so the kernel must not.
        let distance = u64::from_be_bytes(older.iv).wrapping_sub(u64::from_be_bytes(newer.iv));
        assert_eq!(distance, 1 << 63);
        let TlsCryptoInfo::Chacha20Poly1305(third) = info(TLS_1_2_VERSION, TLS_CIPHER_CHACHA20_POLY1305)
        else {
            panic!()
        };
        assert_eq!((third.key.as_slice(), third.iv.as_slice()), (key.as_slice(), iv.as_slice()));
        assert!(
            crypto_info(SessionKind { version: 0, cipher: TLS_CIPHER_AES_GCM_256 }, &key[..16], &iv, 7)
                .is_err()
        );
    }
}
