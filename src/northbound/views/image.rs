//! Images.

use images::{jobs, trees};
use iso_reader::TreeKind;
use model::digest::Sha256;
use model::image::{self, ImageId, Status};
use model::job::JobId;
use model::link::Link;
use model::names::{FileName, ImageName, ImageVersion};
use model::segment::encoded;
use model::system;
use serde::Serialize;
use utoipa::ToSchema;

use super::job::Progress;
use super::labels::Labels;
use super::time::Time;

/// A named, versioned tree, made from one ISO and served southbound.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::northbound) struct Image {
    /// Its identity for scripts.
    #[schema(value_type = String)]
    id: ImageId,
    /// First segment of its path.
    #[schema(value_type = String)]
    name: ImageName,
    /// Second segment of its path.
    #[schema(value_type = String)]
    version: ImageVersion,
    /// Its ISO's name in the store.
    #[schema(value_type = String)]
    iso: FileName,
    /// `OK` when every byte is there and being served, `downloading iso` or `preparing` before that, or
    /// `error: ` and the reason.
    #[schema(value_type = String)]
    status: Status,
    source: Source,
    /// The path of its tree, below the southbound's root.
    path: String,
    /// The size of its ISO, once it was read.
    #[schema(required)]
    bytes: Option<u64>,
    /// The operating system in it, if its files tell; null too for images that were registered by a service
    /// that did not look.
    #[schema(required)]
    system: Option<System>,
    /// When it was registered.
    created: Time,
    /// When its record last changed.
    updated: Time,
    /// Its labels.
    labels: Labels,
    /// The SHA-256 of its ISO, once known.
    #[schema(required, value_type = Option<String>)]
    sha256: Option<Sha256>,
    /// What was found in the ISO, and what was asked for; null as long as there is neither.
    #[schema(required)]
    tree: Option<TreeSummary>,
    /// The link that it comes from, without credentials. Only of images from the web, as all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    url: Option<Link>,
    /// Other links to the same bytes, where some were named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    mirrors: Vec<Link>,
    /// The checksum file that says what the ISO must be, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    checksum: Option<Link>,
    /// The job that fetches the ISO, as long as it is remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    job: Option<JobId>,
    /// How far that job has come, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    progress: Option<DownloadProgress>,
}

/// An image with what was noticed in its ISO.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::northbound) struct ImageInFull {
    #[serde(flatten)]
    pub(in crate::northbound) image: Image,
    /// Null if this program did not read the tree.
    #[schema(required)]
    pub(in crate::northbound) findings: Option<Findings>,
}

/// Where an image's ISO comes from.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Source {
    Web,
    Local,
    Client,
    Store,
}

/// The operating system in an image, as its files tell it. What they do not tell is null.
#[derive(Debug, Serialize, ToSchema)]
struct System {
    /// A word for programs, such as `ubuntu`, `rhel` or `esxi`.
    #[schema(required)]
    family: Option<String>,
    /// The name for people.
    #[schema(required)]
    name: Option<String>,
    /// The version as its makers write it.
    #[schema(required)]
    version: Option<String>,
    /// The processor, such as `x86_64` or `aarch64`.
    #[schema(required)]
    arch: Option<String>,
}

/// What was found in an ISO. Before it was read there is only what was asked for.
#[derive(Debug, Default, Serialize, ToSchema)]
struct TreeSummary {
    /// What is served: `rockridge`, `udf`, `joliet`, `enhanced` or `plain` of an ISO; `squashfs`; `tar`; or
    /// `mount`, where the kernel chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    kind: Option<String>,
    /// The trees that the ISO has, best first, where that was looked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    available: Vec<String>,
    /// The volume identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    label: Option<String>,
    /// Files, directories and links.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    entries: Option<u64>,
    /// Oddities that were passed over while reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    warnings: Option<u64>,
    /// Files whose bytes are not all in the ISO.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    damaged: Option<u64>,
    /// The tree that was asked for, where one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = TreeChoice)]
    asked: Option<&'static str>,
}

