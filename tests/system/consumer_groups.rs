//! Consumer groups of the new protocol (KIP-848), request by request: partitions move without two
//! owners, offsets belong to members by their epochs, topics may change, static members come back,
//! and all of it outlives the broker.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use ringbrook_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ringbrook_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use ringbrook_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ringbrook_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    CreatePartitionsRequest, DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest,
    OffsetFetchRequest,
};
use ringbrook_protocol::{ResponseError, StrBytes};
use ringbrook_tests::{
    BrokerOptions, Client, SharedBroker, TestBroker, error, topic_name, unique, wait_until,
};
use uuid::Uuid;

use crate::group::{self, commit, fetched_offset, find_coordinator, group_id, text};

/// A member, as a client keeps it.
pub(crate) struct Member {
    group: String,
    id: String,
    instance: Option<String>,
    epoch: i32,
    /// Partitions of the one topic it subscribes to.
    pub(crate) owned: BTreeSet<i32>,
    topic_id: Uuid,
}

impl Member {
    pub(crate) fn new(group: &str, id: &str) -> Self {
        Self {
            group: group.to_owned(),
            id: id.to_owned(),
            instance: None,
            epoch: 0,
            owned: BTreeSet::new(),
            topic_id: Uuid::nil(),
        }
    }

    fn request(&self) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group_id(&self.group))
            .with_member_id(text(&self.id))
            .with_member_epoch(self.epoch)
            .with_instance_id(self.instance.as_deref().map(text))
            .with_rebalance_timeout_ms(-1)
            .with_subscribed_topic_names(None)
            .with_topic_partitions(None)
    }

    pub(crate) fn join(&mut self, client: &mut Client, topic: &str) -> anyhow::Result<()> {
        self.epoch = 0;
        self.owned.clear();
        let request = self
            .request()
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(vec![topic_name(topic)]))
            .with_topic_partitions(Some(Vec::new()));
        self.send(client, &request)
    }

    /// A heartbeat that says what the member owns, and does what it is told.
    pub(crate) fn beat(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let owned = TopicPartitions::default()
            .with_topic_id(self.topic_id)
            .with_partitions(self.owned.iter().copied().collect());
        let owned = if self.owned.is_empty() {
            Vec::new()
        } else {
            vec![owned]
        };
        let request = self.request().with_topic_partitions(Some(owned));
        self.send(client, &request)
    }

    fn send(
        &mut self,
        client: &mut Client,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> anyhow::Result<()> {
        let answer = client.call(request, 1)?;
        ensure!(
            answer.error_code == 0,
            "refused: {:?} {:?}",
            error(answer.error_code),
            answer.error_message
        );
        self.epoch = answer.member_epoch;
        if let Some(assignment) = answer.assignment {
            self.owned.clear();
            for topic in assignment.topic_partitions {
                self.topic_id = topic.topic_id;
                self.owned.extend(topic.partitions);
            }
        }
        Ok(())
    }

    fn leave(&self, client: &mut Client, epoch: i32) -> anyhow::Result<()> {
        let answer = client.call(&self.request().with_member_epoch(epoch), 1)?;
        ensure!(answer.error_code == 0, "{:?}", error(answer.error_code));
        ensure!(answer.member_epoch == epoch, "left with another epoch");
        Ok(())
    }

    /// As the helpers of offsets want it.
    fn committer(&self) -> group::Member {
        group::Member {
            group: self.group.clone(),
            id: self.id.clone(),
            generation: self.epoch,
        }
    }
}

/// Lets the members heartbeat until they own this many partitions each.
fn until_owned(
    client: &mut Client,
    members: &mut [&mut Member],
    counts: &[usize],
) -> anyhow::Result<()> {
    let mut last = Ok(Vec::new());
    wait_until(Duration::from_secs(30), || {
        last = beat_all(client, members);
        last.as_ref().map_or(true, |owned| owned == counts)
    });
    let owned = last?;
    ensure!(owned == counts, "still {owned:?}, not {counts:?}");
    Ok(())
}

/// A heartbeat of each member; how many partitions each owns then.
fn beat_all(client: &mut Client, members: &mut [&mut Member]) -> anyhow::Result<Vec<usize>> {
    let mut all = BTreeSet::new();
    for member in &mut *members {
        member.beat(client)?;
    }
    for partition in members.iter().flat_map(|member| &member.owned) {
        ensure!(all.insert(*partition), "{partition} is owned twice");
    }
    Ok(members.iter().map(|member| member.owned.len()).collect())
}

