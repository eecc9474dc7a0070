//! The parameters of requests, for the document: in the query, in the members of a JSON body, in header
//! fields. The handlers parse text with types of the model; a test compares the names here with theirs.

#![expect(dead_code, reason = "only the document is made of these")]

use utoipa::{IntoParams, ToSchema};

use crate::northbound::views::file::Store;
use crate::northbound::views::image::TreeChoice;
use crate::northbound::views::job::{JobKind, JobState};
use crate::northbound::views::labels::Labels;

/// Which images are meant: those that match all that is said, exactly.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct ImageFilters {
    /// The image's id.
    id: Option<String>,
    /// The image's name.
    name: Option<String>,
    /// The image's version.
    version: Option<String>,
    /// The name of its ISO in the store.
    iso: Option<String>,
    /// Its status, for example `OK`.
    status: Option<String>,
}

/// An image to be registered, and where its ISO comes from: one of `isostore`, `isolocal`, `isoweb` and
/// `isoclient`. Of several, the first in this order counts.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct Registration {
    /// First segment of the image's path: one safe path segment of at most 255 bytes. `iso`, `common` and
    /// `gui` are taken.
    #[param(required = false)]
    name: String,
    /// Second segment of the image's path.
    #[param(required = false)]
    version: String,
    /// A file of the ISO store.
    isostore: Option<String>,
    /// An absolute path on the server. The file is served where it lies, and never written to.
    isolocal: Option<String>,
    /// A link to the ISO: http, https or ftp. Up to 16 may be given, of the same bytes; they are asked in
    /// order.
    #[param(max_items = 16)]
    #[schema(max_items = 16)]
    isoweb: Option<Vec<String>>,
    /// The name that the ISO gets in the store. The body of the request is the ISO, so all parameters are in
    /// the query.
    isoclient: Option<String>,
    /// Which of the ISO's trees to serve; without it the best, in the order of this list.
    tree: Option<TreeChoice>,
    /// Seconds to wait for the end of a download, 3 by default and 3600 at most. The answer tells the status
    /// that was reached by then.
    #[param(maximum = 3600)]
    #[schema(maximum = 3600)]
    wait: Option<u64>,
    /// The SHA-256 that the ISO must have, in hexadecimal.
    #[param(pattern = "^[0-9a-fA-F]{64}$")]
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: Option<String>,
    /// The SHA-512 that the ISO must have, in hexadecimal.
    #[param(pattern = "^[0-9a-fA-F]{128}$")]
    #[schema(pattern = "^[0-9a-fA-F]{128}$")]
    sha512: Option<String>,
    /// A link to a checksum file (GNU, BSD or clear-signed) that says what the ISO must be.
    checksum: Option<String>,
    /// A link to an OpenPGP signature of the checksum file, by a key in `keyringDir`.
    signature: Option<String>,
    /// Labels, each as `key=value`.
    #[param(max_items = 64, example = json!(["team=blue"]))]
    #[schema(ignore)]
    label: Option<Vec<String>>,
    /// Labels.
    #[param(ignore)]
    labels: Option<Labels>,
}

/// The id of an image, if it is to stand here as well as in the path.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct RepeatedId {
    /// The same id as in the path.
    id: Option<String>,
}

/// An image as it is to be: a registration, and the id.
#[derive(ToSchema)]
pub(in crate::northbound) struct WantedImage {
    #[serde(flatten)]
    #[schema(inline)]
    id: RepeatedId,
    #[serde(flatten)]
    registration: Registration,
}

/// Which version a change is about. With `requirePreconditions` one of them must be said.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::northbound) struct Conditions {
    /// `ETag`s of earlier answers, or `*`: nothing is done unless one of them is that of the present version.
    #[param(rename = "If-Match", example = "\"6d7fce9fee471194aa8b5b6e47267f03\"")]
    if_match: Option<String>,
    /// `*`: nothing is done unless there is none yet.
    #[param(rename = "If-None-Match", example = "*")]
    if_none_match: Option<String>,
}

/// What is to be seen of an image.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct Folder {
    /// The folder, as paths stand in answers: percent-encoded, for names need not be UTF-8. So it is encoded
    /// once more in the query.
    #[param(example = "boot/grub/")]
    path: Option<String>,
    /// How many entries to pass over.
    offset: Option<u64>,
    /// The most entries to answer with; 1000 by default.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u64>,
    /// Answer with what is below the folder, however deep, and has this text in its name, in whatever case.
    search: Option<String>,
}

/// The file that is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct FileFilter {
    /// The file's name; without it, all files.
    name: Option<String>,
}

/// The file that is meant. Its name must be said, here or there.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct FileName {
    /// The file's name.
    #[param(required = false)]
    name: String,
}

/// The file that is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::northbound) struct FilePath {
    /// Its store.
    store: Store,
    /// Its name.
    name: String,
}

/// A file that comes as a body.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct IncomingFile {
    /// The name that the file gets: one safe path segment of at most 255 bytes.
    name: String,
    /// The SHA-256 that it must have, in hexadecimal.
    #[param(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: Option<String>,
    /// The SHA-512 that it must have, in hexadecimal.
    #[param(pattern = "^[0-9a-fA-F]{128}$")]
    sha512: Option<String>,
    /// A link to a checksum file (GNU, BSD or clear-signed) that says what it must be.
    checksum: Option<String>,
    /// A link to an OpenPGP signature of the checksum file, by a key in `keyringDir`.
    signature: Option<String>,
    /// Labels, each as `key=value`. They replace those of the name; without any, those stay.
    #[param(max_items = 64, example = json!(["team=blue"]))]
    label: Option<Vec<String>>,
}

