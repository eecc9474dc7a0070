//! Several ranges in one response: `multipart/byteranges` (RFC 9110 §14.6). The heads of the parts are in
//! memory, their bodies are ranges of the file.

use bytes::Bytes;
use file_transport::Piece;

use super::prepared::PreparedFile;
use super::ranges::ByteRange;

/// The body of a response with `ranges` of a file. `boundary` must not be guessable, so that no file can
/// contain it.
pub(super) fn assemble(
    file: &PreparedFile,
    ranges: &[ByteRange],
    media_type: &str,
    boundary: &str,
) -> Vec<Piece> {
    let mut body = Vec::new();
    for range in ranges {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes {}-{}/{}\r\n\r\n",
            range.start,
            range.last(),
            file.content.size
        );
        body.push(Piece::Bytes(Bytes::from(head)));
        body.extend(file.pieces(range.start, range.length));
    }
    body.push(Piece::Bytes(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    body
}
