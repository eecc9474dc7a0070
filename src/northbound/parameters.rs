//! Parameters, from the query and from a JSON body alike; the query wins. Each error names its parameter.

use std::collections::BTreeMap;
use std::fmt;

use axum::body::Body;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{StatusCode, request};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::problem::Problem;

/// A body of parameters is small; a larger one is something else.
const MAX_BODY: usize = 64 << 10;

/// The only parameters that may be given more than once, and how often.
const LISTS: [(&str, usize); 1] = [("isoweb", 16)];

/// Parameters by name. The route knows each, and each was given once, but for those that are lists.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, Vec<String>>);

impl Parameters {
    /// Reads the query.
    pub(super) fn of_query(parts: &request::Parts, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if value.contains('\u{fffd}') {
                return Err(Problem::parameter(&name, "is not valid UTF-8"));
            }
            parameters.add(name.into_owned(), value.into_owned(), known)?;
        }
        Ok(parameters)
    }

    /// Reads a query that only chooses what is shown: parameters that mean nothing, such as a browser's against caches, do no harm.
    pub(super) fn of_filters(parts: &request::Parts, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if known.contains(&&*name) {
                parameters.add(name.into_owned(), value.into_owned(), known)?;
            }
        }
        Ok(parameters)
    }

    /// Reads the query, and the body if it is JSON.
    pub(super) async fn of_request(
        parts: &request::Parts,
        body: Body,
        known: &[&str],
    ) -> Result<Self, Problem> {
        let mut parameters = Self::of_query(parts, known)?;
        if is_json(&parts.headers) {
            let bytes = axum::body::to_bytes(body, MAX_BODY).await.map_err(|error| {
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    format!("the JSON body cannot be read, or is longer than {MAX_BODY} bytes: {error}"),
                )
            })?;
            for (name, value) in Self::of_json(&bytes, known)?.0 {
                parameters.0.entry(name).or_insert(value);
            }
        }
        Ok(parameters)
    }

    /// An empty array means as little as an empty object: RackHD sends `[]` with DELETE.
    fn of_json(bytes: &[u8], known: &[&str]) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        if matches!(bytes.trim_ascii(), b"" | b"[]") {
            return Ok(parameters);
        }
        let members: Members = serde_json::from_slice(bytes).map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("the JSON body is not an object with parameters: {error}"),
            )
        })?;
        for (name, value) in members.0 {
            if parameters.0.contains_key(&name) {
                return Err(Problem::parameter(&name, "is given more than once"));
            }
            let values = match value {
                Value::Array(values) if most(&name) > 1 => values,
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
        Ok(parameters)
    }

    fn add(&mut self, name: String, value: String, known: &[&str]) -> Result<(), Problem> {
        if !known.contains(&name.as_str()) {
            return Err(Problem::parameter(
                &name,
                format_args!("is not known here; known are {}", known.join(", ")),
            ));
        }
        let most = most(&name);
        let values = self.0.entry(name.clone()).or_default();
        if values.len() >= most {
            let times = if most == 1 { "once".to_owned() } else { format!("{most} times") };
            return Err(Problem::parameter(&name, format_args!("is given more than {times}")));
        }
        values.push(value);
        Ok(())
    }

    /// Adds what was said elsewhere and is known here; the query wins.
    pub(super) fn or(mut self, said: Vec<(String, String)>, known: &[&str]) -> Result<Self, Problem> {
        let new =
            said.into_iter().filter(|(name, _)| known.contains(&name.as_str()) && self.get(name).is_none());
        for (name, value) in new.collect::<Vec<_>>() {
            self.add(name, value, known)?;
        }
        Ok(self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(String::as_str)
    }

    /// A parameter that may be there, as a validated value.
    pub(super) fn optional<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        self.get(name).map(|_| self.required(name, parse)).transpose()
    }

    /// All values of a parameter that must be there.
    pub(super) fn all<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl Fn(String) -> Result<T, E>,
    ) -> Result<Vec<T>, Problem> {
        let values = self.0.get(name).into_iter().flatten();
        values.map(|text| parse(text.clone()).map_err(|error| Problem::parameter(name, error))).collect()
    }

    /// A parameter that must be there, as a validated name.
    pub(super) fn required<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Result<T, Problem> {
        let text = self.get(name).ok_or_else(|| Problem::parameter(name, "is missing"))?;
        parse(text.to_owned()).map_err(|error| Problem::parameter(name, error))
    }
}

/// How often a parameter may be given.
fn most(name: &str) -> usize {
    LISTS.iter().find(|(list, _)| *list == name).map_or(1, |(_, most)| *most)
}

/// Whether the body is JSON, however that is spelled.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// The members of a JSON object, with repeated names kept apart so that they can be refused.
struct Members(Vec<(String, Value)>);

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
        let parameters =
            Parameters::of_request(&parts, Body::from(body), &["name", "version", "isoweb"]).await?;
        Ok(parameters.0.into_iter().collect())
    }

    #[tokio::test]
    async fn query_and_body_are_one_and_the_query_wins() {
        let both = read("name=a%20b", "Application/JSON; charset=utf-8", r#"{"name": "x", "version": 7.10}"#)
            .await
            .expect("valid");
        let text = |text: &str| vec![text.to_owned()];
        assert_eq!(both, [("name".into(), text("a b")), ("version".into(), text("7.10"))]);
        for (query, body) in [("isoweb=a&isoweb=b", ""), ("", r#"{"isoweb": ["a", "b"]}"#)] {
            let links = read(query, "application/json", body).await.expect("a list");
            assert_eq!(links, [("isoweb".into(), vec!["a".into(), "b".into()])]);
        }
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
            ("", r#"{"name": "a", "name": "b"}"#, "`name` is given more than once"),
            ("", r#"{"name": ["a"]}"#, "`name` must be text"),
            ("", "[1]", "not an object"),
            ("", "\"x\"", "not an object"),
            ("", "{", "not an object"),
        ] {
            let problem = format!("{:?}", read(query, "application/json", body).await.expect_err(body));
            assert!(problem.contains(part), "{query} {body}: {problem}");
        }
    }
}
