//! The operating system in an image.

use serde::{Deserialize, Serialize};

/// The system that an image's files describe. What they do not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// A word for programs, as in `ID` of os-release: `ubuntu`, `rhel`, `esxi`.
    pub family: Option<String>,
    /// The name for people.
    pub name: Option<String>,
    /// The version as its makers write it.
    pub version: Option<String>,
    /// The processor: `x86_64`, `aarch64`, `i686`, `ppc64le`, …
    pub arch: Option<String>,
}
