//! The web pages: what browsers receive, how they cache it, and the policy that confines it.

use base64::prelude::{BASE64_STANDARD, Engine};
use brotli::Decompressor;
use flate2::read::GzDecoder;
use harness::http::{self, Response};
use harness::problem::expect_problem;
use harness::program::{finish, program};
use harness::{Service, Setup};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

/// The Accept field of a browser for a typed address.
const BROWSER: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
/// The Accept-Encoding of browsers without TLS, and with it.
const GZIP: (&str, &str) = ("Accept-Encoding", "gzip, deflate");
const BROTLI: (&str, &str) = ("Accept-Encoding", "gzip, deflate, br, zstd");

fn get(service: &Service, path: &str, headers: &[(&str, &str)]) -> Response {
    http::request("GET", &service.north(path), headers, "")
}

fn unpacked(response: &Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    match response.header("content-encoding") {
        Some("gzip") => GzDecoder::new(response.body.as_slice()).read_to_end(&mut bytes).unwrap(),
        Some("br") => Decompressor::new(response.body.as_slice(), 4096).read_to_end(&mut bytes).unwrap(),
        other => panic!("not compressed: {other:?}"),
    };
    bytes
}

/// The values of an attribute in a page, in order.
fn attributes(page: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    page.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// The paths of all files that a page refers to, resolved at `place`.
fn files(page: &str, place: &str) -> BTreeSet<String> {
    let base = url::Url::parse("http://host").unwrap().join(place).unwrap();
    let map = page.split("<script type=\"importmap\">").nth(1).unwrap().split("</script>").next().unwrap();
    let map: serde_json::Value = serde_json::from_str(map).unwrap();
    let mapped = map["imports"].as_object().unwrap().values().map(|path| path.as_str().unwrap().to_owned());
    let links = attributes(page, "href").into_iter().chain(attributes(page, "src"));
    let links = links.filter(|link| link.contains("/") && !link.starts_with('#'));
    links.chain(mapped).map(|link| base.join(&link).unwrap().path().to_owned()).collect()
}

#[test]
fn each_page_and_all_its_files_are_there_and_are_kept() {
    let service = Setup::new().start();
    for place in ["/", "/gui/", "/docs"] {
        let page = get(&service, place, &[BROWSER]).expect_status(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{place}");
        assert_eq!(page.header("cache-control"), Some("no-cache"), "{place}");
        let small = get(&service, place, &[BROWSER, GZIP]).expect_status(200);
        assert_eq!(unpacked(&small), page.body, "{place}");
        let files = files(&page.text(), place);
        assert!(files.len() > 5, "{place}: {files:?}");
        for file in files {
            let whole = get(&service, &file, &[]).expect_status(200);
            let kind = match file.rsplit('.').next().unwrap() {
                "js" => "text/javascript; charset=utf-8",
                "css" => "text/css; charset=utf-8",
                "svg" => "image/svg+xml",
                other => panic!("{file}: {other}"),
            };
            assert_eq!(whole.header("content-type"), Some(kind), "{file}");
            assert_eq!(whole.header("x-content-type-options"), Some("nosniff"), "{file}");
            assert_eq!(whole.header("cache-control"), Some("public, max-age=31536000, immutable"), "{file}");
            assert_eq!(whole.header("vary"), Some("Accept-Encoding"), "{file}");
            assert_eq!(whole.header("content-encoding"), None, "{file}");
            assert!(!whole.body.is_empty(), "{file}");
            let small = get(&service, &file, &[GZIP]).expect_status(200);
            let smaller = get(&service, &file, &[BROTLI]).expect_status(200);
            assert_eq!(smaller.header("content-encoding"), Some("br"), "{file}");
            let forms = [&whole, &small, &smaller];
            assert!(forms.iter().skip(1).all(|form| unpacked(form) == whole.body), "{file}");
            assert!(
                forms.is_sorted_by(|a, b| a.body.len() > b.body.len()) || whole.body.len() < 200,
                "{file} grows when it is compressed"
            );
            let tags: BTreeSet<_> = forms.iter().map(|form| form.header("etag")).collect();
            assert_eq!(tags.len(), 3, "{file}: a tag for each form");
            let head = http::request("HEAD", &service.north(&file), &[], "").expect_status(200);
            assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()), "{file}");
            for (form, asked) in forms.into_iter().zip([&[][..], &[GZIP], &[BROTLI]]) {
                let tag = form.header("etag").unwrap();
                let again = [&[("If-None-Match", tag)], asked].concat();
                let again = get(&service, &file, &again).expect_status(304);
                assert_eq!((again.body.len(), again.header("etag")), (0, Some(tag)), "{file}");
            }
        }
        let tag = page.header("etag").unwrap().to_owned();
        get(&service, place, &[BROWSER, ("If-None-Match", &tag)]).expect_status(304);
        get(&service, place, &[BROWSER, ("If-None-Match", "\"other\"")]).expect_status(200);
    }
}

