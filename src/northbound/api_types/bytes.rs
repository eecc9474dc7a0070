//! Bodies that are files.

use utoipa::ToSchema;

/// The bytes of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in crate::northbound) struct Bytes(Vec<u8>);
