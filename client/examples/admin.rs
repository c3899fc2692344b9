//! Administration: creates a topic, changes its configuration, describes it, asks for its offsets,
//! and deletes it.
//!
//! `cargo run -p ringbrook-client --example admin -- localhost:9092`
#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::collections::BTreeMap;

use ringbrook_client::admin::{
    AlterConfigOp, ConfigResource, CreateTopicsOptions, ListOffsetsOptions, NewTopic, OffsetSpec,
};
use ringbrook_client::config::AdminConfig;
use ringbrook_client::{Admin, TopicPartition};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let server = std::env::args().nth(1);
    let server = server.unwrap_or_else(|| "localhost:9092".to_owned());
    let server = server.parse().map_err(anyhow::Error::msg)?;
    let admin = Admin::new(AdminConfig::new(vec![server]))?;

    let name = "admin-example";
    let topic = NewTopic::new(name).partitions(3).replication_factor(1);
    let options = CreateTopicsOptions::default();
    // Each item has its own result; `all` is for callers who want all or an error.
    admin.create_topics(&[topic], options).await.all()?;

    let resource = ConfigResource::topic(name);
    let changes = vec![AlterConfigOp::set("retention.ms", "3600000")];
    let changes = BTreeMap::from([(resource.clone(), changes)]);
    let altered = admin.incremental_alter_configs(&changes, false).await;
    altered.only(&resource)?;

    let partitions = (0..3).map(|index| TopicPartition::new(name, index));
    let wanted = partitions.map(|it| (it, OffsetSpec::Latest)).collect();
    let offsets = admin.list_offsets(&wanted, ListOffsetsOptions::default());
    for (partition, offset) in offsets.await {
        println!("{partition} ends at {}", offset?.offset);
    }

    let described = admin.describe_topics([name]).await.only(&name.to_owned())?;
    for partition in described.partitions {
        println!(
            "{name}-{} is led by {:?}",
            partition.partition, partition.leader
        );
    }
    admin.delete_topics([name]).await.all()?;
    Ok(())
}
