use super::*;

fn assemble(file: &str) -> Result<Config, ConfigError> {
    Config::assemble(&[], Some(file), Path::new("/tmp"), |_| None, Overrides::default(), None)
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = Config::assemble(&[], None, Path::new("/tmp"), |_| None, Overrides::default(), None)
        .expect("defaults are valid");
    let bound: Vec<String> = config.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
    assert_eq!(bound, ["0.0.0.0:7070", "0.0.0.0:9090"]);
    assert_eq!(config.images.root_dir, Path::new("/tmp/static"));
    assert_eq!(*config.northbound.timeout.get(), Some(Duration::from_secs(86_400)));
    assert_eq!((config.log.get().min_level, config.api_root.as_str()), (0, ""));
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let file = r#"{"httpTimeout": "5", "minLogLevel": 1, "maxDownloads": 1}"#;
    let environment = |name: &str| match name {
        "IMAGE_SERVICE_MIN_LOG_LEVEL" => Some("2".to_owned()),
        "IMAGE_SERVICE_MAX_DOWNLOADS" => Some("2".to_owned()),
        _ => None,
    };
    let overrides =
        Overrides { values: BTreeMap::from([("maxDownloads", Value::from(3))]), ..Overrides::default() };
    let config =
        Config::assemble(&[], Some(file), Path::new("/tmp"), environment, overrides, None).expect("valid");
    assert_eq!(
        (
            *config.northbound.timeout.get(),
            config.log.get().min_level,
            *config.images.jobs.max_downloads.get()
        ),
        (Some(Duration::from_millis(5)), 2, 3)
    );
}

