//! The program with a low descriptor limit from its start.

use super::program::binary;
use super::started::{Started, config_of, folder};
use serde_json::json;
use std::fs;
use std::process::Command;

/// Starts the program with a hard limit of `descriptors`. `files` lie in its root.
#[track_caller]
pub fn start(descriptors: u32, files: &[(&str, &[u8])]) -> Started {
    let folder = folder(&json!({"shutdownTimeout": 2000}));
    fs::create_dir(folder.path().join("static")).unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join("static").join(name), bytes).unwrap();
    }
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"ulimit -n "$1" && exec "$2" --config "$3""#, "sh"])
        .arg(descriptors.to_string())
        .arg(binary())
        .arg(config_of(folder.path()));
    Started::by(command, folder)
}
