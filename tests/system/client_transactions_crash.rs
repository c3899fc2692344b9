//! kill -9 of our broker while the native client's transactions end: whatever was decided comes to
//! pass, the client learns of it, and all of a transaction is seen or none.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_client::admin::{FeatureUpdate, UpgradeType};
use ringbrook_client::consumer::{ConsumerGroupMetadata, OffsetAndMetadata};
use ringbrook_client::producer::ProducerRecord;
use ringbrook_client::{ClientError, TopicPartition};
use ringbrook_tests::exactly_once::Target;
use ringbrook_tests::{now, wait_until};

use crate::client_admin::admin_of;
use crate::client_transactions::{BytesProducer, committed_offset_at, producer_with, read_settled};

const TOPIC: &str = "killed";
const GROUP: &str = "workers";
const PARTITIONS: i32 = 3;
const KILLS: u32 = 6;
/// Transactions between two kills.
const BETWEEN: i64 = 15;
const DEADLINE: Duration = Duration::from_secs(90);

/// A call is made again while nobody answers in time.
async fn persist<F: Future<Output = Result<(), ClientError>>>(
    mut call: impl FnMut() -> F,
) -> Result<(), ClientError> {
    loop {
        match call().await {
            Err(ClientError::Timeout { .. }) => {}
            ended => return ended,
        }
    }
}

/// One transaction: a record to each partition, and an offset.
async fn write(producer: &BytesProducer, value: i64) -> Result<(), ClientError> {
    producer.begin_transaction()?;
    for partition in 0..PARTITIONS {
        let record = ProducerRecord::new(TOPIC, Bytes::from(value.to_string()));
        drop(producer.send(record.with_partition(partition)).await?);
    }
    let group = ConsumerGroupMetadata::new(GROUP);
    let offset = || {
        let partition = TopicPartition::new(TOPIC, 0);
        [(partition, OffsetAndMetadata::new(value))]
    };
    persist(|| producer.send_offsets_to_transaction(offset(), &group)).await?;
    if value % 5 == 4 {
        // So that what is aborted has been written.
        producer.flush().await;
        return Err(ClientError::TransactionAborted);
    }
    persist(|| producer.commit_transaction()).await
}

/// Writes transaction after transaction; returns the values that were committed.
async fn storm(
    producer: &BytesProducer,
    ended: &AtomicI64,
    is_over: &AtomicBool,
) -> anyhow::Result<Vec<String>> {
    let mut committed = Vec::new();
    for value in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        match write(producer, value).await {
            Ok(()) => committed.push(value.to_string()),
            Err(error) => {
                ensure!(!error.is_fatal(), "{value}: {error}");
                persist(|| producer.abort_transaction()).await?;
            }
        }
        ended.store(value + 1, Ordering::Relaxed);
    }
    Ok(committed)
}

/// Kills the broker again and again, at some moment of a transaction, and starts it anew.
fn hurt(target: &mut Target, ended: &AtomicI64) -> anyhow::Result<()> {
    for _ in 0..KILLS {
        let enough = ended.load(Ordering::Relaxed) + BETWEEN;
        let has_run = wait_until(DEADLINE, || enough <= ended.load(Ordering::Relaxed));
        ensure!(has_run, "transactions do not go on: {}", target.log());
        target.end(true, Duration::ZERO)?;
        target.step(true)?;
    }
    Ok(())
}

async fn survive(version: i16) -> anyhow::Result<()> {
    let mut target = Target::start()?;
    let address = target.address();
    let admin = admin_of(&address.to_string())?;
    let update = FeatureUpdate {
        max_version_level: version,
        upgrade_type: UpgradeType::SafeDowngrade,
    };
    if version < 2 {
        let updates = [("transaction.version".to_owned(), update)].into();
        admin.update_features(&updates, false).await.all()?;
    }
    target.client()?.create_topic(TOPIC, PARTITIONS, &[])?;
    let producer = producer_with(&address.to_string(), "killed", |config| {
        config.client.reconnect_backoff_max = Duration::from_millis(200);
        config.max_block = Duration::from_secs(5);
    })?;
    persist(|| producer.init_transactions()).await?;
    let (ended, is_over) = (AtomicI64::new(0), AtomicBool::new(false));
    let begin = now();
    let committed = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let result = hurt(&mut target, &ended);
            // The storm ends whatever the result.
            is_over.store(true, Ordering::Relaxed);
            result
        });
        let handle = tokio::runtime::Handle::current();
        let written = tokio::task::block_in_place(|| {
            let storm = storm(&producer, &ended, &is_over);
            handle.block_on(tokio::time::timeout(DEADLINE * 2, storm))
        });
        let killed = killer.join().expect("the killer does not panic");
        killed.and(written.context("the storm hangs")?)
    });
    let committed =
        committed.with_context(|| format!("version {version}, {:?}", begin.elapsed()))?;
    ensure!(60 <= committed.len(), "only {}", committed.len());
    for partition in 0..PARTITIONS {
        let seen = read_settled(address, TOPIC, partition)?;
        assert_eq!(seen, committed, "version {version}, partition {partition}");
    }
    let last: i64 = committed.last().context("a commit")?.parse()?;
    assert_eq!(committed_offset_at(address, GROUP, TOPIC)?, last);
    producer.close().await?;
    target.stop()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_survive_kills_with_version_1() -> anyhow::Result<()> {
    survive(1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_survive_kills_with_version_2() -> anyhow::Result<()> {
    survive(2).await
}
