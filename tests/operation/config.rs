//! `config.json`, the environment and the command line (contract §1): accepted values, and how a fault is
//! reported before anything is bound or made.

use harness::disk::SmallDisk;
use harness::http;
use harness::program::{Finished, finish, program};
use harness::service::query;
use harness::{Service, Setup, images};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

/// A valid configuration, on ports that the system chooses.
fn sound() -> Value {
    json!({"httpEndpoints": [
        {"address": "127.0.0.1", "port": 0, "routers": "northbound"},
        {"address": "127.0.0.1", "port": 0, "routers": "southbound"},
    ]})
}

fn folder_with(text: &str) -> TempDir {
    let folder = tempfile::Builder::new().prefix("image-service-config-").tempdir().unwrap();
    fs::write(folder.path().join("config.json"), text).unwrap();
    folder
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let config = folder.join("config.json");
    let mut command = program(&[&["--config", config.to_str().unwrap()], arguments].concat());
    command.envs(environment.iter().copied()).current_dir(folder);
    finish(command)
}

/// Panics unless both a start and `check-config` refuse with status 2 and one message that holds all `parts`,
/// and nothing was made.
#[track_caller]
fn expect_refused(text: &str, environment: &[(&str, &str)], parts: &[&str]) {
    let folder = folder_with(text);
    for arguments in [[].as_slice(), &["check-config"]] {
        let ended = run(folder.path(), arguments, environment);
        assert_eq!(ended.code, Some(2), "{text} {arguments:?}: {ended:?}");
        for part in parts {
            assert!(ended.stderr.contains(part), "{text}: no {part:?} in {}", ended.stderr);
        }
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{text}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert_eq!(ended.stdout, "", "{text}");
        assert_eq!(entries(folder.path()), ["config.json"], "{text}: something was made");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn each_fault_is_told_with_key_and_value_before_anything_is_bound() {
    for (key, value, shown) in [
        ("httpPort", json!(7070), "7070"),
        ("isodir", json!("./iso"), "did you mean `isoDir`"),
        ("httpEndpoints", json!("everywhere"), "everywhere"),
        ("httpEndpoints", json!([]), "[]"),
        ("httpEndpoints", json!([7070]), "7070"),
        (
            "httpEndpoints",
            json!([{"address": "127.0.0.1", "port": 1, "routers": "northbound"}]),
            "southbound",
        ),
        (
            "httpEndpoints",
            json!([{"address": "127.0.0.1", "port": 1, "routers": "southbound"}]),
            "northbound",
        ),
        (
            "httpEndpoints",
            json!([{"address": "127.0.0.1", "port": 70_000, "routers": ["northbound", "southbound"]}]),
            "70000",
        ),
        (
            "httpEndpoints",
            json!([{"address": "127.0.0.1", "port": -1, "routers": ["northbound", "southbound"]}]),
            "-1",
        ),
        (
            "httpEndpoints",
            json!([{"address": "127.0.0.1", "routers": ["northbound", "southbound"]}]),
            "`port`",
        ),
        (
            "httpEndpoints",
            json!([{"address": "nowhere", "port": 1, "routers": ["northbound", "southbound"]}]),
            "nowhere",
        ),
        (
            "httpEndpoints",
            json!([{"address": 5, "port": 1, "routers": ["northbound", "southbound"]}]),
            "`address`",
        ),
        ("httpEndpoints", json!([{"address": "127.0.0.1", "port": 1, "routers": "eastbound"}]), "eastbound"),
        (
            "httpEndpoints",
            json!([{"address": "127.0.0.1", "port": 1, "routers": ["northbound", "southbound", "notes"]}]),
            r#"`routers` holds "notes": expected "northbound", "southbound" or "health""#,
        ),
        ("httpEndpoints", json!([{"address": "127.0.0.1", "port": 1, "routers": []}]), "`routers`"),
        (
            "httpEndpoints",
            json!([{"address": "127.0.0.1", "port": 1, "routers": "northbound", "tls": true}]),
            "tls",
        ),
        ("httpFileServiceRootDir", json!(5), "5"),
        ("httpFileServiceRootDir", json!(""), "text"),
        ("httpFileServiceRootDir", json!("/dev/null"), "/dev/null"),
        ("httpFileServiceApiRoot", json!("files"), "files"),
        ("httpFileServiceApiRoot", json!("/a/../b"), "/a/../b"),
        ("httpFileServiceApiRoot", json!(1), "1"),
        ("isoDir", json!(["a"]), "a"),
        ("isoDir", json!("/dev/null/iso"), "/dev/null"),
        ("isoDir", json!("./static/common"), "static/common"),
        ("microkernelDir", json!({}), "{}"),
        ("inventoryFile", json!(true), "true"),
        ("inventoryFile", json!("."), "folder"),
        ("httpTimeout", json!("soon"), "soon"),
        ("httpTimeout", json!(-5), "-5"),
        ("httpTimeout", json!(1.5), "1.5"),
        ("httpTimeout", json!(null), "null"),
        ("minLogLevel", json!(6), "6"),
        ("minLogLevel", json!("loud"), "loud"),
        ("logFormat", json!("xml"), "xml"),
        ("accessLog", json!("/proc"), "is a folder"),
        ("accessLog", json!("./nowhere/access.log"), "there is no folder"),
        ("accessLog", json!("./inventory.json"), "is the file of `inventoryFile`"),
        ("accessLog", json!("./inventory.json.key"), "is the file of `inventoryFile`, or one"),
        ("accessLog", json!("./inventory.json.previous"), "is the file of `inventoryFile`, or one"),
        ("accessLog", json!("./state.db"), "is the file of the records of components"),
        ("accessLog", json!("./state.db-wal"), "is the file of the records of components"),
        ("accessLog", json!("./config.json"), "is the configuration file"),
        ("imageBackend", json!("magic"), "magic"),
        ("mountDir", json!(0), "0"),
        ("maxFileSize", json!("1 GB"), "1 GB"),
        ("reserveBytes", json!(-1), "-1"),
        ("corsOrigins", json!("*"), "*"),
        ("corsOrigins", json!(["panel.example"]), "panel.example"),
        ("allowedHosts", json!("a"), "a"),
        ("allowedHosts", json!(["a b"]), "a b"),
        ("hsts", json!("yes"), "yes"),
        ("trustedProxies", json!("10.0.0.0/8"), "10.0.0.0/8"),
        ("trustedProxies", json!(["proxy.example"]), "proxy.example"),
        ("shutdownTimeout", json!([]), "[]"),
        ("maxDownloads", json!(0), "0"),
        ("maxQueuedJobs", json!(0), "0"),
        ("downloadStallTimeout", json!("1m"), "1m"),
        ("treeCacheBytes", json!("all"), "all"),
        ("downloadRetries", json!(-1), "-1"),
        ("downloadRetryDelay", json!(0), "0"),
        ("downloadSchemes", json!(["gopher"]), "gopher"),
        ("downloadSchemes", json!([]), "[]"),
        ("downloadHosts", json!("a"), "a"),
        ("downloadHosts", json!(["a b"]), "a b"),
        ("downloadNetworks", json!(["10.0.0.0/33"]), "10.0.0.0/33"),
        ("downloadPrivate", json!("no"), "no"),
        ("downloadLinkLocal", json!(1), "1"),
        ("keyringDir", json!("./nowhere"), "nowhere"),
        ("southboundUrl", json!("boot.example"), "boot.example"),
        ("southboundUrl", json!("ftp://boot.example/"), "ftp://boot.example/"),
        ("southboundUrl", json!("http://user@boot.example/"), "user@boot.example"),
        ("southboundUrl", json!("http://boot.example/?a"), "boot.example/?a"),
        ("uploadExpiry", json!("week"), "week"),
        ("isoQuota", json!("1 TB"), "1 TB"),
        ("microkernelQuota", json!(-1), "-1"),
        ("watchInterval", json!(-1), "-1"),
        ("scrubInterval", json!("monthly"), "monthly"),
        ("scrubRate", json!(1), "1"),
        ("maxFinishedJobs", json!(0), "0"),
    ] {
        let mut config = sound();
        config[key] = value;
        // The two folders are compared at `microkernelDir`.
        let named = if shown == "static/common" { "microkernelDir" } else { key };
        expect_refused(&config.to_string(), &[], &[named, shown]);
    }
    for text in ["", "{", "[]", "5", "\"text\"", "{\"isoDir\": \"a\",}", "{} {}"] {
        expect_refused(text, &[], &["configuration file"]);
    }
}

#[test]
fn an_inventory_that_would_be_served_is_refused_however_its_path_is_written() {
    for path in [
        "static/inventory.json",
        "static/deep/inventory.json",
        "behind/inventory.json",
        "behind/new/inventory.json",
    ] {
        let mut config = sound();
        config["inventoryFile"] = json!(path);
        let folder = folder_with(&config.to_string());
        fs::create_dir_all(folder.path().join("static/deep")).unwrap();
        symlink("static/deep", folder.path().join("behind")).unwrap();
        let ended = run(folder.path(), &[], &[]);
        assert_eq!(ended.code, Some(2), "{path}: {ended:?}");
        for part in ["inventoryFile", path, "served to everybody"] {
            assert!(ended.stderr.contains(part), "{path}: no {part} in {}", ended.stderr);
        }
    }
}

#[test]
fn clashing_ports_are_told_with_both_endpoints() {
    let endpoint =
        |address: &str, port: u16, router: &str| json!({"address": address, "port": port, "routers": router});
    for (first, second) in
        [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("::1", "::1")]
    {
        let config = json!({"httpEndpoints": [endpoint(first, 7171, "northbound"), endpoint(second, 7171, "southbound")]});
        expect_refused(&config.to_string(), &[], &["httpEndpoints", first, second, "7171"]);
    }
    // The command line can name it too.
    let folder = folder_with(&sound().to_string());
    let ended = run(folder.path(), &["--northbound", "0.0.0.0:7171", "--southbound", "127.0.0.2:7171"], &[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("httpEndpoints") && ended.stderr.contains("7171"), "{}", ended.stderr);
}

#[test]
fn a_fault_is_found_before_the_ports_are() {
    // The port is taken; a start that binds before it validates would report that.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut config = sound();
    config["httpEndpoints"][0]["port"] = json!(port);
    let mut faulty = config.clone();
    faulty["treeCacheBytes"] = json!("all");
    expect_refused(&faulty.to_string(), &[], &["treeCacheBytes"]);

    let folder = folder_with(&config.to_string());
    let ended = run(folder.path(), &[], &[]);
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(
        ended.stderr.contains(&port.to_string()) && ended.stderr.contains("httpEndpoints"),
        "{}",
        ended.stderr
    );
    assert!(
        !ended.stdout.contains("southbound"),
        "nothing is announced that does not serve: {}",
        ended.stdout
    );
}

/// Every key with an invalid value, for its environment variable.
const FAULTS: &[(&str, &str, &str)] = &[
    ("httpEndpoints", "IMAGE_SERVICE_HTTP_ENDPOINTS", "[7]"),
    ("httpFileServiceRootDir", "IMAGE_SERVICE_HTTP_FILE_SERVICE_ROOT_DIR", "/dev/null"),
    ("httpFileServiceApiRoot", "IMAGE_SERVICE_HTTP_FILE_SERVICE_API_ROOT", "no-slash"),
    ("isoDir", "IMAGE_SERVICE_ISO_DIR", "/dev/null"),
    ("microkernelDir", "IMAGE_SERVICE_MICROKERNEL_DIR", "/dev/null"),
    ("inventoryFile", "IMAGE_SERVICE_INVENTORY_FILE", "/dev/null/inventory.json"),
    ("httpTimeout", "IMAGE_SERVICE_HTTP_TIMEOUT", "soon"),
    ("minLogLevel", "IMAGE_SERVICE_MIN_LOG_LEVEL", "9"),
    ("logFormat", "IMAGE_SERVICE_LOG_FORMAT", "xml"),
    ("accessLog", "IMAGE_SERVICE_ACCESS_LOG", "7"),
    ("imageBackend", "IMAGE_SERVICE_IMAGE_BACKEND", "magic"),
    ("mountDir", "IMAGE_SERVICE_MOUNT_DIR", "[]"),
    ("maxFileSize", "IMAGE_SERVICE_MAX_FILE_SIZE", "big"),
    ("reserveBytes", "IMAGE_SERVICE_RESERVE_BYTES", "-1"),
    ("corsOrigins", "IMAGE_SERVICE_CORS_ORIGINS", "*"),
    ("allowedHosts", "IMAGE_SERVICE_ALLOWED_HOSTS", "all"),
    ("hsts", "IMAGE_SERVICE_HSTS", "yes"),
    ("trustedProxies", "IMAGE_SERVICE_TRUSTED_PROXIES", "all"),
    ("shutdownTimeout", "IMAGE_SERVICE_SHUTDOWN_TIMEOUT", "never"),
    ("maxDownloads", "IMAGE_SERVICE_MAX_DOWNLOADS", "0"),
    ("maxQueuedJobs", "IMAGE_SERVICE_MAX_QUEUED_JOBS", "0"),
    ("downloadStallTimeout", "IMAGE_SERVICE_DOWNLOAD_STALL_TIMEOUT", "x"),
    ("treeCacheBytes", "IMAGE_SERVICE_TREE_CACHE_BYTES", "x"),
    ("downloadRetries", "IMAGE_SERVICE_DOWNLOAD_RETRIES", "many"),
    ("downloadRetryDelay", "IMAGE_SERVICE_DOWNLOAD_RETRY_DELAY", "0"),
    ("downloadSchemes", "IMAGE_SERVICE_DOWNLOAD_SCHEMES", "https"),
    ("downloadHosts", "IMAGE_SERVICE_DOWNLOAD_HOSTS", "here"),
    ("downloadNetworks", "IMAGE_SERVICE_DOWNLOAD_NETWORKS", "all"),
    ("downloadPrivate", "IMAGE_SERVICE_DOWNLOAD_PRIVATE", "no"),
    ("downloadLinkLocal", "IMAGE_SERVICE_DOWNLOAD_LINK_LOCAL", "yes"),
    ("keyringDir", "IMAGE_SERVICE_KEYRING_DIR", "/dev/null"),
    ("uploadExpiry", "IMAGE_SERVICE_UPLOAD_EXPIRY", "week"),
    ("isoQuota", "IMAGE_SERVICE_ISO_QUOTA", "x"),
    ("microkernelQuota", "IMAGE_SERVICE_MICROKERNEL_QUOTA", "x"),
    ("watchInterval", "IMAGE_SERVICE_WATCH_INTERVAL", "x"),
    ("scrubInterval", "IMAGE_SERVICE_SCRUB_INTERVAL", "x"),
    ("scrubRate", "IMAGE_SERVICE_SCRUB_RATE", "1"),
    ("maxFinishedJobs", "IMAGE_SERVICE_MAX_FINISHED_JOBS", "0"),
    ("southboundUrl", "IMAGE_SERVICE_SOUTHBOUND_URL", "here"),
];

#[test]
fn every_key_has_an_environment_variable() {
    for (key, variable, value) in FAULTS.iter().copied() {
        expect_refused(&sound().to_string(), &[(variable, value)], &[key, variable, value]);
    }
}

#[test]
fn the_command_line_wins_over_the_environment_over_the_file() {
    let mut config = sound();
    config["isoDir"] = json!("./from-file");
    config["inventoryFile"] = json!("./from-file.json");
    config["httpTimeout"] = json!("600000");
    config["minLogLevel"] = json!("2");
    let folder = folder_with(&config.to_string());
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let shown = |ended: &Finished, what: &str| {
        let line = ended.stdout.lines().find(|line| line.starts_with(what));
        line.unwrap_or_else(|| panic!("no {what}: {ended:?}")).split_whitespace().last().unwrap().to_owned()
    };

    let ended = run(folder.path(), &["check-config"], &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(shown(&ended, "isos"), at("from-file"));
    assert_eq!(shown(&ended, "inventory"), at("from-file.json"));
    assert_eq!(shown(&ended, "microkernels"), at("static/common"), "the default");

    let environment =
        [("IMAGE_SERVICE_ISO_DIR", "from-environment"), ("IMAGE_SERVICE_MICROKERNEL_DIR", "./kernels")];
    let ended = run(folder.path(), &["check-config"], &environment);
    assert_eq!(shown(&ended, "isos"), at("from-environment"));
    assert_eq!(shown(&ended, "microkernels"), at("kernels"));

    let ended = run(
        folder.path(),
        &["check-config", "--iso-dir", "from-option", "--southbound", "127.0.0.1:9191"],
        &environment,
    );
    assert_eq!(shown(&ended, "isos"), at("from-option"));
    assert_eq!(shown(&ended, "microkernels"), at("kernels"));
    assert!(ended.stdout.contains("127.0.0.1:9191 southbound"), "{}", ended.stdout);
    assert_eq!(entries(folder.path()), ["config.json"], "a check makes nothing");

    // The path of the file may come from a variable.
    let mut command = program(&["check-config"]);
    command.env("IMAGE_SERVICE_CONFIG", folder.path().join("config.json")).current_dir("/");
    let ended = finish(command);
    assert_eq!(
        shown(&ended, "isos"),
        at("from-file"),
        "paths start from the file's folder, not from the current one"
    );

    for arguments in
        [["--iso-dir", "/dev/null"], ["--log-level", "9"], ["--northbound", "nowhere"], ["--unknown", "x"]]
    {
        let ended = run(folder.path(), &arguments, &[]);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(
            ended.stderr.contains(arguments[1]) || ended.stderr.contains(arguments[0]),
            "{}",
            ended.stderr
        );
    }
    let missing = finish(program(&["--config", "/no/such/config.json"]));
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("/no/such/config.json"), "{}", missing.stderr);
}

#[test]
fn without_a_file_the_defaults_hold() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(&["check-config"]);
    command.current_dir(folder.path());
    let ended = finish(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for line in [
        "0.0.0.0:7070 northbound".to_owned(),
        "0.0.0.0:9090 southbound".to_owned(),
        at("static/iso"),
        at("static/common"),
        at("inventory.json"),
    ] {
        assert!(ended.stdout.contains(&line), "no {line}: {}", ended.stdout);
    }
    let help = finish(program(&["--help"]));
    assert_eq!(help.code, Some(0));
    for part in [
        "--config",
        "--northbound",
        "--southbound",
        "--iso-dir",
        "IMAGE_SERVICE_ISO_DIR",
        "check-config",
        "Exit status",
    ] {
        assert!(help.stdout.contains(part), "no {part}: {}", help.stdout);
    }
}

#[test]
fn numbers_may_be_written_as_text() {
    let service = Service::start(&json!({
        "httpEndpoints": [
            {"address": "127.0.0.1", "port": "0", "routers": "northbound"},
            {"address": "localhost", "port": "0", "routers": ["southbound"]},
        ],
        "httpTimeout": "86400000", "minLogLevel": "1", "maxFileSize": "1000", "reserveBytes": "0", "maxDownloads": "2",
    }));
    http::get(&service.north("/images")).expect_status(200);
    http::put(&service.north("/iso?name=fits"), vec![1; 1000]).expect_status(200);
    http::put(&service.north("/iso?name=large"), vec![1; 1001]).expect_status(413);
}

#[test]
fn folders_that_cannot_be_written_are_told_by_name() {
    for (key, value, made) in [
        ("isoDir", "protected/iso", None),
        ("isoDir", "protected", None),
        ("microkernelDir", "protected/deep/common", None),
        ("httpFileServiceRootDir", "protected/root", None),
        ("inventoryFile", "protected/inventory.json", None),
        ("mountDir", "protected/mounts", Some("mount")),
    ] {
        let mut config = sound();
        config[key] = json!(value);
        if let Some(backend) = made {
            config["imageBackend"] = json!(backend);
        }
        let folder = folder_with(&config.to_string());
        let disk = SmallDisk::mount(&folder.path().join("protected"), 1);
        disk.protect();
        let ended = run(folder.path(), &[], &[]);
        assert_eq!(ended.code, Some(2), "{key}: {ended:?}");
        assert!(ended.stderr.contains(key) && ended.stderr.contains("protected"), "{key}: {}", ended.stderr);
        assert!(
            ended.stderr.to_lowercase().contains("writable") || ended.stderr.contains("ead-only"),
            "{}",
            ended.stderr
        );
        assert_eq!(entries(folder.path()), ["config.json", "protected"], "{key}: something was made");
        // The same configuration, written as JSON, is valid.
        disk.unprotect();
        assert_eq!(run(folder.path(), &["check-config"], &[]).code, Some(0), "{key}");
    }
}

#[test]
fn one_endpoint_may_have_both_doors() {
    let service = Setup::new()
        .set(
            "httpEndpoints",
            json!([{"address": "127.0.0.1", "port": 0, "routers": ["northbound", "southbound"]}]),
        )
        .file("static/plain.txt", "plain\n")
        .file("static/iso/stored.iso", fs::read(images::installer()).unwrap())
        .start();
    assert_eq!(service.north("/"), service.south("/"));
    service.register("linux", "9", "isostore", "stored.iso");
    assert_eq!(http::get(&service.south("/plain.txt")).expect_status(200).text(), "plain\n");
    let kernel = http::get(&service.south("/linux/9/images/pxeboot/vmlinuz")).expect_status(200);
    assert!(kernel.body == images::pattern(1, 300_000));
    assert!(kernel.raw_line("Content-Length").is_some());
    // Listings of the stores are northbound, their files southbound.
    assert_eq!(http::get(&service.south("/iso")).json()[0]["name"], "stored.iso");
    assert_eq!(
        http::get(&service.south("/iso/stored.iso")).expect_status(200).body.len(),
        fs::read(images::installer()).unwrap().len()
    );
    http::delete(&service.north("/images?name=linux")).expect_status(200);
}

#[test]
fn doors_stay_apart_and_may_be_many() {
    let endpoint = |router: &str| json!({"address": "127.0.0.1", "port": 0, "routers": router});
    let service = Service::start(&json!({"httpEndpoints": [
        endpoint("northbound"), endpoint("southbound"), endpoint("southbound"), endpoint("northbound"),
    ]}));
    service.write("static/plain.txt", "plain\n");
    let urls = |api: &str| -> Vec<String> {
        let lines = service.start_lines().into_iter().filter(|(label, _)| *label == api);
        lines.map(|(_, url)| url.trim_end_matches('/').to_owned()).collect()
    };
    assert_eq!((urls("northbound").len(), urls("southbound").len()), (2, 2));
    for url in urls("northbound") {
        assert_eq!(http::get(&format!("{url}/images")).expect_status(200).text(), "[]");
        http::get(&format!("{url}/plain.txt")).expect_status(404);
    }
    for url in urls("southbound") {
        assert_eq!(http::get(&format!("{url}/plain.txt")).expect_status(200).text(), "plain\n");
        http::get(&format!("{url}/images")).expect_status(404);
        let refused = http::put(&format!("{url}/iso?{}", query(&[("name", "x")])), "x");
        assert!(matches!(refused.status, 404 | 405), "{}", refused.head_text());
    }
    assert!(!service.path("static/iso/x").exists());
}

#[test]
fn the_southbound_may_lie_below_a_prefix() {
    for (prefix, shown) in [("/files", "/files"), ("/a/b/", "/a/b"), ("/", "")] {
        let service = Setup::new()
            .set("httpFileServiceApiRoot", json!(prefix))
            .file("static/plain.txt", "plain\n")
            .file("static/iso/stored.iso", fs::read(images::installer()).unwrap())
            .start();
        service.register("linux", "9", "isostore", "stored.iso");
        // The start line shows the prefix already.
        assert!(service.south("").ends_with(shown), "{}", service.south(""));
        assert_eq!(http::get(&service.south("/plain.txt")).expect_status(200).text(), "plain\n");
        http::get(&service.south("/linux/9/README")).expect_status(200);
        assert_eq!(service.images(&[])[0]["path"], format!("{shown}/linux/9/"));
        if !shown.is_empty() {
            let bare = service.south("").replace(shown, "");
            http::get(&format!("{bare}/plain.txt")).expect_status(404);
            http::get(&format!("{bare}{shown}-not/plain.txt")).expect_status(404);
        }
    }
}
