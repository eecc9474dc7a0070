//! Entity tags of JSON answers, and the conditions that clients set by them (RFC 9110 §8.8.3, §13).

use std::fmt;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
    IF_NONE_MATCH,
};
use http::{Method, StatusCode};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// A strong entity tag: answers with the same tag have the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag(String);

impl EntityTag {
    /// The tag of an answer whose body is `bytes`: the first 128 bits of their SHA-256.
    pub fn of(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let digits = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        Self(format!("\"{}\"", digits.collect::<String>()))
    }

    /// The tag of the answer whose body is `value` as JSON.
    pub fn of_json(value: &impl Serialize) -> Self {
        // What cannot be written as JSON is answered with 500 anyway.
        Self::of(&serde_json::to_vec(value).unwrap_or_default())
    }

    /// The tag as a header value.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The conditions under which a request changes or removes something.
#[derive(Debug, Default)]
pub struct Preconditions {
    if_match: Option<Condition>,
    if_none_match: Option<Condition>,
}

/// The value of a field with a condition.
#[derive(Debug)]
enum Condition {
    /// `*`: whatever is there.
    Any,
    /// Tags as they were sent, `W/` included.
    Tags(Vec<String>),
}

impl Preconditions {
    /// The conditions of a request. With `required` there must be one.
    ///
    /// # Errors
    ///
    /// 400 for a field that is no list of entity tags; 428 if none is there and one is required (RFC 6585
    /// §3).
    pub fn of(headers: &HeaderMap, required: bool) -> Result<Self, Problem> {
        let conditions = Self {
            if_match: condition(headers, IF_MATCH)?,
            if_none_match: condition(headers, IF_NONE_MATCH)?,
        };
        if required && conditions.are_none() {
            return Err(Problem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "say by If-Match which version this is about, with the ETag of a GET, or by If-None-Match: * that \
                 there is none (`requirePreconditions`)",
            ));
        }
        Ok(conditions)
    }

    /// Whether there is no condition.
    pub fn are_none(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Whether all that is there meets them: `If-Match: *` alone, or no condition (RFC 9110 §13.1.1).
    pub fn allow_each_version(&self) -> bool {
        !matches!(self.if_match, Some(Condition::Tags(_))) && self.if_none_match.is_none()
    }

    /// Checks the conditions of a thing that can be seen with each of the tags `current`, at different paths.
    /// Without one it is not there.
    ///
    /// # Errors
    ///
    /// 412 if a condition is not met.
    pub fn check(&self, current: &[EntityTag]) -> Result<(), Problem> {
        let failed = |detail| Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail));
        match &self.if_match {
            Some(condition) if !condition.is_met_by(current, false) => {
                return failed(if current.is_empty() {
                    "If-Match names a version, but there is none"
                } else {
                    "it is not the version that If-Match names: it was changed meanwhile; look at it again"
                });
            }
            _ => {}
        }
        match &self.if_none_match {
            Some(Condition::Any) if !current.is_empty() => {
                failed("there is one already, and If-None-Match: * says that there must be none")
            }
            Some(condition) if condition.is_met_by(current, true) => {
                failed("it is the version that If-None-Match names")
            }
            _ => Ok(()),
        }
    }
}

impl Condition {
    /// Whether one of `current` is meant. `is_weak` is the comparison of `If-None-Match` (RFC 9110 §8.8.3.2).
    fn is_met_by(&self, current: &[EntityTag], is_weak: bool) -> bool {
        let tags = match self {
            Self::Any => return !current.is_empty(),
            Self::Tags(tags) => tags,
        };
        let value = |tag: &'_ str| match tag.strip_prefix("W/") {
            Some(value) if is_weak => Some(value.to_owned()),
            Some(_) => None,
            None => Some(tag.to_owned()),
        };
        tags.iter().filter_map(|tag| value(tag)).any(|tag| current.iter().any(|known| known.0 == tag))
    }
}

/// Reads a field with a condition.
fn condition(headers: &HeaderMap, name: HeaderName) -> Result<Option<Condition>, Problem> {
    if !headers.contains_key(&name) {
        return Ok(None);
    }
    let lines: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
    // Tags of ours are ASCII, so what is no UTF-8 need only be read over.
    let text = String::from_utf8_lossy(&lines.join(&b","[..])).into_owned();
    if text.trim() == "*" {
        return Ok(Some(Condition::Any));
    }
    let tags = tags(&text).ok_or_else(|| {
        let detail = format!("the field `{name}` must be * or entity tags in quotes, separated by commas");
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })?;
    Ok(Some(Condition::Tags(tags)))
}

/// The tags of a list. They may have commas inside, and members of the list may be empty (RFC 9110 §5.6.1).
fn tags(text: &str) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let quoted = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (_, behind) = quoted.split_once('"')?;
        let (tag, behind) = rest.split_at(rest.len() - behind.len());
        tags.push(tag.to_owned());
        let behind = behind.trim_start_matches([' ', '\t']);
        if !behind.is_empty() && !behind.starts_with(',') {
            return None;
        }
        rest = behind.trim_start_matches([' ', '\t', ',']);
    }
    (!tags.is_empty()).then_some(tags)
}

