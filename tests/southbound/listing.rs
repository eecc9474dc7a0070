//! Directory listings: three forms of one content, safe for any name, stable for thousands of entries.

use harness::http::{self, Response};
use harness::{Service, Setup, images, iso};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

/// The Accept field of browsers.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

fn service() -> Service {
    let setup = Setup::new()
        .file("static/folder/beta", "22")
        .file("static/folder/Alpha", "1")
        .file("static/folder/.dot", "333")
        .file("static/folder/gamma.txt", images::pattern(1, 1_500_000))
        .file("static/folder/Zoo/inside", "")
        .file("static/folder/ant/inside", "")
        .file("static/folder/.config/inside", "");
    for name in ["beta", "Alpha", ".dot", "gamma.txt", "Zoo", "ant", ".config"] {
        iso::set_modified(&setup.path(&format!("static/folder/{name}")));
    }
    let service = setup.start();
    service.register("linux", "1", "isolocal", images::installer().to_str().unwrap());
    service
}

/// The entries of `/folder/` in order.
const ORDER: [&str; 7] = [".config", "ant", "Zoo", ".dot", "Alpha", "beta", "gamma.txt"];

#[track_caller]
fn listing(service: &Service, target: &str, accept: &str) -> Response {
    let answer = http::get_with(&service.south(target), &[("Accept", accept)]).expect_status(200);
    assert_eq!(answer.content_length(), Some(u64::try_from(answer.body.len()).unwrap()), "{target}");
    assert_eq!(answer.header("Transfer-Encoding"), None, "{target}");
    answer
}

/// The form of a listing, `html`, `json` or `text`, by its media type.
#[track_caller]
fn form(answer: &Response) -> &'static str {
    let kind = answer.header("Content-Type").unwrap();
    match kind.split(';').next().unwrap() {
        "text/html" => "html",
        "application/json" => "json",
        "text/plain" => "text",
        _ => panic!("{kind}"),
    }
}

#[test]
fn the_form_follows_accept() {
    let service = service();
    let cases = [
        (None, "html"),
        (Some("*/*"), "html"),
        (Some(BROWSER), "html"),
        (Some("text/html"), "html"),
        (Some("text/*"), "html"),
        (Some("image/png"), "html"),
        (Some(""), "html"),
        (Some("nonsense"), "html"),
        (Some("application/json"), "json"),
        (Some("Application/JSON"), "json"),
        (Some("application/json; charset=utf-8"), "json"),
        (Some("application/json, text/plain, */*"), "json"),
        (Some("text/plain"), "text"),
        (Some("text/plain, */*;q=0.1"), "text"),
        (Some("text/html;q=0.5, application/json;q=0.9"), "json"),
        (Some("text/html;q=0.9, application/json;q=0.5"), "html"),
        (Some("text/plain;q=0.8,application/json;q=0.7,text/html;q=0.6"), "text"),
        (Some("text/html;q=0, application/json"), "json"),
        (Some("application/json;q=0, */*"), "html"),
        (Some("text/html;q=0, */*;q=0.5, text/plain;q=0.4"), "json"),
    ];
    for target in ["/folder/", "/folder", "/", "/linux/1/", "/linux/1/images", "/iso/"] {
        for (accept, expected) in cases {
            let headers: Vec<(&str, &str)> = accept.iter().map(|accept| ("Accept", *accept)).collect();
            let answer = http::get_with(&service.south(target), &headers).expect_status(200);
            assert_eq!(form(&answer), expected, "{target} with {accept:?}");
            let vary = answer.header("Vary").unwrap_or_default();
            assert!(
                vary.split(',').any(|name| name.trim().eq_ignore_ascii_case("Accept")),
                "{target}: Vary {vary:?}"
            );
        }
    }
}

#[test]
fn the_query_overrules_accept() {
    let service = service();
    for target in ["/folder/", "/folder", "/linux/1/"] {
        for accept in ["*/*", BROWSER, "application/json", "text/plain"] {
            let ask = |format: &str| listing(&service, &format!("{target}?format={format}"), accept);
            assert_eq!(form(&ask("text")), "text", "{target} {accept}");
            assert_eq!(form(&ask("html")), "html", "{target} {accept}");
            let names = ask("names");
            assert_eq!(form(&names), "json", "{target} {accept}");
            assert!(names.json().as_array().unwrap().iter().all(Value::is_string), "{}", names.text());
            let full = ask("full");
            assert_eq!(form(&full), "json", "{target} {accept}");
            assert!(full.json().as_array().unwrap().iter().all(Value::is_object), "{}", full.text());
        }
    }
}

