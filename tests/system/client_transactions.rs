//! The native client's transactions: commit, abort, fencing, time limits, offsets.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_client::ClientError;
use ringbrook_client::TopicPartition;
use ringbrook_client::admin::{FeatureUpdate, UpgradeType};
use ringbrook_client::config::ProducerConfig;
use ringbrook_client::consumer::{ConsumerGroupMetadata, OffsetAndMetadata};
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ringbrook_protocol::messages::{GroupId, OffsetFetchRequest};
use ringbrook_protocol::{ResponseError, StrBytes};
use ringbrook_tests::{SharedBroker, Wire, read_committed, topic_name, unique, wait_until};

use crate::client_admin::{Ground, admin_of};

pub(crate) type BytesProducer = Producer<Bytes, Bytes>;

/// The feature that decides how transactions go.
const FEATURE: &str = "transaction.version";

/// How long the end of a transaction may take to reach partitions.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// The newest version of OffsetFetch that names topics.
const OFFSET_FETCH: i16 = 8;

pub(crate) fn producer(address: &str, id: &str) -> anyhow::Result<BytesProducer> {
    producer_with(address, id, |_| ())
}

pub(crate) fn producer_with(
    address: &str,
    id: &str,
    set: impl FnOnce(&mut ProducerConfig),
) -> anyhow::Result<BytesProducer> {
    let mut config = ProducerConfig::new(vec![address.parse().map_err(anyhow::Error::msg)?]);
    config.transactional_id = Some(id.to_owned());
    set(&mut config);
    Ok(Producer::builder(config).build()?)
}

/// A broker for each version of transactions: the shared one, and one of ours that was told to go
/// back to version 1. Another broker than ours is taken as it is.
pub(crate) async fn grounds() -> anyhow::Result<Vec<Ground>> {
    let newest = Ground::new()?;
    if newest.broker.process().is_none() {
        return Ok(vec![newest]);
    }
    let broker = SharedBroker::own()?;
    let admin = admin_of(&broker.address().to_string())?;
    let ground = Ground { broker, admin };
    downgrade(&ground).await?;
    ensure!(version(&newest).await? == 2 && version(&ground).await? == 1);
    Ok(vec![newest, ground])
}

/// Back to version 1 of transactions.
pub(crate) async fn downgrade(ground: &Ground) -> anyhow::Result<()> {
    let update = FeatureUpdate {
        max_version_level: 1,
        upgrade_type: UpgradeType::SafeDowngrade,
    };
    let updates = [(FEATURE.to_owned(), update)].into();
    ground.admin.update_features(&updates, false).await.all()?;
    Ok(())
}

/// Which version of transactions holds.
pub(crate) async fn version(ground: &Ground) -> anyhow::Result<i16> {
    let features = ground.admin.describe_features(None).await?;
    let level = features.finalized.get(FEATURE);
    Ok(level.map_or(0, |level| level.max))
}

/// The values that a consumer with `read_committed` sees, once nothing is open any more.
pub(crate) fn committed(
    ground: &Ground,
    topic: &str,
    partition: i32,
) -> anyhow::Result<Vec<String>> {
    read_settled(ground.broker.address(), topic, partition)
}

/// The same, at an address.
pub(crate) fn read_settled(
    address: SocketAddr,
    topic: &str,
    partition: i32,
) -> anyhow::Result<Vec<String>> {
    let mut wire = Wire::connect(address)?;
    let is_settled = wait_until(SETTLED_WITHIN, || is_stable(&mut wire, topic, partition));
    ensure!(is_settled, "a transaction stays open");
    read_all(&mut wire, topic, partition)
}

fn is_stable(wire: &mut Wire, topic: &str, partition: i32) -> bool {
    let read = read_committed(wire, topic, partition, 0);
    read.is_ok_and(|read| read.last_stable_offset == read.high_watermark)
}

fn read_all(wire: &mut Wire, topic: &str, partition: i32) -> anyhow::Result<Vec<String>> {
    let mut values = Vec::new();
    let mut offset = 0;
    loop {
        let read = read_committed(wire, topic, partition, offset)?;
        for record in &read.records {
            values.push(String::from_utf8(record.value.to_vec())?);
        }
        if read.next_offset == offset {
            return Ok(values);
        }
        offset = read.next_offset;
    }
}

/// Waits for offsets of transactions that are being ended.
pub(crate) fn committed_offset(ground: &Ground, group: &str, topic: &str) -> anyhow::Result<i64> {
    committed_offset_at(ground.broker.address(), group, topic)
}

