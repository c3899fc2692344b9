//! What each command does, and what it refuses.

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::controller::command::{
    ConfigAction, ConfigAlteration, ConfigChange, ConfigOperation, NewPartitions, NewTopic,
    PartitionChange, TopicSelector,
};
use crate::controller::image::{
    ConfigResource, NO_LEADER, PartitionImage, ResourceType, TopicImage,
};
use crate::controller::testing::{id_of, image_with_brokers, registration, topic};

type TopicResult = Result<Arc<TopicImage>, MetadataError>;

fn create(image: &mut MetadataImage, topics: Vec<NewTopic>) -> Vec<TopicResult> {
    match apply(image, &Command::CreateTopics(topics), 1) {
        Applied::TopicsCreated(results) => results,
        other => panic!("{other:?}"),
    }
}

fn create_one(image: &mut MetadataImage, topic: NewTopic) -> TopicResult {
    create(image, vec![topic]).remove(0)
}

fn add_partitions(image: &mut MetadataImage, addition: NewPartitions) -> TopicResult {
    match apply(image, &Command::CreatePartitions(vec![addition]), 1) {
        Applied::PartitionsCreated(mut results) => results.remove(0),
        other => panic!("{other:?}"),
    }
}

fn change(
    image: &mut MetadataImage,
    change: PartitionChange,
) -> Result<PartitionImage, MetadataError> {
    match apply(image, &Command::ChangePartitions(vec![change]), 1) {
        Applied::PartitionsChanged(mut results) => results.remove(0),
        other => panic!("{other:?}"),
    }
}

