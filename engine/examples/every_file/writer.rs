//! Writes a log dir with every kind of file and record the engine can write, through its public
//! API only: all codecs, leader epochs, segments, idempotent producers, transactions that commit,
//! abort and stay open, and a transaction coordinator's own topic. The bytes are the same in every
//! run but for the directory's id and the order in snapshots. Called by the example's `main` and by
//! a test that holds today's bytes against those of a release.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use ringbrook_engine::io::UringDisk;
use ringbrook_engine::{
    AppendContext, CleanupPolicy, LogConfig, LogDirs, LogManager, LogManagerOptions, ManualClock,
    Origin, PartitionLog,
};
use ringbrook_record::{BatchBuilder, Codec, EndTransactionMarker, Header};
use uuid::Uuid;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// 2025-06-15; every time in the files is at or after it.
const START_MS: i64 = 1_750_000_000_000;
const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];

/// Writes into an empty or absent directory; the logs are still open afterwards.
pub(crate) fn write(dir: PathBuf) -> Outcome<Arc<LogManager<UringDisk>>> {
    let dirs = LogDirs::open(&UringDisk, &[dir], 1, Some("AAAAAAAAAAAAAAAAAAAAAA"))?;
    let clock = Arc::new(ManualClock::new(START_MS));
    let options = LogManagerOptions::default();
    let config = &|_: &str| config(false);
    let (manager, _) = LogManager::open(UringDisk, dirs, options, clock, config)?;
    write_codecs(&manager)?;
    write_epochs(&manager)?;
    write_transactions(&manager)?;
    write_coordinator(&manager)?;
    Ok(manager)
}

/// Small segments with many index entries.
fn config(is_compacted: bool) -> LogConfig {
    LogConfig {
        segment_bytes: 4096,
        index_interval_bytes: 300,
        retention_ms: -1,
        cleanup_policy: CleanupPolicy {
            delete: !is_compacted,
            compact: is_compacted,
        },
        ..LogConfig::default()
    }
}

/// One log of the directory, and who leads it.
struct Target {
    log: Arc<PartitionLog<UringDisk>>,
    leader_epoch: i32,
    now_ms: i64,
}

impl Target {
    fn create(
        manager: &LogManager<UringDisk>,
        topic: &str,
        partition: i32,
        config: LogConfig,
    ) -> Outcome<Self> {
        let topic_id = Uuid::from_u128(u128::from(crc32c::crc32c(topic.as_bytes())) << 64);
        let log = manager.create_log(topic, partition, topic_id, config)?;
        Ok(Self {
            log,
            leader_epoch: 0,
            now_ms: START_MS,
        })
    }

    fn append(&mut self, batch: Bytes, origin: Origin) -> Outcome<()> {
        self.now_ms += 100;
        let ctx = AppendContext {
            leader_epoch: self.leader_epoch,
            origin,
            now_ms: self.now_ms,
        };
        if let Some(drain) = self.log.append(batch, ctx)?.drain {
            drain.run_blocking();
        }
        self.log.advance_high_watermark(i64::MAX);
        Ok(())
    }

    /// A batch of three records: plain, of nulls, and with headers.
    fn produce(&mut self, mut builder: BatchBuilder, codec: Codec) -> Outcome<()> {
        let text = "the quick brown fox jumps over the lazy dog; ".repeat(3);
        let header = |key: &'static str, value| Header {
            key: key.as_bytes(),
            value,
        };
        let headers = [
            header("twice", Some(b"1".as_slice())),
            header("twice", Some(b"2")),
            header("null", None),
        ];
        let none: [Header<'_>; 0] = [];
        builder.append(self.now_ms, Some(b"key"), Some(text.as_bytes()), none)?;
        builder.append(self.now_ms + 2, None, None, none)?;
        builder.append(self.now_ms + 1, Some(b"headers"), Some(b""), headers)?;
        self.append(builder.finish(codec, None)?.freeze(), Origin::Client)
    }

