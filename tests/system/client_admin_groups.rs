//! The native admin client's calls about groups and their members.

use std::collections::BTreeMap;
use std::time::Duration;

use ringbrook_client::admin::{
    GroupListing, GroupState, GroupType, ListGroupsOptions, MemberToRemove,
};
use ringbrook_client::{ClientError, TopicPartition};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::{Client, unique, wait_until};

use crate::client_admin::{Ground, codes};
use crate::consumer_groups::Member as NewMember;
use crate::group::{Member, find_coordinator, join, stable_member};

const NOT_FOUND: Option<ResponseError> = Some(ResponseError::GroupIdNotFound);
/// Partitions 1 and 0 of topic "t", as a leader writes them.
const ASSIGNMENT: &[u8] = b"\0\x01\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\x01\0\0\0\0\xff\xff\xff\xff";

/// A stable group of the classic protocol whose only member is assigned [`ASSIGNMENT`].
fn classic(client: &mut Client, group: &str) -> anyhow::Result<Member> {
    find_coordinator(client, group)?;
    let (member, _) = join(client, group)?;
    let synced = client.call(&member.sync(&[(&member.id, ASSIGNMENT)]), 5)?;
    anyhow::ensure!(synced.error_code == 0, "{}", synced.error_code);
    Ok(member)
}

/// A group of the new protocol whose only member has all of a topic's partitions.
fn consumer(
    client: &mut Client,
    group: &str,
    topic: &str,
    partitions: usize,
) -> anyhow::Result<NewMember> {
    find_coordinator(client, group)?;
    let mut member = NewMember::new(group, "member-one");
    member.join(client, topic)?;
    let mut last = Ok(());
    wait_until(Duration::from_secs(30), || {
        last = member.beat(client);
        last.is_err() || member.owned.len() == partitions
    });
    last?;
    // What it owns now is told by one more.
    member.beat(client)?;
    Ok(member)
}

fn of_group(groups: Vec<GroupListing>, group: &str) -> Option<GroupListing> {
    groups.into_iter().find(|it| it.group_id == group)
}

#[tokio::test]
async fn client_admin_lists_groups_by_state_and_type() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("admin-groups", 1).await?;
    let mut client = ground.broker.client()?;
    let (old, new) = (unique("admin-old"), unique("admin-new"));
    classic(&mut client, &old)?;
    let _member = consumer(&mut client, &new, &topic, 1)?;
    let list = async |options: ListGroupsOptions| -> Result<_, ClientError> {
        let groups = ground.admin.list_groups(&options).await?.all()?;
        let of = |group: &str| of_group(groups.clone(), group).map(|it| (it.group_type, it.state));
        Ok((of(&old), of(&new)))
    };
    let old_is = Some((GroupType::Classic, GroupState::Stable));
    let new_is = Some((GroupType::Consumer, GroupState::Stable));
    let all = ListGroupsOptions::default;
    for (options, expected) in [
        (all(), (&old_is, &new_is)),
        (ListGroupsOptions::consumers(), (&old_is, &new_is)),
        (all().of_types(vec![GroupType::Classic]), (&old_is, &None)),
        (all().of_types(vec![GroupType::Consumer]), (&None, &new_is)),
        (all().in_states(vec![GroupState::Empty]), (&None, &None)),
        (
            all().in_states(vec![GroupState::Stable, GroupState::Dead]),
            (&old_is, &new_is),
        ),
    ] {
        let (old, new) = list(options.clone()).await?;
        assert_eq!((&old, &new), expected, "{options:?}");
    }
    let connect = ListGroupsOptions {
        protocol_types: vec!["connect".to_owned()],
        ..all()
    };
    assert_eq!(list(connect).await?, (None, None));
    Ok(())
}

