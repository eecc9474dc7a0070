//! Downloads from servers as they are: links that lead elsewhere, cookies, and answers that no RFC allows but
//! curl and browsers accept. The file is named after where its link led.

use flate2::Compression;
use flate2::write::GzEncoder;
use harness::answering::Answering;
use harness::ftp::{FtpOrigin, Transfer};
use harness::http::{self, Response};
use harness::problem::expect_problem;
use harness::remains::{Remains, expect_no_unfinished};
use harness::service::query;
use harness::web::{Behaviour, Origin};
use harness::{Service, digest, images};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;

fn installer() -> Vec<u8> {
    fs::read(images::installer()).unwrap()
}

fn put(service: &Service, name: &str, parameters: &[(&str, &str)]) -> Response {
    let fixed = [("name", name), ("version", "1"), ("wait", "20")];
    let parameters = query(&[&fixed, parameters].concat());
    http::request("PUT", &service.north(&format!("/images?{parameters}")), &[], "")
}

/// Registers an image from the web that must be served, with the installer's bytes.
#[track_caller]
fn fetched(service: &Service, name: &str, url: &str) -> Value {
    let image = put(service, name, &[("isoweb", url)]).expect_status(200).json();
    assert_eq!(image["status"], "OK", "{url}: {image}");
    assert_eq!(image["sha256"], digest::of_bytes(&installer()), "{url}: {image}");
    image
}

#[test]
fn a_file_is_named_after_where_its_link_led() {
    let service = Service::start(&json!({}));
    let origin = Origin::start();
    for path in ["/mirror/clone-3.1.iso", "/mirror/parted-1.6.iso", "/1/download", "/2/download", "/get"] {
        origin.on(path, Behaviour::Bytes(installer()));
    }
    for file in ["clone-3.1", "parted-1.6"] {
        let target = format!("/mirror/{file}.iso?viasf=1");
        origin.on(&format!("/files/{file}.iso/download"), Behaviour::Redirect(target));
    }
    origin.on("/files/direct.iso/download", Behaviour::Bytes(installer()));
    origin.on("/latest.iso", Behaviour::Redirect("/objects/5f3a".to_owned()));
    let proposed = "attachment; filename=\"real 1.iso\"".to_owned();
    origin.on("/objects/5f3a", Behaviour::Disposition(proposed, installer()));
    for (name, path, iso) in [
        ("clone", "/files/clone-3.1.iso/download", "clone-3.1.iso"),
        ("parted", "/files/parted-1.6.iso/download", "parted-1.6.iso"),
        ("direct", "/files/direct.iso/download", "direct.iso"),
        ("one", "/1/download", "one-1.iso"),
        ("two", "/2/download", "two-1.iso"),
        ("get", "/get?id=1", "get"),
        ("again", "/get?id=2", "again-1.iso"),
        ("latest", "/latest.iso", "real 1.iso"),
    ] {
        assert_eq!(fetched(&service, name, &origin.url(path))["iso"], iso, "{path}");
    }
    // That the name is another image's is known only when the link has led to it.
    origin.on("/new", Behaviour::Redirect("/mirror/clone-3.1.iso".to_owned()));
    let before = Remains::of(&service);
    let answer = put(&service, "late", &[("isoweb", &origin.url("/new"))]);
    expect_problem(&service, &answer, 409, "clone-3.1.iso");
    before.expect_again(&service, "a name that is taken");
}

#[test]
fn a_checksum_file_lists_a_file_by_the_name_that_its_link_leads_to() {
    let service = Service::start(&json!({}));
    let origin = Origin::start();
    origin.on("/real-1.iso", Behaviour::Bytes(installer()));
    origin.on("/latest", Behaviour::Redirect("/real-1.iso".to_owned()));
    origin.on("/real-2.iso/download", Behaviour::Redirect("/objects/7".to_owned()));
    origin.on("/objects/7", Behaviour::Bytes(installer()));
    let (good, bad) = (digest::of_bytes(&installer()), "0".repeat(64));
    let sums = format!("{good}  real-1.iso\n{good}  real-2.iso\n{bad}  other.iso\n");
    origin.on("/SHA256SUMS", Behaviour::Bytes(sums.into_bytes()));
    origin.on("/WRONG", Behaviour::Bytes(format!("{bad}  real-1.iso\n").into_bytes()));
    let sums = origin.url("/SHA256SUMS");
    for (name, path, iso) in
        [("led", "/latest", "real-1.iso"), ("within", "/real-2.iso/download", "real-2.iso")]
    {
        let image = put(&service, name, &[("isoweb", &origin.url(path)), ("checksum", &sums)]);
        let image = image.expect_status(200).json();
        assert_eq!((&image["status"], &image["iso"]), (&json!("OK"), &json!(iso)), "{image}");
        http::delete(&service.north(&format!("/images?name={name}&version=1"))).expect_status(200);
        http::delete(&service.north(&format!("/iso?name={iso}"))).expect_status(200);
    }
    let before = Remains::of(&service);
    let link = origin.url("/latest");
    let wrong = put(&service, "wrong", &[("isoweb", &link), ("checksum", &origin.url("/WRONG"))]);
    expect_problem(&service, &wrong, 422, &bad);
    // The right digest of another kind is of no use, and said to be.
    origin.on("/SHA3-256SUMS", Behaviour::Bytes(format!("{good}  real-1.iso\n").into_bytes()));
    let other = put(&service, "other", &[("isoweb", &link), ("checksum", &origin.url("/SHA3-256SUMS"))]);
    expect_problem(&service, &other, 422, "only with its SHA3-256");
    before.expect_again(&service, "digests that say no");
}