/// The same, at an address.
pub(crate) fn committed_offset_at(
    address: SocketAddr,
    group: &str,
    topic: &str,
) -> anyhow::Result<i64> {
    let mut wire = Wire::connect(address)?;
    let topics = OffsetFetchRequestTopics::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(vec![0]);
    let wanted = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
        .with_topics(Some(vec![topics]));
    let request = OffsetFetchRequest::default()
        .with_groups(vec![wanted])
        .with_require_stable(true);
    let mut committed = None;
    let is_settled = wait_until(SETTLED_WITHIN, || {
        let answer = wire.call(&request, OFFSET_FETCH).ok();
        let group = answer.and_then(|answer| answer.groups.into_iter().next());
        let topic = group.and_then(|group| group.topics.into_iter().next());
        let partition = topic.and_then(|topic| topic.partitions.into_iter().next());
        committed = partition
            .filter(|it| it.error_code == 0)
            .map(|it| it.committed_offset);
        committed.is_some()
    });
    ensure!(is_settled, "the offset of {group} stays unstable");
    committed.context("an offset")
}

pub(crate) async fn send(
    producer: &BytesProducer,
    topic: &str,
    partition: i32,
    value: &str,
) -> anyhow::Result<()> {
    let record = ProducerRecord::new(topic, Bytes::copy_from_slice(value.as_bytes()));
    drop(producer.send(record.with_partition(partition)).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_are_seen_whole_or_not_at_all() -> anyhow::Result<()> {
    for ground in grounds().await? {
        let topic = ground.topic("client-transactions", 2).await?;
        let producer = producer(&ground.broker.address().to_string(), &unique("id"))?;
        producer.init_transactions().await?;
        for round in 0..6 {
            producer.begin_transaction()?;
            for partition in 0..2 {
                send(&producer, &topic, partition, &format!("{round}")).await?;
            }
            if round % 2 == 0 {
                producer.commit_transaction().await?;
            } else {
                producer.flush().await;
                producer.abort_transaction().await?;
            }
        }
        // What was never sent is given up by the abort.
        producer.begin_transaction()?;
        producer.abort_transaction().await?;
        producer.begin_transaction()?;
        producer.commit_transaction().await?;
        for partition in 0..2 {
            assert_eq!(committed(&ground, &topic, partition)?, ["0", "2", "4"]);
        }
        producer.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_fence_the_producer_before() -> anyhow::Result<()> {
    for ground in grounds().await? {
        let topic = ground.topic("client-fencing", 1).await?;
        let address = ground.broker.address().to_string();
        let id = unique("id");
        let first = producer(&address, &id)?;
        first.init_transactions().await?;
        first.begin_transaction()?;
        send(&first, &topic, 0, "lost").await?;
        first.flush().await;
        let second = producer(&address, &id)?;
        second.init_transactions().await?;
        let error = first.commit_transaction().await.expect_err("it is fenced");
        assert!(error.is_fatal(), "{error}");
        assert_eq!(error.response_error(), Some(ResponseError::ProducerFenced));
        assert!(
            first
                .begin_transaction()
                .is_err_and(|error| error.is_fatal())
        );
        first.close().await?;
        second.begin_transaction()?;
        send(&second, &topic, 0, "kept").await?;
        second.commit_transaction().await?;
        assert_eq!(committed(&ground, &topic, 0)?, ["kept"]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_that_are_not_ended_are_aborted_by_close() -> anyhow::Result<()> {
    for ground in grounds().await? {
        let topic = ground.topic("client-close", 1).await?;
        let producer = producer(&ground.broker.address().to_string(), &unique("id"))?;
        producer.init_transactions().await?;
        producer.begin_transaction()?;
        send(&producer, &topic, 0, "half").await?;
        producer.close().await?;
        assert!(committed(&ground, &topic, 0)?.is_empty());
        assert!(producer.begin_transaction().is_err());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_abort_after_a_record_that_is_too_large() -> anyhow::Result<()> {
    for ground in grounds().await? {
        let topic = ground.topic("client-too-large", 1).await?;
        let address = ground.broker.address().to_string();
        let set = |config: &mut ProducerConfig| config.max_request_size = 8 * 1024 * 1024;
        let producer = producer_with(&address, &unique("id"), set)?;
        producer.init_transactions().await?;
        producer.begin_transaction()?;
        send(&producer, &topic, 0, "before").await?;
        send(&producer, &topic, 0, &"x".repeat(2 * 1024 * 1024)).await?;
        let error = producer.commit_transaction().await.expect_err("too large");
        assert!(error.is_abortable(), "{error}");
        assert_eq!(error.response_error(), Some(ResponseError::MessageTooLarge));
        let refused = producer
            .begin_transaction()
            .expect_err("it has to be aborted");
        assert!(refused.is_abortable(), "{refused}");
        producer.abort_transaction().await?;
        producer.begin_transaction()?;
        send(&producer, &topic, 0, "after").await?;
        producer.commit_transaction().await?;
        assert_eq!(committed(&ground, &topic, 0)?, ["after"]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_commit_offsets_of_a_group() -> anyhow::Result<()> {
    for ground in grounds().await? {
        let topic = ground.topic("client-offsets", 1).await?;
        let producer = producer(&ground.broker.address().to_string(), &unique("id"))?;
        producer.init_transactions().await?;
        let group = unique("group");
        let offset = |offset| {
            [(
                TopicPartition::new(topic.as_str(), 0),
                OffsetAndMetadata::new(offset),
            )]
        };
        let metadata = ConsumerGroupMetadata::new(group.as_str());
        producer.begin_transaction()?;
        producer
            .send_offsets_to_transaction(offset(7), &metadata)
            .await?;
        producer.commit_transaction().await?;
        producer.begin_transaction()?;
        producer
            .send_offsets_to_transaction(offset(9), &metadata)
            .await?;
        producer.abort_transaction().await?;
        assert_eq!(committed_offset(&ground, &group, &topic)?, 7);
        // A member that the group does not have.
        let stranger = ConsumerGroupMetadata {
            generation_id: 3,
            member_id: "stranger".into(),
            ..metadata
        };
        producer.begin_transaction()?;
        let sent = producer
            .send_offsets_to_transaction(offset(11), &stranger)
            .await;
        let error = sent.expect_err("nobody knows it");
        assert!(error.is_abortable(), "{error}");
        producer.abort_transaction().await?;
        assert_eq!(committed_offset(&ground, &group, &topic)?, 7);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_that_take_too_long_are_aborted_by_the_broker() -> anyhow::Result<()> {
    for ground in grounds().await? {
        let topic = ground.topic("client-late", 1).await?;
        let address = ground.broker.address().to_string();
        let set =
            |config: &mut ProducerConfig| config.transaction_timeout = Duration::from_millis(500);
        let late = producer_with(&address, &unique("id"), set)?;
        late.init_transactions().await?;
        late.begin_transaction()?;
        send(&late, &topic, 0, "late").await?;
        late.flush().await;
        assert!(committed(&ground, &topic, 0)?.is_empty());
        assert!(late.commit_transaction().await.is_err());
        assert!(committed(&ground, &topic, 0)?.is_empty());
    }
    Ok(())
}

/// With version 2 every end of a transaction brings another epoch, with version 1 none does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_go_as_the_feature_says() -> anyhow::Result<()> {
    for ground in grounds().await? {
        let topic = ground.topic("client-epochs", 1).await?;
        let id = unique("id");
        let producer = producer(&ground.broker.address().to_string(), &id)?;
        producer.init_transactions().await?;
        let epoch = async || {
            let described = ground.admin.describe_transactions([id.as_str()]).await;
            let described = described.all()?;
            let transaction = described.into_iter().next().context("it is known")?;
            anyhow::Ok(transaction.1.producer_epoch)
        };
        let first = epoch().await?;
        for round in 0..4 {
            producer.begin_transaction()?;
            send(&producer, &topic, 0, "x").await?;
            if round % 2 == 0 {
                producer.commit_transaction().await?;
            } else {
                producer.abort_transaction().await?;
            }
        }
        let grown = if version(&ground).await? == 2 { 4 } else { 0 };
        // The epoch of a transaction of version 2 is written with its end.
        assert_eq!(epoch().await? - first, grown);
        assert_eq!(committed(&ground, &topic, 0)?, ["x", "x"]);
    }
    Ok(())
}

/// A producer goes on when the feature changes under it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_survive_a_change_of_the_feature() -> anyhow::Result<()> {
    let broker = SharedBroker::own()?;
    let admin = admin_of(&broker.address().to_string())?;
    let ground = Ground { broker, admin };
    let topic = ground.topic("client-changed", 1).await?;
    let producer = producer(&ground.broker.address().to_string(), &unique("id"))?;
    producer.init_transactions().await?;
    for round in 0..4 {
        producer.begin_transaction()?;
        send(&producer, &topic, 0, &round.to_string()).await?;
        if round == 1 {
            producer.flush().await;
            downgrade(&ground).await?;
        }
        producer.commit_transaction().await?;
    }
    assert_eq!(committed(&ground, &topic, 0)?, ["0", "1", "2", "3"]);
    Ok(())
}

#[tokio::test]
async fn client_transactions_need_an_id_and_their_turn() -> anyhow::Result<()> {
    let config = ProducerConfig::new(vec!["127.0.0.1:1".parse().map_err(anyhow::Error::msg)?]);
    let plain = Producer::builder(config).build()?;
    assert!(matches!(
        plain.begin_transaction(),
        Err(ClientError::IllegalState(_))
    ));
    assert!(matches!(
        plain.init_transactions().await,
        Err(ClientError::IllegalState(_))
    ));
    let set = |config: &mut ProducerConfig| config.max_block = Duration::from_millis(200);
    let lonely = producer_with("127.0.0.1:1", "id", set)?;
    assert!(matches!(
        lonely.begin_transaction(),
        Err(ClientError::IllegalState(_))
    ));
    let error = lonely
        .init_transactions()
        .await
        .expect_err("nobody is there");
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    lonely
        .close_within(Duration::from_millis(200))
        .await
        .unwrap_or_default();
    Ok(())
}
