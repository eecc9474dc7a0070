//! The content of a southbound path: ranges of an open file. A plain file, a whole ISO and a file inside an
//! ISO differ only in their number of ranges and in their offsets. Compressed bytes are computed from the
//! file instead.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use file_transport::{OpenFile, Piece, ReadAt};

use crate::digest::Sha256;
use crate::identity::Identity;

/// A run of bytes of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where the bytes begin in the open file; `None` stands for a hole, which reads as zeros.
    pub offset: Option<u64>,
    /// How many bytes.
    pub length: u64,
}

/// The bytes of a path, ready to be sent, with their metadata for HTTP.
#[derive(Debug, Clone)]
pub struct Content {
    /// The open file that holds the bytes, or those that they are computed from.
    pub file: Arc<OpenFile>,
    /// The identity of `file` when it was opened.
    pub identity: Identity,
    /// Whether `file` is on disk, where it may be changed or removed. What the program made is in memory
    /// alone.
    pub is_on_disk: bool,
    bytes: ByteSource,
    /// Sum of all lengths.
    pub size: u64,
    /// Last modification.
    pub modified: SystemTime,
    /// Strong validator without quotes (RFC 9110 §8.8.3); the same after a restart.
    pub tag: String,
    /// The digest of the whole content, where it is known.
    pub sha256: Option<Sha256>,
}

/// Where the bytes come from.
#[derive(Debug, Clone)]
enum ByteSource {
    /// Ranges of the file, in this order.
    Extents(Vec<Extent>),
    /// A reader that computes them.
    Computed {
        source: Arc<dyn ReadAt>,
        /// Bytes of memory that the reader takes.
        memory: u64,
    },
}

impl Content {
    /// A whole plain file.
    pub fn whole(file: Arc<OpenFile>, identity: &Identity) -> Self {
        Self {
            bytes: ByteSource::Extents(vec![Extent { offset: Some(0), length: identity.size }]),
            size: identity.size,
            modified: identity.modified(),
            tag: version_tag(identity),
            sha256: None,
            identity: *identity,
            is_on_disk: true,
            file,
        }
    }

    /// A file inside `identity`'s file. Its offset and its size distinguish it from its neighbours.
    pub fn inside(
        file: Arc<OpenFile>,
        identity: &Identity,
        extents: Vec<Extent>,
        modified: SystemTime,
    ) -> Self {
        let size = extents.iter().map(|extent| extent.length).sum();
        let first = extents.iter().find_map(|extent| extent.offset).unwrap_or(0);
        let tag = format!("{}-{first:x}-{size:x}", version_tag(identity));
        Self {
            tag,
            bytes: ByteSource::Extents(extents),
            size,
            modified,
            sha256: None,
            file,
            identity: *identity,
            is_on_disk: true,
        }
    }

    /// A file of `size` bytes that `source` computes from `identity`'s file. Its `address`, as the file's
    /// format counts, and its size distinguish it from its neighbours. `source` takes `memory` bytes of
    /// memory.
    pub fn computed(
        file: Arc<OpenFile>,
        identity: &Identity,
        (address, size): (u64, u64),
        modified: SystemTime,
        (source, memory): (Arc<dyn ReadAt>, u64),
    ) -> Self {
        let tag = format!("{}-{address:x}-{size:x}", version_tag(identity));
        Self {
            tag,
            bytes: ByteSource::Computed { source, memory },
            size,
            modified,
            sha256: None,
            file,
            identity: *identity,
            is_on_disk: true,
        }
    }

    /// Bytes of memory that the list of extents or the reader takes.
    pub fn memory(&self) -> u64 {
        match &self.bytes {
            ByteSource::Extents(extents) => (extents.capacity() * size_of::<Extent>()) as u64,
            ByteSource::Computed { memory, .. } => *memory,
        }
    }

    /// Whether both are the same bytes of the same version of a file.
    pub fn is_same(&self, other: &Self) -> bool {
        let are_same_bytes = match (&self.bytes, &other.bytes) {
            (ByteSource::Extents(one), ByteSource::Extents(other)) => one == other,
            // The tag contains the address.
            (ByteSource::Computed { .. }, ByteSource::Computed { .. }) => self.tag == other.tag,
            _ => false,
        };
        are_same_bytes && self.identity == other.identity
    }