#[test]
fn redirects_are_followed_as_servers_write_them() {
    let service = Service::start(&json!({}));
    let (origin, ftp) = (Origin::start(), FtpOrigin::start());
    let host = origin.address();
    origin.on("/d%C3%A9p%C3%B4t/syst%C3%A8me.iso", Behaviour::Bytes(installer()));
    origin.on("/with%20space.iso", Behaviour::Bytes(installer()));
    origin.on("/folder/near.iso", Behaviour::Bytes(installer()));
    origin.on(
        "/query.iso",
        Behaviour::Each(vec![Behaviour::Redirect("?ready=1".to_owned()), Behaviour::Bytes(installer())]),
    );
    ftp.on("/pub/by-ftp.iso", Transfer::Whole(installer()));
    for (name, location, iso) in [
        ("utf-8", "/dép%C3%B4t/système.iso".to_owned(), "système.iso"),
        ("space", "/with space.iso".to_owned(), "with space.iso"),
        ("host", format!("//{host}/folder/near.iso#part"), "near.iso"),
        ("query", "/query.iso".to_owned(), "query.iso"),
        ("ftp", ftp.url("/pub/by-ftp.iso"), "by-ftp.iso"),
    ] {
        origin.on(&format!("/start/{name}"), Behaviour::Redirect(location));
        let image = fetched(&service, name, &origin.url(&format!("/start/{name}")));
        assert_eq!(image["iso"], iso, "{image}");
    }
    // As many as browsers follow.
    for hop in 1..20 {
        origin.on(&format!("/hop/{hop}"), Behaviour::Redirect(format!("/hop/{}", hop + 1)));
    }
    origin.on("/hop/20", Behaviour::Redirect("/far.iso".to_owned()));
    origin.on("/far.iso", Behaviour::Bytes(installer()));
    fetched(&service, "hops", &origin.url("/hop/1"));
    // Nothing to follow, and a link that the policy refuses.
    for (location, part) in [("", "302"), ("ftp://169.254.169.254/x.iso", "169.254.169.254")] {
        origin.on("/nowhere", Behaviour::Redirect(location.to_owned()));
        let answer = put(&service, "nowhere", &[("isoweb", &origin.url("/nowhere"))]);
        expect_problem(&service, &answer, 422, part);
    }
    expect_no_unfinished(&service);
}

#[test]
fn cookies_last_as_long_as_the_redirects_of_one_download() {
    let service = Service::start(&json!({}));
    let origin = Origin::start();
    let set = |to: String| Behaviour::Redirect(format!("{to}\r\nSet-Cookie: pass=s3cr3t; Path=/"));
    origin.on("/own.iso", Behaviour::Each(vec![set("/own.iso".to_owned()), Behaviour::Bytes(installer())]));
    origin.on("/foreign.iso", Behaviour::Bytes(installer()));
    let foreign = origin.url("/foreign.iso").replace("127.0.0.1", "localhost");
    origin.on("/start", set(foreign));
    fetched(&service, "own", &origin.url("/own.iso"));
    fetched(&service, "foreign", &origin.url("/start"));
    let cookies = |path: &str| -> Vec<Option<String>> {
        origin.asked_for(path).into_iter().map(|seen| seen.headers.get("cookie").cloned()).collect()
    };
    assert_eq!(cookies("/own.iso"), [None, Some("pass=s3cr3t".to_owned())]);
    // The next download begins without it, and no other host gets it.
    assert_eq!((cookies("/start"), cookies("/foreign.iso")), (vec![None], vec![None]));
    assert!(!service.log().contains("s3cr3t"), "{}", service.log());
}

/// Many servers close a connection after each answer without a word.
#[test]
fn a_connection_that_closes_after_a_redirect_is_not_used_again() {
    let service = Service::start(&json!({"downloadRetries": 0}));
    let target = Answering::start("HTTP/1.1 302 Found\nLocation: ?next\nContent-Length: 0", &[]);
    for _ in 0..20 {
        // Each redirect leads to the same server, so the request gets as far as the limit of redirects.
        let answer = put(&service, "loop", &[("isoweb", &target.url("/loop.iso"))]);
        expect_problem(&service, &answer, 422, "redirects too often");
    }
}

