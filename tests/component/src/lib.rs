//! A component for tests, which uses all of the frame as a product does: clients leave notes, a job writes
//! each in capitals, and machines fetch them.
//!
//! It is on where an endpoint has the router `notes`:
//!
//! | What | Where |
//! | --- | --- |
//! | section of the settings `notes`: `greeting`, `limit`, `pause` | `settings.rs` |
//! | table `notes.notes` | `records.rs` |
//! | `/v1/notes` at its router | `service.rs` |
//! | `/notes/<id>.txt` southbound | `content.rs` |
//! | jobs of the kind `shout` | `jobs.rs` |
//! | readiness check `notes` | here |

mod content;
mod jobs;
mod records;
mod service;
mod settings;

use std::sync::Arc;

use ::jobs::{Kinds, Work};
use component::{BoxError, Check, Component, ComponentType, Core, OpenComponent, Setup};
use http_service::OnRuntime;
use model::settings::ConfigError;
use tokio::runtime::Handle;

use crate::content::Texts;
use crate::jobs::{Environment, Shout};
use crate::records::Notes;
use crate::service::Service;
use crate::settings::NoteSettings;

/// The name of the component, its router and the folder of its files.
const NAME: &str = "notes";

/// The component, for the list of a program.
pub const COMPONENT: ComponentType = ComponentType { name: NAME, routers: &[NAME], configure };

fn configure(setup: &Setup<'_>) -> Result<Option<OpenComponent>, ConfigError> {
    // Faults in the section are told even while the component is off.
    let settings = NoteSettings::read(&setup.settings)?;
    let is_on = setup.has_router(NAME);
    Ok(is_on.then(|| -> OpenComponent { Box::new(|core| Box::pin(open(core, settings))) }))
}

async fn open(core: Core, settings: NoteSettings) -> Result<Component, BoxError> {
    let notes = Notes::open(core.database, settings.limit).await?;
    let environment = Environment { notes: notes.clone(), settings };
    core.jobs.register(Kinds::default().queue(Shout::QUEUE, 2).with::<Shout>(Arc::new(environment)));
    let service = Service::new(notes.clone(), core.jobs);
    Ok(Component {
        services: vec![(NAME, Arc::new(OnRuntime::new(Handle::current(), Arc::new(service))))],
        content: vec![Arc::new(Texts(notes.clone()))],
        checks: vec![check(notes)],
    })
}

fn check(notes: Notes) -> Check {
    Check::new(NAME, move || {
        let notes = notes.clone();
        async move { notes.expect_room().await.map_err(|error| error.to_string()) }
    })
}
