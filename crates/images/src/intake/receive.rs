//! The begin of an intake. All that can be refused before the first byte is refused here.

use std::sync::Arc;
use std::time::Duration;

use crate::error::CatalogError;
use crate::intake::intakes::Intakes;
use crate::intake::receiving::{Intake, Receiving};
use crate::intake::worker::Worker;
use crate::locks::FileLock;
use crate::tasks::blocking;
use model::client::ClientKey;
use model::digest::Expected;
use model::fair_limit::FairPermit;
use model::image::ImageId;
use model::labels::Labels;
use model::names::FileName;
use model::stored_file::StoreKind;

impl Intakes {
    /// Begins to receive a file from `client`, of a `size` that it may have told. A file that is not what is
    /// `expected` is refused at its end.
    pub async fn receive(
        self: &Arc<Self>,
        client: Option<ClientKey>,
        kind: StoreKind,
        name: FileName,
        size: Option<u64>,
        expected: Expected,
    ) -> Result<Intake, CatalogError> {
        self.receive_for(client, None, kind, name, size, expected).await
    }

    /// The same for the ISO of an image that is recorded already, which does not keep the name from being
    /// used.
    pub(crate) async fn receive_for(
        self: &Arc<Self>,
        client: Option<ClientKey>,
        image: Option<&ImageId>,
        kind: StoreKind,
        name: FileName,
        size: Option<u64>,
        expected: Expected,
    ) -> Result<Intake, CatalogError> {
        let permit = self.permits.take(client)?;
        let lock = self.lock_name(kind, &name, image, Duration::ZERO).await?;
        let stores = Arc::clone(&self.stores);
        let upload = blocking(move || stores.of(kind).receive(client, name, size, expected)).await??;
        let worker = Worker::start(Arc::clone(&self.stores), self.tasks.clone(), kind, upload, None);
        Ok(self.intake(kind, Receiving::Worker(worker), 0, lock, Some(permit)))
    }

    pub(super) fn intake(
        self: &Arc<Self>,
        kind: StoreKind,
        bytes: Receiving,
        offset: u64,
        lock: FileLock,
        permit: Option<FairPermit>,
    ) -> Intake {
        Intake {
            intakes: Arc::clone(self),
            kind,
            bytes,
            offset,
            lock,
            labels: Labels::default(),
            _permit: permit,
        }
    }
}
