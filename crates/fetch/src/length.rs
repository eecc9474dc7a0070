//! Holds a stream to its announced length, so that no truncated file counts as complete.

use futures_util::{TryStreamExt, stream};

use super::{ByteStream, Fault};

/// The bytes from `start`, with an error unless they end at `total`.
pub(super) fn held_to(bytes: ByteStream, start: u64, total: Option<u64>) -> ByteStream {
    let Some(total) = total else { return bytes };
    Box::pin(stream::try_unfold((bytes, start), move |(mut bytes, position)| async move {
        let Some(chunk) = bytes.try_next().await? else {
            return if position < total { Err(ended_early(position, total)) } else { Ok(None) };
        };
        let position = position + chunk.len() as u64;
        if position > total {
            // Which bytes belong to the file is unknown.
            return Err(Fault::Changed("the source sent more than it announced".into()));
        }
        Ok(Some((chunk, (bytes, position))))
    }))
}

/// The first `length` bytes, without waiting for the end after them.
pub(super) fn first(bytes: ByteStream, length: u64) -> ByteStream {
    Box::pin(stream::try_unfold((bytes, length), |(mut bytes, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(mut chunk) = bytes.try_next().await? else { return Ok(None) };
        chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - chunk.len() as u64;
        Ok(Some((chunk, (bytes, left))))
    }))
}

fn ended_early(position: u64, total: u64) -> Fault {
    Fault::transient(format!("the source announced {total} bytes and sent {position}"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn nothing_is_awaited_after_the_first_bytes() {
        for (length, expected) in [(0, ""), (2, "ab"), (3, "abc"), (5, "abcde")] {
            let bytes = stream::iter(["abc", "de"].map(|chunk| Ok(Bytes::from(chunk))));
            let bytes = bytes.chain(stream::pending());
            let came: Vec<_> = first(Box::pin(bytes), length).map(Result::unwrap_or_default).collect().await;
            assert_eq!(came.concat(), expected.as_bytes(), "{length}");
        }
    }

    #[tokio::test]
    async fn only_what_was_announced_is_whole() {
        for (start, total, chunks, good, end) in [
            (0, Some(6), vec!["abc", "def"], 2, None),
            (4, Some(6), vec!["ef"], 1, None),
            (6, Some(6), vec![], 0, None),
            (0, None, vec!["abc"], 1, None),
            (0, Some(6), vec!["abc", "de"], 2, Some("announced 6 bytes and sent 5")),
            (2, Some(6), vec![], 0, Some("announced 6 bytes and sent 2")),
            (0, Some(5), vec!["abc", "def"], 1, Some("more than it announced")),
        ] {
            let bytes = stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk))));
            let came: Vec<_> = held_to(Box::pin(bytes), start, total).collect().await;
            assert_eq!(came.iter().filter(|chunk| chunk.is_ok()).count(), good, "{came:?}");
            let fault = came.into_iter().find_map(Result::err);
            assert_eq!(fault.is_some(), end.is_some(), "{fault:?}");
            if let (Some(fault), Some(part)) = (fault, end) {
                assert!(fault.is_worth_retrying() && fault.to_string().contains(part), "{fault}");
                assert_eq!(matches!(fault, Fault::Changed(_)), part.contains("more"), "{fault}");
            }
        }
    }
}
