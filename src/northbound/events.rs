//! `GET /events`: changes as server-sent events (HTML §9.2), so that nobody has to poll. Each thing is shown as it is when its event leaves, in
//! the words of the lists.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::parameters::Parameters;
use super::problem::Problem;
use super::{Northbound, views};
use crate::catalog::CatalogError;
use crate::events::{Change, Subscription, Told};

/// A stream on which nothing happens shows that it lives this often: proxies commonly cut one that is silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// When a client that lost its connection should come back.
const RETRY: Duration = Duration::from_secs(2);

/// Events that may wait for the connection. Those who take none are not waited for with more than that.
const WAITING: usize = 1;

/// What can be asked for.
const TYPES: [&str; 3] = ["image", "job", "file"];

/// Marks an answer that ends only when somebody has enough.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endless;

/// The types that a client wants to be told of.
#[derive(Debug)]
struct Wanted(Vec<String>);

/// `GET`: the changes from now on, or from where the client was.
pub(super) async fn stream(State(door): State<Northbound>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let parameters = Parameters::of_filters(&parts, &["types", "lastEventId"])?;
    let wanted = Wanted::of(parameters.get("types"))?;
    // A browser that comes back asks for the URL of its first time, so its header is newer.
    let last = last_event_id(&parts.headers).or(parameters.get("lastEventId"));
    let subscription = door.events.subscribe(last)?;
    let (sender, receiver) = mpsc::channel(WAITING);
    if parts.method != Method::HEAD {
        // Not on the threads of connections: to look at a thing may take a moment.
        tokio::spawn(tell(door, subscription, wanted, sender));
    }
    let events = stream::unfold(receiver, |mut receiver| async move {
        Some((Ok::<_, Infallible>(receiver.recv().await?), receiver))
    });
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx would collect events until it has some kilobytes of them.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Extension(Endless), Sse::new(events)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id")?.to_str().ok().filter(|id| !id.is_empty())
}

/// Tells one client until it goes away or the service stops.
async fn tell(door: Northbound, mut subscription: Subscription, wanted: Wanted, client: mpsc::Sender<Event>) {
    if client.send(Event::default().retry(RETRY)).await.is_err() {
        return;
    }
    let mut heartbeat = Instant::now() + HEARTBEAT;
    loop {
        let event = tokio::select! {
            told = subscription.next() => match told {
                None => return,
                Some(told) => door.event(told, &subscription.id(), &wanted).await,
            },
            // Its id lets those go on from here who are told of little.
            () = sleep_until(heartbeat) => Some(Event::default().comment("")),
            () = client.closed() => return,
        };
        let Some(event) = event else { continue };
        if client.send(event.id(subscription.id())).await.is_err() {
            return;
        }
        heartbeat = Instant::now() + HEARTBEAT;
    }
}

impl Northbound {
    /// What a client gets to read; `None` if it does not want that, or it cannot be looked at.
    async fn event(&self, told: Told, id: &str, wanted: &Wanted) -> Option<Event> {
        let (name, data) = match told {
            Told::Hello => ("hello", json!({"id": id})),
            Told::Reset => ("reset", json!({"id": id})),
            Told::Changed(change) if !wanted.includes(&change) => return None,
            Told::Changed(change) => match self.present(&change).await {
                Ok(shown) => shown,
                Err(error) => {
                    tracing::warn!(?change, %error, "a change cannot be shown");
                    return None;
                }
            },
        };
        // JSON as it is written here has no line breaks, which would end the event.
        Some(Event::default().event(name).data(data.to_string()))
    }

    /// A thing as it is now, or that it is no more.
    async fn present(&self, change: &Change) -> Result<(&'static str, Value), CatalogError> {
        Ok(match change {
            Change::Image(id) => match self.catalog.image(id.clone()).await {
                Ok(image) => ("image", self.view(&image)),
                Err(CatalogError::NoSuchImage) => ("image-removed", json!({"id": id})),
                Err(error) => return Err(error),
            },
            Change::Job(id) => match self.job_view(id) {
                Some(view) => ("job", view),
                None => ("job-removed", json!({"id": id})),
            },
            Change::File(shelf, name) => match self.catalog.file(*shelf, name.clone()).await {
                Ok(listed) => {
                    let mut view = views::listed(*shelf, &listed);
                    view["store"] = json!(shelf);
                    ("file", view)
                }
                Err(CatalogError::NoSuchFile { .. }) => {
                    ("file-removed", json!({"store": shelf, "name": name}))
                }
                Err(error) => return Err(error),
            },
        })
    }
}

impl Wanted {
    /// A list of types, separated by commas; all of them where there is none.
    fn of(list: Option<&str>) -> Result<Self, Problem> {
        let Some(list) = list else { return Ok(Self(TYPES.map(str::to_owned).to_vec())) };
        let types: Vec<String> = list.split(',').map(|word| word.trim().to_owned()).collect();
        match types.iter().find(|word| !TYPES.contains(&word.as_str())) {
            None => Ok(Self(types)),
            Some(word) => {
                let what = format!("holds '{word}'; there are {}", TYPES.join(", "));
                Err(Problem::parameter("types", what))
            }
        }
    }

    fn includes(&self, change: &Change) -> bool {
        let word = match change {
            Change::Image(_) => "image",
            Change::Job(_) => "job",
            Change::File(..) => "file",
        };
        self.0.iter().any(|wanted| wanted == word)
    }
}
