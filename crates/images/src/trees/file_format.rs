//! What a file is that is no image, told by its first bytes: so that an error says what a client has sent.

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileFormat {
    /// A word for programs, such as `gzip`.
    pub(super) word: &'static str,
    /// What it is, with its article.
    text: &'static str,
    /// What a client can do about it; empty if nothing is known.
    advice: &'static str,
}

/// One way by which a format begins: at an offset, with these bytes.
type Magic = (usize, &'static [u8], FileFormat);

const UNPACK: &str = "unpack it first";
const CONVERT: &str = "disks are not served, an installation medium is";
const MICROKERNEL: &str = "it belongs to the microkernels (PUT /microkernel)";

const fn format(word: &'static str, text: &'static str, advice: &'static str) -> FileFormat {
    FileFormat { word, text, advice }
}

/// The first that fits counts, so those of few bytes stand last.
const MAGICS: [Magic; 50] = [
    (0, b"BZh", format("bzip2", "a bzip2 file", UNPACK)),
    (0, b"\x1f\x8b", format("gzip", "a gzip file", UNPACK)),
    (0, b"\xfd7zXZ\0", format("xz", "an xz file", UNPACK)),
    (0, b"\x5d\0\0", format("lzma", "an LZMA file", UNPACK)),
    (0, b"LZIP", format("lzip", "an lzip file", UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", format("zstd", "a Zstandard (zstd) file", UNPACK)),
    (0, b"\x04\x22\x4d\x18", format("lz4", "an lz4 file", UNPACK)),
    (0, b"\x02\x21\x4c\x18", format("lz4", "an lz4 file", UNPACK)),
    (0, b"\x89LZO\0", format("lzop", "an lzop file", UNPACK)),
    (0, b"\x1f\x9d", format("compress", "a file of compress (.Z)", UNPACK)),
    (0, b"PK\x03\x04", format("zip", "a zip file", UNPACK)),
    (0, b"PK\x05\x06", format("zip", "an empty zip file", "")),
    (0, b"7z\xbc\xaf\x27\x1c", format("7z", "a 7z file", UNPACK)),
    (0, b"Rar!\x1a\x07", format("rar", "a RAR file", UNPACK)),
    (0, b"MSCF", format("cab", "a cabinet (CAB) file", UNPACK)),
    (0, b"CISO", format("ciso", "a compressed ISO (CSO)", UNPACK)),
    (0, b"ISz!", format("isz", "a compressed ISO (ISZ)", UNPACK)),
    (0, b"DAA\0", format("daa", "a compressed ISO (DAA)", UNPACK)),
    (0, b"QFI\xfb", format("qcow2", "a qcow2 disk", CONVERT)),
    (0, b"QED\0", format("qed", "a QED disk", CONVERT)),
    (0, b"KDMV", format("vmdk", "a VMDK disk", CONVERT)),
    (0, b"COWD", format("vmdk", "a VMDK disk", CONVERT)),
    (0, b"# Disk DescriptorFile", format("vmdk", "the description of a VMDK disk", CONVERT)),
    (0, b"vhdxfile", format("vhdx", "a VHDX disk", CONVERT)),
    (0, b"conectix", format("vhd", "a VHD disk", CONVERT)),
    (0x40, b"\x7f\x10\xda\xbe", format("vdi", "a VDI disk", CONVERT)),
    (0, b"WithoutFreeSpace", format("parallels", "a Parallels disk", CONVERT)),
    (0, b"MSWIM\0\0\0", format("wim", "a Windows image (WIM)", "the ISO that it comes from is served")),
    (
        0,
        b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0",
        format("raw-cd", "a raw CD image with sectors of 2352 bytes", "convert it to an ISO first"),
    ),
    (
        0,
        b"MEDIA DESCRIPTOR",
        format("mds", "the description of a CD image (MDS)", "convert the image to an ISO first"),
    ),
    (0x202, b"HdrS", format("linux", "a Linux kernel", MICROKERNEL)),
    (0, b"070701", format("cpio", "a cpio archive", MICROKERNEL)),
    (0, b"070702", format("cpio", "a cpio archive", MICROKERNEL)),
    (0, b"070707", format("cpio", "a cpio archive", MICROKERNEL)),
    (0, b"\x7fELF", format("elf", "a program (ELF)", "")),
    (0, b"!<arch>\n", format("ar", "a package (deb) or archive (ar)", "")),
    (0, b"\xed\xab\xee\xdb", format("rpm", "an RPM package", "")),
    (0, b"sqsh", format("squashfs-be", "a squashfs of the old big-endian form", "")),
    (0, b"XFSB", format("xfs", "an XFS file system", CONVERT)),
    (0x400, b"\x10\x20\xf5\xf2", format("f2fs", "an F2FS file system", CONVERT)),
    (1024, b"\xe2\xe1\xf5\xe0", format("erofs", "an EROFS file system", "")),
    (0, b"\x45\x3d\xcd\x28", format("cramfs", "a cramfs file system", "")),
    (3, b"NTFS    ", format("ntfs", "an NTFS file system", CONVERT)),
    (512, b"EFI PART", format("disk", "a raw disk image with partitions (GPT)", CONVERT)),
    (0, b"%PDF-", format("pdf", "a PDF document", "")),
    (0, b"-----BEGIN PGP", format("pgp", "a PGP signature or message", "")),
    (0, b"d8:announce", format("torrent", "a torrent file", "download what it describes first")),
    (0, b"d13:announce-list", format("torrent", "a torrent file", "download what it describes first")),
    (0x438, b"\x53\xef", format("ext", "an ext2, ext3 or ext4 file system", CONVERT)),
    (0, b"MZ", format("efi", "a program for EFI or Windows", "")),
];

impl FileFormat {
    /// The format of a file that is no image and begins like this; `None` if it is unknown.
    pub(super) fn of(beginning: &[u8]) -> Option<Self> {
        if beginning.is_empty() {
            return Some(format("empty", "an empty file", ""));
        }
        let fits = |(offset, magic, _): &&Magic| {
            beginning.get(*offset..).is_some_and(|found| found.starts_with(magic))
        };
        let known = MAGICS.iter().find(fits).map(|(.., format)| *format);
        known
            .or_else(|| form(beginning))
            .or_else(|| text(beginning))
            .or_else(|| disk(beginning))
            .or_else(|| zeros(beginning))
    }
}

/// Why a file that begins like this is no image, by its first [`SIGNATURE_BYTES`](super::SIGNATURE_BYTES) or
/// all that it has.
pub fn not_an_image(beginning: &[u8]) -> String {
    const NONE: &str = "not an ISO image, a squashfs or a tar";
    match FileFormat::of(beginning) {
        Some(FileFormat { text, advice: "", .. }) => format!("{NONE}, but {text}"),
        Some(FileFormat { text, advice, .. }) => format!("{NONE}, but {text}; {advice}"),
        None => format!("{NONE}: it begins like none of them"),
    }
}

/// The envelope around a file, which itself may hold any bytes (RFC 7578 §4).
fn form(beginning: &[u8]) -> Option<FileFormat> {
    const HEAD: usize = 512;
    let head = String::from_utf8_lossy(beginning.get(..HEAD).unwrap_or(beginning)).to_ascii_lowercase();
    (head.starts_with("--") && head.contains("content-disposition: form-data")).then_some(format(
        "form",
        "a form (multipart/form-data) around a file",
        "send the file alone, with curl -T",
    ))
}

/// Pages and other text. A page may have white space, a byte order mark or a comment before it.
fn text(beginning: &[u8]) -> Option<FileFormat> {
    const SHOWN: usize = 1024;
    let shown = beginning.get(..SHOWN).unwrap_or(beginning);
    let shown = match std::str::from_utf8(shown) {
        Ok(text) => text,
        // A character may be cut at the end.
        Err(error) if error.valid_up_to() + 4 > SHOWN => {
            std::str::from_utf8(shown.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_text =
        |character: char| !character.is_control() || matches!(character, '\n' | '\r' | '\t' | '\x0c');
    if !shown.chars().all(is_text) {
        return None;
    }
    let lower = shown.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    Some(if lower.starts_with("<!doctype html") || (lower.starts_with('<') && lower.contains("<html")) {
        format("html", "a web page", "the link leads to a page, or to one that asks for a login")
    } else if lower.starts_with("<?xml") || lower.starts_with("<!doctype") {
        format("xml", "an XML document", "")
    } else if lower.starts_with('<') {
        format("html", "a web page", "")
    } else if lower.starts_with('{') || lower.starts_with('[') {
        format("json", "a JSON document", "")
    } else {
        format("text", "a text file", "")
    })
}

/// A boot sector: the mark, and partitions or a FAT file system.
fn disk(beginning: &[u8]) -> Option<FileFormat> {
    if beginning.get(510..512) != Some(b"\x55\xaa") {
        return None;
    }
    let is_fat = |offset: usize| beginning.get(offset..).is_some_and(|found| found.starts_with(b"FAT"));
    if is_fat(0x36) || is_fat(0x52) || beginning.get(3..).is_some_and(|found| found.starts_with(b"EXFAT")) {
        return Some(format("fat", "a FAT file system (a floppy or a disk)", CONVERT));
    }
    Some(format("disk", "a raw disk image with partitions (MBR)", CONVERT))
}

/// Space that was allocated and not written yet, as unfinished copies have it.
fn zeros(beginning: &[u8]) -> Option<FileFormat> {
    let is_zero = beginning.iter().all(|byte| *byte == 0);
    is_zero.then_some(format("zeros", "a file that begins with zeros alone", "it may be an unfinished copy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(offset: usize, magic: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 40_000];
        file[offset..offset + magic.len()].copy_from_slice(magic);
        file
    }

    #[test]
    fn files_are_told_apart() {
        let mut mbr = with(446, b"\x80\x01\x01\0\x83");
        mbr[510..512].copy_from_slice(b"\x55\xaa");
        let mut fat = with(0x36, b"FAT16   ");
        fat[510..512].copy_from_slice(b"\x55\xaa");
        for (beginning, word, text) in [
            (Vec::new(), "empty", "but an empty file"),
            (with(0, b"\x1f\x8b\x08"), "gzip", "but a gzip file; unpack it first"),
            (with(0, b"\xfd7zXZ\0"), "xz", "but an xz file; unpack"),
            (with(0, b"PK\x03\x04"), "zip", "but a zip file; unpack"),
            (with(0, b"QFI\xfb\0\0\0\x03"), "qcow2", "but a qcow2 disk"),
            (with(512, b"EFI PART"), "disk", "a raw disk image with partitions (GPT)"),
            (mbr, "disk", "a raw disk image with partitions (MBR)"),
            (fat, "fat", "a FAT file system"),
            (with(0x438, b"\x53\xef"), "ext", "ext4 file system"),
            (vec![0; 40_000], "zeros", "begins with zeros alone"),
            (b"<!DOCTYPE html><html>".to_vec(), "html", "but a web page"),
            (b"\xef\xbb\xbf\n <!-- x --><HTML>".to_vec(), "html", "but a web page"),
            (b"<?xml version=\"1.0\"?><metalink/>".to_vec(), "xml", "but an XML document"),
            (b"{\"error\": \"no\"}".to_vec(), "json", "but a JSON document"),
            ("é".repeat(2000).into_bytes(), "text", "but a text file"),
            (b"a  x.iso\r\n".to_vec(), "text", "but a text file"),
            (
                b"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\0\0\xff".to_vec(),
                "form",
                "but a form (multipart/form-data)",
            ),
            (with(40, b"\x80\xff"), "unknown", "begins like none"),
        ] {
            let found = FileFormat::of(&beginning).map_or("unknown", |format| format.word);
            assert_eq!(found, word);
            assert!(not_an_image(&beginning).contains(text), "{word}: {}", not_an_image(&beginning));
        }
    }

    #[test]
    fn callers_read_enough_for_each_magic() {
        for (offset, magic, format) in MAGICS {
            assert!(offset + magic.len() <= crate::trees::SIGNATURE_BYTES, "{}", format.word);
        }
    }
}
