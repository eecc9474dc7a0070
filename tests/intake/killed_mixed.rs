//! `kill -9` at random instants while clients upload, register, remove, fetch and read at once. After each
//! start all that was answered is there, what was under way is there or not, and nothing is half there.
//!
//! `KILLS=1000 TEST_SEED=1 cargo test --test intake killed_mixed -- --nocapture` does it a thousand times.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use harness::chance::Chance;
use harness::http::{self, Connection, Request};
use harness::parallel::in_parallel;
use harness::remains::unfinished;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::SOON;
use harness::{Service, digest, images, large};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Kills in all workers together, unless `KILLS` tells another number.
const KILLS: u64 = 50;

const WORKERS: u64 = 4;

/// Bytes of an uploaded ISO.
const SIZE: usize = 3 << 20;

/// Different ISOs that are uploaded.
const VARIANTS: u32 = 4;

/// What is there: the digest of a file by its name, or an image, which has no digest, by its name.
type State = BTreeMap<String, String>;

/// A client that alone works with names that begin with its own.
struct Client {
    name: &'static str,
    /// What was answered.
    state: State,
    /// What was asked for and not answered: a name, and its value if that was made.
    asked: Option<(String, Option<String>)>,
    answered: usize,
    /// The resource of an unfinished upload, its bytes, and how many were confirmed.
    upload: Option<(String, usize, usize)>,
    /// Uploads that were begun without an answer.
    lost: usize,
}

/// The files and addresses that the clients use.
struct World {
    isos: Vec<(Vec<u8>, String)>,
    local: String,
    link: String,
}

impl Client {
    fn new(name: &'static str) -> Self {
        Self { name, state: State::new(), asked: None, answered: 0, upload: None, lost: 0 }
    }

    /// Asks for one change, and notes the answer.
    fn change(
        &mut self,
        connection: &mut Connection,
        request: &Request,
        key: &str,
        value: Option<String>,
    ) -> io::Result<()> {
        self.asked = Some((key.to_owned(), value.clone()));
        let answer = connection.exchange(request)?;
        assert_eq!(answer.status, 200, "{key}: {}", answer.text());
        self.asked = None;
        match value {
            Some(value) => self.state.insert(key.to_owned(), value),
            None => self.state.remove(key),
        };
        self.answered += 1;
        Ok(())
    }

    /// One step of a file or an image with a random name: it is made, or removed if it is there.
    fn step(&mut self, connection: &mut Connection, chance: &mut Chance, world: &World) -> io::Result<()> {
        let number = chance.between(0, 3);
        let key = format!("{}{number}", self.name);
        let exists = self.state.contains_key(&key);
        let json =
            |method: &str, target: &str| Request::new(method, target).header("Accept", "application/json");
        let image = |source: &str| format!("/images?name={key}&version=1&{source}");
        let variant = usize::try_from(chance.between(0, u64::from(VARIANTS))).unwrap();
        let (body, sha256) = &world.isos[variant];
        match self.name {
            "file" if exists && chance.between(0, 3) == 0 => {
                self.change(connection, &json("DELETE", &format!("/iso?name={key}")), &key, None)
            }
            "file" => {
                let request = json("PUT", &format!("/iso?name={key}")).body(body.clone());
                self.change(connection, &request, &key, Some(sha256.clone()))
            }
            "tus" => self.upload(connection, chance, world),
            "read" => {
                let kernel = connection.exchange(&Request::new("GET", "/base/1/images/pxeboot/vmlinuz"))?;
                assert!(kernel.expect_status(200).body == images::pattern(1, 300_000));
                self.answered += 1;
                Ok(())
            }
            _ if exists => self.change(connection, &json("DELETE", &image("")), &key, None),
            "stored" => {
                self.change(connection, &json("PUT", &image("isostore=base.iso")), &key, Some(String::new()))
            }
            "local" => {
                let source = format!("isolocal={}", http::encode(&world.local));
                self.change(connection, &json("PUT", &image(&source)), &key, Some(String::new()))
            }
            "client" => {
                let request = json("PUT", &image(&format!("isoclient={key}.iso"))).body(body.clone());
                self.change(connection, &request, &key, Some(String::new()))
            }
            "web" => {
                let source = format!("isoweb={}&wait=0", http::encode(world.link.replace("KEY", &key)));
                self.change(connection, &json("PUT", &image(&source)), &key, Some(String::new()))
            }
            other => panic!("no client is called {other}"),
        }
    }

