//! The command line of the verifiable consumer.

use clap::Command;
use ringbrook_client::config::Properties;

use crate::frame::{Context, Failure, Options, flag, value};
use crate::tools::verifiable_producer::{number, properties_file, required};

/// What is to be read.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) topic: String,
    /// None for no end.
    pub(super) messages_max: Option<usize>,
    pub(super) is_verbose: bool,
    /// The consumer commits now and then; else the tool does, after each poll.
    pub(super) commits_by_itself: bool,
    /// Of the consumer.
    pub(super) properties: Properties,
}

/// The options.
pub(super) fn options(command: Command) -> Command {
    let command = command
        .arg(value(
            "bootstrap-server",
            "HOST1:PORT1[,HOST2:PORT2[...]]",
            "REQUIRED: The server(s) to connect to.",
        ))
        .arg(value(
            "topic",
            "TOPIC",
            "Consumes messages from this topic.",
        ))
        .arg(value(
            "group-id",
            "GROUP-ID",
            "The group id of the consumer group.",
        ))
        .arg(
            value(
                "max-messages",
                "MAX-MESSAGES",
                "Consume so many messages; -1 for no end.",
            )
            .default_value("-1"),
        )
        .arg(flag("verbose", "Print a line for each record, too."))
        .arg(flag(
            "enable-autocommit",
            "Let the consumer commit now and then, not after each poll.",
        ))
        .arg(
            value(
                "reset-policy",
                "RESET-POLICY",
                "Where to begin without committed offsets: earliest, latest or none.",
            )
            .default_value("earliest"),
        );
    group_options(command)
}

fn group_options(command: Command) -> Command {
    command
        .arg(
            value(
                "group-protocol",
                "GROUP-PROTOCOL",
                "The protocol of the group: classic or consumer.",
            )
            .default_value("classic"),
        )
        .arg(value(
            "group-remote-assignor",
            "GROUP-REMOTE-ASSIGNOR",
            "The broker's assignor, with --group-protocol consumer.",
        ))
        .arg(value(
            "group-instance-id",
            "GROUP-INSTANCE-ID",
            "A name that the member keeps through restarts.",
        ))
        .arg(value(
            "session-timeout",
            "TIMEOUT-MS",
            "The session's timeout, with --group-protocol classic.",
        ))
        .arg(
            value(
                "assignment-strategy",
                "ASSIGNMENT-STRATEGY",
                "The assignor, with --group-protocol classic.",
            )
            .default_value("org.apache.kafka.clients.consumer.RangeAssignor"),
        )
        .arg(value(
            "command-config",
            "CONFIG-FILE",
            "A file of the consumer's properties; options come before it.",
        ))
        .arg(value(
            "consumer.config",
            "CONFIG-FILE",
            "DEPRECATED: use --command-config.",
        ))
}

impl Arguments {
    /// Reads and checks the options.
    pub(super) fn new(options: &Options<'_>, context: &mut Context) -> Result<Self, Failure> {
        let servers = required(options, "bootstrap-server")?;
        let topic = required(options, "topic")?.to_owned();
        let group = required(options, "group-id")?;
        let max: i32 = number(options, "max-messages")?.unwrap_or(-1);
        let session_timeout: Option<i32> = number(options, "session-timeout")?;
        let commits_by_itself = options.has("enable-autocommit");
        let mut properties = properties_file(options, "consumer.config", context)?;
        let mut set = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                properties.set(name, value);
            }
        };
        let protocol = options.text("group-protocol").unwrap_or_default();
        set("group.protocol", Some(&protocol.to_lowercase()));
        if protocol.eq_ignore_ascii_case("consumer") {
            let assignor = options.text("group-remote-assignor");
            set("group.remote.assignor", assignor);
        } else {
            let strategy = options.text("assignment-strategy");
            set("partition.assignment.strategy", strategy);
        }
        let session_timeout = session_timeout.map(|ms| ms.to_string());
        set("session.timeout.ms", session_timeout.as_deref());
        set("group.id", Some(group));
        set("group.instance.id", options.text("group-instance-id"));
        set("bootstrap.servers", Some(servers));
        set("enable.auto.commit", Some(&commits_by_itself.to_string()));
        set("auto.offset.reset", options.text("reset-policy"));
        Ok(Self {
            topic,
            messages_max: usize::try_from(max).ok(),
            is_verbose: options.has("verbose"),
            commits_by_itself,
            properties,
        })
    }
}
