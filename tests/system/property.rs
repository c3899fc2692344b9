//! L4: whatever several producers send is read back by any sequence of fetches, with dense offsets
//! and equal bytes but for base offset and leader epoch.

use anyhow::{Context, ensure};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_protocol::messages::{FetchRequest, ProduceRequest};
use ringbrook_record::{Codec, HEADER_BYTES};
use ringbrook_tests::{
    Client, SharedBroker, builder, by_name, error, fetch_request, produce_request, single_fetched,
    single_produced, stored_as, topic_name, unique,
};

use crate::seeded::runner;

const PARTITIONS: usize = 2;
const PRODUCERS: usize = 4;
const CASES: u32 = 40;
const VERSION: i16 = 9;

#[derive(Debug, Clone)]
struct Produce {
    producer: usize,
    partition: usize,
    codec: Codec,
    /// Length of each record's value.
    values: Vec<usize>,
    is_idempotent: bool,
}

#[derive(Debug, Clone)]
enum Operation {
    /// All sent before any answer is read, each producer on a connection of its own.
    Burst(Vec<Produce>),
    /// From a place in 0..=1 of the log, with limits for the response and the partition.
    Fetch {
        partition: usize,
        place: f64,
        max_bytes: i32,
        partition_max_bytes: i32,
    },
}

/// What the log of a partition must hold.
#[derive(Debug, Default)]
struct Model {
    /// Base offset and stored bytes of each batch, leader epoch included.
    batches: Vec<(i64, Bytes)>,
    end: i64,
}

