//! The properties of a producer, by Kafka's names.

use ringbrook_record::Codec;

use super::{Acks, ProducerConfig};
use crate::config::{ConfigError, Parse, Property};

type P = Property<ProducerConfig>;

/// Kafka's `int` properties of bytes and counts.
const INT_MAX: usize = i32::MAX as usize;

pub(super) const BATCHING: &[P] = &[
    P::new(
        "batch.size",
        "16384",
        "When a batch is full, in bytes",
        |c, p| {
            c.batch_size = p.number(0..=INT_MAX)?;
            Ok(())
        },
    ),
    P::new(
        "linger.ms",
        "5",
        "How long a batch waits for more records",
        |c, p| {
            c.linger = p.millis(0)?;
            Ok(())
        },
    ),
    P::new(
        "buffer.memory",
        "33554432",
        "Bytes kept until acknowledged",
        |c, p| {
            c.buffer_memory = p.number(0..=usize::MAX >> 1)?;
            Ok(())
        },
    ),
    P::new(
        "max.block.ms",
        "60000",
        "How long a send may wait",
        |c, p| {
            c.max_block = p.millis(0)?;
            Ok(())
        },
    ),
    P::new(
        "max.request.size",
        "1048576",
        "Bytes of the longest request",
        |c, p| {
            c.max_request_size = p.number(0..=INT_MAX)?;
            Ok(())
        },
    ),
    P::new(
        "compression.type",
        "none",
        "none, gzip, snappy, lz4 or zstd",
        |c, p| {
            let codec = Codec::from_name(p.text.trim());
            c.compression_type =
                codec.ok_or_else(|| p.invalid("none, gzip, snappy, lz4 or zstd"))?;
            Ok(())
        },
    ),
    P::new(
        "compression.gzip.level",
        "-1",
        "1 to 9, -1 for the default",
        |c, p| {
            c.compression_gzip_level = level(p, Codec::Gzip)?;
            Ok(())
        },
    ),
    P::new("compression.lz4.level", "9", "1 to 17", |c, p| {
        c.compression_lz4_level = level(p, Codec::Lz4)?;
        Ok(())
    }),
    P::new("compression.zstd.level", "3", "-131072 to 22", |c, p| {
        c.compression_zstd_level = level(p, Codec::Zstd)?;
        Ok(())
    }),
    P::new(
        "partitioner.adaptive.partitioning.enable",
        "true",
        "Whether records without key prefer fast brokers",
        |c, p| {
            c.partitioner_adaptive_partitioning_enable = p.boolean()?;
            Ok(())
        },
    ),
    P::new(
        "partitioner.availability.timeout.ms",
        "0",
        "When a broker that takes no batch is passed over",
        |c, p| {
            c.partitioner_availability_timeout = p.millis(0)?;
            Ok(())
        },
    ),
    P::new(
        "partitioner.ignore.keys",
        "false",
        "Whether keys choose no partition",
        |c, p| {
            c.partitioner_ignore_keys = p.boolean()?;
            Ok(())
        },
    ),
    P::new(
        "metadata.max.idle.ms",
        "300000",
        "When an unused topic is given up",
        |c, p| {
            c.metadata_max_idle = p.millis(5000)?;
            Ok(())
        },
    ),
];

pub(super) const DELIVERY: &[P] = &[
    P::new(
        "acks",
        "all",
        "all, 1 or 0: when a broker answers",
        |c, p| {
            const WORDS: [(&str, Acks); 4] = [
                ("all", Acks::All),
                ("-1", Acks::All),
                ("1", Acks::Leader),
                ("0", Acks::None),
            ];
            c.acks = p.one_of(&WORDS)?;
            Ok(())
        },
    ),
    P::new(
        "retries",
        "2147483647",
        "How often a batch is tried again",
        |c, p| {
            c.retries = p.number(0..=i32::MAX.unsigned_abs())?;
            Ok(())
        },
    ),
    P::new(
        "delivery.timeout.ms",
        "120000",
        "How long a record may take in all",
        |c, p| {
            c.delivery_timeout = Some(p.millis(0)?);
            Ok(())
        },
    ),
    P::new(
        "max.in.flight.requests.per.connection",
        "5",
        "Requests a broker has not yet answered",
        |c, p| {
            c.max_in_flight_requests_per_connection = p.number(1..=INT_MAX)?;
            Ok(())
        },
    ),
    P::new(
        "enable.idempotence",
        "true",
        "Whether retries make no duplicates",
        |c, p| {
            c.enable_idempotence = Some(p.boolean()?);
            Ok(())
        },
    ),
    P::new(
        "transactional.id",
        "",
        "Makes the producer transactional",
        |c, p| {
            c.transactional_id = p.optional();
            Ok(())
        },
    ),
    P::new(
        "transaction.timeout.ms",
        "60000",
        "When a broker aborts a transaction",
        |c, p| {
            c.transaction_timeout = p.millis(1)?;
            Ok(())
        },
    ),
];

fn level(p: Parse<'_>, codec: Codec) -> Result<i32, ConfigError> {
    let level = p.number(i32::MIN..=i32::MAX)?;
    if codec.accepts_level(level) {
        return Ok(level);
    }
    let expected = codec.levels().map(|levels| {
        let (min, max) = levels.into_inner();
        format!("a level from {min} to {max}")
    });
    Err(p.invalid(expected.unwrap_or_default()))
}
