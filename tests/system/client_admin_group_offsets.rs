//! The native admin client's calls about what groups have committed.

use std::collections::BTreeMap;

use ringbrook_client::{OffsetAndMetadata, TopicPartition};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::unique;

use crate::client_admin::{Ground, codes};
use crate::consumer_groups::Member as ConsumerMember;
use crate::group::{Member, find_coordinator, stable_member};
use crate::transaction::{Producer, Protocol};

#[tokio::test]
async fn client_admin_alters_lists_and_deletes_committed_offsets() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let topic = ground.topic("admin-commit", 3).await?;
    let group = unique("admin-group");
    let parts = [0, 1, 2].map(|index| TopicPartition::new(topic.as_str(), index));
    let missing = TopicPartition::new(unique("admin-missing"), 0);
    let first = OffsetAndMetadata::new(5)
        .with_leader_epoch(Some(0))
        .with_metadata("words");
    let offsets = BTreeMap::from([
        (parts[0].clone(), first.clone()),
        (parts[1].clone(), OffsetAndMetadata::new(7)),
        (missing.clone(), OffsetAndMetadata::new(1)),
    ]);
    let altered = admin.alter_consumer_group_offsets(&group, &offsets).await;
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    let expected = [
        (parts[0].clone(), None),
        (parts[1].clone(), None),
        (missing, unknown),
    ];
    assert_eq!(codes(&altered), BTreeMap::from(expected));

    let nobody = unique("admin-nobody");
    let listed = async |of: Option<Vec<TopicPartition>>| {
        let wanted = BTreeMap::from([(group.clone(), of.clone()), (nobody.clone(), of)]);
        let listed = admin
            .list_consumer_group_offsets(&wanted, true)
            .await
            .all()?;
        let offsets = listed
            .into_iter()
            .map(|(group, offsets)| Ok((group, offsets.all()?)));
        offsets.collect::<anyhow::Result<BTreeMap<_, _>>>()
    };
    let all = listed(None).await?;
    let second = OffsetAndMetadata::new(7);
    let expected = [
        (parts[0].clone(), Some(first)),
        (parts[1].clone(), Some(second.clone())),
    ];
    assert_eq!(all[&group], BTreeMap::from(expected));
    assert!(all[&nobody].is_empty());
    let some = listed(Some(parts[1..].to_vec())).await?;
    let expected = [(parts[1].clone(), Some(second)), (parts[2].clone(), None)];
    assert_eq!(some[&group], BTreeMap::from(expected));
    assert!(some[&nobody].values().all(Option::is_none));

    let deleted = admin
        .delete_consumer_group_offsets(&group, parts[..2].to_vec())
        .await;
    let expected = parts[..2].iter().map(|it| (it.clone(), None)).collect();
    assert_eq!(codes(&deleted), expected);
    assert!(listed(None).await?[&group].is_empty());
    Ok(())
}

#[tokio::test]
async fn client_admin_may_not_touch_offsets_of_groups_with_members() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let topic = ground.topic("admin-commit", 1).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let group = unique("admin-busy");
    let mut client = ground.broker.client()?;
    stable_member(&mut client, &group)?;
    let offsets = BTreeMap::from([(partition.clone(), OffsetAndMetadata::new(1))]);
    let altered = admin.alter_consumer_group_offsets(&group, &offsets).await;
    let unknown_member = Some(ResponseError::UnknownMemberId);
    assert_eq!(
        codes(&altered),
        BTreeMap::from([(partition.clone(), unknown_member)])
    );
    let subscribed = unique("admin-subscribed");
    find_coordinator(&mut client, &subscribed)?;
    ConsumerMember::new(&subscribed, "one").join(&mut client, &topic)?;
    let deleted = admin
        .delete_consumer_group_offsets(&subscribed, [partition.clone()])
        .await;
    let refused = Some(ResponseError::GroupSubscribedToTopic);
    assert_eq!(
        codes(&deleted),
        BTreeMap::from([(partition.clone(), refused)])
    );
    let missing = unique("admin-missing");
    let deleted = admin
        .delete_consumer_group_offsets(&missing, [partition.clone()])
        .await;
    let not_found = Some(ResponseError::GroupIdNotFound);
    assert_eq!(codes(&deleted), BTreeMap::from([(partition, not_found)]));
    Ok(())
}

#[tokio::test]
async fn client_admin_tells_offsets_of_open_transactions() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("admin-commit", 1).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let group = unique("admin-txn-group");
    let mut client = ground.broker.client()?;
    find_coordinator(&mut client, &group)?;
    let id = unique("admin-txn");
    let mut producer = Producer::init(client, &id, Protocol::V2)?.on(&ground.broker);
    producer.commit_offset(&Member::simple(&group), &topic, 0, 3)?;
    let wanted = BTreeMap::from([(group.clone(), Some(vec![partition.clone()]))]);
    let offset = async |require_stable| {
        let admin = &ground.admin;
        let listed = admin
            .list_consumer_group_offsets(&wanted, require_stable)
            .await;
        listed.only(&group)?.only(&partition)
    };
    assert_eq!(offset(false).await?, None);
    let unstable = offset(true).await.unwrap_err().response_error();
    assert_eq!(unstable, Some(ResponseError::UnstableOffsetCommit));
    producer.end(true)?;
    while offset(true).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(offset(true).await?.map(|it| it.offset), Some(3));
    Ok(())
}
