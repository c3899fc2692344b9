//! Every refusal of the group APIs that a client can provoke, with Kafka's code.

use anyhow::Context;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::leave_group_request::MemberIdentity;
use ringbrook_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use ringbrook_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, JoinGroupRequest,
    LeaveGroupRequest, OffsetDeleteRequest,
};
use ringbrook_tests::{Client, SharedBroker, error, topic_name, unique};

use crate::group::{
    Member, commit, fetched_offset, find_coordinator, group_id, join_request, stable_member, text,
};

/// A connection, a group with one stable member, and a topic of one partition.
struct Group {
    client: Client,
    topic: String,
    member: Member,
}

fn begin(broker: &SharedBroker) -> anyhow::Result<Group> {
    let mut client = broker.client()?;
    let topic = unique("group-topic");
    client.create_topic(&topic, 1, &[])?;
    let member = stable_member(&mut client, &unique("group"))?;
    Ok(Group {
        client,
        topic,
        member,
    })
}

/// The member under another id.
fn stranger(member: &Member) -> Member {
    Member {
        id: format!("{}-not", member.id),
        ..member.clone()
    }
}

/// The member in another generation.
fn out_of_date(member: &Member) -> Member {
    Member {
        generation: member.generation + 1,
        ..member.clone()
    }
}

#[test]
fn bad_joins_are_refused_with_kafkas_codes() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let Group {
        mut client, member, ..
    } = begin(&broker)?;
    let fresh = unique("fresh");
    find_coordinator(&mut client, &fresh)?;
    let request = || join_request(&fresh, "");
    let other_protocol = |group: &str| {
        let mut request = join_request(group, "");
        request.protocols[0].name = text("another");
        request
    };
    let cases: Vec<(&str, JoinGroupRequest, ResponseError)> = vec![
        (
            "no group id",
            join_request("", ""),
            ResponseError::InvalidGroupId,
        ),
        (
            "a session too short",
            request().with_session_timeout_ms(10),
            ResponseError::InvalidSessionTimeout,
        ),
        (
            "a session too long",
            request().with_session_timeout_ms(i32::MAX),
            ResponseError::InvalidSessionTimeout,
        ),
        ("no member id", request(), ResponseError::MemberIdRequired),
        (
            "a made-up member id",
            join_request(&fresh, "made-up"),
            ResponseError::UnknownMemberId,
        ),
        (
            "no protocols",
            request().with_protocols(Vec::new()),
            ResponseError::InconsistentGroupProtocol,
        ),
        (
            "no protocol type",
            request().with_protocol_type(text("")),
            ResponseError::InconsistentGroupProtocol,
        ),
        (
            "no common protocol",
            other_protocol(&member.group),
            ResponseError::InconsistentGroupProtocol,
        ),
        (
            "another protocol type",
            join_request(&member.group, "").with_protocol_type(text("connect")),
            ResponseError::InconsistentGroupProtocol,
        ),
    ];
    let mut wrong = Vec::new();
    for (name, request, expected) in cases {
        let found = error(client.call(&request, 9)?.error_code);
        if found != Some(expected) {
            wrong.push(format!("{name}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn members_are_known_by_id_and_generation() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let Group {
        mut client,
        topic,
        member,
    } = begin(&broker)?;
    let unknown = Some(ResponseError::UnknownMemberId);
    let illegal = Some(ResponseError::IllegalGeneration);
    for (member, expected) in [
        (stranger(&member), unknown),
        (out_of_date(&member), illegal),
        (member.clone(), None),
    ] {
        assert_eq!(
            error(client.call(&member.heartbeat(), 4)?.error_code),
            expected
        );
        assert_eq!(
            error(client.call(&member.sync(&[]), 5)?.error_code),
            expected
        );
        assert_eq!(commit(&mut client, &member.commit(&topic, 0, 1))?, expected);
    }
    // Nobody's commit would go behind the members' backs.
    let simple = Member::simple(&member.group);
    assert_eq!(commit(&mut client, &simple.commit(&topic, 0, 1))?, unknown);
    let mut other_protocol = member.sync(&[]);
    other_protocol.protocol_name = Some(text("roundrobin"));
    let inconsistent = Some(ResponseError::InconsistentGroupProtocol);
    assert_eq!(
        error(client.call(&other_protocol, 5)?.error_code),
        inconsistent
    );
    Ok(())
}

#[test]
fn an_unknown_group_has_no_members_and_no_offsets() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let Group {
        mut client,
        topic,
        member,
    } = begin(&broker)?;
    let absent = Member {
        group: unique("absent"),
        ..member
    };
    let unknown = Some(ResponseError::UnknownMemberId);
    assert_eq!(
        error(client.call(&absent.heartbeat(), 4)?.error_code),
        unknown
    );
    assert_eq!(
        error(client.call(&absent.sync(&[]), 5)?.error_code),
        unknown
    );
    // -1 without an error: half of librdkafka's group tests depend on it.
    assert_eq!(
        fetched_offset(&mut client, &absent.group, &topic, 0)?,
        (-1, String::new())
    );
    let request = absent.commit(&topic, 0, 1);
    let not_found = Some(ResponseError::GroupIdNotFound);
    assert_eq!(commit(&mut client, &request)?, not_found);
    let older = client.call(&request, 8)?.topics[0].partitions[0].error_code;
    assert_eq!(error(older), Some(ResponseError::IllegalGeneration));
    let ids = vec![group_id(&absent.group)];
    let deleted = client.call(
        &DeleteGroupsRequest::default().with_groups_names(ids.clone()),
        2,
    )?;
    assert_eq!(error(deleted.results[0].error_code), not_found);
    let describe = DescribeGroupsRequest::default().with_groups(ids);
    let described = client.call(&describe, 6)?;
    assert_eq!(error(described.groups[0].error_code), not_found);
    let described = client.call(&describe, 5)?;
    assert_eq!(error(described.groups[0].error_code), None);
    assert_eq!(&*described.groups[0].group_state, "Dead");
    Ok(())
}

#[test]
fn bad_commits_are_refused_with_kafkas_codes() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let Group {
        mut client,
        topic,
        member,
    } = begin(&broker)?;
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    assert_eq!(commit(&mut client, &member.commit(&topic, 9, 1))?, unknown);
    assert_eq!(
        commit(&mut client, &member.commit(&unique("absent"), 0, 1))?,
        unknown
    );
    let mut with_metadata = |len: usize| {
        let mut request = member.commit(&topic, 0, 5);
        request.topics[0].partitions[0].committed_metadata = Some(text(&"m".repeat(len)));
        commit(&mut client, &request)
    };
    assert_eq!(
        with_metadata(4097)?,
        Some(ResponseError::OffsetMetadataTooLarge)
    );
    assert_eq!(with_metadata(4096)?, None);
    Ok(())
}

