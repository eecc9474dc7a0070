//! Reads the section of a component from a configuration file and the environment.
//!
//! `IMAGE_SERVICE_NETBOOT_LEASE=60 cargo run -p model --example settings`

use std::collections::BTreeMap;

use model::settings::{ConfigError, Settings, text, truth};

const FILE: &str = r#"{"netboot": {"interface": "eth0", "lease": 3600, "proxy": true}}"#;

fn main() -> Result<(), ConfigError> {
    let environment = |name: &str| std::env::var(name).ok();
    let settings = Settings::gather(Some(FILE), environment, BTreeMap::new())?;
    let netboot = settings.section("netboot")?;
    println!("interface: {:?}", netboot.get("interface", text)?);
    println!("lease: {} seconds", netboot.number("lease", 600)?);
    println!("proxy: {}", netboot.get("proxy", truth)?.unwrap_or(false));
    // A key of the file that no part of the program has read is an error.
    settings.refuse_unknown()
}
