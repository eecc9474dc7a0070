//! Jobs that write a note in capitals.

use jobs::{Context, Failure, Outcome, Work};
use serde::{Deserialize, Serialize};

use crate::records::Notes;
use crate::settings::NoteSettings;

/// Writes a note in capitals.
#[derive(Serialize, Deserialize)]
pub(crate) struct Shout {
    /// The id of the note.
    pub(crate) note: String,
}

/// What shouts work with.
pub(crate) struct Environment {
    pub(crate) notes: Notes,
    pub(crate) settings: NoteSettings,
}

impl Work for Shout {
    const KIND: &'static str = "shout";
    const QUEUE: &'static str = "shouting";
    const DURABLE: bool = true;
    type Environment = Environment;

    async fn attempt(&mut self, context: &Context<'_, Environment>) -> Outcome {
        let Environment { notes, settings } = context.environment;
        if let Err(stopped) = context.unless_stopped(tokio::time::sleep(settings.pause)).await {
            return stopped;
        }
        match notes.shout(self.note.clone(), settings.greeting.clone()).await {
            Ok(is_there) => {
                if !is_there {
                    context.note("the note is not there any more");
                }
                Outcome::Done
            }
            Err(error) => Outcome::Retry { failure: Failure::new(error), after: None, progressed: false },
        }
    }
}
