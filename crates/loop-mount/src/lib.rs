//! Mounts image files (ISO 9660, UDF, squashfs, erofs, ext4) read-only through loop devices of the Linux kernel, and
//! finds such mounts again after a restart. It runs no command and keeps no state of its own: the kernel's mount table is
//! the only record. Everything here blocks and needs `CAP_SYS_ADMIN`; nothing here knows what an image is used for.
//!
//! ```no_run
//! use std::path::Path;
//!
//! fn main() -> Result<(), loop_mount::Error> {
//!     // What an earlier run left behind is undone, so that nothing is ever mounted twice.
//!     for existing in loop_mount::mounted_below(Path::new("/var/lib/images"))? {
//!         existing.unmount()?;
//!     }
//!     let mount = loop_mount::mount(Path::new("/srv/root.squashfs"), Path::new("/var/lib/images/root"))?;
//!     println!("the tree is at {}", mount.target().display());
//!     mount.unmount()
//! }
//! ```

mod error;
mod file_system;
mod loop_device;
mod mount;
mod table;

pub use error::Error;
pub use mount::{Mount, mount};
pub use table::{Existing, mounted_below};