    fn end(&mut self, producer_id: i64, is_commit: bool, coordinator_epoch: i32) -> Outcome<()> {
        let marker = EndTransactionMarker {
            is_commit,
            coordinator_epoch,
        };
        let batch = marker.build_batch(producer_id, 0, self.now_ms)?;
        self.append(batch.freeze(), Origin::Coordinator)
    }
}

fn write_codecs(manager: &LogManager<UringDisk>) -> Outcome<()> {
    for (partition, codec) in (0..).zip(CODECS) {
        let mut target = Target::create(manager, "codecs", partition, config(false))?;
        for _ in 0..20 {
            target.produce(BatchBuilder::new(), codec)?;
        }
    }
    Ok(())
}

/// Idempotent producers under three leaders.
fn write_epochs(manager: &LogManager<UringDisk>) -> Outcome<()> {
    let mut target = Target::create(manager, "epochs", 0, config(false))?;
    for leader_epoch in [0, 1, 5] {
        target.leader_epoch = leader_epoch;
        target.log.assign_epoch_start(leader_epoch)?;
        for round in 0..8 {
            let producer_id = i64::from(leader_epoch) + 40;
            let builder = BatchBuilder::new().producer(producer_id, 0, round * 3);
            target.produce(builder, Codec::None)?;
        }
    }
    Ok(())
}

/// Two producers whose transactions overlap; a third never ends its own.
fn write_transactions(manager: &LogManager<UringDisk>) -> Outcome<()> {
    let mut target = Target::create(manager, "transactions", 0, config(false))?;
    for round in 0..10 {
        for producer_id in [70, 71] {
            let builder = BatchBuilder::new().producer(producer_id, 0, round * 3);
            target.produce(builder.transactional(), Codec::None)?;
        }
        target.end(70, round % 2 == 0, 3)?;
        target.end(71, round % 3 == 0, 3)?;
    }
    let open = BatchBuilder::new().producer(72, 4, 0).transactional();
    target.produce(open, Codec::None)?;
    target.produce(BatchBuilder::new(), Codec::None)
}

/// The records of a transaction coordinator: Empty, Ongoing, PrepareAbort, CompleteAbort, and a
/// removal.
fn write_coordinator(manager: &LogManager<UringDisk>) -> Outcome<()> {
    const STATES: [u8; 4] = [0, 1, 3, 5];
    let mut target = Target::create(manager, "__transaction_state", 0, config(true))?;
    for id in ["payments", "orders"] {
        let mut key = BytesMut::new();
        key.put_i16(0);
        put_string(&mut key, id)?;
        for state in STATES.map(Some).into_iter().chain([None]) {
            let value = state.map(transaction_value).transpose()?;
            let mut builder = BatchBuilder::new();
            let none: [Header<'_>; 0] = [];
            builder.append(target.now_ms, Some(&key), value.as_deref(), none)?;
            let batch = builder.finish(Codec::None, None)?.freeze();
            target.append(batch, Origin::Coordinator)?;
        }
    }
    Ok(())
}

/// Kafka's `TransactionLogValue` version 0.
fn transaction_value(state: u8) -> Outcome<BytesMut> {
    const EMPTY: u8 = 0;
    let mut value = BytesMut::new();
    value.put_i16(0);
    value.put_i64(70);
    value.put_i16(0);
    value.put_i32(60_000);
    value.put_u8(state);
    if state == EMPTY {
        value.put_i32(-1);
    } else {
        value.put_i32(1);
        put_string(&mut value, "transactions")?;
        value.put_i32(1);
        value.put_i32(0);
    }
    value.put_i64(START_MS);
    value.put_i64(if state == EMPTY { -1 } else { START_MS });
    Ok(value)
}

fn put_string(out: &mut BytesMut, text: &str) -> Outcome<()> {
    out.put_i16(i16::try_from(text.len())?);
    out.put_slice(text.as_bytes());
    Ok(())
}
