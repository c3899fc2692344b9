//! Every refusal of the topic and configuration APIs that a client can provoke, with Kafka's code.

use anyhow::Context;
use ringbrook_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use ringbrook_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use ringbrook_protocol::messages::delete_topics_request::DeleteTopicState;
use ringbrook_protocol::messages::describe_configs_request::DescribeConfigsResource;
use ringbrook_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ringbrook_protocol::messages::metadata_request::MetadataRequestTopic;
use ringbrook_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, MetadataRequest,
};
use ringbrook_protocol::{ResponseError, StrBytes};
use ringbrook_tests::{Client, SharedBroker, error, topic_name, unique};
use uuid::Uuid;

use crate::group::text;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn creatable(name: &str) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(1)
        .with_replication_factor(1)
}

fn with_config(topic: CreatableTopic, name: &str, value: &str) -> CreatableTopic {
    let config = CreatableTopicConfig::default()
        .with_name(text(name))
        .with_value(Some(text(value)));
    topic.with_configs(vec![config])
}

fn create(
    client: &mut Client,
    topics: Vec<CreatableTopic>,
    validate_only: bool,
) -> anyhow::Result<Vec<(String, Option<ResponseError>, String)>> {
    let request = CreateTopicsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(30_000)
        .with_validate_only(validate_only);
    let response = client.call(&request, 7)?;
    let results = response.topics.into_iter().map(|it| {
        let message = it.error_message.unwrap_or_default().to_string();
        (it.name.to_string(), error(it.error_code), message)
    });
    Ok(results.collect())
}

fn assert_each(cases: &[(String, Option<ResponseError>, Option<ResponseError>)]) {
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(_, found, expected)| found != expected)
        .collect();
    assert!(wrong.is_empty(), "case, found, expected: {wrong:#?}");
}

/// Tries every topic, first with validation only; nothing may come of it.
fn assert_refused(
    client: &mut Client,
    cases: &[(CreatableTopic, ResponseError)],
) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for validate_only in [true, false] {
        for (topic, expected) in cases {
            let results = create(client, vec![topic.clone()], validate_only)?;
            let (_, code, message) = results.into_iter().next().context("a result")?;
            let case = format!("{topic:?} said {message:?}");
            found.push((case, code, Some(*expected)));
        }
    }
    assert_each(&found);
    Ok(())
}

#[test]
fn bad_names_are_refused() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let long = "n".repeat(250);
    let names = ["", ".", "..", "with space", "a/b", "caf\u{e9}", &long];
    let mut cases: Vec<_> = names
        .into_iter()
        .map(|name| (creatable(name), ResponseError::InvalidTopicException))
        .collect();
    let existing = unique("existing");
    client.create_topic(&existing, 1, &[])?;
    cases.push((creatable(&existing), ResponseError::TopicAlreadyExists));
    assert_refused(&mut client, &cases)
}

#[test]
fn bad_counts_and_configs_are_refused() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let name = unique("refused");
    let partitions = |count| creatable(&name).with_num_partitions(count);
    let replicas = |count| creatable(&name).with_replication_factor(count);
    let config = |key, value| with_config(creatable(&name), key, value);
    let invalid_config = ResponseError::InvalidConfig;
    let cases = [
        (partitions(0), ResponseError::InvalidPartitions),
        (partitions(-2), ResponseError::InvalidPartitions),
        (partitions(100_000_000), ResponseError::PolicyViolation),
        (partitions(i32::MAX), ResponseError::PolicyViolation),
        (replicas(0), ResponseError::InvalidReplicationFactor),
        (replicas(5), ResponseError::InvalidReplicationFactor),
        (config("no.such.config", "1"), invalid_config),
        (config("retention.ms", "soon"), invalid_config),
        (config("retention.ms", "-5"), invalid_config),
        (config("cleanup.policy", "shred"), invalid_config),
        (config("segment.bytes", "10"), invalid_config),
        (config("compression.type", "rar"), invalid_config),
    ];
    assert_refused(&mut client, &cases)?;
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    assert_eq!(
        metadata_code(&mut client, &name)?,
        unknown,
        "something was created"
    );
    Ok(())
}

#[test]
fn bad_assignments_are_refused() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let name = unique("refused");
    let assigned = |ids: &[i32]| {
        let ids = ids.iter().map(|id| BrokerId(*id)).collect();
        let assignment = CreatableReplicaAssignment::default().with_broker_ids(ids);
        let topic = creatable(&name)
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments(vec![assignment]);
        (topic, ResponseError::InvalidReplicaAssignment)
    };
    assert_refused(
        &mut client,
        &[assigned(&[99]), assigned(&[1, 1]), assigned(&[])],
    )
}

#[test]
fn one_bad_topic_does_not_stop_the_others() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let (good, twice) = (unique("good"), unique("twice"));
    let topics = vec![
        creatable(&twice),
        creatable(&good),
        creatable("a b"),
        creatable(&twice),
    ];
    let mut results = create(&mut client, topics, false)?;
    results.sort_by(|a, b| a.0.cmp(&b.0));
    let results: Vec<_> = results
        .into_iter()
        .map(|(name, code, _)| (name, code))
        .collect();
    let expected = [
        ("a b".to_owned(), Some(ResponseError::InvalidTopicException)),
        (good, None),
        (twice, Some(ResponseError::InvalidRequest)),
    ];
    assert_eq!(results, expected);
    Ok(())
}

#[test]
fn names_that_differ_in_dot_and_underscore_collide() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let name = unique("a.b");
    client.create_topic(&name, 1, &[])?;
    let results = create(&mut client, vec![creatable(&name.replace('.', "_"))], false)?;
    assert_eq!(results[0].1, Some(ResponseError::InvalidTopicException));
    assert!(
        results[0].2.contains("collides with existing topic"),
        "{}",
        results[0].2
    );
    Ok(())
}

