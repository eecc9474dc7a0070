//! Parameters, from the query and from a JSON body alike. Each error names its parameter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{StatusCode, request};
use http_body_util::LengthLimitError;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::problem::Problem;
use crate::query;
use crate::unrepeated::Unrepeated;

/// The longest JSON body with parameters, in bytes.
const MAX_BODY: usize = 64 << 10;

/// The longest that such a body may take, so that none keeps its connection.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The parameters that a route knows.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    names: &'a [&'a str],
    lists: &'a [(&'a str, usize)],
    objects: &'a [(&'a str, &'a str)],
}

impl<'a> Known<'a> {
    /// `names`, of which `lists` may be given several times, at most as often as their numbers.
    pub const fn with_lists(names: &'a [&'a str], lists: &'a [(&'a str, usize)]) -> Self {
        Self { names, lists, objects: &[] }
    }

    /// Takes objects of a JSON body for lists: each pair names an object and the list that gets
    /// `member=value` of each of its members.
    #[must_use]
    pub const fn with_objects(self, objects: &'a [(&'a str, &'a str)]) -> Self {
        Self { objects, ..self }
    }

    /// How often a parameter may be given.
    fn most(&self, name: &str) -> usize {
        self.lists.iter().find(|(list, _)| *list == name).map_or(1, |(_, most)| *most)
    }
}

/// Parameters that may be given once.
impl<'a, const N: usize> From<&'a [&'a str; N]> for Known<'a> {
    fn from(names: &'a [&'a str; N]) -> Self {
        Self::with_lists(names, &[])
    }
}

/// The values of parameters by their names. The route knows each.
#[derive(Debug, Default)]
pub struct Parameters {
    values: BTreeMap<String, Vec<String>>,
    /// Whether the request has a body that was not read for parameters, and no other parameter.
    is_body_unread: bool,
}

