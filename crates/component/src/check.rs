//! Readiness checks: whether a component can do its work at this moment.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::boxed::BoxFuture;

/// The longest that a check may take: load balancers ask every few seconds.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A readiness check. Clones call the same function.
#[derive(Clone)]
pub struct Check {
    /// Names the check to operators, such as `inventory`.
    pub name: &'static str,
    run: Arc<dyn Fn() -> BoxFuture<Result<(), String>> + Send + Sync>,
    /// At most one run is under way, so that checks of a disk that hangs cannot take all threads.
    running: Arc<Mutex<()>>,
}

impl Check {
    /// A check that calls `run`, whose error is a text for operators.
    pub fn new<F>(name: &'static str, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, run: Arc::new(move || Box::pin(run())), running: Arc::default() }
    }

    /// Checks now.
    ///
    /// # Errors
    ///
    /// Why the component cannot do its work. A check that panics, or takes longer than 2 seconds, has failed;
    /// so has
    /// one whose earlier run hangs.
    pub async fn run(&self) -> Result<(), String> {
        let (run, running) = (Arc::clone(&self.run), Arc::clone(&self.running));
        let check = async move {
            let permit = running.lock_owned().await;
            // A task of its own keeps the permit until the disk has answered, also when the caller has gone.
            tokio::spawn(async move {
                let _permit = permit;
                run().await
            })
            .await
        };
        match tokio::time::timeout(TIMEOUT, check).await {
            Ok(Ok(checked)) => checked,
            Ok(Err(_)) => Err("the check itself failed; the log says more".into()),
            Err(_) => Err(format!("no answer within {} seconds", TIMEOUT.as_secs())),
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Check").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_check_tells_what_its_component_says() {
        assert_eq!(Check::new("a", async || Ok(())).run().await, Ok(()));
        assert_eq!(
            Check::new("a", async || Err("the disk is full".into())).run().await,
            Err("the disk is full".into())
        );
    }

    #[tokio::test]
    async fn a_check_that_panics_has_failed_and_harms_no_other() {
        let early = Check::new("a", || -> std::future::Ready<_> { panic!("before the first wait") });
        let late = Check::new("b", async || panic!("after it"));
        for check in [early, late] {
            assert!(check.run().await.is_err_and(|error| error.contains("the log")));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_has_failed() {
        let hanging = Check::new("a", std::future::pending);
        assert_eq!(hanging.run().await, Err("no answer within 2 seconds".into()));
    }
}
