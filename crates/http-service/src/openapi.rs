//! The shared parts of an API's document. Answers and headers that several operations have become components,
//! to which they refer.

use std::collections::BTreeMap;

use http::StatusCode;
pub use utoipa::IntoResponses;
use utoipa::openapi;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, OneOf, Schema, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::problem::{MEDIA_TYPE, Problem};

/// The component of all problems that an operation does not list.
const OTHER: &str = "OtherProblem";

/// The component of the answer without content.
const UNCHANGED: &str = "NotModified";

/// Answers by their statuses, or reusable ones by their names.
pub type Answers = BTreeMap<String, RefOr<Response>>;

/// A problem that operations answer with. The code of the answers makes the example.
pub struct Row {
    /// When it comes.
    pub when: &'static str,
    /// An example.
    pub problem: Problem,
}

/// Defines sets of problem answers, each for operations that fail in the same ways, and a function
/// `components` with the answers of all sets. An example shows what a client reads, and may name a parameter.
///
/// ```
/// http_service::problem_answers! {
///     /// Filters.
///     BadFilter {
///         BAD_REQUEST: "A parameter is given more than once.",
///             "the parameter `name` is given more than once" of "name";
///     }
///     /// One image.
///     NoSuchImage {
///         NOT_FOUND: "No image has this id.", "no image matches";
///     }
/// }
/// assert_eq!(components().into_keys().collect::<Vec<_>>(), ["BadFilter", "NoSuchImage"]);
/// ```
#[macro_export]
macro_rules! problem_answers {
    ($(
        $(#[$description:meta])*
        $name:ident { $($status:ident: $when:literal, $detail:literal $(of $parameter:literal)?;)+ }
    )+) => {
        $(
            $(#[$description])*
            pub(crate) struct $name;

            impl $name {
                fn rows() -> Vec<$crate::openapi::Row> {
                    vec![$($crate::openapi::Row {
                        when: $when,
                        problem: $crate::Problem::new($crate::StatusCode::$status, $detail)
                            $(.about($parameter))?,
                    }),+]
                }
            }

            impl $crate::openapi::IntoResponses for $name {
                fn responses() -> $crate::openapi::Answers {
                    $crate::openapi::references(stringify!($name), &Self::rows())
                }
            }
        )+

        /// The answers of all sets.
        pub(crate) fn components() -> $crate::openapi::Answers {
            let sets = [$((stringify!($name), $name::rows())),+];
            sets.into_iter().flat_map(|(set, rows)| $crate::openapi::answers(set, rows)).collect()
        }
    };
}

/// The answers of a set, by their statuses.
pub fn references(set: &str, rows: &[Row]) -> Answers {
    let reference = |row: &Row| Ref::from_response_name(name(set, rows.len(), row.problem.status()));
    rows.iter().map(|row| (row.problem.status().as_u16().to_string(), reference(row).into())).collect()
}

/// The answers of a set, by their names.
pub fn answers(set: &str, rows: Vec<Row>) -> Answers {
    let count = rows.len();
    let named = |row: Row| (name(set, count, row.problem.status()), answer(row).into());
    rows.into_iter().map(named).collect()
}

/// The name of the set, and the status in words where the set has several.
fn name(set: &str, count: usize, status: StatusCode) -> String {
    let reason = status.canonical_reason().filter(|_| count > 1).unwrap_or_default();
    format!("{set}{}", reason.replace([' ', '-'], ""))
}

fn answer(row: Row) -> Response {
    let example = serde_json::to_value(row.problem.body()).ok();
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).example(example).build();
    let response = ResponseBuilder::new().description(row.when).content(MEDIA_TYPE, content);
    match row.problem.status() {
        StatusCode::SERVICE_UNAVAILABLE => response.header("Retry-After", retry_after()).build(),
        _ => response.build(),
    }
}

fn retry_after() -> Header {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build();
    HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds after which to come back.")).build()
}

/// The bytes of a file.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only documents are made of it")]
pub struct Bytes(Vec<u8>);

/// Completes a document whose operations refer to `answers`, which become its components.
pub fn finish(document: &mut openapi::OpenApi, answers: Answers) {
    for path in document.paths.paths.values_mut() {
        operations(path).into_iter().flatten().for_each(finish_operation);
        path.get.iter_mut().for_each(describe_entity_tag);
    }
    let components = document.components.get_or_insert_default();
    components.responses.extend(answers);
    let description = "The client has this version: its tag is among those of `If-None-Match`.";
    let unchanged = ResponseBuilder::new().description(description).header("ETag", entity_tag());
    components.responses.insert(UNCHANGED.into(), unchanged.build().into());
    let detail = "the service cannot do this just now; its log says why";
    let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail);
    let other = answer(Row { when: "Any other problem, such as 500.", problem });
    components.responses.insert(OTHER.into(), other.into());
    share_headers(document);
}