    /// A step of a resumable upload: begun, sent on by a piece, or complete with the last.
    fn upload(&mut self, connection: &mut Connection, chance: &mut Chance, world: &World) -> io::Result<()> {
        const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
        let Some((path, confirmed, variant)) = self.upload.clone() else {
            // Others than the bytes that are there, so that the new file is told from the old one.
            let mut variant = usize::try_from(chance.between(0, u64::from(VARIANTS))).unwrap();
            if self.state.get("tus") == Some(&world.isos[variant].1) {
                variant = (variant + 1) % world.isos.len();
            }
            let named = BASE64_STANDARD.encode("tus");
            let metadata = format!("filename {named},store {}", BASE64_STANDARD.encode("iso"));
            let request = Request::new("POST", "/uploads").headers(&[
                TUS,
                ("Upload-Length", &SIZE.to_string()),
                ("Upload-Metadata", &metadata),
            ]);
            self.lost += 1;
            let answer = connection.exchange(&request)?;
            self.lost -= 1;
            assert_eq!(answer.status, 201, "{}", answer.text());
            let location = answer.header("Location").unwrap().to_owned();
            let at = location.find("uploads/").unwrap();
            self.upload = Some((format!("/{}", &location[at..]), 0, variant));
            return Ok(());
        };
        let (body, sha256) = &world.isos[variant];
        // After a crash the service may have more than it has confirmed, and never less.
        let answer = connection.exchange(&Request::new("HEAD", &path).headers(&[TUS]))?;
        assert_eq!(answer.status, 200, "an upload is lost");
        let offset: usize = answer.header("Upload-Offset").unwrap().parse().unwrap();
        assert!(offset >= confirmed, "{offset} bytes are left of {confirmed}");
        let end = (offset + SIZE / 3).min(SIZE);
        if end == SIZE {
            self.asked = Some(("tus".to_owned(), Some(sha256.clone())));
        }
        if offset == SIZE {
            // The service finishes it by itself.
            std::thread::sleep(Duration::from_millis(5));
            return Ok(());
        }
        let request = Request::new("PATCH", &path)
            .headers(&[TUS, ("Content-Type", "application/offset+octet-stream")])
            .header("Upload-Offset", &offset.to_string())
            .body(&body[offset..end]);
        let answer = connection.exchange(&request)?;
        assert_eq!(answer.status, 204, "{}", answer.text());
        self.upload = Some((path, end, variant));
        self.answered += 1;
        if end == SIZE {
            (self.asked, self.upload) = (None, None);
            self.state.insert("tus".to_owned(), sha256.clone());
        }
        Ok(())
    }

    /// Compares what is there with what was answered, and takes over what became of an unanswered request.
    fn settle(&mut self, found: &State, round: u64) {
        let mine = |(key, _): &(&String, &String)| {
            key.trim_end_matches(|end: char| end.is_ascii_digit()) == self.name
        };
        let found: State =
            found.iter().filter(mine).map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut with_asked = self.state.clone();
        let asked = self.asked.take();
        if let Some((key, value)) = asked.clone() {
            match value {
                Some(value) => with_asked.insert(key, value),
                None => with_asked.remove(&key),
            };
        }
        assert!(
            found == self.state || found == with_asked,
            "round {round}: {} found {found:?}, answered {:?}, or {with_asked:?}",
            self.name,
            self.state
        );
        if self.name == "tus" {
            // With all of its bytes, the service finishes it by itself, at any time after the start.
            if found == self.state {
                self.asked = asked;
            } else {
                self.upload = None;
            }
        }
        self.state = found;
    }
}

/// Files and images as the API tells them, once all of it fits the disk.
fn found(service: &Service, round: u64) -> State {
    let mut state = State::new();
    for file in http::get(&service.north("/iso")).expect_status(200).json().as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        let path = service.path("static/iso").join(name);
        if path.is_file() {
            let sha256 = digest::of_file(&path);
            assert!(file["sha256"].is_null() || file["sha256"] == sha256, "round {round}: {file}");
            state.insert(name.to_owned(), sha256);
        }
    }
    for image in service.images(&[]) {
        let (name, status) = (image["name"].as_str().unwrap(), image["status"].as_str().unwrap());
        assert!(!status.starts_with("error"), "round {round}: {image}");
        if status == "OK" {
            let kernel = http::get(&service.south(&format!("/{name}/1/images/pxeboot/vmlinuz")));
            assert!(kernel.expect_status(200).body == images::pattern(1, 300_000), "round {round}: {name}");
        }
        state.insert(name.to_owned(), String::new());
    }
    state
}

