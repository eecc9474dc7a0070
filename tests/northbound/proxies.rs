//! Behind nginx with its defaults, at a path of its own.

use harness::nginx::Nginx;
use harness::sse::Events;
use harness::{Setup, http};
use serde_json::json;

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
const PIECE: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

#[test]
fn links_in_answers_lead_through_a_proxy() {
    let service = Setup::new().start();
    let nginx = Nginx::before(&service.north(""), "");
    let created =
        http::request("POST", &nginx.url("/uploads?name=a.iso&size=10"), &[TUS], "").expect_status(201);
    let upload = nginx.follow("/uploads?name=a.iso", created.header("Location").unwrap());
    for (offset, bytes) in [("0", "hello"), ("5", "world")] {
        let fields = [TUS, PIECE, ("Upload-Offset", offset)];
        http::request("PATCH", &upload, &fields, bytes).expect_status(204);
    }
    assert_eq!(nginx.get("/iso").json()[0]["name"], "a.iso");
    for path in ["/gui", "/gui/docs"] {
        let target = nginx.follow(path, nginx.get(path).expect_status(308).header("Location").unwrap());
        http::get_with(&target, &[("Accept", "text/html")]).expect_status(200);
    }
    for path in ["/gui/", "/", "/docs"] {
        let page = http::get_with(&nginx.url(path), &[("Accept", "text/html")]).expect_status(200);
        let text = page.text();
        let links = text.split("\"").filter(|part| part.ends_with(".css") || part.ends_with("app.js"));
        let targets: Vec<String> = links.map(|link| nginx.follow(path, link)).collect();
        assert!(!targets.is_empty(), "{text}");
        for target in targets {
            http::get(&target).expect_status(200);
        }
    }
    let mut events = Events::open(&nginx.url("/events"), &[]);
    assert_eq!(events.expect_event().name, "hello");
}

/// What a page behind nginx may do depends on what the proxy is trusted with, and on what it tells.
#[test]
fn the_page_behind_a_proxy_is_known_as_the_services_own() {
    let begin = |nginx: &Nginx, fields: &[(&str, &str)]| {
        http::request("POST", &nginx.url("/uploads?name=a.iso&size=10"), fields, "").status
    };
    let telling = "proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; \
                   proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
    let kept = "proxy_set_header Host $http_host;";
    let evil = [("Origin", "https://evil.example")];

    // The defaults replace `Host`, so that a page of the proxy looks like one from elsewhere.
    let wary = Setup::new().start();
    let silent = Nginx::before(&wary.north(""), "");
    let own = |nginx: &Nginx| nginx.origin().to_owned();
    assert_eq!(begin(&silent, &[]), 201, "programs are no pages");
    assert_eq!(begin(&silent, &[("Origin", &own(&silent)), ("Sec-Fetch-Site", "same-origin")]), 403);
    let refused = http::request("DELETE", &silent.url("/images?name=a"), &[("Origin", &own(&silent))], "");
    let told = refused.json()["detail"].as_str().unwrap().to_owned();
    for way in
        [&own(&silent), "`corsOrigins`", kept.trim_end_matches(';'), "X-Forwarded-Host", "`trustedProxies`"]
    {
        assert!(told.contains(way), "{way}: {told}");
    }
    let listing = Setup::new().set("corsOrigins", json!([own(&silent)])).start();
    let relayed = Nginx::before(&listing.north(""), "");
    assert_eq!(begin(&relayed, &[("Origin", &own(&silent)), ("Sec-Fetch-Site", "same-origin")]), 201);
    assert_eq!(begin(&relayed, &evil), 403);
    let keeping = Nginx::before(&wary.north(""), kept);
    assert_eq!(begin(&keeping, &[("Origin", &own(&keeping))]), 201);
    assert_eq!(begin(&keeping, &evil), 403);

    let trusting = Setup::new().set("trustedProxies", json!(["127.0.0.1"])).start();
    let telling = Nginx::before(&trusting.north(""), telling);
    assert_eq!(begin(&telling, &[("Origin", &own(&telling))]), 201);
    assert_eq!(begin(&telling, &evil), 403);
    assert_eq!(http::get_with(&telling.url("/images"), &[("Host", "x")]).status, 400, "nginx refuses two");
    // It tells nothing, but the browser vouches for the page.
    let silent = Nginx::before(&trusting.north(""), "");
    assert_eq!(begin(&silent, &[("Origin", &own(&silent)), ("Sec-Fetch-Site", "same-origin")]), 201);
    assert_eq!(begin(&silent, &[("Origin", &own(&silent))]), 403);
    assert_eq!(begin(&silent, &[("Origin", &own(&silent)), ("Sec-Fetch-Site", "same-site")]), 403);
}

/// The name that a trusted proxy tells counts as the one that was called.
#[test]
fn a_trusted_proxy_tells_the_called_name() {
    let status = |trusted: bool, fields: &[(&str, &str)]| {
        let proxies = if trusted { json!(["127.0.0.1"]) } else { json!([]) };
        let service = Setup::new().set("trustedProxies", proxies).set("hsts", json!(true)).start();
        let answer = http::get_with(&service.north("/images"), fields);
        (answer.status, answer.header("Strict-Transport-Security").is_some())
    };
    assert_eq!(status(true, &[("X-Forwarded-Host", "evil.example")]), (421, false));
    assert_eq!(status(true, &[("X-Forwarded-Host", "evil.example, localhost:80")]), (200, false));
    assert_eq!(status(true, &[("X-Forwarded-Host", "a b")]), (400, false));
    assert_eq!(
        status(true, &[("Forwarded", "for=192.0.2.1;host=\"localhost:80\";proto=https")]),
        (200, true)
    );
    assert_eq!(
        status(true, &[("Forwarded", "host=localhost"), ("X-Forwarded-Host", "127.0.0.1")]),
        (400, false)
    );
    assert_eq!(status(true, &[("X-Forwarded-Proto", "https")]), (200, true));
    assert_eq!(
        status(false, &[("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")]),
        (200, false)
    );
}
