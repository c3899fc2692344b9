//! Every call of producer, consumer and admin client may be made in a spawned task. That this
//! compiles is the claim: the compiler takes futures of async closures that borrow for `Send` where
//! they stand, and only spawning what holds them shows that it does not elsewhere.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use ringbrook_client::admin::{
    Admin, DescribeConfigsOptions, ElectionType, ListGroupsOptions, ListOffsetsOptions,
    ListTransactionsOptions,
};
use ringbrook_client::config::{AdminConfig, ConsumerConfig, ProducerConfig};
use ringbrook_client::consumer::Consumer;
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_client::serialization::StringSerializer;
use ringbrook_client::{ClientError, TopicPartition};

/// Takes what `tokio::spawn` takes.
fn spawned(_: impl Future<Output = Result<(), ClientError>> + Send + 'static) {}

#[tokio::test]
async fn a_producer_works_in_spawned_tasks() -> Result<(), Box<dyn std::error::Error>> {
    let config = ProducerConfig::new(vec!["localhost:9092".parse()?]);
    let producer: Producer<String, String> = Producer::builder(config)
        .key_serializer(StringSerializer)
        .value_serializer(StringSerializer)
        .build()?;
    spawned(async move {
        let record = || ProducerRecord::new("orders", String::new());
        producer.init_transactions().await?;
        producer.begin_transaction()?;
        producer.send(record()).await?.await?;
        producer.send_with(record(), drop).await?;
        producer.commit_transaction().await?;
        producer.abort_transaction().await?;
        producer.flush().await;
        producer.partitions_for("orders").await?;
        producer.close_within(Duration::ZERO).await
    });
    Ok(())
}

#[tokio::test]
async fn a_consumer_works_in_spawned_tasks() -> Result<(), Box<dyn std::error::Error>> {
    let config = ConsumerConfig::new(vec!["localhost:9092".parse()?]).with_group_id("group");
    let consumer = Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;
    spawned(async move {
        let partition = TopicPartition::new("orders", 0);
        let partitions = [partition.clone()];
        consumer.poll(Duration::ZERO).await?;
        consumer.position(&partition).await?;
        consumer.beginning_offsets(&partitions).await?;
        consumer.end_offsets(&partitions).await?;
        consumer.offsets_for_times(&[(partition, 0)].into()).await?;
        consumer.partitions_for("orders").await?;
        consumer.committed(&partitions).await?;
        consumer.commit_sync().await?;
        consumer.unsubscribe().await?;
        consumer.close().await
    });
    Ok(())
}

const NOBODY: [&str; 0] = [];

fn admin() -> Result<Admin, Box<dyn std::error::Error>> {
    let config = AdminConfig::new(vec!["localhost:9092".parse()?]);
    Ok(Admin::new(config)?)
}

#[tokio::test]
async fn an_admin_client_works_in_spawned_tasks() -> Result<(), Box<dyn std::error::Error>> {
    let admin = admin()?;
    spawned(async move {
        admin.describe_cluster().await?;
        admin.list_topics(true).await?;
        admin.create_partitions(&BTreeMap::new(), true).await;
        admin.delete_topics(NOBODY).await;
        admin.delete_topics_by_id([]).await;
        admin.describe_topics(NOBODY).await;
        admin.describe_topics_by_id([]).await;
        let options = DescribeConfigsOptions::default();
        admin.describe_configs([], options).await;
        admin.list_config_resources(&[]).await?;
        let changes = BTreeMap::new();
        admin.incremental_alter_configs(&changes, true).await;
        let options = ListOffsetsOptions::default();
        admin.list_offsets(&BTreeMap::new(), options).await;
        admin.delete_records(&BTreeMap::new()).await;
        admin.elect_leaders(ElectionType::Preferred, None).await?;
        let moves = BTreeMap::new();
        admin.alter_partition_reassignments(&moves).await;
        admin.list_partition_reassignments(None).await?;
        admin.describe_features(None).await?;
        admin.update_features(&BTreeMap::new(), true).await;
        admin.describe_log_dirs([0]).await;
        admin.describe_replica_log_dirs([]).await;
        admin.alter_replica_log_dirs(&BTreeMap::new()).await;
        admin.describe_user_scram_credentials(&[]).await?;
        admin.describe_delegation_token(None).await?;
        Ok(())
    });
    Ok(())
}

#[tokio::test]
async fn an_admin_client_asks_about_groups_in_spawned_tasks()
-> Result<(), Box<dyn std::error::Error>> {
    let admin = admin()?;
    spawned(async move {
        admin.list_groups(&ListGroupsOptions::default()).await?;
        admin.describe_consumer_groups(NOBODY).await;
        admin.describe_classic_groups(NOBODY).await;
        admin.delete_groups(NOBODY).await;
        let removing = admin.remove_all_members_from_consumer_group("g", "");
        removing.await?;
        let offsets = BTreeMap::new();
        admin.alter_consumer_group_offsets("g", &offsets).await;
        admin.delete_consumer_group_offsets("g", []).await;
        let wanted = BTreeMap::new();
        admin.list_consumer_group_offsets(&wanted, true).await;
        let options = ListTransactionsOptions::default();
        admin.list_transactions(&options).await?;
        admin.describe_transactions(NOBODY).await;
        admin.fence_producers(NOBODY).await;
        admin.describe_producers([], None).await;
        Ok(())
    });
    Ok(())
}
