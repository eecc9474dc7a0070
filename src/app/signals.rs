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

/// Reloads the settings at each of `hangups`, until the program ends. Signals that come during a reload are
/// one more.
pub(super) async fn reload_on_hangup(mut hangups: Signal, reloader: Reloader) {
    while hangups.recv().await.is_some() {
        // The log tells how it went.
        let _ = reloader.reload().await;
    }
}
