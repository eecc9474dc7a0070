//! `/jobs`: what takes longer than a request.

use axum::Json;
use axum::extract::{Path as UrlPath, Request, State};
use axum::response::{IntoResponse, Response};

use super::parameters::Parameters;
use super::problem::Problem;
use super::views::{Job, JobInFull};
use super::{Northbound, whole};
use crate::jobs::{JobError, Shown};
use crate::model::job::{JobId, Work};

const FILTERS: [&str; 3] = ["kind", "state", "image"];

/// `GET /jobs`: those that match all filters, the newest first.
pub(super) async fn list(State(door): State<Northbound>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let filters = Parameters::of_filters(&parts, &FILTERS)?;
    let jobs = door.jobs.all();
    let views: Vec<Job> = jobs.iter().filter(|shown| matches(shown, &filters)).map(Job::from).collect();
    Ok(Json(views).into_response())
}

/// `GET /jobs/{id}`: one job with its log.
pub(super) async fn show(
    State(door): State<Northbound>,
    UrlPath(id): UrlPath<String>,
) -> Result<Response, Problem> {
    let shown = door.jobs.get(&JobId(id)).ok_or(JobError::NoSuchJob)?;
    Ok(Json(JobInFull::from(&shown)).into_response())
}

/// `DELETE /jobs/{id}`: cancels it, and answers when its work has ended. One that is over is taken from the list.
pub(super) async fn cancel(
    State(door): State<Northbound>,
    UrlPath(id): UrlPath<String>,
) -> Result<Response, Problem> {
    let shown = door.jobs.cancel(&JobId(id)).await?;
    Ok(Json(JobInFull::from(&shown)).into_response())
}

/// `POST /jobs/{id}/retry`: begins it again, or ends its wait for the next try.
pub(super) async fn retry(
    State(door): State<Northbound>,
    UrlPath(id): UrlPath<String>,
) -> Result<Response, Problem> {
    let shown = whole(async move { Ok(door.jobs.retry(&JobId(id)).await?) }).await?;
    Ok(Json(JobInFull::from(&shown)).into_response())
}

fn matches(shown: &Shown, filters: &Parameters) -> bool {
    let job = &shown.job;
    let is =
        |filter: &str, value: Option<&str>| filters.get(filter).is_none_or(|wanted| Some(wanted) == value);
    let image = match &job.work {
        Work::Download { image } => Some(image.0.as_str()),
        Work::Digest { .. } | Work::Scrub => None,
    };
    is("kind", Some(job.work.kind())) && is("state", Some(job.state.word())) && is("image", image)
}
