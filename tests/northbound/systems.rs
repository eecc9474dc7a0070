//! The operating system of an image, detected by its files.

use harness::iso::{Maker, SourceTree};
use harness::{Service, Setup, packed};
use serde_json::{Value, json};
use std::path::Path;

const RHEL: &str = "[release]\nname = Red Hat Enterprise Linux\nversion = 9.4\n\n[tree]\narch = x86_64\n";
const UBUNTU: &str = "Ubuntu-Server 24.04.1 LTS \"Noble Numbat\" - Release amd64 (20240827)";
const ESXI: &str = "title=Loading ESXi installer\nkernel=/b.b00\nbuild=8.0.3-0.0.24022510\n";

type Make<'a> = &'a dyn Fn(&SourceTree, &Path);

/// Registers the image that `make` makes of `tree`, and returns the answer.
#[track_caller]
fn register(service: &Service, name: &str, tree: &SourceTree, make: Make<'_>) -> Value {
    let path = service.path(&format!("static/iso/{name}.iso"));
    make(tree, &path);
    let iso = format!("{name}.iso");
    let answer = service.put_image(&[("name", name), ("version", "1"), ("isostore", &iso)]);
    answer.expect_status(200).json()
}

fn system(family: &str, name: &str, version: Option<&str>, arch: Option<&str>) -> Value {
    json!({"family": family, "name": name, "version": version, "arch": arch})
}

#[test]
fn images_of_every_kind_tell_their_system() {
    let mut service = Setup::new().start();
    let ubuntu = || SourceTree::new().file(".disk/info", UBUNTU).file("casper/vmlinuz", "kernel");
    let rhel = || SourceTree::new().file(".treeinfo", RHEL).file("images/pxeboot/vmlinuz", "kernel");
    // Upper case, as on media with plain ISO 9660 names.
    let esxi = || SourceTree::new().file("BOOT.CFG", ESXI).file("EFI/BOOT/BOOTX64.EFI", "loader");
    let windows = || SourceTree::new().file("Sources/Boot.WIM", "image").file("README.TXT", "This is UDF.");
    let alpine = || SourceTree::new().file(".alpine-release", "alpine-standard 3.20.2 240722\n");
    let in_ubuntu = system("ubuntu", "Ubuntu-Server", Some("24.04.1"), Some("x86_64"));
    let in_rhel = system("rhel", "Red Hat Enterprise Linux", Some("9.4"), Some("x86_64"));
    let in_esxi = system("esxi", "VMware ESXi", Some("8.0.3"), Some("x86_64"));
    let in_windows = system("windows", "Windows", None, Some("x86_64"));
    let in_fedora = system("fedora", "Fedora", Some("40"), Some("aarch64"));
    let in_alpine = system("alpine", "Alpine Linux", Some("3.20.2"), None);
    let xorriso = |arguments: &'static [&str]| {
        move |tree: &SourceTree, path: &Path| Maker::Xorriso.make(arguments, tree, path)
    };
    let genisoimage = |arguments: &'static [&str]| {
        move |tree: &SourceTree, path: &Path| Maker::Genisoimage.make(arguments, tree, path)
    };
    let plain = || SourceTree::new().file("README", "nothing known");
    let cases: [(&str, SourceTree, Make<'_>, &str, &Value); 10] = [
        ("ubuntu", ubuntu(), &xorriso(&["-R"]), "rockridge", &in_ubuntu),
        ("rhel", rhel(), &xorriso(&["-R", "-J"]), "rockridge", &in_rhel),
        ("rhel-joliet", rhel(), &xorriso(&["--norock", "-J"]), "joliet", &in_rhel),
        ("esxi", esxi(), &genisoimage(&[]), "plain", &in_esxi),
        ("esxi-joliet", esxi(), &genisoimage(&["-J"]), "joliet", &in_esxi),
        ("windows", windows(), &genisoimage(&["-udf", "-V", "CCCOMA_X64FRE_EN-US_DV9"]), "udf", &in_windows),
        ("fedora", plain(), &xorriso(&["-R", "-V", "Fedora-S-dvd-aarch64-40"]), "rockridge", &in_fedora),
        ("alpine", alpine(), &|tree, path| packed::tar(tree, &[], path), "tar", &in_alpine),
        ("squashed", rhel(), &|tree, path| packed::squash(tree, &[], path), "squashfs", &in_rhel),
        ("unknown", plain(), &xorriso(&["-R"]), "rockridge", &Value::Null),
    ];
    for (name, tree, make, kind, expected) in &cases {
        let image = register(&service, name, tree, make);
        assert_eq!((&image["system"], &image["tree"]["kind"]), (*expected, &json!(kind)), "{name}: {image}");
        assert_eq!(image["tree"].get("system"), None, "{image}");
    }
    service.restart();
    for (name, _, _, _, expected) in &cases {
        assert_eq!(service.images(&[("name", name)])[0]["system"], **expected, "{name}");
    }
    // Rock Ridge keeps case, so it is significant.
    let esxi = register(&service, "other-case", &esxi(), &xorriso(&["-R"]));
    assert_eq!(esxi["system"], Value::Null);
}

#[test]
fn hostile_markers_are_passed_over() {
    let service = Setup::new().start();
    let huge = format!("[release]\nname = Fedora\nversion = 40\n{}", "#".repeat(64 << 10));
    let deep = "[release]\n".repeat(6000);
    let long = format!("[release]\nname = {}\nversion = 9\n", "x".repeat(5000));
    let markers: [(&str, &[u8]); 6] = [
        ("huge", huge.as_bytes()),
        ("deep", deep.as_bytes()),
        ("long", long.as_bytes()),
        ("binary", b"[release]\nname = Fed\xffora\nversion = 40\n"),
        ("control", b"[release]\nname = Fed\x07ora\nversion = 40\n"),
        ("markup", "[release]\nname = <img src=x onerror=alert(1)>\u{202e}\n".as_bytes()),
    ];
    for (name, bytes) in markers {
        let tree = SourceTree::new().file(".treeinfo", bytes);
        let image = register(&service, name, &tree, &|tree, path| Maker::Xorriso.make(&["-R"], tree, path));
        assert_eq!((&image["system"], &image["status"]), (&Value::Null, &json!("OK")), "{name}");
    }
    // Links in circles or out of the tree, and folders in place of files.
    let tree = SourceTree::new()
        .link(".treeinfo", ".treeinfo")
        .link("treeinfo", "../../../etc/os-release")
        .folder(".discinfo")
        .link(".cd-info", "/etc/passwd")
        .link(".disk", ".");
    let image = register(&service, "odd", &tree, &|tree, path| Maker::Xorriso.make(&["-R"], tree, path));
    assert_eq!((&image["system"], &image["status"]), (&Value::Null, &json!("OK")));
}
