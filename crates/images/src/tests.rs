//! The catalog without HTTP: its parts together, over stores and an inventory in a folder of their own.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::trees::{FileError, Trees};
use ::records::feed::Feed;
use ::records::inventory::{Inventory, InventoryWriter, JsonFile};
use blobs::{Disks, Limits, Store, StoreError};
use component::{ContentSource, LookupError, LookupRequest, Resolved};
use model::client::ClientKey;
use model::digest::{Expected, Sha256};
use model::image::Image;
use model::labels::Labels;
use model::names::{FileName, ImageName, ImageVersion};
use model::stored_file::StoreKind;
use model::unfinished_file::{Owner, Plan, UnfinishedFileId};

struct Fixture {
    catalog: Catalog,
    folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("static");
        let (limits, disks) = (Limits { max_file_size: 1 << 20, reserve: 0, quota: 0 }, Disks::default());
        let store = |kind, name| Store::open(kind, root.join(name), limits, &disks).expect("a store");
        let storage = Storage {
            isos: store(StoreKind::Iso, "iso"),
            microkernels: store(StoreKind::Microkernel, "common"),
            trees: Trees::extents(1 << 20),
            root: root.clone(),
            lookups: component::LookupLimit::default(),
            settling: Duration::ZERO.into(),
            max_queued: 1000.into(),
        };
        let inventory = JsonFile::open(folder.path().join("inventory.json")).expect("an inventory");
        let inventory = Inventory::JsonFile(inventory);
        let records = inventory.load().expect("records");
        let writer = InventoryWriter::<CatalogError>::start(inventory, records, Feed::default());
        let opened = Catalog::open(storage, writer.expect("a thread"), Feed::default());
        let catalog = opened.await.expect("a catalog");
        Self { catalog, folder }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("static").join(path)
    }

    async fn reserve(&self, name: &str) -> Reservation {
        let (name, version) = (ImageName::new(name).expect("a name"), version());
        let patience = Duration::ZERO;
        let wanted =
            WantedImage { client: None, patience, id: None, name, version, tree: None, labels: None };
        self.catalog.registration.reserve(wanted).await.expect("free")
    }

    /// Registers an image with one file, `Kernel`, as a client that sends it.
    async fn register(&self, name: &str) -> Image {
        let reservation = self.reserve(name).await;
        let iso = file_name(&format!("{name}.iso"));
        let mut intake = reservation.receive(iso, None, Expected::default()).await.expect("an intake");
        intake.write(tar("Kernel", name).into()).await.expect("room");
        reservation.register_received(intake, Expected::default()).await.expect("an image")
    }

    /// The bytes at a southbound path.
    async fn fetch(&self, path: &str) -> Option<Vec<u8>> {
        let raw: Vec<Vec<u8>> = path.split('/').map(|name| name.as_bytes().to_vec()).collect();
        let request = LookupRequest { decoded: raw.clone(), raw, listing: false };
        let read = |resolved| match resolved {
            Resolved::File(content, _) => {
                let mut bytes = vec![0; usize::try_from(content.size).expect("small")];
                content.read(&mut bytes).expect("readable");
                Some(bytes)
            }
            Resolved::Directory(_) => None,
        };
        match self.catalog.resolver.find(&request).map(read) {
            Err(LookupError::NotFound) => None,
            resolved => resolved.expect("a working disk"),
        }
    }
}

fn file_name(name: &str) -> FileName {
    FileName::new(name).expect("a name")
}

fn version() -> ImageVersion {
    ImageVersion::new("v1").expect("a version")
}

/// A tar (POSIX ustar) of one file.
fn tar(name: &str, content: &str) -> Vec<u8> {
    let mut header = vec![0; 512];
    let size = format!("{:011o}\0", content.len());
    let fields: [(usize, &[u8]); 4] =
        [(0, name.as_bytes()), (124, size.as_bytes()), (148, b"        0"), (257, b"ustar\x0000")];
    for (at, bytes) in fields {
        header[at..at + bytes.len()].copy_from_slice(bytes);
    }
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = [&header, content.as_bytes()].concat();
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    tar
}