#[test]
fn folders_come_first_then_names_whatever_their_case() {
    let service = service();
    let text = listing(&service, "/folder/", "text/plain").text();
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('/')).collect();
    assert_eq!(lines, ORDER);
    assert!(text.ends_with('\n'), "{text:?}");
    assert_eq!(listing(&service, "/folder/", "application/json").json(), json!(ORDER));
    assert_eq!(listing(&service, "/folder/?format=names", "*/*").json(), json!(ORDER));
    let full = listing(&service, "/folder/?format=full", "*/*").json();
    let names: Vec<&str> =
        full.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ORDER);
    let page = listing(&service, "/folder/", BROWSER).text();
    let places: Vec<usize> = ["config", "ant", "Zoo", "dot", "Alpha", "beta", "gamma.txt"]
        .map(|name| page.find(&format!("{name}</")).or_else(|| page.find(&format!("{name}/</"))))
        .map(|place| place.unwrap_or_else(|| panic!("a name is not shown:\n{page}")))
        .to_vec();
    assert!(places.is_sorted(), "{places:?}\n{page}");

    let image = listing(&service, "/linux/1/", "application/json").json();
    let position = |name: &str| image.as_array().unwrap().iter().position(|found| found == name).unwrap();
    assert!(position("EFI") < position("images") && position("images") < position("Packages"), "{image}");
    assert!(position("Packages") < position(".treeinfo"), "{image}");
    assert!(position(".treeinfo") < position("empty") && position("empty") < position("README"), "{image}");
}

#[test]
fn full_entries_carry_type_size_and_time() {
    let service = service();
    for (target, file, size, folder) in
        [("/folder/", "gamma.txt", 1_500_000, "ant"), ("/linux/1/", "README", 19, "EFI")]
    {
        let full = listing(&service, &format!("{target}?format=full"), "*/*").json();
        let entry = |name: &str| {
            let found = full.as_array().unwrap().iter().find(|entry| entry["name"] == name);
            found.unwrap_or_else(|| panic!("{name} is missing: {full}")).clone()
        };
        let (file, folder) = (entry(file), entry(folder));
        assert_eq!(file["size"], json!(size), "{file}");
        assert_ne!(file["type"], folder["type"], "{file} {folder}");
        assert!(file["type"].is_string() && folder["type"].is_string(), "{file} {folder}");
        let text = file.to_string();
        assert!(text.contains("2020-02-03T04:05:06") || text.contains("Mon, 03 Feb 2020 04:05:06"), "{text}");
    }
}

#[test]
fn an_index_page_wins_over_a_listing() {
    let service = Setup::new()
        .file("static/site/index.html", "<p>mine</p>")
        .file("static/site/other", "x")
        .file("static/odd/index.html/inside", "a folder of that name\n")
        .start();
    for target in ["/site/", "/site"] {
        let answer = listing(&service, target, BROWSER);
        assert_eq!((answer.text().as_str(), form(&answer)), ("<p>mine</p>", "html"), "{target}");
        assert!(answer.header("ETag").is_some(), "{target}");
    }
    let odd = listing(&service, "/odd/", "text/plain").text();
    assert_eq!(odd.trim_end().trim_end_matches('/'), "index.html");
}

#[test]
fn an_empty_folder_has_an_empty_listing() {
    let setup = Setup::new();
    fs::create_dir_all(setup.path("static/empty")).unwrap();
    let service = setup.start();
    assert_eq!(listing(&service, "/empty/", "application/json").json(), json!([]));
    assert_eq!(listing(&service, "/empty/?format=full", "*/*").json(), json!([]));
    assert_eq!(listing(&service, "/empty/", "text/plain").text(), "");
    let head = http::request("HEAD", &service.south("/empty/"), &[("Accept", "text/plain")], Vec::new());
    assert_eq!(head.expect_status(200).content_length(), Some(0));
    assert_eq!(form(&listing(&service, "/empty/", BROWSER)), "html");
}

/// Names that are markup, escapes, other paths or unprintable when copied into a page.
const HOSTILE: [&[u8]; 18] = [
    b"<img src=x onerror=alert(1)>",
    b"<script>alert(1)",
    b"\" onmouseover=\"alert(1)",
    b"' onmouseover='alert(1)",
    b"&lt;b&gt;&amp;",
    b"100%",
    b"%41",
    b"a#fragment",
    b"a?query=1",
    b"javascript:alert(1)",
    b"http:..evil",
    b"new\nline",
    b"tab\there\r",
    b" spaces ",
    b"caf\xe9",
    b"back\\slash",
    b"\xe2\x80\xaeright-to-left",
    "Übergröße 日本語 😀.txt".as_bytes(),
];

