//! The native admin client's calls about topics.

use std::collections::BTreeMap;

use ringbrook_client::admin::{CreateTopicsOptions, NewPartitions, NewTopic, TopicListing};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::unique;
use uuid::Uuid;

use crate::client_admin::{Ground, codes};

const UNKNOWN: Option<ResponseError> = Some(ResponseError::UnknownTopicOrPartition);
const UNKNOWN_ID: Option<ResponseError> = Some(ResponseError::UnknownTopicId);

fn named(topics: Vec<TopicListing>, name: &str) -> Vec<TopicListing> {
    let topics = topics.into_iter();
    topics.filter(|topic| topic.name == name).collect()
}

#[tokio::test]
async fn client_admin_creates_topics_or_says_why_not() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let (with_counts, assigned) = (unique("admin-a"), unique("admin-b"));
    let node = ground.node().await?;
    let topics = [
        NewTopic::new(&with_counts)
            .partitions(3)
            .config("retention.ms", "3600000"),
        NewTopic::new(&assigned)
            .replicas(0, vec![node])
            .replicas(1, vec![node]),
        NewTopic::new("not/valid"),
    ];
    let expected = BTreeMap::from([
        (with_counts.clone(), None),
        (assigned.clone(), None),
        (
            "not/valid".to_owned(),
            Some(ResponseError::InvalidTopicException),
        ),
    ]);
    let validate_only = CreateTopicsOptions {
        validate_only: true,
        ..CreateTopicsOptions::default()
    };
    let tried = admin.create_topics(&topics, validate_only).await;
    assert_eq!(codes(&tried), expected);
    assert!(named(admin.list_topics(true).await?, &with_counts).is_empty());

    let options = CreateTopicsOptions::default();
    let created = admin.create_topics(&topics, options).await;
    assert_eq!(codes(&created), expected);
    let mut created = created.into_map();
    let first = created.remove(&with_counts).expect("asked for")?;
    assert_eq!((first.num_partitions, first.replication_factor), (3, 1));
    assert!(!first.topic_id.is_nil());
    let configs = first.configs.expect("nothing forbids to see them");
    let retention = configs.iter().find(|entry| entry.name == "retention.ms");
    assert_eq!(retention.unwrap().value.as_deref(), Some("3600000"));
    let second = created.remove(&assigned).expect("asked for")?;
    assert_eq!((second.num_partitions, second.replication_factor), (2, 1));

    let again = admin.create_topics(&topics[..1], options).await;
    let exists = Some(ResponseError::TopicAlreadyExists);
    assert_eq!(codes(&again), BTreeMap::from([(with_counts, exists)]));
    let message = again.all().unwrap_err().to_string();
    assert!(message.contains("already exists"), "{message}");
    Ok(())
}

#[tokio::test]
async fn client_admin_describes_and_lists_topics() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let node = ground.node().await?;
    let (topic, missing) = (ground.topic("admin-c", 3).await?, unique("admin-missing"));
    let listed = named(admin.list_topics(false).await?, &topic);
    let [listed] = &listed[..] else {
        panic!("listed once: {listed:?}");
    };
    assert!(!listed.is_internal && !listed.topic_id.is_nil());

    let described = admin.describe_topics([&topic, &missing]).await;
    let expected = BTreeMap::from([(topic.clone(), None), (missing, UNKNOWN)]);
    assert_eq!(codes(&described), expected);
    let by_name = described[&topic].as_ref().unwrap();
    assert_eq!((&by_name.name, by_name.topic_id), (&topic, listed.topic_id));
    assert_eq!(by_name.partitions.len(), 3);
    for (index, partition) in (0..).zip(&by_name.partitions) {
        assert_eq!(partition.partition, index);
        assert_eq!(partition.leader, Some(node));
        assert_eq!(partition.replicas, [node]);
        assert_eq!(partition.isr, [node]);
        assert_eq!(partition.elr.as_deref(), Some(&[][..]));
    }

    let unknown = Uuid::from_u128(77);
    let by_id = admin
        .describe_topics_by_id([listed.topic_id, unknown])
        .await;
    let expected = BTreeMap::from([(listed.topic_id, None), (unknown, UNKNOWN_ID)]);
    assert_eq!(codes(&by_id), expected);
    let by_id = by_id[&listed.topic_id].as_ref().unwrap();
    assert_eq!((&by_id.name, by_id.partitions.len()), (&topic, 3));
    Ok(())
}

#[tokio::test]
async fn client_admin_describes_topics_page_by_page() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let mut names = [
        ground.topic("admin-page", 4).await?,
        ground.topic("admin-page", 5).await?,
    ];
    names.sort();
    // Topics begin in one page and end in another, or just at its end; one page has all.
    for page_partitions in [1, 3, 4, 5, 9, 10] {
        let admin = &ground.admin;
        let described = admin
            .describe_topics_in_pages(&names, page_partitions)
            .await;
        let described = described.all()?;
        let mut counts: Vec<_> = described.values().map(|it| it.partitions.len()).collect();
        counts.sort_unstable();
        assert_eq!(counts, [4, 5]);
        for topic in described.values() {
            let indexes = topic.partitions.iter().map(|it| it.partition);
            assert!(
                (0..)
                    .zip(indexes)
                    .all(|(expected, index)| expected == index)
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn client_admin_deletes_topics_by_name_and_by_id() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let (one, two) = (
        ground.topic("admin-d", 1).await?,
        ground.topic("admin-d", 1).await?,
    );
    let missing = unique("admin-missing");
    let deleted = admin.delete_topics([&one, &missing]).await;
    let expected = BTreeMap::from([(one.clone(), None), (missing, UNKNOWN)]);
    assert_eq!(codes(&deleted), expected);

    let listed = named(admin.list_topics(false).await?, &two);
    let id = listed.first().expect("it is there").topic_id;
    let unknown = Uuid::from_u128(77);
    let deleted = admin.delete_topics_by_id([id, unknown]).await;
    let expected = BTreeMap::from([(id, None), (unknown, UNKNOWN_ID)]);
    assert_eq!(codes(&deleted), expected);
    // Apache Kafka shows a topic a moment after it has said that it is deleted.
    for name in [one, two] {
        while !named(admin.list_topics(true).await?, &name).is_empty() {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn client_admin_adds_partitions() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let node = ground.node().await?;
    let (grown, same) = (
        ground.topic("admin-e", 1).await?,
        ground.topic("admin-f", 2).await?,
    );
    let missing = unique("admin-missing");
    let assigned = NewPartitions::increase_to(4).assignments(vec![vec![node]; 3]);
    let wanted = BTreeMap::from([
        (grown.clone(), assigned),
        (same.clone(), NewPartitions::increase_to(2)),
        (missing.clone(), NewPartitions::increase_to(2)),
    ]);
    let expected = BTreeMap::from([
        (grown.clone(), None),
        (same, Some(ResponseError::InvalidPartitions)),
        (missing, UNKNOWN),
    ]);
    let count = async || -> anyhow::Result<usize> {
        let topics = ground.admin.describe_topics([&grown]).await.all()?;
        Ok(topics[&grown].partitions.len())
    };
    for (validate_only, expected_count) in [(true, 1), (false, 4)] {
        let results = ground.admin.create_partitions(&wanted, validate_only).await;
        assert_eq!(codes(&results), expected);
        while count().await? < expected_count {
            tokio::task::yield_now().await;
        }
        assert_eq!(count().await?, expected_count);
    }
    Ok(())
}
