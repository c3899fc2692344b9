//! The native admin client's calls about configurations.

use std::collections::BTreeMap;

use ringbrook_client::admin::{
    AlterConfigOp, ConfigEntry, ConfigResource, ConfigResourceType, ConfigSource, ConfigType,
    DescribeConfigsOptions,
};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::unique;

use crate::client_admin::{Ground, codes};

const EVERYTHING: DescribeConfigsOptions = DescribeConfigsOptions {
    include_synonyms: true,
    include_documentation: true,
};

async fn entry(ground: &Ground, of: &ConfigResource, name: &str) -> anyhow::Result<ConfigEntry> {
    let results = ground
        .admin
        .describe_configs([of.clone()], EVERYTHING)
        .await;
    let entries = results.only(of)?;
    let entry = entries.into_iter().find(|entry| entry.name == name);
    Ok(entry.expect("the resource has it"))
}

#[tokio::test]
async fn client_admin_alters_configurations_entry_by_entry() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ConfigResource::topic(ground.topic("admin-conf", 1).await?);
    let alter = async |change: Vec<AlterConfigOp>| {
        let changes = BTreeMap::from([(topic.clone(), change)]);
        let altered = ground
            .admin
            .incremental_alter_configs(&changes, false)
            .await;
        altered.only(&topic)
    };
    alter(vec![
        AlterConfigOp::set("retention.ms", "7200000"),
        AlterConfigOp::append("cleanup.policy", "compact"),
    ])
    .await?;
    // Apache Kafka applies a change a moment after it has said that it holds.
    while entry(&ground, &topic, "retention.ms").await?.is_default() {
        tokio::task::yield_now().await;
    }
    let retention = entry(&ground, &topic, "retention.ms").await?;
    assert_eq!(retention.value.as_deref(), Some("7200000"));
    assert_eq!(retention.source, ConfigSource::DynamicTopicConfig);
    assert_eq!(retention.config_type, ConfigType::Long);
    assert!(!retention.is_read_only && !retention.is_sensitive);
    let policy = entry(&ground, &topic, "cleanup.policy").await?;
    assert_eq!(policy.value.as_deref(), Some("delete,compact"));
    let default = policy.synonyms.last().expect("the default");
    assert_eq!(default.name, "log.cleanup.policy");
    assert_eq!(default.value.as_deref(), Some("delete"));
    assert_eq!(default.source, ConfigSource::DefaultConfig);
    assert!(policy.documentation.is_some_and(|text| !text.is_empty()));

    alter(vec![
        AlterConfigOp::delete("retention.ms"),
        AlterConfigOp::subtract("cleanup.policy", "delete"),
    ])
    .await?;
    while !entry(&ground, &topic, "retention.ms").await?.is_default() {
        tokio::task::yield_now().await;
    }
    let policy = entry(&ground, &topic, "cleanup.policy").await?;
    assert_eq!(policy.value.as_deref(), Some("compact"));
    Ok(())
}

#[tokio::test]
async fn client_admin_asks_brokers_about_themselves_and_any_about_the_rest() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let topic = ConfigResource::topic(ground.topic("admin-conf", 1).await?);
    let broker = ConfigResource::broker(ground.node().await?);
    let missing = ConfigResource::topic(unique("admin-missing"));
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    let changes = BTreeMap::from([
        (topic.clone(), vec![AlterConfigOp::set("retention.ms", "1")]),
        (
            missing.clone(),
            vec![AlterConfigOp::set("retention.ms", "1")],
        ),
        (broker.clone(), vec![AlterConfigOp::set("broker.id", "99")]),
    ]);
    let expected = BTreeMap::from([
        (topic.clone(), None),
        (missing.clone(), unknown),
        (broker.clone(), Some(ResponseError::InvalidRequest)),
    ]);
    let altered = admin.incremental_alter_configs(&changes, true).await;
    assert_eq!(codes(&altered), expected);
    let retention = entry(&ground, &topic, "retention.ms").await?;
    assert!(retention.is_default(), "it was only tried: {retention:?}");

    let resources = [topic.clone(), broker.clone(), missing.clone()];
    let options = DescribeConfigsOptions::default();
    let described = admin.describe_configs(resources, options).await;
    let expected = BTreeMap::from([
        (topic.clone(), None),
        (missing, unknown),
        (broker.clone(), None),
    ]);
    assert_eq!(codes(&described), expected);
    let of_broker = described[&broker].as_ref().unwrap();
    let node_id = of_broker.iter().find(|entry| entry.name == "node.id");
    let node_id = node_id.expect("a broker has it");
    assert_eq!(node_id.value.as_ref(), Some(&broker.name));
    assert!(node_id.synonyms.is_empty() && node_id.documentation.is_none());

    let topics = admin
        .list_config_resources(&[ConfigResourceType::Topic])
        .await?;
    assert!(topics.contains(&topic) && !topics.contains(&broker));
    let all = admin.list_config_resources(&[]).await?;
    assert!(all.contains(&topic) && all.contains(&broker));
    Ok(())
}
