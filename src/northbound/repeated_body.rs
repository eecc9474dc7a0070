//! Bodies of files that are stored already, as their digests say.

use http::HeaderMap;
use http::header::EXPECT;
use http_service::Problem;
use http_service::digest_fields::ExpectedDigests;
use http_service::request_body::RequestBody;
use images::CatalogError;
use model::digest::{Digests, Sha256, Sha512};
use sha2::Digest;

use super::problems::of_file;

/// Reads the body, stores nothing of it, and refuses bytes that are others than the client said. A client
/// that waits for `100 Continue` need not send them: its digests have been found.
pub(super) async fn compare(
    headers: &HeaderMap,
    mut body: RequestBody,
    digests: &ExpectedDigests,
) -> Result<(), Problem> {
    let expected = digests.expected();
    if headers.contains_key(EXPECT) && expected.sha512.is_none() {
        return Ok(());
    }
    let (mut sha256, mut sha512) = (sha2::Sha256::new(), expected.sha512.map(|_| sha2::Sha512::new()));
    while let Some(chunk) = body.next().await? {
        sha256.update(&chunk);
        if let Some(sha512) = &mut sha512 {
            sha512.update(&chunk);
        }
    }
    let found = Digests {
        sha256: Sha256(sha256.finalize().into()),
        sha512: sha512.map(|sha512| Sha512(sha512.finalize().into())),
    };
    let is_same = expected.check(&found).map_err(blobs::StoreError::from);
    is_same.map_err(|error| of_file(CatalogError::from(error), digests))
}
