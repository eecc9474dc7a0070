//! Copies a file in the background, and shows how far it is: `copy FROM TO`. A TO that exists is taken for
//! the beginning of the copy, so an attempt goes on where the last one ended.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jobs::{Context, Failure, Jobs, Kinds, Outcome, Settings, Work};
use model::job::State;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Copy {
    from: PathBuf,
    to: PathBuf,
}

impl Work for Copy {
    const KIND: &'static str = "copy";
    const QUEUE: &'static str = "disk";
    const DURABLE: bool = false;
    type Environment = ();

    async fn attempt(&mut self, context: &Context<'_>) -> Outcome {
        // Reads of a file block, so the other tasks of this thread move to another one.
        match tokio::task::block_in_place(|| self.copy(context)) {
            Ok(_) if context.stop().is_cancelled() => Outcome::Stopped,
            Ok(count) => {
                context.note(format!("copied {count} bytes"));
                Outcome::Done
            }
            Err(error) => Outcome::Retry { failure: Failure::new(error), after: None, progressed: false },
        }
    }
}

impl Copy {
    /// Copies what an earlier attempt has left, and returns the bytes copied.
    fn copy(&self, context: &Context<'_>) -> io::Result<u64> {
        let mut from = File::open(&self.from)?;
        let total = from.metadata()?.len();
        let mut to = OpenOptions::new().create(true).append(true).open(&self.to)?;
        let begin = to.metadata()?.len();
        from.seek(SeekFrom::Start(begin))?;
        context.begin(begin, Some(total));
        let (mut done, mut block) = (begin, vec![0; 1 << 20]);
        while !context.stop().is_cancelled() {
            let count = from.read(&mut block)?;
            if count == 0 {
                break;
            }
            to.write_all(&block[..count])?;
            done += count as u64;
            context.reach(done);
        }
        Ok(done - begin)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("usage: copy FROM TO".into());
    };
    let kinds = Kinds::default().queue("disk", 1).with::<Copy>(Arc::new(()));
    let settings = Settings { retries: 3, retry_delay: Duration::from_secs(1), max_finished: 10 };
    let jobs = Jobs::start(kinds, (), |_id| {}, settings);
    let job = Copy { from, to }.job("copying a file");
    let id = job.id.clone();
    jobs.begin(job);
    while let Some(shown) = jobs.get(&id) {
        let progress = shown.progress.map(|progress| format!(", {} bytes", progress.done));
        println!("{}{}", shown.job.state.word(), progress.unwrap_or_default());
        if shown.job.state.is_end() {
            for line in shown.job.log {
                println!("{} {}", line.time, line.text);
            }
            if let State::Failed { reason } = shown.job.state {
                return Err(reason.into());
            }
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    jobs.stop().await;
    Ok(())
}
