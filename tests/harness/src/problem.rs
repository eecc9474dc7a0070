//! Errors of the northbound API: RFC 9457 with a `message`, and no internals of the server.

use super::http::Response;
use super::service::Service;
use serde_json::Value;

/// Panics unless `answer` is a problem document of this status whose message contains `part` and no
/// internals.
#[track_caller]
pub fn expect_problem(service: &Service, answer: &Response, status: u16, part: &str) -> Value {
    expect_problem_text(service, answer.status, answer.header("Content-Type"), &answer.text(), status, part)
}

/// As `expect_problem`, for an answer that curl received.
#[track_caller]
pub fn expect_problem_text(
    service: &Service,
    found_status: u16,
    content_type: Option<&str>,
    text: &str,
    status: u16,
    part: &str,
) -> Value {
    assert_eq!(found_status, status, "{text}");
    assert_eq!(content_type, Some("application/problem+json"), "{text}");
    let problem: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"));
    assert_eq!(problem["status"], status, "{text}");
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{text}");
    let message = problem["message"].as_str().unwrap_or_else(|| panic!("no message: {text}"));
    assert_eq!(problem["detail"], message, "{text}");
    assert!(message.contains(part), "{part:?} is not in: {message}");
    expect_discreet(service, text);
    problem
}

/// Panics when a text for clients holds a path of the server, a source line or a stack trace.
#[track_caller]
pub fn expect_discreet(service: &Service, text: &str) {
    let folder = service.path("").to_string_lossy().trim_end_matches('/').to_owned();
    for secret in
        [folder.as_str(), ".incoming/", ".part", ".rs:", "src/", "panicked", "backtrace", "/dev/loop"]
    {
        assert!(!text.contains(secret), "{secret:?} must not be told: {text}");
    }
}
