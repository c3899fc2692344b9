//! What a tool is made of, and the command line that follows from it.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};

use super::{Context, Failure, Options, flag};

/// The Kafka release whose tools these are.
pub const KAFKA_VERSION: &str = "4.3.1";

/// One of Kafka's tools.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// `topics` for what Kafka calls `kafka-topics.sh`.
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub about: &'static str,
    /// What to do and the arguments that do it, for `--help`.
    pub examples: &'static [(&'static str, &'static str)],
    /// Adds its options to an empty command.
    pub options: fn(Command) -> Command,
    /// Does the work.
    pub run: fn(&Options<'_>, &mut Context) -> Result<(), Failure>,
    /// Whether it understands `--output json`.
    pub has_json: bool,
}

impl Tool {
    /// The name of Kafka's script, without `.sh`.
    #[must_use]
    pub fn link_name(&self) -> String {
        format!("kafka-{}", self.name)
    }

    /// The command line, for a program that is called `program`, such as `rbk topics`.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let empty = Command::new(self.name)
            .bin_name(program.to_owned())
            .about(self.about)
            .infer_long_args(true)
            .disable_help_subcommand(true)
            .disable_version_flag(true)
            .arg(flag("version", "Display Kafka version."));
        let mut command = (self.options)(empty);
        if self.has_json {
            command = command.arg(
                Arg::new("output")
                    .long("output")
                    .value_name("format")
                    .value_parser(PossibleValuesParser::new(["text", "json"]))
                    .default_value("text")
                    .global(true)
                    .action(ArgAction::Set)
                    .help("Print text as Kafka's tool does, or one JSON document."),
            );
        }
        if self.examples.is_empty() {
            return command;
        }
        let mut text = String::from("Examples:\n");
        for (what, arguments) in self.examples {
            text.push_str(&format!("  # {what}\n  {program} {arguments}\n"));
        }
        command.after_help(text)
    }
}
