//! The native admin client's calls about transactions, features and log directories.

use std::collections::BTreeMap;

use ringbrook_client::TopicPartition;
use ringbrook_client::admin::{
    AbortTransactionSpec, FeatureUpdate, ListTransactionsOptions, TopicPartitionReplica,
    TransactionState, UpgradeType,
};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::{batch, unique};

use crate::client_admin::{Ground, codes};
use crate::transaction::{Producer, Protocol};

#[tokio::test]
async fn client_admin_lists_describes_and_fences_transactions() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let topic = ground.topic("admin-txn", 1).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let (id, missing) = (unique("admin-txn"), unique("admin-missing"));
    let client = ground.broker.client()?;
    let mut producer = Producer::init(client, &id, Protocol::V2)?.on(&ground.broker);
    producer.send(&topic, 0, &["open"])?;

    let state = async |options: ListTransactionsOptions| -> anyhow::Result<_> {
        let listed = admin.list_transactions(&options).await?.all()?;
        let listed = listed.into_iter().find(|it| it.transactional_id == id);
        Ok(listed.map(|it| (it.producer_id, it.state)))
    };
    let open = Some((producer.id, TransactionState::Ongoing));
    assert_eq!(state(ListTransactionsOptions::default()).await?, open);
    let options = ListTransactionsOptions {
        states: vec![TransactionState::CompleteAbort],
        ..ListTransactionsOptions::default()
    };
    assert_eq!(state(options).await?, None);

    let described = admin.describe_transactions([&id, &missing]).await;
    let not_found = Some(ResponseError::TransactionalIdNotFound);
    let expected = BTreeMap::from([(id.clone(), None), (missing, not_found)]);
    assert_eq!(codes(&described), expected);
    let described = described[&id].as_ref().unwrap();
    assert_eq!(described.state, TransactionState::Ongoing);
    assert_eq!(described.producer_id, producer.id);
    assert_eq!(described.producer_epoch, producer.epoch);
    assert_eq!(described.partitions, std::slice::from_ref(&partition));
    assert!(described.start_time_ms.is_some());

    let producers = admin
        .describe_producers([partition.clone()], None)
        .await
        .all()?;
    let [known] = &producers[&partition][..] else {
        panic!("one producer: {producers:?}");
    };
    assert_eq!(known.producer_id, producer.id);
    assert_eq!(known.current_transaction_start_offset, Some(0));

    let fenced = admin.fence_producers([&id]).await.only(&id)?;
    assert_eq!(fenced.producer_id, producer.id);
    assert!(producer.epoch < fenced.producer_epoch);
    Ok(())
}

#[tokio::test]
async fn client_admin_aborts_transactions_that_hang() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("admin-txn", 1).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let client = ground.broker.client()?;
    let id = unique("admin-txn");
    let mut producer = Producer::init(client, &id, Protocol::V2)?.on(&ground.broker);
    producer.send(&topic, 0, &["open"])?;
    let spec = AbortTransactionSpec {
        partition: partition.clone(),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        coordinator_epoch: 0,
    };
    let stale = AbortTransactionSpec {
        producer_epoch: spec.producer_epoch - 1,
        ..spec.clone()
    };
    let refused = ground.admin.abort_transaction(&stale).await.unwrap_err();
    // Apache Kafka 4.3.1 has no better word for it than an unknown error of the server.
    let stale_epoch = matches!(
        refused.response_error(),
        Some(ResponseError::InvalidProducerEpoch | ResponseError::UnknownServerError)
    );
    assert!(stale_epoch, "{refused}");
    ground.admin.abort_transaction(&spec).await?;
    let producers = ground
        .admin
        .describe_producers([partition.clone()], None)
        .await;
    let producers = producers.only(&partition)?;
    let open = producers
        .iter()
        .filter_map(|it| it.current_transaction_start_offset);
    assert_eq!(open.count(), 0);
    Ok(())
}

#[tokio::test]
async fn client_admin_describes_and_tries_features() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let node = ground.node().await?;
    let features = ground.admin.describe_features(Some(node)).await?;
    let name = "transaction.version".to_owned();
    let finalized = features.finalized[&name];
    let supported = features.supported[&name];
    assert!(finalized.max <= supported.max && features.finalized_epoch.is_some());
    let change = |max_version_level| {
        let upgrade_type = UpgradeType::Upgrade;
        let update = FeatureUpdate {
            max_version_level,
            upgrade_type,
        };
        BTreeMap::from([(name.clone(), update)])
    };
    let beyond = ground.admin.update_features(&change(99), true).await;
    let error = beyond[&name].as_ref().unwrap_err();
    let refused = matches!(
        error.response_error(),
        Some(ResponseError::InvalidUpdateVersion | ResponseError::FeatureUpdateFailed)
    );
    assert!(refused, "{error}");
    Ok(())
}

#[tokio::test]
async fn client_admin_describes_log_dirs_and_refuses_moves_to_nowhere() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let node = ground.node().await?;
    let topic = ground.topic("admin-dirs", 1).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    ground.broker.client()?.produce(&topic, 0, batch(&["a"]))?;
    let dirs = admin.describe_log_dirs([node]).await.only(&node)?;
    let with_log = dirs
        .iter()
        .find(|(_, dir)| dir.replicas.contains_key(&partition));
    let (path, dir) = with_log.expect("some directory has the log");
    let log = dir.replicas[&partition];
    assert!(0 < log.size && !log.is_future && dir.error.is_none());
    assert!(dir.total_bytes.is_some() && dir.usable_bytes <= dir.total_bytes);

    let replica = TopicPartitionReplica::new(partition, node);
    let place = admin
        .describe_replica_log_dirs([replica.clone()])
        .await
        .only(&replica)?;
    assert_eq!(place.current, Some((path.clone(), log)));
    assert_eq!(place.future, None);
    let moves = BTreeMap::from([(replica.clone(), "/no/such/directory".to_owned())]);
    let moved = admin.alter_replica_log_dirs(&moves).await;
    let not_found = Some(ResponseError::LogDirNotFound);
    assert_eq!(codes(&moved), BTreeMap::from([(replica, not_found)]));
    Ok(())
}
