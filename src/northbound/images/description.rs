//! Images as clients describe them, in the query or in a JSON body.

use std::path::PathBuf;
use std::time::Duration;

use http::{StatusCode, request};
use http_service::Problem;
use http_service::digest_fields::ExpectedDigests;
use http_service::parameters::{Known, Parameters};
use images::{AskedSource, WantedImage};
use iso_reader::TreeKind;
use model::image::{Image, ImageId, WebSource};
use model::labels::MAX_LABELS;
use model::names::{FileName, ImageName, ImageVersion};

use super::web::wait;
use crate::northbound::api::{Northbound, client};
use crate::northbound::checksum_file::{ChecksumFile, link};
use crate::northbound::labels::given_labels;
use crate::northbound::problems::problem;

/// The parameters of a registration.
pub(in crate::northbound) const PARAMETERS: [&str; 13] = [
    "name",
    "version",
    "isostore",
    "isolocal",
    "isoweb",
    "isoclient",
    "tree",
    "wait",
    "sha256",
    "sha512",
    "checksum",
    "signature",
    "label",
];

/// Parameters that may be given several times. Several links may lead to the same bytes.
const LISTS: [(&str, usize); 2] = [("isoweb", 16), ("label", MAX_LABELS)];

/// Objects in a JSON body, and the parameters that they stand for.
const OBJECTS: [(&str, &str); 1] = [("labels", "label")];

pub(super) const KNOWN: Known<'_> = Known::with_lists(&PARAMETERS, &LISTS).with_objects(&OBJECTS);

/// Those of `PUT /images/{id}`, where the id may stand in the description as well.
pub(super) const KNOWN_WITH_ID: Known<'_> =
    Known::with_lists(&PARAMETERS_WITH_ID, &LISTS).with_objects(&OBJECTS);

pub(in crate::northbound) const PARAMETERS_WITH_ID: [&str; 14] = {
    let mut all = ["id"; 14];
    let mut index = 0;
    while index < PARAMETERS.len() {
        all[index + 1] = PARAMETERS[index];
        index += 1;
    }
    all
};

/// How long a request waits for others that work with the same image: longer than the registration of a
/// download waits for its end unless told otherwise, and much shorter than an upload may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// What a client learns whose parameters are in a form.
pub(super) const FORM_ADVICE: &str = "say the parameters in the query or in a JSON body; to upload an ISO, send it alone: \
    curl -T FILE 'SERVER/images?name=NAME&version=VERSION&isoclient=FILE'";

/// An image as a client wants it.
#[derive(Clone)]
pub(super) struct Description {
    pub(super) wanted: WantedImage,
    pub(super) source: AskedSource,
    pub(super) digests: ExpectedDigests,
    /// Says what a file of the store or the server must be. A download has its own in its source.
    checksum_file: ChecksumFile,
    /// How long the client waits for a download.
    pub(super) wait: Duration,
}

impl Description {
    /// Reads the parameters, whose digests were read already. `id` is the one that the client chose.
    pub(super) fn of(
        parameters: &Parameters,
        parts: &request::Parts,
        digests: ExpectedDigests,
        id: Option<ImageId>,
    ) -> Result<Self, Problem> {
        let wait = wait(parameters, &parts.headers)?;
        let checksum_file = ChecksumFile::of(parameters)?;
        let mut wanted = WantedImage {
            client: client(&parts.extensions),
            patience: PATIENCE,
            id,
            name: parameters.required("name", ImageName::new)?,
            version: parameters.required("version", ImageVersion::new)?,
            tree: parameters.optional("tree", tree)?,
            labels: given_labels(parameters)?,
        };
        let (source, checksum_file) = source(parameters, checksum_file)?;
        if let AskedSource::Client(_) = source {
            // A client that waits for `100 Continue` soon sends its bytes without.
            wanted.patience = Duration::ZERO;
        }
        Ok(Self { wanted, source, digests, checksum_file, wait })
    }

