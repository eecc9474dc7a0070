//! The payload of RackHD, and the URLs in the lines for DHCP servers. `tests/boot/ways` boots by these lines.

use super::pages::{block, blocks};
use super::shell::Shell;
use harness::iso::{Maker, SourceTree};
use harness::{Setup, http};
use serde_json::Value;
use std::collections::BTreeSet;

const PAGE: &str = "docs/booting.md";

#[test]
fn rackhd_finds_the_files_of_its_payload() {
    let payload: Value = serde_json::from_str(&block(PAGE, "payload.json")).unwrap();
    let settings: Value = serde_json::from_str(&block(PAGE, "monorail.json")).unwrap();
    let defaults = &payload["options"]["defaults"];
    let repo = defaults["repo"].as_str().unwrap();
    let base = format!(
        "http://{}:{}{}",
        settings["fileServerAddress"].as_str().unwrap(),
        settings["fileServerPort"],
        settings["fileServerPath"].as_str().unwrap()
    );
    let image = repo.strip_prefix(&base).unwrap();
    let (name, version) = image.split_once('/').unwrap();
    // RackHD's script for Ubuntu asks for these two below `baseUrl`.
    let folder = defaults["baseUrl"].as_str().unwrap();
    let boot = ["linux", "initrd.gz"].map(|file| format!("{repo}/{folder}/{file}"));
    let squashfs = defaults["kargs"]["live-installer/net-image"].as_str().unwrap().to_owned();

    let asked: Vec<String> = boot.into_iter().chain([squashfs]).collect();
    let tree = asked.iter().fold(SourceTree::new(), |tree, url| {
        tree.file(url.strip_prefix(repo).unwrap().trim_start_matches('/'), url)
    });
    let service = Setup::new().start();
    let iso = service.path("ubuntu.iso");
    Maker::Xorriso.make(&["-R"], &tree, &iso);
    service.register(name, version, "isolocal", iso.to_str().unwrap());
    for url in &asked {
        let path = format!("/{}", url.strip_prefix(&base).unwrap());
        assert_eq!(http::get(&service.south(&path)).expect_status(200).text(), *url);
    }
}

#[test]
fn all_that_dhcp_servers_and_scripts_name_is_served() {
    let shell = Shell::new()
        .with("boot.ipxe", block(PAGE, "boot.ipxe"))
        .with("grubx64.efi", "what grub-mkstandalone makes");
    let tree = SourceTree::new().file("linux", "kernel").file("initrd.gz", "initrd");
    Maker::Xorriso.make(&["-R"], &tree, &shell.path("mini.iso"));
    shell.run(&block(PAGE, "image"));
    shell.run(&block(PAGE, "loaders"));
    let grub = block(PAGE, "grub");
    shell.run(grub.lines().find(|line| line.starts_with("curl")).unwrap());

    let pages = blocks(PAGE);
    let lines = pages.iter().filter(|block| block.text.contains("192.0.2.1:9090")).map(|block| &block.text);
    let mut paths = BTreeSet::new();
    for text in lines.filter(|text| !text.contains("ubuntu")) {
        for separator in ["http://192.0.2.1:9090", "(http,192.0.2.1:9090)"] {
            let ends = |character: char| character.is_whitespace() || [',', '"'].contains(&character);
            paths.extend(
                text.split(separator).skip(1).map(|rest| rest.split(ends).next().unwrap().to_owned()),
            );
        }
    }
    let expected = ["/common/boot.ipxe", "/common/snponly.efi", "/debian/12/initrd.gz", "/debian/12/linux"];
    assert_eq!(paths.iter().collect::<Vec<_>>(), expected);
    paths.insert("/common/grubx64.efi".into());
    for path in paths {
        let answer = http::get(&shell.service.south(&path)).expect_status(200);
        // Firmware takes nothing else for a program.
        assert_eq!(
            answer.header("Content-Type") == Some("application/efi"),
            path.ends_with(".efi"),
            "{path}"
        );
    }
}
