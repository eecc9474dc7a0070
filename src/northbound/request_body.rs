//! Bodies that are files. They stream to disk in constant memory; the answer is progress as text while they come, or one JSON object at
//! the end. Whatever can be refused before the body is read is refused with its proper status.

use std::pin::pin;
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue,
};
use http::{StatusCode, request};
use serde::Serialize;
use tokio::sync::mpsc;

use super::problem::Problem;
use crate::catalog::Intake;
use crate::model::minimum_rate::MinimumRate;

/// A sender that is silent for this long has gone.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(120);

/// For bodies up to this size the answer waits until the file is stored, so that every failure has its proper status; nobody
/// watches the progress of so few bytes.
const SMALL: u64 = 8 << 20;

/// What is read of a refused body, so that the refusal reaches a client that is still sending.
const LINGER_BYTES: usize = 1 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// A body that is a file.
pub(super) struct Upload {
    body: BodyDataStream,
    /// Read already, to judge the file by.
    beginning: Option<Bytes>,
    expected: Option<u64>,
    expects_continue: bool,
    wants_json: bool,
}

/// What is to be done with the received file: gives the object that describes the result.
pub(super) type Finish<T> = Box<dyn FnOnce(Intake) -> BoxFuture<'static, Result<T, Problem>> + Send>;

impl Upload {
    pub(super) fn new(parts: &request::Parts, body: Body) -> Self {
        let header = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        Self {
            body: body.into_data_stream(),
            beginning: None,
            expected: header(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            expects_continue: parts.headers.contains_key(EXPECT),
            wants_json: header(ACCEPT)
                .is_some_and(|accept| accept.to_ascii_lowercase().contains("application/json")),
        }
    }

    /// The size that the client announced.
    pub(super) fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// Refuses the upload. A client that does not wait for `100 Continue` would lose the answer if the connection were just closed.
    pub(super) async fn refuse(mut self, problem: Problem) -> Problem {
        if !self.expects_continue {
            let mut read = 0;
            let linger = async {
                while let Some(Ok(chunk)) = self.body.next().await {
                    read += chunk.len();
                    if read > LINGER_BYTES {
                        break;
                    }
                }
            };
            let _ = tokio::time::timeout(LINGER_TIME, linger).await;
        }
        problem
    }

    /// Reads up to `count` bytes ahead, to judge the file by its beginning. They stay part of it.
    pub(super) async fn peek(&mut self, count: usize) -> Result<Vec<u8>, Problem> {
        let mut read = Vec::new();
        while read.len() < count {
            let Some(chunk) = self.next_from_client().await? else { break };
            read.extend_from_slice(&chunk);
        }
        self.beginning = Some(Bytes::from(read.clone()));
        Ok(read)
    }

    /// Moves the body into `intake`, lets `finish` make something of it, and answers.
    pub(super) async fn run<T: Serialize + Send + 'static>(
        mut self,
        mut intake: Intake,
        finish: Finish<T>,
    ) -> Result<Response, Problem> {
        if self.wants_json || self.expected.is_some_and(|size| size <= SMALL) {
            let mut text = String::new();
            let received = self.receive(&mut intake, &mut |line| text.push_str(&line)).await;
            if let Err(problem) = received {
                return Err(self.refuse(problem).await);
            }
            let value = finish(intake).await?;
            return Ok(if self.wants_json {
                axum::Json(value).into_response()
            } else {
                plain(Body::from(text + FINISHED))
            });
        }
        let (lines, receiver) = mpsc::channel::<Result<String, Problem>>(16);
        tokio::spawn(async move {
            let finished = async {
                // A client that does not read its progress must not stop its upload, so lines are dropped rather than waited for.
                self.receive(&mut intake, &mut |line| drop(lines.try_send(Ok(line)))).await?;
                finish(intake).await
            };
            let last = pin!(finished).await.map(|_| FINISHED.to_owned());
            if let Err(problem) = &last {
                tracing::warn!(?problem, "an upload failed; its answer is cut");
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

    async fn receive(
        &mut self,
        intake: &mut Intake,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<(), Problem> {
        let mut progress = Tenths { expected: self.expected, received: 0, told: 0 };
        let mut pace = MinimumRate::new(STALL_TIMEOUT, Instant::now());
        while let Some(chunk) = self.next().await? {
            if !pace.keeps_up(chunk.len(), Instant::now()) {
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the upload comes too slowly"));
            }
            let length = chunk.len() as u64;
            intake.write(chunk).await?;
            progress.advance(length, tell);
        }
        if self.expected.is_none() {
            tell("Uploaded 100 %\n".to_owned());
        }
        Ok(())
    }

    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match self.beginning.take() {
            Some(chunk) => Ok(Some(chunk)),
            None => self.next_from_client().await,
        }
    }

    async fn next_from_client(&mut self) -> Result<Option<Bytes>, Problem> {
        match tokio::time::timeout(STALL_TIMEOUT, self.body.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(Some(Err(error))) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, format!("the upload broke off: {error}")))
            }
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the upload brought nothing for {} seconds", STALL_TIMEOUT.as_secs()),
            )),
        }
    }
}

/// The last line of the text answer.
const FINISHED: &str = "Upload finished!\n";

/// Refuses headers that would make the body something else than the file's bytes.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(CONTENT_RANGE) {
        let detail =
            "a part of a file cannot be uploaded (RFC 9110 §14.5); send it whole, without Content-Range";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes() != b"identity") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the file as it is, without Content-Encoding",
        ));
    }
    Ok(())
}

fn plain(body: Body) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))], body).into_response()
}

/// Tells each tenth of the announced size once.
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
