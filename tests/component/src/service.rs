//! `/v1/notes`: leave, list, show and remove notes.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use file_transport::Incoming;
use http::{Request, StatusCode};
use http_service::browsers::Layers;
use http_service::middleware::Rules;
use http_service::routes::{on, respond};
use http_service::{Answer, Client, HttpService, Problem};
use jobs::{Jobs, Work};
use serde_json::{Value, json};

use crate::NAME;
use crate::jobs::Shout;
use crate::records::{Note, Notes, NotesError};

/// The service.
pub(crate) struct Service(Router);

#[derive(Clone)]
struct Api {
    notes: Notes,
    jobs: Jobs,
}

impl Service {
    pub(crate) fn new(notes: Notes, jobs: Jobs) -> Self {
        let routes = Router::new()
            .route("/v1/notes", on("GET, HEAD, POST, OPTIONS", get(list).post(create)))
            .route("/v1/notes/{id}", on("GET, HEAD, DELETE, OPTIONS", get(show).delete(remove)))
            .fallback(|| async { not_found() })
            .with_state(Api { notes, jobs });
        let rules = Rules { name: NAME, timeout: None.into(), browsers: Layers::default() };
        Self(rules.apply(routes))
    }
}

impl HttpService for Service {
    fn owns(&self, path: &str) -> bool {
        path == "/v1/notes" || path.starts_with("/v1/notes/")
    }

    fn handle(self: Arc<Self>, request: Request<Incoming>, client: Client) -> Answer {
        Box::pin(respond(self.0.clone(), request, client))
    }
}

async fn list(State(api): State<Api>) -> Result<Response, Problem> {
    let all = api.notes.all().await.map_err(|error| unavailable(&error))?;
    Ok(Json(all.iter().map(|(id, note)| view(id, note)).collect::<Vec<_>>()).into_response())
}

/// Keeps the note in the body, and begins the job. Both are on disk when the client reads the answer.
async fn create(State(api): State<Api>, text: String) -> Result<Response, Problem> {
    let id = uuid::Uuid::new_v4().to_string();
    let note = api.notes.add(id.clone(), text).await.map_err(|error| match error {
        NotesError::Full(_) => Problem::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
        NotesError::Records(error) => unavailable(&error),
    })?;
    let job = Shout { note: id.clone() }.job("writing a note in capitals");
    api.jobs.begin_recorded(job).await.map_err(|error| unavailable(&error))?;
    Ok((StatusCode::CREATED, Json(view(&id, &note))).into_response())
}

async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Problem> {
    let note = api.notes.get(id.clone()).await.map_err(|error| unavailable(&error))?;
    Ok(Json(view(&id, &note.ok_or_else(not_found)?)).into_response())
}

async fn remove(State(api): State<Api>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let was_there = api.notes.remove(id).await.map_err(|error| unavailable(&error))?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(not_found()) }
}

fn view(id: &str, note: &Note) -> Value {
    json!({"id": id, "text": note.text, "shout": note.shout})
}

fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such note")
}

fn unavailable(error: &dyn std::error::Error) -> Problem {
    Problem::internal(error, "the notes cannot be read or kept now")
}
