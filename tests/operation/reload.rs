//! SIGHUP and `POST /reload`: which settings change while the program runs, and that a wrong file changes
//! none.

use harness::crowd;
use harness::disk::HangingDisk;
use harness::figures::{await_figure, open_files};
use harness::http::{self, Connection, Request, Response};
use harness::problem::expect_problem;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::{begin, cancel, list, now, register, wait_for};
use harness::{Service, Setup, images};
use rustix::fs::{CWD, Mode, mknodat};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

fn reload(service: &Service) -> Response {
    http::request("POST", &service.north("/reload"), &[], Vec::new())
}

fn metric(service: &Service, name: &str) -> Option<String> {
    let metrics = http::get(&service.north("/metrics")).expect_status(200).text();
    let mut lines = metrics.lines();
    lines.find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '))).map(str::to_owned)
}

/// Sends SIGHUP and waits until the log has one more line with these words.
fn hang_up(service: &Service, words: &str) {
    let count = || service.log().matches(words).count();
    let before = count();
    service.signal(Signal::HUP);
    eventually(LIMIT, words, || (count() > before).then_some(()));
}

#[test]
fn a_reload_takes_over_what_it_can_and_names_what_needs_a_restart() {
    let mut service = Setup::new().start();
    assert_eq!(reload(&service).expect_status(200).json(), json!({"changed": [], "needsRestart": []}));
    let body = vec![0; 5000];
    service.reconfigure("maxFileSize", json!(4000));
    service.reconfigure("isoDir", json!("./elsewhere"));
    service.reconfigure("httpEndpoints", json!([{"port": 0, "routers": ["northbound", "southbound"]}]));
    service.write_config();
    let answer = reload(&service).expect_status(200).json();
    assert_eq!(answer["changed"], json!(["maxFileSize"]), "{answer}");
    assert_eq!(answer["needsRestart"], json!(["httpEndpoints", "isoDir"]), "{answer}");
    http::put(&service.north("/microkernel?name=a"), body.clone()).expect_status(413);
    assert!(!service.path("elsewhere").exists(), "nothing is made for what needs a restart");
    service.expect_logged("httpEndpoints, isoDir");

    // It stays due until the restart, and a setting that leaves the file has its default again.
    service.reconfigure("maxFileSize", Value::Null);
    service.write_config();
    let answer = reload(&service).expect_status(200).json();
    assert_eq!(
        (&answer["changed"], answer["needsRestart"].as_array().map(Vec::len)),
        (&json!(["maxFileSize"]), Some(2))
    );
    http::put(&service.north("/microkernel?name=a"), body).expect_status(200);
}

/// Changes settings of a running service; `null` gives a key its default again.
#[track_caller]
fn change(service: &mut Service, settings: &[(&str, Value)]) {
    for (key, value) in settings {
        service.reconfigure(key, value.clone());
    }
    service.write_config();
    let answer = reload(service).expect_status(200).json();
    assert_eq!(answer["needsRestart"], json!([]), "{answer}");
    for (key, _) in settings {
        assert!(answer["changed"].as_array().unwrap().contains(&json!(key)), "{answer}");
    }
}

/// All settings, each with another value than its default, in the order of their names.
const ALL_SETTINGS: &str = r#"{
        "accessLog": "stderr", "allowedHosts": ["a.example"], "corsOrigins": ["https://a.example"],
        "downloadHosts": ["a.example"], "downloadLinkLocal": true, "downloadNetworks": ["192.0.2.0/24"],
        "downloadPrivate": false, "downloadRetries": 1, "downloadRetryDelay": 2, "downloadSchemes": ["http"],
        "downloadStallTimeout": 1000, "hsts": true,
        "httpEndpoints": [{"port": 0, "routers": ["northbound", "southbound"]}],
        "httpFileServiceApiRoot": "/files", "httpFileServiceRootDir": "./root", "httpTimeout": 1000,
        "imageBackend": "mount", "imageTransferRate": 100000, "inventoryFile": "./other.json",
        "isoDir": "./isos", "isoQuota": 1, "keyringDir": ".", "logFormat": "json", "maxConnections": 100,
        "maxConnectionsPerAddress": 10, "maxDownloads": 1, "maxFileSize": 1, "maxFinishedJobs": 1,
        "maxQueuedJobs": 1, "maxTransfers": 1, "microkernelDir": "./kernels", "microkernelQuota": 1,
        "minLogLevel": 1, "mountDir": "./elsewhere", "requirePreconditions": true, "reserveBytes": 1,
        "scrubInterval": 1, "scrubRate": 100000, "shutdownTimeout": 1, "southboundUrl": "http://a.example/",
        "transferRate": 100000, "treeCacheBytes": 1, "trustedProxies": ["192.0.2.0/24"],
        "uploadExpiry": 1000, "watchInterval": 0
}"#;

