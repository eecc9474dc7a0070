//! What a kind of work must say of itself.

use model::client::ClientKey;
use model::job::{Job, WorkRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::attempt::{Context, Outcome};
use crate::error::JobError;
use crate::failure::Failure;

/// A kind of work. A value is one piece of it: its serialised fields are what is recorded, and what tells it
/// from other pieces. Fields with `#[serde(skip)]` are remembered from one attempt to the next, but not
/// across a restart.
///
/// * Attempts may be repeated after a crash, so an attempt first checks what earlier ones have done.
/// * No field may have the name of a field of [`Job`] or of [`model::job::State`].
pub trait Work: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of the kind, on record and for clients.
    const KIND: &'static str;
    /// The queue in which jobs of the kind wait.
    const QUEUE: &'static str;
    /// Whether jobs are recorded and outlive the program. Other work is noticed anew after a start.
    const DURABLE: bool;
    /// Whether a job that is done stays in the list. One that failed or was cancelled always does.
    const LISTED: bool = true;

    /// What attempts work with, such as stores and clients.
    type Environment: Send + Sync + 'static;

    /// Makes one attempt. It must end soon after [`Context::stop`].
    fn attempt(&mut self, context: &Context<'_, Self::Environment>) -> impl Future<Output = Outcome> + Send;

    /// Cleans up after the last attempt of a job that failed or was cancelled. The job ends after this
    /// returns.
    fn abandon(
        &mut self,
        context: &Context<'_, Self::Environment>,
        failure: &Failure,
    ) -> impl Future<Output = ()> + Send {
        let _ = (context, failure);
        async {}
    }

    /// Prepares records of the component for a job that `client` begins again. From then on the job counts as
    /// one of this client.
    ///
    /// # Errors
    ///
    /// The job stays as it is if this fails.
    fn before_retry(
        &self,
        environment: &Self::Environment,
        client: Option<ClientKey>,
    ) -> impl Future<Output = Result<(), JobError>> + Send {
        let _ = (environment, client);
        async { Ok(()) }
    }

    /// Tells subscribers of things that are shown together with the job. It is called when a runner takes the
    /// job up, and at its end.
    fn announce(&self, environment: &Self::Environment) {
        let _ = environment;
    }

    /// The record of this piece of work.
    fn record(&self) -> WorkRecord {
        let details = match serde_json::to_value(self) {
            Ok(Value::Object(details)) => details,
            _ => Map::new(),
        };
        WorkRecord { kind: Self::KIND.into(), details }
    }

    /// A new job for this piece of work. People read `title`.
    fn job(&self, title: impl Into<String>) -> Job {
        Job::new(self.record(), title.into())
    }

    /// The work of a job, if it is of this kind.
    fn of(job: &Job) -> Option<Self> {
        let details = || serde_json::from_value(Value::Object(job.work.details.clone())).ok();
        (job.work.kind == Self::KIND).then(details).flatten()
    }
}
