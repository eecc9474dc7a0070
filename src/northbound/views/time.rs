//! Times.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// A time in UTC: ISO 8601 with milliseconds, as JavaScript prints it.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = String, format = DateTime, examples("2026-11-20T23:13:48.256Z"))]
pub(in crate::northbound) struct Time(Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
    }
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl Time {
    /// A time of the system; `None` if it is beyond the calendar.
    pub(in crate::northbound) fn of_system(time: SystemTime) -> Option<Self> {
        Timestamp::try_from(time).ok().map(Self)
    }
}
