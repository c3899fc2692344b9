//! `kafka-console-consumer`: records of topics on standard output (Kafka's `ConsoleConsumer`).
//!
//! With `--group` it is a member of the group. Without, Kafka's tool makes up a group that nobody
//! else is in; this one reads all partitions of its topics by itself, which comes to the same and
//! waits for no rebalance. Only partitions that are added while it runs are not noticed then.

mod deserializer;
mod formatter;
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use clap::Command;
use ringbrook_client::Admin;
use ringbrook_client::config::{AdminConfig, ConsumerConfig, Properties};
use ringbrook_client::consumer::Consumer;
use ringbrook_client::serialization::BytesSerializer;

use self::formatter::Formatter;
use self::reading::{Limits, assign, read, subscribe};
use crate::client_properties::{Renamed, from_file_and_pairs, pairs};
use crate::frame::{Context, Failure, Options, Tool, flag, run_async, value, values};

/// `kafka-console-consumer`.
pub const TOOL: Tool = Tool {
    name: "console-consumer",
    about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
    examples: &[
        (
            "All of a topic, and what comes",
            "--bootstrap-server localhost:9092 --topic orders --from-beginning",
        ),
        (
            "Ten records from an offset on, with keys and offsets",
            "--bootstrap-server localhost:9092 --topic orders --partition 0 --offset 42 \
             --max-messages 10 --formatter-property print.key=true \
             --formatter-property print.offset=true",
        ),
    ],
    options,
    run,
    has_json: false,
};

const PROPERTY: Renamed = Renamed {
    name: "command-property",
    former: "consumer-property",
};
const CONFIG: Renamed = Renamed {
    name: "command-config",
    former: "consumer.config",
};
const FORMATTER_PROPERTY: Renamed = Renamed {
    name: "formatter-property",
    former: "property",
};

fn options(command: Command) -> Command {
    let command = command
        .arg(value(
            "bootstrap-server",
            "server to connect to",
            "REQUIRED: The server(s) to connect to.",
        ))
        .arg(value("topic", "topic", "The topic to consume from."))
        .arg(value(
            "include",
            "regex",
            "Consume from all topics whose names match.",
        ))
        .arg(value(
            "partition",
            "partition",
            "The partition to consume from, from its end unless --offset is given.",
        ))
        .arg(value(
            "offset",
            "consume offset",
            "Where to begin: an offset, earliest or latest.",
        ))
        .arg(flag(
            "from-beginning",
            "Begin with the first record, not with the next.",
        ))
        .arg(value(
            "max-messages",
            "num_messages",
            "End after so many records.",
        ))
        .arg(value(
            "timeout-ms",
            "timeout_ms",
            "End when no record comes for so long.",
        ))
        .arg(value(
            "group",
            "consumer group id",
            "The consumer group id.",
        ))
        .arg(value(
            "isolation-level",
            "level",
            "read_committed leaves out records of transactions that are open or aborted.",
        ));
    format_options(command)
}

fn format_options(command: Command) -> Command {
    command
        .arg(values(
            "formatter-property",
            "prop",
            "What is shown, as in print.key=true: print.timestamp, .key, .offset, .partition, \
             .headers, .value; key.separator, line.separator, headers.separator, null.literal, \
             key.deserializer, value.deserializer, headers.deserializer.",
        ))
        .arg(values(
            "property",
            "prop",
            "DEPRECATED: use --formatter-property.",
        ))
        .arg(value(
            "formatter-config",
            "config file",
            "A file of such properties.",
        ))
        .arg(value(
            "formatter",
            "class",
            "One of Kafka's own formatters.",
        ))
        .arg(value(
            "key-deserializer",
            "class",
            "One of Kafka's own deserializers.",
        ))
        .arg(value(
            "value-deserializer",
            "class",
            "One of Kafka's own deserializers.",
        ))
        .arg(flag(
            "skip-message-on-error",
            "Pass over records that cannot be shown.",
        ))
        .arg(flag("enable-systest-events", "Say when it shuts down."))
        .arg(values(
            "command-property",
            "consumer_prop",
            "A property of the consumer.",
        ))
        .arg(values(
            "consumer-property",
            "consumer_prop",
            "DEPRECATED: use --command-property.",
        ))
        .arg(value(
            "command-config",
            "config file",
            "A file of the consumer's properties.",
        ))
        .arg(value(
            "consumer.config",
            "config file",
            "DEPRECATED: use --command-config.",
        ))
}

/// Where reading begins, when `--partition` or nothing else says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Earliest,
    Latest,
    At(i64),
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    check(options)?;
    let property = PROPERTY.given(options, "Option", context)?;
    let config = CONFIG.given(options, "Option", context)?;
    let (file, pairs) = (options.text(config), options.texts(property));
    let mut properties = from_file_and_pairs(file, &pairs)?;
    let group = group(options, file, &pairs)?;
    let start = start(options)?;
    set_properties(options, group.as_deref(), &mut properties)?;
    let formatter = formatter(options, context)?;
    context.flush()?;
    let servers = properties.value("bootstrap.servers").unwrap_or_default();
    let admin = Properties::new().with("bootstrap.servers", servers);
    let admin = AdminConfig::from_properties(&admin)?;
    let config = context.lenient(properties, ConsumerConfig::from_properties)?;
    let max = options
        .number("max-messages")?
        .filter(|max: &i64| *max != -1);
    let timeout = options.number::<i64>("timeout-ms")?;
    let limits = Limits {
        records_max: max.map(|max| u64::try_from(max).unwrap_or(0)),
        timeout: timeout
            .and_then(|ms| u64::try_from(ms).ok())
            .map(Duration::from_millis),
        skips_errors: options.has("skip-message-on-error"),
    };
    let ended = run_async(async {
        let consumer: Consumer<Bytes, Bytes> =
            Consumer::new(config, BytesSerializer, BytesSerializer)?;
        match group {
            Some(_) => subscribe(&consumer, options)?,
            None => assign(&consumer, &Admin::new(admin)?, start, options).await?,
        }
        let ended = read(&consumer, &formatter, &limits, context).await;
        let closed = consumer.close().await;
        ended?;
        Ok(closed?)
    });
    if options.has("enable-systest-events") {
        context.line("shutdown_complete")?;
    }
    ended
}

