//! Examples for the document. Tests check them against the schemas.

use serde_json::{Value, json};

const IMAGE: &str = "24cb770a-bd24-4f16-8d1c-98388c5fb0d7";
const JOB: &str = "b1f6c1a5-2f0e-4a53-8c52-0f4f6f0f8a3e";
const UPLOAD: &str = "0f3d1f6e-9a52-4e0b-9f43-5a1f2e6c7b80";
const SHA256: &str = "d3934ddd42ded2879e41cd9667614ec15294b9a3a3a75cb4a4320a3346b168d7";
const LINK: &str = "https://releases.ubuntu.com/24.04/ubuntu-24.04.1-live-server-amd64.iso";

pub(in crate::northbound) fn image() -> Value {
    json!({
        "id": IMAGE,
        "name": "ipxe",
        "version": "1",
        "iso": "ipxe.iso",
        "status": "OK",
        "source": "store",
        "path": "/ipxe/1/",
        "bytes": 2_097_152,
        "system": null,
        "created": "2026-11-20T23:13:48.301Z",
        "updated": "2026-11-20T23:13:48.301Z",
        "labels": {},
        "sha256": SHA256,
        "tree": {
            "kind": "rockridge",
            "available": ["rockridge", "joliet", "plain"],
            "label": "ISOIMAGE",
            "entries": 7,
            "warnings": 0,
            "damaged": 0,
        },
    })
}

pub(in crate::northbound) fn image_on_its_way() -> Value {
    json!({
        "id": "7c218a00-9f47-4bee-8bea-16494728ebf9",
        "name": "ubuntu",
        "version": "24.04",
        "iso": "ubuntu-24.04.1-live-server-amd64.iso",
        "status": "downloading iso",
        "source": "web",
        "path": "/ubuntu/24.04/",
        "bytes": null,
        "system": null,
        "created": "2026-11-20T23:13:48.308Z",
        "updated": "2026-11-20T23:13:48.328Z",
        "labels": {"team": "blue"},
        "sha256": null,
        "tree": null,
        "url": LINK,
        "job": JOB,
        "progress": {"done": 734_003_200, "total": 2_773_874_688_u64, "rate": 52_428_800, "secondsLeft": 39, "received": 734_003_200},
    })
}

pub(in crate::northbound) fn images() -> Value {
    json!([image(), image_on_its_way()])
}

pub(in crate::northbound) fn image_in_full() -> Value {
    let mut image = image();
    image["findings"] = json!({"warnings": [], "damaged": []});
    image
}

pub(in crate::northbound) fn tree() -> Value {
    json!({
        "path": "boot/grub/",
        "url": "/grub/2/boot/grub/",
        "total": 5,
        "offset": 0,
        "entries": [
            {
                "name": "fonts",
                "path": "boot/grub/fonts/",
                "url": "/grub/2/boot/grub/fonts/",
                "kind": "directory",
                "size": null,
                "modified": "2026-05-03T22:12:13.000Z",
            },
            {
                "name": "grub.cfg",
                "path": "boot/grub/grub.cfg",
                "url": "/grub/2/boot/grub/grub.cfg",
                "kind": "file",
                "size": 1705,
                "modified": "2026-05-03T22:12:13.000Z",
            },
        ],
    })
}

pub(in crate::northbound) fn registration() -> Value {
    json!({"name": "ubuntu", "version": "24.04", "isoweb": [LINK], "wait": 0, "labels": {"team": "blue"}})
}

pub(in crate::northbound) fn wanted_image() -> Value {
    json!({"name": "ipxe", "version": "1", "isostore": "ipxe.iso", "sha256": SHA256, "labels": {"team": "blue"}})
}

pub(in crate::northbound) fn image_filters() -> Value {
    json!({"name": "ipxe", "version": "1"})
}

pub(in crate::northbound) fn job() -> Value {
    json!({
        "id": JOB,
        "kind": "download",
        "title": "ubuntu-24.04.1-live-server-amd64.iso",
        "state": "waiting",
        "attempts": 2,
        "created": "2026-11-20T23:13:48.308Z",
        "updated": "2026-11-20T23:15:02.114Z",
        "progress": {"done": 734_003_200, "total": 2_773_874_688_u64, "rate": null, "secondsLeft": null},
        "until": "2026-11-20T23:15:04.114Z",
        "reason": "the connection broke off",
        "image": "7c218a00-9f47-4bee-8bea-16494728ebf9",
    })
}

pub(in crate::northbound) fn jobs() -> Value {
    json!([job()])
}

pub(in crate::northbound) fn job_in_full() -> Value {
    let mut job = job();
    job["log"] = json!([
        {"time": "2026-11-20T23:13:48.309Z", "text": format!("fetching {LINK}")},
        {"time": "2026-11-20T23:15:02.114Z", "text": "the connection broke off; trying again in 2 s"},
    ]);
    job
}