/// Lets all clients work until the kill; returns at the end of the last.
fn disturb(service: &mut Service, clients: &mut [Client], chance: &mut Chance, world: &World) {
    let connections: Vec<_> = clients
        .iter()
        .map(|client| match client.name {
            "read" => Connection::open(&service.south("")),
            _ => Connection::open(&service.north("")),
        })
        .collect();
    let (pause, seed) = (chance.time(0, 250), chance.between(0, u64::MAX));
    std::thread::scope(|scope| {
        for (client, mut connection) in clients.iter_mut().zip(connections) {
            let mut chance =
                Chance::seeded(seed, client.name.len() as u64 * 31 + u64::from(client.name.as_bytes()[0]));
            scope.spawn(move || while client.step(&mut connection, &mut chance, world).is_ok() {});
        }
        std::thread::sleep(pause);
        service.kill9();
    });
}

#[test]
fn all_that_was_answered_survives_kills_under_mixed_load() {
    let kills = std::env::var("KILLS").map_or(KILLS, |number| number.parse().expect("KILLS is a number"));
    let answered = AtomicUsize::new(0);
    in_parallel(|worker| {
        let mut chance = Chance::of_worker(20 + worker);
        let origin = Origin::start();
        for number in 0..3 {
            let bytes = fs::read(images::installer()).unwrap();
            origin.on(&format!("/web{number}.iso"), Behaviour::Bytes(bytes));
        }
        let mut service = Service::start(&json!({"minLogLevel": 2, "watchInterval": 0}));
        service.upload_iso("base.iso", &images::installer());
        service.register("base", "1", "isostore", "base.iso");
        let local = service.path("local.iso");
        fs::copy(images::installer(), &local).unwrap();
        let isos = (0..VARIANTS).map(|seed| large::image(seed, SIZE));
        let world = World {
            isos: isos
                .map(|bytes| (digest::of_bytes(&bytes), bytes))
                .map(|(sha256, bytes)| (bytes, sha256))
                .collect(),
            local: local.to_str().unwrap().to_owned(),
            link: origin.url("/KEY.iso"),
        };
        let mut clients = ["file", "tus", "stored", "local", "client", "web", "read"].map(Client::new);
        for round in 0..kills.div_ceil(WORKERS) {
            disturb(&mut service, &mut clients, &mut chance, &world);
            service.spawn();
            let now = found(&service, round);
            clients.iter_mut().for_each(|client| client.settle(&now, round));
        }
        // All downloads end, and nothing unfinished is left but the upload that goes on.
        eventually(SOON, "the end of all downloads", || {
            let images: Vec<Value> = service.images(&[]);
            images.iter().all(|image| image["status"] == "OK").then_some(())
        });
        // A client that did not learn the id of its upload cannot go on with it. Of complete uploads only the
        // last, whose file is there, is known. What is complete is finished by the service itself.
        let lost: usize = clients.iter().map(|client| client.lost).sum();
        eventually(SOON, "nothing is left but uploads that clients may go on with", || {
            let left = unfinished(&service);
            let count = |extension: &str| left.iter().filter(|name| name.ends_with(extension)).count();
            let (bytes, checkpoints) = (count(".part"), count(".json"));
            let is_tidy = bytes + checkpoints == left.len() && bytes <= lost + 1 && checkpoints <= lost + 2;
            if !is_tidy {
                eprintln!(
                    "{lost} were lost of {left:?}; uploads: {}",
                    http::get(&service.north("/uploads")).text()
                );
            }
            is_tidy.then_some(())
        });
        answered.fetch_add(clients.iter().map(|client| client.answered).sum(), Ordering::Relaxed);
    });
    let answered = answered.into_inner();
    eprintln!("{kills} kills, {answered} answers");
    assert!(answered as u64 > kills, "{answered} answers in {kills} rounds prove little");
}