/// A tag that survives a change of the text would leave browsers with an old page and the new policy, which
/// forbids its import map.
#[test]
fn the_tag_of_a_page_is_that_of_its_own_text() {
    let service = Setup::new().start();
    let pages = ["/", "/gui/", "/docs"].map(|place| get(&service, place, &[BROWSER]).expect_status(200));
    for (index, page) in pages.iter().enumerate() {
        for other in &pages[index + 1..] {
            assert_ne!(page.body, other.body);
            assert_ne!(page.header("etag").unwrap(), other.header("etag").unwrap());
        }
    }
}

#[test]
fn head_tells_what_get_tells() {
    let service = Setup::new().start();
    let page = get(&service, "/", &[BROWSER]).expect_status(200);
    let file = files(&page.text(), "/").into_iter().find(|file| file.ends_with("/app.js")).unwrap();
    for path in ["/", "/gui/", "/gui", "/docs", "/about", &file, "/gui/none/app.js"] {
        for form in [vec![BROWSER], vec![BROWSER, GZIP]] {
            let tag = get(&service, path, &form).header("etag").unwrap_or("\"none\"").to_owned();
            for headers in [form.clone(), [form, vec![("If-None-Match", tag.as_str())]].concat()] {
                let told = |method: &str| {
                    let answer = http::request(method, &service.north(path), &headers, "");
                    let is_own = |name: &str| matches!(name, "Date" | "X-Request-Id");
                    let fields = answer.headers.into_iter().filter(|(name, _)| !is_own(name));
                    (answer.status, fields.collect::<BTreeSet<_>>())
                };
                assert_eq!(told("HEAD"), told("GET"), "{path} {headers:?}");
            }
        }
    }
}

#[test]
fn browsers_are_told_what_to_hold_a_page_to() {
    let service = Setup::new().start();
    for place in ["/", "/gui/", "/docs"] {
        let page = get(&service, place, &[BROWSER]).expect_status(200);
        let shown = page.text();
        let map =
            shown.split("<script type=\"importmap\">").nth(1).unwrap().split("</script>").next().unwrap();
        let hash = BASE64_STANDARD.encode(Sha256::digest(map));
        let policy = page.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'none'",
            &format!("script-src 'self' 'sha256-{hash}'"),
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split(';').any(|part| part.trim() == rule), "{place}: no {rule} in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        // The page needs nothing that the policy forbids.
        assert_eq!(shown.matches("<script").count(), 2, "{place}: the import map and the entry alone");
        for forbidden in ["style=", "<style", "onclick", "http://", "https://"] {
            assert!(!shown.contains(forbidden), "{place} has {forbidden}");
        }
    }
}

#[test]
fn only_files_of_the_page_are_given_away() {
    let service = Setup::new().start();
    let page = get(&service, "/", &[BROWSER]).expect_status(200).text();
    let entry = files(&page, "/").into_iter().find(|file| file.ends_with("/app.js")).unwrap();
    let folder = entry.strip_suffix("app.js").unwrap();
    for path in [
        "/gui/0000000000000000/app.js",
        "/gui/dev/app.js",
        &format!("{folder}nothing.js"),
        &format!("{folder}index.html"),
        &format!("{folder}tsconfig.json"),
        &format!("{folder}types.d.ts"),
        &format!("{folder}vendor/README.md"),
        &format!("{folder}../app.js"),
        &format!("{folder}%2e%2e/{entry}"),
        &format!("{folder}lib/../app.js"),
        &format!("{folder}%2fetc%2fpasswd"),
        &format!("{folder}%00"),
        &format!("{folder}%ff.js"),
        "/gui/%ff/app.js",
        folder,
    ] {
        let answer = get(&service, path, &[]);
        expect_problem(&service, &answer, 404, "");
    }
    for path in ["/", "/gui", "/gui/", "/docs", "/about", &entry] {
        let answer = http::request("POST", &service.north(path), &[], "");
        expect_problem(&service, &answer, 405, "GET, HEAD, OPTIONS");
        let options = http::request("OPTIONS", &service.north(path), &[], "").expect_status(204);
        for answer in [answer, options] {
            assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"), "{path}");
        }
    }
}

