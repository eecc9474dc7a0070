//! Requests of tools that want a state: the same request twice, `PUT` and `DELETE /images/{id}`, entity tags
//! and labels.

use harness::http::{self, Response};
use harness::iso::Maker;
use harness::problem::expect_problem;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::SOON;
use harness::{Service, Setup, digest, images};
use serde_json::{Value, json};
use std::fs;

const JSON: (&str, &str) = ("Accept", "application/json");

/// A service whose store holds `a.iso` and `b.iso`, which are different, and a folder with `local.iso`. The
/// digests of the former are known: an image that gets its digest later gets another entity tag as well.
fn service(setup: Setup) -> Service {
    let one = fs::read(images::installer()).unwrap();
    let other = fs::read(images::joliet(Maker::Xorriso)).unwrap();
    let setup = setup
        .set("watchInterval", json!(100))
        .file("static/iso/a.iso", &one)
        .file("static/iso/b.iso", &other);
    let service = setup.file("elsewhere/local.iso", &one).start();
    eventually(SOON, "the digests", || {
        let isos = http::get(&service.north("/iso")).json();
        isos.as_array().unwrap().iter().all(|iso| iso["sha256"].is_string()).then_some(())
    });
    service
}

fn put(service: &Service, id: &str, body: &Value, headers: &[(&str, &str)]) -> Response {
    let headers = [headers, &[("Content-Type", "application/json")]].concat();
    http::request("PUT", &service.north(&format!("/images/{id}")), &headers, body.to_string())
}

fn show(service: &Service, id: &str) -> Response {
    http::get(&service.north(&format!("/images/{id}")))
}

fn tag(answer: &Response) -> String {
    let tag = answer.header("ETag").unwrap_or_else(|| panic!("no tag:\n{}", answer.head_text())).to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
    tag
}

fn inventory(service: &Service) -> Vec<u8> {
    fs::read(service.path("inventory.json")).unwrap()
}

#[test]
fn the_same_registration_again_changes_nothing() {
    let service = service(Setup::new());
    let origin = Origin::start();
    let body = fs::read(images::installer()).unwrap();
    origin.on("/web.iso", Behaviour::Bytes(body.clone()));
    let (sha256, wrong) = (digest::of_file(&images::installer()), "0".repeat(64));
    let (local, web) =
        (service.path("elsewhere/local.iso").to_str().unwrap().to_owned(), origin.url("/web.iso"));
    for (name, source, value, other) in [
        ("store", "isostore", "a.iso", "b.iso"),
        ("local", "isolocal", &local, "/etc/hostname"),
        ("web", "isoweb", &web, "http://localhost:1/other.iso"),
        ("client", "isoclient", "client.iso", "other.iso"),
    ] {
        let ask = |value: &str, sha256: &str, headers: &[(&str, &str)]| {
            let query = format!("name={name}&version=1&{source}={}&sha256={sha256}", http::encode(value));
            let sent = if source == "isoclient" { body.clone() } else { Vec::new() };
            http::request("PUT", &service.north(&format!("/images?{query}")), headers, sent)
        };
        let first = ask(value, &sha256, &[JSON]).expect_status(200).json();
        let done = service.wait_for_status(name, "1", |status| status == "OK");
        assert_eq!(done["id"], first["id"], "{name}");
        let (listed, kept) = (service.images(&[("name", name)]), inventory(&service));
        let again = ask(value, &sha256, &[JSON]).expect_status(200).json();
        assert_eq!(vec![again.clone()], listed, "{name}");
        assert!(inventory(&service) == kept, "{name}: nothing is saved");
        let id = again["id"].as_str().unwrap();
        for answer in [ask(other, &sha256, &[JSON]), ask(value, &wrong, &[JSON])] {
            let problem = expect_problem(&service, &answer, 409, "exists already");
            assert_eq!(problem["id"], id, "{name}");
        }
        assert_eq!(service.images(&[("name", name)]), listed, "{name}");
        assert!(inventory(&service) == kept, "{name}: nothing is saved");
    }
    // Without a digest the service cannot know whether the bytes are the same, and refuses them unread.
    let again = service.put_image(&[("name", "store"), ("version", "1"), ("isostore", "a.iso")]);
    expect_problem(&service, &again, 409, "exists already");
    let url = service.north("/images?name=client&version=1&isoclient=client.iso");
    let answer = http::request("PUT", &url, &[("Content-Length", "9999999"), ("Expect", "100-continue")], "");
    expect_problem(&service, &answer, 409, "exists already");
    // Bytes that are others than was said are told.
    let url = service.north(&format!("/images?name=client&version=1&isoclient=client.iso&sha256={sha256}"));
    expect_problem(&service, &http::put(&url, "something else"), 422, "sha256");
    let text = http::put(&url, body).expect_status(200).text();
    assert!(text.ends_with("Upload finished!\n"), "{text}");
}

