//! Reloads the settings while the program runs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use model::settings::{ConfigError, Reloaded, Settings};
use tokio::sync::Mutex;

/// Settings that can be used.
pub struct Newer {
    /// All of them.
    pub settings: Settings,
    /// Takes over what does not follow live values.
    pub take_over: Box<dyn FnOnce() + Send>,
}

/// Reads and checks all settings again. It is given those in use.
type Read = Box<dyn Fn(&Settings) -> Result<Newer> + Send + Sync>;

/// Opens the access log again.
type Reopen = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

/// Reloads the settings. Clones share it.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    settings: Settings,
    read: Read,
    reopen: Reopen,
    /// One reload after the other. Those that wait have no thread, since a disk may hang.
    turn: Arc<Mutex<()>>,
    succeeded: AtomicBool,
}

/// The settings stay as they are. The text is for clients.
#[derive(Debug, thiserror::Error)]
#[error("the settings stay as they are: {0}")]
pub struct Refused(String);

impl Reloader {
    /// Reloads the live values of `settings`, which are in use, from those that `read` gives. `reopen` is
    /// called before each reload: a rotated access log is opened again even if the settings are wrong.
    pub fn new(
        settings: Settings,
        read: impl Fn(&Settings) -> Result<Newer> + Send + Sync + 'static,
        reopen: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let (read, reopen) = (Box::new(read), Box::new(reopen));
        Self(Arc::new(Inner { settings, read, reopen, turn: Arc::default(), succeeded: true.into() }))
    }

    /// Reads all settings again and takes over those that can change while the program runs. It runs to its
    /// end, also without its caller.
    ///
    /// # Errors
    ///
    /// They cannot be used. Nothing is changed then.
    pub async fn reload(&self) -> Result<Reloaded, Refused> {
        let (inner, turn) = (Arc::clone(&self.0), Arc::clone(&self.0.turn).lock_owned().await);
        let reloaded = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            inner.reload()
        });
        reloaded.await.unwrap_or_else(|_| {
            self.0.succeeded.store(false, Ordering::Relaxed);
            Err(Refused("the reload itself failed; the log says more".into()))
        })
    }

    /// Whether the last reload succeeded. The start counts as one.
    pub fn succeeded(&self) -> bool {
        self.0.succeeded.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn reload(&self) -> Result<Reloaded, Refused> {
        if let Err(error) = (self.reopen)() {
            tracing::error!(error = %error.kind(), "the access log cannot be opened again");
        }
        let reloaded = (self.read)(&self.settings)
            .and_then(|newer| Ok((self.settings.reload(&newer.settings)?, newer.take_over)));
        self.succeeded.store(reloaded.is_ok(), Ordering::Relaxed);
        match reloaded {
            Ok((reloaded, take_over)) => {
                take_over();
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
    error.downcast_ref::<io::Error>().map_or_else(
        || "the log has the reason".into(),
        |error| format!("the configuration file cannot be read ({})", error.kind()),
    )
}
