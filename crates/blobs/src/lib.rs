#![doc = include_str!("../README.md")]

mod checkpoint;
mod disk;
mod error;
mod hashers;
mod publish;
mod reading;
mod receiving;
mod replaced;
mod sharing;
mod space;
mod spelling;
mod staging;
mod store;
mod unfinished_files;
mod upload;

pub use disk::{Disks, make_folder};
pub use error::{Bound, StoreError};
pub use publish::Published;
pub use reading::{Way, Whole, read_whole};
pub use receiving::Resumed;
pub use sharing::{Bytes, Duplicate};
pub use space::{FileSystem, Usage};
pub use store::{Limits, Store};
pub use upload::{CHECKPOINT_INTERVAL, Received, Upload};

#[cfg(test)]
mod sharing_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod unfinished_file_tests;
