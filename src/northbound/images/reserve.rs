//! Which image a registration makes.

use http_service::Problem;
use http_service::parameters::Parameters;
use images::Reservation;
use iso_reader::TreeKind;
use model::client::ClientKey;
use model::names::{ImageName, ImageVersion};

use crate::northbound::api::Northbound;
use crate::northbound::problems::problem;

/// Reserves the name and the version of a new image for `client`.
pub(super) async fn reserve(
    api: &Northbound,
    client: Option<ClientKey>,
    parameters: &Parameters,
) -> Result<Reservation, Problem> {
    let name = parameters.required("name", ImageName::new)?;
    let version = parameters.required("version", ImageVersion::new)?;
    let tree = parameters.optional("tree", tree)?;
    let reserved = api.catalog.registration.reserve(name, version, tree).await;
    Ok(reserved.map_err(problem)?.by(client))
}

fn tree(word: String) -> Result<TreeKind, String> {
    word.parse().map_err(|error| format!("is '{word}': {error}"))
}
