//! `rbk`: Kafka's command-line tools as one native program.
//!
//! [`frame`] is what all tools share: finding the tool by subcommand or by the name of the link it
//! was called by, options as Kafka's tools read them, output, errors and exit codes. [`tools`] has
//! a module per tool. Names, flags, columns, messages and exit codes are those of the tools of
//! Apache Kafka 4.3.1, so that scripts go on working; what goes beyond them (`--output json`,
//! `install-links`, `completions`) does not show unless it is asked for.

mod client_properties;
mod event;
pub mod frame;
mod perf;
mod schema;
mod shown;
pub mod tools;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program with its arguments, the first of which is the name it was called by.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    frame::run(tools::ALL, arguments.into_iter().collect())
}