fn refused(answer: &ConsumerGroupHeartbeatResponse) -> Option<ResponseError> {
    error(answer.error_code)
}

#[test]
fn partitions_move_to_a_second_member_and_back() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let (group, topic) = (unique("moving"), unique("moving"));
    client.create_topic(&topic, 4, &[])?;
    find_coordinator(&mut client, &group)?;
    let (mut first, mut second) = (Member::new(&group, "first"), Member::new(&group, "second"));
    first.join(&mut client, &topic)?;
    until_owned(&mut client, &mut [&mut first], &[4])?;
    second.join(&mut client, &topic)?;
    assert!(second.owned.is_empty(), "all of it is owned");
    until_owned(&mut client, &mut [&mut first, &mut second], &[2, 2])?;
    assert_eq!(first.epoch, second.epoch);
    second.leave(&mut client, -1)?;
    until_owned(&mut client, &mut [&mut first], &[4])?;
    // Whoever left is not known any more; whoever has another epoch is fenced.
    let gone = client.call(&second.request(), 1)?;
    assert_eq!(refused(&gone), Some(ResponseError::UnknownMemberId));
    let ahead = first.request().with_member_epoch(first.epoch + 1);
    let fenced = client.call(&ahead, 1)?;
    assert_eq!(refused(&fenced), Some(ResponseError::FencedMemberEpoch));
    Ok(())
}

#[test]
fn more_partitions_reach_the_members() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let (group, topic) = (unique("growing"), unique("growing"));
    client.create_topic(&topic, 1, &[])?;
    find_coordinator(&mut client, &group)?;
    let mut member = Member::new(&group, "member");
    member.join(&mut client, &topic)?;
    until_owned(&mut client, &mut [&mut member], &[1])?;
    let grown = CreatePartitionsTopic::default()
        .with_name(topic_name(&topic))
        .with_count(3)
        .with_assignments(None);
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![grown])
        .with_timeout_ms(10_000);
    assert_eq!(client.call(&request, 3)?.results[0].error_code, 0);
    until_owned(&mut client, &mut [&mut member], &[3])
}

#[test]
fn offsets_are_committed_and_fetched_by_members_with_their_epoch() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let (group, topic) = (unique("epochs"), unique("epochs"));
    client.create_topic(&topic, 1, &[])?;
    find_coordinator(&mut client, &group)?;
    let mut member = Member::new(&group, "member");
    member.join(&mut client, &topic)?;
    until_owned(&mut client, &mut [&mut member], &[1])?;
    let mut committer = member.committer();
    assert_eq!(commit(&mut client, &committer.commit(&topic, 0, 5))?, None);
    committer.generation += 1;
    assert_eq!(
        commit(&mut client, &committer.commit(&topic, 0, 6))?,
        Some(ResponseError::StaleMemberEpoch)
    );
    let nobody = group::Member::simple(&group).commit(&topic, 0, 7);
    assert_eq!(
        commit(&mut client, &nobody)?,
        Some(ResponseError::UnknownMemberId)
    );
    assert_eq!(fetched_offset(&mut client, &group, &topic, 0)?.0, 5);
    for (epoch, expected) in [
        (member.epoch, None),
        (member.epoch + 1, Some(ResponseError::StaleMemberEpoch)),
    ] {
        let fetch = OffsetFetchRequestGroup::default()
            .with_group_id(group_id(&group))
            .with_member_id(Some(text(&member.id)))
            .with_member_epoch(epoch)
            .with_topics(None);
        let response = client.call(&OffsetFetchRequest::default().with_groups(vec![fetch]), 9)?;
        assert_eq!(error(response.groups[0].error_code), expected);
    }
    Ok(())
}

