//! What the stores hold, and what they could hold.

use super::{Catalog, CatalogError};
use crate::model::stored_file::Shelf;
use crate::store::Usage;

impl Catalog {
    /// What each store holds now.
    pub async fn storage(&self) -> Result<Vec<(Shelf, Usage)>, CatalogError> {
        self.blocking(|inner| {
            let usage = |shelf| Ok((shelf, inner.store(shelf).usage()?));
            [Shelf::Iso, Shelf::Microkernel].into_iter().map(usage).collect()
        })
        .await?
    }
}
