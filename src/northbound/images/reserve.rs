//! Which image a registration makes.

use http_service::Problem;
use http_service::parameters::Parameters;
use images::Reservation;
use iso_reader::TreeKind;
use model::names::{ImageName, ImageVersion};

use crate::northbound::api::Northbound;
use crate::northbound::problems::problem;

/// Reserves the name and the version of a new image.
pub(super) async fn reserve(api: &Northbound, parameters: &Parameters) -> Result<Reservation, Problem> {
    let name = parameters.required("name", ImageName::new)?;
    let version = parameters.required("version", ImageVersion::new)?;
    let tree = parameters.optional("tree", tree)?;
    api.catalog.registration.reserve(name, version, tree).await.map_err(problem)
}

fn tree(word: String) -> Result<TreeKind, String> {
    word.parse().map_err(|error| format!("is '{word}': {error}"))
}
