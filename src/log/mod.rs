//! The log and the access log. Threads of requests never wait for either: lines go through bounded queues
//! (`queue`) to threads that write them.

mod line;
mod queue;
mod settings;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use rustix::fs::OFlags;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use queue::Queue;
pub use settings::{AccessLog, LogFormat, LogSettings};

/// The target of events that are lines of the access log.
const ACCESS_LOG: &str = http_service::access_log::TARGET;

/// How long the last lines may delay the exit where nothing reads them.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The logs of the program. Clones share them.
#[derive(Clone)]
pub struct Log {
    outputs: Arc<Outputs>,
    filter: reload::Handle<Targets, Registry>,
    /// The targets of the program, as prefixes.
    names: Arc<[String]>,
}

struct Outputs {
    standard_error: Queue,
    is_terminal: bool,
    /// Those in use.
    settings: ArcSwap<LogSettings>,
    access: ArcSwap<Access>,
    dropped: Arc<AtomicU64>,
    access_dropped: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Access {
    Off,
    StandardError,
    File(Queue),
}

/// Settings that can be used: the file of their access log is open.
pub struct PreparedLog {
    settings: LogSettings,
    access: Access,
    /// The file for a queue that is in use already.
    next: Option<File>,
}

impl Log {
    /// Starts the log. Events of targets that begin with one of `names` follow `minLogLevel`; of others only
    /// warnings and errors are written.
    ///
    /// # Errors
    ///
    /// A thread cannot be started, or the file of the access log cannot be opened.
    pub fn start(settings: &LogSettings, names: impl Iterator<Item = String>) -> Result<Self> {
        let names: Arc<[String]> = names.collect();
        let standard_error = io::stderr().as_fd().try_clone_to_owned().map(File::from);
        let standard_error = standard_error.context("cannot use standard error")?;
        let is_terminal = standard_error.is_terminal();
        let dropped = Arc::default();
        // There is no other place to tell that the log fails.
        let queue = Queue::start("log", standard_error, Arc::clone(&dropped), |_| {});
        let without_access = LogSettings { access: AccessLog::Off, ..settings.clone() };
        let outputs = Arc::new(Outputs {
            is_terminal,
            standard_error: queue.context("cannot start the log's thread")?,
            settings: ArcSwap::from_pointee(without_access),
            access: ArcSwap::from_pointee(Access::Off),
            dropped,
            access_dropped: Arc::default(),
        });
        let (filter, handle) = reload::Layer::new(filter(settings, &names));
        let log = Self { outputs, filter: handle, names };
        log.apply(
            log.prepare(settings)
                .with_context(|| format!("cannot open {} (`accessLog`)", settings.access))?,
        );
        let lines = Lines(Arc::clone(&log.outputs));
        tracing_subscriber::registry()
            .with(filter)
            .with(lines)
            .try_init()
            .context("there is a log already")?;
        // The default hook would write to standard error itself, and wait for it.
        std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a thread panicked")));
        Ok(log)
    }

    /// Opens what `settings` need. Nothing changes before they are applied.
    ///
    /// # Errors
    ///
    /// The file of the access log cannot be opened.
    pub fn prepare(&self, settings: &LogSettings) -> io::Result<PreparedLog> {
        let outputs = &*self.outputs;
        let (in_use, mut next) = (outputs.settings.load(), None);
        let access = match &settings.access {
            AccessLog::Off => Access::Off,
            AccessLog::StandardError => Access::StandardError,
            AccessLog::File(path) => {
                let file = open(path)?;
                match &**outputs.access.load() {
                    // Lines that wait go to the new file: at most a line is divided between both.
                    access @ Access::File(_) if in_use.access == settings.access => {
                        next = Some(file);
                        access.clone()
                    }
                    _ => Access::File(Queue::start(
                        "access-log",
                        file,
                        Arc::clone(&outputs.access_dropped),
                        |error| tracing::error!(error = %error.kind(), "the access log cannot be written"),
                    )?),
                }
            }
        };
        Ok(PreparedLog { settings: settings.clone(), access, next })
    }

    /// Uses other settings from now on.
    pub fn apply(&self, prepared: PreparedLog) {
        let PreparedLog { settings, access, next } = prepared;
        if let (Access::File(queue), Some(file)) = (&access, next) {
            queue.redirect(file);
        }
        // It fails only after the end of the subscriber.
        let _ = self.filter.reload(filter(&settings, &self.names));
        self.outputs.access.store(Arc::new(access));
        self.outputs.settings.store(Arc::new(settings));
    }

    /// Opens the file of the access log again, because it may have been rotated.
    ///
    /// # Errors
    ///
    /// As [`Self::prepare`]. The access log stays as it is.
    pub fn reopen(&self) -> io::Result<()> {
        self.apply(self.prepare(&self.outputs.settings.load())?);
        Ok(())
    }

    /// Lines of the log that were lost because it is not read fast enough, and those of the access log.
    pub fn dropped(&self) -> (u64, u64) {
        let [log, access] = [&self.outputs.dropped, &self.outputs.access_dropped];
        (log.load(Ordering::Relaxed), access.load(Ordering::Relaxed))
    }

    /// Writes the last lines, with `words` at the end. Waits for a second at most if nothing reads them.
    pub fn close(&self, words: Option<&str>) {
        if let Some(words) = words {
            self.outputs.say(&self.outputs.standard_error, &format!("{words}\n"));
        }
        if let Access::File(queue) = &**self.outputs.access.load() {
            queue.flush(FLUSH_TIMEOUT);
        }
        self.outputs.standard_error.flush(FLUSH_TIMEOUT);
    }
}

impl Outputs {
    fn say(&self, queue: &Queue, line: &str) {
        queue.push(line, |lost| {
            let words = format!("{lost} lines were dropped, because the log is not read fast enough");
            line::warning(&words, lost, self.settings.load().format, self.is_terminal)
        });
    }
}

fn open(path: &Path) -> io::Result<File> {
    // A pipe without a reader is an error, and not something to wait for.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path)
}

/// Makes a line of each event.
struct Lines(Arc<Outputs>);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let outputs = &*self.0;
        if event.metadata().target() != ACCESS_LOG {
            let line = line::of_event(event, outputs.settings.load().format, outputs.is_terminal);
            return outputs.say(&outputs.standard_error, &line);
        }
        let access = outputs.access.load();
        match &**access {
            Access::Off => {}
            Access::StandardError => outputs.say(&outputs.standard_error, &line::of_access(event)),
            Access::File(queue) => {
                queue.push(&line::of_access(event), |lost| line::access_warning("lines were dropped", lost));
            }
        }
    }
}

fn filter(settings: &LogSettings, names: &[String]) -> Targets {
    let level = match settings.min_level {
        0 => LevelFilter::TRACE,
        1 => LevelFilter::DEBUG,
        2 => LevelFilter::INFO,
        3 => LevelFilter::WARN,
        4 => LevelFilter::ERROR,
        _ => LevelFilter::OFF,
    };
    let access = if settings.access == AccessLog::Off { LevelFilter::OFF } else { LevelFilter::INFO };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(names.iter().map(|name| (name.clone(), level)))
        .with_target(ACCESS_LOG, access)
}
