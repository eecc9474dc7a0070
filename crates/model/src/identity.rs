//! Distinguishes one version of a file from the next without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// The identity of a file: its inode, its size, and the time of its last modification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Device number. Not stable across reboots, so only compared while the program runs.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Last modification, whole seconds since 1970 (negative before).
    pub seconds: i64,
    /// Nanoseconds on top of `seconds`.
    pub nanoseconds: u32,
}

impl Identity {
    /// The identity in the answer of `stat`.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            seconds: metadata.mtime(),
            nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
        }
    }

    /// Whether both have the same size and time, which survives a reboot, a move and a `cp -p`.
    pub fn same_version(&self, other: &Self) -> bool {
        (self.size, self.seconds, self.nanoseconds) == (other.size, other.seconds, other.nanoseconds)
    }

    /// Whether the file's time is at least `time` before `now`. A clock may be wrong, here or where the file
    /// lies.
    pub fn is_untouched_for(&self, time: Duration, now: SystemTime) -> bool {
        now.duration_since(self.modified()).is_ok_and(|age| age >= time)
    }

    /// The time of the last modification; times before 1970 count as 1970.
    pub fn modified(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(self.seconds).unwrap_or(0), self.nanoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_future_counts_as_just_written() {
        let identity = Identity { device: 1, inode: 2, size: 3, seconds: 100, nanoseconds: 0 };
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let minute = Duration::from_secs(60);
        for (now, untouched) in [(160, true), (159, false), (100, false), (40, false), (0, false)] {
            assert_eq!(identity.is_untouched_for(minute, at(now)), untouched, "{now}");
        }
    }
}
