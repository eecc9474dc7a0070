//! Runs work in the background, for what takes longer than a request: queues, retries, progress, a log,
//! cancelling and resuming.
//!
//! The engine knows no kind of work. A component writes each of its kinds as a type that implements [`Work`],
//! and registers it in [`Kinds`] with the environment that its attempts use. [`Jobs`] does the rest.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use jobs::{Context, Jobs, Kinds, Outcome, Settings, Work};
//! use serde::{Deserialize, Serialize};
//!
//! /// Greets a machine.
//! #[derive(Serialize, Deserialize)]
//! struct Greeting {
//!     name: String,
//! }
//!
//! impl Work for Greeting {
//!     const KIND: &'static str = "greeting";
//!     const QUEUE: &'static str = "talking";
//!     const DURABLE: bool = false;
//!     /// The word that greets.
//!     type Environment = String;
//!
//!     async fn attempt(&mut self, context: &Context<'_, String>) -> Outcome {
//!         context.note(format!("{}, {}!", context.environment, self.name));
//!         Outcome::Done
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let kinds = Kinds::default().queue("talking", 2).with::<Greeting>(Arc::new("Hello".into()));
//! let settings = Settings { retries: 3, retry_delay: Duration::from_secs(1), max_finished: 100 };
//! // No job here is durable, so `()` is store enough. The closure would tell clients that a job has changed.
//! let jobs = Jobs::start(kinds, (), |_id| {}, settings);
//!
//! let begun = jobs.begin(Greeting { name: "machine".into() }.job("greeting a machine"));
//! assert!(matches!(begun.ended_within(Duration::from_secs(5)).await, Some(Ok(()))));
//!
//! let shown = jobs.all().remove(0);
//! assert_eq!((shown.job.state.word(), shown.job.log[0].text.as_str()), ("done", "Hello, machine!"));
//! jobs.stop().await;
//! # }
//! ```
//!
//! # Limits
//!
//! * A job is known by its record, so a change to the fields of a durable kind must still read the records of
//!   before.
//! * Queues are first come, first served. There are no priorities, but jobs of one client have half of a
//!   queue's permits at most, where it has several.
//! * All jobs that are listed are in memory. [`Settings::max_finished`] limits those that have ended.

mod attempt;
mod backoff;
mod engine;
mod entry;
mod error;
mod failure;
mod job_list;
mod kinds;
pub mod low_priority;
mod meter;
mod queues;
mod runner;
mod settings;
mod store;
mod task;
mod work;

pub use attempt::{Context, Outcome};
pub use engine::{Begun, Jobs, Paused, Shown};
pub use error::JobError;
pub use failure::Failure;
pub use kinds::Kinds;
pub use meter::Progress;
pub use settings::Settings;
pub use store::{BoxError, BoxFuture, JobStore};
pub use work::Work;
