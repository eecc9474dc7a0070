//! Digests that clients announce: matching files are accepted, others are refused with both values and change
//! nothing.

use harness::curl_answer::ask;
use harness::figures::open_files;
use harness::http::{self, Request, Response};
use harness::iso::{Maker, sparse_file};
use harness::problem::expect_problem;
use harness::remains::Remains;
use harness::served_digest::{base64, from_hex, repr_digest, sha512, wait_for_digest};
use harness::service::query;
use harness::wait::eventually;
use harness::{Service, Setup, digest, images};
use std::fs;
use std::time::Duration;

/// A digest of no file.
const WRONG: &str = "00000000000000000000000000000000000000000000000000000000deadbeef";

/// Far longer than the service needs to notice that a client has gone.
const SOON: Duration = Duration::from_secs(10);

/// A service with a stored ISO and one outside the store.
fn service() -> Service {
    let setup = Setup::new().set("watchInterval", 0.into());
    let setup = setup.file("local/away.iso", fs::read(images::installer()).unwrap());
    let service = setup.start();
    service.upload_iso("stored.iso", &images::installer());
    service
}

fn put(service: &Service, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Response {
    let url = service.north(target);
    let mut connection = http::Connection::open(&url);
    connection.exchange(&Request::new("PUT", target).headers(fields).body(body)).unwrap()
}

/// The sources without a body, as parameters.
fn sources(service: &Service) -> Vec<(&'static str, String)> {
    let away = service.path("local/away.iso").to_str().unwrap().to_owned();
    vec![("isostore", "stored.iso".to_owned()), ("isolocal", away)]
}

#[test]
fn a_file_that_lies_there_is_registered_if_it_is_what_was_expected() {
    let service = service();
    let bytes = fs::read(images::installer()).unwrap();
    let (sha256, sha512) = (digest::of_bytes(&bytes), sha512(&bytes));
    let wrong_512 = WRONG.repeat(2);
    for (source, value) in sources(&service) {
        let before = Remains::of(&service);
        for (name, expected, found) in [
            ("sha256", WRONG, &sha256),
            ("sha512", &wrong_512, &sha512),
            ("sha256", &WRONG.to_uppercase(), &sha256),
        ] {
            let answer = service.put_image(&[
                ("name", "linux"),
                ("version", source),
                (source, &value),
                (name, expected),
            ]);
            let problem = expect_problem(&service, &answer, 422, found);
            let message = problem["message"].as_str().unwrap();
            assert!(
                message.contains(&expected.to_lowercase()) && message.contains(&format!("`{name}`")),
                "{message}"
            );
            assert_eq!(problem["parameter"], name);
            before.expect_again(&service, message);
        }
        // A right digest beside a wrong one does not help.
        let answer = service.put_image(&[
            ("name", "linux"),
            ("version", source),
            (source, &value),
            ("sha256", &sha256),
            ("sha512", &wrong_512),
        ]);
        expect_problem(&service, &answer, 422, &sha512);
        before.expect_again(&service, "one right and one wrong");
        for (version, parameters) in [
            ("one", vec![("sha256", sha256.to_uppercase())]),
            ("two", vec![("sha512", sha512.clone()), ("sha256", sha256.clone())]),
        ] {
            let version = format!("{source}-{version}");
            let mut all = vec![("name", "linux"), ("version", &version), (source, &value)];
            all.extend(parameters.iter().map(|(name, value)| (*name, value.as_str())));
            let image = service.put_image(&all).expect_status(200).json();
            assert_eq!(image["status"], "OK");
            // The digest is known already; the file is not read again.
            assert_eq!(image["sha256"], sha256.as_str());
            let kernel = http::get(&service.south(&format!("/linux/{version}/images/pxeboot/vmlinuz")));
            assert!(kernel.expect_status(200).body == images::pattern(1, 300_000));
        }
    }
    assert_eq!(wait_for_digest(&service, "iso", "away.iso"), sha256);
    assert!(!service.log().contains("digested a file"), "a file was read twice\n{}", service.log());
}

#[test]
fn the_digest_of_the_present_version_counts() {
    let service = service();
    let old = digest::of_file(&images::installer());
    // Another file under the same name, written without the API.
    fs::copy(images::rock_ridge(Maker::Xorriso), service.path("static/iso/stored.iso")).unwrap();
    let new = digest::of_file(&service.path("static/iso/stored.iso"));
    let register = |sha256: &str| {
        service.put_image(&[("name", "a"), ("version", "1"), ("isostore", "stored.iso"), ("sha256", sha256)])
    };
    expect_problem(&service, &register(&old), 422, &new);
    assert_eq!(register(&new).expect_status(200).json()["sha256"], new.as_str());
}

#[test]
fn what_cannot_be_a_digest_is_refused_before_anything_is_done() {
    let service = service();
    let before = Remains::of(&service);
    for (source, value) in
        sources(&service).into_iter().chain([("isoweb", "http://127.0.0.1:9/a.iso".to_owned())])
    {
        for (name, text) in [("sha256", "abc"), ("sha512", WRONG), ("sha256", "")] {
            let answer =
                service.put_image(&[("name", "a"), ("version", "1"), (source, &value), (name, text)]);
            let problem = expect_problem(&service, &answer, 400, &format!("`{name}`"));
            assert_eq!(problem["parameter"], name);
        }
    }
    for target in ["/iso?name=n.iso", "/microkernel?name=n", "/images?name=n&version=1&isoclient=n.iso"] {
        for (parameter, fields, part) in [
            ("&sha256=xyz".to_owned(), vec![], "`sha256`"),
            (String::new(), vec![("Repr-Digest", "sha-256=xyz")], "`Repr-Digest`"),
            (String::new(), vec![("Content-Digest", "sha-512=:eHl6:")], "`Content-Digest`"),
            (
                format!("&sha256={WRONG}"),
                vec![("Repr-Digest", repr_digest(b"x").as_str())],
                "`Repr-Digest` says",
            ),
        ] {
            let answer = put(&service, &format!("{target}{parameter}"), &fields, b"bytes");
            expect_problem(&service, &answer, 400, part);
        }
    }
    before.expect_again(&service, "refusals");
}

/// A parameter and header fields; the source that a refusal names; and which digest it shows, SHA-256 first
/// where both are announced.
type Way<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str, usize);

