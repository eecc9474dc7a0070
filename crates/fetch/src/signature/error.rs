//! Why a signature is refused.

/// Why a signature cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No keyring is configured.
    #[error("no keyrings are configured (`keyringDir`)")]
    NoKeyring,
    /// The keyrings cannot be read.
    #[error("the keyrings cannot be read (`keyringDir`: {0})")]
    Keyring(String),
    /// It is no signature, or not one of a file.
    #[error("it is not an OpenPGP signature of a file")]
    Unreadable,
    /// The file is not clear-signed as it should be.
    #[error("the file is not a clear-signed message")]
    NotClearSigned,
    /// No keyring has the key.
    #[error("it was made by the key {0}, which is in none of the keyrings (`keyringDir`)")]
    UnknownKey(String),
    /// It is a signature of other content.
    #[error("it does not fit the content: one of them was changed")]
    Bad,
    /// It uses a weak digest.
    #[error("it uses {0}, which can be forged")]
    Weak(String),
    /// It has a critical subpacket that is not understood.
    #[error("it has a part that must be understood and is not")]
    Critical,
    /// It is from the future.
    #[error("it was made in the future; one of the clocks is wrong")]
    FromTheFuture,
    /// Its validity has ended.
    #[error("it has expired")]
    Expired,
    /// The key was not valid when it was made.
    #[error("the key {fingerprint} {problem}")]
    Key {
        /// The fingerprint of the key.
        fingerprint: String,
        /// The problem, as the rest of a sentence.
        problem: &'static str,
    },
}