#[tokio::test]
async fn an_image_is_found_by_a_name_in_another_case_if_only_one_can_be_meant() {
    let fixture = Fixture::new().await;
    for name in ["Linux", "twins", "Twins"] {
        fixture.register(name).await;
    }
    fs::create_dir_all(fixture.path("LINUX/V1")).expect("a folder");
    fs::write(fixture.path("LINUX/V1/disk"), "on disk").expect("a file");
    for (path, expected) in [
        ("Linux/v1/Kernel", Some("Linux")),
        ("linux/V1/kernel", Some("Linux")),
        // A file on disk comes before an image whose name differs.
        ("LINUX/V1/disk", Some("on disk")),
        ("LINUX/V1/Kernel", Some("Linux")),
        ("twins/v1/Kernel", Some("twins")),
        ("Twins/v1/Kernel", Some("Twins")),
        ("TWINS/v1/Kernel", None),
        ("linux/v2/Kernel", None),
    ] {
        assert_eq!(fixture.fetch(path).await.as_deref(), expected.map(str::as_bytes), "{path}");
    }
}

#[tokio::test]
async fn files_that_other_requests_change_cannot_be_local_isos() {
    let fixture = Fixture::new().await;
    for (name, path) in [("a", "common/a.iso"), ("b", "common/below/b.iso"), ("c", "iso/.incoming/c.iso")] {
        let path = fixture.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, tar("Kernel", "bytes")).expect("a file");
        let reservation = fixture.reserve(name).await;
        let refused = reservation.register_local(path, Expected::default()).await;
        assert!(matches!(refused, Err(CatalogError::Local(FileError::Forbidden))), "{name}: {refused:?}");
    }
    let path = fixture.folder.path().join("d.iso");
    fs::write(&path, tar("Kernel", "bytes")).expect("a file");
    let image = fixture.reserve("d").await.register_local(path, Expected::default()).await;
    assert_eq!(image.expect("an image").iso, file_name("d.iso"));
    assert_eq!(fixture.fetch("d/v1/Kernel").await.as_deref(), Some(&b"bytes"[..]));
}

#[tokio::test]
async fn only_a_file_that_can_still_become_right_stays_unfinished() {
    let fixture = Fixture::new().await;
    let intakes = &fixture.catalog.intakes;
    let expected = Expected { sha256: Some(Sha256([7; 32])), sha512: None };
    for (id, bytes, expected) in [("wrong", &b"bytes"[..], expected), ("empty", b"", Expected::default())] {
        let id = UnfinishedFileId::new(id).expect("an id");
        let resume_data = serde_json::Value::Null;
        let plan = Plan {
            name: file_name("a"),
            size: None,
            expected,
            owner: Owner::Upload,
            client: None,
            labels: Labels::default(),
            resume_data,
        };
        let mut intake = intakes.begin(&id, StoreKind::Microkernel, plan, None).await.expect("an intake");
        intake.write(Bytes::copy_from_slice(bytes)).await.expect("room");
        let refused = intake.finish().await.expect_err("it is refused");
        let is_final = matches!(refused, CatalogError::Empty | CatalogError::Store(StoreError::Mismatch(_)));
        assert!(is_final, "{refused}");
        assert!(intakes.unfinished_file(&id).is_none(), "{id}");
        assert!(fixture.catalog.files.list(StoreKind::Microkernel).await.expect("a list").is_empty());
    }
}

#[tokio::test]
async fn searches_that_wait_for_their_client_take_no_look_ups_from_machines() {
    let fixture = Fixture::new().await;
    let image = fixture.register("linux").await;
    let client = Some(ClientKey::from(IpAddr::from([192, 0, 2, 1])));
    let resolver = &fixture.catalog.resolver;
    let browse = Browse { path: Vec::new(), lines: 0..9, search: Some("kernel".into()) };
    let share = resolver.searches.wait_for_share(client).await;
    for _ in 0..100 {
        let (resolver, id, browse) = (Arc::clone(resolver), image.id.clone(), browse.clone());
        tokio::spawn(async move { resolver.browse(client, id, browse).await });
    }
    // All of them wait now.
    tokio::task::yield_now().await;
    let path = [b"linux".to_vec(), b"v1".to_vec()];
    let look_up = tokio::time::timeout(Duration::from_secs(1), resolver.lookups.enter(&path)).await;
    assert!(look_up.is_ok(), "the searches hold all look-ups of the image");
    drop(share);
    let found = resolver.browse(client, image.id, browse).await.expect("an answer");
    assert_eq!((found.total, found.complete), (1, Some(true)));
}
