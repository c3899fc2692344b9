//! The native consumer when things change or break under it: partitions added, topics deleted and
//! created anew, brokers killed, records that no deserializer takes.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use ringbrook_client::admin::{CreateTopicsOptions, NewPartitions, NewTopic};
use ringbrook_client::config::{ConsumerConfig, ProducerConfig, Properties};
use ringbrook_client::consumer::Consumer;
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_client::serialization::{BytesSerializer, IntegerSerializer, StringSerializer};
use ringbrook_client::{ClientError, TopicPartition};
use ringbrook_tests::{BrokerOptions, TestBroker, unique};

use crate::client_admin::Ground;
use crate::client_consumer::{DEADLINE, Text, expect_numbers, read};
use crate::client_groups::poll_until;

impl Ground {
    async fn grow(&self, topic: &str, partitions: i32) -> anyhow::Result<()> {
        let topics = [(topic.to_owned(), NewPartitions::increase_to(partitions))].into();
        self.admin.create_partitions(&topics, false).await.all()?;
        Ok(())
    }
}

#[tokio::test]
async fn client_consumer_reads_partitions_that_are_added() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let quick = [("metadata.max.age.ms", "300")];
    let topic = ground.topic("consumer-growth", 1).await?;
    // Assigned before it is there.
    let reader = ground.reader(&quick, &topic, [0, 1])?;
    let mut members = Vec::new();
    for protocol in ["classic", "consumer"] {
        let group = unique("consumer-growth");
        let settings = [
            ("group.protocol", protocol),
            ("group.id", group.as_str()),
            quick[0],
        ];
        let member = ground.consumer(&settings)?;
        member.subscribe([topic.as_str()])?;
        members.push(member);
    }
    ground.send_numbers(&topic, 0, 0..3).await?;
    expect_numbers(&reader, 0..3).await?;
    for member in &members {
        poll_until(&[member], |read| read.len() == 3).await?;
    }
    ground.grow(&topic, 3).await?;
    let options = Text::new(topic.as_str(), "new".to_owned());
    ground.send(&[], vec![options.with_partition(1)]).await?;
    let new = read(&reader, 1).await?;
    assert_eq!((new[0].partition, new[0].offset), (1, 0));
    for member in &members {
        let read = poll_until(&[member], |read| !read.is_empty()).await?;
        assert_eq!((read[0].partition, read.len()), (1, 1));
        let assigned: BTreeSet<_> = member.assignment().iter().map(|it| it.partition).collect();
        assert_eq!(assigned, BTreeSet::from([0, 1, 2]));
        member.close().await?;
    }
    Ok(())
}

/// The new topic is shorter than the position: `auto.offset.reset` says where to go on.
#[tokio::test]
async fn client_consumer_goes_on_with_a_topic_created_anew() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-anew", 1).await?;
    ground.send_numbers(&topic, 0, 0..10).await?;
    let reader = ground.reader(&[("retry.backoff.ms", "50")], &topic, [0])?;
    expect_numbers(&reader, 0..10).await?;
    ground.admin.delete_topics([topic.as_str()]).await.all()?;
    assert!(reader.poll(Duration::from_secs(1)).await?.is_empty());
    let create = async || {
        let new = [NewTopic::new(&topic).partitions(1).replication_factor(1)];
        let created = ground
            .admin
            .create_topics(&new, CreateTopicsOptions::default());
        created.await.all()
    };
    // The reader may have created it meanwhile, where topics are created by asking for them.
    if let Err(error) = create().await {
        let exists = ringbrook_protocol::ResponseError::TopicAlreadyExists;
        ensure!(error.response_error() == Some(exists), "{error}");
    }
    ground.send_numbers(&topic, 0, 0..5).await?;
    expect_numbers(&reader, 0..5).await?;
    Ok(())
}

