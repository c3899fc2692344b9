//! What a new answer changes and what it does not.

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::metadata_response::MetadataResponsePartition;

use super::*;

fn topic(name: &str, id: u128, partitions: &[(i32, i32, i32)]) -> MetadataResponseTopic {
    let partitions = partitions.iter().map(|(index, leader, epoch)| {
        MetadataResponsePartition::default()
            .with_partition_index(*index)
            .with_leader_id((*leader).into())
            .with_leader_epoch(*epoch)
    });
    MetadataResponseTopic::default()
        .with_name(Some(StrBytes::from_string(name.to_owned()).into()))
        .with_topic_id(Uuid::from_u128(id))
        .with_partitions(partitions.collect())
}

fn broker(id: i32, port: i32) -> MetadataResponseBroker {
    MetadataResponseBroker::default()
        .with_node_id(id.into())
        .with_host(StrBytes::from_static_str("host"))
        .with_port(port)
}

fn answer(topics: Vec<MetadataResponseTopic>) -> MetadataResponse {
    let brokers = vec![broker(2, 9092), broker(1, 9093)];
    MetadataResponse::default()
        .with_brokers(brokers)
        .with_topics(topics)
}

fn first(topics: Vec<MetadataResponseTopic>) -> Metadata {
    Metadata::updated(&Metadata::unknown(), answer(topics), false, |_| true)
}

fn leader(metadata: &Metadata, topic: &str) -> Option<i32> {
    metadata.partition(topic, 0)?.leader
}

#[tokio::test]
async fn topics_stay_while_they_are_wanted() {
    let before = first(vec![
        topic("a", 1, &[(0, 1, 0)]),
        topic("b", 2, &[(0, 1, 0)]),
    ]);
    let after = Metadata::updated(&before, answer(vec![]), false, |name| name == "b");
    assert!(after.topic("a").is_none());
    assert_eq!(after.topic_name(Uuid::from_u128(1)), None);
    assert_eq!(leader(&after, "b"), Some(1));
    let all = Metadata::updated(&before, answer(vec![]), true, |_| true);
    assert!(all.topics().is_empty());
}

#[tokio::test]
async fn an_older_epoch_never_replaces_a_newer_one_of_the_same_topic() {
    let before = first(vec![topic("a", 1, &[(0, 1, 5), (1, 1, 5)])]);
    let older = vec![topic("a", 1, &[(0, 2, 4), (1, 2, 6)])];
    let after = Metadata::updated(&before, answer(older), false, |_| true);
    assert_eq!(leader(&after, "a"), Some(1));
    assert_eq!(after.partition("a", 1).unwrap().leader, Some(2));
    let another = vec![topic("a", 9, &[(0, 2, 0)])];
    let after = Metadata::updated(&before, answer(another), false, |_| true);
    assert_eq!(leader(&after, "a"), Some(2), "created anew");
    assert_eq!(after.topic_name(Uuid::from_u128(1)), None);
    let unsaid = vec![topic("a", 1, &[(0, 2, -1)])];
    let after = Metadata::updated(&before, answer(unsaid), false, |_| true);
    assert_eq!(leader(&after, "a"), Some(2), "brokers of old say no epoch");
}

#[tokio::test]
async fn partitions_come_in_any_order_but_without_gaps() {
    let metadata = first(vec![
        topic("a", 1, &[(1, 8, 0), (0, 7, 0)]),
        topic("gap", 2, &[(0, 7, 0), (2, 7, 0)]),
        topic("twice", 3, &[(0, 7, 0), (0, 7, 0)]),
        topic("negative", 4, &[(-1, 7, 0)]),
        topic("none", 5, &[(0, -1, 0)]),
    ]);
    let names: Vec<_> = metadata
        .topics()
        .iter()
        .map(|it| it.name.to_string())
        .collect();
    assert_eq!(names, ["a", "none"]);
    assert_eq!(leader(&metadata, "a"), Some(7));
    assert_eq!(leader(&metadata, "none"), None);
    assert_eq!(metadata.topic("a").unwrap().partitions_count(), 2);
    for outside in [-1, 2, i32::MAX] {
        assert!(metadata.partition("a", outside).is_none());
    }
}

#[tokio::test]
async fn brokers_without_a_port_are_left_out() {
    let mut response = answer(vec![]);
    response
        .brokers
        .extend([0, -1, 65_536].map(|port| broker(100 + port % 10, port)));
    let metadata = Metadata::updated(&Metadata::unknown(), response, false, |_| true);
    let ids: Vec<_> = metadata.nodes().iter().map(|node| node.id).collect();
    assert_eq!(ids, [1, 2]);
    assert!(metadata.without_nodes().nodes().is_empty());
}
