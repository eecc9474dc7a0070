//! Which client a request comes from: behind proxies, and by IPv4 and IPv6.

use harness::http;
use harness::{Service, Setup};
use serde_json::{Value, json};

/// The client that `GET /transfers` shows for a fetch of `path` with these fields.
fn shown(service: &Service, url: &str, path: &str, fields: &[(&str, &str)]) -> String {
    http::get_with(&format!("{url}{path}"), fields).expect_status(200);
    let transfers = http::get(&service.north("/transfers")).expect_status(200).json();
    let recent = transfers["recent"].as_array().expect("a list");
    let found = recent.iter().find(|transfer| transfer["path"] == path).expect("the transfer");
    found["client"].as_str().expect("text").to_owned()
}

#[test]
fn a_trusted_proxy_tells_the_client_and_no_other_client_does() {
    let setup = || {
        ["a", "b", "c", "d"]
            .iter()
            .fold(Setup::new(), |setup, name| setup.file(&format!("static/{name}"), "x"))
    };
    let trusting = setup().set("trustedProxies", json!(["127.0.0.0/8", "2001:db8::/32"])).start();
    let south = trusting.south("");
    let by = |path, fields: &[(&str, &str)]| shown(&trusting, &south, path, fields);
    assert_eq!(by("/a", &[("X-Forwarded-For", "203.0.113.1, 198.51.100.7")]), "198.51.100.7");
    assert_eq!(by("/b", &[("Forwarded", "for=\"[2001:db9::7]:4711\";proto=https")]), "[2001:db9::7]:4711");
    assert!(by("/c", &[("X-Forwarded-For", "nonsense")]).starts_with("127.0.0.1:"));
    assert!(by("/d", &[("X-Real-IP", "198.51.100.7")]).starts_with("127.0.0.1:"), "no list of proxies");
    let wary = setup().start();
    let south = wary.south("");
    assert!(shown(&wary, &south, "/a", &[("X-Forwarded-For", "198.51.100.7")]).starts_with("127.0.0.1:"));
}

/// `::` is all addresses of both families.
#[test]
fn clients_of_both_families_are_served_and_shown_by_their_addresses() {
    let endpoints = json!([
        {"address": "::", "port": 0, "routers": "northbound"},
        {"address": "::", "port": 0, "routers": "southbound"},
    ]);
    let service =
        Setup::new().file("static/a", "x").file("static/b", "x").set("httpEndpoints", endpoints).start();
    let at = |url: &str, address: &str| url.replace("[::]", address);
    let south = service.south("");
    let client = |address, path| {
        let north = at(&service.north(""), address);
        http::get(&format!("{}{path}", at(&south, address))).expect_status(200);
        let transfers = http::get(&format!("{north}/transfers")).expect_status(200).json();
        let found =
            transfers["recent"].as_array().expect("a list").iter().find(|it| it["path"] == path).cloned();
        let about: Value = http::get(&format!("{north}/about")).expect_status(200).json();
        (
            found.expect("the transfer")["client"].as_str().expect("text").to_owned(),
            about["southboundUrl"].clone(),
        )
    };
    let (four, url) = client("127.0.0.1", "/a");
    assert!(four.starts_with("127.0.0.1:"), "{four}");
    assert_eq!(url, at(&service.south("/"), "127.0.0.1"));
    let (six, url) = client("[::1]", "/b");
    assert!(six.starts_with("[::1]:"), "{six}");
    assert_eq!(url, at(&service.south("/"), "[::1]"));
    assert!(!service.log().contains("::ffff:"), "{}", service.log());
}
