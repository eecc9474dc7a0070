//! The management API. [`Northbound`] is what its handlers share, [`Routes`] answers requests. A file is
//! named by the path that it answers.

mod about;
mod api;
mod api_types;
mod checksum_file;
mod document;
mod durations;
mod events;
mod file_upload;
mod files;
mod health;
mod images;
mod iso;
mod jobs;
mod labels;
mod metrics;
mod microkernel;
mod page;
mod problems;
mod readyz;
mod reload;
mod repeated_body;
mod routes;
mod southbound_address;
mod storage;
mod transfers;
mod uploads;
mod views;
mod web_ui;

pub use api::{Northbound, Process, Settings};
pub use health::Health;
pub use routes::Routes;
pub use southbound_address::SouthboundAddress;
