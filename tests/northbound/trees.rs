//! The tree of an ISO that an image serves: chosen at the registration and permanent.

use harness::http::{self, Response};
use harness::images::{self, bare, joliet};
use harness::iso::Maker;
use harness::problem::expect_problem;
use harness::remains::Remains;
use harness::service::query;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup};
use serde_json::{Value, json};
use std::fs;

/// The trees of `images::installer`, best first, by their names in the API.
const TREES: [&str; 3] = ["rockridge", "joliet", "plain"];

/// One file's name in each tree, and the status of a link: plain trees hold an empty file instead.
const NAMES: [(&str, &str, u16); 3] = [
    ("rockridge", "Packages/gcc-c++-12.rpm", 200),
    ("joliet", "Packages/gcc-c++-12.rpm", 404),
    ("plain", "packages/gcc_c___.rpm", 200),
];

fn put(service: &Service, name: &str, parameters: &[(&str, &str)]) -> Response {
    service.put_image(&[&[("name", name), ("version", "1")], parameters].concat())
}

/// Registers by JSON when there is no body, so that one function tries every source.
fn upload(service: &Service, parameters: &[(&str, &str)], iso: &[u8]) -> Response {
    let url = service.north(&format!("/images?{}", query(parameters)));
    http::request("PUT", &url, &[("Accept", "application/json")], iso)
}

/// Panics unless `/<name>/1/` is that tree of the installer and no other.
#[track_caller]
fn expect_tree(service: &Service, name: &str, kind: &str) {
    let listing =
        http::get_with(&service.south(&format!("/{name}/1/packages/")), &[("Accept", "text/plain")]);
    let (_, file, link) = NAMES[TREES.iter().position(|tree| *tree == kind).unwrap()];
    let shown = file.rsplit('/').next().unwrap();
    assert_eq!(listing.expect_status(200).text().trim_end(), shown, "{name} is not {kind}");
    let answer = http::get(&service.south(&format!("/{name}/1/{}", http::encode_path(file))));
    assert!(answer.expect_status(200).body == images::pattern(4, 5000), "{name}");
    http::get(&service.south(&format!("/{name}/1/kernel"))).expect_status(link);
}

fn tree_of(service: &Service, name: &str) -> Value {
    service.images(&[("name", name)])[0]["tree"].clone()
}

#[test]
fn images_of_one_iso_serve_different_trees_side_by_side() {
    let mut service = Setup::new().start();
    let iso = images::installer();
    let source = ("isolocal", iso.to_str().unwrap());
    put(&service, "default", &[source]).expect_status(200);
    for kind in TREES {
        let image = put(&service, kind, &[source, ("tree", kind)]).expect_status(200).json();
        assert_eq!(
            (&image["tree"]["kind"], &image["tree"]["asked"]),
            (&json!(kind), &json!(kind)),
            "{image}"
        );
        assert_eq!(image["tree"]["available"], json!(TREES));
    }
    for _ in 0..2 {
        // In turns: an open tree must not be used for another.
        for _ in 0..3 {
            expect_tree(&service, "default", "rockridge");
            TREES.iter().for_each(|kind| expect_tree(&service, kind, kind));
        }
        let default = tree_of(&service, "default");
        assert_eq!((&default["kind"], default.get("asked")), (&json!("rockridge"), None), "{default}");
        TREES.iter().for_each(|kind| assert_eq!(tree_of(&service, kind)["asked"], *kind));
        service.restart();
    }
    // One is deleted, the others stay.
    http::delete(&service.north("/images?name=joliet")).expect_status(200);
    http::get(&service.south("/joliet/1/packages/")).expect_status(404);
    expect_tree(&service, "default", "rockridge");
    expect_tree(&service, "plain", "plain");
}

#[test]
fn every_source_takes_the_choice_in_query_and_body() {
    let iso = fs::read(images::installer()).unwrap();
    let setup = Setup::new().file("static/iso/stored.iso", &iso).file("elsewhere/local.iso", &iso);
    let mut service = setup.start();
    let origin = Origin::start();
    origin.on("/web.iso", Behaviour::Bytes(iso.clone()));
    let local = service.path("elsewhere/local.iso").to_str().unwrap().to_owned();
    let sources = [("isostore", "stored.iso"), ("isolocal", &local), ("isoweb", &origin.url("/web.iso"))];
    for (source, value) in sources {
        let query = put(&service, source, &[(source, value), ("tree", "plain"), ("wait", "20")]);
        assert_eq!(query.expect_status(200).json()["tree"]["kind"], "plain", "{source}");
        expect_tree(&service, source, "plain");
        if source != "isoweb" {
            let name = format!("body-{source}");
            let body = json!({"name": name, "version": 1, source: value, "tree": "joliet"});
            http::put_json(&service.north("/images"), &body).expect_status(200);
            expect_tree(&service, &name, "joliet");
        }
    }
    let client = [("name", "isoclient"), ("version", "1"), ("isoclient", "client.iso"), ("tree", "plain")];
    assert_eq!(upload(&service, &client, &iso).expect_status(200).json()["tree"]["asked"], "plain");
    service.kill9();
    service.spawn();
    for name in ["isostore", "isolocal", "isoweb", "isoclient"] {
        expect_tree(&service, name, "plain");
    }
}

