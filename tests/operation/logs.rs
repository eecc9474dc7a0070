//! The log and the access log: what is in them, and that nothing waits for their reader.

use harness::disk::SmallDisk;
use harness::http::{self, Connection, Request};
use harness::program::program;
use harness::wait::eventually;
use harness::{Service, Setup};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// Requests that no test sends to anything else.
const PATH: &str = "/no/such/file";

/// The lines of a file, which must all be JSON.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

fn wait_for_line(path: &Path, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(LIMIT, "a line of the access log", || lines(path).into_iter().find(&wanted))
}

#[test]
fn single_requests_are_in_no_log_unless_asked_for() {
    let mut service = Setup::new().start();
    http::get(&service.south(PATH)).expect_status(404);
    http::get(&service.north("/images")).expect_status(200);
    assert!(service.sigterm().success());
    let log = service.log();
    assert!(log.contains("stopped"), "the last lines are written: {log}");
    assert!(!log.contains(PATH) && !log.contains("/images"), "{log}");
}

#[test]
fn the_access_log_has_a_line_for_each_request() {
    let service = Setup::new().set("accessLog", json!("./access.log")).file("static/a.txt", "four").start();
    let path = service.path("access.log");
    http::get_with(&service.south("/a.txt?token=secret"), &[("User-Agent", "iPXE/1.21")]).expect_status(200);
    let line = wait_for_line(&path, |line| line["path"] == "/a.txt");
    for (key, value) in [
        ("method", json!("GET")),
        ("status", json!(200)),
        ("length", json!(4)),
        ("agent", json!("iPXE/1.21")),
        ("api", json!("southbound")),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    assert!(line["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert!(line["request"].is_null(), "machines are told no id: {line}");
    assert!(line["seconds"].as_f64().unwrap() >= 0.0 && line["timestamp"].is_string(), "{line}");

    let answer = http::get(&service.north("/images?name=secret")).expect_status(200);
    let line = wait_for_line(&path, |line| line["path"] == "/images");
    assert_eq!((&line["api"], &line["status"]), (&json!("northbound"), &json!(200)), "{line}");
    let id = answer.header("X-Request-Id").unwrap();
    assert_eq!(line["request"], json!(id), "{line}");
    http::put(&service.north("/iso?name=a/b&sha256=secret"), "x").expect_status(400);
    wait_for_line(&path, |line| line["path"] == "/iso" && line["status"] == 400);
    assert!(!fs::read_to_string(&path).unwrap().contains("secret"), "queries may hold credentials");
    assert!(!service.log().contains("/a.txt"), "{}", service.log());
}

#[test]
fn the_access_log_has_requests_about_health() {
    let endpoint = |router: &str| json!({"address": "127.0.0.1", "port": 0, "routers": router});
    let endpoints = json!([endpoint("northbound"), endpoint("southbound"), endpoint("health")]);
    let service =
        Setup::new().set("accessLog", json!("./access.log")).set("httpEndpoints", endpoints).start();
    http::get(&service.url("health", "/livez")).expect_status(200);
    let line = wait_for_line(&service.path("access.log"), |line| line["path"] == "/livez");
    assert_eq!((&line["api"], &line["status"], &line["length"]), (&json!("health"), &json!(200), &json!(6)));
}

#[test]
fn what_the_log_tells_of_a_failed_request_has_its_id() {
    let service = Service::start(&json!({}));
    fs::remove_dir_all(service.path("static/common")).unwrap();
    let headers = [("X-Request-Id", "Rack_7.node-3")];
    let answer = http::request("PUT", &service.north("/microkernel?name=k"), &headers, "bytes");
    assert!(answer.status >= 500, "{}", answer.text());
    service.expect_logged("a request failed");
    let log = service.log();
    let line = log.lines().find(|line| line.contains("a request failed")).unwrap();
    assert!(line.contains("request=Rack_7.node-3"), "{line}");
}

#[test]
fn an_upload_whose_client_has_gone_is_logged_with_the_reason() {
    let service = Service::start(&json!({}));
    let created = http::request("POST", &service.north("/uploads?name=a.iso&size=5000000"), &[], "");
    let upload = format!("/{}", created.expect_status(201).header("Location").unwrap());
    let request = Request::new("PUT", &upload).header("Content-Length", "5000000");
    let mut connection = Connection::open(&service.north("/"));
    connection.send(&request.header("X-Request-Id", "gone-1")).unwrap();
    connection.write(b"the first bytes").unwrap();
    drop(connection);
    service.expect_logged("a request failed after its client had gone");
    let log = service.log();
    let line = log.lines().find(|line| line.contains("its client had gone")).unwrap();
    assert!(line.contains("request=gone-1") && line.contains("the upload broke off"), "{line}");
}

#[test]
fn hostile_bytes_of_a_request_stay_in_its_line() {
    let service = Setup::new().set("accessLog", json!("-")).set("logFormat", json!("json")).start();
    let agent = "a\u{85}\u{9b}31m\u{202e}\u{2028}b";
    let mut connection = Connection::open(&service.south("/"));
    connection.exchange(&Request::new("GET", PATH).header("User-Agent", agent)).unwrap();
    let log = service.path("stderr.log");
    let line = wait_for_line(&log, |line| line["path"] == PATH);
    assert_eq!(line["agent"], agent);
    let text = service.log();
    for character in ['\u{85}', '\u{9b}', '\u{202e}', '\u{2028}'] {
        assert!(!text.contains(character), "{character:?} is written as it is");
    }
}

#[test]
fn an_access_log_is_not_served() {
    let (folder, config) = (tempfile::tempdir().unwrap(), json!({"accessLog": "./static/access.log"}));
    fs::create_dir(folder.path().join("static")).unwrap();
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let mut command = program(&["check-config"]);
    command.current_dir(folder.path());
    let checked = harness::program::finish(command);
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!(checked.stderr.contains("`accessLog`") && checked.stderr.contains("served"), "{checked:?}");
}

/// A program whose standard error is a pipe that nothing reads.
fn with_unread_log(folder: &Path) -> (Child, [String; 2]) {
    let config = json!({
        "httpEndpoints": [
            {"address": "127.0.0.1", "port": 0, "routers": "northbound"},
            {"address": "127.0.0.1", "port": 0, "routers": "southbound"},
        ],
        "accessLog": "stderr",
        "logFormat": "json",
        "shutdownTimeout": 100,
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let mut command = program(&[]);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let stdout = BufReader::new(process.stdout.take().unwrap());
    let mut urls = Vec::new();
    for line in stdout.lines().map_while(Result::ok) {
        urls.extend(line.split_once("http://").map(|(_, url)| format!("http://{url}")));
        if line.starts_with("images") {
            break;
        }
    }
    (process, urls.try_into().unwrap())
}

#[test]
fn a_log_that_nothing_reads_stops_no_request_and_no_exit() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, [north, south]) = with_unread_log(folder.path());
    let long = format!("{PATH}/{}", "x".repeat(30_000));
    let mut connection = Connection::open(&south);
    // More than the pipe, the queue and the thread hold: 90 lines of 30 kB, and then some.
    for _ in 0..150 {
        assert_eq!(connection.get(&long).status, 404);
    }
    assert_eq!(http::get(&format!("{north}images")).status, 200);
    let metrics = http::get(&format!("{north}metrics")).expect_status(200).text();
    let lost = metrics.lines().find_map(|line| line.strip_prefix("image_service_log_lines_dropped_total "));
    let lost: u64 = lost.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap();
    assert!(lost > 0);

    // Once it is read again, the next line tells what is missing.
    let stderr = BufReader::new(process.stderr.take().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let _ = sender.send(serde_json::from_str::<Value>(&line).unwrap());
        }
    });
    let told = eventually(LIMIT, "a line about the loss", || {
        connection.get(PATH);
        receiver.try_iter().find(|line| line["dropped"].is_u64())
    });
    assert!(told["dropped"].as_u64().unwrap() >= lost, "{told}");
    assert_eq!(told["level"], "WARN");
    process.kill().unwrap();
    process.wait().unwrap();
    reader.join().unwrap();

    let (mut process, [_, south]) = with_unread_log(folder.path());
    let mut connection = Connection::open(&south);
    (0..150).for_each(|_| drop(connection.get(&long)));
    drop(connection);
    rustix::process::kill_process(rustix::process::Pid::from_child(&process), rustix::process::Signal::TERM)
        .unwrap();
    let status = eventually(LIMIT, "the end of the program", || process.try_wait().unwrap());
    assert!(status.success(), "{status}");
    let mut rest = Vec::new();
    process.stderr.take().unwrap().read_to_end(&mut rest).unwrap();
    assert!(!rest.is_empty());
}

#[test]
fn an_access_log_can_be_a_file_that_exists_already() {
    let service: Service =
        Setup::new().file("access.log", "{\"old\":true}\n").set("accessLog", json!("access.log")).start();
    http::get(&service.south(PATH)).expect_status(404);
    wait_for_line(&service.path("access.log"), |line| line["path"] == PATH);
    assert_eq!(lines(&service.path("access.log"))[0], json!({"old": true}));
}

/// The number of lines that were dropped, and the access log's.
fn dropped(service: &Service) -> [u64; 2] {
    let metrics = http::get(&service.north("/metrics")).expect_status(200).text();
    ["log", "access_log"].map(|log| {
        let name = format!("image_service_{log}_lines_dropped_total ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    })
}

#[test]
fn an_access_log_on_a_full_disk_is_told_in_the_log_and_its_losses_stay_counted() {
    let setup = Setup::new().set("accessLog", json!("./logs/access.log"));
    let disk = SmallDisk::mount(&setup.path("logs"), 1);
    let mut service = setup.start();
    disk.fill();
    let lost = eventually(LIMIT, "lost lines", || {
        http::get(&service.south(PATH)).expect_status(404);
        Some(dropped(&service)[1]).filter(|lost| *lost > 1)
    });
    service.expect_logged("the access log cannot be written");
    assert_eq!(service.log().matches("the access log cannot be written").count(), 1);
    disk.make_room();
    eventually(LIMIT, "a line about the loss", || {
        http::get(&service.south(PATH)).expect_status(404);
        lines(&service.path("logs/access.log")).into_iter().find(|line| line["dropped"].is_u64())
    });
    for elsewhere in [json!("./access.log"), Value::Null] {
        service.reconfigure("accessLog", elsewhere);
        service.write_config();
        http::request("POST", &service.north("/reload"), &[], Vec::new()).expect_status(200);
        assert!(dropped(&service)[1] >= lost, "a counter goes down");
    }
}

/// Both outputs are often one pipe, and its reader may have stopped before the start.
#[test]
fn outputs_that_nothing_reads_stop_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let (_reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while std::io::Write::write(&mut &writer, &[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = program(&["--southbound", "127.0.0.1:0", "--northbound", &address.to_string()]);
    command.current_dir(folder.path()).stdin(Stdio::null());
    let mut process = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    let connected = eventually(LIMIT, "a connection", || std::net::TcpStream::connect(address).ok());
    let mut connection = Connection::over(connected, &format!("http://{address}/"));
    connection.set_silence(LIMIT);
    let answer = connection.exchange(&Request::new("GET", "/livez"));
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(answer.unwrap().status, 200);
}
