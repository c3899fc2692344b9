//! The options of `kafka-reassign-partitions`, and which of them go together.

use clap::Command;

use crate::frame::{Failure, Options, bootstrap_options, flag, value};

const ACTIONS: [&str; 5] = ["generate", "execute", "verify", "cancel", "list"];
/// All options but the actions and how to connect.
const OTHERS: [&str; 9] = [
    "additional",
    "broker-list",
    "disable-rack-aware",
    "preserve-throttles",
    "reassignment-json-file",
    "replica-alter-log-dirs-throttle",
    "throttle",
    "timeout",
    "topics-to-move-json-file",
];

/// Adds the options.
pub(super) fn options(command: Command) -> Command {
    let actions = [
        flag("generate", "Propose a plan; nothing is moved."),
        flag("execute", "Start to move by a plan."),
        flag("verify", "See whether a plan is carried out."),
        flag("cancel", "Stop what is under way of a plan."),
        flag("list", "List all active partition reassignments."),
        value(
            "bootstrap-controller",
            "controller to connect to",
            "The Kafka controllers to connect to.",
        ),
    ];
    bootstrap_options(command).args(actions).args([
        value(
            "reassignment-json-file",
            "manual assignment json file path",
            "The plan, as {\"partitions\": [{\"topic\": \"foo\", \"partition\": 1, \"replicas\": \
             [1,2,3], \"log_dirs\": [\"dir1\",\"dir2\",\"dir3\"]}], \"version\": 1}; log_dirs may \
             be left out.",
        ),
        value(
            "topics-to-move-json-file",
            "topics to reassign json file path",
            "The topics, as {\"topics\": [{\"topic\": \"foo\"}], \"version\": 1}.",
        ),
        value(
            "broker-list",
            "brokerlist",
            "The brokers to move to, as 0,1,2.",
        ),
        flag("disable-rack-aware", "Propose regardless of racks."),
        value(
            "throttle",
            "throttle",
            "At most so many bytes a second between brokers; --verify lifts it at the end.",
        )
        .default_value("-1"),
        value(
            "replica-alter-log-dirs-throttle",
            "replicaAlterLogDirsThrottle",
            "At most so many bytes a second between log directories.",
        )
        .default_value("-1"),
        value(
            "timeout",
            "timeout",
            "How many milliseconds to wait until moves between log directories can start.",
        )
        .default_value("10000"),
        flag(
            "preserve-throttles",
            "Do not modify broker or topic throttles.",
        ),
        flag(
            "additional",
            "Execute although there are moves under way; also to change their throttle.",
        ),
    ])
}

/// The action, when options fit it.
pub(super) fn action(options: &Options<'_>) -> Result<&'static str, Failure> {
    let wrong = |text: &str| Err(Failure::Usage(text.to_owned()));
    let action = match (options.count(&ACTIONS), options.first_of(&ACTIONS)) {
        (1, Some(action)) => action,
        _ => {
            return wrong(
                "Command must include exactly one action: --generate, --execute, --verify, \
                 --cancel, --list",
            );
        }
    };
    match options.count(&["bootstrap-server", "bootstrap-controller"]) {
        0 => return wrong("Please specify either --bootstrap-server or --bootstrap-controller"),
        1 => {}
        _ => {
            return wrong(
                "Please don't specify both --bootstrap-server and --bootstrap-controller",
            );
        }
    }
    if options.has("bootstrap-controller") {
        return wrong("rbk does not talk to controllers: use --bootstrap-server with a broker");
    }
    let (required, permitted): (&[&str], &[&str]) = match action {
        "generate" => (
            &["topics-to-move-json-file", "broker-list"],
            &["disable-rack-aware"],
        ),
        "execute" => (
            &["reassignment-json-file"],
            &[
                "additional",
                "throttle",
                "replica-alter-log-dirs-throttle",
                "timeout",
            ],
        ),
        "verify" => (&["reassignment-json-file"], &["preserve-throttles"]),
        "cancel" => (
            &["reassignment-json-file"],
            &["preserve-throttles", "timeout"],
        ),
        _ => (&[], &[]),
    };
    options.require(required)?;
    for option in OTHERS {
        if options.has(option) && !required.contains(&option) && !permitted.contains(&option) {
            return Err(Failure::Usage(format!(
                "Option \"[{option}]\" can't be used with action \"[{action}]\""
            )));
        }
    }
    Ok(action)
}
