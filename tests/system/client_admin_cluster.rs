//! The native admin client's calls about the cluster: elections, reassignments, the quorum of
//! controllers, brokers that are gone. Brokers that do not serve an API say so.

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_client::TopicPartition;
use ringbrook_client::admin::{DescribeClusterOptions, ElectionType};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::unique;

use crate::client_admin::{Ground, codes, is_unserved};

#[tokio::test]
async fn client_admin_elects_leaders_where_that_is_needed() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("admin-elect", 1).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let missing = TopicPartition::new(unique("admin-missing"), 0);
    let partitions = BTreeSet::from([partition.clone(), missing.clone()]);
    for election in [ElectionType::Preferred, ElectionType::Unclean] {
        let elected = ground
            .admin
            .elect_leaders(election, Some(&partitions))
            .await;
        if is_unserved(&elected) {
            continue;
        }
        let expected = BTreeMap::from([
            (partition.clone(), Some(ResponseError::ElectionNotNeeded)),
            (
                missing.clone(),
                Some(ResponseError::UnknownTopicOrPartition),
            ),
        ]);
        assert_eq!(codes(&elected?), expected);
    }
    let all = ground
        .admin
        .elect_leaders(ElectionType::Preferred, None)
        .await;
    if !is_unserved(&all) {
        assert!(
            !all?.contains_key(&partition),
            "its leader is the preferred one"
        );
    }
    Ok(())
}

#[tokio::test]
async fn client_admin_moves_partitions_or_says_why_not() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let node = ground.node().await?;
    let topic = ground.topic("admin-move", 3).await?;
    let partition = |index| TopicPartition::new(topic.as_str(), index);
    let moves = BTreeMap::from([
        (partition(0), Some(vec![node])),
        (partition(1), Some(vec![node, 7777])),
        (partition(2), None),
        (partition(9), Some(vec![node])),
    ]);
    let moved = admin.alter_partition_reassignments(&moves).await;
    let listed = admin.list_partition_reassignments(None).await;
    if moved.values().all(is_unserved) {
        assert!(is_unserved(&listed));
        return Ok(());
    }
    let expected = BTreeMap::from([
        (partition(0), None),
        (partition(1), Some(ResponseError::InvalidReplicaAssignment)),
        (partition(2), Some(ResponseError::NoReassignmentInProgress)),
        (partition(9), Some(ResponseError::UnknownTopicOrPartition)),
    ]);
    assert_eq!(codes(&moved), expected);
    // Nothing was to be moved: it is over at once.
    assert!(!listed?.contains_key(&partition(0)));
    let some = BTreeSet::from([partition(0)]);
    let listed = admin.list_partition_reassignments(Some(&some)).await?;
    assert_eq!(listed, BTreeMap::new());
    Ok(())
}

#[tokio::test]
async fn client_admin_describes_the_quorum_and_unregisters_brokers() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let options = DescribeClusterOptions {
        include_fenced_brokers: true,
        include_authorized_operations: true,
    };
    let cluster = admin.describe_cluster_with(options).await?;
    let node = ground.node().await?;
    assert_eq!(cluster.nodes[0].id, node);
    assert!(cluster.fenced.is_empty());
    assert!(cluster.authorized_operations.is_some());
    assert_eq!(admin.describe_cluster().await?.authorized_operations, None);

    let unregistered = admin.unregister_broker(7777).await;
    if !is_unserved(&unregistered) {
        let error = unregistered.expect_err("there is no such broker");
        assert_eq!(
            error.response_error(),
            Some(ResponseError::BrokerIdNotRegistered)
        );
    }
    let voter = admin
        .remove_raft_voter(7777, uuid::Uuid::new_v4(), None)
        .await;
    if !is_unserved(&voter) {
        let error = voter.expect_err("there is no such voter");
        // With a static quorum, or one without that voter.
        let is_refused = matches!(
            error.response_error(),
            Some(ResponseError::UnsupportedVersion | ResponseError::VoterNotFound)
        );
        assert!(is_refused, "{error}");
    }
    let quorum = admin.describe_metadata_quorum().await;
    if is_unserved(&quorum) {
        return Ok(());
    }
    let quorum = quorum?;
    let leader = quorum
        .voters
        .iter()
        .find(|it| it.replica_id == quorum.leader_id);
    let leader = leader.expect("the leader votes");
    assert!(0 < quorum.leader_epoch && 0 < quorum.high_watermark);
    assert!(quorum.high_watermark <= leader.log_end_offset);
    Ok(())
}
