//! The native producer when things change or break under it: topics that come late, grow, go and
//! come back, brokers that are killed or say nothing.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::ensure;
use futures_util::future::try_join_all;
use ringbrook_client::ClientError;
use ringbrook_client::admin::{CreateTopicsOptions, NewPartitions, NewTopic};
use ringbrook_client::config::ConsumerConfig;
use ringbrook_client::consumer::Consumer;
use ringbrook_client::serialization::StringSerializer;
use ringbrook_protocol::ResponseError;
use ringbrook_tests::{BrokerOptions, TestBroker, now, unique};

use crate::client_admin::Ground;
use crate::client_consumer::{DEADLINE, Text, expect_numbers};
use crate::client_producer::{builder, builder_at, numbers};

/// The broker creates topics that somebody sends to.
#[tokio::test]
async fn client_producer_has_its_topic_created() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = unique("producer-created");
    let producer = builder(&ground, &[])?.build()?;
    try_join_all(numbers(&producer, &topic, 0..3).await?).await?;
    assert_eq!(producer.partitions_for(&topic).await?.len(), 1);
    let reader = ground.reader(&[], &topic, [0])?;
    expect_numbers(&reader, 0..3).await
}

/// A name that no broker takes is told at once.
#[tokio::test]
async fn client_producer_tells_of_a_topic_that_cannot_be() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let producer = builder(&ground, &[])?.build()?;
    let begin = now();
    let sent = producer.send(Text::new("no topic!", "x".to_owned())).await;
    let error = sent.map(drop).expect_err("the name is not valid");
    let invalid = ResponseError::InvalidTopicException;
    assert_eq!(error.response_error(), Some(invalid), "{error}");
    assert!(now() - begin < Duration::from_secs(20));
    Ok(())
}

#[tokio::test]
async fn client_producer_sends_to_partitions_that_are_added() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("producer-growth", 1).await?;
    let settings = [("metadata.max.age.ms", "200"), ("batch.size", "0")];
    let producer = builder(&ground, &settings)?.build()?;
    let send = |partition| {
        let record = Text::new(topic.as_str(), "x".to_owned()).with_partition(partition);
        producer.send(record)
    };
    send(0).await?.await?;
    let more = [(topic.clone(), NewPartitions::increase_to(3))].into();
    ground.admin.create_partitions(&more, false).await.all()?;
    // It names a partition that the producer does not know yet.
    let metadata = send(2).await?.await?;
    assert_eq!((metadata.partition, metadata.offset), (2, 0));
    let everywhere = async {
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 3 {
            let record = Text::new(topic.as_str(), "x".to_owned());
            seen.insert(producer.send(record).await?.await?.partition);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(DEADLINE, everywhere).await?
}

/// A topic of the same name with another id gets what is sent behind its creation.
#[tokio::test]
async fn client_producer_goes_on_with_a_topic_created_anew() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for idempotence in ["true", "false"] {
        let topic = ground.topic("producer-anew", 1).await?;
        let settings = [
            ("enable.idempotence", idempotence),
            ("retry.backoff.ms", "50"),
        ];
        let producer = builder(&ground, &settings)?.build()?;
        try_join_all(numbers(&producer, &topic, 100..110).await?).await?;
        ground.admin.delete_topics([topic.as_str()]).await.all()?;
        let new = [NewTopic::new(&topic).partitions(1).replication_factor(1)];
        let create = async {
            loop {
                let options = CreateTopicsOptions::default();
                match ground.admin.create_topics(&new, options).await.all() {
                    Ok(_) => return anyhow::Ok(()),
                    // Apache Kafka still deletes it, or a refresh of metadata has created it.
                    Err(error) => {
                        let exists = Some(ResponseError::TopicAlreadyExists);
                        ensure!(error.response_error() == exists, "{error}");
                        if ground
                            .admin
                            .describe_topics([topic.as_str()])
                            .await
                            .all()
                            .is_ok()
                        {
                            return Ok(());
                        }
                    }
                }
            }
        };
        tokio::time::timeout(DEADLINE, create).await??;
        try_join_all(numbers(&producer, &topic, 0..10).await?).await?;
        let reader = ground.reader(&[], &topic, [0])?;
        expect_numbers(&reader, 0..10).await?;
    }
    Ok(())
}

