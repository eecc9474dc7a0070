//! From a southbound path to content: image trees, the stores, and what lies on disk below the root.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Instant, SystemTime};

use super::snapshot::Snapshot;
use super::{Catalog, Errand, Inner};
use crate::model::content::Content;
use crate::model::image::{Image, Status};
use crate::model::names::{FileName, ImageName, ImageVersion};
use crate::model::stored_file::Shelf;
use crate::trees::{Directory, Entry, Found, LookupError, Matching, Tree, open_regular};

/// A path as it was asked for, in components, free of `.` and `..`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Request {
    /// The components as they came.
    pub raw: Vec<Vec<u8>>,
    /// The components with `%XX` decoded once.
    pub decoded: Vec<Vec<u8>>,
    /// A listing is wanted even where an `index.html` stands.
    pub listing: bool,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Resolved {
    /// A file and the name it has there, from which its media type follows.
    File(Content, Vec<u8>),
    /// The entries of a directory, unsorted.
    Directory(Vec<Entry>),
}

impl Catalog {
    /// Resolves a southbound path.
    pub async fn resolve(&self, request: Request) -> Result<Resolved, LookupError> {
        if let Some(resolved) = self.0.recent.get(&request, self.snapshot().generation()) {
            return Ok(resolved);
        }
        let place = self.0.lanes.enter(&request.decoded).await;
        let resolve = move |inner: &Inner| {
            let (snapshot, now) = (inner.writer.snapshot(), Instant::now());
            let resolved = inner.resolve(&snapshot, &request);
            drop(place);
            if let Ok(resolved) = &resolved {
                inner.recent.put(request, resolved, snapshot.generation(), now);
            }
            resolved
        };
        let resolved = self.blocking(resolve).await;
        resolved.unwrap_or_else(|error| Err(LookupError::Io(std::io::Error::other(error))))
    }
}

impl Inner {
    fn resolve(&self, snapshot: &Snapshot, request: &Request) -> Result<Resolved, LookupError> {
        match request.decoded.as_slice() {
            [] => self.listing_of_root(snapshot, request),
            [first, ..] if first == b"iso" => self.in_iso_store(snapshot, request),
            [first, ..] if first == b"common" => in_tree(&self.microkernel_folder, request, 1),
            [name, rest @ ..] => {
                let Some(name) = text(name).and_then(|name| ImageName::existing(name).ok()) else {
                    return in_tree(&self.root, request, 0);
                };
                match rest {
                    [] => self.listing_of_versions(snapshot, &name, request),
                    [version, ..] => {
                        let version = text(version).and_then(|version| ImageVersion::existing(version).ok());
                        let Some(version) = version else { return in_tree(&self.root, request, 0) };
                        if let Some(image) = snapshot.image_at(&name, &version) {
                            return self.in_image(snapshot, image, request);
                        }
                        match (in_tree(&self.root, request, 0), snapshot.image_like(&name, &version)) {
                            (Err(LookupError::NotFound), Some(image)) => {
                                self.in_image(snapshot, image, request)
                            }
                            (on_disk, _) => on_disk,
                        }
                    }
                }
            }
        }
    }

    fn in_image(
        &self,
        snapshot: &Snapshot,
        image: &Image,
        request: &Request,
    ) -> Result<Resolved, LookupError> {
        if image.status != Status::Ok {
            return Err(LookupError::NotFound);
        }
        if image.identity.is_none() {
            self.post(Errand::Prepare(image.id.clone()));
            return Err(LookupError::NotFound);
        }
        let path = self.iso_path(snapshot, &image.iso);
        let opened = self.trees.open(&image.name, &image.version, &path);
        let opened = opened.map_err(|error| {
            tracing::warn!(name = %image.name, version = %image.version, %error, "an image cannot be served");
            LookupError::NotFound
        })?;
        if !self.is_same(snapshot, image, &opened.identity) {
            return Err(LookupError::NotFound);
        }
        in_tree(&opened.tree, request, 2)
    }

