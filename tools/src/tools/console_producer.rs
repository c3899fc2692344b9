//! `kafka-console-producer`: a record for each line of standard input (Kafka's `ConsoleProducer`).

mod line_reader;

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal};
use std::sync::mpsc as sync_mpsc;

use bytes::Bytes;
use clap::Command;
use ringbrook_client::config::{ProducerConfig, Properties};
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_client::{ClientError, Header};
use tokio::sync::mpsc;

use self::line_reader::LineReader;
use crate::client_properties::{Renamed, from_file_and_pairs, pairs};
use crate::frame::{
    Context, Failure, Options, Tool, flag, message_of, optional_value, run_async, stopped, value,
    values,
};

/// `kafka-console-producer`.
pub const TOOL: Tool = Tool {
    name: "console-producer",
    about: "This tool helps to read data from standard input and publish it to Kafka.",
    examples: &[
        (
            "A record for each line",
            "--bootstrap-server localhost:9092 --topic orders",
        ),
        (
            "With keys, as in key:value",
            "--bootstrap-server localhost:9092 --topic orders --reader-property parse.key=true \
             --reader-property key.separator=:",
        ),
    ],
    options,
    run,
    has_json: false,
};

const PROPERTY: Renamed = Renamed {
    name: "command-property",
    former: "producer-property",
};
const CONFIG: Renamed = Renamed {
    name: "command-config",
    former: "producer.config",
};
const READER_PROPERTY: Renamed = Renamed {
    name: "reader-property",
    former: "property",
};

/// Options that stand for properties of the producer, with their defaults here, which are not those
/// of the producer itself.
const AS_PROPERTIES: [(&str, &str, &str); 10] = [
    ("timeout", "linger.ms", "1000"),
    ("request-required-acks", "acks", "-1"),
    ("request-timeout-ms", "request.timeout.ms", "1500"),
    ("message-send-max-retries", "retries", "3"),
    ("retry-backoff-ms", "retry.backoff.ms", "100"),
    ("max-memory-bytes", "buffer.memory", "33554432"),
    ("batch-size", "batch.size", "16384"),
    ("max-partition-memory-bytes", "batch.size", "16384"),
    ("metadata-expiry-ms", "metadata.max.age.ms", "300000"),
    ("max-block-ms", "max.block.ms", "60000"),
];

/// Lines that wait for the producer: enough for it never to wait, few enough to cost nothing.
const LINES_MAX: usize = 1024;

fn options(command: Command) -> Command {
    let command = command
        .arg(value(
            "topic",
            "topic",
            "REQUIRED: The topic to produce to.",
        ))
        .arg(value(
            "bootstrap-server",
            "server to connect to",
            "REQUIRED: The servers to connect to, as in HOST1:PORT1,HOST2:PORT2.",
        ))
        .arg(flag(
            "sync",
            "Wait for each record to be written before the next is sent.",
        ))
        .arg(optional_value(
            "compression-codec",
            "compression-codec",
            "none, gzip (also without a value), snappy, lz4 or zstd.",
        ))
        .arg(values(
            "reader-property",
            "prop",
            "How lines are read: parse.key, key.separator, parse.headers, headers.delimiter, \
             headers.separator, headers.key.separator, ignore.error, null.marker.",
        ))
        .arg(values(
            "property",
            "prop",
            "DEPRECATED: use --reader-property.",
        ))
        .arg(value(
            "reader-config",
            "config file",
            "A file of such properties.",
        ))
        .arg(value(
            "line-reader",
            "reader_class",
            "Only Kafka's own, LineMessageReader.",
        ));
    client_options(command)
}

fn client_options(command: Command) -> Command {
    let command = command
        .arg(values(
            "command-property",
            "producer_prop",
            "A property of the producer, as in linger.ms=5.",
        ))
        .arg(values(
            "producer-property",
            "producer_prop",
            "DEPRECATED: use --command-property.",
        ))
        .arg(value(
            "command-config",
            "config file",
            "A file of the producer's properties.",
        ))
        .arg(value(
            "producer.config",
            "config file",
            "DEPRECATED: use --command-config.",
        ))
        .arg(value(
            "socket-buffer-size",
            "size",
            "Not used: the kernel sizes buffers itself.",
        ));
    AS_PROPERTIES
        .iter()
        .fold(command, |command, (option, property, _)| {
            command.arg(value(
                option,
                property,
                "The producer's property of the name shown.",
            ))
        })
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    options.require(&["topic"])?;
    CONFIG.check(options, [CONFIG.name, CONFIG.former])?;
    PROPERTY.check(options, [PROPERTY.name, PROPERTY.former])?;
    READER_PROPERTY.check(options, [READER_PROPERTY.name, READER_PROPERTY.former])?;
    let property = PROPERTY.given(options, "Warning:", context)?;
    let config = CONFIG.given(options, "Warning:", context)?;
    let reader_property = READER_PROPERTY.given(options, "Warning:", context)?;
    if options.has("max-partition-memory-bytes") {
        context.line(
            "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache \
             Kafka 5.0. Use --batch-size instead.",
        )?;
    }
    context.flush()?;
    if options
        .text("bootstrap-server")
        .unwrap_or_default()
        .trim()
        .is_empty()
    {
        return Err(Failure::Usage(
            "Error while validating the bootstrap address\n".to_owned(),
        ));
    }
    let reader = reader(options, reader_property)?;
    let properties = from_file_and_pairs(options.text(config), &options.texts(property))?;
    let properties = producer_properties(options, properties);
    let config = context.lenient(properties, ProducerConfig::from_properties)?;
    run_async(produce(config, reader, options, context))
}

