//! The parameter `label`, and the object `labels` that stands for several of them.

use axum::body::Body;
use http_service::Problem;
use http_service::parameters::{Known, Parameters};
use model::labels::{Labels, MAX_LABELS};

/// The parameter.
pub(super) const LABEL: &str = "label";

/// The object.
pub(super) const LABELS: &str = "labels";

/// The parameter as one that clients may give several times.
pub(super) const REPEATED: [(&str, usize); 1] = [(LABEL, MAX_LABELS)];

const KNOWN: Known<'_> = Known::with_lists(&[LABEL], &REPEATED).with_objects(&[(LABELS, LABEL)]);

/// The labels that a request gives a thing; `None` if it names none.
pub(super) fn given_labels(parameters: &Parameters) -> Result<Option<Labels>, Problem> {
    if parameters.get(LABEL).is_none() {
        return Ok(None);
    }
    let texts = parameters.all(LABEL, Ok::<_, std::convert::Infallible>)?;
    let labels = Labels::parse(texts.iter().map(String::as_str));
    labels.map(Some).map_err(|error| Problem::parameter(LABEL, error))
}

/// The labels of a body that is the object.
pub(super) async fn labels_of_body(body: Body) -> Result<Labels, Problem> {
    Ok(given_labels(&Parameters::of_body(body, LABELS, KNOWN).await?)?.unwrap_or_default())
}

/// The parameters that stand for a text that is the object.
pub(super) fn parameters_of_object(text: &str) -> Result<Vec<(String, String)>, Problem> {
    let parameters = Parameters::of_object(text.as_bytes(), LABELS, KNOWN)?;
    Ok(parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
