#![doc = include_str!("../README.md")]

mod backend;
mod database;
mod document_file;
mod error;
pub mod feed;
mod files;
pub mod inventory;
mod memory;
mod query;
mod schema;
mod sql;
mod sqlite;
mod table;
mod transaction;
mod writer;

pub use database::Database;
pub use document_file::{DocumentError, DocumentFile, followed};
pub use error::{Cause, Error};
pub use files::{sync_folder, write_private};
pub use memory::Memory;
pub use query::{Cursor, MAX_PAGE, MAX_PAGE_BYTES, MAX_SKIP, Page, Query};
pub use schema::{Migration, Schema, Upgrade};
pub use table::{Column, Key, MAX_ROW, MAX_TEXT, Table, TableSpec, Value, ValueType};
pub use transaction::{Reader, Transaction};
