//! The kernel's mount table, in which a program finds the mounts of an earlier run. proc(5) describes
//! `mountinfo`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::mount::Mount;

const TABLE: &str = "/proc/self/mountinfo";

/// The major device number of loop devices (Documentation/admin-guide/devices.txt).
const LOOP_MAJOR: &[u8] = b"7";

/// A mount found in the kernel's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    target: PathBuf,
    file_system: String,
    device: Option<PathBuf>,
    backing: Option<PathBuf>,
}

/// The mounts at or below `folder`, the youngest first. In this order each of them can be unmounted.
///
/// # Errors
///
/// [`Error::Io`] when `folder` does not exist or the table cannot be read.
pub fn mounted_below(folder: &Path) -> Result<Vec<Existing>, Error> {
    let folder = folder.canonicalize().map_err(|error| Error::of_file("open", folder, error))?;
    let table = fs::read(TABLE).map_err(|error| Error::of_file("read", Path::new(TABLE), error))?;
    let mut found: Vec<Existing> = parse(&table)
        .filter(|line| line.target.starts_with(&folder))
        .map(|line| Existing {
            backing: line.loop_minor.as_deref().and_then(backing_file),
            device: line.loop_minor.is_some().then_some(line.source),
            target: line.target,
            file_system: line.file_system,
        })
        .collect();
    found.reverse();
    Ok(found)
}

impl Existing {
    /// The mount point.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The type of the file system in the kernel, such as `squashfs`.
    pub fn file_system(&self) -> &str {
        &self.file_system
    }

    /// The loop device; `None` when it is no loop mount.
    pub fn device(&self) -> Option<&Path> {
        self.device.as_deref()
    }

    /// The path of the file attached to the loop device; `None` when it is no loop mount. When that file is
    /// deleted or replaced, the kernel appends ` (deleted)`, so the path does not equal that of the new file.
    pub fn backing(&self) -> Option<&Path> {
        self.backing.as_deref()
    }

    /// Takes the mount over.
    pub fn adopt(self) -> Mount {
        Mount::existing(self.target)
    }

    /// Unmounts it; see [`Mount::unmount`].
    ///
    /// # Errors
    ///
    /// Those of [`Mount::unmount`].
    pub fn unmount(self) -> Result<(), Error> {
        self.adopt().unmount()
    }
}

/// The file of a loop device; `None` when the device is detached.
fn backing_file(minor: &str) -> Option<PathBuf> {
    let mut path = fs::read(format!("/sys/dev/block/7:{minor}/loop/backing_file")).ok()?;
    // sysfs ends the value with one line feed. The name may contain others.
    path.pop_if(|last| *last == b'\n');
    Some(PathBuf::from(OsString::from_vec(path)))
}

/// The columns of a line that are used here.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    target: PathBuf,
    file_system: String,
    source: PathBuf,
    loop_minor: Option<String>,
}

/// Reads the table. Lines of another format are skipped.
fn parse(table: &[u8]) -> impl Iterator<Item = Line> {
    table.split(|byte| *byte == b'\n').filter_map(parse_line)
}

fn parse_line(line: &[u8]) -> Option<Line> {
    // mount id, parent id, major:minor, root, mount point, options, any number of tags, "-", type, source,
    // options
    let mut fields = line.split(|byte| *byte == b' ');
    let mut device = fields.nth(2)?.split(|byte| *byte == b':');
    let target = fields.nth(1)?;
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let loop_minor = (device.next()? == LOOP_MAJOR).then(|| device.next()).flatten();
    Some(Line {
        target: path(target),
        file_system: String::from_utf8_lossy(fields.next()?).into_owned(),
        source: path(fields.next()?),
        loop_minor: loop_minor.map(|minor| String::from_utf8_lossy(minor).into_owned()),
    })
}

/// Undoes the kernel's escapes. It writes space, tab, line feed, backslash and `#` as a backslash and three
/// octal digits.
fn path(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        if let [b'\\', high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', tail @ ..] = rest {
            bytes.push((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'));
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn lines_are_read_with_their_escapes_and_optional_tags() {
        let table = b"\
            21 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n\
            60 21 7:3 / /data/a\\040b\\134c\\012d\\043 ro,nosuid shared:7 master:2 - squashfs /dev/loop3 ro,errors=continue\n\
            61 21 0:44 / /data/proc rw - proc none\\011x rw\n";
        let lines: Vec<Line> = parse(table).collect();
        let line = |target: &str, file_system: &str, source: &str, loop_minor: Option<&str>| Line {
            target: target.into(),
            file_system: file_system.into(),
            source: source.into(),
            loop_minor: loop_minor.map(Into::into),
        };
        assert_eq!(
            lines,
            [
                line("/", "ext4", "/dev/vda1", None),
                line("/data/a b\\c\nd#", "squashfs", "/dev/loop3", Some("3")),
                line("/data/proc", "proc", "none\tx", None),
            ]
        );
    }

    #[test]
    fn malformed_lines_are_left_out() {
        for line in [
            "",
            "1",
            "1 2 7:0 / /x",
            "1 2 7:0 / /x ro shared:1",
            "1 2 7:0 / /x ro - ext4",
            "1 2 7:0 / /x ro -",
        ] {
            assert_eq!(parse(line.as_bytes()).count(), 0, "{line:?}");
        }
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        for (field, expected) in
            [(r"\04", r"\04"), (r"\999", r"\999"), (r"\400", r"\400"), (r"\", r"\"), (r"a\134040", r"a\040")]
        {
            assert_eq!(path(field.as_bytes()), Path::new(expected), "{field}");
        }
    }

    #[test]
    fn folders_are_compared_by_whole_components() {
        let here = mounted_below(Path::new("/proc")).unwrap();
        assert!(
            here.iter()
                .any(|existing| existing.target() == Path::new("/proc") && existing.file_system() == "proc")
        );
        let absent = mounted_below(Path::new("/no/such/folder")).unwrap_err();
        assert!(matches!(absent, Error::Io { .. }), "{absent}");
    }
}