#[test]
fn validate_only_creates_nothing() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let name = unique("validated");
    let results = create(&mut client, vec![creatable(&name)], true)?;
    assert_eq!(results[0].1, None);
    assert_eq!(
        metadata_code(&mut client, &name)?,
        Some(ResponseError::UnknownTopicOrPartition)
    );
    Ok(())
}

fn metadata_code(client: &mut Client, name: &str) -> anyhow::Result<Option<ResponseError>> {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(false);
    Ok(error(client.call(&request, 12)?.topics[0].error_code))
}

#[test]
fn metadata_of_absent_topics_has_kafkas_codes() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    assert_eq!(metadata_code(&mut client, &unique("absent"))?, unknown);
    let invalid = Some(ResponseError::InvalidTopicException);
    assert_eq!(metadata_code(&mut client, "not a name")?, invalid);
    let topic = MetadataRequestTopic::default()
        .with_name(None)
        .with_topic_id(Uuid::new_v4());
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(false);
    let response = client.call(&request, 12)?;
    assert_eq!(
        error(response.topics[0].error_code),
        Some(ResponseError::UnknownTopicId)
    );
    Ok(())
}

#[test]
fn topics_are_deleted_or_refused_with_kafkas_codes() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let (by_name, by_id) = (unique("by-name"), unique("by-id"));
    client.create_topic(&by_name, 1, &[])?;
    let id = client.create_topic(&by_id, 1, &[])?;
    let mut delete = |name: Option<&str>, id: Uuid| {
        let state = DeleteTopicState::default()
            .with_name(name.map(topic_name))
            .with_topic_id(id);
        let request = DeleteTopicsRequest::default()
            .with_topics(vec![state])
            .with_timeout_ms(30_000);
        let response = client.call(&request, 6)?;
        anyhow::Ok(error(response.responses[0].error_code))
    };
    let nil = Uuid::nil();
    assert_eq!(delete(Some(&by_name), nil)?, None);
    assert_eq!(
        delete(Some(&by_name), nil)?,
        Some(ResponseError::UnknownTopicOrPartition)
    );
    assert_eq!(delete(None, id)?, None);
    assert_eq!(delete(None, id)?, Some(ResponseError::UnknownTopicId));
    assert_eq!(
        delete(Some(&by_name), id)?,
        Some(ResponseError::InvalidRequest)
    );
    assert_eq!(delete(None, nil)?, Some(ResponseError::InvalidRequest));
    Ok(())
}

#[test]
fn partitions_only_become_more() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("grown");
    client.create_topic(&topic, 2, &[])?;
    let mut grow = |name: &str, count| {
        let grown = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![grown])
            .with_timeout_ms(30_000);
        let response = client.call(&request, 3)?;
        anyhow::Ok(error(response.results[0].error_code))
    };
    let invalid = Some(ResponseError::InvalidPartitions);
    for count in [-1, 0, 1, 2] {
        assert_eq!(grow(&topic, count)?, invalid, "to {count}");
    }
    assert_eq!(
        grow(&unique("absent"), 3)?,
        Some(ResponseError::UnknownTopicOrPartition)
    );
    assert_eq!(grow(&topic, 3)?, None);
    assert_eq!(grow(&topic, 3)?, invalid);
    Ok(())
}

#[test]
fn configs_are_changed_or_refused_with_kafkas_codes() -> anyhow::Result<()> {
    const SET: i8 = 0;
    const APPEND: i8 = 2;
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("configured");
    client.create_topic(&topic, 1, &[])?;
    let mut alter = |kind, resource: &str, operation, name: &str, value: &str| {
        let config = AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(operation)
            .with_value(Some(text(value)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(resource))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let response = client.call(&request, 1)?;
        anyhow::Ok(error(response.responses[0].error_code))
    };
    let invalid = Some(ResponseError::InvalidConfig);
    let absent = unique("absent");
    let mut found = Vec::new();
    for (kind, resource, operation, name, value, expected) in [
        (TOPIC, topic.as_str(), SET, "retention.ms", "1000", None),
        (TOPIC, &topic, SET, "no.such.config", "1", invalid),
        (TOPIC, &topic, SET, "retention.ms", "soon", invalid),
        (TOPIC, &topic, APPEND, "retention.ms", "1", invalid),
        (
            TOPIC,
            &absent,
            SET,
            "retention.ms",
            "1",
            Some(ResponseError::UnknownTopicOrPartition),
        ),
        (
            BROKER,
            "12345",
            SET,
            "message.max.bytes",
            "1000",
            Some(ResponseError::InvalidRequest),
        ),
    ] {
        let case = format!("{resource} {operation} {name}={value}");
        found.push((
            case,
            alter(kind, resource, operation, name, value)?,
            expected,
        ));
    }
    assert_each(&found);
    Ok(())
}

#[test]
fn configs_of_absent_resources_have_kafkas_codes() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let mut describe = |kind, name: &str| {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None::<Vec<StrBytes>>);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let response = client.call(&request, 4)?;
        anyhow::Ok(error(response.results[0].error_code))
    };
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    assert_eq!(describe(TOPIC, &unique("absent"))?, unknown);
    assert_eq!(
        describe(TOPIC, "not a name")?,
        Some(ResponseError::InvalidTopicException)
    );
    assert_eq!(
        describe(BROKER, "12345")?,
        Some(ResponseError::InvalidRequest)
    );
    assert_eq!(
        describe(BROKER, "not a number")?,
        Some(ResponseError::InvalidRequest)
    );
    Ok(())
}
