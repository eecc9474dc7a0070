//! image-service: registers operating-system ISOs and microkernels and serves them to machines that boot from the network.
//!
//! The house has floors, and a room imports only from floors below its own (`docs/ARCHITECTURE.md`):
//!
//! | floor | rooms |
//! | --- | --- |
//! | entrance | `main`, [`app`] |
//! | doors | [`northbound`], [`southbound`] |
//! | workers | [`jobs`] |
//! | desk | [`catalog`] |
//! | shelves | [`inventory`], [`store`], [`transfers`], [`trees`], [`events`] |
//! | ground | [`model`], [`config`], [`profiles`], and the crates `iso-reader`, `file-transport`, `loop-mount` |

pub mod app;
pub mod catalog;
pub mod config;
/// The change feed, as far as it is about the inventory.
pub mod events {
    pub use records::feed::{Event as Told, Feed as Events, SubscribeError, Subscription};
    pub use records::inventory::ChangedRecord as Change;
}
pub mod jobs;
pub use model;
pub mod northbound;
pub mod profiles;
pub use records::inventory;
pub mod southbound;
pub use blobs as store;
pub use http_service::transfers;
pub mod trees;