    /// The pieces to send for `length` bytes from `start`, which must lie inside the content.
    pub fn pieces(&self, start: u64, length: u64) -> Vec<Piece> {
        let piece = |extent: Extent| match extent.offset {
            Some(offset) => Piece::File { file: Arc::clone(&self.file), offset, length: extent.length },
            None => Piece::Zeros(extent.length),
        };
        match &self.bytes {
            ByteSource::Extents(extents) => slice(extents, start, length).map(piece).collect(),
            ByteSource::Computed { source, .. } => {
                vec![Piece::Computed { source: Arc::clone(source), offset: start, length }]
            }
        }
    }

    /// Reads the whole content into `buffer`, which has its size. May block on the disk.
    ///
    /// # Errors
    ///
    /// The buffer is too small, or the file cannot be read.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<()> {
        let extents = match &self.bytes {
            ByteSource::Extents(extents) => extents,
            ByteSource::Computed { source, .. } => return source.read_exact_at(buffer, 0),
        };
        let mut rest = buffer;
        for extent in extents {
            let length = usize::try_from(extent.length).map_err(io::Error::other)?;
            let (part, left) = rest.split_at_mut_checked(length).ok_or(io::ErrorKind::InvalidInput)?;
            match extent.offset {
                Some(offset) => FileExt::read_exact_at(&**self.file, part, offset)?,
                None => part.fill(0),
            }
            rest = left;
        }
        Ok(())
    }
}

/// The ranges of `extents` that hold `length` bytes from `start`; bytes past the end are left out.
fn slice(extents: &[Extent], start: u64, length: u64) -> impl Iterator<Item = Extent> {
    let (mut skip, mut left) = (start, length);
    extents.iter().filter_map(move |extent| {
        let skipped = skip.min(extent.length);
        skip -= skipped;
        let length = (extent.length - skipped).min(left);
        left -= length;
        (length > 0).then(|| Extent { offset: extent.offset.map(|offset| offset + skipped), length })
    })
}

/// The tag of a version of a file. Device numbers change between boots, so they are not in it.
fn version_tag(identity: &Identity) -> String {
    format!("{:x}-{:x}-{:x}.{:x}", identity.inode, identity.size, identity.seconds, identity.nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(lengths: &[(Option<u64>, u64)]) -> Content {
        let identity = Identity { device: 1, inode: 2, size: 3, seconds: 4, nanoseconds: 5 };
        let extents = lengths.iter().map(|&(offset, length)| Extent { offset, length }).collect();
        let file = std::fs::File::open("/dev/null").expect("a null device");
        Content::inside(Arc::new(file.into()), &identity, extents, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn slices_follow_the_extents() {
        let all = [(Some(100), 10), (None, 5), (Some(7), 10)];
        assert_eq!(content(&all).size, 25);
        let all = all.map(|(offset, length)| Extent { offset, length });
        let extents = |start, length| -> Vec<_> {
            slice(&all, start, length).map(|extent| (extent.offset, extent.length)).collect()
        };
        assert_eq!(extents(0, 25), [(Some(100), 10), (None, 5), (Some(7), 10)]);
        assert_eq!(extents(9, 2), [(Some(109), 1), (None, 1)]);
        assert_eq!(extents(15, 99), [(Some(7), 10)]);
        assert_eq!(extents(24, 1), [(Some(16), 1)]);
        assert_eq!(extents(25, 1), []);
        assert_eq!(extents(0, 0), []);
    }

    #[test]
    fn neighbours_in_one_image_have_different_tags() {
        assert_ne!(content(&[(Some(0), 5)]).tag, content(&[(Some(2048), 5)]).tag);
        assert_ne!(content(&[(Some(0), 5)]).tag, content(&[(Some(0), 6)]).tag);
    }

    #[test]
    fn computed_bytes_are_sent_from_the_requested_offset() {
        let identity = Identity { device: 1, inode: 2, size: 3, seconds: 4, nanoseconds: 5 };
        let file: Arc<OpenFile> = Arc::new(std::fs::File::open("/dev/null").expect("a null device").into());
        let computed = |identity: &Identity, address| {
            let source: Arc<dyn ReadAt> = file.clone();
            Content::computed(Arc::clone(&file), identity, (address, 6), SystemTime::UNIX_EPOCH, (source, 6))
        };
        let content = computed(&identity, 7);
        let pieces = content.pieces(2, 3);
        assert!(matches!(&pieces[..], [Piece::Computed { offset: 2, length: 3, .. }]), "{pieces:?}");
        assert!(content.is_same(&computed(&identity, 7)));
        assert!(!content.is_same(&computed(&identity, 8)), "another file of the image");
        assert!(!content.is_same(&computed(&Identity { device: 9, ..identity }, 7)), "another disk");
    }
}