pub(in crate::northbound) fn iso() -> Value {
    json!({
        "name": "ipxe.iso",
        "size": "2.10 MB",
        "uploaded": "2026-11-20T23:13:48.288Z",
        "bytes": 2_097_152,
        "format": "iso",
        "sha256": SHA256,
        "local": false,
        "status": "OK",
        "origin": "upload",
        "verified": "2026-11-20T23:13:48.289Z",
        "labels": {},
        "upload": "2026-11-20T23:13:48.288Z",
    })
}

/// The ISO with what listings add.
pub(in crate::northbound) fn listed_iso() -> Value {
    let mut iso = iso();
    iso["labels"] = json!({"team": "blue"});
    iso["images"] = json!(["ipxe 1"]);
    iso
}

pub(in crate::northbound) fn isos() -> Value {
    json!([listed_iso()])
}

pub(in crate::northbound) fn microkernel() -> Value {
    json!({
        "name": "vmlinuz-1.2.0-rancher",
        "size": "4.15 MB",
        "uploaded": "2026-11-20T23:14:10.020Z",
        "bytes": 4_150_128,
        "format": "efi",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "local": false,
        "status": "OK",
        "origin": "folder",
        "verified": "2026-11-20T23:14:10.040Z",
        "labels": {},
    })
}

pub(in crate::northbound) fn microkernels() -> Value {
    json!([microkernel()])
}

pub(in crate::northbound) fn iso_name() -> Value {
    json!({"name": "ipxe.iso"})
}

pub(in crate::northbound) fn microkernel_name() -> Value {
    json!({"name": "vmlinuz-1.2.0-rancher"})
}

/// The answer to an upload, with its progress.
pub(in crate::northbound) fn uploaded() -> Value {
    "Uploaded 50 %\nUploaded 100 %\nUpload finished!\n".into()
}

pub(in crate::northbound) fn unfinished_uploads() -> Value {
    json!([{
        "id": UPLOAD,
        "store": "iso",
        "name": "big.iso",
        "offset": 1_048_576,
        "size": 734_003_200,
        "labels": {"team": "blue"},
        "created": "2026-11-20T23:13:48.256Z",
        "expires": "2026-11-27T23:13:48.256Z",
    }])
}

pub(in crate::northbound) fn storage() -> Value {
    json!({
        "stores": [
            {
                "store": "iso",
                "files": 3,
                "bytes": 8_388_608,
                "saved": 2_097_152,
                "unfinished": {"files": 1, "bytes": 734_003_200, "promised": 2_773_874_688_u64},
                "quota": null,
                "available": 418_759_311_360_u64,
                "problem": null,
            },
            {
                "store": "microkernel",
                "files": 1,
                "bytes": 4_150_128,
                "saved": 0,
                "unfinished": {"files": 0, "bytes": 0, "promised": 0},
                "quota": 1_073_741_824,
                "available": 1_069_591_696,
                "problem": "the microkernel store fails: the file system is read-only",
            },
        ],
        "fileSystems": [{
            "stores": ["iso", "microkernel"],
            "total": 500_107_862_016_u64,
            "used": 79_241_568_256_u64,
            "free": 420_866_293_760_u64,
            "reserved": 67_108_864,
            "promised": 2_039_871_488,
            "available": 418_759_313_408_u64,
        }],
    })
}

pub(in crate::northbound) fn transfers() -> Value {
    json!({
        "running": [{
            "client": "192.0.2.17:53122",
            "path": "/ubuntu/24.04/casper/initrd",
            "size": 73_218_560,
            "sent": 41_943_040,
            "rate": 104_857_600,
            "started": "2026-11-20T23:13:48.301Z",
        }],
        "waiting": 0,
        "recent": [{
            "client": "192.0.2.17:53120",
            "path": "/ubuntu/24.04/casper/vmlinuz",
            "size": 14_928_264,
            "sent": 14_928_264,
            "rate": 101_920_000,
            "started": "2026-11-20T23:13:48.100Z",
            "ended": "2026-11-20T23:13:48.246Z",
            "outcome": "done",
        }],
    })
}

pub(in crate::northbound) fn metrics() -> Value {
    "# HELP image_service_transfers_running Transfers under way.\n\
     # TYPE image_service_transfers_running gauge\n\
     image_service_transfers_running 1\n"
        .into()
}

pub(in crate::northbound) fn events() -> Value {
    "retry: 2000\n\n\
     event: hello\ndata: {\"id\":\"5d41402a-17\"}\nid: 5d41402a-17\n\n\
     event: image-removed\ndata: {\"id\":\"24cb770a-bd24-4f16-8d1c-98388c5fb0d7\"}\nid: 5d41402a-18\n\n"
        .into()
}

pub(in crate::northbound) fn index() -> Value {
    json!({
        "service": "image-service",
        "version": env!("CARGO_PKG_VERSION"),
        "images": "/images",
        "jobs": "/jobs",
        "isos": "/iso",
        "microkernels": "/microkernel",
        "uploads": "/uploads",
        "storage": "/storage",
        "events": "/events",
        "transfers": "/transfers",
        "metrics": "/metrics",
        "gui": "/gui/",
        "docs": "/docs",
        "openapi": "/openapi.json",
        "southbound": "/",
        "southboundUrl": "http://192.0.2.1:9090/",
    })
}
