//! Sources that claim to continue a file and do not: their mixed bytes are never served, and the service
//! gives up on them.

use harness::ftp::{FtpOrigin, FtpSource, Rest, Transfer};
use harness::service::{Service, query};
use harness::wait::eventually;
use harness::{digest, http, images};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn installer() -> Vec<u8> {
    fs::read(images::installer()).unwrap()
}

/// Starts a download; returns the URL of its job.
#[track_caller]
fn begin(service: &Service, link: &str) -> String {
    let parameters = query(&[("name", "liar"), ("version", "1"), ("wait", "0"), ("isoweb", link)]);
    let image = http::put(&service.north(&format!("/images?{parameters}")), "").expect_status(200).json();
    let jobs = http::get(&service.north(&format!("/jobs?image={}", image["id"].as_str().unwrap()))).json();
    service.north(&format!("/jobs/{}", jobs[0]["id"].as_str().unwrap()))
}

#[track_caller]
fn job(url: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(SOON, "the wanted state of a job", || {
        let job = http::get(url).expect_status(200).json();
        wanted(&job).then_some(job)
    })
}

#[test]
fn a_server_that_begins_anew_in_secret_spoils_nothing() {
    let service = Service::start(&json!({"downloadRetryDelay": 300}));
    let ftp = FtpOrigin::start();
    let bytes = installer();
    let source = FtpSource { rest: Rest::Ignored, ..FtpSource::new(bytes.clone()) };
    let cut = FtpSource { cut_after: Some(bytes.len() / 2 + 1), ..source.clone() };
    ftp.on("/liar.iso", Transfer::Source(cut));
    let url = begin(&service, &ftp.url("/liar.iso"));
    job(&url, |job| job["state"] == "waiting");
    ftp.on("/liar.iso", Transfer::Source(source));
    let job = job(&url, |job| ["done", "failed"].iter().any(|end| job["state"] == *end));
    assert_eq!(job["state"], "done", "{job}");
    assert!(ftp.commands().iter().any(|line| line.starts_with("REST ")), "{:?}", ftp.commands());
    let listed = http::get(&service.north("/iso?name=liar.iso")).json();
    assert_eq!(listed[0]["sha256"], digest::of_bytes(&bytes), "{job}");
}

#[test]
fn a_server_that_can_never_succeed_is_given_up() {
    let service = Service::start(&json!({"downloadRetryDelay": 1, "downloadRetries": 3}));
    let ftp = FtpOrigin::start();
    let bytes = installer();
    let cut_after = Some(bytes.len() / 2 + 1);
    let source = FtpSource { rest: Rest::Ignored, cut_after, ..FtpSource::new(bytes) };
    ftp.on("/liar.iso", Transfer::Source(source));
    let url = begin(&service, &ftp.url("/liar.iso"));
    let job = job(&url, |job| ["done", "failed"].iter().any(|end| job["state"] == *end));
    assert_eq!(job["state"], "failed", "{job}");
}