/// Middleware that gives JSON answers to GET and HEAD their entity tags, and answers 304 to a client that has
/// the answer already.
pub(crate) async fn validate(request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let conditions = Preconditions::of(request.headers(), false);
    let answer = next.run(request).await;
    if answer.status() != StatusCode::OK {
        return answer;
    }
    let answer =
        if is_json(&answer) && !answer.headers().contains_key(ETAG) { tagged(answer).await } else { answer };
    let tag =
        answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(|tag| EntityTag(tag.to_owned()));
    // A condition that cannot be read is ignored, as caches do.
    let (Some(tag), Ok(conditions)) = (tag, conditions) else { return answer };
    let tags = [tag];
    if conditions.if_match.as_ref().is_some_and(|condition| !condition.is_met_by(&tags, false)) {
        return Problem::new(StatusCode::PRECONDITION_FAILED, "it is not the version that If-Match names")
            .into_response();
    }
    if conditions.if_none_match.as_ref().is_some_and(|condition| condition.is_met_by(&tags, true)) {
        let (mut parts, _) = answer.into_parts();
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(CONTENT_TYPE);
        parts.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    answer
}

/// A complete JSON answer; not one that is still being made.
fn is_json(answer: &Response) -> bool {
    answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
        && answer.body().size_hint().exact().is_some()
}

async fn tagged(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    // The body is in memory already.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Problem::mistake().into_response();
    };
    parts.headers.insert(ETAG, EntityTag::of(&bytes).header());
    // An answer may be kept, but is asked for again each time.
    parts.headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    Response::from_parts(parts, Body::from(bytes))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    fn conditions(fields: &[(HeaderName, &str)]) -> Result<Preconditions, Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value.parse().expect("a value"));
        }
        Preconditions::of(&headers, false)
    }

    #[test]
    fn conditions_are_those_of_the_standard() {
        let (one, other) = (EntityTag("\"1\"".into()), EntityTag("\"2\"".into()));
        let (there, gone) = ([one, other], []);
        for (name, value, is_met, is_met_by_nothing) in [
            (IF_MATCH, "*", true, false),
            (IF_MATCH, "\"1\"", true, false),
            (IF_MATCH, "\"0\", \"2\"", true, false),
            (IF_MATCH, "\"3\"", false, false),
            (IF_MATCH, "W/\"1\"", false, false),
            (IF_MATCH, "\"a,b\",, W/\"1\" ,\"2\",", true, false),
            (IF_MATCH, "\"1,2\"", false, false),
            (IF_MATCH, "\"\"", false, false),
            (IF_NONE_MATCH, "*", false, true),
            (IF_NONE_MATCH, "\"1\"", false, true),
            (IF_NONE_MATCH, "W/\"1\"", false, true),
            (IF_NONE_MATCH, "\"3\"", true, true),
        ] {
            let conditions = conditions(&[(name.clone(), value)]).expect(value);
            assert_eq!(conditions.check(&there).is_ok(), is_met, "{name}: {value}");
            assert_eq!(conditions.check(&gone).is_ok(), is_met_by_nothing, "{name}: {value}");
        }
        let both = conditions(&[(IF_MATCH, "\"1\""), (IF_NONE_MATCH, "\"2\"")]).expect("two");
        assert!(both.check(&there).is_err());
        for value in ["1", "\"1", "*, \"1\"", "", ",", "\"1\" \"2\"", "w/\"1\""] {
            let problem = conditions(&[(IF_MATCH, value)]).expect_err(value);
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{value}");
        }
        let problem = Preconditions::of(&HeaderMap::new(), true).expect_err("none");
        assert_eq!(problem.status(), StatusCode::PRECONDITION_REQUIRED);
    }

    #[tokio::test]
    async fn json_has_a_tag_and_is_sent_once() {
        let router = Router::new()
            .route("/json", get(|| async { axum::Json(1) }))
            .route("/text", get(|| async { "1" }))
            .layer(axum::middleware::from_fn(validate));
        let ask = |method: &str, path: &str, field: Option<(HeaderName, HeaderValue)>| {
            let mut request =
                http::Request::builder().method(method).uri(path).body(Body::empty()).expect("one");
            request.headers_mut().extend(field);
            router.clone().oneshot(request)
        };
        let answer = ask("GET", "/json", None).await.expect("an answer");
        let tag = answer.headers()[ETAG].clone();
        assert_eq!(tag, EntityTag::of(b"1").header());
        assert_eq!(to_bytes(answer.into_body(), 9).await.expect("bytes"), "1");
        let head = ask("HEAD", "/json", None).await.expect("an answer");
        assert_eq!(
            (&head.headers()[ETAG], &head.headers()[CONTENT_LENGTH]),
            (&tag, &"1".parse().expect("one"))
        );
        for method in ["GET", "HEAD"] {
            let answer = ask(method, "/json", Some((IF_NONE_MATCH, tag.clone()))).await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(answer.headers()[ETAG], tag);
            assert_eq!(to_bytes(answer.into_body(), 9).await.expect("bytes"), "");
        }
        let other = HeaderValue::from_static("\"x\"");
        let answer = ask("GET", "/json", Some((IF_NONE_MATCH, other.clone()))).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let answer = ask("GET", "/json", Some((IF_MATCH, other))).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::PRECONDITION_FAILED);
        let answer = ask("GET", "/text", Some((IF_NONE_MATCH, tag))).await.expect("an answer");
        assert_eq!((answer.status(), answer.headers().get(ETAG)), (StatusCode::OK, None));
    }
}
