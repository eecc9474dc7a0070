//! A script for a client: what it sends and when, what it takes and when, and where each of these ends.

use std::time::Duration;

/// Longer than any wait.
pub(crate) const FOREVER: Duration = Duration::from_secs(1 << 32);

/// A step of what the client sends.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// Bytes that come together; a read gets no more than these.
    Bytes(Vec<u8>),
    Pause(Duration),
    /// The wire reports that it is readable, and is not.
    Nothing,
    /// The client sends no more. It may still take.
    End,
    /// The connection is reset.
    Reset,
}

/// A step of what the client takes.
#[derive(Debug, Clone)]
pub(crate) enum Take {
    /// One write, of so many bytes at most.
    Bytes(usize),
    /// So many writes have to be tried again at once.
    Refuse(u32),
    /// The client takes nothing for so long.
    Pause(Duration),
    /// Before the next write the file is shortened to this length.
    Shrink(u64),
    /// The connection is reset.
    Reset,
}

/// A script for a wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// What the client sends; then it is silent.
    pub(crate) says: Vec<Say>,
    /// What the client takes; then it takes everything.
    pub(crate) takes: Vec<Take>,
    /// How long each flush after a write waits; later ones do not wait.
    pub(crate) flushes: Vec<Duration>,
    /// How long shutting down the sending direction takes.
    pub(crate) shutdown: Duration,
}

/// A record of what happened on a wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// All bytes that the client took.
    pub(crate) output: Vec<u8>,
    /// How much of it came from files.
    pub(crate) from_files: u64,
    /// How often written bytes waited for those of a file.
    pub(crate) promises: u64,
    /// How often the wire was called.
    pub(crate) calls: u64,
    /// The sending direction was shut down.
    pub(crate) shut: bool,
    /// No more bytes will come: there was an error, a file was too short, or the wire was dropped.
    pub(crate) over: bool,
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Sends `bytes` at once.
pub(crate) fn said(bytes: Vec<u8>) -> Vec<Say> {
    vec![Say::Bytes(bytes)]
}

/// Sends `bytes` one at a time, with these pauses between them, over and over.
pub(crate) fn dribble(bytes: &[u8], pauses: &[Duration]) -> Vec<Say> {
    let pauses = pauses.iter().cycle().map(|pause| Say::Pause(*pause));
    bytes.iter().map(|byte| Say::Bytes(vec![*byte])).zip(pauses).flat_map(<[Say; 2]>::from).collect()
}
