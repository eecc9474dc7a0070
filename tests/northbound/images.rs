//! `/images` (contract §2), row by row: the four sources, filters, removal, and the requests of RackHD.

use harness::curl_answer::ask;
use harness::http::{self, Response};
use harness::problem::expect_problem;
use harness::remains::Remains;
use harness::service::query;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup, digest, images};
use serde_json::{Value, json};
use std::fs;

const KERNEL: &str = "images/pxeboot/vmlinuz";

/// A service whose store holds `stored.iso`, and a folder with `local.iso`.
fn service() -> Service {
    let installer = fs::read(images::installer()).unwrap();
    Setup::new().file("static/iso/stored.iso", &installer).file("elsewhere/local.iso", &installer).start()
}

fn local(service: &Service) -> String {
    service.path("elsewhere/local.iso").to_str().unwrap().to_owned()
}

#[track_caller]
fn expect_kernel_served(service: &Service, name: &str, version: &str) {
    let answer = http::get(&service.south(&format!("/{name}/{version}/{KERNEL}"))).expect_status(200);
    assert!(answer.body == images::pattern(1, 300_000), "the kernel of {name} {version} differs");
}

/// DELETE with parameters, encoded here.
fn delete(service: &Service, parameters: &[(&str, &str)]) -> Response {
    http::delete(&service.north(&format!("/images?{}", query(parameters))))
}

fn names_of(images: &Value) -> Vec<String> {
    let name =
        |image: &Value| format!("{} {}", image["name"].as_str().unwrap(), image["version"].as_str().unwrap());
    let mut names: Vec<String> = images.as_array().expect("an array").iter().map(name).collect();
    names.sort();
    names
}

