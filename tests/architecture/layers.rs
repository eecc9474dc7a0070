//! Rule 1: a manifest names only crates of earlier layers. Cargo then holds the direction inside the code.

use crate::source::Crate;

/// The layers, the first at the bottom. Crates of one layer do not know each other.
pub(crate) const LAYERS: [(&str, &[&str]); 9] = [
    (
        "libraries: formats and system interfaces",
        &[
            "iso-reader",
            "squashfs-reader",
            "tar-reader",
            "oci-image",
            "file-transport",
            "loop-mount",
            "sandbox",
        ],
    ),
    ("model", &["model"]),
    ("storage", &["records", "blobs", "fetch"]),
    ("services", &["jobs", "auth"]),
    ("HTTP", &["http-service"]),
    ("frame", &["component"]),
    ("images", &["images"]),
    ("components", &["netboot", "s3", "ims", "registry", "index-images"]),
    ("program", &["image-service"]),
];

/// The neighbours of one layer that may know each other: the first knows the second.
pub(crate) const NEIGHBOURS: [(&str, &str); 2] = [("ims", "s3"), ("index-images", "registry")];

pub(crate) fn offences(crates: &[Crate]) -> Vec<String> {
    crates.iter().flat_map(offences_of).collect()
}

fn offences_of(each: &Crate) -> Vec<String> {
    let Some(own) = layer(&each.name) else {
        return vec![format!("{}: is in no layer of tests/architecture/layers.rs", each.name)];
    };
    let wrong = each.dependencies.iter().filter(|other| {
        let is_neighbour = NEIGHBOURS.contains(&(each.name.as_str(), other.as_str()));
        layer(other).is_none_or(|layer| layer >= own) && !is_neighbour
    });
    wrong.map(|other| format!("{} must not depend on {other}", each.name)).collect()
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, crates)| crates.contains(&name))
}
