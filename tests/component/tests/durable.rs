//! A change of a component's table is on disk before the answer, by the order of system calls.

use harness::Setup;
use harness::http::request;
use harness::trace::Tracing;
use serde_json::json;

#[test]
fn a_row_is_in_the_synced_log_before_the_answer() {
    let endpoint = |router: &str| json!({"address": "127.0.0.1", "port": 0, "routers": router});
    let service = Setup::new()
        .program(env!("CARGO_BIN_EXE_image-service-with-notes"))
        .set("httpEndpoints", json!([endpoint("northbound"), endpoint("southbound"), endpoint("notes")]))
        .set("notes", json!({}))
        .start();
    let url = service.url("notes", "/v1/notes");
    for text in ["the first makes the file", "the second writes to its log"] {
        let tracing = Tracing::of(service.pid());
        request("POST", &url, &[], text).expect_status(201);
        let trace = tracing.end();
        assert_eq!(trace.log_synced("state.db-wal", trace.answer()), Ok(()));
    }
}