#[test]
fn the_last_of_two_equal_static_members_fences_the_first() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let group = unique("static");
    find_coordinator(&mut client, &group)?;
    let request = join_request(&group, "").with_group_instance_id(Some(text("instance")));
    let first = client.call(&request, 9)?;
    assert_eq!(error(first.error_code), None);
    assert!(
        first.member_id.starts_with("instance-"),
        "{}",
        first.member_id
    );
    let first = Member {
        group: group.clone(),
        id: first.member_id.to_string(),
        generation: first.generation_id,
    };
    let named = |member: &Member| {
        member
            .heartbeat()
            .with_group_instance_id(Some(text("instance")))
    };
    let sync = first.sync(&[(&first.id, b"mine")]);
    let sync = sync.with_group_instance_id(Some(text("instance")));
    assert_eq!(error(client.call(&sync, 5)?.error_code), None);
    assert_eq!(error(client.call(&named(&first), 4)?.error_code), None);
    // The same instance comes back: no rebalance, the old assignment, another member id.
    let second = client.call(&request, 9)?;
    assert_eq!(error(second.error_code), None);
    assert_eq!(second.generation_id, first.generation);
    assert_ne!(*second.member_id, *first.id);
    let fenced = Some(ResponseError::FencedInstanceId);
    assert_eq!(error(client.call(&named(&first), 4)?.error_code), fenced);
    let second = Member {
        id: second.member_id.to_string(),
        ..first
    };
    let sync = second
        .sync(&[])
        .with_group_instance_id(Some(text("instance")));
    let synced = client.call(&sync, 5)?;
    assert_eq!(
        (error(synced.error_code), &synced.assignment[..]),
        (None, &b"mine"[..])
    );
    assert_eq!(error(client.call(&named(&second), 4)?.error_code), None);
    Ok(())
}

