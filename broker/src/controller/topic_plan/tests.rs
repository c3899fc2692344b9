//! Requests become commands, or get the answer Kafka gives.

use super::*;
use crate::controller::apply::apply;
use crate::controller::command::Command;
use crate::controller::testing::{id_of, image_with_brokers, topic};

const DEFAULTS: TopicDefaults = TopicDefaults {
    partitions: 4,
    replication_factor: 2,
};

fn request(partitions: i32, replication_factor: i16) -> TopicRequest {
    TopicRequest {
        name: "a".to_owned(),
        partitions,
        replication_factor,
        ..TopicRequest::default()
    }
}

fn plan(request: TopicRequest) -> Result<NewTopic, MetadataError> {
    plan_topic(&image_with_brokers(3), request, DEFAULTS, id_of("a"))
}

fn refusal(request: TopicRequest) -> String {
    plan(request).unwrap_err().to_string()
}

#[test]
fn defaults_stand_for_minus_one() {
    let planned = plan(request(-1, -1)).unwrap();
    assert_eq!(planned.assignments.len(), 4);
    assert!(
        planned
            .assignments
            .iter()
            .all(|replicas| replicas.len() == 2)
    );
    let planned = plan(request(7, 3)).unwrap();
    assert_eq!(planned.assignments.len(), 7);
    assert!(
        planned
            .assignments
            .iter()
            .all(|replicas| replicas.len() == 3)
    );
}

#[test]
fn impossible_counts_are_refused() {
    for partitions in [0, -2, i32::MIN] {
        assert_eq!(
            refusal(request(partitions, 1)),
            "Number of partitions was set to an invalid non-positive value."
        );
    }
    for factor in [0, -2, i16::MIN] {
        assert!(refusal(request(1, factor)).starts_with("Replication factor must be larger than"));
    }
    assert!(refusal(request(1, 4)).contains("cannot be reached because only 3 broker(s)"));
}

/// A hundred million partitions must be refused without allocating for them.
#[test]
fn absurd_counts_are_refused() {
    assert_eq!(
        plan(request(100_000_000, 1)),
        Err(MetadataError::TooManyPartitions)
    );
    assert_eq!(
        plan(request(i32::MAX, 1)),
        Err(MetadataError::TooManyPartitions)
    );
    assert_eq!(plan(request(10_000, 1)).unwrap().assignments.len(), 10_000);
}

#[test]
fn manual_assignments_are_ordered_and_complete() {
    let manual = |assignments: Vec<(i32, Vec<i32>)>| TopicRequest {
        assignments,
        ..request(-1, -1)
    };
    let planned = plan(manual(vec![(1, vec![2, 3]), (0, vec![3, 1])])).unwrap();
    assert_eq!(planned.assignments, [vec![3, 1], vec![2, 3]]);
    let gap = "partitions should be a consecutive 0-based integer sequence";
    assert_eq!(refusal(manual(vec![(1, vec![1])])), gap);
    assert_eq!(refusal(manual(vec![(0, vec![1]), (2, vec![1])])), gap);
    assert_eq!(refusal(manual(vec![(-1, vec![1]), (0, vec![1])])), gap);
    assert!(refusal(manual(vec![(0, vec![1]), (0, vec![2])])).contains("Found multiple manual"));
    assert!(refusal(manual(vec![(0, vec![9])])).contains("no such broker is registered"));
    let counted = TopicRequest {
        partitions: 1,
        ..manual(vec![(0, vec![1])])
    };
    assert!(refusal(counted).contains("numPartitions was not set to -1"));
    let factored = TopicRequest {
        replication_factor: 1,
        ..manual(vec![(0, vec![1])])
    };
    assert!(refusal(factored).contains("replication factor was not set to -1"));
}

#[test]
fn names_are_checked_first() {
    let mut image = image_with_brokers(3);
    apply(
        &mut image,
        &Command::CreateTopics(vec![topic("a", 1), topic("x.y", 1)]),
        1,
    );
    let plan = |name: &str| {
        let request = TopicRequest {
            name: name.to_owned(),
            ..request(0, 0)
        };
        plan_topic(&image, request, DEFAULTS, id_of("other")).unwrap_err()
    };
    assert_eq!(plan("a"), MetadataError::TopicExists("a".to_owned()));
    assert!(matches!(plan("x_y"), MetadataError::TopicCollision { .. }));
    assert!(matches!(plan("a b"), MetadataError::InvalidTopicName(_)));
}

#[test]
fn added_partitions_continue_the_placement() {
    let mut image = image_with_brokers(3);
    let all = plan(request(9, 2)).unwrap().assignments;
    let first = NewTopic {
        assignments: all[..5].to_vec(),
        ..topic("a", 0)
    };
    apply(&mut image, &Command::CreateTopics(vec![first]), 1);
    let planned = plan_partitions(&image, "a", 9, None).unwrap();
    assert_eq!((planned.first_partition, planned.topic_id), (5, id_of("a")));
    assert_eq!(planned.assignments, all[5..]);
}

#[test]
fn additions_are_checked() {
    let mut image = image_with_brokers(3);
    apply(&mut image, &Command::CreateTopics(vec![topic("a", 3)]), 1);
    let refusal = |name: &str, count, assignments| {
        plan_partitions(&image, name, count, assignments)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(refusal("b", 4, None), "The topic 'b' does not exist.");
    assert_eq!(refusal("a", 3, None), "Topic already has 3 partition(s).");
    assert!(refusal("a", 2, None).contains("2 would not be an increase"));
    assert!(refusal("a", i32::MIN, None).contains("would not be an increase"));
    assert_eq!(
        refusal("a", i32::MAX, None),
        MetadataError::TooManyPartitions.to_string()
    );
    assert_eq!(
        refusal("a", 5, Some(vec![vec![1]])),
        "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified."
    );
    assert!(refusal("a", 4, Some(vec![vec![1, 2]])).contains("previous partitions, which have 1"));
    let manual = plan_partitions(&image, "a", 4, Some(vec![vec![2]])).unwrap();
    assert_eq!(manual.assignments, [vec![2]]);
}