fn reader(options: &Options<'_>, property: &str) -> Result<LineReader, Failure> {
    if let Some(class) = options.text("line-reader")
        && class.rsplit('.').next() != Some("LineMessageReader")
    {
        return Err(Failure::Message(format!(
            "java.lang.ClassNotFoundException: {class}"
        )));
    }
    let file = from_file_and_pairs(options.text("reader-config"), &[])?;
    let mut properties: BTreeMap<String, String> = file
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, value) in pairs(&options.texts(property)) {
        properties.insert(name.to_owned(), value.to_owned());
    }
    LineReader::new(&properties)
}

/// What options say comes before files, and files come before this tool's defaults.
fn producer_properties(options: &Options<'_>, mut properties: Properties) -> Properties {
    for (option, property, default) in AS_PROPERTIES {
        match options.text(option) {
            Some(value) => properties.set(property, value),
            None => properties.set_default(property, default),
        }
    }
    let codec = match options.text("compression-codec") {
        None | Some("") if options.has("compression-codec") => "gzip",
        codec => codec.unwrap_or("none"),
    };
    properties.set("compression.type", codec);
    properties.set(
        "bootstrap.servers",
        options.text("bootstrap-server").unwrap_or_default(),
    );
    properties.set_default("client.id", "console-producer");
    properties
}

/// Reads lines in a thread of their own, as reading standard input blocks. The thread ends with the
/// process.
fn lines() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    let is_terminal = io::stdin().is_terminal();
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            if is_terminal {
                // Errors of a prompt are nothing to end for.
                drop(io::Write::write_all(&mut io::stderr(), b">"));
            }
            let mut line = Vec::new();
            let read = match input.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {
                    if line.last() == Some(&b'\n') {
                        line.pop();
                    }
                    if line.last() == Some(&b'\r') {
                        line.pop();
                    }
                    Ok(line)
                }
                Err(error) => Err(error),
            };
            let is_over = read.is_err();
            if sender.blocking_send(read).is_err() || is_over {
                return;
            }
        }
    });
    receiver
}

async fn produce(
    config: ProducerConfig,
    mut reader: LineReader,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let topic = options.text("topic").unwrap_or_default();
    let producer = Producer::builder(config).build()?;
    let (failed, failures) = sync_mpsc::channel();
    let sending = async {
        let mut lines = lines();
        while let Some(line) = lines.recv().await {
            let line = line.map_err(|error| {
                Failure::Message(format!("cannot read the standard input: {error}"))
            })?;
            let line = reader.read(&line)?;
            let mut record = ProducerRecord::<Bytes, Bytes>::of(topic, line.key, line.value);
            for (key, value) in line.headers {
                record.headers.add(match value {
                    Some(value) => Header::new(key, value),
                    None => Header::null(key),
                });
            }
            if options.has("sync") {
                producer.send(record).await?.await?;
                continue;
            }
            let about = about(&record);
            let told = failed.clone();
            let failed_later = about.clone();
            let callback = move |result: Result<_, ClientError>| {
                if let Err(error) = result {
                    drop(told.send((failed_later, error)));
                }
            };
            if let Err(error) = producer.send_with(record, callback).await {
                drop(failed.send((about, error)));
            }
            tell(&failures, topic, context);
        }
        Ok(())
    };
    let sent = tokio::select! {
        sent = sending => sent,
        code = stopped() => Err(Failure::Exit(code)),
    };
    // What was read before an error is sent all the same.
    producer.close().await?;
    tell(&failures, topic, context);
    sent
}

/// The sizes of a record, for messages about it.
fn about(record: &ProducerRecord<Bytes, Bytes>) -> String {
    let size = |bytes: &Option<Bytes>| {
        bytes.as_ref().map_or_else(
            || "null".to_owned(),
            |bytes| format!("{} bytes", bytes.len()),
        )
    };
    format!("key: {}, value: {}", size(&record.key), size(&record.value))
}

fn tell(failures: &sync_mpsc::Receiver<(String, ClientError)>, topic: &str, context: &mut Context) {
    for (about, error) in failures.try_iter() {
        context.warn(format_args!(
            "Error when sending message to topic {topic} with {about} with error: {}",
            message_of(&error)
        ));
    }
}