    /// The parameter that names the source.
    pub(super) fn source_parameter(&self) -> &'static str {
        match self.source {
            AskedSource::Store(_) => "isostore",
            AskedSource::Local(_) => "isolocal",
            AskedSource::Web(_) => "isoweb",
            AskedSource::Client(_) => "isoclient",
        }
    }

    /// Adds the digests that the checksum file lists. It is fetched once.
    pub(super) async fn complete(&mut self, api: &Northbound) -> Result<(), Problem> {
        let name = match &self.source {
            AskedSource::Store(iso) | AskedSource::Client(iso) => iso.to_string(),
            AskedSource::Local(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            AskedSource::Web(_) => return Ok(()),
        };
        let (file, digests) = (std::mem::take(&mut self.checksum_file), std::mem::take(&mut self.digests));
        self.digests = file.complete(api, &name, digests).await?;
        Ok(())
    }

    /// Whether the request says what the bytes of the ISO must be. Without that, the service cannot
    /// tell whether an image is made of the same.
    pub(super) fn states_digest(&self) -> bool {
        let has_checksum_file = matches!(&self.source, AskedSource::Web(web) if web.checksum.is_some());
        has_checksum_file || !self.digests.expected().is_nothing()
    }

    /// Whether `image` has the source, the digests and the tree that are described. The checksum file is only
    /// asked if the source is the same.
    pub(super) async fn likeness(&mut self, api: &Northbound, image: &Image) -> Result<Likeness, Problem> {
        let registration = &api.catalog.registration;
        let nothing = ExpectedDigests::default();
        let is_source =
            registration.is_made_of(self.wanted.client, image, &self.source, nothing.expected()).await;
        if !is_source.map_err(problem)? {
            return Ok(Likeness::Other);
        }
        self.complete(api).await?;
        let is_same =
            registration.is_made_of(self.wanted.client, image, &self.source, self.digests.expected()).await;
        if !is_same.map_err(problem)? {
            return Ok(Likeness::Other);
        }
        let is_tree = match (&self.wanted.id, self.wanted.tree) {
            (None, None) => true,
            (_, tree) => tree == image.asked_tree,
        };
        Ok(if is_tree { Likeness::Same } else { Likeness::OtherTree })
    }
}

/// How much of an image is as it is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// Its ISO and its tree.
    Same,
    /// Its ISO.
    OtherTree,
    /// Neither.
    Other,
}

/// Whether the query says that the body is the ISO.
pub(super) fn is_upload(query: &Parameters) -> bool {
    let is_named = |source: &&str| query.get(source).is_some();
    ["isostore", "isolocal", "isoweb", "isoclient"].iter().find(|source| is_named(source))
        == Some(&"isoclient")
}

/// The source that is named. Of several, the first in this order counts.
fn source(
    parameters: &Parameters,
    checksum_file: ChecksumFile,
) -> Result<(AskedSource, ChecksumFile), Problem> {
    if let Some(iso) = parameters.optional("isostore", stored)? {
        return Ok((AskedSource::Store(iso), checksum_file));
    }
    if let Some(path) = parameters.optional("isolocal", absolute)? {
        return Ok((AskedSource::Local(path), checksum_file));
    }
    let mut links = parameters.all("isoweb", link)?.into_iter();
    if let Some(url) = links.next() {
        let ChecksumFile { checksum, signature } = checksum_file;
        let source = WebSource { url, mirrors: links.collect(), checksum, signature };
        return Ok((AskedSource::Web(Box::new(source)), ChecksumFile::default()));
    }
    if let Some(iso) = parameters.optional("isoclient", FileName::new)? {
        return Ok((AskedSource::Client(iso), checksum_file));
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "say where the ISO comes from, with isostore, isolocal, isoweb or isoclient",
    ))
}

fn stored(name: String) -> Result<FileName, String> {
    if name.contains('/') {
        return Err(
            "names a file of the store, which has no folders; register an ISO in a folder where it lies, by \
             `isolocal` and its absolute path"
                .into(),
        );
    }
    FileName::existing(name).map_err(|error| error.to_string())
}

fn absolute(path: String) -> Result<PathBuf, &'static str> {
    if !path.starts_with('/') || path.contains('\0') {
        return Err("must be an absolute path on the server");
    }
    Ok(path.into())
}

fn tree(word: String) -> Result<TreeKind, String> {
    word.parse().map_err(|error| format!("is '{word}': {error}"))
}