#[test]
fn the_same_download_again_is_one_download() {
    let service = service(Setup::new());
    let origin = Origin::start();
    origin.on("/slow.iso", Behaviour::Stall(fs::read(images::installer()).unwrap()));
    let link = http::encode(origin.url("/slow.iso"));
    let sha256 = digest::of_file(&images::installer());
    let url = service.north(&format!("/images?name=web&version=1&wait=0&sha256={sha256}&isoweb={link}"));
    let first = http::put(&url, "").expect_status(200).json();
    let again = http::put(&url, "").expect_status(200).json();
    assert_eq!((&first["id"], &first["job"]), (&again["id"], &again["job"]));
    assert_eq!(again["status"], "downloading iso");
    let wanted = json!({"name": "web", "version": "1", "isoweb": [origin.url("/slow.iso")], "wait": 0});
    let id = first["id"].as_str().unwrap();
    assert_eq!(put(&service, id, &wanted, &[]).expect_status(200).json()["job"], first["job"]);
    let jobs = http::get(&service.north("/jobs")).json();
    assert_eq!(jobs.as_array().unwrap().len(), 1, "{jobs}");
    let other = json!({"name": "web", "version": "1", "isoweb": [origin.url("/other.iso")], "wait": 0});
    let problem = expect_problem(&service, &put(&service, id, &other, &[]), 409, "another ISO");
    assert_eq!(problem["id"], id);
    // A file of the store is served at once in its place.
    let stored = json!({"name": "web", "version": "1", "isostore": "a.iso"});
    let image = put(&service, id, &stored, &[]).expect_status(200).json();
    assert_eq!(
        (&image["status"], &image["source"], &image["id"]),
        (&json!("OK"), &json!("store"), &json!(id))
    );
    http::get(&service.south("/web/1/images/pxeboot/vmlinuz")).expect_status(200);
}

/// The sequence of `ansible.builtin.uri`, and of a generic REST provider of Terraform.
#[test]
fn a_play_that_runs_twice_changes_nothing() {
    let service = service(Setup::new());
    let wanted = json!({
        "id": "ubuntu-24.04", "name": "ubuntu", "version": "24.04", "isostore": "a.iso",
        "sha256": digest::of_file(&images::installer()), "labels": {"team": "blue", "example.com/tier": "1"},
    });
    show(&service, "ubuntu-24.04").expect_status(404);
    let created = put(&service, "ubuntu-24.04", &wanted, &[]).expect_status(201);
    let image = created.json();
    assert_eq!((&image["id"], &image["status"]), (&wanted["id"], &json!("OK")));
    assert_eq!(image["labels"], wanted["labels"]);
    let (shown, kept) = (show(&service, "ubuntu-24.04").expect_status(200), inventory(&service));
    assert_eq!((shown.json(), tag(&shown)), (image.clone(), tag(&created)));
    for _ in 0..2 {
        let again = put(&service, "ubuntu-24.04", &wanted, &[]).expect_status(200);
        assert_eq!((again.json(), tag(&again)), (image.clone(), tag(&created)));
    }
    assert!(inventory(&service) == kept, "nothing is saved");
    http::get(&service.south("/ubuntu/24.04/images/pxeboot/vmlinuz")).expect_status(200);
    let url = service.north("/images/ubuntu-24.04");
    assert_eq!(http::delete(&url).expect_status(200).json()["id"], wanted["id"]);
    expect_problem(&service, &http::delete(&url), 404, "no image");
    show(&service, "ubuntu-24.04").expect_status(404);
    http::get(&service.south("/ubuntu/24.04/images/pxeboot/vmlinuz")).expect_status(404);
    assert_eq!(
        http::get(&service.north("/iso?name=a.iso")).json().as_array().unwrap().len(),
        1,
        "its ISO stays"
    );
    put(&service, "ubuntu-24.04", &wanted, &[]).expect_status(201);
}

