//! Events about single requests and connections. Any client causes as many as it likes, so they are no part
//! of the log.

/// The target of these events.
pub const ACCESS_LOG: &str = "access_log";
