//! An answer that curl received: status, type and text beside the exit code.

use super::curl;

/// An answer as curl received it.
#[derive(Debug)]
pub struct Answer {
    /// curl's exit code; 0 is success, 18 a partial transfer.
    pub code: i32,
    /// The status code of the last response; 0 if there was none.
    pub status: u16,
    /// Its Content-Type.
    pub content_type: Option<String>,
    /// Its body, as far as it was received.
    pub text: String,
    /// curl's error messages.
    pub stderr: String,
}

/// Runs curl with `arguments` and parses its answer.
#[track_caller]
pub fn answer(arguments: &[&str]) -> Answer {
    // A control character, which no answer of the service contains.
    let format = "\u{1}%{http_code}\u{1}%{content_type}";
    let outcome = curl::run(&[&["--write-out", format], arguments].concat());
    let mut parts = outcome.stdout.rsplitn(3, '\u{1}');
    let content_type = parts.next().unwrap_or_default();
    let status = parts.next().and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer {
        code: outcome.code,
        status,
        content_type: Some(content_type.to_owned()).filter(|text| !text.is_empty()),
        text: parts.next().unwrap_or_default().to_owned(),
        stderr: outcome.stderr,
    }
}

/// `curl --request METHOD URL`, with further arguments.
#[track_caller]
pub fn ask(method: &str, url: &str, arguments: &[&str]) -> Answer {
    answer(&[&["--request", method, url], arguments].concat())
}
