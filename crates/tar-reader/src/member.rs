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
    /// Another name of an earlier member.
    HardLink,
    /// A device or a pipe.
    Special,
    /// The label of the tar (GNU): its path is the text.
    Label,
    /// A member that has no place in a tree, such as a part of a file from another volume.
    Other,
}

/// A member of a tar. Nothing but the place of its bytes is checked.
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
    /// The stored bytes, which all lie in the tar. None belong to a hard link.
    pub stored: u64,
    /// Bytes of the file: those that are stored, or with the holes of a sparse file.
    pub size: u64,
    /// Permissions, set-user-ID, set-group-ID and sticky bit: 12 bits. 0 if the field is malformed.
    pub mode: u32,
    /// Seconds since 1970. 0 if the time is malformed or before 1970.
    pub modified: u64,
}
