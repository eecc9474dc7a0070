//! What clients want images to be, and whether an image is that already.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use iso_reader::TreeKind;
use jiff::Timestamp;

use crate::error::CatalogError;
use crate::registration::part::Registration;
use crate::registration::seen::Seen;
use crate::tasks::blocking;
use blobs::StoreError;
use model::client::ClientKey;
use model::digest::Expected;
use model::image::{Image, ImageId, Source, Status, WebSource};
use model::labels::Labels;
use model::names::{FileName, ImageName, ImageVersion};
use model::stored_file::StoreKind;

/// An image as a client describes it, without the source of its ISO.
#[derive(Debug, Clone)]
pub struct WantedImage {
    /// The client that asks, as limits count it.
    pub client: Option<ClientKey>,
    /// How long the request waits for others that work with the same names.
    pub patience: Duration,
    /// The id that the client chose.
    pub id: Option<ImageId>,
    /// First segment of its path.
    pub name: ImageName,
    /// Second segment of its path.
    pub version: ImageVersion,
    /// The tree that the client asks for.
    pub tree: Option<TreeKind>,
    /// Its labels. `None` leaves those that it has.
    pub labels: Option<Labels>,
}

/// Where the ISO of a wanted image comes from.
#[derive(Debug, Clone)]
pub enum AskedSource {
    /// A file of the ISO store.
    Store(FileName),
    /// A file of the server.
    Local(PathBuf),
    /// Links.
    Web(Box<WebSource>),
    /// The body of a request, stored under this name.
    Client(FileName),
}

impl Registration {
    /// The image that a registration of `wanted` would be about, as it is now and as it is recorded: the one
    /// with its id, else the one with its name and version.
    pub async fn find(&self, wanted: &WantedImage) -> Result<Option<Image>, CatalogError> {
        let (images, wanted) = (Arc::clone(&self.images), wanted.clone());
        blocking(move || {
            let snapshot = images.records.snapshot();
            let found = match &wanted.id {
                Some(id) => snapshot.image(id),
                None => snapshot.image_at(&wanted.name, &wanted.version),
            };
            found.map(|image| images.examined(&snapshot, image))
        })
        .await
    }

    /// Whether `image` is made from this source, and of bytes with these digests. A digest that is not known
    /// is computed.
    pub async fn is_made_of(
        &self,
        client: Option<ClientKey>,
        image: &Image,
        source: &AskedSource,
        expected: Expected,
    ) -> Result<bool, CatalogError> {
        let is_source = match (&image.source, source) {
            (Source::Store, AskedSource::Store(iso)) | (Source::Client, AskedSource::Client(iso)) => {
                image.iso == *iso
            }
            (Source::Web(known), AskedSource::Web(asked)) => known == asked,
            (Source::Local, AskedSource::Local(path)) => self.lies_at(image, path.clone()).await?,
            _ => false,
        };
        Ok(is_source && self.has_digests(client, image, expected).await?)
    }

    async fn lies_at(&self, image: &Image, path: PathBuf) -> Result<bool, CatalogError> {
        let known = self.stores.iso_path(&self.records.snapshot(), &image.iso);
        blocking(move || {
            let lies_at = std::fs::canonicalize(path).ok();
            lies_at.is_some() && lies_at == std::fs::canonicalize(known).ok()
        })
        .await
    }

    async fn has_digests(
        &self,
        client: Option<ClientKey>,
        image: &Image,
        expected: Expected,
    ) -> Result<bool, CatalogError> {
        let recorded =
            Expected { sha256: image.sha256.or(image.expected.sha256), sha512: image.expected.sha512 };
        let Ok(both) = recorded.and(expected) else { return Ok(false) };
        if both == recorded {
            return Ok(true);
        }
        if image.status != Status::Ok {
            // The bytes that are to come have not been promised to have this digest.
            return Ok(false);
        }
        match self.verifier.check_listed(client, (StoreKind::Iso, &image.iso), expected).await {
            Ok(_) => Ok(true),
            Err(CatalogError::Store(StoreError::Mismatch(_))) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives an image the name, version and labels that are wanted, where they differ. Returns the image as
    /// it is recorded then.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Duplicate`] if another image has the name and version. [`CatalogError::Changed`] if
    /// the image is not what the client has `seen`. [`CatalogError::Busy`] if the client named it by a name
    /// that it has no longer.
    pub async fn adapt(
        self: &Arc<Self>,
        id: ImageId,
        wanted: WantedImage,
        seen: Seen,
    ) -> Result<Image, CatalogError> {
        let registration = Arc::clone(self);
        self.tasks.run_to_completion(async move { registration.adapt_image(id, wanted, seen).await }).await
    }

    async fn adapt_image(&self, id: ImageId, wanted: WantedImage, seen: Seen) -> Result<Image, CatalogError> {
        let snapshot = self.records.snapshot();
        let found = snapshot.image(&id);
        if !seen.is(found) {
            return Err(CatalogError::Changed);
        }
        let found = found.ok_or(CatalogError::NoSuchImage)?;
        let WantedImage { id: chosen, name, version, labels, patience, .. } = wanted;
        let is_named_so = |image: &Image| (&image.name, &image.version) == (&name, &version);
        if is_named_so(found) && labels.as_ref().is_none_or(|labels| found.labels == *labels) {
            return Ok(found.clone());
        }
        let keys = [(found.name.clone(), found.version.clone()), (name.clone(), version.clone())];
        let _locks = self.lock_names(keys, patience).await?;
        let adapted = self.records.commit(move |records| {
            let taken = records
                .images
                .values()
                .find(|other| (&other.name, &other.version) == (&name, &version) && other.id != id);
            if let Some(other) = taken {
                let id = other.id.clone();
                return Err(CatalogError::Duplicate { name, version, id });
            }
            if !seen.is(records.images.get(&id)) {
                return Err(CatalogError::Changed);
            }
            let before = records.images.get(&id).cloned().ok_or(CatalogError::NoSuchImage)?;
            if chosen.is_none() && (&before.name, &before.version) != (&name, &version) {
                return Err(CatalogError::busy_image(&name, &version));
            }
            let image = records.images.get_mut(&id).ok_or(CatalogError::NoSuchImage)?;
            (image.name, image.version) = (name, version);
            image.labels = labels.unwrap_or_else(|| before.labels.clone());
            image.updated = Timestamp::now();
            Ok((before, image.clone()))
        });
        let (before, adapted): (Image, Image) = adapted.await?;
        if (&before.name, &before.version) != (&adapted.name, &adapted.version) {
            self.images.close_tree(before).await?;
        }
        tracing::info!(id = %adapted.id, name = %adapted.name, version = %adapted.version, "adapted an image");
        Ok(adapted)
    }
}
