//! The API that people and programs manage images with, its document and its web pages, as clients meet them
//! over HTTP.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_clients;
mod bad_input;
mod bad_uploads;
mod browse;
mod browsers;
mod clients;
mod coded_bodies;
mod digests;
mod events;
mod file_state;
mod files;
mod images;
mod local_isos;
mod metrics;
mod openapi;
mod openapi_answers;
mod other_files;
mod pages;
mod partial_uploads;
mod protocol;
mod proxies;
mod readyz;
mod retries;
mod shares;
mod sharing;
mod storage;
mod systems;
mod trees;
mod uploads;
mod verified;
mod wanted_at_once;
mod wanted_state;
mod web_ui;
