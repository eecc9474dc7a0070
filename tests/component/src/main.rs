//! The program with one more component.

use std::process::ExitCode;

fn main() -> ExitCode {
    image_service::cli::run(&[notes::COMPONENT])
}
