//! Partitions for keys as Java chooses them, sticking and switching, shares by load.

use std::sync::Arc;

use fastrand::Rng;
use hashbrown::HashMap;
use uuid::Uuid;

use super::*;
use crate::metadata::PartitionMetadata;

const BATCH_SIZE: usize = 100;

/// A topic whose partitions have these leaders.
fn topic(leaders: &[Option<i32>]) -> TopicMetadata {
    let partitions = (0..)
        .zip(leaders)
        .map(|(partition, leader)| PartitionMetadata {
            partition,
            leader: *leader,
            leader_epoch: 0,
            replicas: vec![1],
            isr: vec![1],
            offline_replicas: Vec::new(),
            error_code: 0,
        });
    TopicMetadata {
        name: Arc::from("topic"),
        id: Uuid::nil(),
        is_internal: false,
        partitions: partitions.collect(),
        error_code: 0,
    }
}

fn queues(counts: &[(i32, u32)]) -> Vec<PartitionQueue> {
    let queue = |&(partition, batches_count)| PartitionQueue {
        partition,
        batches_count,
    };
    counts.iter().map(queue).collect()
}

/// How often each partition comes when every record fills a batch.
fn turns(partitioner: &mut BuiltInPartitioner, topic: &TopicMetadata, count: u32) -> Vec<u32> {
    let mut turns = HashMap::new();
    for _ in 0..count {
        let partition = partitioner.partition(topic).unwrap();
        *turns.entry(partition).or_default() += 1;
        partitioner.update(topic, BATCH_SIZE, true);
    }
    let count = |partition| turns.get(&partition).copied().unwrap_or_default();
    (0..topic.partitions_count()).map(count).collect()
}

fn partitioner() -> BuiltInPartitioner {
    BuiltInPartitioner::new(BATCH_SIZE, Rng::with_seed(7))
}

/// The hashes are those that Kafka's UtilsTest pins for its murmur2.
#[test]
fn keys_go_where_java_sends_them() {
    for (key, hash) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        (
            "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
            -58_897_971,
        ),
        ("abc", 479_470_107),
    ] {
        let expected = (hash & i32::MAX) % 1_000;
        assert_eq!(partition_for_key(key.as_bytes(), 1_000), expected, "{key}");
        assert_eq!(partition_for_key(key.as_bytes(), 1), 0);
    }
}

#[test]
fn a_partition_is_stuck_to_until_a_batch_is_full() {
    let topic = topic(&[Some(1); 1_000]);
    let mut partitioner = partitioner();
    let first = partitioner.partition(&topic).unwrap();
    partitioner.update(&topic, BATCH_SIZE - 1, true);
    assert_eq!(partitioner.partition(&topic), Some(first));
    partitioner.update(&topic, 1, true);
    assert_ne!(partitioner.partition(&topic), Some(first));
}

#[test]
fn an_open_batch_holds_the_switch_up_to_twice_its_size() {
    let topic = topic(&[Some(1); 1_000]);
    let mut partitioner = partitioner();
    let first = partitioner.partition(&topic).unwrap();
    partitioner.update(&topic, 2 * BATCH_SIZE - 1, false);
    assert_eq!(partitioner.partition(&topic), Some(first));
    partitioner.update(&topic, 1, false);
    assert_ne!(partitioner.partition(&topic), Some(first));
}

#[test]
fn partitions_without_a_leader_get_nothing_while_others_have_one() {
    let mut partitioner = partitioner();
    let turns_of_two = turns(
        &mut partitioner,
        &topic(&[None, Some(1), None, Some(2)]),
        100,
    );
    assert_eq!((turns_of_two[0], turns_of_two[2]), (0, 0));
    assert!(30 < turns_of_two[1] && 30 < turns_of_two[3]);
    let without = topic(&[None, None]);
    let mut partitioner = self::partitioner();
    assert!(
        turns(&mut partitioner, &without, 100)
            .iter()
            .all(|count| 30 < *count)
    );
    assert_eq!(partitioner.partition(&topic(&[])), None);
}

/// The example of Kafka's own comment: queues of 0, 3 and 1 give shares of 4, 1 and 3 of 8.
#[test]
fn short_queues_come_more_often() {
    let topic = topic(&[Some(1); 3]);
    let mut partitioner = partitioner();
    partitioner.update_load(&queues(&[(0, 0), (1, 3), (2, 1)]), true);
    let turns = turns(&mut partitioner, &topic, 8_000);
    for (turns, expected) in turns.iter().zip([4_000_u32, 1_000, 3_000]) {
        assert!(
            turns.abs_diff(expected) < 200,
            "{turns} turns, {expected} expected"
        );
    }
}

#[test]
fn equal_queues_come_equally_and_slow_partitions_not_at_all() {
    let topic = topic(&[Some(1); 3]);
    let mut partitioner = partitioner();
    partitioner.update_load(&queues(&[(0, 2), (1, 2), (2, 2)]), true);
    assert!(
        turns(&mut partitioner, &topic, 3_000)
            .iter()
            .all(|count| 800 < *count)
    );
    partitioner.update_load(&queues(&[(0, 2), (2, 2)]), false);
    // The one that is stuck to now was chosen before.
    partitioner.update(&topic, 2 * BATCH_SIZE, true);
    let turns = turns(&mut partitioner, &topic, 3_000);
    assert_eq!(turns[1], 0);
    assert!(1_300 < turns[0] && 1_300 < turns[2]);
}

#[test]
fn shares_of_partitions_that_are_gone_do_no_harm() {
    let mut partitioner = partitioner();
    partitioner.update_load(&queues(&[(5, 0), (6, 1)]), true);
    assert_eq!(partitioner.partition(&topic(&[Some(1)])), Some(0));
    partitioner.update_load(&[], true);
    partitioner.update_load(&[], false);
    assert_eq!(partitioner.partition(&topic(&[Some(1)])), Some(0));
}

#[test]
fn a_topic_made_again_with_fewer_partitions_is_chosen_from_anew() {
    let mut partitioner = partitioner();
    partitioner.update_load(&queues(&[(1, 0), (0, 100_000)]), true);
    assert_eq!(partitioner.partition(&topic(&[Some(1); 2])), Some(1));
    assert_eq!(partitioner.partition(&topic(&[Some(1)])), Some(0));
}

#[test]
fn round_robin_takes_partitions_in_turn() {
    let partitioner = RoundRobinPartitioner::new();
    let topic = topic(&[Some(1), None, Some(2), Some(1)]);
    let next = || partitioner.partition(&topic, Some(b"key"), None).unwrap();
    let turns: Vec<_> = (0..7).map(|_| next()).collect();
    assert_eq!(turns, [0, 2, 3, 0, 2, 3, 0]);
    let none = partitioner.partition(&self::topic(&[]), None, None);
    assert_eq!(
        none.unwrap_err().to_string(),
        "topic topic has no partitions"
    );
}

#[test]
fn round_robin_counts_each_topic_and_uses_all_when_none_has_a_leader() {
    let partitioner = RoundRobinPartitioner::new();
    let a = topic(&[None; 2]);
    let mut b = a.clone();
    b.name = Arc::from("other");
    let next = |topic: &TopicMetadata| partitioner.partition(topic, None, None).unwrap();
    assert_eq!([next(&a), next(&b), next(&a), next(&a)], [0, 0, 1, 0]);
}