/// Which of the trees of an ISO: they differ in the names of the files.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes the words of TreeKind, which knows nothing of documents")]
pub(in crate::northbound) enum TreeChoice {
    RockRidge,
    Udf,
    Joliet,
    Enhanced,
    Plain,
}

/// What was noticed while an ISO was read.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::northbound) struct Findings {
    /// The first oddities that were passed over.
    warnings: Vec<String>,
    /// The first files whose bytes are not all in the ISO. They are listed southbound, and answered with 500.
    damaged: Vec<String>,
}

/// How far the download of an ISO has come.
#[derive(Debug, Serialize, ToSchema)]
struct DownloadProgress {
    #[serde(flatten)]
    progress: Progress,
    /// The same as `done`, for older clients.
    received: u64,
}

impl Image {
    /// An image, with the southbound path of its tree and, while its ISO is being fetched, how far that has
    /// come.
    pub(in crate::northbound) fn new(
        image: &image::Image,
        download: Option<&jobs::Shown>,
        api_root: &str,
    ) -> Self {
        let web = match &image.source {
            image::Source::Web(web) => Some(web),
            image::Source::Local | image::Source::Client | image::Source::Store => None,
        };
        Self {
            id: image.id.clone(),
            name: image.name.clone(),
            version: image.version.clone(),
            iso: image.iso.clone(),
            status: image.status.clone(),
            source: (&image.source).into(),
            path: path(image, api_root),
            bytes: image.identity.map(|identity| identity.size),
            system: image.tree.as_ref().and_then(|tree| tree.system.as_ref()).map(System::from),
            created: image.created.into(),
            updated: image.updated.into(),
            labels: (&image.labels).into(),
            sha256: image.sha256,
            tree: TreeSummary::of(image),
            url: web.map(|web| web.url.clone()),
            mirrors: web.map(|web| web.mirrors.clone()).unwrap_or_default(),
            checksum: web.and_then(|web| web.checksum.clone()),
            job: download.map(|download| download.job.id.clone()),
            progress: download.and_then(|download| download.progress.as_ref()).map(DownloadProgress::from),
        }
    }
}

impl From<&system::System> for System {
    fn from(found: &system::System) -> Self {
        let system::System { family, name, version, arch } = found.clone();
        Self { family, name, version, arch }
    }
}

/// The southbound path of an image's tree.
pub(super) fn path(image: &image::Image, api_root: &str) -> String {
    let segment = |text: &str| encoded(text.as_bytes());
    format!("{api_root}/{}/{}/", segment(image.name.as_str()), segment(image.version.as_str()))
}

impl TreeSummary {
    fn of(image: &image::Image) -> Option<Self> {
        let asked = image.asked_tree.map(TreeKind::as_str);
        let Some(found) = &image.tree else {
            return asked.map(|asked| Self { asked: Some(asked), ..Self::default() });
        };
        Some(Self {
            kind: Some(found.kind.clone()),
            available: found.available.clone(),
            label: Some(found.label.clone()),
            entries: Some(found.entries),
            warnings: Some(found.warnings),
            damaged: Some(found.damaged),
            asked,
        })
    }
}

impl From<&image::Source> for Source {
    fn from(source: &image::Source) -> Self {
        match source {
            image::Source::Web(_) => Self::Web,
            image::Source::Local => Self::Local,
            image::Source::Client => Self::Client,
            image::Source::Store => Self::Store,
        }
    }
}

impl From<&trees::Findings> for Findings {
    /// Names need not be UTF-8; what is not is shown as in listings.
    fn from(findings: &trees::Findings) -> Self {
        let shown = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
        Self { warnings: findings.warnings.clone(), damaged: findings.damaged.iter().map(shown).collect() }
    }
}

impl From<&jobs::Progress> for DownloadProgress {
    fn from(progress: &jobs::Progress) -> Self {
        Self { progress: progress.into(), received: progress.done }
    }
}
