//! A component with one file for machines and a readiness check, opened over a core in a temporary folder.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use component::{
    BoxError, BoxFuture, Check, Component, ComponentType, ContentSource, Core, CoreSettings, LookupError,
    LookupRequest, OpenComponent, Resolved, Setup,
};
use fetch::EgressPolicy;
use http_service::transfers::Limits;
use model::content::Content;
use model::identity::Identity;
use model::settings::{ConfigError, Settings};

/// The one public value of a component's crate.
const GREETING: ComponentType = ComponentType { name: "greeting", routers: &[], configure };

/// Reads the section `greeting`. Without a file the component is off.
fn configure(setup: &Setup<'_>) -> Result<Option<OpenComponent>, ConfigError> {
    let file = setup.settings.path("file", setup.folder, "")?;
    let is_on = file != setup.folder;
    Ok(is_on.then(|| Box::new(|core| open(core, file)) as OpenComponent))
}

fn open(_core: Core, file: PathBuf) -> BoxFuture<Result<Component, BoxError>> {
    Box::pin(async move {
        let source = Arc::new(Greeting { file: file.clone() });
        let check = Check::new("greeting", move || {
            let is_there = file.is_file();
            async move { if is_there { Ok(()) } else { Err("the file is missing".to_owned()) } }
        });
        Ok(Component { content: vec![source], checks: vec![check], ..Component::default() })
    })
}

/// Publishes one file at `/greeting/hello`.
struct Greeting {
    file: PathBuf,
}

impl ContentSource for Greeting {
    fn prefix(&self) -> &str {
        "greeting"
    }

    fn on_change(&self, _listener: Box<dyn Fn() + Send + Sync>) {
        // The one path never changes.
    }

    fn find(&self, request: &LookupRequest) -> Result<Resolved, LookupError> {
        if request.decoded != [b"hello"] {
            return Err(LookupError::NotFound);
        }
        let file = File::open(&self.file)?;
        let identity = Identity::of(&file.metadata()?);
        Ok(Resolved::File(Content::whole(Arc::new(file.into()), &identity), b"hello".to_vec()))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("hello.txt"), "Hello!\n")?;
    let file = r#"{"greeting": {"file": "hello.txt"}}"#;
    let all = Settings::gather(Some(file), |_| None, BTreeMap::new())?;
    let setup = Setup { settings: all.section(GREETING.name)?, folder: folder.path(), routers: &[] };
    let open = (GREETING.configure)(&setup)?.ok_or("the component is off")?;
    tokio::runtime::Runtime::new()?.block_on(run(folder.path(), open))
}

async fn run(folder: &Path, open: OpenComponent) -> Result<(), Box<dyn Error>> {
    let settings = CoreSettings {
        inventory_file: folder.join("inventory.json"),
        egress: EgressPolicy::default().into(),
        stall_timeout: Duration::from_secs(30).into(),
        jobs: jobs::Settings { retries: 5, retry_delay: Duration::from_secs(1), max_finished: 100 }.into(),
        transfers: Limits::default().into(),
    };
    let core = Core::open(&settings, Arc::default())?;
    let component = open(core.clone()).await.map_err(|error| error.to_string())?;
    for check in &component.checks {
        println!("{}: {:?}", check.name, check.run().await);
    }
    for source in &component.content {
        let path = vec![b"hello".to_vec()];
        let request = LookupRequest { raw: path.clone(), decoded: path, listing: false };
        if let Resolved::File(content, name) = source.find(&request)? {
            let name = String::from_utf8_lossy(&name);
            println!("/{}/{name}: {} bytes, tag {}", source.prefix(), content.size, content.tag);
        }
    }
    core.stop_work().await;
    core.close().await;
    Ok(())
}
