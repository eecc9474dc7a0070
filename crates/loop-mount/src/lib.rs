//! Mounts image files (ISO 9660, UDF, squashfs, erofs, ext4) read-only through loop devices of the Linux
//! kernel, and finds such mounts again after a restart. It runs no command and keeps no state: the kernel's
//! mount table is the only record. All functions block. Mounting needs `CAP_SYS_ADMIN` and access to the loop
//! devices.
//!
//! ```no_run
//! use std::path::Path;
//!
//! fn main() -> Result<(), loop_mount::Error> {
//!     // Undoes the mounts of an earlier run.
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