#[test]
fn the_root_is_a_page_for_browsers_and_an_index_for_programs() {
    let service = Setup::new().start();
    for headers in [&[][..], &[("Accept", "*/*")], &[("Accept", "application/json")]] {
        let index = get(&service, "/", headers).expect_status(200);
        assert_eq!(index.json()["service"], "image-service", "{headers:?}");
        assert_eq!(index.header("vary"), Some("Accept"), "{headers:?}");
        assert_eq!(index.json(), get(&service, "/about", headers).expect_status(200).json());
    }
    let page = get(&service, "/", &[BROWSER]).expect_status(200);
    assert!(page.text().starts_with("<!doctype html>"));
    let vary: Vec<&str> =
        page.headers.iter().filter(|(name, _)| name == "Vary").map(|(_, value)| value.as_str()).collect();
    assert_eq!(vary, ["Accept-Encoding", "Accept"]);
    // The previous service's path redirects relatively, below any path that a proxy has.
    let moved = get(&service, "/gui", &[BROWSER]).expect_status(308);
    assert_eq!(moved.header("location"), Some("gui/"));
}

#[test]
fn what_a_page_links_to_without_scripts_is_there() {
    let service = Setup::new().start();
    for place in ["/", "/gui/"] {
        let page = get(&service, place, &[BROWSER]).expect_status(200).text();
        let base = url::Url::parse(&service.north(place)).unwrap();
        let link = attributes(&page, "href").into_iter().find(|link| link.ends_with("docs")).unwrap();
        let mut link = base.join(&link).unwrap();
        let mut answer = http::request("GET", link.as_str(), &[BROWSER], "");
        if answer.status == 308 {
            link = link.join(answer.header("location").unwrap()).unwrap();
            answer = http::request("GET", link.as_str(), &[BROWSER], "");
        }
        assert_eq!((answer.status, link.path()), (200, "/docs"), "{place}");
    }
}

#[test]
fn the_page_tells_where_machines_find_files() {
    let service = Setup::new().start();
    let southbound = service.south("/");
    assert_eq!(get(&service, "/about", &[]).expect_status(200).json()["southboundUrl"], southbound);
    drop(service);

    let setup = Setup::new()
        .set("httpFileServiceApiRoot", json!("/files"))
        .set("allowedHosts", json!(["boot.example"]))
        .set("trustedProxies", json!(["127.0.0.1"]))
        .set(
            "httpEndpoints",
            json!([
                { "address": "127.0.0.1", "port": 0, "routers": "northbound" },
                { "address": "0.0.0.0", "port": 0, "routers": "southbound" },
            ]),
        );
    let service = setup.start();
    let index = |host: &str| {
        let request = http::Request::new("GET", "/about").without_host().header("Host", host);
        let answer = http::Connection::open(&service.north("/about")).exchange(&request).unwrap();
        answer.expect_status(200).json()
    };
    let url = index("boot.example:7070")["southboundUrl"].as_str().unwrap().to_owned();
    let port = url.strip_prefix("http://boot.example:").unwrap().strip_suffix("/files/").unwrap();
    assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{url}");
    assert_eq!(index("[2001:db8::1]:7070")["southboundUrl"], format!("http://[2001:db8::1]:{port}/files/"));
    assert_eq!(index("[::ffff:192.0.2.7]")["southboundUrl"], format!("http://192.0.2.7:{port}/files/"));
    // A trusted proxy tells the name that the client called.
    let told = get(&service, "/about", &[("X-Forwarded-Host", "boot.example")]).expect_status(200).json();
    assert_eq!(told["southboundUrl"], url);
    for hostile in ["\"><script>", "user@boot.example", "boot.example/x", ""] {
        get(&service, "/about", &[("X-Forwarded-Host", hostile)]);
    }
    drop(service);

    let service = Setup::new().set("southboundUrl", json!("https://boot.example/tree")).start();
    assert_eq!(
        get(&service, "/about", &[]).expect_status(200).json()["southboundUrl"],
        "https://boot.example/tree/"
    );
}

