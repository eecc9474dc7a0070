//! The files of both stores. `iso.rs` and `microkernel.rs` have the routes.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http_service::Problem;
use http_service::digest_fields::ExpectedDigests;
use http_service::parameters::{Known, Parameters};
use http_service::request_body::{RequestBody, check_headers, refuse_form};
use images::{Intake, ListedFile};
use model::labels::Labels;
use model::names::FileName;
use model::stored_file::StoreKind;

use super::api::{Northbound, client};
use super::checksum_file::ChecksumFile;
use super::file_upload::receive;
use super::page::{ListPage, Listed, REPEATED};
use super::problems::{of_file, problem};
use super::views::file::StoredFile;

/// The methods of both paths.
pub(super) const ALLOW: &str = "GET, HEAD, PUT, DELETE, OPTIONS";

pub(super) const FILTERS: [&str; 1] = ["name"];
pub(super) const LIST_PARAMETERS: [&str; 8] =
    ["name", "limit", "after", "afterKey", "order", "q", "sort", "label"];
pub(super) const PUT_PARAMETERS: [&str; 5] = ["name", "sha256", "sha512", "checksum", "signature"];

/// `GET`: all files, or the one named.
pub(super) async fn list(
    State(api): State<Northbound>,
    kind: StoreKind,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let parameters = Parameters::of_filters(&parts, Known::with_lists(&LIST_PARAMETERS, &REPEATED))?;
    let page = ListPage::of::<ListedFile>(&parameters)?;
    let files = api.catalog.files.list(kind).await.map_err(problem)?;
    let name = parameters.get("name");
    let is_wanted = |listed: &ListedFile| name.is_none_or(|name| listed.file.name.as_str() == name);
    page.answer(&files, is_wanted, |listed| StoredFile::listed(kind, listed))
}

/// `PUT`: an upload. The body is the file, whatever its `Content-Type`.
pub(super) async fn put(
    State(api): State<Northbound>,
    kind: StoreKind,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    refuse_form(&parts, "?name=FILE")?;
    let parameters = Parameters::of_query(&parts, &PUT_PARAMETERS)?;
    let name = parameters.required("name", FileName::new)?;
    check_headers(&parts.headers)?;
    let digests = ExpectedDigests::of_upload(&parameters, &parts.headers)?;
    let digests = ChecksumFile::of(&parameters)?.complete(&api, name.as_str(), digests).await?;
    let body = RequestBody::new(&parts, body);
    let intake = api
        .catalog
        .intakes
        .receive(client(&parts.extensions), kind, name, body.expected(), digests.expected())
        .await
        .map_err(problem)?;
    let finish = move |intake: Intake| {
        let stored = async move {
            let stored = intake.finish().await.map_err(|error| of_file(error, &digests))?;
            Ok(StoredFile::new(kind, &stored))
        };
        stored.boxed()
    };
    receive(body, &parts.headers, intake, Box::new(finish)).await
}

/// `POST`, which is no method here. It is what `curl -F` sends by itself.
pub(super) async fn post(request: Request) -> Problem {
    let (parts, _) = request.into_parts();
    let form = refuse_form(&parts, "?name=FILE").err();
    form.unwrap_or_else(|| Problem::method_not_allowed(ALLOW))
}

/// `DELETE`: the file named.
pub(super) async fn delete(
    State(api): State<Northbound>,
    kind: StoreKind,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let parameters = Parameters::of_request(&parts, body, &FILTERS).await?;
    let name = parameters.required("name", FileName::existing)?;
    let removed = api.catalog.files.remove(kind, name).await.map_err(problem)?;
    Ok(Json(StoredFile::new(kind, &removed.file)).into_response())
}

impl Listed for ListedFile {
    const SORTS: &'static [&'static str] = &["name", "bytes", "uploaded"];
    const SORT_OF_ID: &'static str = "name";
    const IS_DESCENDING: bool = false;

    fn id(&self) -> &str {
        self.file.name.as_str()
    }

    fn key(&self, sort: &str) -> String {
        match sort {
            "bytes" => format!("{:020}", self.file.identity.size),
            "uploaded" => self.file.uploaded.map(|time| format!("{time:.9}")).unwrap_or_default(),
            _ => self.id().to_owned(),
        }
    }

    fn names(&self) -> Vec<&str> {
        vec![self.id()]
    }

    fn labels(&self) -> Option<&Labels> {
        Some(&self.file.labels)
    }
}