fn produce() -> impl Strategy<Value = Produce> {
    let codec = proptest::sample::select(Codec::ALL.to_vec());
    let values = prop_oneof![
        8 => proptest::collection::vec(0..200_usize, 1..20),
        1 => proptest::collection::vec(10_000..60_000_usize, 1..4),
    ];
    (0..PRODUCERS, 0..PARTITIONS, codec, values, any::<bool>()).prop_map(
        |(producer, partition, codec, values, is_idempotent)| Produce {
            producer,
            partition,
            codec,
            values,
            is_idempotent,
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let bytes = || prop_oneof![1 => 0..200, 2 => 200..5000, 1 => 5000..2_000_000];
    prop_oneof![
        proptest::collection::vec(produce(), 1..8).prop_map(Operation::Burst),
        (0..PARTITIONS, 0.0..1.0, bytes(), bytes()).prop_map(
            |(partition, place, max_bytes, partition_max_bytes)| Operation::Fetch {
                partition,
                place,
                max_bytes,
                partition_max_bytes,
            }
        ),
    ]
}

struct Case<'a> {
    broker: &'a SharedBroker,
    topic: String,
    leader_epoch: i32,
    producers: Vec<(Client, (i64, i16))>,
    /// The next sequence number by producer and partition.
    sequences: [[i32; PARTITIONS]; PRODUCERS],
    models: [Model; PARTITIONS],
    count: usize,
}

impl<'a> Case<'a> {
    /// Small segments and dense indices, so that fetches cross both; durable or not.
    fn begin(broker: &'a SharedBroker, is_durable: bool) -> anyhow::Result<Self> {
        let topic = unique("property");
        let mut configs = vec![
            ("segment.bytes", "1048576"),
            ("index.interval.bytes", "300"),
        ];
        if broker.process().is_some() {
            configs.push((
                "flush.before.ack",
                if is_durable { "true" } else { "false" },
            ));
        }
        broker
            .client()?
            .create_topic(&topic, i32::try_from(PARTITIONS)?, &configs)?;
        let leader_epoch = broker.client()?.list_offset(&topic, 0, -1)?.leader_epoch;
        let producers = (0..PRODUCERS).map(|_| {
            let mut client = broker.client()?;
            let id = client.init_producer_id()?;
            Ok((client, id))
        });
        Ok(Self {
            broker,
            topic,
            leader_epoch,
            producers: producers.collect::<anyhow::Result<_>>()?,
            sequences: Default::default(),
            models: Default::default(),
            count: 0,
        })
    }

    fn batch(&mut self, produce: &Produce) -> anyhow::Result<Bytes> {
        let values: Vec<_> = produce
            .values
            .iter()
            .map(|len| {
                self.count += 1;
                format!("{}:{}", self.count, "v".repeat(*len))
            })
            .collect();
        let mut builder = builder(&values);
        if produce.is_idempotent {
            let sequence = &mut self.sequences[produce.producer][produce.partition];
            let (id, epoch) = self.producers[produce.producer].1;
            builder = builder.producer(id, epoch, *sequence);
            *sequence += i32::try_from(values.len())?;
        }
        Ok(builder.finish(produce.codec, None)?.freeze())
    }

    fn burst(&mut self, burst: &[Produce]) -> anyhow::Result<()> {
        let mut sent = Vec::new();
        for produce in burst {
            let batch = self.batch(produce)?;
            let partition = i32::try_from(produce.partition)?;
            let request = produce_request(by_name(&self.topic), partition, -1, batch.clone());
            let wire = self.producers[produce.producer].0.wire();
            sent.push((produce, batch, wire.send(&request, VERSION)?));
        }
        let mut appended: [Vec<(i64, Bytes, i64)>; PARTITIONS] = Default::default();
        for (produce, batch, correlation_id) in sent {
            let wire = self.producers[produce.producer].0.wire();
            let response = wire.receive::<ProduceRequest>(correlation_id, VERSION)?;
            let produced = single_produced(response)?;
            ensure!(
                produced.error_code == 0,
                "not produced: {:?}",
                error(produced.error_code)
            );
            let count = i64::try_from(produce.values.len())?;
            appended[produce.partition].push((produced.base_offset, batch, count));
        }
        for (model, mut appended) in self.models.iter_mut().zip(appended) {
            appended.sort_by_key(|(base_offset, ..)| *base_offset);
            for (base_offset, batch, count) in appended {
                ensure!(
                    base_offset == model.end,
                    "{base_offset} follows {}",
                    model.end
                );
                let stored = stored_as(&batch, base_offset, self.leader_epoch);
                model.batches.push((base_offset, stored));
                model.end += count;
            }
        }
        Ok(())
    }

    fn fetch(
        &self,
        partition: usize,
        offset: i64,
        max_bytes: i32,
        partition_max_bytes: i32,
    ) -> anyhow::Result<i64> {
        let topic = FetchTopic::default().with_topic(topic_name(&self.topic));
        let mut request: FetchRequest =
            fetch_request(topic, &[(i32::try_from(partition)?, offset)]).with_max_bytes(max_bytes);
        request.topics[0].partitions[0].partition_max_bytes = partition_max_bytes;
        let fetched = single_fetched(self.broker.client()?.call(&request, 12)?)?;
        ensure!(
            fetched.error_code == 0,
            "not fetched: {:?}",
            error(fetched.error_code)
        );
        let bytes = fetched.records.context("records are null")?;
        let model = &self.models[partition];
        ensure!(
            fetched.high_watermark == model.end,
            "high watermark {}",
            fetched.high_watermark
        );
        let first = model
            .batches
            .partition_point(|(base_offset, _)| *base_offset <= offset);
        let first = first.saturating_sub(1);
        if offset == model.end {
            ensure!(bytes.is_empty(), "{} bytes behind the end", bytes.len());
            return Ok(offset);
        }
        let expected: BytesMut = model.batches[first..]
            .iter()
            .flat_map(|(_, stored)| stored.clone())
            .collect();
        ensure!(
            expected.starts_with(&bytes),
            "other bytes than produced from {offset}"
        );
        let (_, first_batch) = &model.batches[first];
        ensure!(
            first_batch.len() <= bytes.len(),
            "no progress from {offset}"
        );
        let limit = usize::try_from(max_bytes.min(partition_max_bytes))?;
        ensure!(
            bytes.len() <= limit.max(first_batch.len()),
            "{} bytes",
            bytes.len()
        );
        Ok(next_offset(&bytes, offset))
    }

    /// Reads every partition from its beginning with small limits, as a consumer does.
    fn read_through(&self) -> anyhow::Result<()> {
        for partition in 0..PARTITIONS {
            let mut offset = 0;
            while offset < self.models[partition].end {
                let next = self.fetch(partition, offset, i32::MAX, 30_000)?;
                ensure!(offset < next, "no progress from {offset}");
                offset = next;
            }
        }
        Ok(())
    }

    fn run(&mut self, operations: &[Operation]) -> anyhow::Result<()> {
        for operation in operations {
            match operation {
                Operation::Burst(burst) => self.burst(burst)?,
                Operation::Fetch {
                    partition,
                    place,
                    max_bytes,
                    partition_max_bytes,
                } => {
                    let end = self.models[*partition].end;
                    let offset = scale(end, *place);
                    self.fetch(*partition, offset, *max_bytes, *partition_max_bytes)?;
                }
            }
        }
        self.read_through()
    }
}

/// The offset at `place`, in 0..1, of a log that ends at `end`, which is one of them.
#[expect(clippy::cast_possible_truncation, reason = "test logs are short")]
#[expect(clippy::cast_precision_loss, reason = "test logs are short")]
fn scale(end: i64, place: f64) -> i64 {
    ((end + 1) as f64 * place) as i64
}

/// The offset behind the last whole batch in `bytes`.
fn next_offset(bytes: &[u8], offset: i64) -> i64 {
    ringbrook_record::Batches::new(bytes)
        .filter_map(Result::ok)
        .filter(|batch| HEADER_BYTES <= batch.bytes.len())
        .map(|batch| batch.header.last_offset() + 1)
        .last()
        .unwrap_or(offset)
}

#[test]
fn any_produces_are_read_back_by_any_fetches() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let operations = (any::<bool>(), proptest::collection::vec(operation(), 1..25));
    let outcome = runner(CASES).run(&operations, |(is_durable, operations)| {
        let ran = Case::begin(&broker, is_durable).and_then(|mut case| case.run(&operations));
        ran.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
    outcome.map_err(|error| anyhow::anyhow!("{error}"))
}
