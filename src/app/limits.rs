//! The limits of an endpoint's connections, as the settings say them at each instant.

use file_transport::{LiveLimits, ServerLimits};
use model::fair_limit::share_of;
use model::minimum_rate::MINIMUM;

use crate::config::Config;

/// The limits of an endpoint that may have `most` connections for want of descriptors. They follow the
/// settings.
pub(super) fn follow(config: &Config, most: usize) -> LiveLimits {
    let (connections, transfers) = (config.connections.clone(), config.core.transfers.clone());
    let limits = move || {
        let connections = connections.get();
        let max_connections = connections.all.min(most);
        let share = usize::try_from(share_of(max_connections as u64)).unwrap_or(max_connections);
        ServerLimits {
            max_connections,
            max_connections_per_address: connections.per_address.min(share),
            // A slow reader keeps others waiting where transfers are limited.
            minimum_rate: if transfers.get().transfers > 0 { MINIMUM.into() } else { 0 },
            drain_timeout: connections.drain_timeout,
        }
    };
    let live = LiveLimits::from(limits());
    let changed = live.clone();
    let take_over = move || changed.set(limits());
    let also = take_over.clone();
    config.connections.on_change(move |_| take_over());
    config.core.transfers.on_change(move |_| also());
    live
}