#[test]
fn a_word_that_is_no_tree_is_refused_by_name() {
    let service = Setup::new().file("static/iso/stored.iso", fs::read(images::installer()).unwrap()).start();
    let before = Remains::of(&service);
    for word in ["", "best", "Joliet", "rock ridge", "iso"] {
        let answer = put(&service, "x", &[("isostore", "stored.iso"), ("tree", word)]);
        let problem = expect_problem(&service, &answer, 400, "rockridge, udf, joliet, enhanced or plain");
        assert_eq!(problem["parameter"], "tree", "{word}");
        let parameters = [("name", "x"), ("version", "1"), ("isoclient", "new.iso"), ("tree", word)];
        expect_problem(&service, &upload(&service, &parameters, b"anything"), 400, "`tree`");
    }
    before.expect_again(&service, "wrong words");
}

#[test]
fn a_tree_that_the_iso_does_not_have_is_refused_and_leaves_nothing() {
    let (poor, long) = (fs::read(bare(Maker::Xorriso)).unwrap(), fs::read(joliet(Maker::Xorriso)).unwrap());
    let service = Setup::new().file("static/iso/bare.iso", &poor).file("elsewhere/local.iso", &poor).start();
    let origin = Origin::start();
    origin.on("/web.iso", Behaviour::Bytes(poor.clone()));
    let local = service.path("elsewhere/local.iso").to_str().unwrap().to_owned();
    let web = origin.url("/web.iso");
    let before = Remains::of(&service);
    for kind in ["rockridge", "joliet", "enhanced"] {
        for (source, value) in [("isostore", "bare.iso"), ("isolocal", &local), ("isoweb", &web)] {
            let answer = put(&service, "x", &[(source, value), ("tree", kind), ("wait", "20")]);
            let told = format!("the ISO has no {kind} tree; it has plain");
            assert_eq!(expect_problem(&service, &answer, 422, &told)["parameter"], "tree", "{source}");
        }
        let parameters = [("name", "x"), ("version", "1"), ("isoclient", "x.iso"), ("tree", kind)];
        let answer = upload(&service, &parameters, &poor);
        expect_problem(&service, &answer, 422, "it has plain");
    }
    let parameters = [("name", "x"), ("version", "1"), ("isoclient", "x.iso"), ("tree", "rockridge")];
    expect_problem(&service, &upload(&service, &parameters, &long), 422, "it has joliet, plain");
    before.expect_again(&service, "trees that are not there");
}

#[test]
fn a_retry_keeps_the_choice_unless_it_makes_another() {
    let setup = Setup::new().set("downloadRetries", json!(0));
    let mut service = setup.file("static/iso/other.iso", fs::read(images::installer()).unwrap()).start();
    service.upload_iso("store.iso", &images::installer());
    put(&service, "kept", &[("isostore", "store.iso"), ("tree", "joliet")]).expect_status(200);
    put(&service, "changed", &[("isostore", "store.iso"), ("tree", "joliet")]).expect_status(200);
    expect_tree(&service, "changed", "joliet");
    fs::remove_file(service.path("static/iso/store.iso")).unwrap();
    service.wait_for_status("kept", "1", |status| status.contains("missing"));
    assert_eq!(tree_of(&service, "kept")["asked"], "joliet");
    put(&service, "kept", &[("isostore", "other.iso")]).expect_status(200);
    expect_tree(&service, "kept", "joliet");
    put(&service, "changed", &[("isostore", "other.iso"), ("tree", "plain")]).expect_status(200);
    expect_tree(&service, "changed", "plain");

    // A download that fails, is retried in vain, and succeeds in the end.
    let origin = Origin::start();
    origin.on("/web.iso", Behaviour::Status(500));
    let url = origin.url("/web.iso");
    put(&service, "web", &[("isoweb", &url), ("tree", "joliet"), ("wait", "0")]).expect_status(200);
    service.wait_for_status("web", "1", |status| status.starts_with("error: "));
    assert_eq!(tree_of(&service, "web"), json!({"asked": "joliet"}));
    put(&service, "web", &[("isoweb", &url)]);
    service.restart();
    assert_eq!(tree_of(&service, "web")["asked"], "joliet");
    origin.on("/web.iso", Behaviour::File(images::installer()));
    put(&service, "web", &[("isoweb", &url), ("wait", "20")]).expect_status(200);
    expect_tree(&service, "web", "joliet");
}
