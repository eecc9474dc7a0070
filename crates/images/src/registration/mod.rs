//! Images get their names here: a name and version are reserved, then the ISO is found or fetched, read, and
//! recorded.

mod downloads;
mod image_records;
mod local;
mod part;
mod prepare;
mod received;
mod removal;
mod reservation;
mod seen;
mod stored;
mod wanted;

pub use downloads::Downloads;
pub use part::Registration;
pub use reservation::Reservation;
pub use seen::Seen;
pub use wanted::{AskedSource, WantedImage};
