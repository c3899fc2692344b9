//! The command line of the producer's performance test.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Command;
use ringbrook_client::config::Properties;
use uuid::Uuid;

use super::payload::Payloads;
use crate::client_properties::from_file_and_pairs;
use crate::frame::{Context, Failure, Options, flag, uuid_text, value};
use crate::perf::several;

/// How long a transaction lasts when nothing says.
const TRANSACTION_DURATION_MS: i64 = 3000;

/// What records hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    /// So many random letters.
    Size(usize),
    /// One of the parts of a file.
    File { path: PathBuf, delimiter: String },
    /// Their numbers.
    Monotonic,
}

/// What is to be measured.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) topic: String,
    pub(super) num_records: u64,
    pub(super) warmup_records: u64,
    pub(super) payloads: Payloads,
    /// Records per second; negative for as many as possible.
    pub(super) throughput: f64,
    pub(super) reporting_interval_ms: i64,
    pub(super) prints_metrics: bool,
    /// None without transactions.
    pub(super) transaction_duration_ms: Option<i64>,
    /// Of the producer.
    pub(super) properties: Properties,
}

/// The options.
pub(super) fn options(command: Command) -> Command {
    let command = command
        .arg(value(
            "bootstrap-server",
            "BOOTSTRAP-SERVER",
            "The servers to connect to; comes before bootstrap.servers of properties.",
        ))
        .arg(value("topic", "TOPIC", "Produce records to this topic."))
        .arg(value(
            "num-records",
            "NUM-RECORDS",
            "Number of records to produce.",
        ))
        .arg(value(
            "record-size",
            "RECORD-SIZE",
            "Record size in bytes; exactly one of this, --payload-file and --payload-monotonic.",
        ))
        .arg(value(
            "payload-file",
            "PAYLOAD-FILE",
            "A UTF-8 text file; each record holds one of its parts, chosen at random.",
        ))
        .arg(flag("payload-monotonic", "Each record holds its number."))
        .arg(
            value(
                "payload-delimiter",
                "PAYLOAD-DELIMITER",
                "What parts the payload file.",
            )
            .default_value("\\n"),
        )
        .arg(value(
            "throughput",
            "THROUGHPUT",
            "Records per second, approximately; -1 for as many as possible.",
        ));
    client_options(command)
}

fn client_options(command: Command) -> Command {
    command
        .arg(several(
            "command-property",
            "PROP-NAME=PROP-VALUE",
            "Properties of the producer, before those of --command-config.",
        ))
        .arg(several(
            "producer-props",
            "PROP-NAME=PROP-VALUE",
            "DEPRECATED: use --command-property.",
        ))
        .arg(value(
            "command-config",
            "CONFIG-FILE",
            "A file of the producer's properties.",
        ))
        .arg(value(
            "producer.config",
            "CONFIG-FILE",
            "DEPRECATED: use --command-config.",
        ))
        .arg(flag(
            "print-metrics",
            "Print the producer's counters at the end.",
        ))
        .arg(value(
            "transactional-id",
            "TRANSACTIONAL-ID",
            "The transactional id; without one, but with --transaction-duration-ms, it is random.",
        ))
        .arg(value(
            "transaction-duration-ms",
            "TRANSACTION-DURATION",
            "How long each transaction lasts; 3000 unless given.",
        ))
        .arg(
            value(
                "warmup-records",
                "WARMUP-RECORDS",
                "So many records at first do not count; a second summary leaves them out.",
            )
            .default_value("0"),
        )
        .arg(
            value(
                "reporting-interval",
                "INTERVAL-MS",
                "How often the state is printed.",
            )
            .default_value("5000"),
        )
}

fn usage<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Usage(text.into()))
}

/// A number, in the words of Kafka's parser of this tool if it is none.
fn number<T: FromStr>(options: &Options<'_>, name: &str) -> Result<Option<T>, Failure> {
    let Some(text) = options.text(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => usage(format!("argument --{name}: could not convert '{text}'")),
    }
}

fn required<T>(found: Option<T>, name: &str) -> Result<T, Failure> {
    match found {
        Some(found) => Ok(found),
        None => usage(format!("argument --{name} is required")),
    }
}

/// A number that must be more than nothing.
fn positive(found: i64, name: &str) -> Result<u64, Failure> {
    match u64::try_from(found) {
        Ok(found) if 0 < found => Ok(found),
        _ => usage(format!("--{name} should be greater than zero.")),
    }
}

