//! The settings of the egress policy: the schemes, hosts and networks that downloads may use.

use fetch::{EgressPolicy, SCHEMES};
use serde_json::Value;

use super::values::{self, list};
use model::settings::{ConfigError, Settings, truth};

pub(super) fn read(settings: &Settings) -> Result<EgressPolicy, ConfigError> {
    let default = EgressPolicy::default();
    Ok(EgressPolicy {
        schemes: settings.get("downloadSchemes", schemes)?.unwrap_or(default.schemes),
        hosts: settings.get("downloadHosts", values::hosts)?.unwrap_or_default(),
        networks: settings.get("downloadNetworks", values::networks)?.unwrap_or_default(),
        private: settings.get("downloadPrivate", truth)?.unwrap_or(default.private),
        link_local: settings.get("downloadLinkLocal", truth)?.unwrap_or(default.link_local),
    })
}

fn schemes(value: &Value) -> Result<Vec<String>, String> {
    let known = |text: &str| SCHEMES.contains(&text).then(|| text.to_owned());
    list(value, known)
        .filter(|list| !list.is_empty())
        .ok_or_else(|| format!("expected a list of schemes from {}, such as [\"https\"]", SCHEMES.join(", ")))
}
