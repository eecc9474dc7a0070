//! The configuration of nginx on the page about operation.

use harness::nginx::Nginx;
use harness::{Setup, http};
use serde_json::json;

use super::pages::block;

#[test]
fn the_proxy_of_the_page_works() {
    let service = Setup::new().set("trustedProxies", json!(["127.0.0.1"])).file("static/a", "x").start();
    let location = block("docs/operation.md", "proxy");
    assert!(location.contains("http://127.0.0.1:7070/"), "{location}");
    let nginx = Nginx::with_location(&location.replace("http://127.0.0.1:7070", &service.north("")));
    let origin = nginx.origin().to_owned();
    let begin = |origin: &str| {
        http::request("POST", &nginx.url("/uploads?name=a.iso&size=9"), &[("Origin", origin)], "").status
    };
    assert_eq!((begin(&origin), begin("https://evil.example")), (201, 403));
    let forged = [("Forwarded", "host=evil.example"), ("X-Forwarded-Host", "evil.example")];
    http::get_with(&nginx.url("/images"), &forged).expect_status(200);
}