/// Endpoints and their URLs, folders and files, and what reads the trees.
const NEEDS_RESTART: [&str; 10] = [
    "httpEndpoints",
    "httpFileServiceApiRoot",
    "httpFileServiceRootDir",
    "imageBackend",
    "inventoryFile",
    "isoDir",
    "keyringDir",
    "microkernelDir",
    "mountDir",
    "southboundUrl",
];

#[test]
fn all_but_endpoints_folders_and_files_are_taken_over() {
    let mut service = Setup::new().start();
    let settings: Value = serde_json::from_str(ALL_SETTINGS).unwrap();
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap();
    for (key, value) in settings.as_object().unwrap() {
        assert!(text.contains(&format!("| `{key}` |")), "{key} is not in the document");
        service.reconfigure(key, value.clone());
    }
    let documented = text.lines().filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 2);
    let keys = documented.filter_map(|line| line.split('`').nth(1));
    let members = ["address", "port", "routers", "tls"];
    let missing: Vec<&str> =
        keys.filter(|key| settings.get(key).is_none() && !members.contains(key)).collect();
    assert!(missing.is_empty(), "{missing:?} are documented and not changed here");
    service.write_config();
    let answer = reload(&service).expect_status(200).json();
    assert_eq!(answer["needsRestart"], json!(NEEDS_RESTART), "{answer}");
}

#[test]
fn limits_of_connections_change() {
    let mut service =
        Setup::new().set("maxConnectionsPerAddress", json!(6)).file("static/a", "small\n").start();
    let url = service.south("/");
    let mut held = crowd::connect(&url, crowd::address(1), 5);
    await_figure(&service, "connections_accepted_total", |accepted| accepted >= 5);
    change(&mut service, &[("maxConnectionsPerAddress", json!(2)), ("shutdownTimeout", json!(1))]);
    assert!(crowd::is_closed(&crowd::connect_one(&url, crowd::address(1))));
    crowd::say(&held, &crowd::get("/a"));
    for client in &held {
        assert!(crowd::answer(client, 6).ends_with(b"small\n"), "those that are here stay");
    }
    // Below the new limit the address gets one more.
    held.truncate(1);
    eventually(LIMIT, "a place", || {
        let mut newcomer = crowd::connect_one(&url, crowd::address(1));
        // One that is refused may be reset.
        newcomer.write_all(&crowd::get("/a")).ok()?;
        crowd::whole_or_nothing(&newcomer, 6).map(drop)
    });
    change(&mut service, &[("maxConnectionsPerAddress", json!(9))]);
    let more = crowd::connect(&url, crowd::address(1), 8);
    crowd::say(&more, &crowd::get("/a"));
    for client in &more {
        assert!(crowd::answer(client, 6).ends_with(b"small\n"));
    }
    // Far more than there may be: the idle ones make room at once.
    change(&mut service, &[("maxConnections", json!(2))]);
    assert!(crowd::last_answer(&crowd::connect_one(&url, crowd::address(2)), "/a").ends_with("small\n"));
    eventually(LIMIT, "connections that had to go", || {
        let open = more.iter().chain(&held).filter(|client| crowd::is_open_and_silent(client)).count();
        (open <= 2).then_some(())
    });
}

