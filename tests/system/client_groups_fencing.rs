//! Members that are put out: by an administrator, and by another one with the same
//! `group.instance.id`. They learn that what they had is lost, and what they may still do.

use std::time::Duration;

use anyhow::Context;
use ringbrook_client::admin::MemberToRemove;
use ringbrook_client::{ClientError, TopicPartition};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::unique;

use crate::client_admin::Ground;
use crate::client_groups::{DEADLINE, Member, Told, indexes, is, is_split, poll_until};

const QUICK: &[(&str, &str)] = &[("heartbeat.interval.ms", "200")];
const COOPERATIVE: &[(&str, &str)] = &[
    ("heartbeat.interval.ms", "200"),
    ("partition.assignment.strategy", "cooperative-sticky"),
];
const NEXT: &[(&str, &str)] = &[("group.protocol", "consumer")];

impl Ground {
    async fn remove(&self, group: &str, member: MemberToRemove) -> anyhow::Result<()> {
        let admin = &self.admin;
        let removed = admin.remove_members_from_consumer_group(group, [member], "a test");
        Ok(removed.await.all().map(drop)?)
    }

    fn static_member(
        &self,
        group: &str,
        settings: &[(&str, &str)],
        topic: &str,
        told: &Told,
    ) -> anyhow::Result<Member> {
        let settings = [settings, &[("group.instance.id", "twin")]].concat();
        let member = self.member(group, &settings)?;
        member.subscribe_with([topic], told.clone())?;
        Ok(member)
    }
}

/// Polls until there is an error.
async fn error_of(member: &Member) -> anyhow::Result<ClientError> {
    let polling = async {
        loop {
            if let Err(error) = member.poll(Duration::from_millis(50)).await {
                return error;
            }
        }
    };
    let error = tokio::time::timeout(DEADLINE, polling).await;
    error.context("no error")
}

#[tokio::test]
async fn client_groups_fencing_by_an_administrator_is_a_loss_and_not_the_end() -> anyhow::Result<()>
{
    let ground = Ground::new()?;
    for settings in [QUICK, COOPERATIVE, NEXT] {
        let topic = ground.topic("groups-removed", 2).await?;
        let group = unique("groups-removed");
        let member = ground.member(&group, settings)?;
        let told = Told::default();
        member.subscribe_with([topic.as_str()], told.clone())?;
        poll_until(&[&member], |_| is_split(&[&member], 2)).await?;
        assert_eq!(told.take(), [("assigned", vec![0, 1])]);
        let id = member.group_metadata()?.member_id.to_string();
        ground.remove(&group, MemberToRemove::Member(id)).await?;
        let late = [(TopicPartition::new(topic.as_str(), 0), 0.into())].into();
        let refused = member.commit_offsets(late).await.unwrap_err();
        assert!(is(&refused, &[ResponseError::UnknownMemberId]), "{refused}");
        let calls = told.clone();
        poll_until(&[&member], |_| calls.len() == 2).await?;
        let calls = told.take();
        assert_eq!(
            calls,
            [("lost", vec![0, 1]), ("assigned", vec![0, 1])],
            "{settings:?}"
        );
        ground.produce(&topic, 1, &["after".to_owned()]).await?;
        let read = poll_until(&[&member], |read| !read.is_empty()).await?;
        assert_eq!(read[0].value.as_deref(), Some("after"));
        member.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn client_groups_fencing_of_a_classic_twin_lasts_until_it_polls_on() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for settings in [QUICK, COOPERATIVE] {
        let topic = ground.topic("groups-twins", 2).await?;
        let group = unique("groups-twins");
        let (told_first, told_second) = (Told::default(), Told::default());
        let first = ground.static_member(&group, settings, &topic, &told_first)?;
        poll_until(&[&first], |_| is_split(&[&first], 2)).await?;
        let second = ground.static_member(&group, settings, &topic, &told_second)?;
        poll_until(&[&second], |_| is_split(&[&second], 2)).await?;
        let fenced = error_of(&first).await?;
        assert!(is(&fenced, &[ResponseError::FencedInstanceId]), "{fenced}");
        let refused = first.commit_sync().await.unwrap_err();
        assert!(is(&refused, &[ResponseError::UnknownMemberId]), "{refused}");
        // It is out and stays out: the second one is not disturbed.
        ground.produce(&topic, 0, &["a".to_owned()]).await?;
        poll_until(&[&second], |read| !read.is_empty()).await?;
        second.commit_sync().await?;
        assert_eq!(told_first.take(), [("assigned", vec![0, 1])]);
        // Whoever polls on, comes back and puts the other one out.
        poll_until(&[&first], |_| told_first.len() == 2).await?;
        let back = [("lost", vec![0, 1]), ("assigned", vec![0, 1])];
        assert_eq!(told_first.take(), back, "{settings:?}");
        let fenced = error_of(&second).await?;
        assert!(is(&fenced, &[ResponseError::FencedInstanceId]), "{fenced}");
        // To close is not to come back.
        second.close().await?;
        let closed = [("assigned", vec![0, 1]), ("lost", vec![0, 1])];
        assert_eq!(told_second.take(), closed, "{settings:?}");
        first.commit_sync().await?;
        assert_eq!(indexes(&first).len(), 2);
        first.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn client_groups_fencing_of_a_twin_in_the_consumer_protocol() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("groups-next-twins", 2).await?;
    let group = unique("groups-next-twins");
    let (told_first, told_second) = (Told::default(), Told::default());
    let first = ground.static_member(&group, NEXT, &topic, &told_first)?;
    poll_until(&[&first], |_| is_split(&[&first], 2)).await?;
    // A twin is refused as long as the first one lives, and told so once.
    let second = ground.static_member(&group, NEXT, &topic, &told_second)?;
    let refused = error_of(&second).await?;
    assert!(
        is(&refused, &[ResponseError::UnreleasedInstanceId]),
        "{refused}"
    );
    assert!(second.poll(Duration::from_millis(300)).await?.is_empty());
    first.poll(Duration::from_millis(50)).await?;
    first.commit_sync().await?;
    // When the first one was removed, the twin has its place.
    let twin = MemberToRemove::Instance("twin".to_owned());
    ground.remove(&group, twin).await?;
    second.unsubscribe().await?;
    second.subscribe_with([topic.as_str()], told_second.clone())?;
    poll_until(&[&second], |_| is_split(&[&second], 2)).await?;
    let fenced = error_of(&first).await?;
    assert!(is(&fenced, &[ResponseError::FencedInstanceId]), "{fenced}");
    assert!(first.poll(Duration::from_millis(300)).await?.is_empty());
    assert_eq!(
        told_first.take(),
        [("assigned", vec![0, 1]), ("lost", vec![0, 1])]
    );
    assert_eq!(told_second.take(), [("assigned", vec![0, 1])]);
    first.close().await?;
    second.commit_sync().await?;
    second.close().await?;
    Ok(())
}
