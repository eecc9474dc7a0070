//! `docs/configuration.md` explains every setting, with the default that the program has.

use super::pages::{block, blocks, read};
use harness::program::{finish, program};
use image_service::components::COMPONENTS;
use image_service::config::{Config, Overrides, variable};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

const PAGE: &str = "docs/configuration.md";

/// The rows of all tables whose first column is a key: its default in JSON, if it has one.
fn explained() -> BTreeMap<String, Option<Value>> {
    let page = read(PAGE);
    let tables = page.split("| key | default | meaning |").skip(1);
    let rows = tables.flat_map(|table| table.lines().skip(2).take_while(|line| line.starts_with('|')));
    let mut found = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.splitn(4, '|').map(str::trim).collect();
        let key = cells[1].trim_matches('`');
        let default = cells[2].strip_prefix('`').and_then(|text| text.strip_suffix('`'));
        let default =
            default.map(|text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{row}: {error}")));
        assert!(default.is_some() || ["none", "below"].contains(&cells[2]), "{row}");
        assert!(found.insert(key.to_owned(), default).is_none(), "{key} is explained twice");
    }
    found
}

/// The configuration that a file in `folder` with this text makes, as text.
fn assembled(text: &str, folder: &Path) -> String {
    let config = Config::assemble(COMPONENTS, Some(text), folder, |_| None, Overrides::default(), None);
    format!("{:#?}", config.unwrap_or_else(|error| panic!("{text}: {error}")))
}

/// The environment variables of all settings that the program reads.
fn variables(folder: &Path) -> BTreeSet<String> {
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let environment = {
        let asked = Arc::clone(&asked);
        move |name: &str| {
            asked.lock().unwrap().insert(name.to_owned());
            None
        }
    };
    Config::assemble(COMPONENTS, None, folder, environment, Overrides::default(), None).unwrap();
    std::mem::take(&mut *asked.lock().unwrap())
}

#[test]
fn every_setting_is_explained_with_its_default() {
    let explained = explained();
    let folder = tempfile::tempdir().unwrap();
    let explained_variables: BTreeSet<String> = explained.keys().map(|key| variable(key)).collect();
    assert_eq!(explained_variables, variables(folder.path()), "explained in {PAGE}, and read by the program");
    let default = assembled(&block(PAGE, "minimal"), folder.path());
    for (key, value) in explained {
        if let Some(value) = value {
            assert_eq!(
                assembled(&json!({ key.as_str(): value }).to_string(), folder.path()),
                default,
                "{key}"
            );
        }
    }
    assert_eq!(assembled(&block(PAGE, "endpoints"), folder.path()), default);
}

#[test]
fn the_configurations_of_the_project_and_its_pages_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let pair =
        ["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=boot.example", "-newkey", "ec", "-pkeyopt"];
    let made = Command::new("openssl")
        .args(pair)
        .args(["ec_paramgen_curve:prime256v1", "-keyout", "key.pem", "-out", "chain.pem"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let examples = blocks(PAGE).into_iter().filter(|block| block.language == "json").map(|block| block.text);
    // The folders of an installed service, which tests may not make.
    let packaged = read("packaging/config.json").replace("/var/lib/image-service", "./state");
    for text in examples.chain([read("config.json"), packaged]) {
        fs::write(folder.path().join("config.json"), &text).unwrap();
        // The command of the page, with the program under test in its place.
        let command = block(PAGE, "check");
        let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
        let mut command = program(&arguments);
        command.current_dir(folder.path());
        let checked = finish(command);
        assert_eq!(checked.code, Some(0), "{text}\n{checked:?}");
        assert!(checked.stdout.starts_with("the configuration is valid\n"), "{checked:?}");
    }
}
