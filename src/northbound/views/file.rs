//! Files of the stores.

use images::ListedFile;
use model::digest::Sha256;
use model::image::Status;
use model::names::FileName;
use model::size;
use model::stored_file::{self, StoreKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::labels::Labels;
use super::time::Time;

/// A file of a store.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::northbound) struct StoredFile {
    #[schema(value_type = String)]
    name: FileName,
    /// The size for people, in decimal units. Programs read `bytes`.
    size: String,
    /// When it came.
    #[schema(required)]
    uploaded: Option<Time>,
    bytes: u64,
    /// What it is by its first bytes, once they were read: `iso` (ISO 9660 or UDF), `squashfs` and `tar`
    /// become images, others such as `gzip`, `html` and `text` do not, and `unknown` is none of those that
    /// are known.
    #[schema(required, examples("iso"))]
    format: Option<String>,
    /// Its SHA-256, once known.
    #[schema(required, value_type = Option<String>)]
    sha256: Option<Sha256>,
    /// Whether it lies outside the store and is only referred to.
    local: bool,
    /// `OK` if its digest is known, `preparing` before that, or `error: ` and what is wrong with it.
    #[schema(value_type = String)]
    status: Status,
    /// How it came, where that is known.
    #[schema(required)]
    origin: Option<Origin>,
    /// When all of its bytes were last known to be good.
    #[schema(required)]
    verified: Option<Time>,
    /// Its labels.
    labels: Labels,
    /// Where it was downloaded from, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    url: Option<String>,
    /// The same as `uploaded`, in the spelling of the old service. Only of ISOs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Time>)]
    upload: Option<Option<Time>>,
    /// The files that share its bytes on the disk, where there are some. Only in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shared_with: Vec<FileReference>,
    /// The images that need it, as `name version`. Only of ISOs, in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    images: Option<Vec<String>>,
}

/// A file by its store and name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::northbound) struct FileReference {
    store: Store,
    #[schema(value_type = String)]
    name: FileName,
}

/// The two stores: of ISOs, served southbound at `/iso/`, and of microkernel files, served at `/common/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::northbound) enum Store {
    Iso,
    Microkernel,
}

/// How a file came: a client sent it (`upload`), it was fetched (`download`), it lies elsewhere (`local`), or
/// it was put into the store's folder (`folder`).
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Origin {
    Upload,
    Download,
    Local,
    Folder,
}

impl StoredFile {
    /// A file, as it is shown when it comes or goes.
    pub(in crate::northbound) fn new(kind: StoreKind, file: &stored_file::StoredFile) -> Self {
        let uploaded = file.uploaded.map(Time::from);
        let url = match &file.origin {
            Some(stored_file::Origin::Download { url }) => Some(url.to_string()),
            _ => None,
        };
        Self {
            name: file.name.clone(),
            size: size::shown(file.identity.size),
            uploaded,
            bytes: file.identity.size,
            format: file.format.clone(),
            sha256: file.sha256,
            local: file.local,
            status: file.status.clone(),
            origin: file.origin.as_ref().map(Origin::from),
            verified: file.verified.map(Time::from),
            labels: (&file.labels).into(),
            url,
            upload: (kind == StoreKind::Iso).then_some(uploaded),
            shared_with: Vec::new(),
            images: None,
        }
    }

    /// A file in a list, with those that share its bytes and the images that need it.
    pub(in crate::northbound) fn listed(kind: StoreKind, listed: &ListedFile) -> Self {
        let shared_with = listed.shared_with.iter();
        Self {
            shared_with: shared_with.map(|(kind, name)| FileReference::new(*kind, name.clone())).collect(),
            images: (kind == StoreKind::Iso).then(|| listed.used_by.clone()),
            ..Self::new(kind, &listed.file)
        }
    }
}

impl FileReference {
    pub(in crate::northbound) fn new(kind: StoreKind, name: FileName) -> Self {
        Self { store: kind.into(), name }
    }
}

impl From<StoreKind> for Store {
    fn from(kind: StoreKind) -> Self {
        match kind {
            StoreKind::Iso => Self::Iso,
            StoreKind::Microkernel => Self::Microkernel,
        }
    }
}

impl From<&stored_file::Origin> for Origin {
    fn from(origin: &stored_file::Origin) -> Self {
        match origin {
            stored_file::Origin::Upload => Self::Upload,
            stored_file::Origin::Download { .. } => Self::Download,
            stored_file::Origin::Local => Self::Local,
            stored_file::Origin::Folder => Self::Folder,
        }
    }
}
