//! What the stores hold, and what they could hold.

use super::{Catalog, CatalogError};
use crate::model::stored_file::StoreKind;
use crate::store::Usage;

impl Catalog {
    /// What each store holds now.
    pub async fn storage(&self) -> Result<Vec<(StoreKind, Usage)>, CatalogError> {
        self.blocking(|inner| {
            let usage = |kind| Ok((kind, inner.store(kind).usage()?));
            [StoreKind::Iso, StoreKind::Microkernel].into_iter().map(usage).collect()
        })
        .await?
    }
}
