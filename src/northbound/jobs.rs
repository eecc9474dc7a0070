//! `/jobs`: what takes longer than a request.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap};
use http_service::parameters::Parameters;
use http_service::{EntityTag, Problem, UrlPath, run_to_completion};
use images::jobs::{Download, JobError, Shown, Work};
use model::job::JobId;
use model::labels::Labels;

use super::api::{Northbound, client};
use super::api_types::examples;
use super::api_types::pages::{JobPages, Pages};
use super::api_types::parameters::{Conditions, JobFilters};
use super::api_types::problems::{BadFilter, ConditionFailed, JobBusy, NoSuchJob, NotRetried};
use super::page::{ListPage, Listed};
use super::problems::problem;
use super::views::job::{Job, JobInFull};

pub(super) const PARAMETERS: [&str; 9] =
    ["kind", "state", "image", "limit", "after", "afterKey", "order", "q", "sort"];

/// List the jobs that match all filters, the newest first unless said otherwise.
#[utoipa::path(
    get, path = "/jobs", tag = "jobs", operation_id = "listJobs",
    params(JobFilters, Pages, JobPages),
    responses(
        (
            status = 200, description = "The jobs.",
            headers(
                ("Link" = String, description = "The next page, if there is one, with `rel=\"next\"` (RFC 8288)."),
                ("X-Total-Count" = u64, description = "How many there are on all pages."),
            ),
            body = Vec<Job>, example = json!(examples::jobs()),
        ),
        BadFilter,
    ),
)]
pub(super) async fn list(State(api): State<Northbound>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let parameters = Parameters::of_filters(&parts, &PARAMETERS)?;
    let page = ListPage::of::<Shown>(&parameters)?;
    page.answer(&api.jobs.all(), |shown| matches(shown, &parameters), |shown| Job::from(shown))
}

/// Show one job with its log.
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "jobs", operation_id = "showJob",
    params(("id" = String, Path, description = "The job's id.")),
    responses(
        (status = 200, description = "The job.", body = JobInFull, example = json!(examples::job_in_full())),
        NoSuchJob,
    ),
)]
pub(super) async fn show(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
) -> Result<Response, Problem> {
    let shown = api.jobs.get(&JobId(id)).ok_or(JobError::NoSuchJob).map_err(problem)?;
    Ok(Json(JobInFull::from(&shown)).into_response())
}

/// Cancel a job, or take one that is over from the list.
///
/// The answer comes when its work has ended.
#[utoipa::path(
    delete, path = "/jobs/{id}", tag = "jobs", operation_id = "cancelJob",
    params(("id" = String, Path, description = "The job's id."), Conditions),
    responses(
        (
            status = 200, description = "The job as it is now, or was.",
            body = JobInFull, example = json!(examples::job_in_full()),
        ),
        JobBusy,
        ConditionFailed,
    ),
)]
pub(super) async fn cancel(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, conditions) = (JobId(id), api.conditions(&headers)?);
    let mut seen = None;
    if !conditions.are_none() {
        let shown = api.jobs.get(&id).ok_or(JobError::NoSuchJob).map_err(problem)?;
        conditions.check(&[EntityTag::of_json(&JobInFull::from(&shown))])?;
        // A job that is running changes all the time.
        seen = (!conditions.allow_each_version()).then_some(shown.job);
    }
    let shown = api.jobs.cancel(&id, seen).await.map_err(problem)?;
    Ok(Json(JobInFull::from(&shown)).into_response())
}

/// Begin a job again that failed or was cancelled, or end its wait for the next attempt.
///
/// What was fetched before is kept and gone on with.
#[utoipa::path(
    post, path = "/jobs/{id}/retry", tag = "jobs", operation_id = "retryJob",
    params(("id" = String, Path, description = "The job's id.")),
    responses(
        (
            status = 200, description = "The job as it is now.",
            body = JobInFull, example = json!(examples::job_in_full()),
        ),
        NotRetried,
    ),
)]
pub(super) async fn retry(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    extensions: Extensions,
) -> Result<Response, Problem> {
    let client = client(&extensions);
    let retried = async move { api.jobs.retry(&JobId(id), client).await.map_err(problem) };
    let shown = run_to_completion(retried).await?;
    Ok(Json(JobInFull::from(&shown)).into_response())
}

fn matches(shown: &Shown, filters: &Parameters) -> bool {
    let job = &shown.job;
    let is =
        |filter: &str, value: Option<&str>| filters.get(filter).is_none_or(|wanted| Some(wanted) == value);
    let image = Download::of(job).map(|download| download.image.0);
    is("kind", Some(&job.work.kind)) && is("state", Some(job.state.word())) && is("image", image.as_deref())
}

impl Listed for Shown {
    const SORTS: &'static [&'static str] = &["created", "updated", "kind", "state", "id"];
    const SORT_OF_ID: &'static str = "id";
    const IS_DESCENDING: bool = true;

    fn id(&self) -> &str {
        &self.job.id.0
    }

    fn key(&self, sort: &str) -> String {
        match sort {
            "created" => format!("{:.9}", self.job.created),
            "updated" => format!("{:.9}", self.job.updated),
            "kind" => self.job.work.kind.clone(),
            "state" => self.job.state.word().to_owned(),
            _ => self.job.id.0.clone(),
        }
    }

    fn names(&self) -> Vec<&str> {
        vec![&self.job.title]
    }

    fn labels(&self) -> Option<&Labels> {
        None
    }
}