#[test]
fn limits_of_downloads_change() {
    let settings = json!({"maxDownloads": 1, "downloadRetries": 0, "trustedProxies": ["127.0.0.1/32"]});
    let mut service = Service::start(&settings);
    let origin = Origin::start();
    let links = ["a", "b", "c", "d"].map(|name| {
        origin.on(&format!("/{name}.iso"), Behaviour::Silent);
        origin.url(&format!("/{name}.iso"))
    });
    let [first, second, third] =
        [0, 1, 2].map(|index| begin(&service, ["a", "b", "c"][index], &[&links[index]]));
    wait_for(&service, &first, "running");
    change(&mut service, &[("maxDownloads", json!(2)), ("maxQueuedJobs", json!(3))]);
    wait_for(&service, &second, "running");
    expect_problem(&service, &register(&service, "d", &[&links[3]], "0"), 503, "`maxQueuedJobs`");
    change(&mut service, &[("maxDownloads", json!(1)), ("maxQueuedJobs", Value::Null)]);
    cancel(&service, &first).expect_status(200);
    wait_for(&service, &first, "cancelled");
    assert_eq!(now(&service, &third)["state"], "queued", "one runs already");
    cancel(&service, &second).expect_status(200);
    wait_for(&service, &third, "running");
    cancel(&service, &third).expect_status(200);

    change(&mut service, &[("downloadStallTimeout", json!(300))]);
    let late = begin(&service, "d", &[&links[3]]);
    wait_for(&service, &late, "failed");
}

#[test]
fn scans_and_scrubs_begin_when_their_intervals_are_set() {
    let mut service = Setup::new().set("watchInterval", json!(0)).set("scrubInterval", json!(0)).start();
    http::put(&service.north("/microkernel?name=k"), images::pattern(9, 7000)).expect_status(200);
    fs::write(service.path("static/common/dropped"), "bytes").unwrap();
    change(&mut service, &[("watchInterval", json!(100)), ("scrubInterval", json!(100))]);
    eventually(LIMIT, "a record of the file", || {
        let records = fs::read_to_string(service.path("inventory.json")).unwrap_or_default();
        records.contains("dropped").then_some(())
    });
    eventually(LIMIT, "a scrub", || list(&service, &[("kind", "scrub")]).first().map(drop));
}

#[test]
fn preconditions_can_be_required_from_now_on() {
    let mut service = Setup::new().start();
    service.upload_iso("a.iso", &images::installer());
    service.register("a", "1", "isostore", "a.iso");
    change(&mut service, &[("requirePreconditions", json!(true)), ("treeCacheBytes", json!(1 << 20))]);
    http::delete(&service.north("/images?name=a&version=1")).expect_status(428);
    http::get(&service.south("/a/1/")).expect_status(200);
}

/// logrotate reloads each night, and the trees that machines boot from stay open.
#[test]
fn a_reload_leaves_alone_what_did_not_change() {
    let mut service = Setup::new().start();
    service.upload_iso("a.iso", &images::installer());
    service.register("a", "1", "isostore", "a.iso");
    http::get(&service.south("/a/1/")).expect_status(200);
    let pid = service.pid();
    let is_open = || open_files(pid).iter().any(|file| file.ends_with("/static/iso/a.iso"));
    assert!(is_open());
    reload(&service).expect_status(200);
    assert!(is_open(), "a reload without a change closed the tree");
    change(&mut service, &[("maxFileSize", json!(1 << 30))]);
    assert!(is_open(), "the change of another setting closed the tree");
}

#[test]
fn a_wrong_file_changes_nothing_and_is_told() {
    let mut service = Setup::new().set("maxFileSize", json!(4000)).start();
    let is_limited = |service: &Service| {
        http::put(&service.north("/microkernel?name=a"), vec![0; 5000]).expect_status(413);
    };
    assert_eq!(metric(&service, "image_service_config_reload_success").as_deref(), Some("1"));
    service.reconfigure("maxFileSize", json!(8000));
    service.reconfigure("minLogLevel", json!(9));
    service.write_config();
    let problem = reload(&service).expect_status(422);
    assert_eq!(problem.header("Content-Type"), Some("application/problem+json"));
    assert!(problem.text().contains("`minLogLevel` is 9"), "{}", problem.text());
    is_limited(&service);
    assert_eq!(metric(&service, "image_service_config_reload_success").as_deref(), Some("0"));
    hang_up(&service, "the settings stay as they are");
    is_limited(&service);

    for (key, value) in
        [("isoDir", json!("/dev/null/x")), ("nonsense", json!(1)), ("keyringDir", json!("./none"))]
    {
        service.reconfigure("minLogLevel", Value::Null);
        service.reconfigure(key, value);
        service.write_config();
        let text = reload(&service).expect_status(422).text();
        assert!(text.contains(&format!("`{key}`")), "{text}");
        let folder = service.path("");
        assert!(!text.contains("/dev") && !text.contains(folder.to_str().unwrap()), "a path is told: {text}");
        service.reconfigure(key, Value::Null);
    }
    for (text, expected) in
        [("{\"x\": \"secret\"}", "unknown key `x`"), ("[\"secret\"]", "not a JSON object")]
    {
        fs::write(service.path("config.json"), text).unwrap();
        let told = reload(&service).expect_status(422).text();
        assert!(told.contains(expected) && !told.contains("secret"), "{told}");
    }
    fs::write(service.path("config.json"), "{").unwrap();
    assert!(reload(&service).expect_status(422).text().contains("not a JSON object"));
    fs::remove_file(service.path("config.json")).unwrap();
    assert!(reload(&service).expect_status(422).text().contains("cannot be read"));
    is_limited(&service);

    service.write_config();
    reload(&service).expect_status(200);
    http::put(&service.north("/microkernel?name=a"), vec![0; 5000]).expect_status(200);
    assert_eq!(metric(&service, "image_service_config_reload_success").as_deref(), Some("1"));
}

