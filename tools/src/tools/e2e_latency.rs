//! `kafka-e2e-latency`: how long one record takes from being sent to being read (Kafka's
//! `EndToEndLatency`).

mod arguments;

use std::time::Duration;

use bytes::Bytes;
use clap::ArgMatches;
use ringbrook_client::admin::{CreateTopicsOptions, NewTopic};
use ringbrook_client::config::{AdminConfig, ConsumerConfig, ProducerConfig, Properties};
use ringbrook_client::consumer::{Consumer, ConsumerRecord};
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_client::serialization::BytesSerializer;
use ringbrook_client::{Admin, Header, Headers, TopicPartition};
use tokio::time::Instant;

use self::arguments::Arguments;
use crate::frame::{Context, Failure, Options, Tool, run_on_two, stopped};
use crate::perf::{fixed, percentile_index};

/// `kafka-e2e-latency`.
pub const TOOL: Tool = Tool {
    name: "e2e-latency",
    about: "This tool measures end-to-end latency in Kafka by sending messages and timing their \
            reception.",
    examples: &[(
        "A thousand records of 512 bytes, one after the other",
        "--bootstrap-server localhost:9092 --topic latency --num-records 1000 --producer-acks all \
         --record-size 512",
    )],
    options: arguments::options,
    run,
    has_json: false,
};

/// How long a record may take.
const POLL_MAX: Duration = Duration::from_secs(60);

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let legacy = options.texts(arguments::POSITIONAL);
    if legacy.is_empty() || arguments::has_named(options) {
        return run_named(options, context);
    }
    let named = arguments::named(&legacy, context)?;
    context.flush()?;
    let command = TOOL.command("e2e-latency").no_binary_name(true);
    let matches: ArgMatches = command
        .try_get_matches_from(named)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    run_named(&Options::new(&matches), context)
}

fn run_named(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let arguments = Arguments::new(options)?;
    let with = |pairs: &[(&str, &str)]| {
        let mut properties = arguments.properties.clone();
        for (name, value) in pairs {
            properties.set(*name, *value);
        }
        properties
    };
    let consumer = with(&[
        ("auto.offset.reset", "latest"),
        ("enable.auto.commit", "false"),
        // Nothing may be put off.
        ("fetch.max.wait.ms", "0"),
    ]);
    let producer = with(&[("linger.ms", "0"), ("acks", &arguments.acks)]);
    let consumer = context.lenient(consumer, ConsumerConfig::from_properties)?;
    let producer = context.lenient(producer, ProducerConfig::from_properties)?;
    let servers = Properties::new().with(
        "bootstrap.servers",
        arguments
            .properties
            .value("bootstrap.servers")
            .unwrap_or_default(),
    );
    let admin = AdminConfig::from_properties(&servers)?;
    run_on_two(async {
        tokio::select! {
            done = measure(&arguments, admin, consumer, producer, context) => done,
            code = stopped() => Err(Failure::Exit(code)),
        }
    })
}

async fn measure(
    arguments: &Arguments,
    admin: AdminConfig,
    consumer: ConsumerConfig,
    producer: ProducerConfig,
    context: &mut Context,
) -> Result<(), Failure> {
    create_topic(&Admin::new(admin)?, &arguments.topic, context).await?;
    let consumer: Consumer<Bytes, Bytes> =
        Consumer::new(consumer, BytesSerializer, BytesSerializer)?;
    go_to_end(&consumer, &arguments.topic).await?;
    let producer = Producer::builder(producer).build()?;
    let mut latencies = Vec::new();
    let mut letters = (b'A'..=b'Z').cycle();
    for number in 0..arguments.num_records {
        let mut next = |bytes| Bytes::from(vec![letters.next().unwrap_or_default(); bytes]);
        let mut record = ProducerRecord::<Bytes, Bytes>::of(
            arguments.topic.as_str(),
            Some(next(arguments.key_bytes)),
            Some(next(arguments.value_bytes)),
        );
        for _ in 0..arguments.headers {
            let key = String::from_utf8_lossy(&next(arguments.header_key_bytes)).into_owned();
            record.headers.add(match arguments.header_value_bytes {
                Some(bytes) => Header::new(key, next(bytes)),
                None => Header::null(key),
            });
        }
        let expected = (
            record.key.clone(),
            record.value.clone(),
            record.headers.clone(),
        );
        let begun = Instant::now();
        producer.send(record).await?.await?;
        let records = consumer.poll(POLL_MAX).await?;
        let elapsed = begun.elapsed();
        check(expected, records.into_iter().collect())?;
        if number % 1000 == 0 {
            let ms = elapsed.as_secs_f64() * 1000.0;
            context.line(format_args!("{number}\t{ms}"))?;
            context.flush()?;
        }
        latencies.push(elapsed);
    }
    for line in summary(latencies) {
        context.line(line)?;
    }
    producer.close().await?;
    Ok(consumer.close().await?)
}

