//! The program, with the components of `components.rs`.

use std::process::ExitCode;

use image_service::{cli, components};

fn main() -> ExitCode {
    cli::run(components::COMPONENTS)
}
