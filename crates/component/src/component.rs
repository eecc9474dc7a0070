//! A component: how the program configures and opens it, and its contributions.

use std::path::Path;
use std::sync::Arc;

use http_service::HttpService;
use model::settings::{ConfigError, Settings};

use crate::boxed::{BoxError, BoxFuture};
use crate::check::Check;
use crate::content::ContentSource;
use crate::core::Core;

/// Opens a configured component.
pub type OpenComponent = Box<dyn FnOnce(Core) -> BoxFuture<Result<Component, BoxError>> + Send>;

/// A component as the program lists it, before it is configured.
#[derive(Clone, Copy)]
pub struct ComponentType {
    /// The name of its section of the settings, of its tables, and in the log.
    pub name: &'static str,
    /// The words for its services that `routers` of an endpoint may have.
    pub routers: &'static [&'static str],
    /// Reads its settings; `None` if they leave the component off. Opens and creates nothing.
    pub configure: fn(&Setup<'_>) -> Result<Option<OpenComponent>, ConfigError>,
}

/// The input of [`ComponentType::configure`].
pub struct Setup<'a> {
    /// Its own section of the settings.
    pub settings: Settings,
    /// The folder of the configuration file, where relative paths start.
    pub folder: &'a Path,
    /// The words in `routers` of all endpoints.
    pub routers: &'a [String],
}

/// An open component, with its contributions to the program. It declares its tables itself, by
/// [`Database::declare`](records::Database::declare), and registers its kinds of work by
/// [`Jobs::register`](jobs::Jobs::register); both before it returns.
#[derive(Default)]
pub struct Component {
    /// Services for endpoints, each with its word in `routers`.
    pub services: Vec<(&'static str, Arc<dyn HttpService>)>,
    /// Files that machines fetch southbound.
    pub content: Vec<Arc<dyn ContentSource>>,
    /// Readiness checks, which fail while the component cannot do its work.
    pub checks: Vec<Check>,
}

impl Setup<'_> {
    /// Whether an endpoint has this router.
    pub fn has_router(&self, router: &str) -> bool {
        self.routers.iter().any(|word| word == router)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_router_is_one_whole_word() {
        let settings = Settings::gather(None, |_| None, BTreeMap::new()).expect("no settings");
        let setup = Setup { settings, folder: Path::new("/"), routers: &["northbound".into(), "s3".into()] };
        assert!(setup.has_router("s3") && !setup.has_router("north"));
    }
}