#[test]
fn a_fault_is_told_with_its_key_and_its_value() {
    for (file, parts) in [
        ("{", &["not a JSON object"] as &[&str]),
        ("[]", &["not a JSON object"]),
        (r#"{"isodir": "x"}"#, &["`isodir`", "\"x\"", "did you mean `isoDir`"]),
        (r#"{"colour": 7}"#, &["unknown key `colour`", "7"]),
        (r#"{"httpTimeout": true}"#, &["`httpTimeout`", "true", "whole number"]),
        (r#"{"httpTimeout": -1}"#, &["`httpTimeout`", "-1"]),
        (r#"{"minLogLevel": 6}"#, &["`minLogLevel`", "6", "0 (everything) to 5"]),
        (r#"{"isoDir": 5}"#, &["`isoDir`", "5", "expected text"]),
        (r#"{"isoDir": "/dev/null/x"}"#, &["`isoDir`", "/dev/null/x", "not a folder"]),
        (r#"{"inventoryFile": "/tmp"}"#, &["`inventoryFile`", "/tmp", "folder"]),
        (
            r#"{"httpFileServiceRootDir": "."}"#,
            &["`inventoryFile`", "/tmp/inventory.json", "`httpFileServiceRootDir`"],
        ),
        (r#"{"imageBackend": "fuse"}"#, &["`imageBackend`", "\"fuse\"", "\"extents\" or \"mount\""]),
        (r#"{"httpFileServiceApiRoot": "files"}"#, &["`httpFileServiceApiRoot`", "\"files\""]),
        (r#"{"httpEndpoints": []}"#, &["`httpEndpoints`", "[]"]),
        (
            r#"{"httpEndpoints": [{"port": 1, "routers": "northbound"}]}"#,
            &["`httpEndpoints`", "\"southbound\""],
        ),
        (
            r#"{"httpEndpoints": [{"port": 99999, "routers": "northbound"}]}"#,
            &["`httpEndpoints`", "99999", "`port`"],
        ),
        (r#"{"httpEndpoints": [{"port": 1, "router": "northbound"}]}"#, &["unknown key `router`"]),
        (r#"{"httpEndpoints": [{"port": 1, "routers": ["eastbound"]}]}"#, &["\"eastbound\""]),
        (
            r#"{"httpEndpoints": [{"port": 1, "routers": "southbound", "tls": 5}]}"#,
            &["`httpEndpoints`", "`tls` is 5", "{certificate, key}"],
        ),
        (
            r#"{"httpEndpoints": [{"port": 1, "routers": "southbound", "tls": {"certificate": "./a.pem", "key": "b.pem"}}]}"#,
            &["`certificate` in `tls`", "/tmp/a.pem", "No such file"],
        ),
        (
            r#"{"httpEndpoints": [{"address": "here", "port": 1, "routers": "northbound"}]}"#,
            &["`address`", "\"here\""],
        ),
        (
            r#"{"httpEndpoints": [{"port": 1, "routers": "northbound"}, {"address": "127.0.0.1", "port": 1, "routers": "southbound"}]}"#,
            &["clash", "127.0.0.1:1"],
        ),
        (r#"{"maxConnections": 0}"#, &["`maxConnections`", "0", "from 1"]),
        (r#"{"maxConnectionsPerAddress": "many"}"#, &["`maxConnectionsPerAddress`", "many"]),
        (r#"{"maxTransfers": -1}"#, &["`maxTransfers`", "-1"]),
        (r#"{"transferRate": 5}"#, &["`transferRate`", "5", "at least 65536, or 0"]),
        (r#"{"imageTransferRate": 1.5}"#, &["`imageTransferRate`", "1.5"]),
        (r#"{"maxDownloads": 0}"#, &["`maxDownloads`", "0", "from 1"]),
        (r#"{"downloadStallTimeout": "0"}"#, &["`downloadStallTimeout`", "\"0\""]),
        (r#"{"corsOrigins": ["panel"]}"#, &["`corsOrigins`", "panel"]),
        (r#"{"isoDir": "a", "microkernelDir": "a"}"#, &["`microkernelDir`", "same folder"]),
    ] {
        let message = assemble(file).expect_err(file).to_string();
        for part in parts {
            assert!(message.contains(part), "{file}: {message:?} lacks {part:?}");
        }
    }
}

#[test]
fn a_door_can_be_moved_alone() {
    let moved = |northbound: Option<&str>, southbound: Option<&str>| {
        let address = |text: Option<&str>| text.map(|text| text.parse().expect("an address"));
        let overrides = Overrides {
            northbound: address(northbound),
            southbound: address(southbound),
            ..Overrides::default()
        };
        Config::assemble(&[], None, Path::new("/tmp"), |_| None, overrides, None)
            .map(|config| endpoint::shown(&config.endpoints))
    };
    assert_eq!(moved(None, Some("127.0.0.1:9191")).expect("valid"), "0.0.0.0:7070, 127.0.0.1:9191");
    assert_eq!(moved(Some("127.0.0.1:1"), Some("127.0.0.1:1")).expect("valid"), "127.0.0.1:1");
    assert!(moved(None, Some("127.0.0.1:7070")).expect_err("clashes").to_string().contains("clash"));
}

/// A change of its address must not make a private API public.
#[test]
fn a_door_that_was_open_to_https_only_stays_so_when_it_is_moved() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", "/CN=test", "-keyout", "key.pem", "-out", "chain.pem"])
        .current_dir(folder.path())
        .output();
    assert!(made.expect("openssl").status.success());
    let moved = |file: &str| {
        let address = "127.0.0.1:9191".parse().expect("an address");
        let overrides = Overrides { southbound: Some(address), ..Overrides::default() };
        let config =
            Config::assemble(&[], Some(file), folder.path(), |_| None, overrides, None).expect("valid");
        let endpoint = config.endpoints.into_iter().find(|endpoint| endpoint.address == address);
        endpoint.expect("it was moved there").tls.is_some()
    };
    let north = r#"{"port": 7070, "routers": "northbound"}"#;
    let secure =
        r#"{"port": 9443, "routers": "southbound", "tls": {"certificate": "chain.pem", "key": "./key.pem"}}"#;
    let plain = r#"{"port": 9090, "routers": "southbound"}"#;
    assert!(moved(&format!(r#"{{"httpEndpoints": [{north}, {secure}]}}"#)));
    assert!(!moved(&format!(r#"{{"httpEndpoints": [{north}, {plain}, {secure}]}}"#)));
}

#[test]
fn the_api_root_is_a_prefix_without_a_closing_slash() {
    for (given, prefix) in [("/", ""), ("/files", "/files"), ("/a//b/", "/a/b")] {
        let config = assemble(&format!(r#"{{"httpFileServiceApiRoot": "{given}"}}"#)).expect(given);
        assert_eq!(config.api_root, prefix);
    }
}

#[test]
fn every_key_has_a_variable() {
    assert_eq!(variable("httpFileServiceRootDir"), "IMAGE_SERVICE_HTTP_FILE_SERVICE_ROOT_DIR");
}
