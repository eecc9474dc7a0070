//! What the version before wrote is taken up: its inventory, a download and an upload that it left
//! unfinished. The fixtures were written by the program as it was before its inventory became a crate of its
//! own; the README beside them says how.

use harness::http;
use harness::remains::unfinished as unfinished_files;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup, digest};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

/// The ids of the unfinished files: of the upload by the client's choice, of the download by its image.
const UPLOAD: &str = "3206bcf8-7155-4f10-868f-65d83c93a29f";
const DOWNLOAD: &str = "fe09f5f4ce7e685eff737eaf2cbe1674ccc6a7516cef431c71a7c3d9050178f2";

/// The bytes of each that had arrived.
const UPLOADED: usize = 40_000;
const DOWNLOADED: usize = 60_000;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version_2").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(fixture(name)).unwrap()
}

fn note(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

fn iso() -> Vec<u8> {
    let mut bytes = Vec::new();
    let packed = fs::File::open(fixture("small.iso.gz")).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The content of both unfinished files: the beginning of the ISO, and numbers.
fn unfinished(iso: &[u8]) -> Vec<u8> {
    let numbers = (0..56 * 1024_u32).map(|index| u8::try_from((index * 7 + index / 251) % 256).unwrap());
    iso[..40_960].iter().copied().chain(numbers).collect()
}

fn start(origin: &Origin) -> Service {
    let (iso, url) = (iso(), origin.url("/half.iso"));
    let inventory = text("inventory.json").replace("http://127.0.0.1:39025/half.iso", &url);
    let (mut upload, mut download) = (note("upload.json"), note("download.json"));
    // The origin of the test has another port and another entity tag.
    download["plan"]["memo"]["link"] = digest::of_bytes(url.as_bytes()).into();
    download["plan"]["memo"]["validator"]["entityTag"] = "\"scripted\"".into();
    // Files that were left alone for a week are removed.
    for note in [&mut upload, &mut download] {
        note["touched"] = jiff::Timestamp::now().to_string().into();
    }
    let incoming = "static/iso/.incoming";
    let mut setup = Setup::new()
        .file("inventory.json", inventory)
        .file("inventory.json.key", fs::read(fixture("inventory.json.key")).unwrap())
        .file("static/common/vmlinuz", "kernel\n")
        .file(&format!("{incoming}/{UPLOAD}.json"), upload.to_string())
        .file(&format!("{incoming}/{UPLOAD}.part"), &unfinished(&iso)[..UPLOADED])
        .file(&format!("{incoming}/{DOWNLOAD}.json"), download.to_string())
        .file(&format!("{incoming}/{DOWNLOAD}.part"), &unfinished(&iso)[..DOWNLOADED]);
    for name in ["client.iso", "store.iso", "web.iso"] {
        setup = setup.file(&format!("static/iso/{name}"), &iso);
    }
    setup.start()
}

#[test]
fn images_jobs_and_unfinished_files_of_the_version_before_are_taken_up() {
    let iso = iso();
    let whole = unfinished(&iso);
    let origin = Origin::start();
    origin.on("/half.iso", Behaviour::Bytes(whole.clone()));
    let mut service = start(&origin);

    let before: Value = serde_json::from_str(&text("inventory.json")).unwrap();
    for image in before["images"].as_array().unwrap() {
        let name = image["name"].as_str().unwrap();
        let now = service.wait_for_status(name, "1", |status| status == "OK");
        for field in ["id", "iso", "created"] {
            let (now, then) = (now[field].as_str().unwrap(), image[field].as_str().unwrap());
            // The API shows milliseconds.
            assert_eq!(
                now.trim_end_matches('Z'),
                &then[..now.trim_end_matches('Z').len()],
                "{name}: {field}"
            );
        }
        if name == "half" {
            // All but the beginning of it is numbers.
            continue;
        }
        let hello = http::get(&service.south(&format!("/{name}/1/hello.txt"))).expect_status(200);
        assert_eq!(hello.text(), "hello\n", "{name}");
    }
    let jobs = http::get(&service.north("/jobs")).json();
    let ids: Vec<_> = jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    for job in before["jobs"].as_array().unwrap() {
        assert!(ids.contains(&job["id"].as_str().unwrap()), "{jobs}");
    }
    let asked = origin.asked_for("/half.iso");
    let gets: Vec<_> = asked.iter().filter(|seen| seen.method == "GET").collect();
    assert_eq!(gets.len(), 1, "{asked:?}");
    assert_eq!(gets[0].headers.get("range").unwrap(), &format!("bytes={DOWNLOADED}-"));

    let upload = service.north(&format!("/uploads/{UPLOAD}"));
    let offset = http::request("HEAD", &upload, &[TUS], "").expect_status(200);
    assert_eq!(offset.header("Upload-Offset"), Some(UPLOADED.to_string().as_str()));
    let from = UPLOADED.to_string();
    let headers = [TUS, ("Upload-Offset", &*from), ("Content-Type", "application/offset+octet-stream")];
    http::request("PATCH", &upload, &headers, &whole[UPLOADED..]).expect_status(204);
    for name in ["half.iso", "tus.iso"] {
        assert_eq!(
            digest::of_file(&service.path(&format!("static/iso/{name}"))),
            digest::of_bytes(&whole),
            "{name}"
        );
    }
    service.sigterm();
    // The credentials of a link are known still, and shown to nobody.
    let saved = fs::read_to_string(service.path("inventory.json")).unwrap();
    let now: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(now["version"], before["version"]);
    assert_eq!(now["sealed"], before["sealed"]);
    assert!(!saved.contains("secret"));
    service.spawn();
    assert_eq!(service.images(&[]).len(), 4);
    // The note of the upload stays for a client that asks how it ended.
    assert_eq!(unfinished_files(&service).len(), 1, "{:?}", unfinished_files(&service));
}