#[test]
fn where_both_doors_share_an_endpoint_the_page_is_at_its_old_place() {
    let setup = Setup::new().file("static/hello.txt", "hello").set(
        "httpEndpoints",
        json!([{ "address": "127.0.0.1", "port": 0, "routers": ["northbound", "southbound"] }]),
    );
    let service = setup.start();
    let page = get(&service, "/gui/", &[BROWSER]).expect_status(200);
    for file in files(&page.text(), "/gui/") {
        get(&service, &file, &[]).expect_status(200);
    }
    assert!(
        get(&service, "/", &[BROWSER]).expect_status(200).text().contains("hello.txt"),
        "files are at the root"
    );
    assert_eq!(get(&service, "/about", &[]).expect_status(200).json()["service"], "image-service");
}

#[test]
fn the_southbound_knows_nothing_of_it() {
    let service = Setup::new().file("static/page.html", "<p>page</p>").start();
    for path in ["/gui/", "/docs", "/about"] {
        http::request("GET", &service.south(path), &[BROWSER], "").expect_status(404);
    }
    let answer = http::request("GET", &service.south("/page.html"), &[GZIP], "").expect_status(200);
    assert_eq!((answer.header("content-encoding"), answer.body.as_slice()), (None, &b"<p>page</p>"[..]));
}

#[test]
fn whoever_works_on_it_sees_each_change_at_once() {
    let setup = Setup::new();
    let write = |path: &str, bytes: &str| {
        let path = setup.path("ui").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("index.html", "<!doctype html>\n<!-- head -->\n<p>one</p>");
    write("importmap.json", r#"{"x": "x.js"}"#);
    write("app.js", "import { y } from './lib/y.js';\nimport x from 'x';");
    write("lib/y.js", "export const y = 1;");
    write("x.js", "export default 1;");
    fs::write(setup.path("secret.js"), "secret").unwrap();
    let folder = setup.path("ui");
    let service = setup.env("IMAGE_SERVICE_WEB_UI", folder.to_str().unwrap()).start();
    let page = get(&service, "/", &[BROWSER, GZIP]).expect_status(200);
    assert_eq!((page.header("cache-control"), page.header("etag")), (Some("no-store"), None));
    let expected: BTreeSet<String> =
        ["app.js", "icon.svg", "lib/y.js", "style.css", "x.js"].map(|file| format!("/gui/dev/{file}")).into();
    assert_eq!(files(&page.text(), "/"), expected);
    let file = get(&service, "/gui/dev/lib/y.js", &[GZIP]).expect_status(200);
    assert_eq!(
        (file.text().as_str(), file.header("cache-control")),
        ("export const y = 1;", Some("no-store"))
    );

    fs::write(folder.join("lib/y.js"), "export const y = 2;").unwrap();
    fs::write(folder.join("index.html"), "<!-- head --><p>two</p>").unwrap();
    assert_eq!(get(&service, "/gui/dev/lib/y.js", &[]).expect_status(200).text(), "export const y = 2;");
    assert!(get(&service, "/", &[BROWSER]).expect_status(200).text().contains("two"));
    for path in ["/gui/dev/../secret.js", "/gui/dev/%2e%2e/secret.js", "/gui/dev/lib%2f..%2f..%2fsecret.js"] {
        get(&service, path, &[]).expect_status(404);
    }
    fs::remove_file(folder.join("index.html")).unwrap();
    get(&service, "/", &[BROWSER]).expect_status(404);
}

#[test]
fn a_folder_that_is_none_is_told_before_anything_is_bound() {
    let setup = Setup::new().file("file", "");
    for folder in ["nowhere", "file"] {
        let folder = setup.path(folder);
        let folder = folder.to_str().unwrap();
        let ended = finish(program(&["check-config", "--web-ui", folder]));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        for part in ["--web-ui", folder, "folder"] {
            assert!(ended.stderr.contains(part), "no {part} in {ended:?}");
        }
    }
    let ended = finish(program(&["check-config", "--web-ui", setup.path("").to_str().unwrap()]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
