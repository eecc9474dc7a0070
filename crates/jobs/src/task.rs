//! A piece of work of any kind, with its environment: what the runner runs.

use std::sync::Arc;

use model::client::ClientKey;

use crate::attempt::{Context, Outcome};
use crate::error::JobError;
use crate::failure::Failure;
use crate::store::BoxFuture;
use crate::work::Work;

/// [`Work`] as an object.
pub(crate) trait Task: Send + Sync {
    fn attempt<'a>(&'a mut self, context: &'a Context<'a>) -> BoxFuture<'a, Outcome>;
    fn abandon<'a>(&'a mut self, context: &'a Context<'a>, failure: &'a Failure) -> BoxFuture<'a, ()>;
    fn before_retry(&self, client: Option<ClientKey>) -> BoxFuture<'_, Result<(), JobError>>;
    fn announce(&self);
}

/// Work of a registered kind.
pub(crate) struct Known<W: Work> {
    pub(crate) work: W,
    pub(crate) environment: Arc<W::Environment>,
}

impl<W: Work> Task for Known<W> {
    fn attempt<'a>(&'a mut self, context: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { self.work.attempt(&context.with(&*self.environment)).await })
    }

    fn abandon<'a>(&'a mut self, context: &'a Context<'a>, failure: &'a Failure) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.work.abandon(&context.with(&*self.environment), failure).await })
    }

    fn before_retry(&self, client: Option<ClientKey>) -> BoxFuture<'_, Result<(), JobError>> {
        Box::pin(self.work.before_retry(&self.environment, client))
    }

    fn announce(&self) {
        self.work.announce(&self.environment);
    }
}

/// Work that no component can do: each attempt fails.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unknown {
    /// No component has registered the kind.
    #[error("this program does no work of the kind `{0}`")]
    Kind(String),
    /// The kind does not understand the record.
    #[error("the record of the job cannot be read: {0}")]
    Record(String),
}

impl Task for Unknown {
    fn attempt<'a>(&'a mut self, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::Failed(Failure::new(self.clone())) })
    }

    fn abandon<'a>(&'a mut self, _: &'a Context<'a>, _: &'a Failure) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn before_retry(&self, _: Option<ClientKey>) -> BoxFuture<'_, Result<(), JobError>> {
        Box::pin(async { Ok(()) })
    }

    fn announce(&self) {}
}
