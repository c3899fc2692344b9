//! The options of `kafka-acls`, and which of them go together.

use clap::{Arg, Command};

use crate::frame::{Failure, Options, bootstrap_options, flag, value, values};

/// Adds the options.
pub(super) fn options(command: Command) -> Command {
    let actions = [
        flag("add", "Indicates you are trying to add ACLs."),
        flag("remove", "Indicates you are trying to remove ACLs."),
        flag("list", "List ACLs for the specified resource."),
        values("principal", "principal", "With --list: only of this one."),
        flag("force", "Assume Yes to all queries and do not prompt."),
        value(
            "bootstrap-controller",
            "controller to connect to",
            "The Kafka controllers to connect to.",
        ),
    ];
    bootstrap_options(command)
        .args(actions)
        .args(resource_options())
        .args(entry_options())
}

fn resource_options() -> [Arg; 7] {
    [
        values("topic", "topic", "A topic; '*' for all topics."),
        flag("cluster", "The cluster."),
        values("group", "group", "A group; '*' for all groups."),
        values(
            "transactional-id",
            "transactional-id",
            "A transactional id; '*' for all.",
        ),
        values(
            "delegation-token",
            "delegation-token",
            "A delegation token; '*' for all.",
        ),
        values(
            "user-principal",
            "user-principal",
            "A user whose tokens may be created or described.",
        ),
        value(
            "resource-pattern-type",
            "ANY|MATCH|LITERAL|PREFIXED",
            "How the names above are meant. To list and remove, ANY takes all patterns with just \
             this name, and MATCH all that affect a resource of this name.",
        )
        .default_value("LITERAL"),
    ]
}

fn entry_options() -> [Arg; 8] {
    [
        values("operation", "operation", "An operation, such as Read.").default_value("All"),
        values(
            "allow-principal",
            "allow-principal",
            "Who may, as principalType:name; User:'*' for everybody.",
        ),
        values("deny-principal", "deny-principal", "Who may not."),
        values(
            "allow-host",
            "allow-host",
            "From which address the principal may; any by default.",
        ),
        values(
            "deny-host",
            "deny-host",
            "From which address the principal may not; any by default.",
        ),
        flag(
            "producer",
            "What a producer needs: write, describe and create the topic.",
        ),
        flag(
            "consumer",
            "What a consumer needs: read and describe the topic, and read the group.",
        ),
        flag("idempotent", "With --producer: may be idempotent."),
    ]
}

/// What Kafka's tool refuses before it asks any broker.
pub(super) fn check(options: &Options<'_>) -> Result<(), Failure> {
    let wrong = |text: &str| Err(Failure::Usage(text.to_owned()));
    match options.count(&["bootstrap-server", "bootstrap-controller"]) {
        0 => return wrong("One of --bootstrap-server or --bootstrap-controller must be specified"),
        1 => {}
        _ => {
            return wrong(
                "Only one of --bootstrap-server or --bootstrap-controller must be specified",
            );
        }
    }
    if options.has("bootstrap-controller") {
        return wrong("rbk does not talk to controllers: use --bootstrap-server with a broker");
    }
    if options.count(&["add", "remove", "list"]) != 1 {
        return wrong("Command must include exactly one action: --list, --add, --remove. ");
    }
    let of_entries = [
        "producer",
        "consumer",
        "allow-host",
        "allow-principal",
        "deny-host",
        "deny-principal",
    ];
    options.exclude("list", &of_entries)?;
    let inferred = ["operation", "deny-principal", "deny-host"];
    options.exclude("producer", &inferred)?;
    options.exclude("consumer", &inferred)?;
    if options.has("principal") && !options.has("list") {
        return wrong("The --principal option is only available if --list is set");
    }
    if options.has("producer") && !options.has("topic") {
        return wrong("With --producer you must specify a --topic");
    }
    if options.has("idempotent") && !options.has("producer") {
        return wrong("The --idempotent option is only available if --producer is set");
    }
    let is_whole = options.has("topic") && options.has("group");
    let has_more = options.has("cluster") || options.has("transactional-id");
    if options.has("consumer") && (!is_whole || (!options.has("producer") && has_more)) {
        return wrong(
            "With --consumer you must specify a --topic and a --group and no --cluster or \
             --transactional-id option should be specified.",
        );
    }
    Ok(())
}
