//! kill -9: what was acknowledged is there exactly once, whatever the moment.

use ringbrook_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use ringbrook_protocol::messages::delete_topics_request::DeleteTopicState;
use ringbrook_protocol::messages::describe_configs_request::DescribeConfigsResource;
use ringbrook_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ringbrook_protocol::messages::{
    CreatePartitionsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest, MetadataRequest,
};
use ringbrook_tests::{BrokerOptions, Client, TestBroker, batch, topic_name, write_behind_batches};
use uuid::Uuid;

use crate::group::{Member, commit, fetched_offset, find_coordinator, stable_member, text};

/// Kafka's type of a topic among configured resources.
const TOPIC: i8 = 2;
/// IncrementalAlterConfigs: set.
const SET: i8 = 0;

/// Name, id and number of partitions of all topics, by name.
fn topics(client: &mut Client) -> anyhow::Result<Vec<(String, Uuid, usize)>> {
    let response = client.call(&MetadataRequest::default().with_topics(None), 12)?;
    let mut topics = Vec::new();
    for topic in response.topics {
        let name = topic.name.map(|name| name.to_string()).unwrap_or_default();
        topics.push((name, topic.topic_id, topic.partitions.len()));
    }
    topics.sort();
    Ok(topics)
}

fn config(client: &mut Client, topic: &str, name: &str) -> anyhow::Result<Option<String>> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configuration_keys(Some(vec![text(name)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let response = client.call(&request, 4)?;
    assert_eq!(response.results[0].error_code, 0);
    Ok(response.results[0].configs[0]
        .value
        .as_ref()
        .map(ToString::to_string))
}

pub(crate) fn set_config(
    client: &mut Client,
    topic: &str,
    name: &str,
    value: &str,
) -> anyhow::Result<()> {
    let config = AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(SET)
        .with_value(Some(text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.call(&request, 1)?.responses[0].error_code, 0);
    Ok(())
}

#[test]
fn topics_ids_partitions_and_configs_survive_kills() -> anyhow::Result<()> {
    let broker = TestBroker::start()?;
    let mut client = broker.client()?;
    let id = client.create_topic("kept", 2, &[("retention.ms", "123456789")])?;
    client.create_topic("deleted", 1, &[])?;
    let grown = CreatePartitionsTopic::default()
        .with_name(topic_name("kept"))
        .with_count(5)
        .with_assignments(None);
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![grown])
        .with_timeout_ms(30_000);
    assert_eq!(client.call(&request, 3)?.results[0].error_code, 0);
    set_config(&mut client, "kept", "max.message.bytes", "4321")?;
    let state = DeleteTopicState::default().with_name(Some(topic_name("deleted")));
    let request = DeleteTopicsRequest::default()
        .with_topics(vec![state])
        .with_timeout_ms(30_000);
    assert_eq!(client.call(&request, 6)?.responses[0].error_code, 0);

    let mut broker = broker;
    for _ in 0..3 {
        broker = broker.kill_and_restart()?;
        let mut client = broker.client()?;
        assert_eq!(topics(&mut client)?, [("kept".to_owned(), id, 5)]);
        let configs = [("retention.ms", "123456789"), ("max.message.bytes", "4321")];
        for (name, value) in configs {
            assert_eq!(config(&mut client, "kept", name)?.as_deref(), Some(value));
        }
        assert_eq!(client.list_offset("kept", 4, -1)?.offset, 0);
    }
    // The configuration is in force, not only shown.
    let refused = broker
        .client()?
        .try_produce("kept", 0, batch(&["x".repeat(5000)]))?;
    assert_eq!(refused.error_code, 10);
    // The name is free again, for a topic with another id.
    let mut client = broker.client()?;
    let again = client.create_topic("deleted", 1, &[])?;
    assert_ne!(again, id);
    assert_eq!(client.texts("deleted", 0, 0)?, [""; 0]);
    Ok(())
}

#[test]
fn committed_offsets_and_groups_survive_kills() -> anyhow::Result<()> {
    let mut broker = TestBroker::start()?;
    let mut client = broker.client()?;
    client.create_topic("consumed", 2, &[])?;
    let member = stable_member(&mut client, "workers")?;
    for offset in 1..20 {
        assert_eq!(
            commit(&mut client, &member.commit("consumed", 0, offset))?,
            None
        );
    }
    let simple = Member::simple("assigned");
    assert_eq!(
        commit(&mut client, &simple.commit("consumed", 1, 77))?,
        None
    );
    for round in 0..3 {
        broker = broker.kill_and_restart()?;
        client = broker.client()?;
        find_coordinator(&mut client, "workers")?;
        find_coordinator(&mut client, "assigned")?;
        let committed = fetched_offset(&mut client, "workers", "consumed", 0)?;
        assert_eq!(committed, (19 + round, "note".to_owned()));
        let committed = fetched_offset(&mut client, "assigned", "consumed", 1)?;
        assert_eq!(committed, (77, "note".to_owned()));
        assert_eq!(fetched_offset(&mut client, "workers", "consumed", 1)?.0, -1);
        // The member's session goes on; it need not join again.
        assert_eq!(client.call(&member.heartbeat(), 4)?.error_code, 0);
        let next = member.commit("consumed", 0, 20 + round);
        assert_eq!(commit(&mut client, &next)?, None);
    }
    Ok(())
}

#[test]
fn a_torn_batch_at_the_end_is_cut_off() -> anyhow::Result<()> {
    let mut broker = TestBroker::start()?;
    let mut client = broker.client()?;
    client.create_topic("torn", 1, &[])?;
    for index in 0..10 {
        client.produce("torn", 0, batch(&[index.to_string()]))?;
    }
    for round in 0..3 {
        broker.kill()?;
        let data_dir = broker.data_dir();
        let log = data_dir
            .path()
            .join("torn-0")
            .join(format!("{:020}.log", 0));
        let whole = batch(&["never acknowledged", "and cut"]);
        let torn = match round {
            0 => &whole[..7],
            1 => &whole[..whole.len() - 1],
            _ => &[0; 4096],
        };
        write_behind_batches(&log, torn)?;
        broker = TestBroker::start_in(BrokerOptions::fast(), data_dir)?;
        let mut client = broker.client()?;
        let next = 10 + round;
        let expected: Vec<_> = (0..next).map(|index| index.to_string()).collect();
        assert_eq!(client.texts("torn", 0, 0)?, expected);
        assert_eq!(client.produce("torn", 0, batch(&[next.to_string()]))?, next);
    }
    Ok(())
}

/// Kafka keeps several log dirs; each topic's partitions are in one of them.
#[test]
fn several_log_dirs_survive_a_kill() -> anyhow::Result<()> {
    let dirs = tempfile::TempDir::new()?;
    let dir = |name: &str| dirs.path().join(name).display().to_string();
    let options = BrokerOptions::fast().set("log.dirs", &format!("{},{}", dir("one"), dir("two")));
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    client.create_topic("spread", 8, &[])?;
    for partition in 0..8 {
        client.produce("spread", partition, batch(&[partition.to_string()]))?;
    }
    let count = |name: &str| -> anyhow::Result<usize> {
        let names = std::fs::read_dir(dir(name))?.map(|entry| Ok(entry?.file_name()));
        let names = names.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(names
            .iter()
            .filter(|it| it.to_string_lossy().starts_with("spread-"))
            .count())
    };
    assert_eq!((count("one")?, count("two")?), (4, 4));
    let broker = broker.kill_and_restart()?;
    let mut client = broker.client()?;
    for partition in 0..8 {
        assert_eq!(
            client.texts("spread", partition, 0)?,
            [partition.to_string()]
        );
    }
    Ok(())
}
