//! `GET /images/{id}/tree`: an image's tree, folder by folder and by search.

use harness::http::{self, Response, encode};
use harness::images::{self, LATIN_NAME};
use harness::iso::{Maker, SourceTree};
use harness::packed;
use harness::problem::expect_problem;
use harness::{Service, Setup};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The modification time that [`SourceTree`] gives every file.
const MODIFIED: &str = "2020-02-03T04:05:06.000Z";

/// Registers the file at `path` and returns the image's id.
#[track_caller]
fn register(service: &Service, name: &str, path: &Path) -> String {
    service.register(name, "1", "isolocal", path.to_str().unwrap());
    service.images(&[("name", name)])[0]["id"].as_str().unwrap().to_owned()
}

/// Requests the tree with these parameters, encoded here.
fn ask(service: &Service, id: &str, parameters: &[(&str, &str)]) -> Response {
    http::get(&service.north(&format!("/images/{id}/tree?{}", harness::service::query(parameters))))
}

#[track_caller]
fn browse(service: &Service, id: &str, parameters: &[(&str, &str)]) -> Value {
    ask(service, id, parameters).expect_status(200).json()
}

/// One member of each entry.
fn members<'a>(view: &'a Value, member: &str) -> Vec<&'a str> {
    let entries = view["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry[member].as_str().unwrap()).collect()
}

#[test]
fn a_folder_is_told_with_everything_that_is_known() {
    let service = Setup::new().start();
    let iso = images::installer();
    let id = register(&service, "made by me", &iso);
    let image = &service.images(&[("id", &id)])[0];
    assert_eq!(image["bytes"], fs::metadata(&iso).unwrap().len());

    let root = browse(&service, &id, &[]);
    let entry = |name: &str, path: String, kind: &str, size: Option<u32>| {
        let url = format!("/made%20by%20me/1/{path}");
        json!({"name": name, "path": path, "url": url, "kind": kind, "size": size, "modified": MODIFIED})
    };
    let directory = |name: &str| entry(name, format!("{name}/"), "directory", None);
    let file = |name: &str, size: u32| entry(name, name.to_owned(), "file", Some(size));
    let expected = json!({
        "path": "",
        "url": "/made%20by%20me/1/",
        "total": 8,
        "offset": 0,
        "entries": [
            directory("EFI"),
            directory("images"),
            directory("Packages"),
            directory("ubuntu"),
            file(".treeinfo", 43),
            file("empty", 0),
            file("kernel", 300_000),
            file("README", 19),
        ],
    });
    assert_eq!(root, expected);

    // Each spelling of the path gives the same answer.
    let below = browse(&service, &id, &[("path", "images/pxeboot/")]);
    assert_eq!(
        (&below["path"], &below["url"]),
        (&json!("images/pxeboot/"), &json!("/made%20by%20me/1/images/pxeboot/"))
    );
    assert_eq!(members(&below, "path"), ["images/pxeboot/initrd.img", "images/pxeboot/vmlinuz"]);
    for path in ["images/pxeboot", "/images/pxeboot", "//images//pxeboot//", "images/%70xeboot"] {
        assert_eq!(browse(&service, &id, &[("path", path)]), below, "{path}");
    }
    assert_eq!(browse(&service, &id, &[("path", "/"), ("search", "")]), root);
    assert_eq!(
        members(&browse(&service, &id, &[("path", "ubuntu/ubuntu/EFI")]), "path"),
        ["ubuntu/ubuntu/EFI/BOOT/"]
    );
    // Lookup ignores case, as southbound.
    assert_eq!(members(&browse(&service, &id, &[("path", "efi/boot")]), "name"), ["BOOTX64.EFI"]);
}

