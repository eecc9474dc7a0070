//! The egress policy: links, redirects and the addresses of names are checked against the settings; proxies
//! of the environment are used.

use harness::ftp::{FtpOrigin, Transfer};
use harness::http::{self, Response};
use harness::problem::expect_problem;
use harness::proxy::Proxy;
use harness::remains::Remains;
use harness::service::query;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup, images};
use serde_json::json;
use std::fs;

fn installer() -> Vec<u8> {
    fs::read(images::installer()).unwrap()
}

#[track_caller]
fn put(service: &Service, name: &str, url: &str) -> Response {
    let parameters = query(&[("name", name), ("version", "1"), ("isoweb", url)]);
    http::request("PUT", &service.north(&format!("/images?{parameters}")), &[("Prefer", "wait=20")], "")
}

/// Downloads an image, checks its bytes, and deletes it.
#[track_caller]
fn expect_fetched(service: &Service, url: &str) {
    let image = put(service, "fetched", url).expect_status(200).json();
    assert_eq!(image["status"], "OK", "{url}: {image}");
    http::delete(&service.north("/images?name=fetched&version=1")).expect_status(200);
}

/// Panics unless the link is refused, without a request to any server.
#[track_caller]
fn expect_refused(service: &Service, url: &str, part: &str) {
    let before = Remains::of(service);
    let answer = put(service, "refused", url);
    let problem = expect_problem(service, &answer, 422, part);
    assert_eq!(problem["parameter"], "isoweb", "{url}");
    before.expect_again(service, url);
}

/// The same server by a name.
fn by_name(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}

#[test]
fn link_local_and_metadata_addresses_are_refused_unless_allowed() {
    let service = Service::start(&json!({"downloadStallTimeout": 1500}));
    let origin = Origin::start();
    origin.on("/good.iso", Behaviour::Bytes(installer()));
    for link in [
        "http://169.254.169.254/latest/meta-data/x.iso",
        "http://2852039166/x.iso",
        "http://0xa9fea9fe/x.iso",
        "http://[::ffff:169.254.169.254]/x.iso",
        "http://[64:ff9b::a9fe:a9fe]/x.iso",
        "http://[2002:a9fe:a9fe::1]/x.iso",
        "http://[fe80::1]/x.iso",
        "http://[fd00:ec2::254]/x.iso",
        "http://100.100.100.200/x.iso",
        "https://169.254.169.254/x.iso",
        "ftp://169.254.169.254/x.iso",
    ] {
        expect_refused(&service, link, "`downloadLinkLocal`");
        // A redirect to it is refused too.
        origin.on("/corner.iso", Behaviour::Redirect(link.to_owned()));
        if !link.starts_with("ftp") {
            expect_refused(&service, &origin.url("/corner.iso"), "`downloadLinkLocal`");
        }
    }
    // Private networks, where RackHD's servers are, are allowed by default, by address and by name.
    expect_fetched(&service, &origin.url("/good.iso"));
    expect_fetched(&service, &by_name(&origin.url("/good.iso")));
}

#[test]
fn private_addresses_can_be_turned_off() {
    let service = Service::start(&json!({"downloadPrivate": false, "downloadStallTimeout": 1500}));
    let (origin, ftp) = (Origin::start(), FtpOrigin::start());
    origin.on("/good.iso", Behaviour::Bytes(installer()));
    ftp.on("/good.iso", Transfer::Whole(installer()));
    for link in [
        origin.url("/good.iso"),
        by_name(&origin.url("/good.iso")),
        ftp.url("/good.iso"),
        by_name(&ftp.url("/good.iso")),
        "http://10.0.0.1/x.iso".to_owned(),
        "http://[fc00::1]/x.iso".to_owned(),
        "http://[::1]/x.iso".to_owned(),
        "http://0.0.0.0/x.iso".to_owned(),
    ] {
        expect_refused(&service, &link, "`downloadPrivate`");
    }
    expect_refused(&service, &by_name(&origin.url("/good.iso")), "of host localhost");
    assert!(origin.seen().is_empty(), "{:?}", origin.seen());
    assert!(ftp.commands().is_empty(), "{:?}", ftp.commands());
}

