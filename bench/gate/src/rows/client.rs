//! What the client does with records: choosing partitions, gathering and sealing batches, reading.

use std::hint::black_box;
use std::time::Duration;

use fastrand::Rng;
use ringbrook_client::config::{ConsumerConfig, ProducerConfig};
use ringbrook_client::consumer::probe::ConsumerProbe;
use ringbrook_client::producer::partitioner::{BuiltInPartitioner, partition_for_key};
use ringbrook_client::producer::probe::ProducerProbe;
use ringbrook_record::Codec;

use super::{Row, repeated};
use crate::pieces::{fetched, topic_metadata, value};

const PARTITIONS: i32 = 8;

/// Records into batches, batches to brokers and their answers.
fn produce(name: &str, value_bytes: usize, codec: Codec, is_keyed: bool) -> Row {
    Row::new(format!("client/produce {name}"), move |_| {
        // Partitioners take their randomness from here.
        fastrand::seed(7);
        let config = ProducerConfig {
            linger: Duration::ZERO,
            compression_type: codec,
            ..ProducerConfig::default()
        };
        let topic = topic_metadata(PARTITIONS);
        #[expect(
            clippy::disallowed_methods,
            reason = "a point in time is wanted, whichever"
        )]
        let now = std::time::Instant::now().into();
        let mut probe = ProducerProbe::new(&config, topic, now);
        let value = value(value_bytes);
        move || {
            for number in 0..1000_u32 {
                let key = number.to_be_bytes();
                let key = is_keyed.then_some(&key[..]);
                assert!(probe.append(key, black_box(&value)), "there is memory");
                if number % 100 == 99 {
                    black_box(probe.send_ready().expect("batches are sealed"));
                }
            }
        }
    })
}

fn consume(name: &str, records: usize, record_bytes: usize, codec: Codec) -> Row {
    let name = format!("client/consume {name}, {}", codec.name());
    Row::new(name, move |_| {
        let batches = fetched(4, records, record_bytes, codec);
        let mut probe = ConsumerProbe::new(&ConsumerConfig::default());
        move || {
            let read = probe.read(black_box(batches.clone()));
            assert_eq!(read.expect("batches").len(), 4 * records);
        }
    })
}

fn murmur2() -> Row {
    Row::new("client/partition of a key", |_| {
        || {
            for number in 0..2000_u64 {
                black_box(partition_for_key(
                    black_box(&number.to_be_bytes()),
                    PARTITIONS,
                ));
            }
        }
    })
}

fn sticky() -> Row {
    Row::new("client/sticky partition", |_| {
        let topic = topic_metadata(PARTITIONS);
        let mut partitioner = BuiltInPartitioner::new(16_384, Rng::with_seed(7));
        move || {
            repeated(2000, || {
                let partition = partitioner.partition(black_box(&topic));
                partitioner.update(&topic, 1024, true);
                partition
            });
        }
    })
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        murmur2(),
        sticky(),
        produce("100 B without keys", 100, Codec::None, false),
        produce("100 B with keys", 100, Codec::None, true),
        produce("1 KiB with keys", 1024, Codec::None, true),
        produce("100 B with keys, lz4", 100, Codec::Lz4, true),
        consume("600 x 100 B", 600, 100, Codec::None),
        consume("600 x 100 B", 600, 100, Codec::Lz4),
        consume("60 x 1 KiB", 60, 1024, Codec::None),
    ]
}
