//! The records and every byte below the stores, to compare before and after a request.

use super::service::Service;
use super::wait::eventually;
use super::{digest, http};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

/// The state that clients and the disk show.
#[derive(Debug, Clone, PartialEq)]
pub struct Remains {
    /// `GET /images`, without members that change by themselves.
    pub images: Vec<Value>,
    /// Names in `GET /iso` and `GET /microkernel`.
    pub listed: Vec<Value>,
    /// Everything below the data root, hidden folders included: the digests of files by path.
    pub disk: BTreeMap<String, String>,
}

impl Remains {
    /// The state now.
    #[track_caller]
    pub fn of(service: &Service) -> Self {
        let array = |path: &str| {
            http::get(&service.north(path)).expect_status(200).json().as_array().expect("an array").clone()
        };
        // Files are read in the background, so what that tells is no difference.
        let images = array("/images").into_iter().map(|image| without(image, &["sha256"])).collect();
        let files = array("/iso").into_iter().chain(array("/microkernel"));
        let read = ["sha256", "format", "status", "verified", "images"];
        let listed = files.map(|file| without(file, &read)).collect();
        Self { images, listed, disk: on_disk(&service.path("static")) }
    }

    /// Panics unless the state becomes this one again within five seconds, the time for cleaning up.
    #[track_caller]
    pub fn expect_again(&self, service: &Service, after: &str) {
        let mut now = Self::of(service);
        for _ in 0..100 {
            if now == *self {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
            now = Self::of(service);
        }
        assert_eq!(now, *self, "after {after}");
    }
}

/// Waits until no unfinished file is left in the ISO store, at most five seconds.
#[track_caller]
pub fn expect_no_unfinished(service: &Service) {
    eventually(Duration::from_secs(5), "no unfinished files", || {
        unfinished(service).is_empty().then_some(())
    });
}

/// The files in the hidden folders of both stores.
pub fn unfinished(service: &Service) -> Vec<String> {
    let files = on_disk(&service.path("static")).into_iter().filter(|(_, digest)| digest != FOLDER);
    files.map(|(path, _)| path).filter(|path| path.contains("/.")).collect()
}

/// Stands for a folder's digest.
const FOLDER: &str = "folder";

/// As `digest::walk`, but a file may vanish meanwhile.
fn on_disk(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).into_iter().flatten().map_while(Result::ok) {
            let path = item.path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let Ok(facts) = fs::symlink_metadata(&path) else { continue };
            let shown = if facts.is_dir() {
                folders.push(path);
                FOLDER.to_owned()
            } else if facts.is_file() {
                let Ok(Ok(digest)) = File::open(&path).map(digest::of_reader) else { continue };
                digest
            } else {
                format!("{:?}", facts.file_type())
            };
            found.insert(name, shown);
        }
    }
    found
}

fn without(mut object: Value, members: &[&str]) -> Value {
    object.as_object_mut().expect("an object").retain(|name, _| !members.contains(&name.as_str()));
    object
}
