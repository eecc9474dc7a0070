//! Reloads the settings while the program runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use model::settings::{ConfigError, Reloaded, Settings};

/// Reads and checks all settings again.
type Read = Box<dyn Fn() -> Result<Settings> + Send + Sync>;

/// Called after each reload, whether it succeeded or not.
type After = Box<dyn Fn() -> Result<()> + Send + Sync>;

/// Reloads the settings. Clones share it.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    settings: Settings,
    read: Read,
    after: After,
    /// One reload after the other.
    turn: Mutex<()>,
    succeeded: AtomicBool,
}

/// The settings stay as they are. The text is for clients.
#[derive(Debug, thiserror::Error)]
#[error("the settings stay as they are: {0}")]
pub struct Refused(String);

impl Reloader {
    /// Reloads the live values of `settings`, which are in use, from those that `read` gives. `after` is
    /// called after each reload.
    pub fn new(
        settings: Settings,
        read: impl Fn() -> Result<Settings> + Send + Sync + 'static,
        after: impl Fn() -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let (read, after) = (Box::new(read), Box::new(after));
        Self(Arc::new(Inner { settings, read, after, turn: Mutex::default(), succeeded: true.into() }))
    }

    /// Reads all settings again and takes over those that can change while the program runs. It runs to its
    /// end, also without its caller.
    ///
    /// # Errors
    ///
    /// They cannot be used. Nothing is changed then.
    pub async fn reload(&self) -> Result<Reloaded, Refused> {
        let inner = Arc::clone(&self.0);
        let reloaded = tokio::task::spawn_blocking(move || inner.reload()).await;
        reloaded.unwrap_or_else(|_| Err(Refused("the reload itself failed; the log says more".into())))
    }

    /// Whether the last reload succeeded. The start counts as one.
    pub fn succeeded(&self) -> bool {
        self.0.succeeded.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn reload(&self) -> Result<Reloaded, Refused> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.succeeded.store(false, Ordering::Relaxed);
        let reloaded = (self.read)().and_then(|newer| Ok(self.settings.reload(&newer)?));
        self.succeeded.store(reloaded.is_ok(), Ordering::Relaxed);
        // A rotated access log is opened again even if the settings are wrong.
        if let Err(error) = (self.after)() {
            tracing::error!(error = format!("{error:#}"), "the logs stay as they are");
        }
        match reloaded {
            Ok(reloaded) => {
                tracing::info!(changed = reloaded.changed.join(", "), "the settings were reloaded");
                if !reloaded.needs_restart.is_empty() {
                    let keys = reloaded.needs_restart.join(", ");
                    tracing::warn!(keys, "these settings have changed and need a restart");
                }
                Ok(reloaded)
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the settings stay as they are");
                Err(Refused(public_message(&error)))
            }
        }
    }
}

/// Clients are told no path of this machine.
fn public_message(error: &anyhow::Error) -> String {
    if let Some(error) = error.downcast_ref::<ConfigError>() {
        return error.public_message();
    }
    error.downcast_ref::<std::io::Error>().map_or_else(
        || "the log has the reason".into(),
        |error| format!("the configuration file cannot be read ({})", error.kind()),
    )
}