/// Every way to announce a digest, with matching and other bytes.
#[test]
fn an_upload_is_taken_if_it_is_what_was_announced() {
    let service = service();
    let good = fs::read(images::installer()).unwrap();
    let mut bad = good.clone();
    bad[100_000] ^= 1;
    let told = [digest::of_bytes, sha512].map(|digest| (digest(&bad), digest(&good)));
    let [(_, sha256), (_, sha512)] = &told;
    let field_512 = format!("sha-512=:{}:", base64(&from_hex(sha512)));
    let several = format!("md5=:AAAA:, {};q=1, {field_512}", repr_digest(&good));
    let (parameter, parameter_512) = (format!("&sha256={sha256}"), format!("&sha512={sha512}"));
    let ways: [Way; 6] = [
        (&parameter, vec![], "`sha256`: ", 0),
        (&parameter_512, vec![], "`sha512`: ", 1),
        ("", vec![("Repr-Digest", &several)], "`Repr-Digest`: ", 0),
        ("", vec![("Content-Digest", &field_512)], "`Content-Digest`: ", 1),
        (
            &parameter,
            vec![("content-digest", &field_512), ("repr-digest", &several)],
            "`sha256`, `Repr-Digest`, `Content-Digest`: ",
            0,
        ),
        ("", vec![("Repr-Digest", "md5=:AAAA:"), ("Content-Digest", &several)], "`Content-Digest`: ", 0),
    ];
    for target in [
        "/iso?name=new.iso",
        "/iso?name=stored.iso",
        "/microkernel?name=new",
        "/images?name=new&version=1&isoclient=image.iso",
    ] {
        let before = Remains::of(&service);
        for (parameters, fields, names, which) in &ways {
            let target = format!("{target}{parameters}");
            let answer = put(&service, &target, fields, &bad);
            let (found, announced) = &told[*which];
            let message = format!("its SHA-{} is {found}, but {announced} was", 256 << which);
            let problem = expect_problem(&service, &answer, 422, &message);
            assert!(
                problem["message"].as_str().unwrap().starts_with(names),
                "{target} {fields:?}: {problem}"
            );
            before.expect_again(&service, &target);
        }
        for (parameters, fields, ..) in &ways {
            let answer = put(&service, &format!("{target}{parameters}"), fields, &good).expect_status(200);
            assert!(answer.text().contains("finished"), "{}", answer.text());
            http::delete(&service.north("/images?name=new"));
            http::delete(&service.north("/iso?name=image.iso"));
        }
    }
    assert_eq!(wait_for_digest(&service, "microkernel", "new"), *sha256);
}

/// The answer to a large upload begins before its digest is known, so it is cut off. Nothing has changed.
#[test]
fn a_large_upload_that_is_not_what_was_announced_is_cut() {
    let service = service();
    let before = Remains::of(&service);
    let file = service.path("large.bin");
    sparse_file(&file, 9 << 20, &[(0, &fs::read(images::installer()).unwrap())]);
    for target in ["/iso?name=stored.iso", "/iso?name=new.iso", "/images?name=n&version=1&isoclient=new.iso"]
    {
        let url = service.north(&format!("{target}&sha256={WRONG}"));
        let text = ask("PUT", &url, &["--upload-file", file.to_str().unwrap()]);
        assert!(text.code != 0 && !text.text.contains("finished"), "{text:?}");
        let accept = ["--upload-file", file.to_str().unwrap(), "--header", "Accept: application/json"];
        let json = ask("PUT", &url, &accept);
        assert!(json.status == 422 && json.text.contains(WRONG), "{json:?}");
        before.expect_again(&service, target);
    }
}

/// Hashing a file ends with the request that started it, and does not delay a stop.
#[test]
fn a_check_ends_with_its_request() {
    let mut service = Setup::new().set("httpTimeout", 1000.into()).start();
    let file = service.path("local/endless.iso");
    fs::create_dir(service.path("local")).unwrap();
    sparse_file(&file, 1 << 40, &[]);
    let text = file.to_str().unwrap();
    let parameters = query(&[("name", "n"), ("version", "1"), ("isolocal", text), ("sha256", WRONG)]);
    let request = Request::new("PUT", &format!("/images?{parameters}"));
    let is_open = |service: &Service| open_files(service.pid()).iter().any(|open| open == text);
    let before = Remains::of(&service);
    let mut connection = http::Connection::open(&service.north(""));
    connection.send(&request).unwrap();
    eventually(SOON, "a file that is being read", || is_open(&service).then_some(()));
    expect_problem(&service, &connection.receive("PUT").unwrap(), 408, "`httpTimeout`");
    eventually(SOON, "the end of the reading", || (!is_open(&service)).then_some(()));
    before.expect_again(&service, "a request that took too long");

    service.reconfigure("httpTimeout", 0.into());
    service.restart();
    let mut connection = http::Connection::open(&service.north(""));
    connection.send(&request).unwrap();
    eventually(SOON, "a file that is being read", || is_open(&service).then_some(()));
    assert!(service.sigterm().success());
}
