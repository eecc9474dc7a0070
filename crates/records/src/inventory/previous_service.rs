//! Reads the inventory of the Node.js image-service: `{"images": [{id, name, version, iso, status}]}`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::Records;
use model::digest::Expected;
use model::image::{Image, ImageId, Source, Status};
use model::labels::Labels;
use model::names::{FileName, ImageName, ImageVersion};

#[derive(Deserialize)]
struct OldImage {
    id: String,
    name: String,
    version: String,
    iso: String,
    status: String,
}

/// Converts the records of the previous service. It wrote `OK` before it was true, so such images are read
/// anew ([`Status::Preparing`]). Unfinished work cannot be resumed, because its source was not recorded.
pub(super) fn upgrade(document: &Value) -> Result<Records, String> {
    let images = document
        .get("images")
        .and_then(Value::as_array)
        .ok_or("it has neither a `version` nor a list `images`")?;
    let mut records = Records::default();
    let mut taken = BTreeSet::new();
    for (index, entry) in images.iter().enumerate() {
        let image = upgrade_one(entry).map_err(|problem| format!("image {index}: {problem}"))?;
        let is_free = taken.insert((image.name.clone(), image.version.clone()));
        if !is_free || records.images.contains_key(&image.id) {
            return Err(format!("image {index}: another one has the same id or the same name and version"));
        }
        records.images.insert(image.id.clone(), image);
    }
    Ok(records)
}

fn upgrade_one(entry: &Value) -> Result<Image, String> {
    let old = OldImage::deserialize(entry).map_err(|error| error.to_string())?;
    let base_name = old.iso.rsplit('/').next().unwrap_or_default();
    let now = Timestamp::now();
    Ok(Image {
        id: if old.id.is_empty() { ImageId::random() } else { ImageId(old.id) },
        name: ImageName::existing(old.name).map_err(|error| format!("`name` {error}"))?,
        version: ImageVersion::existing(old.version).map_err(|error| format!("`version` {error}"))?,
        iso: FileName::existing(base_name).map_err(|error| format!("`iso` {error}"))?,
        status: match old.status.as_str() {
            "OK" => Status::Preparing,
            other => Status::Error(format!(
                "was left in the state '{other}' by the previous service; register it again"
            )),
        },
        source: Source::Store,
        created: now,
        updated: now,
        identity: None,
        sha256: None,
        expected: Expected::default(),
        tree: None,
        asked_tree: None,
        labels: Labels::default(),
    })
}
