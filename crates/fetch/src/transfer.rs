//! One transfer of a file: the state to resume from, and the answer with its bytes.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use url::Url;

use super::{Fault, Validator};

/// The bytes of a file as they arrive. The stream ends at the announced length or with an error.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

/// The state of an earlier attempt, to resume from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// Bytes that are already stored.
    pub offset: u64,
    /// The validator that the source of that attempt sent. It means nothing to another source.
    pub validator: Option<Validator>,
    /// The size that the source announced.
    pub total: Option<u64>,
    /// Whether the caller verifies the complete file by a digest. Only then may the rest come from a source
    /// that cannot guarantee that it is the same file.
    pub verified_later: bool,
}

/// An answer of the source, and its bytes to come.
pub struct Fetched {
    /// Where the bytes begin: at the requested offset, or at 0 if the file starts over.
    pub start: u64,
    /// The size of the whole file, if the source announced it.
    pub total: Option<u64>,
    /// Identifies the file when this transfer is resumed.
    pub validator: Option<Validator>,
    /// `Content-Disposition`, if any.
    pub proposed_name: Option<String>,
    /// The link after all redirects, without credentials.
    pub final_url: Url,
    /// Why the file starts over although a resume was requested.
    pub started_over: Option<&'static str>,
    /// The coding that the bytes have by the words of the server, which are passed on as they came.
    pub coding: Option<String>,
    /// The bytes.
    pub bytes: ByteStream,
}