#[test]
fn answers_that_curl_and_browsers_accept_are_accepted() {
    let service = Service::start(&json!({"downloadRetries": 0}));
    let bytes = installer();
    let size = bytes.len();
    let chunked = [format!("{size:x}\r\n").as_bytes(), &bytes, b"\r\n0\r\n\r\n"].concat();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes).unwrap();
    let gzip = encoder.finish().unwrap();
    let length = format!("Content-Length: {size}\nConnection: close");
    let odd = vec![
        ("http-1-0", Answering::start("HTTP/1.0 200 OK\nServer: old", &bytes)),
        ("scanned", Answering::start(&format!("HTTP/1.1 203 Scanned\n{length}"), &bytes)),
        ("no-reason", Answering::start(&format!("HTTP/1.1 200\n{length}"), &bytes)),
        ("no-reason-space", Answering::start(&format!("HTTP/1.1 200 \n{length}"), &bytes)),
        ("lines", Answering::exactly([format!("HTTP/1.1 200 OK\n{length}\n\n").as_bytes(), &bytes].concat())),
        (
            "case",
            Answering::start(&format!("HTTP/1.1 200 OK\ncOnTeNt-LeNgTh:{size}\nconnection:close"), &bytes),
        ),
        ("folded", Answering::start(&format!("HTTP/1.1 200 OK\nX-Long: a\n  b\n{length}"), &bytes)),
        ("no-colon", Answering::start(&format!("HTTP/1.1 200 OK\nnonsense\n{length}"), &bytes)),
        ("twice", Answering::start(&format!("HTTP/1.1 200 OK\nContent-Length: {size}\n{length}"), &bytes)),
        (
            "both",
            Answering::start(&format!("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n{length}"), &chunked),
        ),
        (
            "identity",
            Answering::start(&format!("HTTP/1.1 200 OK\nTransfer-Encoding: identity\n{length}"), &bytes),
        ),
        (
            "part",
            Answering::start(
                &format!(
                    "HTTP/1.1 206 Partial Content\nContent-Range: bytes 0-{}/{size}\n{length}",
                    size - 1
                ),
                &bytes,
            ),
        ),
        (
            "trailing",
            Answering::start(&format!("HTTP/1.1 200 OK\n{length}"), &[&bytes[..], b"junk"].concat()),
        ),
        (
            "gzip",
            Answering::start(
                &format!("HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: {}", gzip.len()),
                &gzip,
            ),
        ),
    ];
    for (name, server) in odd {
        fetched(&service, name, &server.url(&format!("/{name}.iso")));
    }
    let cut = Answering::start(
        "HTTP/1.1 200 OK\nContent-Encoding: gzip\nConnection: close",
        &gzip[..gzip.len() / 2],
    );
    let answer = put(&service, "cut", &[("isoweb", &cut.url("/cut.iso"))]);
    expect_problem(&service, &answer, 422, "cannot be decoded");
    expect_no_unfinished(&service);
}

#[test]
fn what_a_server_says_and_does_not_do_changes_nothing() {
    let service = Service::start(&json!({"downloadRetries": 0}));
    let bytes = installer();
    let length = format!("Content-Length: {}\nConnection: close", bytes.len());
    let many: String = (0..300).map(|number| format!("X-Field-{number}: x\n")).collect();
    for (name, head) in [
        ("none", "200 OK\nContent-Encoding: none\n"),
        ("binary", "200 OK\nContent-Encoding: binary\n"),
        ("charset", "200 OK\nContent-Encoding: UTF-8\n"),
        ("empty", "200 OK\nContent-Encoding:\n"),
        // The words of codings, of which there is none.
        ("gzip-said", "200 OK\nContent-Encoding: gzip\n"),
        ("br-said", "200 OK\nContent-Encoding: br\n"),
        ("twice-said", "200 OK\nContent-Encoding: gzip, gzip\n"),
        ("transfer-none", "200 OK\nTransfer-Encoding: none\n"),
        ("created", "201 Created\n"),
        ("unknown", "299 Fine\n"),
        ("many-fields", &format!("200 OK\n{many}")),
    ] {
        let server = Answering::start(&format!("HTTP/1.1 {head}{length}"), &bytes);
        fetched(&service, name, &server.url(&format!("/{name}.iso")));
    }
    // What is compressed otherwise is not undone, and the reason says so.
    let noise = images::pattern(7, bytes.len());
    let other = Answering::start(&format!("HTTP/1.1 200 OK\nContent-Encoding: br\n{length}"), &noise);
    let answer = put(&service, "br", &[("isoweb", &other.url("/br.iso"))]);
    expect_problem(&service, &answer, 422, "encoded (br)");
    expect_no_unfinished(&service);
}
