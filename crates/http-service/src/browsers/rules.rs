//! The rules for browsers, which may be replaced while the program runs.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::hosts::AllowedHosts;
use super::origins::AllowedOrigins;

/// What browsers may do. Clones share the rules, which may be replaced while the program runs.
#[derive(Debug, Clone, Default)]
pub struct Browsers(Arc<ArcSwap<BrowserRules>>);

/// The rules for browsers.
#[derive(Debug, Default)]
pub struct BrowserRules {
    /// The names by which a service may be called.
    pub hosts: AllowedHosts,
    /// Pages of other services that may call this one.
    pub origins: AllowedOrigins,
    /// Whether answers by HTTPS forbid browsers to come by HTTP again (RFC 6797).
    pub hsts: bool,
}

impl Browsers {
    /// These rules.
    pub fn new(rules: BrowserRules) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(rules)))
    }

    /// From now on these rules hold, in all clones.
    pub fn replace(&self, rules: BrowserRules) {
        self.0.store(Arc::new(rules));
    }

    /// The rules of now.
    pub fn rules(&self) -> Guard<Arc<BrowserRules>> {
        self.0.load()
    }
}
