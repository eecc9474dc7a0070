//! `PUT /iso` and `PUT /microkernel`: the body is the file, whatever its `Content-Type`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::FutureExt;
use http::request;
use http_service::digest_fields::ExpectedDigests;
use http_service::parameters::{Known, Parameters};
use http_service::request_body::{RequestBody, check_headers, refuse_form};
use http_service::{Preconditions, Problem};
use images::Intake;
use model::labels::Labels;
use model::names::FileName;
use model::stored_file::StoreKind;

use super::ALLOW;
use super::conditions::{check_locked, check_now};
use crate::northbound::api::{Northbound, client};
use crate::northbound::checksum_file::ChecksumFile;
use crate::northbound::file_upload::{finished, receive};
use crate::northbound::labels::{REPEATED, given_labels};
use crate::northbound::problems::{of_file, problem};
use crate::northbound::repeated_body::compare;
use crate::northbound::views::file::StoredFile;

/// The parameters.
pub(in crate::northbound) const PARAMETERS: [&str; 6] =
    ["name", "sha256", "sha512", "checksum", "signature", "label"];

/// A file as a client wants it.
struct WantedFile {
    kind: StoreKind,
    name: FileName,
    digests: ExpectedDigests,
    /// `None` leaves those that the name has.
    labels: Option<Labels>,
    conditions: Preconditions,
}

/// Stores the body. If the store has what is described already, as its digest says, nothing is stored.
pub(in crate::northbound) async fn put(
    State(api): State<Northbound>,
    kind: StoreKind,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let conditions = api.conditions(&parts.headers)?;
    refuse_form(&parts, "?name=FILE")?;
    let parameters = Parameters::of_query(&parts, Known::with_lists(&PARAMETERS, &REPEATED))?;
    let name = parameters.required("name", FileName::new)?;
    check_headers(&parts.headers)?;
    let labels = given_labels(&parameters)?;
    let digests = ExpectedDigests::of_upload(&parameters, &parts.headers)?;
    let digests = ChecksumFile::of(&parameters)?.complete(&api, name.as_str(), digests).await?;
    let wanted = WantedFile { kind, name, digests, labels, conditions };
    let (client, expected) = (client(&parts.extensions), wanted.digests.expected());
    let stored = api.catalog.verifier.is_stored_as(client, (kind, &wanted.name), expected).await;
    if stored.map_err(problem)? {
        return again(&api, wanted, &parts, body).await;
    }
    let body = RequestBody::new(&parts, body);
    let intakes = &api.catalog.intakes;
    let intake = intakes.receive(client, kind, wanted.name.clone(), body.expected(), expected).await;
    let intake = intake.map_err(problem)?.with_labels(wanted.labels.unwrap_or_default());
    // Nothing else changes the file as long as the intake has its name.
    check_now(&api, &wanted.conditions, kind, &wanted.name).await?;
    let finish = move |intake: Intake| {
        let stored = async move {
            let stored = intake.finish().await.map_err(|error| of_file(error, &wanted.digests))?;
            Ok(StoredFile::new(kind, &stored))
        };
        stored.boxed()
    };
    receive(body, &parts.headers, intake, Box::new(finish)).await
}

/// The answer to a request for a file that is stored as it is described: nothing is done but to give it other
/// labels.
async fn again(
    api: &Northbound,
    wanted: WantedFile,
    parts: &request::Parts,
    body: Body,
) -> Result<Response, Problem> {
    let WantedFile { kind, name, digests, labels, conditions } = wanted;
    check_now(api, &conditions, kind, &name).await?;
    compare(&parts.headers, RequestBody::new(parts, body), &digests).await?;
    let files = &api.catalog.files;
    let listed = match labels {
        None => files.get(kind, name).await,
        Some(labels) => {
            let file = files.lock(kind, name).await.map_err(problem)?;
            check_locked(&conditions, kind, &file).await?;
            file.set_labels(labels).await
        }
    };
    Ok(finished(&parts.headers, &StoredFile::new(kind, &listed.map_err(problem)?.file)))
}

/// `POST`, which is no method here. It is what `curl -F` sends by itself.
pub(in crate::northbound) async fn post(request: Request) -> Problem {
    let (parts, _) = request.into_parts();
    let form = refuse_form(&parts, "?name=FILE").err();
    form.unwrap_or_else(|| Problem::method_not_allowed(ALLOW))
}
