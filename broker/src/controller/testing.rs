//! What several tests of the controller need: options, topics, images, random commands.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use openraft::{CommittedLeaderId, EntryPayload};
use proptest::prelude::*;
use uuid::Uuid;

use super::apply::apply;
use super::command::{
    BrokerRegistration, Command, ConfigAction, ConfigAlteration, ConfigChange, ConfigOperation,
    FeatureLevel, NewPartitions, NewTopic, PartitionChange, TopicSelector,
};
use super::handle::ControllerOptions;
use super::image::{ConfigResource, Endpoint, MetadataImage, ResourceType};
use super::raft_types::{CommandBatch, Entry, LogId};

/// The one listener of the brokers in tests.
pub(super) fn endpoint() -> Endpoint {
    Endpoint {
        listener: "PLAINTEXT".to_owned(),
        host: "localhost".to_owned(),
        port: 9092,
        security_protocol: 0,
    }
}

/// Options of node 1 with its metadata in `dir`.
pub(super) fn options(dir: &Path) -> ControllerOptions {
    ControllerOptions::new(
        dir.join("ringbrook.metadata"),
        1,
        "cluster",
        vec![endpoint()],
    )
}

pub(super) fn registration(id: i32) -> BrokerRegistration {
    BrokerRegistration {
        id,
        incarnation_id: Uuid::from_u128(0x1000),
        endpoints: vec![endpoint()],
        rack: None,
    }
}

/// An image with brokers 1 to `count`.
pub(super) fn image_with_brokers(count: i32) -> MetadataImage {
    let mut image = MetadataImage::empty(Arc::from("cluster"));
    for id in 1..=count {
        apply(&mut image, &Command::RegisterBroker(registration(id)), 0);
    }
    image
}

/// A topic on broker 1 whose id follows from its name.
pub(super) fn topic(name: &str, partitions: usize) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        id: id_of(name),
        assignments: vec![vec![1]; partitions],
        configs: [("retention.ms".to_owned(), "1000".to_owned())].into(),
    }
}

/// A topic id that depends on the name alone and is allowed.
pub(super) fn id_of(name: &str) -> Uuid {
    let mut bytes = [0x11u8; 16];
    for (index, byte) in name.bytes().enumerate() {
        bytes[1 + index % 15] = bytes[1 + index % 15].wrapping_mul(31).wrapping_add(byte);
    }
    Uuid::from_bytes(bytes)
}

/// Any command, over few enough names that commands meet each other.
pub(super) fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => prop::collection::vec(any_topic(), 0..4).prop_map(Command::CreateTopics),
        2 => prop::collection::vec(any_selector(), 0..3).prop_map(Command::DeleteTopics),
        2 => prop::collection::vec(any_addition(), 0..3).prop_map(Command::CreatePartitions),
        2 => prop::collection::vec(any_change(), 0..3).prop_map(Command::ChangePartitions),
        2 => prop::collection::vec(any_alteration(), 0..3).prop_map(Command::AlterConfigs),
        1 => (0..3i32).prop_map(|broker_id| Command::AllocateProducerIds { broker_id }),
        1 => any_registration().prop_map(Command::RegisterBroker),
        1 => (0..3i32).prop_map(|broker_id| Command::RenewLeaderships { broker_id }),
        1 => prop::collection::vec(any_feature(), 0..3).prop_map(Command::UpdateFeatures),
    ]
}

fn any_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a",
        "b",
        "c.d",
        "c_d",
        "",
        "not valid",
        "\u{e4}",
        "e-1",
    ])
    .prop_map(str::to_owned)
}

fn any_id() -> impl Strategy<Value = Uuid> {
    (0..8u128).prop_map(|index| Uuid::from_u128(index << 100 | index))
}

fn any_replicas() -> impl Strategy<Value = Vec<i32>> {
    prop::collection::vec(-1..4i32, 0..4)
}

fn any_configs() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-c]", ".{0,5}", 0..3)
}

