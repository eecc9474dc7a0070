//! How a record holds the choice of one of an ISO's trees: as the word that clients use, such as `joliet`.

use iso_reader::TreeKind;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) fn serialize<S: Serializer>(choice: &Option<TreeKind>, serializer: S) -> Result<S::Ok, S::Error> {
    choice.map(TreeKind::as_str).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TreeKind>, D::Error> {
    let word: Option<String> = Option::deserialize(deserializer)?;
    word.map(|word| word.parse().map_err(|error| D::Error::custom(format_args!("{word:?}: {error}"))))
        .transpose()
}
