//! Labels.

use std::collections::BTreeMap;

use model::labels;
use serde::Serialize;
use utoipa::ToSchema;

/// Labels, up to 64. A key is up to 63 letters, digits, `-`, `_` and `.`, begins and ends with a letter or
/// digit, and may have a prefix of the same form and a `/` before it. A value is empty, or such a word
/// without a prefix.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(value_type = HashMap<String, String>)]
pub(in crate::northbound) struct Labels(BTreeMap<String, String>);

impl From<&labels::Labels> for Labels {
    fn from(labels: &labels::Labels) -> Self {
        Self(labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }
}
