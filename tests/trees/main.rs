//! Files inside images, byte for byte, in every supported format.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damaged_isos;
mod damaged_squashfs;
mod isos;
mod mount_backend;
mod squashfs;
mod tar;
mod zisofs;