/// JSON answers to GET have entity tags.
fn describe_entity_tag(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    let Some(RefOr::T(answer)) = responses.get_mut("200") else { return };
    if answer.content.contains_key("application/json") {
        answer.headers.insert("ETag".into(), entity_tag().into());
        responses.insert("304".into(), Ref::from_response_name(UNCHANGED).into());
    }
}

fn entity_tag() -> Header {
    let tag = ObjectBuilder::new().schema_type(Type::String).build();
    let description = "The version of this answer, for `If-None-Match` and `If-Match` (RFC 9110 §8.8.3).";
    HeaderBuilder::new().schema(Some(tag)).description(Some(description)).build()
}

fn operations(path: &mut PathItem) -> [Option<&mut Operation>; 7] {
    let PathItem { get, put, post, delete, options, head, patch, .. } = path;
    [get, put, post, delete, options, head, patch].map(Option::as_mut)
}

fn finish_operation(operation: &mut Operation) {
    let other = Ref::from_response_name(OTHER);
    operation.responses.responses.insert("default".into(), other.into());
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            parameter.schema = parameter.schema.take().map(without_null);
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        if body.content.contains_key("application/json") {
            // The query may have all of its members instead.
            body.required = None;
        }
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                content.schema = content.schema.take().map(without_null);
            }
        }
    }
}

/// Makes components of the headers that several answers have.
fn share_headers(document: &mut openapi::OpenApi) {
    let mut seen: Vec<(String, Header)> = Vec::new();
    let mut shared: BTreeMap<String, Header> = BTreeMap::new();
    each_header(document, |name, header| {
        let RefOr::T(header) = header else { return };
        if seen.iter().any(|(known, same)| known == name && same == header) {
            shared.insert(name.to_owned(), header.clone());
        } else {
            seen.push((name.to_owned(), header.clone()));
        }
    });
    each_header(document, |name, header| {
        if matches!(header, RefOr::T(own) if shared.get(name) == Some(own)) {
            *header = RefOr::Ref(Ref::new(format!("#/components/headers/{name}")));
        }
    });
    let headers = shared.into_iter().map(|(name, header)| (name, header.into()));
    document.components.get_or_insert_default().headers.extend(headers);
}

fn each_header(document: &mut openapi::OpenApi, mut visit: impl FnMut(&str, &mut RefOr<Header>)) {
    let operations = document.paths.paths.values_mut().flat_map(operations).flatten();
    let answers = operations.flat_map(|operation| operation.responses.responses.values_mut());
    let components = document.components.iter_mut().flat_map(|components| components.responses.values_mut());
    for answer in answers.chain(components) {
        if let RefOr::T(answer) = answer {
            answer.headers.iter_mut().for_each(|(name, header)| visit(name, header));
        }
    }
}

/// A schema without null. Clients leave out parameters and bodies instead: a query or a field cannot be null.
fn without_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::OneOf(OneOf { mut items, .. })) => {
            items.retain(|item| !is_null(item));
            items.remove(0)
        }
        RefOr::T(Schema::Object(mut object)) => {
            object.schema_type = bare(object.schema_type);
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.schema_type = bare(array.schema_type);
            RefOr::T(Schema::Array(array))
        }
        other => other,
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}

fn bare(kind: SchemaType) -> SchemaType {
    match kind {
        SchemaType::Array(kinds) => match kinds.iter().find(|kind| **kind != Type::Null) {
            Some(kind) if kinds.len() == 2 => SchemaType::Type(kind.clone()),
            _ => SchemaType::Array(kinds),
        },
        kind => kind,
    }
}