impl Parameters {
    /// Reads the query.
    ///
    /// # Errors
    ///
    /// 400 for a parameter that is unknown, given too often, or not UTF-8, and for a `+` that may be a plus
    /// or a blank.
    pub fn of_query<'a>(parts: &request::Parts, known: impl Into<Known<'a>>) -> Result<Self, Problem> {
        let known = known.into();
        let mut parameters = Self::default();
        for pair in query::pairs(parts.uri.query().unwrap_or_default()) {
            if pair.value.contains('\u{fffd}') {
                return Err(Problem::parameter(&pair.name, "is not valid UTF-8"));
            }
            if pair.with_blanks.is_some() && known.names.contains(&pair.name.as_str()) {
                let detail =
                    "has a + that may be a plus or a blank; write %2B for a plus and %20 for a blank";
                return Err(Problem::parameter(&pair.name, detail));
            }
            parameters.add(pair.name, pair.value, known)?;
        }
        Ok(parameters)
    }

    /// Reads a query that only filters. Unknown parameters, such as those by which browsers evade caches, are
    /// ignored.
    ///
    /// # Errors
    ///
    /// 400 for a parameter that is given too often.
    pub fn of_filters<'a>(parts: &request::Parts, known: impl Into<Known<'a>>) -> Result<Self, Problem> {
        let known = known.into();
        let mut parameters = Self::default();
        for pair in query::pairs(parts.uri.query().unwrap_or_default()) {
            if known.names.contains(&pair.name.as_str()) {
                // A look-up changes no name, so an unclear `+` is what forms mean.
                let value = pair.with_blanks.unwrap_or(pair.value);
                parameters.add(pair.name, value, known)?;
            }
        }
        Ok(parameters)
    }

    /// Reads the query, and the body if it is JSON. The query wins.
    ///
    /// # Errors
    ///
    /// 400 as of [`Self::of_query`], or for a body that is no JSON object of text and numbers. 408 for one
    /// that takes longer than 30 seconds, 413 for one that is longer than 64 KiB.
    pub async fn of_request<'a>(
        parts: &request::Parts,
        body: Body,
        known: impl Into<Known<'a>>,
    ) -> Result<Self, Problem> {
        let known = known.into();
        let mut parameters = Self::of_query(parts, known)?;
        if is_json(&parts.headers) {
            let bytes = read(body).await?;
            for (name, value) in parameters.of_json(&bytes, known)?.values {
                parameters.values.entry(name).or_insert(value);
            }
        } else {
            parameters.is_body_unread = parameters.is_empty() && !body.is_end_stream();
        }
        Ok(parameters)
    }

    /// Reads a body that is the object `object` itself, whatever its Content-Type.
    ///
    /// # Errors
    ///
    /// 400 as of [`Self::of_object`]. 408 for a body that takes longer than 30 seconds.
    pub async fn of_body(body: Body, object: &str, known: Known<'_>) -> Result<Self, Problem> {
        Self::of_object(&read(body).await?, object, known)
    }

    /// Reads a text that is the object `object`.
    ///
    /// # Errors
    ///
    /// 400 for a text that is no JSON object of texts and numbers, or has too many members.
    pub fn of_object(text: &[u8], object: &str, known: Known<'_>) -> Result<Self, Problem> {
        let members: Members = serde_json::from_slice(without_mark(text)).map_err(|error| {
            Problem::parameter(object, format_args!("must be an object in JSON: {error}"))
        })?;
        let mut parameters = Self::default();
        parameters.add_members(object, members.0, known)?;
        Ok(parameters)
    }

    /// The parameters of a body, beside these of the query. An empty array is taken for an empty object:
    /// RackHD sends `[]` with DELETE.
    fn of_json(&self, bytes: &[u8], known: Known<'_>) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        let bytes = without_mark(bytes);
        if matches!(bytes.trim_ascii(), b"" | b"[]") {
            return Ok(parameters);
        }
        let members: Members = serde_json::from_slice(bytes).map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("the JSON body is not an object with parameters: {error}"),
            )
        })?;
        let is_in_body: BTreeSet<String> = members.names().map(str::to_owned).collect();
        for (name, value) in members.0 {
            if parameters.values.contains_key(&name) {
                return Err(Problem::parameter(&name, "is given more than once"));
            }
            if let Some((_, list)) = known.objects.iter().find(|(object, _)| *object == name) {
                if !value.is_null() && (self.get(list).is_some() || is_in_body.contains(*list)) {
                    let detail = format_args!("is given together with `{list}`, which means the same");
                    return Err(Problem::parameter(&name, detail));
                }
                match value {
                    Value::Null => {}
                    Value::Object(members) => parameters.add_members(&name, members, known)?,
                    _ => return Err(Problem::parameter(&name, "must be an object in the JSON body")),
                }
                continue;
            }
            let values = match value {
                Value::Array(values) if known.most(&name) > 1 => values,
                value => vec![value],
            };
            for value in values {
                let text = match value {
                    Value::Null => continue,
                    Value::String(text) => text,
                    Value::Number(number) => number.to_string(),
                    Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                        return Err(Problem::parameter(&name, "must be text or a number in the JSON body"));
                    }
                };
                parameters.add(name.clone(), text, known)?;
            }
        }
        // A parser keeps the last of two members of one name, and no client means that (RFC 8259 §4).
        serde_json::from_slice::<Unrepeated>(bytes).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("an object in the JSON body {error}"))
        })?;
        Ok(parameters)
    }

    /// Adds each member of `object` to its list.
    fn add_members(
        &mut self,
        object: &str,
        members: impl IntoIterator<Item = (String, Value)>,
        known: Known<'_>,
    ) -> Result<(), Problem> {
        let list = known.objects.iter().find(|(name, _)| *name == object).map_or(object, |(_, list)| list);
        for (key, value) in members {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    return Err(Problem::parameter(
                        object,
                        format_args!("has the member '{key}', which is no text"),
                    ));
                }
            };
            self.add(list.to_owned(), format!("{key}={text}"), known)?;
        }
        Ok(())
    }

    fn add(&mut self, name: String, value: String, known: Known<'_>) -> Result<(), Problem> {
        if !known.names.contains(&name.as_str()) {
            return Err(Problem::parameter(
                &name,
                format_args!("is not known here; known are {}", known.names.join(", ")),
            ));
        }
        let most = known.most(&name);
        let values = self.values.entry(name.clone()).or_default();
        if values.len() >= most {
            let times = if most == 1 { "once".to_owned() } else { format!("{most} times") };
            return Err(Problem::parameter(&name, format_args!("is given more than {times}")));
        }
        values.push(value);
        Ok(())
    }

    /// Adds those of `others`, read from elsewhere, that are known and not given yet.
    ///
    /// # Errors
    ///
    /// 400 for one that others name twice.
    pub fn or<'a>(
        mut self,
        others: Vec<(String, String)>,
        known: impl Into<Known<'a>>,
    ) -> Result<Self, Problem> {
        let known = known.into();
        let is_new = |name: &str| known.names.contains(&name) && self.get(name).is_none();
        let new = others.into_iter().filter(|(name, _)| is_new(name));
        for (name, value) in new.collect::<Vec<_>>() {
            self.add(name, value, known)?;
        }
        Ok(self)
    }

    /// Whether none is given.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .flat_map(|(name, values)| values.iter().map(|value| (name.as_str(), value.as_str())))
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.first().map(String::as_str)
    }

    /// The validated value of a parameter that may be given.
    ///
    /// # Errors
    ///
    /// 400 for a value that does not parse.
    pub fn optional<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        self.get(name).map(|_| self.required(name, parse)).transpose()
    }

    /// The validated values of a parameter.
    ///
    /// # Errors
    ///
    /// 400 for a value that does not parse.
    pub fn all<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl Fn(String) -> Result<T, E>,
    ) -> Result<Vec<T>, Problem> {
        let values = self.values.get(name).into_iter().flatten();
        values.map(|text| parse(text.clone()).map_err(|error| Problem::parameter(name, error))).collect()
    }

    /// The validated value of a parameter that must be given.
    ///
    /// # Errors
    ///
    /// 400 for one that is missing or does not parse.
    pub fn required<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Result<T, Problem> {
        let missing = || {
            let hint = if self.is_body_unread {
                "; a JSON body is read if it is sent with `Content-Type: application/json`"
            } else {
                ""
            };
            Problem::parameter(name, format_args!("is missing{hint}"))
        };
        let text = self.get(name).ok_or_else(missing)?;
        parse(text.to_owned()).map_err(|error| Problem::parameter(name, error))
    }
}

