#![doc = include_str!("../README.md")]

mod boxed;
mod changes;
mod check;
mod component;
mod content;
mod core;
mod generated;
mod job_records;
mod lookup_limit;
mod names;

pub use boxed::{BoxError, BoxFuture};
pub use changes::ContentChanges;
pub use check::Check;
pub use component::{Component, ComponentType, OpenComponent, Setup};
pub use content::{ContentSource, Entry, Listed, ListingSource, LookupError, LookupRequest, Resolved};
pub use core::{Core, CoreError, CoreSettings};
pub use generated::generated;
pub use lookup_limit::{LookupLimit, LookupPermit};
pub use names::{NameError, check_names, check_prefixes};
