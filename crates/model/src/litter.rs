//! Files that other programs leave in folders. A listing that showed them would offer them as ISOs.

/// Names that file managers and systems give, in lower case: macOS, Windows, KDE, Synology.
const NAMES: [&str; 10] = [
    ".ds_store",
    ".localized",
    ".apdisk",
    ".directory",
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "icon\r",
    "@eadir",
];

/// Beginnings of such names: AppleDouble, the trash, files that NFS, FUSE and CIFS keep for open descriptors,
/// locks and unsaved documents of office programs.
const BEGINNINGS: [&str; 8] =
    ["._", ".trash", ".nfs", ".fuse_hidden", ".smbdelete", ".cifs", ".~lock.", "~$"];

/// Endings of such names: unfinished downloads of browsers, aria2 and qBittorrent; copies and swap files of
/// editors.
const ENDINGS: [&str; 8] = [".part", ".partial", ".crdownload", ".download", ".aria2", ".!qb", "~", ".swp"];

/// Endings of what mirrors keep beside ISOs: digests, signatures, other ways to fetch them, and texts.
const BESIDE_ISOS: [&str; 25] = [
    ".md5",
    ".sha1",
    ".sha224",
    ".sha256",
    ".sha384",
    ".sha512",
    ".md5sum",
    ".sha1sum",
    ".sha256sum",
    ".sha512sum",
    ".b2",
    ".b2sum",
    ".asc",
    ".sig",
    ".sign",
    ".gpg",
    ".minisig",
    ".torrent",
    ".zsync",
    ".jigdo",
    ".metalink",
    ".meta4",
    ".txt",
    ".html",
    ".md",
];

/// Endings of the names of checksum files, such as `SHA256SUMS` and `Fedora-40-x86_64-CHECKSUM`.
const CHECKSUM_FILES: [&str; 8] =
    ["md5sums", "sha1sums", "sha224sums", "sha256sums", "sha384sums", "sha512sums", "b2sums", "checksum"];

/// Whether a file of this name is what a file manager, an editor or an unfinished download leaves behind.
#[must_use]
pub fn is_litter(name: &str) -> bool {
    let name = name.to_lowercase();
    NAMES.contains(&name.as_str())
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a file of this name accompanies ISOs and is none.
#[must_use]
pub fn accompanies_isos(name: &str) -> bool {
    let name = name.to_lowercase();
    BESIDE_ISOS.iter().any(|ending| name.len() > ending.len() && name.ends_with(ending))
        || CHECKSUM_FILES.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn litter_is_told_from_files_by_its_name() {
        for name in [
            ".DS_Store",
            "._debian.iso",
            "Thumbs.db",
            "desktop.ini",
            ".nfs000000001a2b",
            ".~lock.a.iso#",
            "a.iso~",
            "debian.iso.part",
            "debian.iso.crdownload",
            "debian.iso.aria2",
            ".debian.iso.swp",
        ] {
            assert!(is_litter(name), "{name}");
        }
        for name in ["debian.iso", ".hidden", "part", "vmlinuz", "base.trusty.squashfs.img", "a.swp.iso"] {
            assert!(!is_litter(name), "{name}");
        }
    }

    #[test]
    fn what_lies_beside_isos_is_told_by_its_name() {
        for name in ["SHA256SUMS", "SHA256SUMS.gpg", "debian.iso.sha256", "Fedora-40-CHECKSUM", "a.torrent"] {
            assert!(accompanies_isos(name), "{name}");
        }
        for name in ["debian.iso", "debian", "photon.squashfs", ".txt", "checksum.iso"] {
            assert!(!accompanies_isos(name), "{name}");
        }
    }
}