#[test]
fn paths_lead_to_the_bytes_whatever_the_names_are() {
    let long = format!("{}é", "n".repeat(253));
    let names = [
        "<img src=x onerror=alert(1)>",
        "\u{202e}gpj.exe",
        "😀",
        "100%.txt",
        "a%20b",
        "a space",
        "plus+plus",
        "question?mark#hash&amp;",
        "back\\slash",
        "line\nbreak",
        &long,
    ];
    let mut tree = SourceTree::new().file(OsStr::from_bytes(LATIN_NAME), "latin");
    for name in names {
        tree = tree.file(name, name).file(format!("folder/{name}/{name}"), name);
    }
    let folder = tempfile::tempdir().unwrap();
    packed::tar(&tree, &[], &folder.path().join("made.tar"));
    let service = Setup::new().start();
    let id = register(&service, "odd", &folder.path().join("made.tar"));
    let root = browse(&service, &id, &[]);
    let base = root["url"].as_str().unwrap();
    assert_eq!(root["total"], names.len() + 2);
    for entry in root["entries"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "file") {
        let (name, path) = (entry["name"].as_str().unwrap(), entry["path"].as_str().unwrap());
        let body = http::get(&service.south(&format!("{base}{path}"))).expect_status(200).text();
        assert!(body == name || (body == "latin" && name == "caf\u{fffd}.txt"), "{name:?}: {body:?}");
        assert_eq!(entry["size"], body.len());
        expect_problem(&service, &ask(&service, &id, &[("path", path)]), 404, "is a file of the image");
    }
    let folders = browse(&service, &id, &[("path", "folder")]);
    assert_eq!(folders["total"], names.len());
    for folder in folders["entries"].as_array().unwrap() {
        let (name, path) = (&folder["name"], folder["path"].as_str().unwrap());
        let below = browse(&service, &id, &[("path", path)]);
        assert_eq!((&below["path"], &below["total"]), (&json!(path), &json!(1)), "{name}");
        assert_eq!(below["entries"][0]["name"], *name);
        let inner = below["entries"][0]["path"].as_str().unwrap();
        assert_eq!(inner, format!("{path}{}", encode(name.as_str().unwrap())));
        let body = http::get(&service.south(&format!("{base}{inner}"))).expect_status(200).text();
        assert_eq!(body, name.as_str().unwrap());
    }
    // A search matches the readable form of a name.
    for (text, total) in [("ONERROR", 3), ("\u{202e}", 3), ("😀", 3), ("a%20b", 3), ("\u{fffd}", 1), ("É", 3)]
    {
        let found = browse(&service, &id, &[("search", text)]);
        assert_eq!((&found["total"], &found["complete"]), (&json!(total), &json!(true)), "{text}: {found}");
    }
}

#[test]
fn pages_follow_each_other_and_are_in_the_order_of_listings() {
    let service = Setup::new().start();
    let id = register(&service, "links", &images::links());
    let all = browse(&service, &id, &[]);
    let total = all["total"].as_u64().unwrap();
    let listing = http::get_with(&service.south("/links/1/"), &[("Accept", "text/plain")]).text();
    assert_eq!(members(&all, "name"), listing.lines().collect::<Vec<_>>());
    assert_eq!(total, listing.lines().count() as u64);

    for limit in [1, 2, 7, total, total + 1] {
        let mut names = Vec::new();
        for offset in (0..total).step_by(usize::try_from(limit).unwrap()) {
            let page =
                browse(&service, &id, &[("offset", &offset.to_string()), ("limit", &limit.to_string())]);
            assert_eq!((&page["offset"], &page["total"]), (&json!(offset), &json!(total)));
            assert_eq!(page["entries"].as_array().unwrap().len() as u64, limit.min(total - offset));
            names.extend(members(&page, "name").into_iter().map(str::to_owned));
        }
        assert_eq!(names, members(&all, "name"), "{limit}");
    }
    for offset in [total, total + 5, u64::MAX] {
        let page = browse(&service, &id, &[("offset", &offset.to_string())]);
        assert_eq!((&page["total"], &page["entries"]), (&json!(total), &json!([])));
    }
}

#[test]
fn a_search_finds_everything_once_whatever_links_there_are() {
    let service = Setup::new().start();
    let id = register(&service, "links", &images::links());
    let find = |parameters: &[(&str, &str)]| browse(&service, &id, parameters);

    let found = find(&[("search", "PACK")]);
    assert_eq!(members(&found, "path"), ["pool/package.deb"]);
    assert_eq!((&found["total"], &found["complete"], &found["path"]), (&json!(1), &json!(true), &json!("")));
    // A search returns links themselves; a dangling one has no URL. Entries nearer to the root come first.
    assert_eq!(
        members(&find(&[("search", "u")]), "path"),
        ["absolute-folder/", "ubuntu/", "absolute", "dists/unstable/", "dists/up/"]
    );
    assert_eq!(find(&[("search", "loop")])["total"], 0);
    // Below a folder, also one behind a link.
    assert_eq!(
        members(&find(&[("path", "ubuntu/dists"), ("search", "rel")]), "path"),
        ["ubuntu/dists/stable/Release"]
    );
    assert_eq!(find(&[("path", "pool"), ("search", "release")])["entries"], json!([]));

    // A page of the result.
    let all = find(&[("search", "e")]);
    let paths = members(&all, "path");
    assert_eq!(all["total"], paths.len());
    for (offset, limit) in [(0, 1), (1, 3), (paths.len() - 1, 10), (paths.len(), 10)] {
        let page = find(&[("search", "e"), ("offset", &offset.to_string()), ("limit", &limit.to_string())]);
        assert_eq!(members(&page, "path"), paths[offset..paths.len().min(offset + limit)]);
        assert_eq!((&page["total"], &page["offset"]), (&json!(paths.len()), &json!(offset)));
    }
}