#[test]
fn listed_networks_are_the_only_ones() {
    let origin = Origin::start();
    origin.on("/good.iso", Behaviour::Bytes(installer()));
    let other = Service::start(&json!({"downloadNetworks": ["192.0.2.0/24"]}));
    for link in [origin.url("/good.iso"), by_name(&origin.url("/good.iso"))] {
        expect_refused(&other, &link, "`downloadNetworks`");
    }
    assert!(origin.seen().is_empty(), "{:?}", origin.seen());
    // `downloadNetworks` overrides the other settings.
    let this = Service::start(&json!({"downloadNetworks": ["127.0.0.0/8"], "downloadPrivate": false}));
    expect_fetched(&this, &origin.url("/good.iso"));
    expect_fetched(&this, &by_name(&origin.url("/good.iso")));
}

#[test]
fn schemes_and_hosts_can_be_listed() {
    let (origin, ftp) = (Origin::start(), FtpOrigin::start());
    origin.on("/good.iso", Behaviour::Bytes(installer()));
    ftp.on("/good.iso", Transfer::Whole(installer()));
    let service = Service::start(&json!({"downloadSchemes": ["http"], "downloadHosts": ["localhost"]}));
    expect_fetched(&service, &by_name(&origin.url("/good.iso")));
    expect_refused(&service, &origin.url("/good.iso"), "`downloadHosts`");
    expect_refused(&service, &by_name(&ftp.url("/good.iso")), "`downloadSchemes`");
    let secure = by_name(&origin.url("/good.iso")).replace("http://", "https://");
    for (target, part) in [
        (origin.url("/good.iso"), "`downloadHosts`"),
        ("http://elsewhere.example/x.iso".to_owned(), "`downloadHosts`"),
        (secure, "`downloadSchemes`"),
        ("file:///etc/passwd".to_owned(), "`downloadSchemes`"),
        (by_name(&ftp.url("/good.iso")), "`downloadSchemes`"),
    ] {
        origin.on("/corner.iso", Behaviour::Redirect(target));
        expect_refused(&service, &by_name(&origin.url("/corner.iso")), part);
    }
}

#[test]
fn a_proxy_of_the_environment_is_used() {
    let (origin, proxy) = (Origin::start(), Proxy::start());
    origin.on("/good.iso", Behaviour::Bytes(installer()));
    proxy.knows("mirror.invalid:8080", origin.address());
    proxy.knows("mirror.invalid:443", origin.address());
    let service = Setup::new()
        .set("downloadPrivate", json!(false))
        .env("http_proxy", &proxy.url())
        .env("HTTPS_PROXY", &proxy.url())
        .env("NO_PROXY", "127.0.0.2")
        .start();
    // A name that only the proxy resolves. The proxy itself is on loopback, which links must not reach.
    expect_fetched(&service, "http://mirror.invalid:8080/good.iso");
    let heads = proxy.seen();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(heads[0].starts_with("GET http://mirror.invalid:8080/good.iso "), "{heads:?}");
    assert!(heads[0].to_ascii_lowercase().contains("proxy-authorization: basic "), "{heads:?}");
    let sent = origin.seen().remove(0);
    assert_eq!(sent.headers["host"], "mirror.invalid:8080");

    // Links by way of the proxy are checked as far as possible, and so are those that bypass it.
    for link in [
        "http://169.254.169.254/x.iso",
        "http://10.0.0.1/x.iso",
        "http://localhost/x.iso",
        "http://127.0.0.2/x.iso",
    ] {
        expect_refused(&service, link, "may not be connected to");
    }
    origin.on("/corner.iso", Behaviour::Redirect("http://169.254.169.254/x.iso".to_owned()));
    expect_refused(&service, "http://mirror.invalid:8080/corner.iso", "`downloadLinkLocal`");
    assert_eq!(proxy.seen().len(), 2, "{:?}", proxy.seen());

    // For HTTPS the proxy only passes bytes on; the error says that the server speaks no TLS.
    let failed = put(&service, "secure", "https://mirror.invalid/good.iso");
    expect_problem(&service, &failed, 422, "through the proxy");
    let last = proxy.seen().pop().unwrap();
    assert!(last.starts_with("CONNECT mirror.invalid:443 "), "{last}");
    // A proxy that does not know the name.
    expect_problem(&service, &put(&service, "unknown", "http://unknown.invalid/good.iso"), 422, "502");
    for secret in ["proxy-user", "proxy-s3cr3t"] {
        assert!(!service.log().contains(secret), "{secret} is logged");
    }
}

#[test]
fn a_dead_proxy_is_told() {
    let service =
        Setup::new().env("ALL_PROXY", &format!("http://127.0.0.1:{}", harness::web::refusing_port())).start();
    let answer = put(&service, "any", "http://mirror.invalid/good.iso");
    expect_problem(&service, &answer, 422, "cannot connect through the proxy");
}
