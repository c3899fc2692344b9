//! Batches and logs for tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ringbrook_record::{BatchBuilder, Batches, Codec, EndTransactionMarker, Header};
use uuid::Uuid;

use crate::config::LogConfig;
use crate::error::{AppendError, EngineError};
use crate::io::{DirHealth, Disk, SimDisk};
use crate::log::{
    AppendContext, LogIdentity, LogOpener, OpenHints, OpenReport, Origin, PartitionLog, create_log,
};

pub(crate) const NO_HEADERS: [Header<'static>; 0] = [];
pub(crate) const DATA_DIR: &str = "/data";

/// A producer's batch of `count` records of which each value has `value_bytes` bytes.
pub(crate) fn batch(count: i32, value_bytes: usize) -> Bytes {
    produced(-1, -1, -1, count, value_bytes)
}

/// A batch of an idempotent producer.
pub(crate) fn produced(
    producer_id: i64,
    epoch: i16,
    sequence: i32,
    count: i32,
    value_bytes: usize,
) -> Bytes {
    build(
        BatchBuilder::new().producer(producer_id, epoch, sequence),
        count,
        value_bytes,
        1000,
    )
}

/// A batch within a transaction.
pub(crate) fn transactional(producer_id: i64, epoch: i16, sequence: i32, count: i32) -> Bytes {
    let builder = BatchBuilder::new()
        .producer(producer_id, epoch, sequence)
        .transactional();
    build(builder, count, 10, 1000)
}

/// A batch whose records have `timestamp` and the milliseconds after it.
pub(crate) fn timed(timestamp: i64, count: i32) -> Bytes {
    build(BatchBuilder::new(), count, 10, timestamp)
}

pub(crate) fn build(
    mut builder: BatchBuilder,
    count: i32,
    value_bytes: usize,
    timestamp: i64,
) -> Bytes {
    let value: Vec<u8> = (0..value_bytes)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    for record in 0..count {
        let time = timestamp + i64::from(record);
        let key = record.to_be_bytes();
        builder
            .append(time, Some(&key), Some(&value), NO_HEADERS)
            .unwrap();
    }
    builder.finish(Codec::None, None).unwrap().freeze()
}

/// The marker that ends a producer's transaction.
pub(crate) fn marker(producer_id: i64, epoch: i16, is_commit: bool) -> Bytes {
    let marker = EndTransactionMarker {
        is_commit,
        coordinator_epoch: 0,
    };
    marker
        .build_batch(producer_id, epoch, 1000)
        .unwrap()
        .freeze()
}

pub(crate) fn client() -> AppendContext {
    AppendContext {
        leader_epoch: 0,
        origin: Origin::Client,
        now_ms: 1000,
    }
}

pub(crate) fn coordinator() -> AppendContext {
    AppendContext {
        origin: Origin::Coordinator,
        ..client()
    }
}

/// Where the partition of these tests lies.
pub(crate) fn partition_dir() -> PathBuf {
    Path::new(DATA_DIR).join("t-0")
}

fn identity() -> LogIdentity {
    LogIdentity {
        topic: "t".into(),
        partition: 0,
        topic_id: None,
        dir: partition_dir(),
    }
}

/// A healthy log dir.
pub(crate) fn healthy() -> Arc<DirHealth> {
    Arc::new(DirHealth::new(DATA_DIR.into()))
}

/// A new log on `disk`.
pub(crate) fn create<D: Disk>(disk: &D, config: LogConfig) -> Arc<PartitionLog<D>> {
    try_create(disk, config).unwrap()
}

pub(crate) fn try_create<D: Disk>(
    disk: &D,
    config: LogConfig,
) -> Result<Arc<PartitionLog<D>>, EngineError> {
    let io = |source| EngineError::io("create", Path::new(DATA_DIR), source);
    disk.create_dir_all(Path::new(DATA_DIR)).map_err(io)?;
    disk.sync_dir(Path::new("/")).map_err(io)?;
    create_log(
        disk,
        identity(),
        &healthy(),
        config,
        Uuid::from_u128(7),
        1000,
    )
}

/// What the checkpoints say in these tests: nothing.
pub(crate) fn hints(is_clean: bool) -> OpenHints {
    OpenHints {
        is_clean,
        recovery_point: 0,
        log_start: 0,
        high_watermark: 0,
        now_ms: 1000,
        producer_id_expiration_ms: i64::MAX,
    }
}

/// Opens the log on `disk`.
pub(crate) fn open(
    disk: &SimDisk,
    config: LogConfig,
    hints: OpenHints,
) -> (Arc<PartitionLog<SimDisk>>, OpenReport) {
    try_open(disk, config, hints).unwrap()
}

pub(crate) fn try_open(
    disk: &SimDisk,
    config: LogConfig,
    hints: OpenHints,
) -> Result<(Arc<PartitionLog<SimDisk>>, OpenReport), EngineError> {
    let opener = LogOpener {
        disk,
        identity: identity(),
        health: &healthy(),
        config,
        hints,
    };
    opener.open()
}

/// An append that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) log_append_time_ms: i64,
    pub(crate) is_duplicate: bool,
}

/// Appends and writes; everything published counts as replicated.
pub(crate) fn append<D: Disk>(
    log: &Arc<PartitionLog<D>>,
    records: &Bytes,
    ctx: AppendContext,
) -> Result<Stored, AppendError> {
    let appended = log.append(records.clone(), ctx)?;
    if let Some(drain) = appended.drain {
        drain.run_blocking();
    }
    log.advance_high_watermark(i64::MAX);
    Ok(Stored {
        base_offset: appended.base_offset,
        last_offset: appended.last_offset,
        log_append_time_ms: appended.log_append_time_ms,
        is_duplicate: appended.is_duplicate,
    })
}

/// The stored batches from `start` to the log end, whole.
pub(crate) fn read_all<D: Disk>(log: &Arc<PartitionLog<D>>, start: i64) -> Vec<u8> {
    let (bytes, end) = read_to_last_batch(log, start);
    assert!(
        log.offsets().log_end <= end,
        "a read below the end finds batches"
    );
    bytes
}

/// The stored batches from `start` on, and the offset after them: the log end, or less when a crash
/// took the batches before an empty segment.
pub(crate) fn read_to_last_batch<D: Disk>(
    log: &Arc<PartitionLog<D>>,
    start: i64,
) -> (Vec<u8>, i64) {
    let mut bytes = Vec::new();
    let mut at = start;
    let end = log.offsets().log_end;
    while at < end {
        let slice = log.read_blocking(at, 1 << 30, end, true).unwrap();
        let part = log.load_blocking(&slice).unwrap();
        let Some(last) = Batches::new(&part).last() else {
            break;
        };
        at = last.unwrap().header.last_offset() + 1;
        bytes.extend_from_slice(&part);
    }
    (bytes, at)
}
