//! Several ranges in one answer: `multipart/byteranges` (RFC 9110 §14.6), part heads in memory and part bodies as file ranges.

use bytes::Bytes;
use file_transport::Piece;

use super::ranges::ByteRange;
use super::reply::pieces;
use crate::model::content::Content;

/// The body of an answer with `ranges` of `content`, and its media type. `boundary` must not be guessable, so that no file can hold it.
pub(super) fn assemble(
    content: &Content,
    ranges: &[ByteRange],
    media_type: &str,
    boundary: &str,
) -> (Vec<Piece>, String) {
    let mut body = Vec::new();
    for range in ranges {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes {}-{}/{}\r\n\r\n",
            range.start,
            range.last(),
            content.size
        );
        body.push(Piece::Bytes(Bytes::from(head)));
        body.extend(pieces(content, range.start, range.length));
    }
    body.push(Piece::Bytes(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    (body, format!("multipart/byteranges; boundary={boundary}"))
}