#[test]
fn an_image_becomes_what_is_described() {
    let service = service(Setup::new());
    let base = json!({"name": "linux", "version": "1", "isostore": "a.iso", "labels": {"a": "1"}});
    let with = |changes: Value| {
        let mut wanted = base.clone();
        wanted.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        wanted
    };
    let first = put(&service, "x", &base, &[]).expect_status(201);
    let mut tags = vec![tag(&first)];
    let kernel = |path: &str, status| {
        http::get(&service.south(&format!("{path}/images/pxeboot/vmlinuz"))).expect_status(status);
    };
    kernel("/linux/1", 200);
    for (changes, member, value) in [
        (json!({"labels": {"b": "2"}}), "labels", json!({"b": "2"})),
        (json!({"labels": null}), "labels", json!({})),
        (json!({"version": "2"}), "version", json!("2")),
        (json!({"name": "other"}), "path", json!("/other/1/")),
        (json!({"isostore": "b.iso"}), "iso", json!("b.iso")),
        (
            json!({"isostore": null, "isolocal": service.path("elsewhere/local.iso")}),
            "source",
            json!("local"),
        ),
    ] {
        let changed = put(&service, "x", &with(changes.clone()), &[]).expect_status(200);
        let image = changed.json();
        assert_eq!((&image["id"], &image[member]), (&json!("x"), &value), "{changes}");
        assert_eq!(
            (&image["status"], &image["created"]),
            (&json!("OK"), &first.json()["created"]),
            "{changes}"
        );
        assert!(!tags.contains(&tag(&changed)), "{changes}");
        tags.push(tag(&changed));
    }
    kernel("/other/1", 404);
    kernel("/linux/2", 404);
    kernel("/linux/1", 200);
    // The tree, and back to the best.
    let joliet = with(json!({"isostore": "b.iso", "tree": "plain"}));
    assert_eq!(put(&service, "x", &joliet, &[]).expect_status(200).json()["tree"]["kind"], "plain");
    let best = put(&service, "x", &with(json!({"isostore": "b.iso"})), &[]).expect_status(200).json();
    assert_eq!((&best["tree"]["kind"], best["tree"].get("asked")), (&json!("joliet"), None));
    // What cannot be had leaves the image as it is.
    let before = show(&service, "x").json();
    for (changes, status, part) in [
        (json!({"isostore": "none.iso"}), 404, "none.iso"),
        (json!({"sha256": "0".repeat(64)}), 422, "sha256"),
        (json!({"isostore": "b.iso", "tree": "udf"}), 422, "tree"),
        (json!({"isostore": null}), 400, "say where the ISO comes from"),
        (json!({"isostore": null, "isoclient": "c.iso"}), 409, "another ISO"),
        (json!({"isostore": null, "isoweb": "http://localhost:1/a.iso"}), 409, "another ISO"),
        (json!({"labels": {"a b": "c"}}), 400, "`label` has the key 'a b'"),
        (json!({"labels": ["a"]}), 400, "`labels` must be an object"),
        (json!({"id": "y"}), 400, "`id`"),
        (json!({"status": "OK"}), 400, "`status` is not known"),
    ] {
        expect_problem(&service, &put(&service, "x", &with(changes), &[]), status, part);
        assert_eq!(show(&service, "x").json(), before);
    }
}

