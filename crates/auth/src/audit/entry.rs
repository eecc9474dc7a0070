//! Entries of the audit trail.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::principal::Kind;

/// The longest text of a member, in characters. Longer ones are cut, and end in an ellipsis.
const MAX_TEXT: usize = 1000;

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// An image was registered or changed.
    #[serde(rename = "image.register")]
    ImageRegister,
    /// An image was removed.
    #[serde(rename = "image.delete")]
    ImageDelete,
    /// A file came into a store.
    #[serde(rename = "file.upload")]
    FileUpload,
    /// A file was removed from a store.
    #[serde(rename = "file.delete")]
    FileDelete,
    /// A job was stopped or taken from the list.
    #[serde(rename = "job.cancel")]
    JobCancel,
    /// A token was made.
    #[serde(rename = "token.create")]
    TokenCreate,
    /// A token was removed.
    #[serde(rename = "token.delete")]
    TokenDelete,
    /// A browser logged in.
    #[serde(rename = "login")]
    Login,
    /// A wrong credential was presented: one entry a minute and client.
    #[serde(rename = "login.fail")]
    LoginFail,
    /// A link for machines was signed.
    #[serde(rename = "link.create")]
    LinkCreate,
    /// The settings were reloaded.
    #[serde(rename = "reload")]
    Reload,
    /// A backup was made.
    #[serde(rename = "backup")]
    Backup,
    /// A request was refused for want of a right.
    #[serde(rename = "denied")]
    Denied,
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was made.
    Ok,
    /// The principal may not make it.
    Denied,
    /// It could not be made.
    Failed,
}

/// An entry to be recorded. No member holds a secret or a query.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The id of the request.
    pub request: String,
    /// The name of the principal.
    pub principal: String,
    /// How the principal proved itself.
    pub kind: Kind,
    /// The address of the client.
    pub address: String,
    /// The kind of the change.
    pub action: Action,
    /// The thing that was changed.
    pub target: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The status of the answer.
    pub status: u16,
    /// More for people.
    pub detail: String,
}

/// An entry on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// When it was recorded.
    pub time: Timestamp,
    /// Its number, which rises by one from entry to entry.
    pub id: u64,
    /// The id of the request.
    pub request: String,
    /// The name of the principal.
    pub principal: String,
    /// How the principal proved itself.
    pub kind: Kind,
    /// The address of the client.
    pub address: String,
    /// The kind of the change.
    pub action: Action,
    /// The thing that was changed.
    pub target: String,
    /// How it ended.
    pub result: Outcome,
    /// The status of the answer.
    pub status: u16,
    /// More for people.
    pub detail: String,
    /// The SHA-256 of the line before, in hexadecimal; zeros for the first.
    pub prev: String,
}

impl Recorded {
    pub(super) fn new(entry: &Entry, time: Timestamp, id: u64, prev: String) -> Self {
        Self {
            time,
            id,
            request: cut(&entry.request),
            principal: cut(&entry.principal),
            kind: entry.kind,
            address: cut(&entry.address),
            action: entry.action,
            target: cut(&entry.target),
            result: entry.outcome,
            status: entry.status,
            detail: cut(&entry.detail),
            prev,
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