#[tokio::test]
async fn client_admin_describes_groups_of_both_protocols() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let node = ground.node().await?;
    let topic = ground.topic("admin-groups", 2).await?;
    let mut client = ground.broker.client()?;
    let names = [
        unique("admin-old"),
        unique("admin-new"),
        unique("admin-missing"),
    ];
    let [old, new, missing] = &names;
    let member = classic(&mut client, old)?;
    let _member = consumer(&mut client, new, &topic, 2)?;
    let described = ground.admin.describe_consumer_groups(&names).await;
    let expected = [(old, None), (new, None), (missing, NOT_FOUND)];
    let expected = expected.map(|(group, code)| (group.clone(), code));
    assert_eq!(codes(&described), BTreeMap::from(expected));

    let classic = described[old].as_ref().unwrap();
    assert_eq!(classic.group_type, GroupType::Classic);
    assert_eq!(classic.state, GroupState::Stable);
    assert_eq!(classic.partition_assignor, "range");
    assert_eq!(classic.coordinator.id, node);
    assert!(!classic.is_simple_consumer_group);
    let [only] = &classic.members[..] else {
        panic!("one member: {classic:?}");
    };
    assert_eq!(only.member_id, member.id);
    let expected = [0, 1].map(|index| TopicPartition::new("t", index));
    assert_eq!(only.assignment, expected);
    assert_eq!(
        (only.target_assignment.as_ref(), only.member_epoch),
        (None, None)
    );

    let consumer = described[new].as_ref().unwrap();
    assert_eq!(consumer.group_type, GroupType::Consumer);
    assert_eq!(consumer.state, GroupState::Stable);
    assert_eq!(consumer.partition_assignor, "uniform");
    assert_eq!(consumer.group_epoch, consumer.target_assignment_epoch);
    let [only] = &consumer.members[..] else {
        panic!("one member: {consumer:?}");
    };
    assert_eq!(only.member_id, "member-one");
    let expected = [0, 1].map(|index| TopicPartition::new(topic.as_str(), index));
    assert_eq!(only.assignment, expected);
    assert_eq!(only.target_assignment.as_deref(), Some(&expected[..]));
    assert_eq!(only.member_epoch, consumer.group_epoch);
    assert_eq!(only.is_upgraded, Some(true));
    assert_eq!(only.subscribed_topic_names, [topic]);
    Ok(())
}

#[tokio::test]
async fn client_admin_describes_classic_groups_and_refuses_garbage() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let mut client = ground.broker.client()?;
    let names = [
        unique("admin-old"),
        unique("admin-garbage"),
        unique("admin-missing"),
    ];
    let [good, garbage, missing] = &names;
    let member = classic(&mut client, good)?;
    stable_member(&mut client, garbage)?;
    let described = ground.admin.describe_classic_groups(&names).await;
    let good = described[good].as_ref().unwrap();
    assert_eq!(
        (good.protocol.as_str(), good.protocol_data.as_str()),
        ("consumer", "range")
    );
    assert_eq!(
        good.members.first().map(|it| &it.member_id),
        Some(&member.id)
    );
    let error = described[garbage].as_ref().unwrap_err();
    assert!(matches!(error, ClientError::Protocol { .. }), "{error}");
    let error = described[missing].as_ref().unwrap_err();
    assert_eq!(error.response_error(), NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn client_admin_deletes_groups_without_members() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("admin-groups", 1).await?;
    let mut client = ground.broker.client()?;
    let names = [
        unique("admin-busy"),
        unique("admin-idle"),
        unique("admin-missing"),
    ];
    let [busy, idle, missing] = &names;
    classic(&mut client, busy)?;
    find_coordinator(&mut client, idle)?;
    let commit = Member::simple(idle).commit(&topic, 0, 1);
    assert_eq!(crate::group::commit(&mut client, &commit)?, None);
    let deleted = ground.admin.delete_groups(&names).await;
    let not_empty = Some(ResponseError::NonEmptyGroup);
    let expected = [(busy, not_empty), (idle, None), (missing, NOT_FOUND)];
    let expected = expected.map(|(group, code)| (group.clone(), code));
    assert_eq!(codes(&deleted), BTreeMap::from(expected));
    let groups = ground
        .admin
        .list_groups(&ListGroupsOptions::default())
        .await?
        .all()?;
    assert!(of_group(groups.clone(), busy).is_some() && of_group(groups, idle).is_none());
    Ok(())
}

#[tokio::test]
async fn client_admin_removes_members_from_groups() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let admin = &ground.admin;
    let mut client = ground.broker.client()?;
    let group = unique("admin-members");
    let member = classic(&mut client, &group)?;
    let members = [
        MemberToRemove::Member("nobody".to_owned()),
        MemberToRemove::Instance("nowhere".to_owned()),
    ];
    let removed = admin.remove_members_from_consumer_group(&group, members.clone(), "a test");
    let unknown = Some(ResponseError::UnknownMemberId);
    let expected = members.map(|it| (it, unknown));
    assert_eq!(codes(&removed.await), BTreeMap::from(expected));
    let removed = admin
        .remove_all_members_from_consumer_group(&group, "a test")
        .await?;
    let expected = [(MemberToRemove::Member(member.id), None)];
    assert_eq!(codes(&removed), BTreeMap::from(expected));
    let described = admin
        .describe_consumer_groups([&group])
        .await
        .only(&group)?;
    assert_eq!(
        (described.state, described.members.len()),
        (GroupState::Empty, 0)
    );
    Ok(())
}