#[test]
fn ids_names_and_versions_belong_to_one_image() {
    let service = service(Setup::new());
    let wanted = |name: &str| json!({"name": name, "version": "1", "isostore": "a.iso"});
    put(&service, "one", &wanted("one"), &[]).expect_status(201);
    put(&service, "two", &wanted("two"), &[]).expect_status(201);
    for id in ["three", "two"] {
        let problem = expect_problem(&service, &put(&service, id, &wanted("one"), &[]), 409, "one 1 exists");
        assert_eq!(problem["id"], "one");
    }
    let taken = service.put_image(&[("name", "one"), ("version", "1"), ("isostore", "b.iso")]);
    assert_eq!(expect_problem(&service, &taken, 409, "exists already")["id"], "one");
    let long = "x".repeat(65);
    for id in [".hidden", "-a", "a%20b", "a%2Fb", "%C3%A4", "a:b", &long] {
        expect_problem(&service, &put(&service, id, &wanted("three"), &[]), 400, "`id` must be 1 to 64");
    }
    put(&service, &"x".repeat(64), &wanted("three"), &[]).expect_status(201);
    // Two images may swap nothing, but a name that has become free may be taken.
    put(&service, "one", &wanted("free"), &[]).expect_status(200);
    put(&service, "two", &wanted("one"), &[]).expect_status(200);
    let names = service
        .images(&[])
        .iter()
        .map(|image| image["name"].as_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    assert_eq!(names, ["free", "one", "three"]);
}

#[test]
fn an_image_in_error_is_registered_anew_under_its_id() {
    let mut service = service(Setup::new());
    let wanted = json!({"name": "linux", "version": "1", "isostore": "a.iso", "labels": {"a": "1"}});
    put(&service, "x", &wanted, &[]).expect_status(201);
    fs::remove_file(service.path("static/iso/a.iso")).unwrap();
    expect_problem(&service, &put(&service, "x", &wanted, &[]), 404, "a.iso");
    let status = show(&service, "x").json()["status"].as_str().unwrap().to_owned();
    assert!(status.starts_with("error: "), "{status}");
    fs::copy(images::rock_ridge(Maker::Xorriso), service.path("static/iso/a.iso")).unwrap();
    let image = put(&service, "x", &wanted, &[]).expect_status(200).json();
    assert_eq!(
        (&image["id"], &image["status"], &image["labels"]),
        (&json!("x"), &json!("OK"), &json!({"a": "1"}))
    );
    // Name, version and labels outlast a restart; by name alone the labels stay as they are.
    service.restart();
    let sha256 = digest::of_file(&images::rock_ridge(Maker::Xorriso));
    let mut query = vec![("name", "linux"), ("version", "1"), ("isostore", "a.iso"), ("sha256", &*sha256)];
    assert_eq!(service.put_image(&query).expect_status(200).json()["labels"], json!({"a": "1"}));
    query.extend([("label", "b=2"), ("label", "c=")]);
    let labels = json!({"b": "2", "c": ""});
    assert_eq!(service.put_image(&query).expect_status(200).json()["labels"], labels);
    assert_eq!(show(&service, "x").json()["labels"], labels);
}

#[test]
fn an_upload_may_have_a_chosen_id() {
    let service = service(Setup::new());
    let body = fs::read(images::installer()).unwrap();
    let sha256 = digest::of_file(&images::installer());
    let query = format!("name=linux&version=1&isoclient=c.iso&sha256={sha256}&label=a=1");
    let url = service.north(&format!("/images/x?{query}"));
    let first = http::request("PUT", &url, &[JSON], body.clone()).expect_status(201).json();
    assert_eq!((&first["id"], &first["labels"]), (&json!("x"), &json!({"a": "1"})));
    let kept = inventory(&service);
    let again = http::request("PUT", &url, &[JSON], body).expect_status(200).json();
    assert_eq!((again["id"].clone(), again["updated"].clone()), (json!("x"), first["updated"].clone()));
    assert!(inventory(&service) == kept, "nothing is saved");
    let other = fs::read(images::joliet(Maker::Xorriso)).unwrap();
    let url = service.north("/images/x?name=linux&version=1&isoclient=c.iso");
    expect_problem(&service, &http::put(&url, other), 409, "another ISO");
}

#[test]
fn changes_may_depend_on_the_version_that_was_seen() {
    let service = service(Setup::new());
    let wanted =
        |label: &str| json!({"name": "linux", "version": "1", "isostore": "a.iso", "labels": {"a": label}});
    expect_problem(&service, &put(&service, "x", &wanted("1"), &[("If-Match", "*")]), 412, "there is none");
    let first = put(&service, "x", &wanted("1"), &[("If-None-Match", "*")]).expect_status(201);
    expect_problem(
        &service,
        &put(&service, "x", &wanted("1"), &[("If-None-Match", "*")]),
        412,
        "one already",
    );
    let old = tag(&first);
    let second = put(&service, "x", &wanted("2"), &[("If-Match", &old)]).expect_status(200);
    for stale in [old.as_str(), "\"other\"", &format!("W/{}", tag(&second))] {
        let answer = put(&service, "x", &wanted("3"), &[("If-Match", stale)]);
        expect_problem(&service, &answer, 412, "not the version");
        let url = service.north("/images/x");
        expect_problem(
            &service,
            &http::request("DELETE", &url, &[("If-Match", stale)], ""),
            412,
            "not the version",
        );
    }
    expect_problem(&service, &put(&service, "x", &wanted("3"), &[("If-Match", "x")]), 400, "`if-match`");
    assert_eq!(show(&service, "x").json()["labels"]["a"], "2");
    // By query, the tags of the list and of the only image count.
    let list = http::get(&service.north("/images?name=linux"));
    let url = service.north("/images?name=linux");
    expect_problem(
        &service,
        &http::request("DELETE", &url, &[("If-Match", &old)], ""),
        412,
        "not the version",
    );
    http::request("DELETE", &url, &[("If-Match", &tag(&list))], "").expect_status(200);
    expect_problem(
        &service,
        &http::request("DELETE", &service.north("/images/x"), &[("If-Match", "*")], ""),
        404,
        "",
    );
    // What a client has is not sent again.
    let list = http::get(&service.north("/images")).expect_status(200);
    let unchanged =
        http::get_with(&service.north("/images"), &[("If-None-Match", &tag(&list))]).expect_status(304);
    assert_eq!((unchanged.header("ETag"), unchanged.body.len()), (Some(&*tag(&list)), 0));
    for path in ["/images", "/iso", "/microkernel", "/jobs", "/uploads", "/about"] {
        let (got, head) = (http::get(&service.north(path)), http::head(&service.north(path)));
        assert_eq!(tag(&got), tag(&head), "{path}");
        assert_eq!(got.content_length(), head.content_length(), "{path}");
    }
}

#[test]
fn conditions_can_be_required() {
    let service = service(Setup::new().set("requirePreconditions", json!(true)));
    let wanted = json!({"name": "linux", "version": "1", "isostore": "a.iso"});
    expect_problem(&service, &put(&service, "x", &wanted, &[]), 428, "requirePreconditions");
    let query = [("name", "linux"), ("version", "1"), ("isostore", "a.iso")];
    expect_problem(&service, &service.put_image(&query), 428, "requirePreconditions");
    put(&service, "x", &wanted, &[("If-None-Match", "*")]).expect_status(201);
    let url = service.north("/images/x");
    expect_problem(&service, &http::delete(&url), 428, "requirePreconditions");
    expect_problem(
        &service,
        &http::delete(&service.north("/images?name=linux")),
        428,
        "requirePreconditions",
    );
    let tag = tag(&show(&service, "x"));
    http::request("DELETE", &url, &[("If-Match", &tag)], "").expect_status(200);
    expect_problem(&service, &http::delete(&url), 404, "no image");
}

#[test]
fn labels_have_a_rule() {
    let service = service(Setup::new());
    let many = (0..65).map(|number| format!("label=k{number}=v")).collect::<Vec<_>>().join("&");
    for (query, part) in [
        ("label=a".to_owned(), "key=value"),
        ("label=a=b&label=a=c".into(), "more than once"),
        ("label=%2Da=b".into(), "has the key '-a'"),
        (format!("label=a={}", "x".repeat(64)), "has the value"),
        (many, "64 times"),
    ] {
        let url = service.north(&format!("/images?name=linux&version=1&isostore=a.iso&{query}"));
        let problem = expect_problem(&service, &http::put(&url, ""), 400, part);
        assert_eq!(problem["parameter"], "label");
    }
    let json = [("Content-Type", "application/json")];
    let long = format!(r#"{{"name": "{}"}}"#, "x".repeat(64 << 10));
    let both =
        r#"{"name": "linux", "version": "1", "isostore": "a.iso", "label": "a=1", "labels": {"a": "1"}}"#;
    let twice = r#"{"name": "linux", "version": "1", "isostore": "a.iso", "labels": {"a": "1", "a": "2"}}"#;
    for (body, fields, status, part) in [
        (twice, json.as_slice(), 400, "names 'a' twice"),
        (both, &json, 400, "`labels` is given together with `label`"),
        (&long, &json, 413, "longer than 65536 bytes"),
        (twice, &[], 400, "`Content-Type: application/json`"),
    ] {
        expect_problem(
            &service,
            &http::request("PUT", &service.north("/images"), fields, body),
            status,
            part,
        );
    }
    assert_eq!(service.images(&[]), Vec::<Value>::new());
}
