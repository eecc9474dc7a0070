//! A member of a tar, with all its fields.

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A file, stored as it is.
    File,
    /// A file with holes that are not stored: what is stored is a map and the bytes between the holes.
    Sparse,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Another name of an earlier member. One that brings bytes of its own is a [`Kind::File`].
    HardLink,
    /// A device or a pipe.
    Special,
    /// The label of the tar (GNU): its path is the text.
    Label,
    /// The end of a file that begins in another tar (GNU).
    Continued,
    /// A damaged header, and what follows up to the next sound one: a member is lost.
    Lost,
    /// Bytes that no header describes. The size of the member before may be wrong.
    Stray,
}

/// A member of a tar, by its header and the extended headers before it. Nothing but the place of its bytes is
/// checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// What it is.
    pub kind: Kind,
    /// The path as it is recorded: any bytes, perhaps absolute, or with `..`.
    pub path: Vec<u8>,
    /// The target of a link: a path from the link's directory. That of a hard link is the path of a member.
    pub target: Vec<u8>,
    /// Where the stored bytes begin in the tar.
    pub offset: u64,
    /// The stored bytes, which all lie in the tar. Those of a directory, a link or a device mean nothing.
    pub stored: u64,
    /// Bytes of the file: those that are stored, or with the holes of a sparse file.
    pub size: u64,
    /// Permissions, set-user-ID, set-group-ID and sticky bit: 12 bits. 0 if the field is malformed.
    pub mode: u32,
    /// Seconds since 1970. 0 if the time is malformed or before 1970.
    pub modified: u64,
    /// What is odd about its headers, for people.
    pub oddity: Option<&'static str>,
}

impl Member {
    /// So many bytes from `offset` on that are no member, but where one should be.
    pub(crate) fn damage(kind: Kind, offset: u64, stored: u64) -> Self {
        Self { kind, stored, size: stored, ..Self::label(Vec::new(), offset) }
    }

    /// The label that records of all members tell (GNU), which lie at `offset`.
    pub(crate) fn label(label: Vec<u8>, offset: u64) -> Self {
        let (stored, size, mode, modified) = (0, 0, 0, 0);
        let (kind, target, oddity) = (Kind::Label, Vec::new(), None);
        Self { kind, path: label, target, offset, stored, size, mode, modified, oddity }
    }
}