/// Records that are under way when the broker is killed are written once and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_producer_outlives_killed_brokers() -> anyhow::Result<()> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let options = BrokerOptions::fast().set("listeners", &format!("PLAINTEXT://{address}"));
    let mut broker = TestBroker::start_with(options)?;
    let settings = [
        ("reconnect.backoff.max.ms", "200"),
        ("linger.ms", "1"),
        ("batch.size", "500"),
        ("compression.type", "lz4"),
    ];
    let producer = builder_at(&address, &settings)?.build()?;
    let mut deliveries = Vec::new();
    for round in 0..4 {
        let sent = numbers(&producer, "numbers", round * 1_000..(round + 1) * 1_000).await?;
        deliveries.extend(sent);
        if round < 3 {
            // Some of them are answered, some are with the broker, some wait.
            let answered = usize::try_from(round * 1_000 + 200)?;
            while producer.counters().records_acknowledged < answered as u64 {
                tokio::task::yield_now().await;
            }
            broker = tokio::task::block_in_place(|| broker.kill_and_restart())?;
        }
    }
    for (offset, metadata) in (0..).zip(try_join_all(deliveries).await?) {
        // A batch whose answer was lost may be known by its numbers alone.
        ensure!(
            metadata.offset == offset || !metadata.has_offset(),
            "{metadata} in place of {offset}"
        );
    }
    producer.close().await?;
    let servers = vec![address.parse().map_err(anyhow::Error::msg)?];
    let config = ConsumerConfig::new(servers)
        .with_auto_offset_reset(ringbrook_client::config::AutoOffsetReset::Earliest);
    let reader = Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;
    reader.assign([ringbrook_client::TopicPartition::new("numbers", 0)])?;
    expect_numbers(&reader, 0..4_000).await?;
    reader.close().await?;
    broker.stop()
}

/// A listener that accepts and says nothing: everything ends at its time.
#[tokio::test]
async fn client_producer_gives_up_in_time() -> anyhow::Result<()> {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = silent.local_addr()?.to_string();
    let settings = [("max.block.ms", "700")];
    let producer = builder_at(&address, &settings)?.build()?;
    let begin = now();
    let sent = producer.send(Text::new("t", "x".to_owned())).await;
    let error = sent.map(drop).expect_err("nobody answers");
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    let took = now() - begin;
    ensure!(took < Duration::from_secs(20), "max.block.ms took {took:?}");
    producer.close().await?;
    Ok(())
}

/// A broker that is stopped for good: records are given up after delivery.timeout.ms, or at once
/// when the producer is closed within a time.
#[tokio::test]
async fn client_producer_gives_records_up_when_the_broker_is_gone() -> anyhow::Result<()> {
    let mut broker = TestBroker::start()?;
    let address = broker.address().to_string();
    let settings = [
        ("request.timeout.ms", "500"),
        ("delivery.timeout.ms", "1500"),
    ];
    let producer = builder_at(&address, &settings)?.build()?;
    try_join_all(numbers(&producer, "numbers", 0..10).await?).await?;
    let patient = builder_at(&address, &[])?.build()?;
    try_join_all(numbers(&patient, "numbers", 10..20).await?).await?;
    broker.kill()?;
    let begin = now();
    for delivery in numbers(&producer, "numbers", 20..30).await? {
        let error = delivery.await.expect_err("the broker is gone");
        assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    }
    let took = now() - begin;
    ensure!(Duration::from_millis(1_400) <= took, "after {took:?}");
    ensure!(took < Duration::from_secs(20), "after {took:?}");
    assert_eq!(producer.counters().records_failed, 10);
    producer.close().await?;

    let left = numbers(&patient, "numbers", 30..40).await?;
    let begin = now();
    let closed = patient.close_within(Duration::from_millis(300)).await;
    assert!(matches!(closed, Err(ClientError::Timeout { .. })));
    ensure!(now() - begin < Duration::from_secs(20), "close took longer");
    for delivery in left {
        let error = delivery.await.expect_err("the producer was closed");
        assert!(matches!(error, ClientError::Closed(_)), "{error}");
    }
    Ok(())
}