#[test]
fn sighup_reloads_and_the_environment_still_wins() {
    let mut service = Setup::new().env("IMAGE_SERVICE_ISO_QUOTA", "4000").start();
    service.reconfigure("isoQuota", json!(8000));
    service.reconfigure("microkernelQuota", json!(4000));
    service.write_config();
    hang_up(&service, "the settings were reloaded");
    assert!(service.is_alive());
    let storage = http::get(&service.north("/storage")).expect_status(200).json();
    for store in storage["stores"].as_array().unwrap() {
        assert_eq!(store["quota"], 4000, "{storage}");
    }
}

#[test]
fn the_level_of_the_log_and_the_reach_of_downloads_change() {
    let mut service = Setup::new().set("minLogLevel", json!(5)).start();
    service.reconfigure("minLogLevel", json!(2));
    service.reconfigure("downloadSchemes", json!(["https"]));
    service.write_config();
    reload(&service).expect_status(200);
    eventually(LIMIT, "a line of the log", || {
        service.log().contains("the settings were reloaded").then_some(())
    });
    let refused =
        service.put_image(&[("name", "a"), ("version", "1"), ("isoweb", "http://127.0.0.1:1/a.iso")]);
    assert!(refused.text().contains("downloadSchemes"), "{}", refused.text());
}

#[test]
fn a_rotated_access_log_is_opened_again_even_if_the_file_is_wrong() {
    let mut service = Setup::new().set("accessLog", json!("./access.log")).start();
    let (log, rotated) = (service.path("access.log"), service.path("access.log.1"));
    let is_in = |path: &Path, words: &str| {
        eventually(LIMIT, words, || fs::read_to_string(path).ok().filter(|text| text.contains(words)));
    };
    http::get(&service.south("/first")).expect_status(404);
    is_in(&log, "/first");
    fs::rename(&log, &rotated).unwrap();
    service.reconfigure("minLogLevel", json!("loud"));
    service.write_config();
    hang_up(&service, "the settings stay as they are");
    http::get(&service.south("/second")).expect_status(404);
    is_in(&log, "/second");
    assert!(!fs::read_to_string(&rotated).unwrap().contains("/second"));

    service.reconfigure("minLogLevel", Value::Null);
    service.reconfigure("accessLog", Value::Null);
    service.write_config();
    hang_up(&service, "the settings were reloaded");
    http::get(&service.south("/third")).expect_status(404);
    assert!(service.sigterm().success());
    assert!(!fs::read_to_string(&log).unwrap().contains("/third"), "it was turned off");
}

#[test]
fn reloads_at_the_same_time_come_one_after_the_other() {
    let service = Setup::new().start();
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| reload(&service).expect_status(200).json())).collect();
        (0..20).for_each(|_| service.signal(Signal::HUP));
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(
        answers.iter().all(|answer| *answer == json!({"changed": [], "needsRestart": []})),
        "{answers:?}"
    );
}

#[test]
fn sighup_is_harmless_without_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut command =
        harness::program::program(&["--northbound", "127.0.0.1:0", "--southbound", "127.0.0.1:0"]);
    command.current_dir(folder.path()).stdin(Stdio::null());
    command.stdout(Stdio::piped());
    command.stderr(File::create(folder.path().join("log")).unwrap());
    let mut process = command.spawn().unwrap();
    let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let mut stdout = std::io::BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("images") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut stdout, &mut line).unwrap() > 0, "{}", log());
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&process), Signal::HUP).unwrap();
    eventually(LIMIT, "a reload", || log().contains("the settings were reloaded").then_some(()));
    assert!(process.try_wait().unwrap().is_none());
    process.kill().unwrap();
    process.wait().unwrap();
}

