//! The signals that end the program, and the one that reloads its settings.

use std::io::Result;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::reload::Reloader;

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Reloads the settings at each SIGHUP, until the program ends. Signals that come during a reload are one
/// more.
///
/// # Errors
///
/// The system refuses to deliver the signal.
pub(super) fn reload_on_hangup(reloader: Reloader) -> Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            // The log tells how it went.
            let _ = reloader.reload().await;
        }
    })
}
