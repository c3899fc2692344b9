//! `kafka-verifiable-consumer`: a member of a group that says, as lines of JSON, which partitions
//! it is given, what it reads and what it commits (Kafka's `VerifiableConsumer`).

mod arguments;
mod events;

use std::time::Duration;

use futures_util::future::BoxFuture;
use ringbrook_client::TopicPartition;
use ringbrook_client::config::ConsumerConfig;
use ringbrook_client::consumer::{
    Consumer, ConsumerRecords, OffsetAndMetadata, Offsets, RebalanceContext, RebalanceListener,
};
use ringbrook_client::serialization::StringSerializer;
use tokio::sync::mpsc;

use self::arguments::Arguments;
use self::events::{Committed, Consumed, Partition, Partitions, RecordData, Summary};
use crate::event::Event;
use crate::frame::{Context, Failure, Options, Tool, message_of, run_async, stopped};

/// `kafka-verifiable-consumer`.
pub const TOOL: Tool = Tool {
    name: "verifiable-consumer",
    about: "This tool consumes messages from a specific topic and emits consumer events (e.g. \
            group rebalances, received messages, and offsets committed) as JSON objects to STDOUT.",
    examples: &[(
        "A thousand messages, each with a line of its own",
        "--bootstrap-server localhost:9092 --topic numbers --group-id readers --max-messages 1000 \
         --verbose",
    )],
    options: arguments::options,
    run,
    has_json: false,
};

/// How long one poll waits: long, as everything that happens ends it.
const POLL_MAX: Duration = Duration::from_secs(3600);

type Text = Consumer<String, String>;

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let arguments = Arguments::new(options, context)?;
    let config = context.lenient(
        arguments.properties.clone(),
        ConsumerConfig::from_properties,
    )?;
    run_async(consume(arguments, config, context))
}

/// Says of each rebalance what it did, to whoever prints.
struct Listener(mpsc::UnboundedSender<Event<Partitions>>);

impl Listener {
    fn tell<'a>(&self, name: &'static str, partitions: &[TopicPartition]) -> BoxFuture<'a, ()> {
        // Nobody listens only when all is over.
        drop(self.0.send(Event::new(name, Partitions::of(partitions))));
        Box::pin(std::future::ready(()))
    }
}

impl RebalanceListener for Listener {
    fn on_partitions_assigned<'a>(
        &'a self,
        _: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        self.tell("partitions_assigned", partitions)
    }

    fn on_partitions_revoked<'a>(
        &'a self,
        _: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        self.tell("partitions_revoked", partitions)
    }
}

async fn consume(
    arguments: Arguments,
    config: ConsumerConfig,
    context: &mut Context,
) -> Result<(), Failure> {
    let consumer: Text = Consumer::new(config, StringSerializer, StringSerializer)?;
    Event::plain("startup_complete").print(context)?;
    let (sender, mut events) = mpsc::unbounded_channel();
    consumer.subscribe_with([arguments.topic.as_str()], Listener(sender))?;
    let mut reader = Reader {
        consumer: &consumer,
        arguments: &arguments,
        count: 0,
    };
    let ended = tokio::select! {
        ended = reader.run(&mut events, context) => ended,
        code = stopped() => Err(Failure::Exit(code)),
    };
    let is_stopped = matches!(ended, Err(Failure::Exit(_)));
    if is_stopped {
        Event::plain("shutdown_requested").print(context)?;
    }
    let closed = consumer.close().await;
    while let Ok(event) = events.try_recv() {
        event.print(context)?;
    }
    Event::plain("shutdown_complete").print(context)?;
    if !is_stopped {
        // Kafka's tool says so too when it ends by itself: from the hook that ends it.
        Event::plain("shutdown_requested").print(context)?;
    }
    match ended {
        // As Kafka's tool, which logs an error and ends in order.
        Err(failure) if failure.is_told() => context.warn(failure),
        ended => ended?,
    }
    if let Err(error) = closed {
        context.warn(message_of(&error));
    }
    Ok(())
}

struct Reader<'a> {
    consumer: &'a Text,
    arguments: &'a Arguments,
    count: usize,
}

impl Reader<'_> {
    async fn run(
        &mut self,
        events: &mut mpsc::UnboundedReceiver<Event<Partitions>>,
        context: &mut Context,
    ) -> Result<(), Failure> {
        while self
            .arguments
            .messages_max
            .is_none_or(|max| self.count < max)
        {
            let records = tokio::select! {
                biased;
                Some(event) = events.recv() => {
                    event.print(context)?;
                    continue;
                }
                records = self.consumer.poll(POLL_MAX) => records?,
            };
            while let Ok(event) = events.try_recv() {
                event.print(context)?;
            }
            let offsets = self.received(&records, context)?;
            if !self.arguments.commits_by_itself {
                self.commit(offsets, context).await?;
            }
        }
        Ok(())
    }

    /// Says what was read; gives what to commit.
    fn received(
        &mut self,
        records: &ConsumerRecords<String, String>,
        context: &mut Context,
    ) -> Result<Offsets, Failure> {
        let mut offsets = Offsets::new();
        let mut summaries = Vec::new();
        for (partition, records) in records.by_partition() {
            let left = self.arguments.messages_max.map(|max| max - self.count);
            let taken = left.map_or(records.len(), |left| left.min(records.len()));
            let records = records.get(..taken).unwrap_or_default();
            let (Some(first), Some(last)) = (records.first(), records.last()) else {
                break;
            };
            if self.arguments.is_verbose {
                for record in records {
                    Event::new("record_data", RecordData::of(record)).print(context)?;
                }
            }
            summaries.push(Summary {
                partition: Partition::of(&partition),
                count: records.len(),
                min_offset: first.offset,
                max_offset: last.offset,
            });
            self.count += records.len();
            offsets.insert(partition, OffsetAndMetadata::new(last.offset + 1));
        }
        let consumed = Consumed {
            count: records.count(),
            partitions: summaries,
        };
        Event::new("records_consumed", consumed).print(context)?;
        Ok(offsets)
    }

    async fn commit(&self, offsets: Offsets, context: &mut Context) -> Result<(), Failure> {
        let committed = self.consumer.commit_offsets(offsets.clone()).await;
        let error = committed.err().map(|error| message_of(&error));
        Event::new("offsets_committed", Committed::of(&offsets, error)).print(context)
    }
}
