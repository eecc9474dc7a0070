//! Jobs through the API: started by registrations from the web, watched, cancelled, retried.

use super::http::{self, Response};
use super::service::{Service, query};
use super::wait::eventually;
use serde_json::Value;
use std::time::Duration;

/// The time limit of a job without a reason to wait.
pub const SOON: Duration = Duration::from_secs(30);

/// Registers version 1 of an image from `links` without waiting; returns its job.
#[track_caller]
pub fn begin(service: &Service, name: &str, links: &[&str]) -> Value {
    let image = register(service, name, links, "0").expect_status(200).json();
    let jobs = list(service, &[("image", image["id"].as_str().unwrap())]);
    jobs.into_iter().next().unwrap_or_else(|| panic!("no job for {image}"))
}

/// Registers version 1 of an image from `links`, and waits for `wait` seconds.
#[track_caller]
pub fn register(service: &Service, name: &str, links: &[&str], wait: &str) -> Response {
    let mut parameters = vec![("name", name), ("version", "1"), ("wait", wait)];
    parameters.extend(links.iter().map(|link| ("isoweb", *link)));
    service.put_image(&parameters)
}

/// The jobs that match the parameters, the newest first.
#[track_caller]
pub fn list(service: &Service, parameters: &[(&str, &str)]) -> Vec<Value> {
    let url = service.north(&format!("/jobs?{}", query(parameters)));
    http::get(&url).expect_status(200).json().as_array().unwrap().clone()
}

/// The job as it is now.
#[track_caller]
pub fn now(service: &Service, job: &Value) -> Value {
    http::get(&url(service, job)).expect_status(200).json()
}

/// The job once it is in this state. Panics when it ends in another one.
#[track_caller]
pub fn wait_for(service: &Service, job: &Value, state: &str) -> Value {
    wait_until(service, job, state, |job| {
        let now = job["state"].as_str().unwrap();
        let is_over = ["done", "failed", "cancelled"].contains(&now);
        assert!(now == state || !is_over, "{state} was wanted: {job:#}");
        now == state
    })
}

/// The job once `wanted` is true of it.
#[track_caller]
pub fn wait_until(service: &Service, job: &Value, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    eventually(SOON, &format!("a job that is {what}"), || {
        let now = now(service, job);
        if now["state"] != last["state"] {
            eprintln!("{}: {} {}", now["title"], now["state"], now["reason"]);
        }
        last.clone_from(&now);
        wanted(&now).then_some(now)
    })
}

/// Waits until a job has received at least `bytes`.
#[track_caller]
pub fn wait_for_bytes(service: &Service, job: &Value, bytes: u64) {
    wait_until(service, job, "further", |job| job["progress"]["done"].as_u64() >= Some(bytes));
}

/// Retries a job.
#[track_caller]
pub fn retry(service: &Service, job: &Value) -> Response {
    http::request("POST", &format!("{}/retry", url(service, job)), &[], "")
}

/// Cancels a job, or removes it from the list if it is over.
#[track_caller]
pub fn cancel(service: &Service, job: &Value) -> Response {
    http::delete(&url(service, job))
}

/// The lines of a job's log, as one text.
pub fn log(job: &Value) -> String {
    let lines = job["log"].as_array().into_iter().flatten();
    lines.filter_map(|line| line["text"].as_str()).collect::<Vec<_>>().join("\n")
}

fn url(service: &Service, job: &Value) -> String {
    service.north(&format!("/jobs/{}", job["id"].as_str().unwrap()))
}