/// An address nobody listens at now; for brokers that have to come back to where they were.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// What the broker has acknowledged is read once, through three kills.
#[tokio::test]
async fn client_consumer_outlives_killed_brokers() -> anyhow::Result<()> {
    let address = free_address()?.to_string();
    let options = BrokerOptions::fast().set("listeners", &format!("PLAINTEXT://{address}"));
    let mut broker = TestBroker::start_with(options)?;
    let properties: Properties = [
        ("bootstrap.servers", address.as_str()),
        ("reconnect.backoff.max.ms", "200"),
        ("auto.offset.reset", "earliest"),
        ("max.poll.records", "50"),
    ]
    .into_iter()
    .collect();
    let config = ConsumerConfig::from_properties(&properties)?;
    let reader = Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;
    let config = vec![address.parse().map_err(anyhow::Error::msg)?];
    let producer = Producer::builder(ProducerConfig::new(config)).build()?;
    let send = async |from: i64| {
        let mut deliveries = Vec::new();
        for number in from..from + 200 {
            let value = bytes::Bytes::from(number.to_string());
            let record = ProducerRecord::new("numbers", value).with_partition(0);
            deliveries.push(producer.send(record).await?);
        }
        for delivery in deliveries {
            delivery.await?;
        }
        anyhow::Ok(())
    };
    send(0).await?;
    reader.assign([TopicPartition::new("numbers", 0)])?;
    let mut next = 0;
    for round in 1..=3 {
        // Part of what is there is read before the kill, part is buffered or not fetched yet.
        while next < round * 200 - 100 {
            for record in reader.poll(DEADLINE).await? {
                assert_eq!(record.offset, next);
                next += 1;
            }
        }
        broker = broker.kill_and_restart()?;
        send(round * 200).await?;
    }
    while next < 800 {
        let records = reader.poll(DEADLINE).await?;
        ensure!(!records.is_empty(), "nothing behind {next}");
        for record in records {
            assert_eq!(record.value.as_deref(), Some(next.to_string().as_str()));
            next += 1;
        }
    }
    reader.close().await?;
    broker.stop()
}

/// Giving up on `unsubscribe` or `close` ends the subscription or the consumer all the same, and
/// leaves nothing half done.
#[tokio::test]
async fn client_consumer_may_drop_unsubscribing_and_closing() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for protocol in ["classic", "consumer"] {
        let topic = ground.topic("consumer-drop", 2).await?;
        let group = unique("consumer-drop");
        let settings = [("group.protocol", protocol), ("group.id", group.as_str())];
        let first = ground.consumer(&settings)?;
        for _ in 0..3 {
            first.subscribe([topic.as_str()])?;
            poll_until(&[&first], |_| first.assignment().len() == 2).await?;
            assert!(first.unsubscribe().now_or_never().is_none());
            assert!(first.assignment().is_empty() && first.subscription().is_empty());
        }
        first.subscribe([topic.as_str()])?;
        poll_until(&[&first], |_| first.assignment().len() == 2).await?;
        assert!(first.close().now_or_never().is_none());
        let closed = first.poll(DEADLINE).await;
        assert!(matches!(closed, Err(ClientError::Closed(_))), "{closed:?}");
        first.close().await?;
    }
    Ok(())
}

/// A record that cannot be deserialized stops its partition, and no other, until the application
/// seeks beyond it.
#[tokio::test]
async fn client_consumer_stops_at_records_it_cannot_deserialize() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-poison", 2).await?;
    let config = vec![
        ground
            .broker
            .address()
            .to_string()
            .parse()
            .map_err(anyhow::Error::msg)?,
    ];
    let producer = Producer::builder(ProducerConfig::new(config.clone())).build()?;
    let poison: &[u8] = b"no integer";
    for value in [&1_i32.to_be_bytes()[..], poison, &3_i32.to_be_bytes()] {
        let record = ProducerRecord::new(topic.as_str(), bytes::Bytes::copy_from_slice(value));
        let record = record.with_partition(0).with_header("from", "somebody");
        producer.send(record).await?.await?;
    }
    let config = ConsumerConfig::new(config)
        .with_auto_offset_reset(ringbrook_client::config::AutoOffsetReset::Earliest);
    let reader = Consumer::<bytes::Bytes, i32>::new(config, BytesSerializer, IntegerSerializer)?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    reader.assign([partition.clone()])?;
    let records: Vec<_> = reader.poll(DEADLINE).await?.into_iter().collect();
    assert_eq!(
        records.iter().map(|it| it.value).collect::<Vec<_>>(),
        [Some(1)]
    );
    for _ in 0..3 {
        let error = reader.poll(DEADLINE).await.unwrap_err();
        let ClientError::Deserialization(about) = error else {
            panic!("{error}");
        };
        assert_eq!((&about.partition, about.offset), (&partition, 1));
        assert_eq!(about.value.as_deref(), Some(poison));
        let from = about.headers.last("from").context("its headers are told")?;
        assert_eq!(from.value().map(|it| &it[..]), Some(&b"somebody"[..]));
        assert_eq!(reader.position(&partition).await?, 1);
    }
    reader.seek(&partition, 2)?;
    let records: Vec<_> = reader.poll(DEADLINE).await?.into_iter().collect();
    assert_eq!(
        records.iter().map(|it| it.value).collect::<Vec<_>>(),
        [Some(3)]
    );
    Ok(())
}
