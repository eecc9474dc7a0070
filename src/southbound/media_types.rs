//! Media types by file name extension. Firmware compares some of them byte for byte. Contents are never read
//! for them.

/// For names without a known extension.
const ANYTHING: &str = "application/octet-stream";

/// The beginning of the `User-Agent` of UEFI HTTP boot.
pub(super) const UEFI: &[u8] = b"UefiHttpBoot";

/// Whether a `User-Agent` is that of UEFI firmware.
pub(super) fn is_uefi(user_agent: &[u8]) -> bool {
    user_agent.starts_with(UEFI)
}

/// A media type, and whether it depends on the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MediaType {
    pub(super) name: &'static str,
    /// Depends on `User-Agent`, so the response needs `Vary` for caches.
    pub(super) varies: bool,
}

/// The media type of a file. UEFI HTTP boot (EDK2 `HttpBootSupport.c`) needs types of its own for disk
/// images.
pub(super) fn of(name: &[u8], user_agent: Option<&[u8]>) -> MediaType {
    let extension = name.rsplit(|byte| *byte == b'.').next().filter(|extension| extension.len() < name.len());
    let extension = extension.map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
    let is_uefi = user_agent.is_some_and(is_uefi);
    let fixed = |name| MediaType { name, varies: false };
    match extension.as_slice() {
        b"efi" => fixed("application/efi"),
        b"iso" => MediaType {
            name: if is_uefi { "application/vnd.efi-iso" } else { "application/x-iso9660-image" },
            varies: true,
        },
        b"img" => {
            MediaType { name: if is_uefi { "application/vnd.efi-img" } else { ANYTHING }, varies: true }
        }
        b"ipxe" | b"cfg" | b"ks" | b"treeinfo" => fixed("text/plain"),
        // An `index.html` replaces a listing, so a browser must show it.
        b"html" | b"htm" => fixed("text/html"),
        _ => fixed(ANYTHING),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_the_name_and_for_disk_images_the_client() {
        let uefi = Some(&b"UefiHttpBoot/1.0"[..]);
        for (name, agent, expected, varies) in [
            ("BOOTX64.EFI", uefi, "application/efi", false),
            ("a.iso", None, "application/x-iso9660-image", true),
            ("a.ISO", uefi, "application/vnd.efi-iso", true),
            ("a.img", None, "application/octet-stream", true),
            ("a.img", uefi, "application/vnd.efi-img", true),
            (".treeinfo", None, "text/plain", false),
            ("BOOT.CFG", None, "text/plain", false),
            ("iso", None, "application/octet-stream", false),
            ("efi", uefi, "application/octet-stream", false),
            ("", None, "application/octet-stream", false),
            ("vmlinuz", None, "application/octet-stream", false),
        ] {
            let media_type = of(name.as_bytes(), agent);
            assert_eq!((media_type.name, media_type.varies), (expected, varies), "{name}");
        }
    }
}
