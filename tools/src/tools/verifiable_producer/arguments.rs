//! The command line of the verifiable producer.

use std::str::FromStr;

use clap::Command;
use ringbrook_client::config::Properties;

use crate::client_properties::from_file_and_pairs;
use crate::frame::{Context, Failure, Options, value};

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) topic: String,
    /// So many, at most.
    pub(super) messages_max: u64,
    /// A second; negative for as many as possible.
    pub(super) throughput: i64,
    /// Comes before each value, with a dot.
    pub(super) value_prefix: Option<i32>,
    /// The timestamp of the first record, in milliseconds.
    pub(super) create_time: Option<i64>,
    /// How many different keys there are; without them keys are null.
    pub(super) repeating_keys: Option<u64>,
    /// Of the producer.
    pub(super) properties: Properties,
}

/// The options.
pub(super) fn options(command: Command) -> Command {
    command
        .arg(value("topic", "TOPIC", "Produce messages to this topic."))
        .arg(value(
            "bootstrap-server",
            "HOST1:PORT1[,HOST2:PORT2[...]]",
            "REQUIRED: The server(s) to connect to.",
        ))
        .arg(
            value(
                "max-messages",
                "MAX-MESSAGES",
                "How many messages; -1 for no end.",
            )
            .default_value("-1"),
        )
        .arg(
            value(
                "throughput",
                "THROUGHPUT",
                "Messages per second, approximately; -1 for as many as possible.",
            )
            .default_value("-1"),
        )
        .arg(value("acks", "ACKS", "What a message waits for: 0, 1 or -1.").default_value("-1"))
        .arg(
            value(
                "message-create-time",
                "CREATE-TIME",
                "The timestamp of the first message, in milliseconds since 1970.",
            )
            .default_value("-1"),
        )
        .arg(value(
            "value-prefix",
            "VALUE-PREFIX",
            "A number that comes before each value, with a dot.",
        ))
        .arg(value(
            "repeating-keys",
            "REPEATING-KEYS",
            "Keys count from 0 up to this number, and begin again.",
        ))
        .arg(value(
            "command-config",
            "CONFIG-FILE",
            "A file of the producer's properties, which come before options.",
        ))
        .arg(value(
            "producer.config",
            "CONFIG-FILE",
            "DEPRECATED: use --command-config.",
        ))
}

/// The value of a required option, in the words of Kafka's parser of this tool if it is missing.
pub(crate) fn required<'a>(options: &Options<'a>, name: &str) -> Result<&'a str, Failure> {
    let missing = || Failure::Usage(format!("argument --{name} is required"));
    options.text(name).ok_or_else(missing)
}

/// A number, in the same words if it is none.
pub(crate) fn number<T: FromStr>(options: &Options<'_>, name: &str) -> Result<Option<T>, Failure> {
    let Some(text) = options.text(name) else {
        return Ok(None);
    };
    let wrong = || Failure::Usage(format!("argument --{name}: could not convert '{text}'"));
    text.parse().map(Some).map_err(|_| wrong())
}

/// The properties file, by the option's name or its former one, which is warned of.
pub(crate) fn properties_file(
    options: &Options<'_>,
    former: &str,
    context: &mut Context,
) -> Result<Properties, Failure> {
    const NAME: &str = "command-config";
    if options.has(former) && options.has(NAME) {
        return Err(Failure::Usage(format!(
            "Options --{former} and --{NAME} are mutually exclusive."
        )));
    }
    if options.has(former) {
        context.line(format_args!(
            "Option --{former} has been deprecated and will be removed in a future version. Use \
             --{NAME} instead."
        ))?;
    }
    let file = options.text(former).or_else(|| options.text(NAME));
    from_file_and_pairs(file, &[])
}

impl Arguments {
    /// Reads and checks the options.
    pub(super) fn new(options: &Options<'_>, context: &mut Context) -> Result<Self, Failure> {
        let topic = required(options, "topic")?.to_owned();
        let servers = required(options, "bootstrap-server")?;
        let acks = options.text("acks").unwrap_or("-1");
        if !["0", "1", "-1"].contains(&acks) {
            return Err(Failure::Usage(format!(
                "argument --acks: invalid choice: '{acks}' (choose from {{0,1,-1}})"
            )));
        }
        let max: i32 = number(options, "max-messages")?.unwrap_or(-1);
        let keys: Option<i32> = number(options, "repeating-keys")?;
        let mut properties = Properties::new()
            .with("bootstrap.servers", servers)
            .with("acks", acks)
            .with("retries", "0");
        if acks != "-1" || properties.value("retries") == Some("0") {
            properties.set("enable.idempotence", "false");
        }
        for (name, value) in properties_file(options, "producer.config", context)?.iter() {
            properties.set(name, value);
        }
        let throughput: i32 = number(options, "throughput")?.unwrap_or(-1);
        let create_time = number(options, "message-create-time")?;
        Ok(Self {
            topic,
            messages_max: u64::try_from(max).unwrap_or(u64::MAX),
            throughput: throughput.into(),
            value_prefix: number(options, "value-prefix")?,
            create_time: create_time.filter(|time| *time != -1),
            repeating_keys: keys
                .and_then(|keys| u64::try_from(keys).ok())
                .filter(|it| 0 < *it),
            properties,
        })
    }
}
