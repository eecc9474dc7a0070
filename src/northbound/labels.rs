//! The parameter `label`, and `labels` in a JSON body.

use http_service::Problem;
use http_service::parameters::Parameters;
use model::labels::Labels;

/// The parameter.
pub(super) const LABEL: &str = "label";

/// The labels that a request gives a thing; `None` if it names none.
pub(super) fn given_labels(parameters: &Parameters) -> Result<Option<Labels>, Problem> {
    if parameters.get(LABEL).is_none() {
        return Ok(None);
    }
    let texts = parameters.all(LABEL, Ok::<_, std::convert::Infallible>)?;
    let labels = Labels::parse(texts.iter().map(String::as_str));
    labels.map(Some).map_err(|error| Problem::parameter(LABEL, error))
}
