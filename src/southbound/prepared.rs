//! Answers made ready once and given many times: head fields as they are sent, and the bytes of small files.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use file_transport::{OpenFile, Piece};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use rustix::fs::{AtFlags, StatxFlags, statx};

use super::listing::Form;
use super::media_types;
use component::{Listed, ListingSource};
use model::content::Content;
use model::identity::Identity;

/// Files up to this size are answered from memory. Up to about twice this, copying cost less than `sendfile` where it was tried; the rest is
/// left to keep the memory of all findings small.
const SMALL: u64 = 16 << 10;

/// The digest of the whole file, whatever part of it is sent (RFC 9530 §3).
pub(super) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// What a path led to, ready to be sent.
pub(super) enum Prepared {
    /// A file.
    File(Box<PreparedFile>),
    /// The listing of a folder.
    Listing(PreparedListing),
}

/// A file with its head fields.
pub(super) struct PreparedFile {
    pub(super) content: Content,
    /// The fields of an answer with the whole file.
    pub(super) head: HeaderMap,
    /// For UEFI firmware, where that wants another media type.
    pub(super) head_for_uefi: Option<HeaderMap>,
    pub(super) tag: HeaderValue,
    /// All of the file, if it is small.
    bytes: Option<Bytes>,
}

/// A rendered listing.
pub(super) struct PreparedListing {
    pub(super) head: HeaderMap,
    pub(super) bytes: Bytes,
    source: Option<ListingSource>,
}

impl Prepared {
    /// Whether both are the same ranges of the same version of a file. Under another name it may be of another type; and bytes that were
    /// read stand for themselves, because a file can be written twice within one tick of the clock that dates it.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => {
                let from_disk = !one.is_in_memory() && !other.is_in_memory();
                from_disk && one.content.is_same(&other.content) && one.head == other.head
            }
            _ => false,
        }
    }

    /// Bytes of memory that are kept for as long as this is.
    pub(super) fn memory(&self) -> u64 {
        match self {
            Self::File(file) => file.bytes.as_ref().map_or(0, Bytes::len) as u64 + file.content.memory(),
            Self::Listing(listed) => listed.bytes.len() as u64,
        }
    }

    /// Whether the bytes are still those that were found.
    pub(super) fn is_unchanged(&self) -> bool {
        match self {
            Self::File(file) => is_still(&file.content.file, &file.content.identity),
            Self::Listing(listed) => {
                listed.source.as_ref().is_none_or(|(file, identity)| is_still(file, identity))
            }
        }
    }
}

impl PreparedFile {
    /// Makes a file ready. `name` decides the media type. May read from the disk.
    pub(super) fn new(content: Content, name: &[u8]) -> Self {
        let bytes = (content.size <= SMALL).then(|| read(&content)).flatten();
        // What was written to meanwhile is better sent as it is then.
        let bytes = bytes.filter(|_| is_still(&content.file, &content.identity));
        let tag = value(&format!("\"{}\"", content.tag));
        let media_type = media_types::of(name, None);
        let for_uefi = media_types::of(name, Some(media_types::UEFI));
        let mut head = HeaderMap::with_capacity(8);
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type.name));
        head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        head.insert(header::ETAG, tag.clone());
        head.insert(header::LAST_MODIFIED, value(&httpdate::fmt_http_date(not_in_future(content.modified))));
        if media_type.name == "text/html" {
            // A page out of an image must not act as the page of whoever else is served at this address.
            head.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
        }
        if media_type.varies {
            head.insert(header::VARY, HeaderValue::from_static("User-Agent"));
        }
        if let Some(sha256) = content.sha256 {
            head.insert(REPR_DIGEST, value(&format!("sha-256=:{}:", STANDARD.encode(sha256.0))));
        }
        head.insert(header::CONTENT_LENGTH, HeaderValue::from(content.size));
        let head_for_uefi = (for_uefi != media_type).then(|| {
            let mut head = head.clone();
            head.insert(header::CONTENT_TYPE, HeaderValue::from_static(for_uefi.name));
            head
        });
        Self { head, head_for_uefi, tag, bytes, content }
    }

    /// The pieces that hold `length` bytes from `start` on, which must lie inside the file.
    pub(super) fn pieces(&self, start: u64, length: u64) -> impl Iterator<Item = Piece> {
        let range = usize::try_from(start).ok().zip(usize::try_from(start + length).ok());
        let kept =
            self.bytes.as_ref().zip(range).map(|(bytes, (start, end))| Piece::Bytes(bytes.slice(start..end)));
        let sent = if kept.is_some() { Vec::new() } else { self.content.pieces(start, length) };
        kept.into_iter().chain(sent)
    }

    /// Whether nothing has to be read to send it.
    pub(super) fn is_in_memory(&self) -> bool {
        self.bytes.is_some()
    }
}

impl PreparedListing {
    /// Renders what was listed, in the given form.
    pub(super) fn new(listed: Listed, form: Form, api_root: &str, path: &[Vec<u8>]) -> Self {
        let bytes = Bytes::from(form.render(listed.entries, api_root, path));
        let mut head = HeaderMap::with_capacity(4);
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
        head.insert(header::VARY, HeaderValue::from_static("Accept"));
        if form == Form::Page {
            // The page needs its own style and nothing else; a hostile name that got through would find everything shut.
            let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
            head.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        }
        head.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        Self { head, bytes, source: listed.source }
    }
}

/// Whether an open file is what it was. Asks what the system knows, without a word to the server of a network file system. A file that
/// has no name any more is not, so that one which was replaced or removed is noticed at once.
fn is_still(file: &OpenFile, identity: &Identity) -> bool {
    let wanted = StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::NLINK;
    let found = statx(&**file, c"", AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC, wanted);
    found.is_ok_and(|found| {
        found.stx_nlink > 0
            && found.stx_size == identity.size
            && found.stx_mtime.tv_sec == identity.seconds
            && found.stx_mtime.tv_nsec == identity.nanoseconds
    })
}

/// All bytes of a small file; `None` sends whoever wants them to the file itself, and to whatever error waits there.
fn read(content: &Content) -> Option<Bytes> {
    let mut bytes = vec![0; usize::try_from(content.size).ok()?];
    content.read(&mut bytes).ok()?;
    Some(bytes.into())
}

/// All values made here are plain ASCII.
pub(super) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The head field of a length.
pub(super) fn length(head: &mut HeaderMap, bytes: u64) {
    head.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
}

/// Sets a field to a text made here.
pub(super) fn insert(head: &mut HeaderMap, name: HeaderName, text: &str) {
    head.insert(name, value(text));
}

/// A date later than the answer's own must not be sent (RFC 9110 §8.8.2.1).
fn not_in_future(modified: SystemTime) -> SystemTime {
    modified.min(SystemTime::now())
}
