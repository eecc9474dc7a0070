//! Real answers of every operation, in as many states as possible, match the API's document and have no
//! undocumented member.

use harness::disk::SmallDisk;
use harness::http::{self, Response};
use harness::iso::{self, Maker, SourceTree};
use harness::schema::Document;
use harness::sse::{Event, Events};
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::{SOON, wait_until};
use harness::{Service, Setup, crowd, digest, images};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// More bytes than the buffers of a connection hold.
const BIG: u64 = 64 << 20;

/// Large enough that a listing sees its digest in progress.
const HUGE: u64 = 2 << 30;

/// Schemas that occur only in requests.
const REQUESTS: [&str; 4] = ["FileName", "ImageFilters", "Registration", "WantedImage"];

/// A service and its document, to check every answer.
struct Checked {
    service: Service,
    document: Document,
}

impl Checked {
    fn start(setup: Setup) -> Self {
        let service = setup.start();
        let document = Document::new(http::get(&service.north("/openapi.json")).expect_status(200).json());
        Self { service, document }
    }

    /// Sends a request and checks the answer. `path` is the document's, `target` the request's.
    #[track_caller]
    fn ask(
        &self,
        method: &str,
        path: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Response {
        let answer = http::request(method, &self.service.north(target), headers, body);
        self.document.expect(method, path, &answer);
        answer
    }

    /// As `ask`, without a body.
    #[track_caller]
    fn on(&self, method: &str, path: &str, target: &str, status: u16) -> Response {
        self.ask(method, path, target, &[], "").expect_status(status)
    }

    /// GET of a path without parameters.
    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.on("GET", path, path, 200).json()
    }

