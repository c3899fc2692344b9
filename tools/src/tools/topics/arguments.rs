//! Which options of `kafka-topics` go together.

use crate::frame::{Context, Failure, Options};

const ACTIONS: [&str; 5] = ["list", "describe", "create", "alter", "delete"];

/// Options about replicas of partitions; they do not go with `--topics-with-overrides`.
const REPORTS: [&str; 4] = [
    "under-replicated-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
    "unavailable-partitions",
];

/// Options and the only actions they go with.
const GO_WITH: [(&str, &[&str]); 7] = [
    ("config", &["alter", "create"]),
    ("partitions", &["alter", "create"]),
    ("replication-factor", &["create"]),
    ("replica-assignment", &["alter", "create"]),
    ("if-exists", &["alter", "delete", "describe"]),
    ("if-not-exists", &["create"]),
    ("exclude-internal", &["list", "describe"]),
];

/// The action asked for.
///
/// # Errors
/// Options are missing, or do not go together.
pub(super) fn check(options: &Options<'_>, context: &mut Context) -> Result<&'static str, Failure> {
    let action = match (options.count(&ACTIONS), options.first_of(&ACTIONS)) {
        (1, Some(action)) => action,
        _ => {
            return Err(Failure::Usage(
                "Command must include exactly one action: --list, --describe, --create, --alter \
                 or --delete"
                    .to_owned(),
            ));
        }
    };
    if options.has("delete-config") {
        context.warn(
            "delete-config option is no longer supported and deprecated since version 4.0. The \
             config will be fully removed in future releases.",
        );
    }
    if !options.has("bootstrap-server") {
        return Err(Failure::Usage(
            "--bootstrap-server must be specified".to_owned(),
        ));
    }
    if action == "describe" && options.has("if-exists") {
        check_named(options, context)?;
    }
    if !["list", "describe"].contains(&action) {
        options.require(&["topic"])?;
    }
    if action == "alter" {
        if options.has("config") {
            return Err(Failure::Usage(
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \
                 \"[alter]\" (To alter topic configurations, the kafka-configs tool can be used.)"
                    .to_owned(),
            ));
        }
        options.require(&["partitions"])?;
    }
    check_together(action, options)?;
    Ok(action)
}

fn check_named(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    match options.count(&["topic", "topic-id"]) {
        0 => Err(Failure::Usage(
            "--topic or --topic-id is required to describe a topic".to_owned(),
        )),
        1 => Ok(()),
        _ => context.line(
            "Only topic id will be used when both --topic and --topic-id are specified and \
             topicId is not Uuid.ZERO_UUID",
        ),
    }
}

fn check_together(action: &'static str, options: &Options<'_>) -> Result<(), Failure> {
    for (option, actions) in GO_WITH {
        if !actions.contains(&action) {
            options.exclude(option, &[action])?;
        }
    }
    if action == "create" {
        options.exclude("replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPORTS {
        if action != "describe" {
            options.exclude(report, &[action])?;
        }
        options.exclude(report, &["topics-with-overrides"])?;
    }
    if action != "describe" {
        options.exclude("topics-with-overrides", &[action])?;
    }
    Ok(())
}