impl Arguments {
    /// Reads and checks the options; those that are deprecated are warned of.
    pub(super) fn new(options: &Options<'_>, context: &mut Context) -> Result<Self, Failure> {
        let topic = required(options.text("topic"), "topic")?.to_owned();
        let num_records = required(number::<i64>(options, "num-records")?, "num-records")?;
        let throughput = required(number::<f64>(options, "throughput")?, "throughput")?;
        let num_records = positive(num_records, "num-records")?;
        let warmup: i64 = number(options, "warmup-records")?.unwrap_or_default();
        let warmup_records = u64::try_from(warmup).unwrap_or_default();
        if num_records <= warmup_records {
            return usage(
                "The value for --warmup-records must be strictly fewer than the number of records \
                 in the test, --num-records.",
            );
        }
        let payload = payload(options)?;
        check(options)?;
        let mut duration_ms = number::<i64>(options, "transaction-duration-ms")?;
        if let Some(duration) = duration_ms {
            positive(duration, "transaction-duration-ms")?;
        }
        let interval = number::<i64>(options, "reporting-interval")?.unwrap_or_default();
        positive(interval, "reporting-interval")?;
        // In the order in which Kafka's tool tells of both.
        let payloads = Payloads::new(&payload, context)?;
        let mut properties = properties(options, context)?;
        let transactional_id = properties.value("transactional.id").map(str::to_owned);
        let transactional_id = options
            .text("transactional-id")
            .map(str::to_owned)
            .or(transactional_id);
        if transactional_id.is_some() || duration_ms.is_some() {
            let id = transactional_id
                .unwrap_or_else(|| format!("performance-producer-{}", uuid_text(Uuid::new_v4())));
            properties.set("transactional.id", id);
            duration_ms = duration_ms.or(Some(TRANSACTION_DURATION_MS));
        }
        Ok(Self {
            topic,
            num_records,
            warmup_records,
            payloads,
            throughput,
            reporting_interval_ms: interval,
            prints_metrics: options.has("print-metrics"),
            transaction_duration_ms: duration_ms,
            properties,
        })
    }
}

fn payload(options: &Options<'_>) -> Result<Payload, Failure> {
    const ALL: [&str; 3] = ["record-size", "payload-file", "payload-monotonic"];
    if 1 < options.count(&ALL) {
        return usage(
            "exactly one of --record-size, --payload-file and --payload-monotonic may be given",
        );
    }
    if options.has("payload-monotonic") {
        return Ok(Payload::Monotonic);
    }
    if let Some(path) = options.text("payload-file") {
        let delimiter = match options.text("payload-delimiter") {
            Some("\\n") | None => "\n",
            Some(delimiter) => delimiter,
        };
        return Ok(Payload::File {
            path: path.into(),
            delimiter: delimiter.to_owned(),
        });
    }
    match number::<i32>(options, "record-size")? {
        None => usage(
            "one of the arguments --record-size --payload-file --payload-monotonic is required",
        ),
        Some(size) => {
            let size = positive(size.into(), "record-size")?;
            Ok(Payload::Size(usize::try_from(size).unwrap_or(usize::MAX)))
        }
    }
}

fn check(options: &Options<'_>) -> Result<(), Failure> {
    let sources = [
        "bootstrap-server",
        "command-property",
        "producer-props",
        "producer.config",
        "command-config",
    ];
    if options.count(&sources) == 0 {
        return usage(
            "At least one of --bootstrap-server, --command-property, --producer-props, \
             --producer.config or --command-config must be specified.",
        );
    }
    for [name, former] in [
        ["command-property", "producer-props"],
        ["command-config", "producer.config"],
    ] {
        if options.has(name) && options.has(former) {
            return usage(format!(
                "--{name} and --{former} cannot be specified together."
            ));
        }
    }
    Ok(())
}

fn properties(options: &Options<'_>, context: &mut Context) -> Result<Properties, Failure> {
    let mut names = ["command-property", "command-config"];
    for (name, former) in names.iter_mut().zip(["producer-props", "producer.config"]) {
        if options.has(former) {
            context.line(format_args!(
                "Option --{former} has been deprecated and will be removed in a future version. \
                 Use --{name} instead."
            ))?;
            *name = former;
        }
    }
    let [pairs, file] = names;
    let pairs = options.texts(pairs);
    if let Some(wrong) = pairs.iter().find(|pair| pair.matches('=').count() != 1) {
        return Err(Failure::Message(format!("Invalid property: {wrong}")));
    }
    let mut properties = from_file_and_pairs(options.text(file), &pairs)?;
    if let Some(servers) = options.text("bootstrap-server") {
        properties.set("bootstrap.servers", servers);
    }
    properties.set_default("client.id", "perf-producer-client");
    Ok(properties)
}
