//! The records, as the parts of the catalog change them.

use crate::error::CatalogError;
use records::inventory::InventoryWriter;

/// The writer of the inventory. A change of the catalog refuses with an error of the catalog.
pub(crate) type Writer = InventoryWriter<CatalogError>;
