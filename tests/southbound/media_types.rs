//! Media types: firmware compares them exactly, and they do not depend on the content.

use harness::http;
use harness::{Setup, images};

/// Name, media type for all clients, and for `UefiHttpBoot` where that differs.
const TYPES: [(&str, &str, Option<&str>); 21] = [
    ("bootx64.efi", "application/efi", None),
    ("BOOTAA64.EFI", "application/efi", None),
    ("disc.iso", "application/x-iso9660-image", Some("application/vnd.efi-iso")),
    ("boot.img", "application/octet-stream", Some("application/vnd.efi-img")),
    ("menu.ipxe", "text/plain", None),
    ("boot.cfg", "text/plain", None),
    ("host.ks", "text/plain", None),
    (".treeinfo", "text/plain", None),
    ("page.html", "text/html", None),
    ("vmlinuz", "application/octet-stream", None),
    ("initrd.gz", "application/octet-stream", None),
    ("base.squashfs", "application/octet-stream", None),
    ("repomd.xml", "application/octet-stream", None),
    ("README.txt", "application/octet-stream", None),
    ("script.js", "application/octet-stream", None),
    ("style.css", "application/octet-stream", None),
    ("data.json", "application/octet-stream", None),
    ("gcc.rpm", "application/octet-stream", None),
    ("looks-like.html.gz", "application/octet-stream", None),
    ("noextension.", "application/octet-stream", None),
    ("efi", "application/octet-stream", None),
];

#[test]
fn media_types_are_those_that_clients_compare() {
    let setup = TYPES.iter().fold(Setup::new(), |setup, (name, ..)| {
        // The content would mislead any sniffing.
        setup.file(&format!("static/types/{name}"), "<!DOCTYPE html><p>#!ipxe")
    });
    let service = setup.start();
    for (name, usual, firmware) in TYPES {
        let url = service.south(&format!("/types/{name}"));
        let cases = [
            (None, usual),
            (Some("iPXE/1.21.1"), usual),
            (Some("UefiHttpBoot/1.0"), firmware.unwrap_or(usual)),
        ];
        for (agent, expected) in cases {
            let headers: Vec<(&str, &str)> = agent.iter().map(|agent| ("User-Agent", *agent)).collect();
            let answer = http::get_with(&url, &headers).expect_status(200);
            let found = answer.header("Content-Type").unwrap();
            if expected.starts_with("text/") {
                assert_eq!(found.split(';').next(), Some(expected), "{name} for {agent:?}");
            } else {
                assert_eq!(found, expected, "{name} for {agent:?}");
            }
            let vary = answer.header("Vary").unwrap_or_default().to_lowercase();
            assert_eq!(
                vary.contains("user-agent"),
                firmware.is_some(),
                "{name} for {agent:?}: Vary {vary:?}"
            );
        }
    }
}

#[test]
fn media_types_hold_inside_images_and_stores() {
    let installer = images::installer();
    let setup = Setup::new().file("static/common/initrd.img", "initrd");
    std::fs::copy(&installer, setup.path("static/iso/installer.iso")).unwrap();
    let service = setup.start();
    service.register("linux", "9", "isolocal", installer.to_str().unwrap());
    let cases = [
        ("/linux/9/EFI/BOOT/BOOTX64.EFI", "application/efi"),
        ("/linux/9/images/pxeboot/initrd.img", "application/vnd.efi-img"),
        ("/iso/installer.iso", "application/vnd.efi-iso"),
        ("/common/initrd.img", "application/vnd.efi-img"),
        ("/linux/9/images/pxeboot/vmlinuz", "application/octet-stream"),
    ];
    for (target, expected) in cases {
        let answer = http::get_with(&service.south(target), &[("User-Agent", "UefiHttpBoot/1.0")]);
        assert_eq!(answer.expect_status(200).header("Content-Type"), Some(expected), "{target}");
    }
}
