//! Files on their way into the store under faults: full and failing disks, crashes, slow and lying sources,
//! clocks that jump.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clock;
mod durable;
mod failing_disk;
mod full_disk;
mod killed_downloads;
mod killed_mixed;
mod killed_resumable_uploads;
mod killed_uploads;
mod one_name;
mod slow_sources;
mod unsteady_sources;
mod unusable_stores;
mod unwritable_inventory;
