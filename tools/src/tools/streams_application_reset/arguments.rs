//! The command line of the reset tool.

use clap::Command;

use crate::frame::{Failure, Options, flag, value, values};

/// Options with lists of topics: input, intermediate and internal ones.
pub(super) const LISTS: [&str; 3] = ["input-topics", "intermediate-topics", "internal-topics"];

/// Where to go; at most one of them. Kafka checks them in this order.
const STRATEGIES: [&str; 7] = [
    "to-offset",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "from-file",
    "shift-by",
];

/// The options.
pub(super) fn options(command: Command) -> Command {
    let command = command
        .arg(value(
            "application-id",
            "id",
            "REQUIRED: The Kafka Streams application ID (application.id).",
        ))
        .arg(value(
            "bootstrap-server",
            "server to connect to",
            "The servers to connect to (default: localhost:9092).",
        ))
        .arg(values(
            "input-topics",
            "list",
            "Input topics, with commas between them; read from the first record on, unless \
             another option says where.",
        ))
        .arg(values(
            "intermediate-topics",
            "list",
            "DEPRECATED: Topics that are input and output; the application goes on at their ends.",
        ))
        .arg(values(
            "internal-topics",
            "list",
            "The internal topics to delete, of those that --dry-run shows.",
        ));
    strategy_options(command)
        .arg(value(
            "command-config",
            "file name",
            "Property file with configs of the client.",
        ))
        .arg(value(
            "config-file",
            "file name",
            "DEPRECATED: use --command-config.",
        ))
        .arg(flag(
            "force",
            "Remove members that the group still has; stop all instances before.",
        ))
        .arg(flag("dry-run", "Only show what would be done."))
}

fn strategy_options(command: Command) -> Command {
    command
        .arg(value("to-offset", "offset", "Go to this offset."))
        .arg(value(
            "to-datetime",
            "YYYY-MM-DDThh:mm:ss.sss",
            "Go to the first record of that time or later.",
        ))
        .arg(value(
            "by-duration",
            "PnDTnHnMnS",
            "Go to the first record that is no older.",
        ))
        .arg(flag("to-earliest", "Go to the first record."))
        .arg(flag("to-latest", "Go to the end."))
        .arg(value(
            "from-file",
            "csv",
            "Go to the offsets of a file: topic,partition,offset.",
        ))
        .arg(value(
            "shift-by",
            "number-of-offsets",
            "Go so far forward, or back if negative.",
        ))
}

/// Fails for options that are missing or do not go together.
pub(super) fn check(options: &Options<'_>) -> Result<(), Failure> {
    if !options.has("application-id") {
        return Err(Failure::Usage(
            "Missing required option(s) [application-id]".to_owned(),
        ));
    }
    for strategy in STRATEGIES {
        let others: Vec<_> = STRATEGIES
            .into_iter()
            .filter(|it| *it != strategy)
            .collect();
        options.exclude(strategy, &others)?;
    }
    options.exclude("config-file", &["command-config"])
}
