//! Readiness checks: whether a component can do its work at this moment.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::component::BoxFuture;

/// A readiness check. Clones are the same one.
#[derive(Clone)]
pub struct Check {
    /// Names the check to operators, such as `inventory`.
    pub name: &'static str,
    run: Arc<dyn Fn() -> BoxFuture<Result<(), String>> + Send + Sync>,
}

impl Check {
    /// A check that calls `run`, whose error is a sentence for operators.
    pub fn new<F>(name: &'static str, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, run: Arc::new(move || Box::pin(run())) }
    }

    /// Checks now.
    ///
    /// # Errors
    ///
    /// Why the component cannot do its work.
    pub async fn run(&self) -> Result<(), String> {
        (self.run)().await
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Check").field(&self.name).finish()
    }
}