/// What the bytes of a body must be.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::northbound) struct DigestFields {
    /// The digests that the body must have, `sha-256` and `sha-512` (RFC 9530).
    #[param(rename = "Repr-Digest", example = "sha-256=:1P8CY0RkH8l6REVXJIt5eYd2Y8qVp4JVXfdvvYhVYB0=:")]
    repr_digest: Option<String>,
    /// The same: a body that is a whole file has but one digest.
    #[param(rename = "Content-Digest")]
    content_digest: Option<String>,
}

/// How long a client likes to wait.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::northbound) struct Preference {
    /// `wait=N` is the same as the parameter `wait`, `respond-async` is `wait=0` (RFC 7240).
    #[param(rename = "Prefer", example = "respond-async")]
    prefer: Option<String>,
}

/// Which jobs are meant: those that match all that is said.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct JobFilters {
    kind: Option<JobKind>,
    state: Option<JobState>,
    /// The id of the image that they fetch the ISO of.
    image: Option<String>,
}

/// An upload to be begun. What tus says in `Upload-Length` and `Upload-Metadata` need not be said here.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct NewUpload {
    /// The name that the file gets: one safe path segment of at most 255 bytes.
    name: Option<String>,
    /// Where the file goes; `iso` by default.
    store: Option<Store>,
    /// Bytes that the file will have, if that is known.
    #[param(minimum = 1)]
    size: Option<u64>,
    /// The SHA-256 that the file must have, in hexadecimal.
    #[param(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: Option<String>,
    /// The SHA-512 that the file must have, in hexadecimal.
    #[param(pattern = "^[0-9a-fA-F]{128}$")]
    sha512: Option<String>,
    /// Labels of the file, each as `key=value`. They replace those of the name; without any, those stay.
    #[param(max_items = 64, example = json!(["team=blue"]))]
    label: Option<Vec<String>>,
}

/// The version of the protocol.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::northbound) struct TusVersion {
    /// `1.0.0`, from clients of tus. Plain ones say nothing.
    #[param(rename = "Tus-Resumable", example = "1.0.0")]
    tus_resumable: Option<String>,
}

/// The version of the protocol, where it must be said.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::northbound) struct TusVersionRequired {
    /// `1.0.0`.
    #[param(rename = "Tus-Resumable", example = "1.0.0")]
    tus_resumable: String,
}

/// What tus says of a new upload.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::northbound) struct NewUploadFields {
    /// Bytes that the file will have.
    #[param(rename = "Upload-Length", minimum = 1)]
    upload_length: Option<u64>,
    /// `1` if that is not known yet.
    #[param(rename = "Upload-Defer-Length", example = "1")]
    upload_defer_length: Option<String>,
    /// Pairs of a key and a value in Base64, separated by commas. The keys are those of the query, but for
    /// `label`; `filename`, which is `name`; and `labels`, an object in JSON.
    #[param(rename = "Upload-Metadata", example = "filename bGludXguaXNv,store aXNv")]
    upload_metadata: Option<String>,
}

/// What the bytes of a piece must be.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::northbound) struct PieceChecksum {
    /// `sha1`, `sha256` or `sha512`, and the digest of the body in Base64. Bytes with another digest are not
    /// kept.
    #[param(rename = "Upload-Checksum", example = "sha1 qUqP5cyxm6YcTAhz05Hph5gvu9M=")]
    upload_checksum: Option<String>,
}

/// Where a piece belongs, by tus.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::northbound) struct PieceFields {
    /// Where the piece begins: the bytes that the upload has.
    #[param(rename = "Upload-Offset")]
    upload_offset: u64,
    /// Bytes that the file will have, where that was not said before.
    #[param(rename = "Upload-Length", minimum = 1)]
    upload_length: Option<u64>,
}

/// Where a piece belongs, by plain clients.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::northbound) struct RangeFields {
    /// Where the piece belongs, and of how many bytes it is a part, as curl says it with `-C` and `-T`.
    #[param(rename = "Content-Range", example = "bytes 1048576-2097151/2097152")]
    content_range: Option<String>,
    /// The same without the end. Without either, the body is the whole file.
    #[param(rename = "Upload-Offset")]
    upload_offset: Option<u64>,
}

/// Another method, for clients whose proxies let only GET and POST pass.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::northbound) struct MethodOverride {
    /// `PATCH`, `DELETE` or `HEAD`: the request is taken for one with that method.
    #[param(rename = "X-HTTP-Method-Override", example = "PATCH")]
    method: String,
}

/// What a client wants to be told.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct EventFilters {
    /// `image`, `job` and `file`, those that are wanted, separated by commas; all of them by default.
    #[param(example = "image,job")]
    types: Option<String>,
    /// The id of the last event that the client was told, for those that cannot send the field.
    #[param(rename = "lastEventId")]
    last_event_id: Option<String>,
}

/// Where a client was.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::northbound) struct LastEvent {
    /// The id of the last event that the client was told. Browsers say it by themselves when they come back.
    #[param(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}
