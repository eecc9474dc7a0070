//! From a southbound path to content: image trees, the stores, and what lies on disk below the root.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::examine::Sight;
use super::{Catalog, Inner, JobRequest};
use crate::inventory::Snapshot;
use crate::model::content::Content;
use crate::model::identity::Identity;
use crate::model::image::{Image, Status};
use crate::model::names::{FileName, ImageName, ImageVersion};
use crate::model::stored_file::{FileRecord, StoreKind};
use crate::trees::{
    Directory, Entry, FileError, Found, ImageTree, LookupError, Matching, Source, Tree, TreeError,
    open_regular,
};

/// The file that stands in for the listing of its folder.
const INDEX: &[u8] = b"index.html";

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
    /// A directory.
    Directory(Listed),
}

/// The entries of a directory, unsorted.
#[derive(Debug)]
pub struct Listed {
    /// What is in it.
    pub entries: Vec<Entry>,
    /// The folder on disk or the ISO that told; while that does not change, neither do the names. `None` if only the state told.
    pub source: Option<Source>,
}

impl Catalog {
    /// Resolves a southbound path, and lets `prepare` make of it what is needed, where it may wait for the disk. `prepare` is told the count
    /// of changes ([`Catalog::generation`]) at which the path led there.
    pub async fn resolve<T: Send + 'static>(
        &self,
        request: Request,
        prepare: impl FnOnce(Resolved, u64) -> T + Send + 'static,
    ) -> Result<T, LookupError> {
        let place = self.0.lookups.enter(&request.decoded).await;
        let resolve = move |inner: &Inner| {
            let _place = place;
            let snapshot = inner.writer.snapshot();
            let resolved = inner.resolve(&snapshot, &request)?;
            Ok(prepare(resolved, snapshot.generation()))
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
            [first, ..] if first == b"common" => {
                let found = in_tree(&self.microkernel_folder, request, 1)?;
                stored(snapshot, StoreKind::Microkernel, request, found)
            }
            [name, rest @ ..] => {
                let Some(name) = text(name).and_then(|name| ImageName::existing(name).ok()) else {
                    return self.in_root(snapshot, request);
                };
                match rest {
                    [] => self.listing_of_versions(snapshot, &name, request),
                    [version, ..] => {
                        let version = text(version).and_then(|version| ImageVersion::existing(version).ok());
                        let Some(version) = version else { return self.in_root(snapshot, request) };
                        if let Some(image) = snapshot.image_at(&name, &version) {
                            return self.in_image(snapshot, image, request);
                        }
                        match (self.in_root(snapshot, request), snapshot.image_like(&name, &version)) {
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

    /// What lies on disk below the southbound root. The stores may lie there too, and so be reached by other paths than their own.
    fn in_root(&self, snapshot: &Snapshot, request: &Request) -> Result<Resolved, LookupError> {
        undamaged(snapshot, in_tree(&self.root, request, 0)?)
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
        in_tree(&self.registered_tree(snapshot, image)?.tree, request, 2)
    }

    /// The tree of an image that is served, out of the ISO that was registered and no other.
    pub(super) fn registered_tree(
        &self,
        snapshot: &Snapshot,
        image: &Image,
    ) -> Result<Arc<ImageTree>, LookupError> {
        if image.identity.is_none() {
            self.post(JobRequest::Prepare(image.id.clone()));
            return Err(LookupError::NotFound);
        }
        let path = self.iso_path(snapshot, &image.iso);
        let found = fs::metadata(&path).map_err(|_| LookupError::NotFound)?;
        self.expect_registered(snapshot, image, &Identity::of(&found))?;
        let opened = self.trees.open(&image.name, &image.version, &path, image.asked_tree);
        let opened = opened.map_err(|error| {
            tracing::warn!(name = %image.name, version = %image.version, %error, "an image cannot be served");
            match error {
                // That the disk fails, or that there is no descriptor left, says nothing about what there is.
                TreeError::Io(error) | TreeError::File(FileError::Io(error)) => LookupError::Io(error),
                _ => LookupError::NotFound,
            }
        })?;
        // It may have changed between the two looks.
        self.expect_registered(snapshot, image, &opened.identity)?;
        Ok(opened)
    }

    /// Nothing is served out of an ISO that is not, or may not be, the one that was registered.
    fn expect_registered(
        &self,
        snapshot: &Snapshot,
        image: &Image,
        found: &Identity,
    ) -> Result<(), LookupError> {
        match self.sight(snapshot, image, found) {
            Sight::Same => Ok(()),
            Sight::Unsettled => Err(LookupError::Unsettled),
            Sight::Other | Sight::Damaged(_) => Err(LookupError::NotFound),
        }
    }

    fn in_iso_store(&self, snapshot: &Snapshot, request: &Request) -> Result<Resolved, LookupError> {
        let name = match request.decoded.as_slice() {
            [_, name] => text(name).and_then(|name| FileName::existing(name).ok()),
            _ => None,
        };
        if let Some(file) = name.as_ref().and_then(|name| snapshot.file(StoreKind::Iso, name))
            && let Some(path) = &file.local
        {
            return local_file(file, path);
        }
        let found = match in_tree(&self.iso_folder, request, 1) {
            Err(LookupError::NotFound) => match name.and_then(|name| snapshot.local_like(&name)) {
                Some((file, path)) => return local_file(file, path),
                None => return Err(LookupError::NotFound),
            },
            found => found?,
        };
        let found = stored(snapshot, StoreKind::Iso, request, found)?;
        let Resolved::Directory(listed) = found else { return Ok(found) };
        if request.decoded.len() > 1 {
            return Ok(Resolved::Directory(listed));
        }
        let locals = snapshot
            .files(StoreKind::Iso)
            .filter_map(|file| Some((file.name.as_str(), file.local.as_ref()?)));
        let locals = locals.filter_map(|(name, path)| {
            let metadata = fs::metadata(path).ok()?;
            Some(Entry { name: name.into(), size: Some(metadata.len()), modified: metadata.modified().ok() })
        });
        Ok(Resolved::Directory(listed.with(locals)))
    }

    /// The root: what lies on disk, the two stores, and a folder for each image name.
    fn listing_of_root(&self, snapshot: &Snapshot, request: &Request) -> Result<Resolved, LookupError> {
        let found = self.in_root(snapshot, request)?;
        let Resolved::Directory(listed) = found else { return Ok(found) };
        let served = snapshot.names().filter_map(|name| {
            let modified =
                snapshot.versions(name).filter(|image| image.status == Status::Ok).map(time_of).max()?;
            Some(folder(name.as_str(), Some(modified)))
        });
        let stores = [&self.isos, &self.microkernels].map(|store| {
            let modified = fs::metadata(store.folder()).and_then(|metadata| metadata.modified()).ok();
            folder(if store.kind() == StoreKind::Iso { "iso" } else { "common" }, modified)
        });
        Ok(Resolved::Directory(listed.with(stores.into_iter().chain(served))))
    }

    /// `/<name>`: the served versions, beside what lies on disk there.
    fn listing_of_versions(
        &self,
        snapshot: &Snapshot,
        name: &ImageName,
        request: &Request,
    ) -> Result<Resolved, LookupError> {
        let mut served = snapshot.versions(name).filter(|image| image.status == Status::Ok).peekable();
        let on_disk = self.in_root(snapshot, request);
        if served.peek().is_none() {
            return on_disk;
        }
        let listed = match on_disk {
            Ok(Resolved::Directory(listed)) => listed,
            Ok(Resolved::File(..)) | Err(LookupError::NotFound) => {
                Listed { entries: Vec::new(), source: None }
            }
            Err(error) => return Err(error),
        };
        let served = served.map(|image| folder(image.version.as_str(), Some(time_of(image))));
        Ok(Resolved::Directory(listed.with(served)))
    }
}

fn local_file(record: &FileRecord, path: &Path) -> Result<Resolved, LookupError> {
    let (file, identity) = open_regular(path).map_err(|_| LookupError::NotFound)?;
    if record.damage_of(&identity).is_some() {
        return Err(LookupError::NotFound);
    }
    let mut content = Content::whole(Arc::new(file.into()), &identity);
    content.sha256 = record.sha256_of(&identity);
    Ok(Resolved::File(content, record.name.as_str().into()))
}

/// What was found on a shelf: nothing, if it is known to be bad. A file that was asked for by its name there gets its digest; whoever
/// spells it in another way does without.
fn stored(
    snapshot: &Snapshot,
    kind: StoreKind,
    request: &Request,
    found: Resolved,
) -> Result<Resolved, LookupError> {
    let Resolved::File(mut content, name) = found else { return Ok(found) };
    let is_on_shelf = matches!(request.decoded.as_slice(), [_, asked] if *asked == name);
    let record = text(&name).filter(|_| is_on_shelf).and_then(|name| FileName::existing(name).ok());
    let record = record.and_then(|name| snapshot.file(kind, &name));
    if record.is_some_and(|record| record.damage_of(&content.identity).is_some()) {
        return Err(LookupError::NotFound);
    }
    content.sha256 = record.and_then(|record| record.sha256_of(&content.identity));
    undamaged(snapshot, Resolved::File(content, name))
}

/// What was found, unless it is a file that is known to be bad, by whatever path it was reached.
fn undamaged(snapshot: &Snapshot, found: Resolved) -> Result<Resolved, LookupError> {
    match found {
        Resolved::File(content, _) if snapshot.is_damaged(&content.identity) => Err(LookupError::NotFound),
        found => Ok(found),
    }
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
    let index = |name: &[u8]| -> Option<Resolved> {
        let index: Vec<Vec<u8>> = path.iter().cloned().chain([name.to_vec()]).collect();
        match tree.find(&index, Matching::Exact) {
            Ok(Found::File(content)) => Some(Resolved::File(content, INDEX.to_vec())),
            _ => None,
        }
    };
    if !listing && let Some(found) = index(INDEX) {
        return Ok(found);
    }
    let source = tree.source(directory);
    let entries = tree.entries(directory)?;
    // The only name that differs in case will do as well, as everywhere.
    let mut similar = entries.iter().filter(|entry| !listing && entry.name.eq_ignore_ascii_case(INDEX));
    if let (Some(only), None) = (similar.next(), similar.next())
        && let Some(found) = index(&only.name)
    {
        return Ok(found);
    }
    Ok(Resolved::Directory(Listed { entries, source }))
}

impl Listed {
    /// Adds `others`; where a name is in both, theirs wins.
    fn with(self, others: impl IntoIterator<Item = Entry>) -> Self {
        let mut entries: BTreeMap<Vec<u8>, Entry> =
            self.entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        entries.extend(others.into_iter().map(|entry| (entry.name.clone(), entry)));
        Self { entries: entries.into_values().collect(), source: self.source }
    }
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
