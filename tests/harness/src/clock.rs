//! A wall clock that jumps, for one program alone, by libfaketime. The monotonic clock is left alone, as when
//! an administrator sets the time.

use super::service::Setup;
use std::fs;
use std::path::PathBuf;

/// The wall clock that the program sees.
pub struct Clock {
    stamp: PathBuf,
}

impl Clock {
    /// A clock for the program of `setup`, right at first.
    #[track_caller]
    pub fn for_program(setup: Setup) -> (Self, Setup) {
        let clock = Self { stamp: setup.path("clock") };
        clock.jump("+0");
        let libraries = fs::read_dir("/usr/lib").unwrap().map_while(Result::ok).map(|entry| entry.path());
        let mut found = libraries.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
        let library = found.find(|path| path.exists()).expect("install the package libfaketime");
        let setup = setup
            .env("LD_PRELOAD", library.to_str().unwrap())
            .env("FAKETIME_TIMESTAMP_FILE", clock.stamp.to_str().unwrap())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            // File times come from the kernel, whose clock is not faked.
            .env("NO_FAKE_STAT", "1");
        (clock, setup)
    }

    /// Sets the clock's offset from the true time: `+365d`, `-2h`.
    pub fn jump(&self, offset: &str) {
        let fresh = self.stamp.with_extension("new");
        fs::write(&fresh, offset).unwrap();
        fs::rename(fresh, &self.stamp).unwrap();
    }
}
