//! `kafka-verifiable-producer`: sends increasing numbers and says of each, as a line of JSON, what
//! became of it (Kafka's `VerifiableProducer`).

mod arguments;

use std::sync::Arc;

use ringbrook_client::ClientError;
use ringbrook_client::clock::now_ms;
use ringbrook_client::config::ProducerConfig;
use ringbrook_client::producer::{Producer, ProducerRecord, RecordMetadata};
use ringbrook_client::serialization::StringSerializer;
use serde::Serialize;
use tokio::sync::mpsc;

use self::arguments::Arguments;
pub(super) use self::arguments::{number, properties_file, required};
use crate::event::Event;
use crate::frame::{
    Context, Failure, Options, Tool, exception_name, message_of, run_async, stopped,
};
use crate::perf::Rate;

/// `kafka-verifiable-producer`.
pub const TOOL: Tool = Tool {
    name: "verifiable-producer",
    about: "This tool produces increasing integers to the specified topic and prints JSON metadata \
            to stdout on each \"send\" request, making externally visible which messages have been \
            acked and which have not.",
    examples: &[(
        "Ten thousand numbers, a thousand a second",
        "--bootstrap-server localhost:9092 --topic numbers --max-messages 10000 --throughput 1000",
    )],
    options: arguments::options,
    run,
    has_json: false,
};

#[derive(Serialize)]
struct Sent {
    key: Option<String>,
    value: String,
    offset: i64,
    topic: String,
    partition: i32,
}

#[derive(Serialize)]
struct NotSent {
    topic: String,
    key: Option<String>,
    value: String,
    exception: String,
    message: String,
}

#[derive(Serialize)]
struct ToolData {
    sent: u64,
    acked: u64,
    target_throughput: i64,
    avg_throughput: f64,
}

/// What became of a record.
struct Told {
    key: Option<String>,
    value: String,
    result: Result<RecordMetadata, ClientError>,
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let arguments = Arguments::new(options, context)?;
    let config = context.lenient(
        arguments.properties.clone(),
        ProducerConfig::from_properties,
    )?;
    run_async(produce(arguments, config, context))
}

async fn produce(
    arguments: Arguments,
    config: ProducerConfig,
    context: &mut Context,
) -> Result<(), Failure> {
    let producer = Producer::builder(config)
        .key_serializer(StringSerializer)
        .value_serializer(StringSerializer)
        .build()?;
    let topic: Arc<str> = arguments.topic.as_str().into();
    let throughput = arguments.throughput;
    let begun_ms = now_ms();
    Event::plain("startup_complete").print(context)?;
    let (sender, mut told) = mpsc::unbounded_channel();
    let mut counts = Counts::default();
    let mut code = None;
    let mut sending = Box::pin(send_all(arguments, &topic, &producer, sender));
    loop {
        tokio::select! {
            () = &mut sending => break,
            Some(it) = told.recv() => counts.tell(it, &topic, context)?,
            stopped = stopped() => {
                code = Some(stopped);
                break;
            }
        }
    }
    drop(sending);
    producer.close().await?;
    while let Ok(it) = told.try_recv() {
        counts.tell(it, &topic, context)?;
    }
    Event::plain("shutdown_complete").print(context)?;
    let elapsed_ms = (now_ms() - begun_ms) as f64;
    let data = ToolData {
        sent: counts.acked + counts.failed,
        acked: counts.acked,
        target_throughput: throughput,
        avg_throughput: 1000.0 * (counts.acked as f64 / elapsed_ms),
    };
    Event::new("tool_data", data).print(context)?;
    code.map_or(Ok(()), |code| Err(Failure::Exit(code)))
}

async fn send_all(
    arguments: Arguments,
    topic: &Arc<str>,
    producer: &Producer<String, String>,
    told: mpsc::UnboundedSender<Told>,
) {
    let begun_ms = now_ms();
    let mut rate = Rate::new(arguments.throughput as f64);
    let mut create_time = arguments.create_time;
    for number in 0..arguments.messages_max {
        let key = arguments
            .repeating_keys
            .map(|keys| (number % keys).to_string());
        let value = match arguments.value_prefix {
            Some(prefix) => format!("{prefix}.{number}"),
            None => number.to_string(),
        };
        let mut record = ProducerRecord::of(Arc::clone(topic), key.clone(), Some(value.clone()));
        if let Some(time) = &mut create_time {
            record = record.with_timestamp(*time);
            *time += now_ms() - begun_ms;
        }
        let tell = {
            let (told, key, value) = (told.clone(), key.clone(), value.clone());
            move |result| drop(told.send(Told { key, value, result }))
        };
        if let Err(error) = producer.send_with(record, tell).await {
            let result = Err(error);
            drop(told.send(Told { key, value, result }));
        }
        rate.pace(number).await;
    }
}

#[derive(Default)]
struct Counts {
    acked: u64,
    failed: u64,
}

impl Counts {
    fn tell(&mut self, told: Told, topic: &Arc<str>, context: &mut Context) -> Result<(), Failure> {
        let Told { key, value, result } = told;
        match result {
            Ok(metadata) => {
                self.acked += 1;
                let sent = Sent {
                    key,
                    value,
                    offset: metadata.offset,
                    topic: metadata.topic.to_string(),
                    partition: metadata.partition,
                };
                Event::new("producer_send_success", sent).print(context)
            }
            Err(error) => {
                self.failed += 1;
                let not_sent = NotSent {
                    topic: topic.to_string(),
                    key,
                    value,
                    exception: format!("class {}", exception_class(&error)),
                    message: message_of(&error),
                };
                Event::new("producer_send_error", not_sent).print(context)
            }
        }
    }
}

/// The class of Kafka's exception for the error.
fn exception_class(error: &ClientError) -> String {
    match error {
        ClientError::Broker(error) => exception_name(error.code),
        ClientError::Timeout { .. } => "org.apache.kafka.common.errors.TimeoutException".to_owned(),
        _ => "org.apache.kafka.common.KafkaException".to_owned(),
    }
}