    /// Starts a download of version 1 of an image, and returns its job.
    #[track_caller]
    fn begin(&self, name: &str, query: &str) -> Value {
        let image =
            self.on("PUT", "/images", &format!("/images?name={name}&version=1&wait=0&{query}"), 200).json();
        let jobs = self.on("GET", "/jobs", &format!("/jobs?image={}", text(&image["id"])), 200).json();
        jobs[0].clone()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn installer() -> Vec<u8> {
    fs::read(images::installer()).unwrap()
}

#[test]
fn answers_are_as_the_document_says() {
    let setup = Setup::new()
        .set("watchInterval", json!(100))
        .set("downloadRetryDelay", json!(60_000))
        .set("isoQuota", json!(10_u64 << 30));
    iso::sparse_file(&setup.path("static/big.bin"), BIG, &[(BIG - 5, b"end.\n")]);
    let checked = Checked::start(setup);
    let mut events = Events::open(&checked.service.north("/events"), &[]);

    files(&checked);
    registered_images(&checked);
    downloads(&checked);
    uploads(&checked);
    transfers(&checked);
    digests(&checked);
    refusals(&checked);
    for path in [
        "/",
        "/about",
        "/images",
        "/jobs",
        "/iso",
        "/microkernel",
        "/uploads",
        "/storage",
        "/transfers",
        "/openapi.json",
    ] {
        checked.get(path);
    }
    checked.on("GET", "/metrics", "/metrics", 200);
    checked.on("GET", "/livez", "/livez?verbose", 200);
    checked.on("GET", "/readyz", "/readyz?verbose", 200);
    checked.on("POST", "/reload", "/reload", 200);
    // A store with a problem: another disk is in its place.
    let disk = SmallDisk::mount(&checked.service.path("static/common"), 1);
    checked.get("/storage");
    drop(disk);
    let page = [("Accept", "text/html")];
    checked.ask("GET", "/", "/", &page, "").expect_status(200);
    checked.ask("OPTIONS", "/uploads", "/uploads", &[], "").expect_status(204);

    // The events report everything that was done above.
    let told = events.until("the last file", |event| is(event, "file-removed", "last"));
    for event in &told {
        let news = json!({"event": event.name, "data": event.json()});
        let faults = checked.document.faults(&json!({"$ref": "#/components/schemas/News"}), &news);
        assert!(faults.is_empty(), "{faults:#?}\n{news:#}");
    }

    let unseen = checked.document.unseen();
    let is_request = |member: &String| REQUESTS.iter().any(|name| member.split('.').next() == Some(name));
    let unseen: Vec<String> = unseen.into_iter().filter(|member| !is_request(member)).collect();
    assert_eq!(unseen, [] as [String; 0], "no answer had these members: does the service still tell them?");
}

fn is(event: &Event, name: &str, file: &str) -> bool {
    event.name == name && event.json()["name"] == file
}

fn files(checked: &Checked) {
    let json = [("Accept", "application/json")];
    checked.ask("PUT", "/iso", "/iso?name=a.iso", &json, installer()).expect_status(200);
    let again = checked.ask("PUT", "/iso", "/iso?name=b.iso", &[], installer()).expect_status(200);
    assert!(again.text().ends_with("Upload finished!\n"));
    eventually(SOON, "bytes that are shared", || {
        checked.get("/iso")[0]["sharedWith"].as_array().filter(|others| !others.is_empty()).cloned()
    });
    checked.ask("PUT", "/microkernel", "/microkernel?name=vmlinuz", &json, "a kernel").expect_status(200);
    checked.on("GET", "/microkernel", "/microkernel?name=vmlinuz", 200);
    let one = "/files/{store}/{name}";
    checked.on("GET", one, "/files/iso/b.iso", 200);
    let labels = "/files/{store}/{name}/labels";
    checked.ask("PUT", labels, "/files/iso/b.iso/labels", &[], r#"{"team": "blue"}"#).expect_status(200);
    checked.ask("PUT", "/microkernel", "/microkernel?name=boot.ipxe", &json, "#!ipxe").expect_status(200);
    checked.on("DELETE", one, "/files/microkernel/boot.ipxe", 200);
    checked
        .ask(
            "DELETE",
            "/microkernel",
            "/microkernel",
            &[("Content-Type", "application/json")],
            r#"{"name": "vmlinuz"}"#,
        )
        .expect_status(200);
}

fn registered_images(checked: &Checked) {
    let told = SourceTree::new()
        .file(".disk/info", "Ubuntu-Server 24.04.1 LTS \"Noble Numbat\" - Release amd64 (20240827)");
    Maker::Xorriso.make(&["-R"], &told, &checked.service.path("static/iso/ubuntu.iso"));
    checked.on("PUT", "/images", "/images?name=ubuntu&version=1&isostore=ubuntu.iso", 200);
    checked.on("PUT", "/images", "/images?name=stored&version=1&isostore=a.iso&tree=plain", 200);
    let json = [("Accept", "application/json")];
    checked
        .ask("PUT", "/images", "/images?name=sent&version=1&isoclient=c.iso", &json, installer())
        .expect_status(200);
    checked
        .ask("PUT", "/images", "/images?name=sent&version=2&isoclient=d.iso", &[], installer())
        .expect_status(200);
    let local = format!(
        "/images?name=local&version=1&isolocal={}",
        http::encode_path(images::rock_ridge(Maker::Xorriso).to_str().unwrap())
    );
    let local = checked.on("PUT", "/images", &local, 200).json();
    let id = text(&local["id"]);
    checked.on("GET", "/images/{id}", &format!("/images/{id}"), 200);
    let tree = "/images/{id}/tree";
    let root = checked.on("GET", tree, &format!("/images/{id}/tree"), 200).json();
    assert!(!root["entries"].as_array().unwrap().is_empty());
    let found = checked.on("GET", tree, &format!("/images/{id}/tree?search=a"), 200).json();
    assert_eq!(found["complete"], true);
    checked.on("GET", tree, &format!("/images/{id}/tree?path=missing"), 404);
    checked.on("GET", tree, &format!("/images/{id}/tree?limit=0"), 400);
    checked.on("DELETE", "/images", &format!("/images?id={id}"), 200);
    let wanted = "/images/x?name=wanted&version=1&isostore=a.iso&label=a=1";
    let created = checked.on("PUT", "/images/{id}", wanted, 201);
    checked.on("PUT", "/images/{id}", wanted, 200);
    checked.on("PUT", "/images/{id}", "/images/y?name=wanted&version=1&isostore=a.iso", 409);
    let known = [("If-None-Match", created.header("ETag").unwrap())];
    checked.ask("GET", "/images/{id}", "/images/x", &known, "").expect_status(304);
    checked.ask("DELETE", "/images/{id}", "/images/x", &[("If-Match", "\"x\"")], "").expect_status(412);
    checked.on("DELETE", "/images/{id}", "/images/x", 200);
    checked.on("DELETE", "/images/{id}", "/images/x", 404);
    assert!(checked.on("DELETE", "/images", "/images?name=sent", 200).json().is_array());
}

fn downloads(checked: &Checked) {
    let origin = Origin::start();
    let bytes = installer();
    let link = |name: &str| http::encode(origin.url(&format!("/{name}.iso")));
    let sums = format!("{}  slow.iso\n", digest::of_bytes(&bytes));
    origin.on("/SHA256SUMS", Behaviour::Bytes(sums.into_bytes()));
    origin.on("/fast.iso", Behaviour::Bytes(bytes.clone()));
    let piece = bytes.len() / 100;
    origin.on(
        "/slow.iso",
        Behaviour::Dribble { bytes: bytes.clone(), piece, pause: Duration::from_millis(200) },
    );
    origin.on(
        "/short.iso",
        Behaviour::Short { declared: bytes.len() as u64, bytes: bytes[..bytes.len() / 2].to_vec() },
    );

    // A running download, with every property of a source.
    let query = format!(
        "isoweb={}&isoweb={}&checksum={}&tree=joliet",
        link("slow"),
        link("mirror"),
        http::encode(origin.url("/SHA256SUMS"))
    );
    let running = checked.begin("slow", &query);
    wait_until(&checked.service, &running, "on its way", |job| job["progress"]["secondsLeft"].is_u64());
    let (running, path) = (text(&running["id"]).to_owned(), "/jobs/{id}");
    checked.on("GET", path, &format!("/jobs/{running}"), 200);
    let slow = checked.on("GET", "/images", "/images?name=slow", 200).json()[0].clone();
    assert_eq!(slow["tree"], json!({"asked": "joliet"}));
    checked.on("GET", "/images/{id}", &format!("/images/{}", text(&slow["id"])), 200);
    checked.on("GET", "/images/{id}/tree", &format!("/images/{}/tree", text(&slow["id"])), 409);
    checked.on("POST", "/jobs/{id}/retry", &format!("/jobs/{running}/retry"), 409);

    // A job waits for its retry, is cancelled, retried and removed from the list.
    let waiting = checked.begin("short", &format!("isoweb={}", link("short")));
    wait_until(&checked.service, &waiting, "waiting", |job| job["state"] == "waiting");
    let waiting = format!("/jobs/{}", text(&waiting["id"]));
    assert_eq!(checked.on("GET", path, &waiting, 200).json()["state"], "waiting");
    checked.on("DELETE", path, &waiting, 200);
    checked.on("POST", "/jobs/{id}/retry", &format!("{waiting}/retry"), 200);
    checked.on("DELETE", path, &waiting, 200);
    checked.on("DELETE", path, &waiting, 200);
    checked.on("GET", path, &waiting, 404);

    // One job failed and one is done.
    let failed = checked.begin("missing", &format!("isoweb={}", link("missing")));
    wait_until(&checked.service, &failed, "failed", |job| job["state"] == "failed");
    let image = checked.on("GET", "/images", "/images?name=missing", 200).json();
    assert!(text(&image[0]["status"]).starts_with("error: "), "{image}");
    checked.on("GET", "/jobs", "/jobs?state=failed", 200);
    checked.on("PUT", "/images", &format!("/images?name=gone&version=1&isoweb={}", link("missing")), 404);
    checked.on(
        "PUT",
        "/images",
        &format!("/images?name=fast&version=1&wait=30&isoweb={}", link("fast")),
        200,
    );
    assert_eq!(checked.on("GET", "/iso", "/iso?name=fast.iso", 200).json()[0]["origin"], "download");
    checked.on("DELETE", "/images", "/images?name=slow", 200);
}

fn uploads(checked: &Checked) {
    let (all, one) = ("/uploads", "/uploads/{id}");
    let created = checked.on("POST", all, "/uploads?name=late.iso&size=8", 201);
    let upload = format!("/{}", created.header("Location").unwrap());
    for name in ["Tus-Resumable", "Upload-Offset", "Upload-Length", "Upload-Expires", "Location"] {
        let documented = &checked.document.operation("POST", all)["responses"]["201"]["headers"];
        assert!(created.header(name).is_some() && documented.get(name).is_some(), "{name}: {documented}");
    }
    assert_eq!(checked.get(all)[0]["size"], 8);
    checked.on("GET", one, &upload, 200);
    checked.on("HEAD", one, &upload, 200);
    let piece = |offset: &'static str, checksum: &'static str| {
        let tus = [("Tus-Resumable", "1.0.0"), ("Content-Type", "application/offset+octet-stream")];
        let piece = [("Upload-Offset", offset), ("Upload-Checksum", checksum)];
        [tus, piece].concat()
    };
    let right = "sha1 gf6L/odXbD7LIkJvjleEc4KRes8=";
    for (headers, status) in [
        (piece("0", "sha1 qUqP5cyxm6YcTAhz05Hph5gvu9M="), 460),
        (piece("4", right), 409),
        (piece("no", right), 400),
        (vec![("Upload-Offset", "0")], 412),
        (vec![("Tus-Resumable", "1.0.0"), ("Upload-Offset", "0")], 415),
        (piece("0", right), 204),
    ] {
        checked.ask("PATCH", one, &upload, &headers, "abcd").expect_status(status);
    }
    checked.ask("PUT", one, &upload, &[("Content-Range", "bytes 4-5/9")], "ef").expect_status(400);
    checked.ask("PUT", one, &upload, &[("Content-Range", "bytes 4-5/8")], "ef").expect_status(204);
    checked.ask("PUT", one, &upload, &[("Content-Range", "bytes 6-7/8")], "gh").expect_status(200);
    let other = checked.on("POST", all, "/uploads?name=never.iso", 201);
    let other = format!("/{}", other.header("Location").unwrap());
    assert_eq!(checked.get(all)[0]["size"], Value::Null);
    let as_head = [("X-HTTP-Method-Override", "HEAD")];
    checked.ask("POST", one, &other, &as_head, "").expect_status(200);
    checked.on("DELETE", one, &other, 204);
    checked.on("DELETE", one, &other, 404);
    checked.on("HEAD", one, &other, 404);
    checked.on("POST", all, "/uploads", 400);
    checked.ask("POST", all, "/uploads?name=a&size=1", &[("Tus-Resumable", "0.2.2")], "").expect_status(412);
}

fn transfers(checked: &Checked) {
    http::get(&checked.service.south("/iso/a.iso")).expect_status(200);
    let client = crowd::connect_with_small_buffers(&checked.service.south("/"), crowd::address(77), 1);
    crowd::say(&client, &crowd::get("/big.bin"));
    let count = |member: &str, path: &str| {
        let transfers = checked.get("/transfers");
        let found =
            transfers[member].as_array().unwrap().iter().filter(|one| text(&one["path"]).ends_with(path));
        Some(found.count()).filter(|count| *count > 0)
    };
    eventually(SOON, "a transfer under way", || count("running", "big.bin"));
    drop(client);
    eventually(SOON, "a transfer that was broken off", || count("recent", "big.bin"));
    eventually(SOON, "a transfer that was done", || count("recent", "a.iso"));
}

fn digests(checked: &Checked) {
    let file = checked.service.path("static/iso/huge.iso");
    iso::sparse_file(&file, HUGE, &[]);
    eventually(SOON, "a digest under way", || {
        let jobs = checked.on("GET", "/jobs", "/jobs?kind=digest", 200).json();
        jobs.as_array().unwrap().iter().find(|job| job["file"]["name"] == "huge.iso").cloned()
    });
    assert_eq!(checked.on("GET", "/iso", "/iso?name=huge.iso", 200).json()[0]["status"], "preparing");
}

fn refusals(checked: &Checked) {
    for (method, path, target, status) in [
        ("GET", "/images", "/images?name=a&name=b", 400),
        ("GET", "/images/{id}", "/images/x", 404),
        ("GET", "/images/{id}/tree", "/images/x/tree", 404),
        ("PUT", "/images", "/images", 400),
        ("PUT", "/images", "/images?name=stored&version=1&isostore=a.iso", 409),
        ("PUT", "/images", "/images?name=x&version=1&isostore=none.iso", 404),
        ("PUT", "/images", "/images?name=x&version=1&isostore=late.iso", 422),
        ("DELETE", "/images", "/images", 400),
        ("DELETE", "/images", "/images?name=none", 404),
        ("GET", "/jobs", "/jobs?state=done&state=done", 400),
        ("GET", "/jobs/{id}", "/jobs/x", 404),
        ("DELETE", "/jobs/{id}", "/jobs/x", 404),
        ("POST", "/jobs/{id}/retry", "/jobs/x/retry", 404),
        ("PUT", "/iso", "/iso", 400),
        ("PUT", "/iso", "/iso?name=a.iso", 409),
        ("DELETE", "/iso", "/iso?name=a.iso", 409),
        ("DELETE", "/iso", "/iso?name=none.iso", 404),
        ("DELETE", "/iso", "/iso?nmae=none.iso", 400),
        ("DELETE", "/microkernel", "/microkernel?name=none", 404),
        ("GET", "/files/{store}/{name}", "/files/iso/none", 404),
        ("GET", "/files/{store}/{name}", "/files/disk/none", 400),
        ("DELETE", "/files/{store}/{name}", "/files/iso/none", 404),
        ("DELETE", "/files/{store}/{name}", "/files/iso/a.iso", 409),
        ("PUT", "/files/{store}/{name}/labels", "/files/iso/none/labels", 404),
        ("PUT", "/files/{store}/{name}/labels", "/files/iso/a.iso/labels", 400),
        ("GET", "/events", "/events?types=disk", 400),
        ("GET", "/uploads/{id}", "/uploads/x", 404),
    ] {
        checked.on(method, path, target, status);
    }
    let encoded = [("Content-Encoding", "gzip")];
    checked.ask("PUT", "/iso", "/iso?name=x", &encoded, "x").expect_status(415);
    let wrong = format!("/iso?name=x&sha256={}", "0".repeat(64));
    checked.ask("PUT", "/iso", &wrong, &[], "x").expect_status(422);
    let huge = [("Content-Length", "1099511627776"), ("Expect", "100-continue")];
    checked.ask("PUT", "/iso", "/iso?name=x", &huge, "").expect_status(413);
    let full = [("Content-Length", "107374182400"), ("Expect", "100-continue")];
    checked.ask("PUT", "/iso", "/iso?name=x", &full, "").expect_status(507);
    // The last event.
    checked.ask("PUT", "/iso", "/iso?name=last", &[], "last").expect_status(200);
    checked.on("DELETE", "/iso", "/iso?name=last", 200);
}
