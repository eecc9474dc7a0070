//! A script for a client: what it says and when, what it takes and when, and where either ends.

use std::time::Duration;

/// Longer than anything waits.
pub(crate) const FOREVER: Duration = Duration::from_secs(1 << 32);

/// A step of what the client says.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// Bytes that come together; a read gets no more than these.
    Bytes(Vec<u8>),
    Pause(Duration),
    /// The wire is said to be readable, and is not.
    Nothing,
    /// The client sends no more; it may still take.
    End,
    /// The connection is gone, both ways.
    Reset,
}

/// A step of what the client takes.
#[derive(Debug, Clone)]
pub(crate) enum Take {
    /// One write, of so many bytes at most.
    Bytes(usize),
    /// So many writes find no room, and are told at once to try again.
    Refuse(u32),
    /// There is no room for so long.
    Pause(Duration),
    /// The file that is sent from becomes this long, before the next write.
    Shrink(u64),
    /// The connection is gone, both ways.
    Reset,
}

/// What happens to a wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// What the client says; then it is silent.
    pub(crate) says: Vec<Say>,
    /// What the client takes; then it takes everything.
    pub(crate) takes: Vec<Take>,
    /// How long each flush after a write waits; then none does.
    pub(crate) flushes: Vec<Duration>,
    /// How long it takes to end the sending direction.
    pub(crate) shutdown: Duration,
}

/// What happened to a wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// All that was taken.
    pub(crate) output: Vec<u8>,
    /// How much of it came from files.
    pub(crate) from_files: u64,
    /// How often bytes were to wait for those of a file.
    pub(crate) promises: u64,
    /// How often anything was asked of the wire.
    pub(crate) calls: u64,
    /// The client has met the end of what is sent.
    pub(crate) shut: bool,
    /// There is nothing more to come: an error was met, a file was too short, or the wire was let go.
    pub(crate) over: bool,
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Says `bytes` at once.
pub(crate) fn said(bytes: Vec<u8>) -> Vec<Say> {
    vec![Say::Bytes(bytes)]
}

/// Says `bytes` one at a time, with these pauses between them, over and over.
pub(crate) fn dribble(bytes: &[u8], pauses: &[Duration]) -> Vec<Say> {
    let pauses = pauses.iter().cycle().map(|pause| Say::Pause(*pause));
    bytes.iter().map(|byte| Say::Bytes(vec![*byte])).zip(pauses).flat_map(<[Say; 2]>::from).collect()
}
