//! Records as clients see them. The field names are fixed; scripts read them. The API's document is made from
//! these types, so it cannot differ from the answers.

pub(super) mod file;
pub(super) mod image;
pub(super) mod job;
pub(super) mod labels;
pub(super) mod time;
pub(super) mod tree;
