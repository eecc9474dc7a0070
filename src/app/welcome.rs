//! The lines on standard output with the addresses and folders of the service.

use std::io::{Result, Write};
use std::thread;

use images::Restored;

use super::endpoints::Listeners;
use crate::config::{Config, Router};

/// The lines about the endpoints, the folders and the images.
pub(super) fn text(config: &Config, listeners: &Listeners<'_>, restored: &Restored) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    write(&mut text, config, listeners, restored)?;
    Ok(text)
}

/// Prints the lines. Nothing waits for that: standard output may be a pipe that nothing reads.
pub(super) fn print(text: Vec<u8>) -> Result<()> {
    thread::Builder::new().name("welcome".into()).spawn(move || {
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(&text).and_then(|()| out.flush()) {
            // Standard output may be closed, which stops no service.
            tracing::warn!(%error, "cannot print where the service is");
        }
    })?;
    Ok(())
}

fn write(
    out: &mut impl Write,
    config: &Config,
    listeners: &Listeners<'_>,
    restored: &Restored,
) -> Result<()> {
    writeln!(out, "image-service {}", env!("CARGO_PKG_VERSION"))?;
    for (endpoint, listener) in listeners {
        let address = listener.local_addr()?;
        for router in &endpoint.routers {
            let root = if *router == Router::Southbound { config.api_root.as_str() } else { "" };
            writeln!(out, "{:<13} {}://{address}{root}/", router.as_str(), endpoint.scheme())?;
        }
    }
    writeln!(out, "{:<13} {}", "isos", config.images.iso_dir.display())?;
    writeln!(out, "{:<13} {}", "microkernels", config.images.microkernel_dir.display())?;
    write!(out, "{:<13} {} restored", "images", restored.served)?;
    if restored.looked_at > 0 {
        write!(out, ", {} being looked at", restored.looked_at)?;
    }
    if restored.in_error > 0 {
        write!(out, ", {} in error", restored.in_error)?;
    }
    if !restored.downloads.is_empty() {
        write!(out, ", {} to be downloaded", restored.downloads.len())?;
    }
    writeln!(out)
}