#[test]
fn a_group_is_described_listed_and_deleted() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let (group, topic) = (unique("admin"), unique("admin"));
    client.create_topic(&topic, 2, &[])?;
    find_coordinator(&mut client, &group)?;
    let mut member = Member::new(&group, "member");
    member.join(&mut client, &topic)?;
    until_owned(&mut client, &mut [&mut member], &[2])?;
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(&group)]);
    let described = client.call(&request, 1)?.groups;
    let described = described.first().context("the group")?;
    assert_eq!(described.error_code, 0);
    assert_eq!(described.group_state.as_str(), "Stable");
    assert_eq!(described.assignor_name.as_str(), "uniform");
    let shown = &described.members[0];
    assert_eq!(shown.member_epoch, member.epoch);
    assert_eq!(shown.member_type, 1);
    assert_eq!(shown.assignment, shown.target_assignment);
    let assigned = &shown.assignment.topic_partitions[0];
    assert_eq!(
        (assigned.topic_name.as_str(), assigned.partitions.len()),
        (&*topic, 2)
    );

    let list = ListGroupsRequest::default()
        .with_types_filter(vec![StrBytes::from_static_str("Consumer")])
        .with_states_filter(vec![StrBytes::from_static_str("stable")]);
    let listed = client.call(&list, 5)?.groups;
    let listed = listed.iter().find(|it| it.group_id.as_str() == group);
    assert_eq!(listed.context("listed")?.group_type.as_str(), "consumer");
    // The older request does not know such groups.
    let older = DescribeGroupsRequest::default().with_groups(vec![group_id(&group)]);
    let older = client.call(&older, 6)?.groups;
    assert_eq!(
        error(older[0].error_code),
        Some(ResponseError::GroupIdNotFound)
    );
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group_id(&group)]);
    let code = |client: &mut Client| -> anyhow::Result<Option<ResponseError>> {
        Ok(error(client.call(&delete, 2)?.results[0].error_code))
    };
    assert_eq!(code(&mut client)?, Some(ResponseError::NonEmptyGroup));
    member.leave(&mut client, -1)?;
    assert_eq!(code(&mut client)?, None);
    let described = client.call(&request, 1)?.groups;
    assert_eq!(
        error(described[0].error_code),
        Some(ResponseError::GroupIdNotFound)
    );
    Ok(())
}

#[test]
fn requests_that_cannot_be_are_refused() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let (group, topic) = (unique("refused"), unique("refused"));
    client.create_topic(&topic, 1, &[])?;
    find_coordinator(&mut client, &group)?;
    let joining = Member::new(&group, "member")
        .request()
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic_name(&topic)]))
        .with_topic_partitions(Some(Vec::new()));
    for (request, expected) in [
        (
            joining.clone().with_member_id(text("")),
            ResponseError::InvalidRequest,
        ),
        (
            joining.clone().with_rebalance_timeout_ms(-1),
            ResponseError::InvalidRequest,
        ),
        (
            joining.clone().with_server_assignor(Some(text("none"))),
            ResponseError::UnsupportedAssignor,
        ),
        (
            joining.clone().with_subscribed_topic_regex(Some(text("("))),
            ResponseError::InvalidRegularExpression,
        ),
        (
            joining.clone().with_member_epoch(1),
            ResponseError::GroupIdNotFound,
        ),
    ] {
        let answer = client.call(&request, 1)?;
        assert_eq!(refused(&answer), Some(expected), "{request:?}");
        assert!(answer.error_message.is_some(), "{request:?}");
    }
    Ok(())
}

#[test]
fn groups_go_on_after_kill_9_and_a_clean_restart() -> anyhow::Result<()> {
    let options = BrokerOptions::fast()
        .set("group.consumer.min.session.timeout.ms", "1000")
        .set("group.consumer.session.timeout.ms", "10000");
    let mut broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    let (group, topic) = ("restarted", "restarted");
    client.create_topic(topic, 4, &[])?;
    find_coordinator(&mut client, group)?;
    let (mut first, mut second) = (Member::new(group, "first"), Member::new(group, "second"));
    second.instance = Some("instance".to_owned());
    first.join(&mut client, topic)?;
    second.join(&mut client, topic)?;
    until_owned(&mut client, &mut [&mut first, &mut second], &[2, 2])?;
    for is_clean in [false, true] {
        broker = if is_clean {
            broker.stop_and_restart()?
        } else {
            broker.kill_and_restart()?
        };
        client = broker.client()?;
        find_coordinator(&mut client, group)?;
        let (epoch, owned) = (first.epoch, first.owned.clone());
        first.beat(&mut client)?;
        second.beat(&mut client)?;
        assert_eq!((first.epoch, &first.owned), (epoch, &owned));
        assert_eq!(second.owned.len(), 2);
    }
    // A static member keeps its partitions while it is away, and while the broker is.
    let before = second.owned.clone();
    second.leave(&mut client, -2)?;
    broker = broker.kill_and_restart()?;
    client = broker.client()?;
    find_coordinator(&mut client, group)?;
    "second, again".clone_into(&mut second.id);
    second.join(&mut client, topic)?;
    assert_eq!(second.owned, before);
    // Members that are not heard of are removed.
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(group)]);
    let is_empty = wait_until(Duration::from_secs(30), || {
        let described = client.call(&request, 1);
        described.is_ok_and(|described| described.groups[0].members.is_empty())
    });
    assert!(is_empty, "members outlive their sessions");
    broker.stop()
}
