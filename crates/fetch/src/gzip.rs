//! Decodes a body that a server has compressed although it was asked not to, as browsers do (RFC 9110
//! §8.4.1.3).

use std::io::Write;

use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{ByteStream, Fault};

/// Bytes that are decoded at once. They become a thousand times as many at most.
const PIECE: usize = 4 << 10;

/// How a member begins (RFC 1952 §2.3.1).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A body that is being decoded.
struct Gunzip {
    bytes: ByteStream,
    /// Bytes that wait for the decoder.
    encoded: Bytes,
    /// `None` after the end.
    decoder: Option<Box<MultiGzDecoder<Vec<u8>>>>,
}

/// What the first bytes of a body show that a server calls encoded.
pub(super) enum Labelled {
    /// It is; these are the decoded bytes.
    Gzip(ByteStream),
    /// It is not; these are the bytes as they came.
    Plain(ByteStream),
}

/// Reads the first bytes, because some servers call a file encoded that is not.
pub(super) async fn begin(mut bytes: ByteStream) -> Result<Labelled, Fault> {
    let mut begun = BytesMut::new();
    while begun.len() < MAGIC.len() {
        let Some(chunk) = bytes.try_next().await? else { break };
        begun.extend_from_slice(&chunk);
    }
    if !begun.starts_with(&MAGIC) {
        let begun = stream::iter([Ok(begun.freeze())]);
        return Ok(Labelled::Plain(Box::pin(begun.chain(bytes))));
    }
    let decoder = Some(Box::new(MultiGzDecoder::new(Vec::new())));
    let gunzip = Gunzip { bytes, encoded: begun.freeze(), decoder };
    Ok(Labelled::Gzip(Box::pin(stream::try_unfold(gunzip, |mut gunzip| async move {
        let decoded = gunzip.next().await?;
        Ok(decoded.map(|decoded| (decoded, gunzip)))
    }))))
}

impl Gunzip {
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        while let Some(decoder) = &mut self.decoder {
            if self.encoded.is_empty() {
                match self.bytes.try_next().await? {
                    Some(chunk) => self.encoded = chunk,
                    None => {
                        // Fails if the end is missing.
                        decoder.try_finish().map_err(broken)?;
                        let last = std::mem::take(decoder.get_mut());
                        self.decoder = None;
                        return Ok(Some(Bytes::from(last)).filter(|last| !last.is_empty()));
                    }
                }
            }
            let piece = self.encoded.split_to(self.encoded.len().min(PIECE));
            decoder.write_all(&piece).map_err(broken)?;
            let decoded = std::mem::take(decoder.get_mut());
            if !decoded.is_empty() {
                return Ok(Some(decoded.into()));
            }
        }
        Ok(None)
    }
}

fn broken(error: std::io::Error) -> Fault {
    Fault::transient(format!("what the web server compressed cannot be decoded ({})", Fault::quoted(error)))
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    async fn decode(sent: &[u8], chunk: usize) -> Result<Vec<u8>, Fault> {
        let chunks: Vec<_> = sent.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let (Labelled::Gzip(mut came) | Labelled::Plain(mut came)) =
            begin(Box::pin(stream::iter(chunks))).await?;
        let mut all = Vec::new();
        while let Some(chunk) = came.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn bytes_are_decoded() {
        let file: Vec<u8> = (0..30_000_u32).flat_map(u32::to_le_bytes).collect();
        let members = [gzip(&file[..1000]), gzip(&file[1000..])].concat();
        for chunk in [1, 7, 5000, usize::MAX] {
            assert_eq!(decode(&gzip(&file), chunk).await, Ok(file.clone()), "{chunk}");
            assert_eq!(decode(&members, chunk).await, Ok(file.clone()), "{chunk}");
        }
        for plain in [&b""[..], b"\x1f", b"a", b"a file"] {
            assert_eq!(decode(plain, 1).await.as_deref(), Ok(plain), "{plain:?}");
        }
        let cut = &gzip(&file)[..5000];
        assert!(decode(cut, 100).await.is_err_and(|fault| fault.is_worth_retrying()));
    }
}