/// The targets of a page's links, with HTML escapes decoded.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for piece in page.split("href=").skip(1) {
        let quote = piece.chars().next().filter(|quote| "\"'".contains(*quote));
        let value = match quote {
            Some(quote) => piece[1..].split(quote).next().unwrap(),
            None => piece.split([' ', '>']).next().unwrap(),
        };
        let value =
            value.replace("&quot;", "\"").replace("&#34;", "\"").replace("&#39;", "'").replace("&#x27;", "'");
        found.push(value.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
    }
    found
}

/// Resolves a link on the page at `base` (which ends with a slash), as a browser does.
fn follow(base: &str, link: &str) -> String {
    let link = link.split('#').next().unwrap();
    let resolved = if link.starts_with('/') { link.to_owned() } else { format!("{base}{link}") };
    resolved.replace("/./", "/")
}

#[test]
fn hostile_names_are_shown_safely_and_their_links_work() {
    let setup = Setup::new();
    let folder = setup.path("static/hostile");
    fs::create_dir(&folder).unwrap();
    for (index, name) in HOSTILE.iter().enumerate() {
        fs::write(folder.join(OsStr::from_bytes(name)), format!("content {index}\n")).unwrap();
    }
    fs::create_dir(folder.join("<b>folder?#%")).unwrap();
    fs::write(folder.join("<b>folder?#%/below"), "below\n").unwrap();
    let service = setup.start();
    let page = listing(&service, "/hostile/", BROWSER).text();
    for forbidden in ["<img", "<script", "<b>", "onmouseover=\"", "onmouseover='", "onerror=alert(1)>"] {
        assert!(!page.contains(forbidden), "{forbidden} in:\n{page}");
    }
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"), "{page}");
    let mut reached: Vec<String> = Vec::new();
    for link in links(&page) {
        assert!(link.is_ascii() && !link.contains([' ', '<', '>', '"', '\n', '\r']), "{link:?}");
        assert!(!link.to_lowercase().starts_with("javascript:"), "{link:?}");
        assert!(!link.starts_with("http:") && !link.starts_with("//"), "{link:?}");
        let target = follow("/hostile/", &link);
        if link.starts_with("data:") {
            continue;
        }
        if target.split('/').any(|segment| segment == "..")
            || !target.starts_with("/hostile/")
            || target.contains("?format=")
        {
            continue;
        }
        let answer = http::get_with(&service.south(&target), &[("Accept", "text/plain")]);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        reached.push(answer.text());
    }
    for (index, name) in HOSTILE.iter().enumerate() {
        let content = format!("content {index}\n");
        let name = String::from_utf8_lossy(name);
        assert!(reached.contains(&content), "no link leads to {name:?}:\n{page}");
    }
    assert!(reached.contains(&"below\n".to_owned()), "no link leads into the folder:\n{page}");

    let text = listing(&service, "/hostile/", "text/plain").text();
    assert_eq!(text.lines().count(), HOSTILE.len() + 1, "one name a line:\n{text}");
    let names = listing(&service, "/hostile/", "application/json").json();
    assert_eq!(names.as_array().unwrap().len(), HOSTILE.len() + 1, "{names}");
    assert!(names.as_array().unwrap().contains(&json!("new\nline")), "{names}");
    let below = http::get(&service.south("/hostile/%3Cb%3Efolder%3F%23%25/")).expect_status(200).text();
    assert!(!below.contains("<b>"), "the title or the breadcrumbs are not escaped:\n{below}");
}

/// Names of which one is another's spelling in a URL, or another's text.
const CONFUSABLE: [&[u8]; 10] =
    [b"100%", b"100%25", b"100%2525", b"a b", b"a%20b", b"a+b", b"a%2Bb", b"caf\xe9", b"caf\xe8", b"caf%E9"];

#[test]
fn the_links_of_a_listing_lead_to_what_it_shows() {
    let setup = Setup::new();
    let folder = setup.path("static/names");
    fs::create_dir(&folder).unwrap();
    for name in CONFUSABLE {
        fs::write(folder.join(OsStr::from_bytes(name)), name).unwrap();
        let below = folder.join(OsStr::from_bytes(&[b"in ", name].concat()));
        fs::create_dir(&below).unwrap();
        fs::write(below.join("file"), [b"in ", name].concat()).unwrap();
    }
    let tar = setup.path("names.tar");
    let mut made = Command::new("tar");
    made.arg("-C").arg(&folder).arg("-cf").arg(&tar).arg(".");
    assert!(made.status().unwrap().success(), "tar fails");
    let service = setup.start();
    service.register("tar", "1", "isolocal", tar.to_str().unwrap());
    for base in ["/names/", "/tar/1/"] {
        let full = listing(&service, &format!("{base}?format=full"), "*/*").json();
        let page = links(&listing(&service, base, BROWSER).text());
        let mut reached: Vec<Vec<u8>> = Vec::new();
        for entry in full.as_array().unwrap() {
            let url = entry["url"].as_str().unwrap();
            assert!(page.iter().any(|link| link == url), "{base}: the page does not link to {url}");
            let file = if entry["type"] == "directory" { format!("{url}file") } else { url.to_owned() };
            reached.push(http::get(&service.south(&file)).expect_status(200).body);
        }
        for name in CONFUSABLE {
            for wanted in [name.to_vec(), [b"in ", name].concat()] {
                let times = reached.iter().filter(|body| **body == wanted).count();
                assert_eq!(times, 1, "{base}: {}", String::from_utf8_lossy(&wanted));
            }
        }
    }
}

