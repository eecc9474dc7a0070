//! The system calls of a running program, in their order: what was on disk when the answer began.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// The calls that write, sync, name and send.
const CALLS: &str = "write,writev,pwrite64,pwritev,ftruncate,copy_file_range,splice,\
    fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,\
    sendto,sendmsg,sendmmsg";

/// How long strace may need to write down a call that has ended.
const SETTLING: Duration = Duration::from_millis(200);

/// A program whose calls are being written down.
pub struct Tracing {
    strace: Child,
    /// What it says of further threads. It ends when nothing reads that.
    _messages: BufReader<ChildStderr>,
    folder: TempDir,
}

/// A call, with the time of its beginning and its end as numbers of lines.
#[derive(Debug, Clone)]
pub struct Call {
    name: String,
    /// The arguments, with the paths of descriptors, and the result.
    text: String,
    begun: usize,
    ended: usize,
}

/// The calls of a time, in the order of their ends.
#[derive(Debug)]
pub struct Trace(Vec<Call>);

impl Tracing {
    /// Attaches to all threads of the process.
    #[track_caller]
    pub fn of(pid: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut strace = Command::new("strace")
            .args(["--follow-forks", "--decode-fds=path", "--string-limit=64", "--trace", CALLS])
            .arg(format!("--output={}", folder.path().join("calls").display()))
            .arg(format!("--attach={pid}"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run strace: {error}"));
        // It tells when it has all threads.
        let mut said = String::new();
        let mut messages = BufReader::new(strace.stderr.take().unwrap());
        messages.read_line(&mut said).unwrap();
        assert!(said.contains("attached"), "strace (which needs root): {said}");
        Self { strace, _messages: messages, folder }
    }

    /// Detaches, and returns the calls.
    #[track_caller]
    pub fn end(mut self) -> Trace {
        // The client may have the answer before strace has the end of the call.
        std::thread::sleep(SETTLING);
        let id = rustix::process::Pid::from_child(&self.strace);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        self.strace.wait().unwrap();
        Trace::parse(&fs::read_to_string(self.folder.path().join("calls")).unwrap())
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

impl Trace {
    fn parse(text: &str) -> Self {
        let mut calls = Vec::new();
        let mut unfinished: HashMap<&str, (usize, String)> = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
            let rest = rest.trim_start();
            if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
                unfinished.insert(thread, (number, begun.to_owned()));
                continue;
            }
            let (begun, whole) = match rest.split_once(" resumed>").filter(|_| rest.starts_with("<... ")) {
                Some((_, end)) => match unfinished.remove(thread) {
                    Some((begun, start)) => (begun, start + end),
                    None => continue,
                },
                None => (number, rest.to_owned()),
            };
            if let Some((name, text)) = whole.split_once('(') {
                let call = Call { name: name.to_owned(), text: text.to_owned(), begun, ended: number };
                // A call that failed did nothing.
                if !call.text.contains(") = -1 ") && !call.text.ends_with(") = ?") {
                    calls.push(call);
                }
            }
        }
        Self(calls)
    }

    fn calls<'a>(&'a self, names: &'a [&str]) -> impl DoubleEndedIterator<Item = &'a Call> {
        self.0.iter().filter(move |call| names.contains(&call.name.as_str()))
    }

    /// The beginning of the answer of success.
    #[track_caller]
    pub fn answer(&self) -> &Call {
        let sent = self.calls(&["write", "writev", "sendto", "sendmsg"]);
        let mut answers = sent.filter(|call| call.text.contains("\"HTTP/1.1 2"));
        answers.next().unwrap_or_else(|| panic!("no answer in {self:#?}"))
    }

    /// The last call before `end` that gives or takes a name: one that tells all of `parts`.
    pub fn naming(&self, end: &Call, parts: &[&str]) -> Result<&Call, String> {
        let names =
            ["rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat"];
        let fits = |call: &&Call| call.ended < end.begun && parts.iter().all(|part| call.text.contains(part));
        let found = self.0.iter().rev().filter(|call| names.contains(&call.name.as_str())).find(fits);
        found.ok_or_else(|| format!("nothing gave or took the name {parts:?} in time"))
    }

    /// That the file, by a part of its path, was synced after its last byte and before `end`.
    pub fn synced(&self, file: &str, end: &Call) -> Result<(), String> {
        let mut writes =
            self.calls(&["write", "writev", "pwrite64", "pwritev", "ftruncate", "copy_file_range", "splice"]);
        let last = writes.rfind(|call| call.begun < end.begun && descriptor(call).contains(file));
        let last = last.ok_or_else(|| format!("nothing was written to {file}"))?;
        self.sync_between(last, end, |path| path.contains(file))
            .map_err(|()| format!("{file} was written to and not synced before {}", end.name))
    }

    /// That a log, by a part of its path, was synced after its first bytes and before `end`. Other changes
    /// may write to it meanwhile.
    pub fn log_synced(&self, file: &str, end: &Call) -> Result<(), String> {
        let first = self.calls(&["write", "pwrite64"]).find(|call| descriptor(call).contains(file));
        let first = first.ok_or_else(|| format!("nothing was written to {file}"))?;
        self.sync_between(first, end, |path| path.contains(file))
            .map_err(|()| format!("{file} was not synced before {}", end.name))
    }

    /// That the names in `folder` were synced after `naming` and before `end`.
    pub fn folder_synced(&self, folder: &Path, naming: &Call, end: &Call) -> Result<(), String> {
        let folder = folder.to_str().unwrap();
        self.sync_between(naming, end, |path| path == folder).map_err(|()| {
            format!("the folder {folder} was not synced after {} ({})", naming.name, naming.text)
        })
    }

    fn sync_between(&self, from: &Call, end: &Call, is_it: impl Fn(&str) -> bool) -> Result<(), ()> {
        let mut syncs = self.calls(&["fsync", "fdatasync"]);
        let found =
            syncs.any(|sync| sync.begun > from.ended && sync.ended < end.begun && is_it(descriptor(sync)));
        if found { Ok(()) } else { Err(()) }
    }

    /// That a file was written beside its name, synced, renamed, and that the rename is on disk before `end`.
    pub fn replaced(&self, file: &Path, fresh: &str, end: &Call) -> Result<(), String> {
        let naming = self.naming(end, &[fresh, file.to_str().unwrap()])?;
        self.synced(fresh, naming)?;
        self.folder_synced(file.parent().unwrap(), naming, end)
    }
}

/// The path of the descriptor that is the first argument.
fn descriptor(call: &Call) -> &str {
    let path = call.text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    path.map_or("", |(path, _)| path)
}

/// The path of a folder as the kernel tells it.
pub fn real(path: PathBuf) -> PathBuf {
    fs::canonicalize(path).unwrap()
}
