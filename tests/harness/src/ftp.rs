//! A small FTP server for `isoweb=ftp://…`: RFC 959, with the EPSV of RFC 2428.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a transfer goes.
#[derive(Debug, Clone)]
pub enum Transfer {
    /// The bytes, whole.
    Whole(Vec<u8>),
    /// Only the first `after` bytes; SIZE tells the truth and the reply is 426.
    Cut {
        /// The whole content.
        bytes: Vec<u8>,
        /// How many of them come.
        after: usize,
    },
    /// A file with a modification time and a way to answer REST.
    Source(FtpSource),
}

/// How a server answers to REST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// The transfer begins there.
    Obeyed,
    /// The reply is an error.
    Refused,
    /// The reply is a success, yet the whole file is sent.
    Ignored,
}

/// A file of the server.
#[derive(Debug, Clone)]
pub struct FtpSource {
    /// Its content.
    pub bytes: Vec<u8>,
    /// The reply to MDTM, such as `20240131235959`; `None` if the server does not know the command.
    pub modified: Option<&'static str>,
    /// How REST is answered.
    pub rest: Rest,
    /// Each transfer breaks off after so many bytes.
    pub cut_after: Option<usize>,
}

impl FtpSource {
    /// With a modification time and a correct REST.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, modified: Some("20240131235959"), rest: Rest::Obeyed, cut_after: None }
    }
}

/// The running server; it stops on drop.
pub struct FtpOrigin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<HashMap<String, Transfer>>,
    commands: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

impl FtpOrigin {
    /// Starts on a free loopback port, with no files; any user and password may log in.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&served)) else { continue };
                std::thread::spawn(move || Session::new(stream).and_then(|session| session.run(&shared)));
            }
        });
        Self { address, shared }
    }

    /// Offers a file at an absolute path.
    pub fn on(&self, path: &str, transfer: Transfer) {
        self.shared.files.lock().unwrap().insert(path.to_owned(), transfer);
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("ftp://{}{path}", self.address)
    }

    /// The command lines so far.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }
}

impl Drop for FtpOrigin {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting thread; an error means that it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

struct Session {
    control: TcpStream,
    folder: String,
    data: Option<TcpListener>,
    restart: usize,
    /// How the file of the latest command answers REST.
    rest: Rest,
}

impl Transfer {
    fn source(self) -> FtpSource {
        match self {
            Self::Whole(bytes) => FtpSource { modified: None, ..FtpSource::new(bytes) },
            Self::Cut { bytes, after } => {
                FtpSource { modified: None, cut_after: Some(after), ..FtpSource::new(bytes) }
            }
            Self::Source(source) => source,
        }
    }
}

impl Session {
    fn new(control: TcpStream) -> Option<Self> {
        control.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        control.set_write_timeout(Some(Duration::from_secs(60))).ok()?;
        Some(Self { control, folder: "/".to_owned(), data: None, restart: 0, rest: Rest::Obeyed })
    }

    fn run(mut self, shared: &Shared) -> Option<()> {
        let reader = BufReader::new(self.control.try_clone().ok()?);
        self.reply("220 scripted")?;
        for line in reader.lines() {
            let line = line.ok()?;
            shared.commands.lock().unwrap().push(line.clone());
            let (word, argument) = line.split_once(' ').unwrap_or((&line, ""));
            match word.to_ascii_uppercase().as_str() {
                "USER" => self.reply("331 password, please")?,
                "PASS" => self.reply("230 welcome")?,
                "TYPE" | "MODE" | "STRU" | "NOOP" | "OPTS" => self.reply("200 as you like")?,
                "SYST" => self.reply("215 UNIX Type: L8")?,
                "FEAT" => self.reply("211-Features:\r\n SIZE\r\n EPSV\r\n REST STREAM\r\n211 End")?,
                "PWD" => self.reply(&format!("257 \"{}\"", self.folder))?,
                "CWD" => {
                    self.folder = format!("{}/", self.absolute(argument).trim_end_matches('/'));
                    self.reply("250 there")?;
                }
                "REST" if self.rest == Rest::Refused => self.reply("502 only whole files")?,
                "REST" => {
                    self.restart = if self.rest == Rest::Ignored { 0 } else { argument.parse().ok()? };
                    self.reply("350 noted")?;
                }
                "SIZE" => self.size(shared, argument)?,
                "MDTM" => self.modified(shared, argument)?,
                "EPSV" | "PASV" => self.listen(word)?,
                "RETR" => self.retrieve(shared, argument)?,
                "QUIT" => return self.reply("221 goodbye"),
                _ => self.reply("502 not here")?,
            }
        }
        Some(())
    }

    fn reply(&mut self, line: &str) -> Option<()> {
        self.control.write_all(format!("{line}\r\n").as_bytes()).ok()
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}{path}", self.folder) }
    }

    fn file(&self, shared: &Shared, path: &str) -> Option<FtpSource> {
        shared.files.lock().unwrap().get(&self.absolute(path)).cloned().map(Transfer::source)
    }

    fn size(&mut self, shared: &Shared, path: &str) -> Option<()> {
        match self.file(shared, path) {
            Some(source) => {
                self.rest = source.rest;
                self.reply(&format!("213 {}", source.bytes.len()))
            }
            None => self.reply("550 no such file"),
        }
    }

    fn modified(&mut self, shared: &Shared, path: &str) -> Option<()> {
        match self.file(shared, path).and_then(|source| source.modified) {
            Some(time) => self.reply(&format!("213 {time}")),
            None => self.reply("502 not here"),
        }
    }

    fn listen(&mut self, word: &str) -> Option<()> {
        let listener = TcpListener::bind("127.0.0.1:0").ok()?;
        let port = listener.local_addr().ok()?.port();
        self.data = Some(listener);
        if word.eq_ignore_ascii_case("EPSV") {
            self.reply(&format!("229 Entering Extended Passive Mode (|||{port}|)"))
        } else {
            // A private address, as from a server behind a gateway, or from one that points its clients at a
            // third machine.
            self.reply(&format!("227 Entering Passive Mode (10,9,8,7,{},{})", port >> 8, port & 255))
        }
    }

    fn retrieve(&mut self, shared: &Shared, path: &str) -> Option<()> {
        let start = std::mem::take(&mut self.restart);
        let Some(source) = self.file(shared, path) else { return self.reply("550 no such file") };
        let Some(listener) = self.data.take() else { return self.reply("425 where to?") };
        self.reply("150 here it comes")?;
        let (mut data, _) = listener.accept().ok()?;
        let rest = source.bytes.get(start..)?;
        let sent = source.cut_after.unwrap_or(rest.len()).min(rest.len());
        data.write_all(&rest[..sent]).ok()?;
        drop(data);
        self.reply(if sent == rest.len() { "226 done" } else { "426 cut" })
    }
}
