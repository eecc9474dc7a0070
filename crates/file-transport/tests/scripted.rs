//! The library over a wire that plays a script, on a paused clock. The scripts send any requests in any
//! parts, pause anywhere and end anywhere.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "scripted/any.rs"]
mod any;
#[path = "scripted/bodies.rs"]
mod bodies;
#[path = "scripted/computed.rs"]
mod computed;
#[path = "scripted/exact.rs"]
mod exact;
#[path = "scripted/expected.rs"]
mod expected;
#[path = "scripted/heads.rs"]
mod heads;
#[path = "scripted/parking.rs"]
mod parking;
#[path = "scripted/patience.rs"]
mod patience;
#[path = "scripted/rate_limits.rs"]
mod rate_limits;
#[path = "scripted/requests.rs"]
mod requests;
#[path = "scripted/script.rs"]
mod script;
#[path = "scripted/stage.rs"]
mod stage;
#[path = "scripted/timeouts.rs"]
mod timeouts;
#[path = "scripted/turns.rs"]
mod turns;
#[path = "scripted/wire.rs"]
mod wire;