    fn in_iso_store(&self, snapshot: &Snapshot, request: &Request) -> Result<Resolved, LookupError> {
        let name = match request.decoded.as_slice() {
            [_, name] => text(name).and_then(|name| FileName::existing(name).ok()),
            _ => None,
        };
        if let Some(file) = name.as_ref().and_then(|name| snapshot.file(Shelf::Iso, name))
            && let Some(path) = &file.local
        {
            return local_file(&file.name, path);
        }
        let found = match in_tree(&self.iso_folder, request, 1) {
            Err(LookupError::NotFound) => match name.and_then(|name| snapshot.local_like(&name)) {
                Some((name, path)) => return local_file(name, path),
                None => return Err(LookupError::NotFound),
            },
            found => found?,
        };
        let Resolved::Directory(entries) = found else { return Ok(found) };
        if request.decoded.len() > 1 {
            return Ok(Resolved::Directory(entries));
        }
        let locals =
            snapshot.files(Shelf::Iso).filter_map(|file| Some((file.name.as_str(), file.local.as_ref()?)));
        let locals = locals.filter_map(|(name, path)| {
            let metadata = std::fs::metadata(path).ok()?;
            Some(Entry { name: name.into(), size: Some(metadata.len()), modified: metadata.modified().ok() })
        });
        Ok(Resolved::Directory(merged(entries, locals)))
    }

    /// The root: what lies on disk, the two stores, and a folder for each image name.
    fn listing_of_root(&self, snapshot: &Snapshot, request: &Request) -> Result<Resolved, LookupError> {
        let found = in_tree(&self.root, request, 0)?;
        let Resolved::Directory(entries) = found else { return Ok(found) };
        let served = snapshot.names().filter_map(|name| {
            let modified =
                snapshot.versions(name).filter(|image| image.status == Status::Ok).map(time_of).max()?;
            Some(folder(name.as_str(), Some(modified)))
        });
        let stores = [&self.isos, &self.microkernels].map(|store| {
            let modified = std::fs::metadata(store.folder()).and_then(|metadata| metadata.modified()).ok();
            folder(if store.shelf() == Shelf::Iso { "iso" } else { "common" }, modified)
        });
        Ok(Resolved::Directory(merged(entries, stores.into_iter().chain(served))))
    }

    /// `/<name>`: the served versions, beside what lies on disk there.
    fn listing_of_versions(
        &self,
        snapshot: &Snapshot,
        name: &ImageName,
        request: &Request,
    ) -> Result<Resolved, LookupError> {
        let mut served = snapshot.versions(name).filter(|image| image.status == Status::Ok).peekable();
        let on_disk = in_tree(&self.root, request, 0);
        if served.peek().is_none() {
            return on_disk;
        }
        let entries = match on_disk {
            Ok(Resolved::Directory(entries)) => entries,
            Ok(Resolved::File(..)) | Err(LookupError::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Resolved::Directory(merged(
            entries,
            served.map(|image| folder(image.version.as_str(), Some(time_of(image)))),
        )))
    }
}

fn local_file(name: &FileName, path: &Path) -> Result<Resolved, LookupError> {
    let (file, identity) = open_regular(path).map_err(|_| LookupError::NotFound)?;
    Ok(Resolved::File(Content::whole(file.into(), &identity), name.as_str().into()))
}

/// Looks the path up below its first `skip` components: as it came, then decoded, then leniently (`clients.md`, lookup order).
fn in_tree(tree: &Tree, request: &Request, skip: usize) -> Result<Resolved, LookupError> {
    let (raw, decoded) =
        (request.raw.get(skip..).unwrap_or_default(), request.decoded.get(skip..).unwrap_or_default());
    let as_it_came =
        if raw == decoded { Err(LookupError::NotFound) } else { tree.find(raw, Matching::Exact) };
    let (path, found) = match as_it_came {
        Err(LookupError::NotFound) => (decoded, tree.find(decoded, Matching::Lenient)?),
        found => (raw, found?),
    };
    match found {
        Found::File(content) => Ok(Resolved::File(content, path.last().cloned().unwrap_or_default())),
        Found::Directory(directory) => in_directory(tree, path, &directory, request.listing),
    }
}

fn in_directory(
    tree: &Tree,
    path: &[Vec<u8>],
    directory: &Directory,
    listing: bool,
) -> Result<Resolved, LookupError> {
    if !listing {
        let index: Vec<Vec<u8>> = path.iter().cloned().chain([b"index.html".to_vec()]).collect();
        if let Ok(Found::File(content)) = tree.find(&index, Matching::Lenient) {
            return Ok(Resolved::File(content, b"index.html".to_vec()));
        }
    }
    Ok(Resolved::Directory(tree.entries(directory)?))
}

/// Both lists; where a name is in both, the second wins.
fn merged(first: Vec<Entry>, second: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    let mut entries: BTreeMap<Vec<u8>, Entry> =
        first.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    entries.extend(second.into_iter().map(|entry| (entry.name.clone(), entry)));
    entries.into_values().collect()
}

fn folder(name: &str, modified: Option<SystemTime>) -> Entry {
    Entry { name: name.into(), size: None, modified }
}

fn time_of(image: &Image) -> SystemTime {
    SystemTime::from(image.updated)
}

fn text(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok()
}
