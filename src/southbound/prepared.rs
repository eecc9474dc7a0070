//! Responses that are prepared once and sent many times: header fields, and the bytes of small files.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use file_transport::{OpenFile, Piece};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use rustix::fs::{AtFlags, StatxFlags, statx};

use super::listing::{self, Form};
use super::{listing_page, media_types};
use component::{Entry, Listed, ListingSource};
use images::trees::sorted;
use model::content::Content;
use model::identity::Identity;

/// Files up to this size, in bytes, are sent from memory. Up to about twice this, copying cost less than
/// `sendfile` in measurements; half of that keeps the memory of all cached responses small.
const SMALL: u64 = 16 << 10;

/// The digest of the whole file, whichever part of it is sent (RFC 9530 §3).
pub(super) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// What a listing may do in a browser. It needs its own style alone, so a name that escaped the escaping
/// could load nothing. Like a page out of an image it has no rights of this origin. Its links lead to files
/// to download, and into new tabs, which are no longer in its sandbox.
const LISTING_POLICY: HeaderValue = HeaderValue::from_static(
    "sandbox allow-downloads allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
     style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
);

/// The content at a path, ready to be sent.
pub(super) enum Prepared {
    /// A file.
    File(Box<PreparedFile>),
    /// The listing of a folder.
    Listing(PreparedListing),
}

/// A file with its header fields.
pub(super) struct PreparedFile {
    pub(super) content: Content,
    /// The fields of a response with the whole file.
    pub(super) head: HeaderMap,
    /// The fields for UEFI firmware, if it needs another media type.
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
    /// Whether both are the same ranges of the same version of a file, with the same header fields: another
    /// name may mean another media type. Bytes in memory never count as the same, because a file can be
    /// written twice within one tick of the clock that dates it.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => {
                let from_disk = !one.is_in_memory() && !other.is_in_memory();
                from_disk && one.content.is_same(&other.content) && one.head == other.head
            }
            _ => false,
        }
    }

    /// The memory that this value occupies, in bytes.
    pub(super) fn memory(&self) -> u64 {
        match self {
            Self::File(file) => file.bytes.as_ref().map_or(0, Bytes::len) as u64 + file.content.memory(),
            Self::Listing(listed) => listed.bytes.len() as u64,
        }
    }

    /// Whether the file or directory is still as the look-up found it.
    pub(super) fn is_unchanged(&self) -> bool {
        match self {
            Self::File(file) => is_current(&file.content),
            Self::Listing(listed) => {
                listed.source.as_ref().is_none_or(|(file, identity)| is_still(file, identity))
            }
        }
    }
}

impl PreparedFile {
    /// Prepares a file. Its `name` decides the media type. May read from the disk.
    pub(super) fn new(content: Content, name: &[u8]) -> Self {
        let bytes = (content.size <= SMALL).then(|| read(&content)).flatten();
        // A file that was written to during the read is sent from the disk.
        let bytes = bytes.filter(|_| is_current(&content));
        let tag = value(&format!("\"{}\"", content.tag));
        let media_type = media_types::of(name, None);
        let for_uefi = media_types::of(name, Some(media_types::UEFI));
        let mut head = HeaderMap::with_capacity(12);
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type.name));
        head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        head.insert(header::ETAG, tag.clone());
        head.insert(header::LAST_MODIFIED, value(&httpdate::fmt_http_date(not_in_future(content.modified))));
        never_sniffed(&mut head);
        if media_type.name == "text/html" {
            // A page out of an image must not act with the rights of this origin.
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

    /// The pieces with `length` bytes from `start` on, which must lie inside the file.
    pub(super) fn pieces(&self, start: u64, length: u64) -> impl Iterator<Item = Piece> {
        let range = usize::try_from(start).ok().zip(usize::try_from(start + length).ok());
        let kept =
            self.bytes.as_ref().zip(range).map(|(bytes, (start, end))| Piece::Bytes(bytes.slice(start..end)));
        let sent = if kept.is_some() { Vec::new() } else { self.content.pieces(start, length) };
        kept.into_iter().chain(sent)
    }

    /// Whether it is sent without a read from the disk.
    pub(super) fn is_in_memory(&self) -> bool {
        self.bytes.is_some()
    }
}

impl PreparedListing {
    /// Renders the listing of the directory at `path`, given by its components from the southbound root.
    pub(super) fn new(listed: Listed, form: Form, api_root: &str, path: &[Vec<u8>]) -> Self {
        let bytes = Bytes::from(render(form, &listed.entries, api_root, path));
        let mut head = HeaderMap::with_capacity(6);
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
        head.insert(header::VARY, HeaderValue::from_static("Accept"));
        never_sniffed(&mut head);
        if form == Form::Page {
            head.insert(header::CONTENT_SECURITY_POLICY, LISTING_POLICY);
        }
        head.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        Self { head, bytes, source: listed.source }
    }
}

fn render(form: Form, entries: &[Entry], api_root: &str, path: &[Vec<u8>]) -> String {
    let entries = sorted(entries);
    match form {
        Form::Page => listing_page::render(entries, api_root, path),
        Form::Names => listing::names(&entries),
        Form::Objects => listing::objects(&entries, &listing_page::link(api_root, path)),
        Form::Lines => listing::lines(&entries),
    }
}

/// Whether the bytes are still those that the look-up found.
fn is_current(content: &Content) -> bool {
    !content.is_on_disk || is_still(&content.file, &content.identity)
}

/// Whether an open file is the version `identity`. Asks the kernel alone, never the server of a network file
/// system. A file without a name counts as changed, so a replaced or removed file is noticed at once.
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

/// All bytes of a small file. `None` if the read fails: the transfer then reads the file and meets the error.
fn read(content: &Content) -> Option<Bytes> {
    let mut bytes = vec![0; usize::try_from(content.size).ok()?];
    content.read(&mut bytes).ok()?;
    Some(bytes.into())
}

/// A header value. All texts that are made here are plain ASCII.
pub(super) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Keeps browsers from taking bytes for a page, or for a script of one, by how they look.
pub(super) fn never_sniffed(head: &mut HeaderMap) {
    head.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Sets `Content-Length`.
pub(super) fn length(head: &mut HeaderMap, bytes: u64) {
    head.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
}

/// Sets a field to a text that is made here.
pub(super) fn insert(head: &mut HeaderMap, name: HeaderName, text: &str) {
    head.insert(name, value(text));
}

/// A date later than the response's own must not be sent (RFC 9110 §8.8.2.1).
fn not_in_future(modified: SystemTime) -> SystemTime {
    modified.min(SystemTime::now())
}