fn alter(
    image: &mut MetadataImage,
    resource: ConfigResource,
    change: ConfigChange,
) -> Result<(), MetadataError> {
    let alteration = ConfigAlteration { resource, change };
    match apply(image, &Command::AlterConfigs(vec![alteration]), 1) {
        Applied::ConfigsAltered(mut results) => results.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_topic_is_created_with_its_configuration() {
    let mut image = image_with_brokers(3);
    let mut orders = topic("orders", 0);
    orders.assignments = vec![vec![2, 1], vec![3, 2]];
    let created = create_one(&mut image, orders).unwrap();
    assert_eq!(image.topic("orders"), Some(&created));
    assert_eq!(
        created.partitions[1],
        PartitionImage {
            leader: 3,
            leader_epoch: 0,
            partition_epoch: 0,
            replicas: vec![3, 2],
            isr: vec![3, 2]
        }
    );
    assert_eq!(
        image.topic_config("orders").unwrap()["retention.ms"],
        "1000"
    );
}

#[test]
fn each_topic_of_a_command_is_decided_by_itself() {
    let mut image = image_with_brokers(1);
    let mut unassigned = topic("unassigned", 1);
    unassigned.assignments = vec![vec![9]];
    let same_id = NewTopic {
        id: id_of("a"),
        ..topic("same-id", 1)
    };
    let results = create(
        &mut image,
        vec![
            topic("a", 1),
            topic("a", 1),
            topic("b/c", 1),
            topic("d.e", 1),
            topic("d_e", 1),
            topic("none", 0),
            unassigned,
            same_id,
            NewTopic {
                id: Uuid::nil(),
                ..topic("nil-id", 1)
            },
            topic("z", 1),
        ],
    );
    let errors: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().err().cloned())
        .collect();
    assert_eq!(errors[0], None);
    assert_eq!(errors[1], Some(MetadataError::TopicExists("a".to_owned())));
    assert!(matches!(
        errors[2],
        Some(MetadataError::InvalidTopicName(_))
    ));
    assert_eq!(errors[3], None);
    assert_eq!(
        errors[4].as_ref().unwrap().to_string(),
        "Topic 'd_e' collides with existing topic: d.e"
    );
    assert!(matches!(
        errors[5],
        Some(MetadataError::InvalidPartitions(_))
    ));
    assert!(matches!(
        errors[6],
        Some(MetadataError::InvalidReplicaAssignment(_))
    ));
    assert!(matches!(errors[7], Some(MetadataError::InvalidRequest(_))));
    assert!(matches!(errors[8], Some(MetadataError::InvalidRequest(_))));
    assert_eq!(errors[9], None);
    assert_eq!(image.topic_count(), 3);
    assert_eq!(
        image.configs().count(),
        3,
        "a refused topic leaves no configuration"
    );
}

#[test]
fn more_than_ten_thousand_partitions_are_refused() {
    let mut image = image_with_brokers(1);
    create_one(&mut image, topic("most", 10_000)).unwrap();
    let refused = create_one(&mut image, topic("too-many", 10_001));
    assert_eq!(refused, Err(MetadataError::TooManyPartitions));
}

#[test]
fn a_deleted_topic_is_gone_with_its_configuration() {
    let mut image = image_with_brokers(1);
    create(&mut image, vec![topic("a", 1), topic("b", 1)]);
    let selectors = vec![
        TopicSelector::Name("a".to_owned()),
        TopicSelector::Name("a".to_owned()),
        TopicSelector::Id(id_of("b")),
        TopicSelector::Id(id_of("b")),
    ];
    let Applied::TopicsDeleted(results) = apply(&mut image, &Command::DeleteTopics(selectors), 1)
    else {
        panic!("another outcome")
    };
    assert_eq!(&*results[0].as_ref().unwrap().name, "a");
    assert_eq!(results[1], Err(MetadataError::UnknownTopic("a".to_owned())));
    assert_eq!(&*results[2].as_ref().unwrap().name, "b");
    assert_eq!(results[3], Err(MetadataError::UnknownTopicId(id_of("b"))));
    assert_eq!((image.topic_count(), image.configs().count()), (0, 0));
}

fn addition(first_partition: i32, count: usize) -> NewPartitions {
    NewPartitions {
        topic: "a".to_owned(),
        topic_id: id_of("a"),
        first_partition,
        assignments: vec![vec![1]; count],
    }
}

#[test]
fn partitions_are_added_behind_the_others() {
    let mut image = image_with_brokers(2);
    create_one(&mut image, topic("a", 2)).unwrap();
    let mut more = addition(2, 1);
    more.assignments = vec![vec![2]];
    let grown = add_partitions(&mut image, more).unwrap();
    let leaders: Vec<_> = grown
        .partitions
        .iter()
        .map(|partition| partition.leader)
        .collect();
    assert_eq!(leaders, [1, 1, 2]);
    assert_eq!(image.topic_by_id(id_of("a")), Some(&grown));
}

/// Two requests saw three partitions; one asks for five, the other for six. Whichever is decided
/// first, the topic ends with six, and asking for five behind six is no increase.
#[test]
fn racing_increases_are_decided_by_log_order() {
    let mut image = image_with_brokers(1);
    create_one(&mut image, topic("a", 3)).unwrap();
    let mut other_order = image.clone();
    assert_eq!(
        add_partitions(&mut image, addition(3, 2))
            .unwrap()
            .partitions
            .len(),
        5
    );
    assert_eq!(
        add_partitions(&mut image, addition(3, 3))
            .unwrap()
            .partitions
            .len(),
        6
    );
    assert_eq!(
        add_partitions(&mut image, addition(3, 3))
            .unwrap_err()
            .to_string(),
        "Topic already has 6 partition(s)."
    );
    assert_eq!(
        add_partitions(&mut other_order, addition(3, 3))
            .unwrap()
            .partitions
            .len(),
        6
    );
    assert_eq!(
        add_partitions(&mut other_order, addition(3, 2))
            .unwrap_err()
            .to_string(),
        "The topic a currently has 6 partition(s); 5 would not be an increase."
    );
}

#[test]
fn additions_to_another_topic_of_the_name_are_refused() {
    let mut image = image_with_brokers(1);
    create_one(&mut image, topic("a", 1)).unwrap();
    let stale = NewPartitions {
        topic_id: id_of("former"),
        ..addition(1, 1)
    };
    assert_eq!(
        add_partitions(&mut image, stale),
        Err(MetadataError::UnknownTopic("a".to_owned()))
    );
    let ahead = add_partitions(&mut image, addition(5, 1));
    assert!(
        matches!(ahead, Err(MetadataError::InvalidPartitions(_))),
        "{ahead:?}"
    );
    let negative = add_partitions(&mut image, addition(-1, 3));
    assert!(
        negative.is_ok(),
        "only what lies beyond the existing ones counts: {negative:?}"
    );
    let wrong_factor = NewPartitions {
        assignments: vec![vec![1, 2]],
        ..addition(2, 1)
    };
    assert!(add_partitions(&mut image, wrong_factor).is_err());
}

fn partition_change(leader_epoch: i32, partition_epoch: i32) -> PartitionChange {
    PartitionChange {
        topic_id: id_of("a"),
        partition: 0,
        leader_epoch,
        partition_epoch,
        leader: None,
        isr: None,
    }
}

#[test]
fn a_new_leader_raises_both_epochs_and_a_new_isr_one() {
    let mut image = image_with_brokers(3);
    let replicated = NewTopic {
        assignments: vec![vec![1, 2, 3]],
        ..topic("a", 1)
    };
    create_one(&mut image, replicated).unwrap();
    let shrunk = PartitionChange {
        isr: Some(vec![1, 2]),
        ..partition_change(0, 0)
    };
    let partition = change(&mut image, shrunk).unwrap();
    assert_eq!((partition.leader_epoch, partition.partition_epoch), (0, 1));
    let elected = PartitionChange {
        leader: Some(2),
        ..partition_change(0, 1)
    };
    let partition = change(&mut image, elected).unwrap();
    assert_eq!(
        (
            partition.leader,
            partition.leader_epoch,
            partition.partition_epoch
        ),
        (2, 1, 2)
    );
    assert_eq!(image.partition("a", 0), Some(&partition));
    let leaderless = PartitionChange {
        leader: Some(NO_LEADER),
        ..partition_change(1, 2)
    };
    assert_eq!(change(&mut image, leaderless).unwrap().leader, NO_LEADER);
}

#[test]
fn changes_made_against_another_state_are_refused() {
    let mut image = image_with_brokers(3);
    let replicated = NewTopic {
        assignments: vec![vec![1, 2]],
        ..topic("a", 1)
    };
    create_one(&mut image, replicated).unwrap();
    let before = image.clone();
    let refused = |change_: PartitionChange| change(&mut image.clone(), change_).unwrap_err();
    assert!(matches!(
        refused(partition_change(1, 0)),
        MetadataError::FencedLeaderEpoch { .. }
    ));
    assert!(matches!(
        refused(partition_change(0, 1)),
        MetadataError::InvalidUpdateVersion { .. }
    ));
    for isr in [vec![], vec![1, 1], vec![3], vec![2]] {
        let bad = PartitionChange {
            isr: Some(isr),
            ..partition_change(0, 0)
        };
        assert!(matches!(refused(bad), MetadataError::InvalidRequest(_)));
    }
    let outsider = PartitionChange {
        leader: Some(3),
        ..partition_change(0, 0)
    };
    assert!(matches!(
        refused(outsider),
        MetadataError::InvalidRequest(_)
    ));
    let unknown = PartitionChange {
        partition: 1,
        ..partition_change(0, 0)
    };
    assert!(matches!(
        refused(unknown),
        MetadataError::UnknownPartition { partition: 1, .. }
    ));
    let unknown = PartitionChange {
        topic_id: id_of("b"),
        ..partition_change(0, 0)
    };
    assert!(matches!(refused(unknown), MetadataError::UnknownTopicId(_)));
    assert!(image == before);
}

#[test]
fn configurations_are_replaced_or_changed_step_by_step() {
    let mut image = image_with_brokers(1);
    create_one(&mut image, topic("a", 1)).unwrap();
    let resource = ConfigResource::topic("a");
    let operation = |key: &str, action| ConfigOperation {
        key: key.to_owned(),
        action,
    };
    let append = |items: &str| ConfigAction::Append {
        items: items.to_owned(),
        default: "delete".to_owned(),
    };
    let subtract = |items: &str| ConfigAction::Subtract {
        items: items.to_owned(),
        default: "delete".to_owned(),
    };
    let steps = vec![
        operation("segment.ms", ConfigAction::Set("7".to_owned())),
        operation("retention.ms", ConfigAction::Delete),
        operation("cleanup.policy", append("compact,delete")),
    ];
    alter(
        &mut image,
        resource.clone(),
        ConfigChange::Incremental(steps),
    )
    .unwrap();
    let configs = image.topic_config("a").unwrap();
    assert_eq!(configs["segment.ms"], "7");
    assert_eq!(configs["cleanup.policy"], "delete,compact");
    assert!(!configs.contains_key("retention.ms"));
    let steps = vec![operation("cleanup.policy", subtract("delete,absent"))];
    alter(
        &mut image,
        resource.clone(),
        ConfigChange::Incremental(steps),
    )
    .unwrap();
    assert_eq!(
        image.topic_config("a").unwrap()["cleanup.policy"],
        "compact"
    );
    let all = [("max.message.bytes".to_owned(), "5".to_owned())].into();
    alter(&mut image, resource.clone(), ConfigChange::Replace(all)).unwrap();
    assert_eq!(image.topic_config("a").unwrap().len(), 1);
    alter(&mut image, resource, ConfigChange::Replace([].into())).unwrap();
    assert_eq!(image.topic_config("a"), None);
}

#[test]
fn only_existing_topics_and_brokers_are_configured() {
    let mut image = image_with_brokers(1);
    let set = || ConfigChange::Replace([("k".to_owned(), "v".to_owned())].into());
    let unknown = alter(&mut image, ConfigResource::topic("a"), set());
    assert_eq!(unknown, Err(MetadataError::UnknownTopic("a".to_owned())));
    let unknown = alter(&mut image, ConfigResource::broker(7), set());
    assert_eq!(unknown, Err(MetadataError::BrokerNotRegistered(7)));
    let misnamed = ConfigResource {
        resource_type: ResourceType::Broker,
        name: "one".to_owned(),
    };
    assert!(matches!(
        alter(&mut image, misnamed, set()),
        Err(MetadataError::InvalidRequest(_))
    ));
    alter(&mut image, ConfigResource::broker(1), set()).unwrap();
    alter(&mut image, ConfigResource::broker_default(), set()).unwrap();
    let group = ConfigResource {
        resource_type: ResourceType::Group,
        name: "g".to_owned(),
    };
    alter(&mut image, group, set()).unwrap();
    assert_eq!(image.configs().count(), 3);
}

#[test]
fn producer_id_blocks_follow_each_other() {
    let mut image = image_with_brokers(1);
    let allocate = |image: &mut MetadataImage, broker_id| match apply(
        image,
        &Command::AllocateProducerIds { broker_id },
        1,
    ) {
        Applied::ProducerIdsAllocated(result) => result,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        allocate(&mut image, 1),
        Ok(ProducerIdBlock {
            first: 0,
            len: 1000
        })
    );
    assert_eq!(
        allocate(&mut image, 1),
        Ok(ProducerIdBlock {
            first: 1000,
            len: 1000
        })
    );
    assert_eq!(
        allocate(&mut image, 2),
        Err(MetadataError::BrokerNotRegistered(2))
    );
    assert_eq!(image.next_producer_id(), 2000);
    image.next_producer_id = i64::MAX - 999;
    assert_eq!(
        allocate(&mut image, 1),
        Err(MetadataError::ProducerIdsExhausted)
    );
}

#[test]
fn the_latest_registration_of_a_broker_wins() {
    let mut image = image_with_brokers(1);
    let again = BrokerRegistration {
        rack: Some("r".to_owned()),
        ..registration(1)
    };
    let applied = apply(&mut image, &Command::RegisterBroker(again), 9);
    assert_eq!(applied, Applied::BrokerRegistered(Ok(9)));
    assert_eq!(image.broker(1).unwrap().rack.as_deref(), Some("r"));
    assert_eq!(image.brokers().len(), 1);
    let negative = apply(&mut image, &Command::RegisterBroker(registration(-1)), 10);
    assert!(matches!(negative, Applied::BrokerRegistered(Err(_))));
}

#[test]
fn renewing_leaderships_raises_the_epochs_of_what_the_broker_leads() {
    let mut image = image_with_brokers(2);
    let mixed = NewTopic {
        assignments: vec![vec![1], vec![2]],
        ..topic("a", 1)
    };
    create(&mut image, vec![mixed, topic("b", 3)]);
    let applied = apply(&mut image, &Command::RenewLeaderships { broker_id: 1 }, 1);
    assert_eq!(applied, Applied::LeadershipsRenewed(Ok(4)));
    let epochs = |topic: &str, partition| {
        let partition = image.partition(topic, partition).unwrap();
        (
            partition.leader,
            partition.leader_epoch,
            partition.partition_epoch,
        )
    };
    assert_eq!(epochs("a", 0), (1, 1, 1));
    assert_eq!(epochs("a", 1), (2, 0, 0));
    assert_eq!(epochs("b", 2), (1, 1, 1));
}

#[test]
fn features_are_set_and_removed() {
    let mut image = image_with_brokers(1);
    let update = |image: &mut MetadataImage, name: &str, level| {
        let feature = FeatureLevel {
            name: name.to_owned(),
            level,
            seen: None,
        };
        match apply(image, &Command::UpdateFeatures(vec![feature]), 1) {
            Applied::FeaturesUpdated(result) => result,
            other => panic!("{other:?}"),
        }
    };
    update(&mut image, "group.version", 1).unwrap();
    assert_eq!(image.features()["group.version"], 1);
    update(&mut image, "group.version", 0).unwrap();
    assert!(image.features().is_empty());
    assert!(update(&mut image, "group.version", -1).is_err());
    assert!(update(&mut image, "", 1).is_err());
}
