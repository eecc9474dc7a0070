//! The engine, driven by kinds of work that exist only here. Time is virtual: pauses of hours pass at once.

mod attempts;
mod clients;
mod restarts;
mod world;