#[test]
fn the_page_is_good_to_look_at() {
    let service = service();
    for target in ["/folder/", "/folder/Zoo/", "/linux/1/images/pxeboot/", "/"] {
        let answer = listing(&service, target, BROWSER);
        assert!(answer.header("Content-Type").unwrap().to_lowercase().ends_with("charset=utf-8"), "{target}");
        let page = answer.text();
        let lower = page.to_lowercase();
        assert!(lower.trim_start().starts_with("<!doctype html>"), "{page}");
        for needed in ["<title>", "<html lang=", "name=\"viewport\"", "color-scheme"] {
            assert!(
                lower.replace("name=viewport", "name=\"viewport\"").contains(needed),
                "{target}: {needed}\n{page}"
            );
        }
        assert!(!lower.contains("<script") && !lower.contains("javascript:"), "{page}");
        for outside in ["src=", "@import", "url(", "<link rel=\"stylesheet"] {
            assert!(!lower.contains(outside), "{target} loads something: {outside}\n{page}");
        }
    }
    let page = listing(&service, "/linux/1/images/pxeboot/", BROWSER).text();
    for step in ["/", "/linux/", "/linux/1/", "/linux/1/images/"] {
        let reachable = links(&page).iter().any(|link| {
            let target = follow("/linux/1/images/pxeboot/", link);
            normalised(&target) == step
        });
        assert!(reachable, "no breadcrumb to {step}:\n{page}");
    }
    let folder = listing(&service, "/folder/", BROWSER).text();
    assert!(
        folder.contains("1.50 MB") || folder.contains("1.5 MB") || folder.contains("1.4 MiB"),
        "no size:\n{folder}"
    );
    assert!(folder.contains("2020-02-03") || folder.contains("3 Feb 2020"), "no time:\n{folder}");
}

/// Resolves `..` segments, as a browser does.
fn normalised(target: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in target.split('/').skip(1) {
        if segment == ".." {
            segments.pop();
        } else {
            segments.push(segment);
        }
    }
    if target.ends_with("/..") {
        segments.push("");
    }
    format!("/{}", segments.join("/"))
}

#[test]
fn five_thousand_entries_are_listed_whole_and_alike_every_time() {
    let setup = Setup::new();
    let folder = setup.path("static/many");
    fs::create_dir(&folder).unwrap();
    for number in 0..5000 {
        fs::write(folder.join(format!("package-{number:04}.rpm")), "").unwrap();
    }
    let service = setup.start();
    service.register("many", "1", "isolocal", images::many_files().to_str().unwrap());
    let expected: Vec<String> = (0..5000).map(|number| format!("package-{number:04}.rpm")).collect();
    for accept in ["application/json", "text/plain", BROWSER] {
        let first = listing(&service, "/many/", accept);
        assert_eq!(listing(&service, "/many/", accept).body, first.body, "{accept}");
    }
    // The image hides the folder of its name only below its version.
    let names = listing(&service, "/many/", "application/json").json();
    let mut wanted = vec!["1".to_owned()];
    wanted.extend(expected);
    assert_eq!(names, json!(wanted));
    let flat = listing(&service, "/many/1/flat/", "application/json").json();
    assert_eq!(flat.as_array().unwrap().len(), 3000);
    assert_eq!(listing(&service, "/many/1/flat/", "text/plain").text().lines().count(), 3000);
}

#[test]
fn listings_are_never_ranges_and_never_stale() {
    let service = service();
    let url = service.south("/folder/");
    let whole = http::get_with(&url, &[("Accept", "text/plain"), ("Range", "bytes=0-3")]);
    assert!(matches!(whole.status, 200 | 206), "{}", whole.head_text());
    service.write("static/folder/new", "new");
    assert!(listing(&service, "/folder/", "text/plain").text().lines().any(|line| line == "new"));
    fs::remove_file(service.path("static/folder/new")).unwrap();
    assert!(!listing(&service, "/folder/", "text/plain").text().lines().any(|line| line == "new"));
}