fn any_topic() -> impl Strategy<Value = NewTopic> {
    let assignments = prop::collection::vec(any_replicas(), 0..4);
    (any_name(), any_id(), assignments, any_configs()).prop_map(
        |(name, id, assignments, configs)| NewTopic {
            name,
            id,
            assignments,
            configs,
        },
    )
}

fn any_selector() -> impl Strategy<Value = TopicSelector> {
    prop_oneof![
        any_name().prop_map(TopicSelector::Name),
        any_id().prop_map(TopicSelector::Id),
    ]
}

fn any_addition() -> impl Strategy<Value = NewPartitions> {
    let assignments = prop::collection::vec(any_replicas(), 0..4);
    (any_name(), any_id(), -1..5i32, assignments).prop_map(
        |(topic, topic_id, first_partition, assignments)| NewPartitions {
            topic,
            topic_id,
            first_partition,
            assignments,
        },
    )
}

fn any_change() -> impl Strategy<Value = PartitionChange> {
    let leader = prop::option::of(-1..3i32);
    let isr = prop::option::of(any_replicas());
    (any_id(), -1..3i32, 0..2i32, 0..3i32, leader, isr).prop_map(
        |(topic_id, partition, leader_epoch, partition_epoch, leader, isr)| PartitionChange {
            topic_id,
            partition,
            leader_epoch,
            partition_epoch,
            leader,
            isr,
        },
    )
}

fn any_alteration() -> impl Strategy<Value = ConfigAlteration> {
    let resource_type = prop::sample::select(vec![
        ResourceType::Topic,
        ResourceType::Broker,
        ResourceType::ClientMetrics,
        ResourceType::Group,
    ]);
    let name = prop_oneof![any_name(), (0..3i32).prop_map(|id| id.to_string())];
    let resource = (resource_type, name).prop_map(|(resource_type, name)| ConfigResource {
        resource_type,
        name,
    });
    let action = prop_oneof![
        ".{0,5}".prop_map(ConfigAction::Set),
        Just(ConfigAction::Delete),
        ("[a-c,]{0,5}", "[a-c,]{0,5}")
            .prop_map(|(items, default)| ConfigAction::Append { items, default }),
        ("[a-c,]{0,5}", "[a-c,]{0,5}")
            .prop_map(|(items, default)| ConfigAction::Subtract { items, default }),
    ];
    let operation = ("[a-c]", action).prop_map(|(key, action)| ConfigOperation { key, action });
    let change = prop_oneof![
        any_configs().prop_map(ConfigChange::Replace),
        prop::collection::vec(operation, 0..4).prop_map(ConfigChange::Incremental),
    ];
    (resource, change).prop_map(|(resource, change)| ConfigAlteration { resource, change })
}

fn any_registration() -> impl Strategy<Value = BrokerRegistration> {
    let endpoint = ("[A-Z]{1,5}", ".{0,8}", any::<u16>(), any::<i16>()).prop_map(
        |(listener, host, port, security_protocol)| Endpoint {
            listener,
            host,
            port,
            security_protocol,
        },
    );
    let endpoints = prop::collection::vec(endpoint, 0..3);
    (-1..3i32, any_id(), endpoints, prop::option::of(".{0,5}")).prop_map(
        |(id, incarnation_id, endpoints, rack)| BrokerRegistration {
            id,
            incarnation_id,
            endpoints,
            rack,
        },
    )
}

fn any_feature() -> impl Strategy<Value = FeatureLevel> {
    ("[a-b]{0,1}", -1..3i16, prop::option::of(0..3i16))
        .prop_map(|(name, level, seen)| FeatureLevel { name, level, seen })
}

/// The entry at `index`, written by node 1 in `term`.
pub(super) fn entry(term: u64, index: u64, commands: Vec<Command>) -> Entry {
    Entry {
        log_id: log_id(term, index),
        payload: EntryPayload::Normal(CommandBatch(commands.into())),
    }
}

pub(super) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term, 1), index)
}
