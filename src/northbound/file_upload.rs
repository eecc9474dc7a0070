//! Uploads of complete files. They stream to disk in constant memory. The answer is progress as text while
//! bytes arrive, or one JSON object at the end. Handlers refuse what they can before the body is read, so
//! that the refusal has its status.

use std::pin::pin;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use http_service::request_body::RequestBody;
use http_service::{Problem, RequestId};
use images::Intake;
use serde::Serialize;
use tokio::sync::mpsc;

use super::problems::problem;

/// For bodies up to this size the answer waits until the file is stored, so that every failure has its
/// status.
const SMALL: u64 = 8 << 20;

/// Lines of progress that wait for a client.
const WAITING: usize = 16;

/// The last line of the text answer.
const FINISHED: &str = "Upload finished!\n";

/// What is done with the received file: its value describes the result.
pub(super) type Finish<T> = Box<dyn FnOnce(Intake) -> BoxFuture<'static, Result<T, Problem>> + Send>;

/// Moves a body into `intake`, has `finish` make something of it, and answers.
pub(super) async fn receive<T: Serialize + Send + 'static>(
    mut body: RequestBody,
    headers: &HeaderMap,
    mut intake: Intake,
    finish: Finish<T>,
) -> Result<Response, Problem> {
    let wants_json = wants_json(headers);
    let is_small = match body.expected() {
        Some(size) => size <= SMALL,
        // No byte comes, so nothing is to be told on the way.
        None => body.peek(1).await?.is_empty(),
    };
    if wants_json || is_small {
        let mut text = String::new();
        write(&mut body, &mut intake, &mut |line| text.push_str(&line)).await?;
        let value = finish(intake).await?;
        return Ok(if wants_json {
            axum::Json(value).into_response()
        } else {
            plain(Body::from(text + FINISHED))
        });
    }
    let (lines, receiver) = mpsc::channel::<Result<String, Problem>>(WAITING);
    let request = RequestId::current();
    tokio::spawn(async move {
        let finished = async {
            // A client that does not read its progress must not stop its upload, so lines are dropped rather
            // than waited for.
            write(&mut body, &mut intake, &mut |line| drop(lines.try_send(Ok(line)))).await?;
            finish(intake).await
        };
        let last = pin!(finished).await.map(|_| FINISHED.to_owned());
        if let Err(problem) = &last {
            let request = request.map(tracing::field::display);
            tracing::warn!(request, ?problem, "an upload failed; its answer is cut");
        }
        let _ = lines.send(last).await;
    });
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let line = receiver.recv().await?;
        // An error here makes the server cut the answer, which curl reports with its exit status.
        Some((line.map_err(|problem| std::io::Error::other(format!("{problem:?}"))), receiver))
    });
    Ok(plain(Body::from_stream(stream)))
}

/// The answer to an upload of a file that is stored already.
pub(super) fn finished(headers: &HeaderMap, value: &impl Serialize) -> Response {
    if wants_json(headers) {
        axum::Json(value).into_response()
    } else {
        plain(Body::from(format!("Uploaded 100 %\n{FINISHED}")))
    }
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.to_ascii_lowercase().contains("application/json")
}

async fn write(
    body: &mut RequestBody,
    intake: &mut Intake,
    tell: &mut (dyn FnMut(String) + Send),
) -> Result<(), Problem> {
    let mut progress = Tenths { expected: body.expected(), received: 0, told: 0 };
    while let Some(chunk) = body.next().await? {
        let length = chunk.len() as u64;
        intake.write(chunk).await.map_err(problem)?;
        progress.advance(length, tell);
    }
    if body.expected().is_none() {
        tell("Uploaded 100 %\n".to_owned());
    }
    Ok(())
}

fn plain(body: Body) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))], body).into_response()
}

/// The progress of an upload, a line for each tenth of the announced size.
struct Tenths {
    expected: Option<u64>,
    received: u64,
    told: u64,
}

impl Tenths {
    fn advance(&mut self, length: u64, tell: &mut dyn FnMut(String)) {
        self.received += length;
        let Some(expected) = self.expected.filter(|expected| *expected > 0) else { return };
        let reached =
            u64::try_from(u128::from(self.received) * 10 / u128::from(expected)).unwrap_or(10).min(10);
        while self.told < reached {
            self.told += 1;
            tell(format!("Uploaded {} %\n", self.told * 10));
        }
    }
}