#[test]
fn each_source_registers_by_curl() {
    let service = service();
    let origin = Origin::start();
    let installer = images::installer();
    origin.on("/web.iso", Behaviour::File(installer.clone()));
    let body = format!("@{}", installer.display());
    let (local, web) = (local(&service), origin.url("/web.iso"));
    let sent: &[&str] = &["--data-binary", &body];
    let json: &[&str] = &["--data-binary", &body, "--header", "Accept: application/json"];
    for (name, source, value, iso, arguments) in [
        ("from-store", "isostore", "stored.iso", "stored.iso", [].as_slice()),
        ("from-local", "isolocal", local.as_str(), "local.iso", &[]),
        ("from-web", "isoweb", web.as_str(), "web.iso", &[]),
        ("from-client", "isoclient", "client.iso", "client.iso", json),
        ("from-client-text", "isoclient", "text.iso", "text.iso", sent),
        (
            "from-client-file",
            "isoclient",
            "upload.iso",
            "upload.iso",
            &["--upload-file", installer.to_str().unwrap()],
        ),
    ] {
        let url = service
            .north(&format!("/images?{}", query(&[("name", name), ("version", "9"), (source, value)])));
        let answer = ask("PUT", &url, arguments);
        assert_eq!((answer.code, answer.status), (0, 200), "{name}: {answer:?}");
        if source == "isoclient" && arguments != json {
            assert_eq!(answer.content_type.as_deref(), Some("text/plain; charset=utf-8"), "{name}");
            assert!(answer.text.ends_with("Uploaded 100 %\nUpload finished!\n"), "{name}: {}", answer.text);
        } else {
            assert_eq!(answer.content_type.as_deref(), Some("application/json"), "{name}");
            let image: Value = serde_json::from_str(&answer.text).unwrap();
            assert_eq!((&image["name"], &image["iso"]), (&json!(name), &json!(iso)), "{image}");
            assert_eq!((&image["version"], &image["status"]), (&json!("9"), &json!("OK")), "{image}");
            assert!(image["id"].as_str().is_some_and(|id| !id.is_empty()), "{image}");
            let listed = service.images(&[("name", name)]);
            assert_eq!(listed.len(), 1);
            assert_eq!(listed[0]["id"], image["id"]);
        }
        let listed = service.wait_for_status(name, "9", |status| status == "OK");
        assert_eq!(listed["iso"], iso);
        expect_kernel_served(&service, name, "9");
    }
    assert_eq!(service.images(&[]).len(), 6);
    // A local ISO is never copied; the others are complete files of the store.
    let stored: Vec<String> = fs::read_dir(service.path("static/iso"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    assert_eq!(stored.len(), 5, "{stored:?}");
    for name in stored {
        assert_eq!(
            digest::of_file(&service.path(&format!("static/iso/{name}"))),
            digest::of_file(&installer),
            "{name}"
        );
    }
}

#[test]
fn the_nearest_source_wins() {
    let service = service();
    let origin = Origin::start();
    origin.on("/web.iso", Behaviour::File(images::installer()));
    let (local, web) = (local(&service), origin.url("/web.iso"));
    let all =
        [("isostore", "stored.iso"), ("isolocal", &local), ("isoweb", &web), ("isoclient", "client.iso")];
    for (first, iso) in ["stored.iso", "local.iso", "web.iso", "client.iso"].into_iter().enumerate() {
        let version = first.to_string();
        let mut parameters = vec![("name", "precedence"), ("version", &version)];
        // The order of the parameters does not matter.
        parameters.extend(all[first..].iter().rev());
        let url = service.north(&format!("/images?{}", query(&parameters)));
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")];
        let answer =
            http::request("PUT", &url, &headers, fs::read(images::installer()).unwrap()).expect_status(200);
        assert_eq!(answer.json()["iso"], iso, "{parameters:?}");
        service.wait_for_status("precedence", &version, |status| status == "OK");
    }
    // No other source was used.
    assert!(!service.path("static/iso/local.iso").exists());
    let seen = origin.seen();
    assert_eq!(seen.iter().filter(|seen| seen.method == "GET").count(), 1, "{seen:?}");
}

#[test]
fn filters_match_exactly_and_all_of_them() {
    let service = service();
    for (name, version) in
        [("centos", "7"), ("centos", "8"), ("Centos", "7"), ("ubuntu", "7"), ("a&b=c d%", "+")]
    {
        // curl must encode the last name.
        if name.contains('&') {
            expect_problem(
                &service,
                &service.put_image(&[("name", name), ("version", version), ("isostore", "stored.iso")]),
                400,
                "`name`",
            );
            service.register("a=c d%", version, "isostore", "stored.iso");
        } else {
            service.register(name, version, "isostore", "stored.iso");
        }
    }
    fs::copy(images::installer(), service.path("static/iso/other.iso")).unwrap();
    service.register("other", "1", "isostore", "other.iso");
    fs::remove_file(service.path("static/iso/other.iso")).unwrap();
    let status = service.images(&[("name", "other")])[0]["status"].as_str().unwrap().to_owned();
    let id = service.images(&[("name", "ubuntu")])[0]["id"].as_str().unwrap().to_owned();

    for (filters, expected) in [
        (vec![("name", "centos")], vec!["centos 7", "centos 8"]),
        (vec![("name", "cent")], vec![]),
        (vec![("name", "CENTOS")], vec![]),
        (vec![("version", "7")], vec!["Centos 7", "centos 7", "ubuntu 7"]),
        (vec![("name", "centos"), ("version", "7")], vec!["centos 7"]),
        (vec![("name", "centos"), ("version", "9")], vec![]),
        (vec![("name", "a=c d%"), ("version", "+")], vec!["a=c d% +"]),
        (vec![("iso", "other.iso")], vec!["other 1"]),
        (vec![("status", "OK"), ("version", "8")], vec!["centos 8"]),
        (vec![("status", &status)], vec!["other 1"]),
        (vec![("status", "ok")], vec![]),
        (vec![("id", &id)], vec!["ubuntu 7"]),
        (vec![("id", &id), ("name", "centos")], vec![]),
        (vec![("id", "no-such-id")], vec![]),
    ] {
        let url = service.north(&format!("/images?{}", query(&filters)));
        let answer = http::get(&url).expect_status(200);
        assert_eq!(answer.header("Content-Type"), Some("application/json"), "{filters:?}");
        assert_eq!(names_of(&answer.json()), expected, "{filters:?}");
    }
    assert_eq!(service.images(&[]).len(), 6);
    assert_eq!(http::get(&service.north("/images?name=none")).text(), "[]");
    // A plus in a query is a space, as in forms; a literal plus is %2B.
    assert_eq!(names_of(&http::get(&service.north("/images?name=a%3Dc+d%25")).json()), ["a=c d% +"]);
}

#[test]
fn a_name_and_version_are_given_once() {
    let service = service();
    let origin = Origin::start();
    origin.on("/web.iso", Behaviour::File(images::installer()));
    service.register("centos", "7", "isostore", "stored.iso");
    let before = Remains::of(&service);
    let (local, web) = (local(&service), origin.url("/web.iso"));
    for (source, value) in
        [("isostore", "stored.iso"), ("isolocal", &local), ("isoweb", &web), ("isoclient", "new.iso")]
    {
        let url = service.north(&format!("/images?name=centos&version=7&{source}={}", http::encode(value)));
        let answer = http::put(&url, fs::read(images::installer()).unwrap());
        expect_problem(&service, &answer, 409, "centos 7");
        before.expect_again(&service, source);
    }
    assert!(origin.seen().is_empty(), "nothing is fetched for a refused registration");
    expect_kernel_served(&service, "centos", "7");
    service.register("centos", "7.1", "isostore", "stored.iso");
    service.register("CentOS", "7", "isostore", "stored.iso");
}

#[test]
fn delete_answers_with_what_it_removed() {
    let service = service();
    for (name, version) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("c", "1"), ("c", "2")] {
        service.register(name, version, "isostore", "stored.iso");
    }
    let id = service.images(&[("name", "a"), ("version", "1")])[0]["id"].as_str().unwrap().to_owned();
    expect_problem(&service, &http::delete(&service.north("/images")), 400, "");
    expect_problem(&service, &delete(&service, &[("name", "none")]), 404, "no image");
    expect_problem(&service, &delete(&service, &[("name", "a"), ("version", "9")]), 404, "no image");
    expect_problem(&service, &delete(&service, &[("id", "none")]), 404, "no image");
    expect_problem(&service, &delete(&service, &[("id", &id), ("name", "b")]), 404, "no image");
    expect_problem(&service, &http::delete(&service.north("/images?colour=red")), 400, "`colour`");
    assert_eq!(service.images(&[]).len(), 6, "what is refused removes nothing");

    expect_kernel_served(&service, "a", "1");
    let removed = delete(&service, &[("id", &id)]).expect_status(200).json();
    assert_eq!(
        (&removed["id"], &removed["name"], &removed["version"]),
        (&json!(id), &json!("a"), &json!("1"))
    );
    http::get(&service.south(&format!("/a/1/{KERNEL}"))).expect_status(404);
    expect_problem(&service, &delete(&service, &[("id", &id)]), 404, "no image");
    let removed = delete(&service, &[("name", "a"), ("version", "2")]).expect_status(200).json();
    assert_eq!((&removed["name"], &removed["version"]), (&json!("a"), &json!("2")));
    let removed = delete(&service, &[("name", "c")]).expect_status(200).json();
    assert_eq!(names_of(&removed), ["c 1", "c 2"]);
    let removed = delete(&service, &[("name", "b")]).expect_status(200).json();
    assert_eq!(names_of(&removed), ["b 1"], "a wider filter gives an array even of one");
    assert_eq!(names_of(&json!(service.images(&[]))), ["a 3"]);
    expect_kernel_served(&service, "a", "3");
    let removed = delete(&service, &[("status", "OK"), ("iso", "stored.iso")]).expect_status(200).json();
    assert_eq!(names_of(&removed), ["a 3"]);
    assert_eq!(http::get(&service.north("/images")).text(), "[]");
    assert!(service.path("static/iso/stored.iso").is_file(), "the ISO stays");
}

#[test]
fn rackhd_can_do_what_it_always_did() {
    let service = Service::start(&json!({}));
    let installer = images::installer();
    let body = format!("@{}", installer.display());
    let north = |target: &str| service.north(target);
    let json_header = ["--header", "Content-Type: application/json"];
    for list in ["/images", "/iso", "/microkernel"] {
        assert_eq!(http::get(&north(list)).expect_status(200).text(), "[]");
    }
    let upload = ask("PUT", &north("/iso?name=centos.iso"), &["--data-binary", &body]);
    assert_eq!((upload.code, upload.status), (0, 200), "{upload:?}");
    let upload = ask("PUT", &north("/microkernel?name=vmlinuz-1.2.0-rancher"), &["--data-binary", &body]);
    assert_eq!((upload.code, upload.status), (0, 200), "{upload:?}");
    let target = north("/images?name=centos&version=7.0&isostore=centos.iso");
    let put = ask("PUT", &target, &[&json_header[..], &["--data", "{}"]].concat());
    assert!(matches!(put.status, 200..=204), "{put:?}");
    service.wait_for_status("centos", "7.0", |status| status == "OK");

    let unpacked = tempfile::tempdir().unwrap();
    harness::iso::extract(&installer, unpacked.path());
    let files: Vec<(Vec<u8>, digest::Entry)> = digest::walk(unpacked.path())
        .into_iter()
        .filter(|(_, entry)| matches!(entry, digest::Entry::File(..)))
        .collect();
    assert!(files.len() > 5);
    for (path, entry) in files {
        let answer = http::head(&service.south(&format!("/centos/7.0/{}", http::encode_path(&path))));
        assert!(answer.status < 400, "{}", String::from_utf8_lossy(&path));
        let digest::Entry::File(length, _) = entry else { continue };
        assert_eq!(answer.content_length(), Some(length));
    }
    assert_eq!(http::head(&service.south("/common/vmlinuz-1.2.0-rancher")).status, 200);
    assert_eq!(http::head(&service.south("/centos/7.0/")).status, 200);

    let arguments = [&json_header[..], &["--data", "[]"]].concat();
    let gone = ask("DELETE", &north("/images?name=centos&version=7.0"), &arguments);
    assert!(matches!(gone.status, 200..=204), "{gone:?}");
    assert!(http::head(&service.south("/centos/7.0/")).status >= 400);
    for target in ["/iso?name=centos.iso", "/microkernel?name=vmlinuz-1.2.0-rancher"] {
        let gone = ask("DELETE", &north(target), &arguments);
        assert!(matches!(gone.status, 200..=204), "{gone:?}");
    }
    for list in ["/images", "/iso", "/microkernel"] {
        assert_eq!(http::get(&north(list)).expect_status(200).text(), "[]");
    }
}
