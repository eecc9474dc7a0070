//! What a component of the program is, and what it builds on.
//!
//! A component is one product: netboot, S3, a registry. It is a crate with one public value, its [`ComponentType`],
//! which the program lists in `src/components.rs`. A component that the settings leave off costs nothing: no table,
//! thread, route or file.
//!
//! 1. [`ComponentType::configure`] reads the component's section of the settings, before anything is opened.
//! 2. [`OpenComponent`] opens it over the [`Core`] and returns a [`Component`]: what it adds to the program.
//! 3. At the end the program cancels [`Core::stop`], and waits for the tasks of [`Core::tasks`].

mod changes;
mod check;
mod component;
mod content;
mod core;
mod generated;
mod job_records;
mod lookup_limit;
mod names;

pub use changes::ContentChanges;
pub use check::Check;
pub use component::{BoxError, BoxFuture, Component, ComponentType, OpenComponent, Setup};
pub use content::{ContentSource, Entry, Listed, ListingSource, LookupError, LookupRequest, Resolved};
pub use core::{Core, CoreError, CoreSettings, JobLimits};
pub use generated::generated;
pub use lookup_limit::{LookupLimit, LookupPermit};
pub use names::{NameError, check_names, check_prefixes};
