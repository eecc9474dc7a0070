//! The section `notes` of the settings.

use std::time::Duration;

use model::settings::{ConfigError, Settings, at_least_one, text};

/// The most that `notes.limit` may say.
const MAX_NOTES: u64 = 1_000_000;

/// How notes are treated.
pub(crate) struct NoteSettings {
    /// `greeting`: each shout begins with it.
    pub(crate) greeting: String,
    /// `limit`: notes that are kept.
    pub(crate) limit: u64,
    /// `pause`: milliseconds that a shout takes.
    pub(crate) pause: Duration,
}

impl NoteSettings {
    pub(crate) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            greeting: settings.get("greeting", text)?.unwrap_or_else(|| "Hello".into()),
            limit: settings.get("limit", |value| at_least_one(value, MAX_NOTES))?.unwrap_or(1000),
            pause: settings.milliseconds("pause", 0)?,
        })
    }
}
