//! The services of endpoints.

use std::sync::Arc;

use component::{Component, ContentSource, Core, NameError};
use file_transport::{IdleEviction, Workers};
use http_service::{HttpService, OnRuntime};
use images::{OpenImages, Snapshot};
use tokio::runtime::Handle;

use super::{browsers, checks};
use crate::config::{Config, Endpoint, Router};
use crate::northbound::{Health, Northbound, Process, SouthboundAddress};
use crate::southbound::Southbound;

/// All services, each with its router, in the order in which an endpoint asks them.
pub(super) struct Services(Vec<(Router, Arc<dyn HttpService>)>);

impl Services {
    /// Northbound and southbound, and between them the services of `components`. The southbound publishes the
    /// content of all components. It is last, because it takes every path.
    ///
    /// # Errors
    ///
    /// Two components publish at the same prefix, or one at a prefix of the program.
    #[expect(clippy::too_many_arguments, reason = "the one place where all parts meet")]
    pub(super) fn new(
        core: &Core,
        images: &OpenImages,
        components: Vec<Component>,
        config: &Config,
        southbound_address: SouthboundAddress,
        process: Process,
        workers: &Arc<Workers>,
        idle_eviction: &IdleEviction,
    ) -> Result<Self, NameError> {
        let (mut others, mut content) = (Vec::new(), Vec::new());
        let mut ready = vec![checks::inventory(&config.core.inventory_file)];
        for component in components {
            let services = component.services.into_iter();
            others.extend(services.map(|(word, service)| (Router::Component(word), service)));
            content.extend(component.content);
            ready.extend(component.checks);
        }
        let health = Health::new(checks::liveness(core, workers), ready);
        let northbound = Northbound::new(
            core,
            images,
            &config.api_root,
            southbound_address,
            health.clone(),
            process,
            &config.northbound,
        );
        let browsers = browsers::follow(config);
        let northbound = Arc::new(northbound.router(&config.northbound, browsers.clone()));
        // The management API runs on the main runtime, so that a long response of it does not delay machines.
        let northbound = OnRuntime::new(Handle::current(), northbound);
        warn_of_hidden_images(&content, &images.catalog.snapshot());
        let southbound = Southbound::new(
            content,
            core.lookups.clone(),
            core.transfers.clone(),
            idle_eviction.clone(),
            browsers,
            &config.api_root,
        )?;
        let mut all: Vec<(Router, Arc<dyn HttpService>)> =
            vec![(Router::Northbound, Arc::new(northbound)), (Router::Health, Arc::new(health))];
        all.extend(others);
        all.push((Router::Southbound, Arc::new(southbound)));
        Ok(Self(all))
    }

    /// The services of one endpoint. The northbound answers about health as well, and has all other paths
    /// only where it is last.
    pub(super) fn at(&self, endpoint: &Endpoint) -> Vec<Arc<dyn HttpService>> {
        let has = |router: &Router| endpoint.routers.contains(router);
        let chosen = self.0.iter().filter(|(router, _)| match router {
            Router::Health => has(router) && !has(&Router::Northbound),
            _ => has(router),
        });
        chosen.map(|(_, service)| Arc::clone(service)).collect()
    }
}

/// A component may have come to a program that has images of its name. Its files go first.
fn warn_of_hidden_images(content: &[Arc<dyn ContentSource>], records: &Snapshot) {
    for image in records.images() {
        if let Some(source) = content.iter().find(|source| source.prefix() == image.name.as_str()) {
            let (name, version) = (image.name.as_str(), image.version.as_str());
            let prefix = source.prefix();
            tracing::warn!(name, version, "machines do not reach this image: /{prefix}/ is a component's");
        }
    }
}
