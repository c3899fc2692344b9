//! `rbk`: Kafka's command-line tools as one native program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