#[test]
fn members_leave_one_by_one_and_strangers_cannot() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let Group {
        mut client, member, ..
    } = begin(&broker)?;
    let identity = |id: &str| MemberIdentity::default().with_member_id(text(id));
    let members = vec![identity("stranger"), identity(&member.id)];
    let request = LeaveGroupRequest::default()
        .with_group_id(group_id(&member.group))
        .with_members(members);
    let left = client.call(&request, 5)?;
    assert_eq!(error(left.error_code), None);
    let codes: Vec<_> = left.members.iter().map(|it| error(it.error_code)).collect();
    assert_eq!(codes, [Some(ResponseError::UnknownMemberId), None]);
    let unknown = Some(ResponseError::UnknownMemberId);
    assert_eq!(
        error(client.call(&member.heartbeat(), 4)?.error_code),
        unknown
    );
    let described = client.call(
        &DescribeGroupsRequest::default().with_groups(vec![group_id(&member.group)]),
        6,
    )?;
    assert_eq!(
        (
            &*described.groups[0].group_state,
            described.groups[0].members.len()
        ),
        ("Empty", 0)
    );
    Ok(())
}

#[test]
fn groups_with_members_are_not_deleted() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let Group {
        mut client,
        topic,
        member,
    } = begin(&broker)?;
    assert_eq!(commit(&mut client, &member.commit(&topic, 0, 7))?, None);
    let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(&member.group)]);
    let code =
        |client: &mut Client| anyhow::Ok(error(client.call(&request, 2)?.results[0].error_code));
    assert_eq!(code(&mut client)?, Some(ResponseError::NonEmptyGroup));
    let leave = LeaveGroupRequest::default()
        .with_group_id(group_id(&member.group))
        .with_members(vec![
            MemberIdentity::default().with_member_id(text(&member.id)),
        ]);
    assert_eq!(client.call(&leave, 5)?.error_code, 0);
    assert_eq!(fetched_offset(&mut client, &member.group, &topic, 0)?.0, 7);
    assert_eq!(code(&mut client)?, None);
    assert_eq!(code(&mut client)?, Some(ResponseError::GroupIdNotFound));
    assert_eq!(fetched_offset(&mut client, &member.group, &topic, 0)?.0, -1);
    Ok(())
}

#[test]
fn offsets_of_subscribed_topics_are_not_deleted() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let Group {
        mut client,
        topic,
        member,
    } = begin(&broker)?;
    // The member's metadata names the topic "subscribed".
    drop(client.create_topic("subscribed", 1, &[]));
    assert_eq!(commit(&mut client, &member.commit(&topic, 0, 7))?, None);
    let mut delete = |group: &str, topic: &str| {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let request = OffsetDeleteRequest::default()
            .with_group_id(group_id(group))
            .with_topics(vec![topic]);
        let response = client.call(&request, 0)?;
        let partition = response
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .next();
        let partition = partition.map(|it| error(it.error_code));
        anyhow::Ok((error(response.error_code), partition))
    };
    let subscribed = Some(ResponseError::GroupSubscribedToTopic);
    assert_eq!(
        delete(&member.group, "subscribed")?,
        (None, Some(subscribed))
    );
    assert_eq!(delete(&member.group, &topic)?, (None, Some(None)));
    let not_found = Some(ResponseError::GroupIdNotFound);
    assert_eq!(delete(&unique("absent"), &topic)?.0, not_found);
    assert_eq!(fetched_offset(&mut client, &member.group, &topic, 0)?.0, -1);
    Ok(())
}

#[test]
fn coordinators_of_no_known_kind_are_refused() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let request = FindCoordinatorRequest::default()
        .with_key_type(77)
        .with_coordinator_keys(vec![text("key")]);
    let response = client.call(&request, 4)?;
    let found = response
        .coordinators
        .first()
        .context("a coordinator in the answer")?;
    assert_eq!(error(found.error_code), Some(ResponseError::InvalidRequest));
    Ok(())
}
