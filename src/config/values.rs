//! Values of settings that belong to no crate.

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use model::host_pattern::HostPattern;
use model::settings::{text, whole_number};
use serde_json::Value;

use crate::log::AccessLog;

pub(super) fn api_root(value: &Value) -> Result<String, String> {
    let root = text(value)?;
    let segments: Vec<&str> = root.split('/').filter(|segment| !segment.is_empty()).collect();
    if !root.starts_with('/')
        || segments.iter().any(|segment| matches!(*segment, "." | "..") || segment.contains(['?', '#', '%']))
    {
        return Err("expected a URL path that starts with '/', such as / or /files".into());
    }
    Ok(segments.iter().map(|segment| format!("/{segment}")).collect())
}

pub(super) fn log_level(value: &Value) -> Result<u8, String> {
    whole_number(value)
        .ok()
        .and_then(|level| u8::try_from(level).ok())
        .filter(|level| *level <= 5)
        .ok_or_else(|| "expected a level from 0 (everything) to 5 (nothing)".into())
}

/// Relative paths start from `folder`.
pub(super) fn access_log(value: &Value, folder: &Path) -> Result<AccessLog, String> {
    match value {
        Value::Null => Ok(AccessLog::Off),
        Value::String(word) if word == "-" || word == "stderr" => Ok(AccessLog::StandardError),
        value => {
            let path = text(value).map_err(|_| "expected a file, \"stderr\", or null for none")?;
            Ok(AccessLog::File(folder.join(path).components().collect()))
        }
    }
}

/// The URL of a folder, with a slash at its end.
pub(super) fn root_url(value: &Value) -> Result<String, String> {
    let url = value.as_str().and_then(|text| url::Url::parse(text).ok());
    let url = url.filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
    });
    let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
    let url = url.ok_or("expected a URL such as \"http://boot.example:9090/\"")?;
    Ok(format!("{}/", url.as_str().trim_end_matches('/')))
}

pub(super) fn origins(value: &Value) -> Result<Vec<String>, String> {
    const EXPECTED: &str =
        "expected a list of origins such as [\"https://panel.example\"], or [\"*\"] for all";
    let list = value.as_array().ok_or(EXPECTED)?;
    list.iter()
        .map(|origin| {
            let origin = origin.as_str().ok_or(EXPECTED)?;
            let valid = origin == "*"
                || url::Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == origin);
            if valid { Ok(origin.to_owned()) } else { Err(EXPECTED.to_owned()) }
        })
        .collect()
}

/// Names of hosts, and `*.` with a name for all below it.
pub(super) fn hosts(value: &Value) -> Result<Vec<HostPattern>, String> {
    list(value, HostPattern::new)
        .ok_or_else(|| "expected a list of hosts such as [\"mirror.example\", \"*.debian.org\"]".into())
}

/// A network, or an address alone.
pub(super) fn networks(value: &Value) -> Result<Vec<IpNet>, String> {
    let network = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    list(value, network)
        .ok_or_else(|| "expected a list of networks such as [\"192.0.2.0/24\", \"2001:db8::/32\"]".into())
}

/// A list of which each entry can be read.
pub(super) fn list<T>(value: &Value, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(|entry| read(entry.as_str()?)).collect()
}
