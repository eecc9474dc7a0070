//! `GET /openapi.json`: the API as a document that is made from the code: from the handlers, and from the types that they show.

pub(super) mod examples;
pub(super) mod parameters;
pub(super) mod problems;

use std::sync::LazyLock;

use axum::Json;
use utoipa::openapi;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{OneOf, Schema, SchemaType, Type};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{
    browse, events, images, index, isos, jobs, metrics, microkernels, problem, resumable, storage, transfers,
    web_ui,
};

static DOCUMENT: LazyLock<openapi::OpenApi> = LazyLock::new(Document::openapi);

/// All routes, in the order of the router.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "image-service",
        description = "The management API: it registers operating-system ISOs and microkernel files, which machines that boot from the network \
            fetch from the southbound.\n\n\
            Every path answers `OPTIONS` with `Allow`, other methods with 405, and `HEAD` where there is `GET`. Problems are \
            `application/problem+json` (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This service.")),
    tags(
        (name = "images", description = "Named, versioned trees, each made from one ISO and served southbound."),
        (name = "files", description = "The files in the stores: ISOs and microkernel files."),
        (name = "uploads", description = "Uploads that can be resumed, by tus 1.0.0 and by plain clients such as curl."),
        (name = "jobs", description = "What takes longer than a request."),
        (name = "service", description = "What there is, what changes, and what is being sent."),
    ),
    paths(
        web_ui::root,
        index::show,
        images::list, images::put, images::delete, images::show, browse::show,
        jobs::list, jobs::show, jobs::cancel, jobs::retry,
        isos::list, isos::put, isos::delete,
        microkernels::list, microkernels::put, microkernels::delete,
        resumable::list, resumable::create, resumable::options,
        resumable::get, resumable::head, resumable::patch, resumable::put, resumable::delete, resumable::post,
        storage::show,
        events::stream,
        transfers::list,
        metrics::show,
        show,
    ),
    security(()),
    components(schemas(events::News, problem::Body)),
    modifiers(&Finish),
)]
struct Document;

/// The bytes of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) struct Bytes(Vec<u8>);

/// Show this document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "service", operation_id = "showDocument",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)),
)]
pub(super) async fn show() -> Json<&'static openapi::OpenApi> {
    Json(&DOCUMENT)
}

/// What is the same for all operations, and what the macros cannot say.
struct Finish;

impl Modify for Finish {
    fn modify(&self, document: &mut openapi::OpenApi) {
        for path in document.paths.paths.values_mut() {
            operations(path).into_iter().flatten().for_each(finish);
        }
    }
}

fn operations(path: &mut PathItem) -> [Option<&mut Operation>; 7] {
    let PathItem { get, put, post, delete, options, head, patch, .. } = path;
    [get, put, post, delete, options, head, patch].map(Option::as_mut)
}

fn finish(operation: &mut Operation) {
    operation.responses.responses.insert("default".into(), problems::other().into());
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            parameter.schema = parameter.schema.take().map(without_null);
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        if body.content.contains_key("application/json") {
            // The query can say all that it can.
            body.required = None;
        }
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                content.schema = content.schema.take().map(without_null);
            }
        }
    }
}

/// Parameters and bodies that are not there are left away, for there is no null in a query or a field.
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
