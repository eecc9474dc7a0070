//! `GET /events`: changes as server-sent events (HTML §9.2), so that clients need not poll. An event shows an
//! image, a job or a file as the lists do, in its state when the event leaves.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use http_service::Problem;
use http_service::parameters::Parameters;
use http_service::routes::Endless;
use images::CatalogError;
use model::image::ImageId;
use model::job::JobId;
use records::feed::{self, Subscription};
use records::inventory::ChangedRecord;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;

use super::api::{Northbound, client};
use super::api_types::examples;
use super::api_types::parameters::{EventFilters, LastEvent};
use super::api_types::problems::SubscriptionRejected;
use super::problems::problem;
use super::views::file::{FileReference, Store, StoredFile};
use super::views::image::Image;
use super::views::job::Job;

/// How often a stream without changes gets a comment: proxies commonly cut one that is silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a client that lost its connection should wait before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// Events that wait for the connection of a slow client. Further changes wait in its subscription.
const WAITING: usize = 1;

pub(super) const FILTERS: [&str; 2] = ["types", "lastEventId"];

/// The types that a client can choose.
const TYPES: [&str; 3] = ["image", "job", "file"];

/// What an event tells: its name in the line `event`, its data in the line `data`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "kebab-case")]
pub(super) enum News {
    /// The beginning of a stream, from which on all changes are told.
    Hello(EventCursor),
    /// Changes were missed that cannot be told any more: read the lists again.
    Reset(EventCursor),
    /// An image is new or has changed.
    Image(Box<Image>),
    /// There is no such image any more.
    ImageRemoved(RemovedImage),
    /// A job is new or has changed.
    Job(Box<Job>),
    /// There is no such job any more.
    JobRemoved(RemovedJob),
    /// A file of a store is new or has changed.
    File(Box<ChangedFile>),
    /// There is no such file any more.
    FileRemoved(FileReference),
}

/// A place in the stream.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventCursor {
    /// What to give as `lastEventId` to go on from here.
    id: String,
}

/// An image that is no more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RemovedImage {
    #[schema(value_type = String)]
    id: ImageId,
}

/// A job that is no more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RemovedJob {
    #[schema(value_type = String)]
    id: JobId,
}

/// A file as it is listed, with its store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedFile {
    #[serde(flatten)]
    file: StoredFile,
    store: Store,
}

/// The types that a client chose.
#[derive(Debug)]
struct Wanted(Vec<String>);

/// Be told of changes as server-sent events.
///
/// Each event has a name (`event`), an id (`id`) and data (`data`), which is JSON in one line. The schema
/// `News` has the data of each name: `image`, `job` and `file` tell a thing as the lists show it, as it is
/// when the event leaves; `image-removed`, `job-removed` and `file-removed` that it is no more. A stream
/// begins with `hello`. A client that comes back with the id of the last event is told what changed since,
/// each thing once; if that cannot be told any more, a `reset` says that the lists must be read again. A
/// comment every 15 seconds shows that the stream lives.
#[utoipa::path(
    get, path = "/events", tag = "service", operation_id = "streamEvents",
    params(EventFilters, LastEvent),
    responses(
        (status = 200, description = "Events, until one of the two goes away.",
            body = String, content_type = "text/event-stream", example = json!(examples::events())),
        SubscriptionRejected,
    ),
)]
pub(super) async fn stream(State(api): State<Northbound>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let parameters = Parameters::of_filters(&parts, &FILTERS)?;
    let wanted = Wanted::of(parameters.get("types"))?;
    // A browser that comes back asks for the URL of its first time, so its header is newer.
    let last = last_event_id(&parts.headers).or(parameters.get("lastEventId"));
    let subscription = api.events.subscribe(client(&parts.extensions), last).map_err(problem)?;
    let (sender, receiver) = mpsc::channel(WAITING);
    if parts.method != Method::HEAD {
        // In a task, because an image or a file may take some time to look up.
        tokio::spawn(tell(api, subscription, wanted, sender));
    }
    let events = stream::unfold(receiver, |mut receiver| async move {
        Some((Ok::<_, Infallible>(receiver.recv().await?), receiver))
    });
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx would buffer some kilobytes of events.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Extension(Endless), Sse::new(events)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id")?.to_str().ok().filter(|id| !id.is_empty())
}

/// Sends events to one client until it goes away or the service stops.
async fn tell(api: Northbound, mut subscription: Subscription, wanted: Wanted, client: mpsc::Sender<Event>) {
    if client.send(Event::default().retry(RETRY)).await.is_err() {
        return;
    }
    let mut heartbeat = Instant::now() + HEARTBEAT;
    loop {
        let event = tokio::select! {
            told = subscription.next() => match told {
                None => return,
                Some(told) => api.event(told, &subscription.id(), &wanted).await,
            },
            // Its id lets a client that chose few types go on from here.
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
    /// The event of a change; `None` if the client did not choose its type, or the lookup failed.
    async fn event(&self, told: feed::Event, id: &str, wanted: &Wanted) -> Option<Event> {
        let news = match told {
            feed::Event::Hello => News::Hello(EventCursor { id: id.to_owned() }),
            feed::Event::Reset => News::Reset(EventCursor { id: id.to_owned() }),
            feed::Event::Changed(change) => {
                // Components have events of their own.
                let change = ChangedRecord::of(&change).filter(|change| wanted.includes(change))?;
                let shown = self.present(&change).await;
                shown.inspect_err(|error| tracing::warn!(?change, %error, "a change cannot be shown")).ok()?
            }
        };
        news.event().inspect_err(|error| tracing::error!(%error, "an event cannot be written")).ok()
    }

    /// The state of an image, a job or a file now, or that it is no more.
    async fn present(&self, change: &ChangedRecord) -> Result<News, CatalogError> {
        Ok(match change {
            ChangedRecord::Image(id) => match self.catalog.images.get(id.clone()).await {
                Ok(image) => News::Image(Box::new(self.view(&image))),
                Err(CatalogError::NoSuchImage) => News::ImageRemoved(RemovedImage { id: id.clone() }),
                Err(error) => return Err(error),
            },
            ChangedRecord::Job(id) => match self.jobs.get(id) {
                Some(shown) => News::Job(Box::new((&shown).into())),
                None => News::JobRemoved(RemovedJob { id: id.clone() }),
            },
            ChangedRecord::File(kind, name) => match self.catalog.files.get(*kind, name.clone()).await {
                Ok(listed) => {
                    let file = StoredFile::listed(*kind, &listed);
                    News::File(Box::new(ChangedFile { file, store: (*kind).into() }))
                }
                Err(CatalogError::NoSuchFile { .. }) => {
                    News::FileRemoved(FileReference::new(*kind, name.clone()))
                }
                Err(error) => return Err(error),
            },
        })
    }
}

impl News {
    fn event(&self) -> Result<Event, serde_json::Error> {
        let told = serde_json::to_value(self)?;
        let name = told["event"].as_str().unwrap_or_default();
        // JSON as it is written here has no line breaks, which would end the event.
        Ok(Event::default().event(name).data(told["data"].to_string()))
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

    fn includes(&self, change: &ChangedRecord) -> bool {
        let word = match change {
            ChangedRecord::Image(_) => "image",
            ChangedRecord::Job(_) => "job",
            ChangedRecord::File(..) => "file",
        };
        self.0.iter().any(|wanted| wanted == word)
    }
}
