//! The API's document: that it is the one in `docs/openapi.json`, that it tells of every route and method, and that real answers are as it says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use harness::{Setup, http};
use serde_json::Value;
use std::{env, fs};

/// The document as it is kept, for those who read it without running the service.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

/// Set to renew the kept document.
const RENEW: &str = "IMAGE_SERVICE_RENEW_GOLDEN";

#[test]
fn the_document_is_the_one_that_is_kept() {
    let service = Setup::new().start();
    let served: Value = http::get(&service.north("/openapi.json")).expect_status(200).json();
    let served = serde_json::to_string_pretty(&served).unwrap() + "\n";
    if env::var_os(RENEW).is_some() {
        fs::write(GOLDEN, &served).unwrap();
    }
    let kept = fs::read_to_string(GOLDEN).unwrap_or_default();
    let differing = kept.lines().zip(served.lines()).position(|(kept, served)| kept != served);
    assert!(
        kept == served,
        "docs/openapi.json is not what the service tells (they differ in line {}). If that is meant, renew it: \
         {RENEW}=1 cargo test --test openapi the_document, and the types with it: ./check ui tells how",
        differing.map_or(kept.lines().count().min(served.lines().count()) + 1, |line| line + 1),
    );
}