fn check(options: &Options<'_>) -> Result<(), Failure> {
    let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
    if options.count(&["topic", "include"]) != 1 {
        return usage("Exactly one of the following arguments is required: [topic], [include]");
    }
    if options.has("partition") {
        if !options.has("topic") {
            return usage("The topic is required when partition is specified.");
        }
        if options.has("from-beginning") && options.has("offset") {
            return usage("Options from-beginning and offset cannot be specified together.");
        }
    } else if options.has("offset") {
        return usage("The partition is required when offset is specified.");
    }
    options.require(&["bootstrap-server"])?;
    PROPERTY.check(options, [PROPERTY.former, PROPERTY.name])?;
    CONFIG.check(options, [CONFIG.former, CONFIG.name])?;
    FORMATTER_PROPERTY.check(
        options,
        [FORMATTER_PROPERTY.former, FORMATTER_PROPERTY.name],
    )
}

/// The group to be in. It may be named in several places, but then everywhere the same.
fn group(
    options: &Options<'_>,
    file: Option<&str>,
    pairs: &[&str],
) -> Result<Option<String>, Failure> {
    const NAME: &str = "group.id";
    let in_file = from_file_and_pairs(file, &[])?;
    let in_pairs = from_file_and_pairs(None, pairs)?;
    let named = [
        options.text("group"),
        in_file.value(NAME),
        in_pairs.value(NAME),
    ];
    let groups: BTreeSet<&str> = named.into_iter().flatten().collect();
    if 1 < groups.len() {
        let groups: Vec<_> = groups.iter().map(|group| format!("'{group}'")).collect();
        return Err(Failure::Usage(format!(
            "The group ids provided in different places (directly using '--group', via \
             '--consumer-property', or via '--consumer.config') do not match. Detected group ids: \
             {}",
            groups.join(", ")
        )));
    }
    if !groups.is_empty() && options.has("partition") {
        return Err(Failure::Usage(
            "Options group and partition cannot be specified together.".to_owned(),
        ));
    }
    Ok(groups.first().map(|group| (*group).to_owned()))
}

fn start(options: &Options<'_>) -> Result<Start, Failure> {
    let Some(text) = options.text("offset") else {
        return Ok(if options.has("from-beginning") {
            Start::Earliest
        } else {
            Start::Latest
        });
    };
    match text.to_lowercase().as_str() {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        number => match number.parse() {
            Ok(offset) if 0 <= offset => Ok(Start::At(offset)),
            _ => Err(Failure::Usage(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', \
                 'latest', or a non-negative long."
            ))),
        },
    }
}

fn set_properties(
    options: &Options<'_>,
    group: Option<&str>,
    properties: &mut Properties,
) -> Result<(), Failure> {
    let is_from_beginning = options.has("from-beginning");
    if let Some(reset) = properties.value("auto.offset.reset") {
        if is_from_beginning && reset != "earliest" {
            return Err(Failure::Message(format!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', \
                 please remove one option"
            )));
        }
    } else {
        let reset = if is_from_beginning {
            "earliest"
        } else {
            "latest"
        };
        properties.set("auto.offset.reset", reset);
    }
    let servers = options.text("bootstrap-server").unwrap_or_default();
    properties.set("bootstrap.servers", servers);
    properties.set_default("client.id", "console-consumer");
    match options.text("isolation-level") {
        Some(level) => properties.set("isolation.level", level),
        None => properties.set_default("isolation.level", "read_uncommitted"),
    }
    match group {
        Some(group) => properties.set("group.id", group),
        // There is nowhere to commit to.
        None => properties.set("enable.auto.commit", "false"),
    }
    Ok(())
}

fn formatter(options: &Options<'_>, context: &mut Context) -> Result<Formatter, Failure> {
    let property = FORMATTER_PROPERTY.given(options, "Option", context)?;
    let file = from_file_and_pairs(options.text("formatter-config"), &[])?;
    let mut properties: BTreeMap<String, String> = file
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (option, name) in [
        ("key-deserializer", "key.deserializer"),
        ("value-deserializer", "value.deserializer"),
    ] {
        if let Some(class) = options.text(option) {
            properties.insert(name.to_owned(), class.to_owned());
        }
    }
    for (name, value) in pairs(&options.texts(property)) {
        properties.insert(name.to_owned(), value.to_owned());
    }
    let class = options
        .text("formatter")
        .unwrap_or("DefaultMessageFormatter");
    let is_terminal = context.is_out_terminal();
    let mut warn = |text: String| context.warn(text);
    Formatter::named(class, &properties, is_terminal, &mut warn)
        .ok_or_else(|| Failure::Usage(class.to_owned()))
}