async fn create_topic(admin: &Admin, topic: &str, context: &mut Context) -> Result<(), Failure> {
    let topics = admin.list_topics(true).await?;
    if topics.iter().any(|it| it.name == topic) {
        return Ok(());
    }
    context.line(format_args!(
        "Topic \"{topic}\" does not exist. Will create topic with 1 partition(s) and replication \
         factor = 1"
    ))?;
    let new = NewTopic::new(topic).partitions(1).replication_factor(1);
    let created = admin
        .create_topics(&[new], CreateTopicsOptions::default())
        .await;
    let created = created.all();
    if created.is_err() {
        context.line(format_args!("Creation of topic {topic} failed"))?;
    }
    created?;
    Ok(())
}

/// Takes all partitions and their ends as positions.
async fn go_to_end(consumer: &Consumer<Bytes, Bytes>, topic: &str) -> Result<(), Failure> {
    let found = consumer.partitions_for(topic).await?;
    let partitions: Vec<_> = found
        .iter()
        .map(|it| TopicPartition::new(topic, it.partition))
        .collect();
    consumer.assign(partitions.iter().cloned())?;
    consumer.seek_to_end(&partitions)?;
    for partition in &partitions {
        consumer.position(partition).await?;
    }
    Ok(())
}

/// Fails unless what was read is what was sent, and nothing else.
fn check(
    (key, value, headers): (Option<Bytes>, Option<Bytes>, Headers),
    records: Vec<ConsumerRecord<Bytes, Bytes>>,
) -> Result<(), Failure> {
    let fail = |text: String| Err(Failure::Message(text));
    let text = |bytes: &Option<Bytes>| match bytes {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => "null".to_owned(),
    };
    let Some(record) = records.first() else {
        return fail(format!(
            "poll() timed out before finding a result (timeout:[{}ms])",
            POLL_MAX.as_millis()
        ));
    };
    for (what, sent, read) in [("value", &value, &record.value), ("key", &key, &record.key)] {
        if sent != read {
            return fail(format!(
                "The message {what} read [{}] did not match the message {what} sent [{}]",
                text(read),
                text(sent)
            ));
        }
    }
    if record.headers != headers {
        return fail("The message headers read did not match those sent".to_owned());
    }
    match records.len() {
        1 => Ok(()),
        count => fail(format!(
            "Only one result was expected during this test. We found [{count}]"
        )),
    }
}

fn summary(mut latencies: Vec<Duration>) -> [String; 2] {
    latencies.sort_unstable();
    let sum: Duration = latencies.iter().sum();
    let average = sum.as_secs_f64() * 1000.0 / latencies.len() as f64;
    let percentile = |share: f64| {
        let index = percentile_index(latencies.len(), share);
        latencies.get(index).map_or(0, Duration::as_millis)
    };
    [
        format!("Avg latency: {} ms", fixed(average, 4)),
        format!(
            "Percentiles: 50th = {}, 99th = {}, 99.9th = {}",
            percentile(0.5),
            percentile(0.99),
            percentile(0.999)
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_summed_up() {
        let latencies = (1..=10).rev().map(Duration::from_millis).collect();
        let [average, percentiles] = summary(latencies);
        assert_eq!(average, "Avg latency: 5.5000 ms");
        assert_eq!(percentiles, "Percentiles: 50th = 6, 99th = 10, 99.9th = 10");
    }

    #[test]
    fn silence_is_a_failure() {
        let error = check((None, None, Headers::default()), Vec::new());
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("poll() timed out"), "{error}");
    }
}
