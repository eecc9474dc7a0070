//! Content that a component makes, such as a script or a row of a table.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use model::content::Content;
use model::identity::Identity;
use rustix::fs::{MemfdFlags, memfd_create};

/// A file with these bytes that lies in memory alone. It takes a descriptor while it is served.
///
/// `tag` is its strong validator (RFC 9110 §8.8.3): the same bytes at the same path have the same tag, also
/// after a restart, and other bytes another one.
///
/// # Errors
///
/// There is no memory or no descriptor left.
pub fn generated(bytes: &[u8], modified: SystemTime, tag: String) -> io::Result<Content> {
    let mut file = File::from(memfd_create("generated", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    let identity = Identity::of(&file.metadata()?);
    let mut content = Content::whole(Arc::new(file.into()), &identity);
    content.is_on_disk = false;
    content.modified = modified;
    content.tag = tag;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_content_has_its_bytes_and_no_trace_of_its_making() {
        let make = || generated(b"#!ipxe\n", SystemTime::UNIX_EPOCH, "a-1".into()).expect("memory");
        let content = make();
        let mut read = [0; 7];
        content.read(&mut read).expect("bytes");
        assert_eq!(&read, b"#!ipxe\n");
        assert_eq!((content.size, content.modified), (7, SystemTime::UNIX_EPOCH));
        assert_eq!(content.tag, make().tag);
    }
}