#[test]
fn every_kind_of_image_can_be_looked_into() {
    let tree = || {
        SourceTree::new()
            .file("boot/grub/grub.cfg", "menu\n")
            .file("boot/vmlinuz", images::pattern(1, 5000))
            .file("zeros", vec![0; 70_000])
            .link("here", ".")
    };
    let folder = tempfile::tempdir().unwrap();
    type Make<'a> = &'a dyn Fn(&Path);
    let ways: [(&str, Make<'_>); 5] = [
        ("joliet", &|path| Maker::Genisoimage.make(&["-J"], &tree(), path)),
        ("udf", &|path| Maker::Genisoimage.make(&["-udf"], &tree(), path)),
        ("bare", &|path| Maker::Genisoimage.make(&[], &tree(), path)),
        ("tar", &|path| packed::tar(&tree(), &[], path)),
        ("squashfs", &|path| packed::squash(&tree(), &[], path)),
    ];
    let service = Setup::new().start();
    for (name, make) in ways {
        let path = folder.path().join(name);
        make(&path);
        let id = register(&service, name, &path);
        assert_eq!(service.images(&[("id", &id)])[0]["bytes"], fs::metadata(&path).unwrap().len());
        let boot = browse(&service, &id, &[("path", "boot")]);
        assert_eq!(members(&boot, "path"), ["boot/grub/", "boot/vmlinuz"], "{name}");
        assert_eq!((&boot["entries"][0]["size"], &boot["entries"][1]["size"]), (&json!(null), &json!(5000)));
        let found = browse(&service, &id, &[("search", "GRUB")]);
        assert_eq!(members(&found, "path"), ["boot/grub/", "boot/grub/grub.cfg"], "{name}");
        assert_eq!(browse(&service, &id, &[("search", "z"), ("path", "/boot/")])["total"], 1, "{name}");
    }
}

#[test]
fn what_cannot_be_shown_says_why() {
    let service = Setup::new().start();
    service.upload_iso("gone.iso", &images::installer());
    service.register("gone", "1", "isostore", "gone.iso");
    let id = service.images(&[("name", "gone")])[0]["id"].as_str().unwrap().to_owned();
    for (path, part) in [
        ("none", "no folder 'none'"),
        ("images/none/deeper", "no folder 'images/none/deeper'"),
        ("README", "'README' is a file"),
        ("kernel/", "'kernel' is a file"),
        ("README/x", "no folder 'README/x'"),
        ("a%2Fb", "no folder 'a/b'"),
        ("a%00b", "no folder"),
        ("%FF", "no folder '\u{fffd}'"),
    ] {
        for search in [&[][..], &[("search", "x")]] {
            let answer = ask(&service, &id, &[&[("path", path)], search].concat());
            expect_problem(&service, &answer, 404, part);
        }
    }
    for (name, value) in [
        ("path", ".."),
        ("path", "images/../.."),
        ("path", "images/%2e%2E/x"),
        ("path", "./images"),
        ("offset", "-1"),
        ("offset", "x"),
        ("offset", "18446744073709551616"),
        ("limit", "0"),
        ("limit", "10001"),
        ("limit", ""),
    ] {
        let problem = expect_problem(&service, &ask(&service, &id, &[(name, value)]), 400, "`");
        assert_eq!(problem["parameter"], name, "{value}");
    }
    expect_problem(&service, &ask(&service, "nobody", &[]), 404, "no image matches");
    let url = service.north(&format!("/images/{id}/tree"));
    expect_problem(&service, &http::delete(&url), 405, "GET, HEAD, OPTIONS");
    http::head(&url).expect_status(200);

    fs::remove_file(service.path("static/iso/gone.iso")).unwrap();
    for parameters in [&[][..], &[("search", "x")]] {
        let answer = ask(&service, &id, parameters);
        expect_problem(&service, &answer, 409, "is not served: error: its ISO gone.iso is missing");
    }
}

#[test]
fn a_hundred_thousand_entries_are_shown_page_by_page() {
    const COUNT: usize = 100_000;
    let tree = SourceTree::new().folder("flat");
    for number in 0..COUNT {
        fs::File::create(tree.root().join(format!("flat/Package-{number:06}.rpm"))).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    packed::tar(&tree, &[], &folder.path().join("made.tar"));
    let service = Setup::new().start();
    let id = register(&service, "many", &folder.path().join("made.tar"));
    let begin = Instant::now();
    let mut next = 0;
    while next < COUNT {
        let page =
            browse(&service, &id, &[("path", "flat"), ("offset", &next.to_string()), ("limit", "10000")]);
        assert_eq!(page["total"], COUNT);
        for name in members(&page, "name") {
            assert_eq!(name, format!("Package-{next:06}.rpm"));
            next += 1;
        }
    }
    assert_eq!(browse(&service, &id, &[("path", "flat")])["entries"].as_array().unwrap().len(), 1000);
    let found = browse(&service, &id, &[("search", "99.RPM"), ("limit", "3")]);
    assert_eq!(members(&found, "name"), ["Package-000099.rpm", "Package-000199.rpm", "Package-000299.rpm"]);
    assert_eq!((&found["total"], &found["complete"]), (&json!(COUNT / 100), &json!(true)));
    // Unoptimised and on a busy machine this takes a second or two.
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}
