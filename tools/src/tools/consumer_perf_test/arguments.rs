//! The command line of the consumer's performance test.

use clap::Command;
use ringbrook_client::clock::now_ms;
use ringbrook_client::config::Properties;

use crate::client_properties::from_file_and_pairs;
use crate::frame::{Context, Failure, Options, flag, optional_value, value, values};
use crate::perf::DateFormat;

/// What is to be measured.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) topic: Option<String>,
    /// A regular expression over topics.
    pub(super) include: Option<String>,
    pub(super) num_records: u64,
    /// How long no record may come.
    pub(super) timeout_ms: i64,
    pub(super) reporting_interval_ms: i64,
    pub(super) shows_details: bool,
    pub(super) hides_header: bool,
    pub(super) prints_metrics: bool,
    pub(super) date_format: DateFormat,
    /// Of the consumer.
    pub(super) properties: Properties,
}

/// The options.
pub(super) fn options(command: Command) -> Command {
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
            "num-records",
            "count",
            "REQUIRED: The number of records to consume.",
        ))
        .arg(value("messages", "count", "DEPRECATED: use --num-records."))
        .arg(value(
            "group",
            "gid",
            "The group id; a random one unless given.",
        ))
        .arg(flag(
            "from-latest",
            "Without committed offsets, begin with the next record, not with the first.",
        ))
        .arg(flag("print-metrics", "Print the consumer's counters."))
        .arg(flag(
            "show-detailed-stats",
            "Print a line for each reporting interval.",
        ))
        .arg(flag("hide-header", "Do not print the columns' names."));
    client_options(command)
}

fn client_options(command: Command) -> Command {
    command
        .arg(
            optional_value(
                "timeout",
                "milliseconds",
                "How long no record may come before it ends.",
            )
            .default_value("10000"),
        )
        .arg(
            value(
                "reporting-interval",
                "interval_ms",
                "How often the state is printed.",
            )
            .default_value("5000"),
        )
        .arg(
            value(
                "date-format",
                "date format",
                "The form of times, which are in UTC: y, M, d, H, m, s and S.",
            )
            .default_value("yyyy-MM-dd HH:mm:ss:SSS"),
        )
        .arg(
            value(
                "fetch-size",
                "size",
                "Bytes to fetch from a partition at once, at most.",
            )
            .default_value("1048576"),
        )
        .arg(
            value(
                "socket-buffer-size",
                "size",
                "Bytes that the socket's buffer holds.",
            )
            .default_value("2097152"),
        )
        .arg(values(
            "command-property",
            "prop1=val1",
            "A property of the consumer, before those of --command-config.",
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

impl Arguments {
    /// Reads and checks the options; those that are deprecated are warned of.
    pub(super) fn new(options: &Options<'_>, context: &mut Context) -> Result<Self, Failure> {
        options.require(&["bootstrap-server"])?;
        for pair in [["topic", "include"], ["messages", "num-records"]] {
            if options.count(&pair) != 1 {
                let [one, other] = pair;
                return Err(Failure::Usage(format!(
                    "Exactly one of the following arguments is required: [{one}], [{other}]"
                )));
            }
        }
        options.exclude("consumer.config", &["command-config"])?;
        if options.has("messages") {
            context.line("Warning: --messages is deprecated. Use --num-records instead.")?;
        }
        if options.has("consumer.config") {
            context
                .line("Warning: --consumer.config is deprecated. Use --command-config instead.")?;
        }
        let named = match options.has("messages") {
            true => "messages",
            false => "num-records",
        };
        let records: i64 = options.number(named)?.unwrap_or_default();
        let interval: i64 = options.number("reporting-interval")?.unwrap_or_default();
        if interval <= 0 {
            return Err(Failure::Message(
                "Reporting interval must be greater than 0.".to_owned(),
            ));
        }
        let pattern = options.text("date-format").unwrap_or_default();
        Ok(Self {
            topic: options.text("topic").map(str::to_owned),
            include: options.text("include").map(str::to_owned),
            num_records: u64::try_from(records).unwrap_or_default(),
            timeout_ms: options.number("timeout")?.unwrap_or_default(),
            reporting_interval_ms: interval,
            shows_details: options.has("show-detailed-stats"),
            hides_header: options.has("hide-header"),
            prints_metrics: options.has("print-metrics"),
            date_format: DateFormat::new(pattern).map_err(Failure::Message)?,
            properties: properties(options)?,
        })
    }
}

fn properties(options: &Options<'_>) -> Result<Properties, Failure> {
    let file = options
        .text("consumer.config")
        .or_else(|| options.text("command-config"));
    let mut properties = from_file_and_pairs(file, &options.texts("command-property"))?;
    let text = |name: &str| options.text(name).unwrap_or_default();
    properties.set("bootstrap.servers", text("bootstrap-server"));
    let group = match options.text("group") {
        Some(group) => group.to_owned(),
        None => format!("perf-consumer-{}", now_ms().rem_euclid(100_000)),
    };
    properties.set("group.id", group);
    properties.set("receive.buffer.bytes", text("socket-buffer-size"));
    properties.set("max.partition.fetch.bytes", text("fetch-size"));
    let reset = match options.has("from-latest") {
        true => "latest",
        false => "earliest",
    };
    properties.set("auto.offset.reset", reset);
    properties.set("check.crcs", "false");
    properties.set_default("client.id", "perf-consumer-client");
    Ok(properties)
}
