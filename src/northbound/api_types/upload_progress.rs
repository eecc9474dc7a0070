//! The answers with the headers that clients of tus read the progress of an upload from.

use http::StatusCode;
use http_service::openapi::Answers;
use utoipa::IntoResponses;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Ref, RefOr, Response, ResponseBuilder};

/// The component that answers refer to, each with a description of its own.
const NAME: &str = "UploadProgress";

/// The answers by their names.
pub(in crate::northbound) fn components() -> Answers {
    Answers::from([(NAME.to_owned(), answer("How far the upload has come is in the fields.").into())])
}

/// `201` of a new upload.
pub(in crate::northbound) struct UploadBegun;

impl IntoResponses for UploadBegun {
    fn responses() -> Answers {
        let mut answer = answer("The upload is begun.");
        let location = header(
            Type::String,
            None,
            "The upload, as a URL relative to that of the request: `uploads/{id}`.",
        );
        answer.headers.insert("Location".into(), location.into());
        at(StatusCode::CREATED, answer.into())
    }
}

macro_rules! upload_progress {
    ($($(#[$description:meta])* $name:ident { $status:ident: $when:literal })+) => {
        $(
            $(#[$description])*
            pub(in crate::northbound) struct $name;

            impl IntoResponses for $name {
                fn responses() -> Answers {
                    let mut reference = Ref::from_response_name(NAME);
                    reference.description = $when.into();
                    at(StatusCode::$status, reference.into())
                }
            }
        )+
    };
}

upload_progress! {
    /// `GET`, whose answer has no body.
    ProgressShown { OK: "How far it has come is in the fields; there is no body." }
    /// `HEAD`.
    ProgressInFields { OK: "How far it has come is in the fields." }
    /// `PATCH`.
    PieceStored { NO_CONTENT: "The bytes are on disk." }
    /// `PUT` of a piece.
    PieceStoredByPut { NO_CONTENT: "The bytes are on disk; others are missing." }
    /// `POST` instead of `HEAD`.
    AsByHead { OK: "As by HEAD." }
    /// `POST` instead of `PATCH` or `DELETE`.
    AsByPatchOrDelete { NO_CONTENT: "As by PATCH or DELETE." }
}

fn at(status: StatusCode, answer: RefOr<Response>) -> Answers {
    Answers::from([(status.as_u16().to_string(), answer)])
}

fn answer(description: &str) -> Response {
    let bytes = |description| header(Type::Integer, Some(0), description);
    let text = |description| header(Type::String, None, description);
    ResponseBuilder::new()
        .description(description)
        .header("Tus-Resumable", text("`1.0.0`."))
        .header("Upload-Offset", bytes("Bytes that the upload has."))
        .header("Upload-Length", bytes("Bytes that it will have, where that is known."))
        .header("Upload-Defer-Length", text("`1` where that is not known."))
        .header("Upload-Expires", text("When it goes, if nobody touches it until then."))
        .build()
}

fn header(kind: Type, minimum: Option<u64>, description: &str) -> Header {
    let format = (kind == Type::Integer).then_some(SchemaFormat::KnownFormat(KnownFormat::Int64));
    let schema = ObjectBuilder::new().schema_type(kind).format(format).minimum(minimum).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}
