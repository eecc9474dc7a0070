//! What a southbound path resolves to: ranges of an open file. A plain file, a whole ISO and a file inside an ISO
//! differ only in how many ranges there are and where they begin.

use std::sync::Arc;
use std::time::SystemTime;

use file_transport::OpenFile;

use crate::model::identity::Identity;

/// A run of bytes of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where the bytes begin in the open file; `None` stands for a hole, which reads as zeros.
    pub offset: Option<u64>,
    /// How many bytes.
    pub length: u64,
}

/// The bytes behind a path, ready to be sent, with what HTTP needs to know about them.
#[derive(Debug, Clone)]
pub struct Content {
    /// The open file that holds the bytes.
    pub file: Arc<OpenFile>,
    /// What `file` was when it was opened.
    pub identity: Identity,
    /// The ranges of `file`, in order.
    pub extents: Vec<Extent>,
    /// Sum of all lengths.
    pub size: u64,
    /// Last modification.
    pub modified: SystemTime,
    /// Strong validator without quotes (RFC 9110 §8.8.3); the same after a restart.
    pub tag: String,
}

impl Content {
    /// A whole plain file.
    pub fn whole(file: Arc<OpenFile>, identity: &Identity) -> Self {
        Self {
            extents: vec![Extent { offset: Some(0), length: identity.size }],
            size: identity.size,
            modified: identity.modified(),
            tag: version_tag(identity),
            identity: *identity,
            file,
        }
    }

    /// A file inside `identity`'s file. An inner file is told from its neighbours by its place and its size.
    pub fn inside(
        file: Arc<OpenFile>,
        identity: &Identity,
        extents: Vec<Extent>,
        modified: SystemTime,
    ) -> Self {
        let size = extents.iter().map(|extent| extent.length).sum();
        let first = extents.iter().find_map(|extent| extent.offset).unwrap_or(0);
        let tag = format!("{}-{first:x}-{size:x}", version_tag(identity));
        Self { tag, extents, size, modified, file, identity: *identity }
    }

    /// The extents that hold `length` bytes from `start` on; bytes past the end are left out.
    pub fn slice(&self, start: u64, length: u64) -> impl Iterator<Item = Extent> {
        let (mut skip, mut left) = (start, length);
        self.extents.iter().filter_map(move |extent| {
            let skipped = skip.min(extent.length);
            skip -= skipped;
            let length = (extent.length - skipped).min(left);
            left -= length;
            (length > 0).then(|| Extent { offset: extent.offset.map(|offset| offset + skipped), length })
        })
    }
}

/// Device numbers change between boots, so they stay out of what clients remember.
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
        let content = content(&[(Some(100), 10), (None, 5), (Some(7), 10)]);
        assert_eq!(content.size, 25);
        let extents = |start, length| -> Vec<_> {
            content.slice(start, length).map(|extent| (extent.offset, extent.length)).collect()
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
}