fn make_pipe(path: &Path) {
    mknodat(CWD, path, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn an_access_log_that_cannot_be_opened_refuses_all_settings() {
    let mut service = Setup::new().start();
    // The check of settings finds a file that may be written; but nothing reads this pipe.
    make_pipe(&service.path("pipe"));
    service.reconfigure("accessLog", json!("./pipe"));
    service.reconfigure("logFormat", json!("json"));
    service.reconfigure("maxFileSize", json!(4000));
    service.write_config();
    let text = reload(&service).expect_status(422).text();
    assert!(text.contains("`accessLog`") && !text.contains("/pipe"), "{text}");
    assert_eq!(metric(&service, "image_service_config_reload_success").as_deref(), Some("0"));
    http::put(&service.north("/microkernel?name=a"), vec![0; 5000]).expect_status(200);
    service.expect_logged("ERROR the settings stay as they are");
    service.reconfigure("accessLog", Value::Null);
    service.write_config();
    reload(&service).expect_status(200);
}

/// A store that fails now needs other settings all the more: its folder is no new setting.
#[test]
fn a_store_that_fails_or_hangs_stops_no_reload() {
    let mut service = Setup::new().set("accessLog", json!("./access.log")).start();
    let store = service.path("static/iso");
    fs::rename(&store, service.path("elsewhere")).unwrap();
    fs::write(&store, "no folder").unwrap();
    service.reconfigure("transferRate", json!(1_000_000));
    service.write_config();
    assert_eq!(reload(&service).expect_status(200).json()["changed"], json!(["transferRate"]));
    fs::remove_file(&store).unwrap();
    fs::create_dir(&store).unwrap();
    let _disk = HangingDisk::mount(&store);
    service.reconfigure("transferRate", json!(2_000_000));
    service.write_config();
    assert_eq!(reload(&service).expect_status(200).json()["changed"], json!(["transferRate"]));
    // A folder that is new is still looked at.
    service.reconfigure("isoDir", json!("/dev/null/x"));
    service.write_config();
    reload(&service).expect_status(422);
}

/// systemd takes a process for started before it has read its configuration, and may reload it then.
#[test]
fn sighup_during_the_start_reloads_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    make_pipe(&path);
    let mut command = harness::program::program(&["--config", path.to_str().unwrap()]);
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let mut process = command.stderr(File::create(folder.path().join("log")).unwrap()).spawn().unwrap();
    // Opens as soon as the program reads its configuration.
    let mut pipe = OpenOptions::new().write(true).open(&path).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&process), Signal::HUP).unwrap();
    let endpoint = json!([{"address": "127.0.0.1", "port": 0, "routers": ["northbound", "southbound"]}]);
    let config = json!({ "httpEndpoints": endpoint }).to_string();
    fs::write(folder.path().join("new.json"), &config).unwrap();
    fs::rename(folder.path().join("new.json"), &path).unwrap();
    // A program that the signal has ended reads no more.
    let _ = pipe.write_all(config.as_bytes());
    drop(pipe);
    let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    eventually(LIMIT, "a reload or the end", || {
        (log().contains("the settings were reloaded") || process.try_wait().unwrap().is_some()).then_some(())
    });
    assert!(process.try_wait().unwrap().is_none(), "{}", log());
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn reloads_that_wait_for_a_disk_take_no_threads() {
    let service = Setup::new().start();
    let threads = || metric(&service, "process_threads").unwrap().parse::<u64>().unwrap();
    let (path, before) = (service.write_config(), threads());
    let config = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    make_pipe(&path);
    let url = service.north("/reload");
    let mut waiting: Vec<Connection> = (0..30).map(|_| Connection::open(&url)).collect();
    for connection in &mut waiting {
        connection.send(&Request::new("POST", "/reload").header("Content-Length", "0")).unwrap();
    }
    // The first one reads; the others follow when there is a file again.
    let mut pipe = OpenOptions::new().write(true).open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &config).unwrap();
    pipe.write_all(&config).unwrap();
    drop(pipe);
    for connection in &mut waiting {
        connection.receive("POST").unwrap().expect_status(200);
    }
    // A thread that has worked stays for some seconds.
    let after = threads();
    assert!(after < before + 20, "{before} threads before, {after} after");
}
