//! `kafka-console-consumer`: records of topics on standard output (Kafka's `ConsoleConsumer`).
//!
//! It reads all partitions of its topics by itself and joins no group: without `--group`, Kafka's
//! tool makes up a group that nobody else is in, which comes to the same. Partitions that are added
//! while it runs are not noticed. `--group` needs a consumer that joins groups and is refused.

mod deserializer;
mod formatter;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use clap::Command;
use regex::Regex;
use ringbrook_client::config::{AdminConfig, ConsumerConfig, Properties};
use ringbrook_client::consumer::{Consumer, ConsumerRecord, TimestampType};
use ringbrook_client::serialization::BytesSerializer;
use ringbrook_client::{Admin, TopicPartition};
use ringbrook_record::NO_TIMESTAMP;

use self::formatter::{Formatter, Shown};
use crate::client_properties::{Renamed, from_file_and_pairs, pairs};
use crate::frame::{Context, Failure, Options, Tool, flag, message_of, run_async, value, values};

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

/// How long one poll waits: output that is not full is flushed at least so often.
const POLL_MAX: Duration = Duration::from_millis(500);

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
    let mut properties = from_file_and_pairs(options.text(config), &options.texts(property))?;
    let is_in_group = options.has("group") || properties.value("group.id").is_some();
    if is_in_group && options.has("partition") {
        return Err(Failure::Usage(
            "Options group and partition cannot be specified together.".to_owned(),
        ));
    }
    let start = start(options)?;
    set_properties(options, &mut properties)?;
    let formatter = formatter(options, context)?;
    context.flush()?;
    if is_in_group {
        return Err(Failure::Message(
            "rbk's console-consumer cannot join a group: leave out --group to read without one"
                .to_owned(),
        ));
    }
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
        begin(&consumer, &Admin::new(admin)?, start, options).await?;
        let ended = read(&consumer, &formatter, &limits, context).await;
        consumer.close().await?;
        ended
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

fn set_properties(options: &Options<'_>, properties: &mut Properties) -> Result<(), Failure> {
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
    // Without a group there is nowhere to commit to.
    properties.set("enable.auto.commit", "false");
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

/// When reading ends by itself.
struct Limits {
    records_max: Option<u64>,
    timeout: Option<Duration>,
    skips_errors: bool,
}

/// Assigns what the options name and goes to where reading begins.
async fn begin(
    consumer: &Consumer<Bytes, Bytes>,
    admin: &Admin,
    start: Start,
    options: &Options<'_>,
) -> Result<(), Failure> {
    if let (Some(topic), Some(partition)) = (options.text("topic"), options.number("partition")?) {
        let partition = TopicPartition::new(topic, partition);
        consumer.assign([partition.clone()])?;
        match start {
            Start::Earliest => consumer.seek_to_beginning(&[partition])?,
            Start::Latest => consumer.seek_to_end(&[partition])?,
            Start::At(offset) => consumer.seek(&partition, offset)?,
        }
        return Ok(());
    }
    let topics = match options.text("include") {
        Some(pattern) => matching(admin, pattern).await?,
        None => vec![options.text("topic").unwrap_or_default().to_owned()],
    };
    let mut partitions = Vec::new();
    for topic in topics {
        let found = consumer.partitions_for(&topic).await?;
        let found = found
            .iter()
            .map(|it| TopicPartition::new(topic.as_str(), it.partition));
        partitions.extend(found);
    }
    Ok(consumer.assign(partitions)?)
}

/// The topics whose whole names match.
async fn matching(admin: &Admin, pattern: &str) -> Result<Vec<String>, Failure> {
    let regex = Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|error| Failure::Usage(format!("--include {pattern}: {error}")))?;
    let topics = admin.list_topics(true).await?.into_iter();
    let names = topics.map(|topic| topic.name);
    let found: Vec<_> = names.filter(|name| regex.is_match(name)).collect();
    if found.is_empty() {
        return Err(Failure::Message(format!(
            "no topic matches {pattern}; `rbk topics --list` shows which there are"
        )));
    }
    Ok(found)
}

async fn read(
    consumer: &Consumer<Bytes, Bytes>,
    formatter: &Formatter,
    limits: &Limits,
    context: &mut Context,
) -> Result<(), Failure> {
    let mut count = 0;
    let ended = tokio::select! {
        ended = read_on(consumer, formatter, limits, &mut count, context) => ended,
        stopped = tokio::signal::ctrl_c() => {
            drop(stopped);
            Err(Failure::Exit(130))
        }
    };
    if matches!(ended, Err(Failure::ClosedPipe)) {
        context.warn("Unable to write to standard out, closing consumer.");
    }
    context.warn(format_args!("Processed a total of {count} messages"));
    ended
}

async fn read_on(
    consumer: &Consumer<Bytes, Bytes>,
    formatter: &Formatter,
    limits: &Limits,
    count: &mut u64,
    context: &mut Context,
) -> Result<(), Failure> {
    let mut last = tokio::time::Instant::now();
    let mut text = Vec::new();
    while limits.records_max.is_none_or(|max| *count < max) {
        let records = match consumer.poll(POLL_MAX).await {
            Ok(records) => records,
            Err(error) => {
                // As Kafka's tool, which ends without an error then.
                context.warn(format_args!(
                    "Error processing message, terminating consumer process: {}",
                    message_of(&error)
                ));
                return Ok(());
            }
        };
        let now = tokio::time::Instant::now();
        if !records.is_empty() {
            last = now;
        } else if limits.timeout.is_some_and(|timeout| timeout < now - last) {
            context.warn(
                "Error processing message, terminating consumer process: \
                 org.apache.kafka.common.errors.TimeoutException",
            );
            return Ok(());
        }
        for record in records {
            if limits.records_max.is_some_and(|max| max <= *count) {
                break;
            }
            *count += 1;
            text.clear();
            match show(&record, formatter, &mut text) {
                Ok(Some(log_line)) => context.warn(log_line),
                Ok(None) => {}
                Err(error) if limits.skips_errors => context.warn(format_args!(
                    "Error processing message, skipping this message: {error}"
                )),
                Err(error) => return Err(Failure::Message(error)),
            }
            context.out().write_all(&text)?;
        }
        context.flush()?;
    }
    Ok(())
}

fn show(
    record: &ConsumerRecord<Bytes, Bytes>,
    formatter: &Formatter,
    text: &mut Vec<u8>,
) -> Result<Option<String>, String> {
    let kind = match record.timestamp_type {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    let headers: Vec<_> = record
        .headers
        .iter()
        .map(|header| (header.key(), header.value().map(Bytes::as_ref)))
        .collect();
    let shown = Shown {
        timestamp: (record.timestamp != NO_TIMESTAMP).then_some((kind, record.timestamp)),
        partition: record.partition,
        offset: record.offset,
        headers: &headers,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
    };
    formatter.write(&shown, text)
}
