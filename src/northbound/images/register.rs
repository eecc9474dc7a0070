//! `PUT /images`: registrations.

use std::path::PathBuf;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, request};
use http_service::Problem;
use http_service::digest_fields::ExpectedDigests;
use http_service::openapi::Bytes;
use http_service::parameters::{Known, Parameters};
use http_service::request_body::refuse_form_with;
use images::CatalogError;
use images::trees::FileError;
use model::client::ClientKey;
use model::image::Image;
use model::names::FileName;

use super::reserve::reserve;
use super::upload::upload;
use super::web::FromWeb;
use crate::northbound::api::{Northbound, client};
use crate::northbound::api_types::examples;
use crate::northbound::api_types::parameters::{DigestFields, Preference, Registration};
use crate::northbound::api_types::problems::{
    BadParameter, EncodingRejected, FileRejected, RegistrationRejected,
};
use crate::northbound::checksum_file::ChecksumFile;
use crate::northbound::problems::of_file;
use crate::northbound::views;

pub(in crate::northbound) const PARAMETERS: [&str; 12] = [
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
];

/// Several links may lead to the same bytes.
const KNOWN: Known<'_> = Known::with_lists(&PARAMETERS, &[("isoweb", 16)]);

/// What a client learns whose parameters are in a form.
const FORM_ADVICE: &str = "say the parameters in the query or in a JSON body; to upload an ISO, send it alone: \
    curl -T FILE 'SERVER/images?name=NAME&version=VERSION&isoclient=FILE'";

/// Where an ISO comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IsoSource {
    /// A file of the ISO store.
    Store,
    /// A file of the server, which stays where it lies.
    Local,
    /// Links.
    Web,
    /// The body of the request.
    Client,
}

impl IsoSource {
    const ALL: [Self; 4] = [Self::Store, Self::Local, Self::Web, Self::Client];

    /// The source that is named. Of several, the first in the order of [`Self::ALL`] counts.
    fn of(parameters: &Parameters) -> Option<Self> {
        Self::ALL.into_iter().find(|source| parameters.get(source.parameter()).is_some())
    }

    /// The parameter that names it.
    fn parameter(self) -> &'static str {
        match self {
            Self::Store => "isostore",
            Self::Local => "isolocal",
            Self::Web => "isoweb",
            Self::Client => "isoclient",
        }
    }
}

/// Register an image.
///
/// Its ISO is a file of the store (`isostore`), a file of the server (`isolocal`), comes from the web
/// (`isoweb`), or is the body of the request (`isoclient`). A squashfs or an uncompressed tar will do as
/// well. But for `isoclient`, the parameters may be in the query or in a JSON body; the query wins. An image
/// that is in error is registered anew in the same way.
///
/// With `isoweb` the answer comes after three seconds at most, with the status that was reached by then;
/// `wait` or `Prefer` wait longer, or not at all. With `isoclient` it is text that tells each tenth as it
/// comes, or, with `Accept: application/json`, the image at the end. If something fails after the text has
/// begun, it is cut, so that clients notice.
#[utoipa::path(
    put, path = "/images", tag = "images", operation_id = "registerImage",
    params(Registration, Preference, DigestFields),
    request_body(
        description = "The parameters, or, with `isoclient`, the ISO, whatever the Content-Type says then.",
        content(
            (Registration = "application/json", example = json!(examples::registration())),
            (inline(Bytes) = "application/octet-stream"),
        ),
    ),
    responses(
        (status = 200, description = "The image is registered. It is served when its status says `OK`.", content(
            (views::image::Image = "application/json", example = json!(examples::image())),
            (String = "text/plain", example = json!(examples::uploaded())),
        )),
        BadParameter,
        FileRejected,
        EncodingRejected,
        RegistrationRejected,
    ),
)]
pub(in crate::northbound) async fn put(
    State(api): State<Northbound>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let query = Parameters::of_query(&parts, KNOWN)?;
    if IsoSource::of(&query) == Some(IsoSource::Client) {
        // The body is the ISO, so all parameters are in the query.
        return upload(&api, &query, &parts, body).await;
    }
    refuse_form_with(&parts.headers, FORM_ADVICE)?;
    let parameters = Parameters::of_request(&parts, body, KNOWN).await?;
    let image = register(&api, &parameters, &parts).await?;
    Ok(Json(api.view(&image)).into_response())
}

async fn register(
    api: &Northbound,
    parameters: &Parameters,
    parts: &request::Parts,
) -> Result<Image, Problem> {
    let client = client(&parts.extensions);
    let digests = ExpectedDigests::of_parameters(parameters)?;
    let checksum_file = ChecksumFile::of(parameters)?;
    match IsoSource::of(parameters) {
        Some(IsoSource::Store) => from_store(api, client, parameters, digests, &checksum_file).await,
        Some(IsoSource::Local) => from_server(api, client, parameters, digests, &checksum_file).await,
        Some(IsoSource::Web) => {
            let from_web = FromWeb::of(parameters, &parts.headers, checksum_file, digests)?;
            from_web.register(api, reserve(api, client, parameters).await?).await
        }
        Some(IsoSource::Client) => {
            Err(Problem::parameter("isoclient", "must be in the query, because the body is the ISO"))
        }
        None => {
            reserve(api, client, parameters).await?;
            Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "say where the ISO comes from, with isostore, isolocal, isoweb or isoclient",
            ))
        }
    }
}

async fn from_store(
    api: &Northbound,
    client: Option<ClientKey>,
    parameters: &Parameters,
    digests: ExpectedDigests,
    checksum_file: &ChecksumFile,
) -> Result<Image, Problem> {
    let source = IsoSource::Store.parameter();
    let iso = parameters.required(source, stored)?;
    let reservation = reserve(api, client, parameters).await?;
    let digests = checksum_file.complete(api, iso.as_str(), digests).await?;
    let registered = reservation.register_stored(iso, digests.expected()).await;
    registered.map_err(|error| of_file(error, &digests).of_parameter(source))
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

async fn from_server(
    api: &Northbound,
    client: Option<ClientKey>,
    parameters: &Parameters,
    digests: ExpectedDigests,
    checksum_file: &ChecksumFile,
) -> Result<Image, Problem> {
    let source = IsoSource::Local.parameter();
    let path = parameters.required(source, absolute)?;
    let reservation = reserve(api, client, parameters).await?;
    let base_name = path.rsplit('/').next().unwrap_or_default();
    let digests = checksum_file.complete(api, base_name, digests).await?;
    let registered = reservation.register_local(PathBuf::from(&path), digests.expected()).await;
    let problem = |error| match error {
        // The name as it was understood shows a blank or a plus that was meant otherwise.
        CatalogError::Local(FileError::NotFound) => {
            Problem::new(StatusCode::NOT_FOUND, format!("{}: {base_name}", FileError::NotFound))
        }
        error => of_file(error, &digests),
    };
    registered.map_err(|error| problem(error).of_parameter(source))
}

fn absolute(path: String) -> Result<String, &'static str> {
    if !path.starts_with('/') || path.contains('\0') {
        return Err("must be an absolute path on the server");
    }
    Ok(path)
}
