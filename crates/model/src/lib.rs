#![doc = include_str!("../README.md")]

pub mod client;
mod config_error;
pub mod content;
pub mod digest;
pub mod fair_limit;
pub mod host_pattern;
pub mod identity;
pub mod image;
pub mod io_words;
pub mod job;
pub mod labels;
pub mod line_limit;
pub mod link;
pub mod litter;
mod live;
pub mod lock_wait;
pub mod media_range;
pub mod minimum_rate;
pub mod names;
pub mod permits;
pub mod segment;
pub mod settings;
pub mod size;
pub mod stored_file;
pub mod system;
mod tree_choice;
pub mod unfinished_file;
