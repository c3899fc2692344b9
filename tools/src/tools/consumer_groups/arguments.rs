//! The options of `kafka-consumer-groups` and which of them go together.

use clap::Command;

use crate::frame::{
    Context, Failure, Options, bootstrap_options, flag, optional_value, value, values,
};

const ACTIONS: [&str; 6] = [
    "list",
    "describe",
    "delete",
    "reset-offsets",
    "delete-offsets",
    "validate-regex",
];

/// Where offsets may be set to.
const SCENARIOS: [&str; 8] = [
    "to-offset",
    "shift-by",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "from-file",
];

/// Options and the actions they go with, one of which must be there.
const AVAILABLE_IF: [(&str, &[&str]); 5] = [
    ("members", &["describe"]),
    ("verbose", &["describe"]),
    ("offsets", &["describe"]),
    ("state", &["describe", "list"]),
    ("type", &["list"]),
];

pub(super) fn options(command: Command) -> Command {
    let command = bootstrap_options(command)
        .arg(flag("list", "List all consumer groups."))
        .arg(flag(
            "describe",
            "Describe groups: their partitions and how far they have read them.",
        ))
        .arg(flag("delete", "Delete groups with all their offsets."))
        .arg(flag(
            "reset-offsets",
            "Set the offsets of groups without members; see --dry-run, --execute and --export.",
        ))
        .arg(flag(
            "delete-offsets",
            "Delete the offsets of a group in some topics.",
        ))
        .arg(value(
            "validate-regex",
            "regex",
            "Whether a regular expression is valid for subscriptions (RE2).",
        ))
        .arg(values(
            "group",
            "consumer group",
            "The consumer group to act on.",
        ))
        .arg(flag("all-groups", "Apply to all consumer groups."))
        .arg(values(
            "topic",
            "topic",
            "The topic to reset or delete offsets of; with partitions as in topic1:0,1,2.",
        ))
        .arg(flag(
            "all-topics",
            "All topics that the group has offsets of, with --reset-offsets.",
        ))
        .arg(flag("members", "Describe the members of the group."))
        .arg(flag(
            "offsets",
            "Describe the partitions of the group: the default.",
        ))
        .arg(flag("verbose", "Describe with more columns."))
        .arg(optional_value(
            "state",
            "states",
            "Describe the state of the group; or list groups with their states, only those of \
             some states such as stable,empty.",
        ))
        .arg(optional_value(
            "type",
            "types",
            "List groups with their types, only those of some types such as classic,consumer.",
        ))
        .arg(
            value(
                "timeout",
                "timeout (ms)",
                "The longest that one request may take.",
            )
            .default_value("30000"),
        );
    reset_options(command)
}

fn reset_options(command: Command) -> Command {
    command
        .arg(flag(
            "dry-run",
            "Only show which offsets would be set: the default.",
        ))
        .arg(flag("execute", "Set the offsets."))
        .arg(flag("export", "Print the offsets as CSV."))
        .arg(value(
            "to-offset",
            "offset",
            "Reset offsets to this offset.",
        ))
        .arg(value(
            "from-file",
            "path to CSV file",
            "Reset offsets to those of a file, as --export prints it.",
        ))
        .arg(value(
            "to-datetime",
            "datetime",
            "Reset offsets to a time, as in 2026-01-31T23:59:59.000.",
        ))
        .arg(value(
            "by-duration",
            "duration",
            "Reset offsets to so long ago, as in P1DT2H30M.",
        ))
        .arg(flag("to-earliest", "Reset offsets to the first ones."))
        .arg(flag("to-latest", "Reset offsets to the next ones."))
        .arg(flag("to-current", "Reset offsets to the committed ones."))
        .arg(value(
            "shift-by",
            "number-of-offsets",
            "Move offsets by so many, which may be negative.",
        ))
}

/// The action asked for.
///
/// # Errors
/// Options are missing, or do not go together.
pub(super) fn check(options: &Options<'_>, context: &mut Context) -> Result<&'static str, Failure> {
    for (option, actions) in AVAILABLE_IF {
        if options.has(option) && options.count(actions) == 0 {
            return Err(Failure::Usage(format!(
                "Option(s) [{option}] are unavailable given other options on the command line"
            )));
        }
    }
    if !options.has("validate-regex") {
        options.require(&["bootstrap-server"])?;
    }
    if options.has("describe") {
        check_describe(options)?;
    }
    if options.has("delete") {
        needs_groups("delete", options)?;
        if options.has("topic") {
            return Err(Failure::Usage(
                "The consumer does not support topic-specific offset deletion from a consumer \
                 group."
                    .to_owned(),
            ));
        }
    }
    if options.has("delete-offsets") && options.count(&["group", "topic"]) < 2 {
        return Err(Failure::Usage(
            "Option [delete-offsets] takes the following options: [group], [topic]".to_owned(),
        ));
    }
    if options.has("reset-offsets") {
        check_reset(options, context)?;
    }
    options.exclude("group", &["all-groups"])?;
    options.exclude("group", &["list"])?;
    options.exclude("topic", &["list", "describe"])?;
    match (options.count(&ACTIONS), options.first_of(&ACTIONS)) {
        (1, Some(action)) => Ok(action),
        _ => {
            let all = ACTIONS.map(|action| format!("--{action}")).join(", ");
            Err(Failure::Usage(format!(
                "Command must include exactly one action: {all}"
            )))
        }
    }
}

fn needs_groups(action: &str, options: &Options<'_>) -> Result<(), Failure> {
    if options.count(&["group", "all-groups"]) == 0 {
        return Err(Failure::Usage(format!(
            "Option [{action}] takes one of these options: [group], [all-groups]"
        )));
    }
    Ok(())
}

fn check_describe(options: &Options<'_>) -> Result<(), Failure> {
    needs_groups("describe", options)?;
    if 1 < options.count(&["members", "offsets", "state"]) {
        return Err(Failure::Usage(
            "Option [describe] takes at most one of these options: [members], [offsets], [state]"
                .to_owned(),
        ));
    }
    if options.text("state").is_some() {
        return Err(Failure::Usage(
            "Option [describe] does not take a value for [state]".to_owned(),
        ));
    }
    Ok(())
}

fn check_reset(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    match options.count(&["dry-run", "execute"]) {
        2 => {
            return Err(Failure::Usage(
                "Option [reset-offsets] only accepts one of [execute] and [dry-run]".to_owned(),
            ));
        }
        0 => context.warn(
            "WARN: No action will be performed as the --execute option is missing. In version \
             5.0, this command will require either --dry-run or --execute to be specified. You \
             should add the --dry-run option explicitly if you are scripting this command and \
             want to keep the current default behavior without prompting.",
        ),
        _ => {}
    }
    needs_groups("reset-offsets", options)?;
    for scenario in SCENARIOS {
        let others: Vec<_> = SCENARIOS.into_iter().filter(|it| *it != scenario).collect();
        options.exclude(scenario, &others)?;
    }
    Ok(())
}

/// That none of the ways to reset offsets was chosen.
pub(super) fn no_scenario() -> Failure {
    let all = SCENARIOS.map(|scenario| format!("[{scenario}]")).join(", ");
    Failure::Usage(format!(
        "Option '[reset-offsets]' requires one of the following scenarios: [{all}]"
    ))
}