/// Reads a whole body, within a time.
async fn read(body: Body) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, MAX_BODY)).await;
    let read = read.map_err(|_| {
        let detail = format!("the JSON body did not come within {} seconds", BODY_TIME.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    })?;
    read.map_err(|error| {
        let is_too_long =
            std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
        if is_too_long {
            let detail = format!("the JSON body is longer than {MAX_BODY} bytes");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail);
        }
        Problem::new(StatusCode::BAD_REQUEST, format!("the JSON body cannot be read: {error}"))
    })
}

/// Windows writes a byte order mark, which may be passed over (RFC 8259 §8.1).
fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Whether the body is JSON, in any case and with any parameters (RFC 9110 §8.3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// The members of a JSON object in order, so that repeated names can be refused.
struct Members(Vec<(String, Value)>);

impl Members {
    /// The names of those that have a value.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known<'_> = Known::with_lists(&["name", "version", "isoweb"], &[("isoweb", 16)])
        .with_objects(&[("isowebs", "isoweb")]);

    async fn read(
        query: &str,
        content_type: &str,
        body: &'static str,
    ) -> Result<Vec<(String, Vec<String>)>, Problem> {
        let request = http::Request::builder()
            .uri(format!("/images?{query}"))
            .header(CONTENT_TYPE, content_type)
            .body(());
        let (parts, ()) = request.expect("a request").into_parts();
        let parameters = Parameters::of_request(&parts, Body::from(body), KNOWN).await?;
        Ok(parameters.values.into_iter().collect())
    }

    #[tokio::test]
    async fn query_and_body_are_one_and_the_query_wins() {
        let both = read("name=a%20b", "Application/JSON; charset=utf-8", r#"{"name": "x", "version": 7.10}"#)
            .await
            .expect("valid");
        let text = |text: &str| vec![text.to_owned()];
        assert_eq!(both, [("name".into(), text("a b")), ("version".into(), text("7.10"))]);
        for (query, body) in [
            ("isoweb=a&isoweb=b", ""),
            ("", r#"{"isoweb": ["a", "b"]}"#),
            ("", "\u{feff}{\"isoweb\": [\"a\", \"b\"]}"),
        ] {
            let links = read(query, "application/json", body).await.expect("a list");
            assert_eq!(links, [("isoweb".into(), vec!["a".into(), "b".into()])]);
        }
        let object = read("", "application/json", r#"{"isowebs": {"a": "b", "c": 7, "d": ""}}"#).await;
        let members = ["a=b", "c=7", "d="].map(str::to_owned).to_vec();
        assert_eq!(object.expect("an object"), [("isoweb".into(), members)]);
        let many = "isoweb=a&".repeat(17);
        assert!(
            read(&many, "text/plain", "")
                .await
                .is_err_and(|problem| format!("{problem:?}").contains("16 times"))
        );
        for harmless in ["", " {} ", "[]", r#"{"name": null}"#] {
            assert_eq!(read("", "application/json", harmless).await.expect(harmless), []);
        }
        assert_eq!(read("", "application/x-www-form-urlencoded", "name=x").await.expect("raw"), []);
    }

    #[tokio::test]
    async fn what_cannot_be_meant_is_refused_by_name() {
        for (query, body, part) in [
            ("name=a&name=b", "", "`name` is given more than once"),
            ("nmae=a", "", "`nmae` is not known"),
            ("name=%ff", "", "`name` is not valid UTF-8"),
            ("name=a+b", "", "`name` has a + that may be a plus or a blank; write %2B"),
            ("", r#"{"name": "a", "name": "b"}"#, "`name` is given more than once"),
            ("", r#"{"name": ["a"]}"#, "`name` must be text"),
            ("", r#"{"isowebs": ["a"]}"#, "`isowebs` must be an object"),
            ("", r#"{"isowebs": {"a": {}}}"#, "`isowebs` has the member 'a'"),
            ("", r#"{"isowebs": {"a": "1", "a": "2"}}"#, "an object in the JSON body names 'a' twice"),
            ("", r#"{"isowebs": {"a": "1"}, "isoweb": "b"}"#, "`isowebs` is given together with `isoweb`"),
            ("", r#"{"isoweb": "b", "isowebs": {"a": "1"}}"#, "`isowebs` is given together with `isoweb`"),
            ("isoweb=b", r#"{"isowebs": {}}"#, "`isowebs` is given together with `isoweb`"),
            ("", "[1]", "not an object"),
            ("", "\"x\"", "not an object"),
            ("", "{", "not an object"),
        ] {
            let problem = format!("{:?}", read(query, "application/json", body).await.expect_err(body));
            assert!(problem.contains(part), "{query} {body}: {problem}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up() {
        let drip = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(7)).await;
            Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b" ")), ()))
        });
        let request = http::Request::builder().header(CONTENT_TYPE, "application/json").body(());
        let (parts, ()) = request.expect("a request").into_parts();
        let begun = tokio::time::Instant::now();
        let refused = Parameters::of_request(&parts, Body::from_stream(drip), KNOWN).await;
        assert_eq!(refused.expect_err("too slow").status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(begun.elapsed(), BODY_TIME);
    }
}
