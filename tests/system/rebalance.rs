//! Rebalances of a classic group, request by request.

use std::time::Duration;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::leave_group_request::MemberIdentity;
use ringbrook_protocol::messages::{JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};
use ringbrook_tests::{BrokerOptions, SharedBroker, TestBroker, error, unique, wait_until};

use crate::group::{Member, find_coordinator, group_id, join_request, stable_member, text};

#[test]
fn a_second_member_makes_the_group_rebalance() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let (mut leader, mut second) = (broker.client()?, broker.client()?);
    let first = stable_member(&mut leader, &unique("rebalanced"))?;
    let id = second
        .call(&join_request(&first.group, ""), 9)?
        .member_id
        .to_string();
    let joining = second.wire().send(&join_request(&first.group, &id), 9)?;
    // The first member hears of it by its heartbeat; the second waits until it has joined again.
    let rebalancing = Some(ResponseError::RebalanceInProgress);
    let is_told = wait_until(Duration::from_secs(10), || {
        let answer = leader.call(&first.heartbeat(), 4);
        answer.is_ok_and(|answer| error(answer.error_code) == rebalancing)
    });
    assert!(is_told, "the first member is not told");
    assert!(second.wire().is_silent_for(Duration::from_millis(50))?);
    let rejoined = leader.call(&join_request(&first.group, &first.id), 9)?;
    let joined = second.wire().receive::<JoinGroupRequest>(joining, 9)?;
    assert_eq!(
        (error(rejoined.error_code), error(joined.error_code)),
        (None, None)
    );
    assert_eq!(rejoined.generation_id, first.generation + 1);
    assert_eq!(joined.generation_id, first.generation + 1);
    assert_eq!(
        (&*rejoined.leader, &*joined.leader),
        (&*first.id, &*first.id)
    );
    let mut members: Vec<_> = rejoined
        .members
        .iter()
        .map(|it| it.member_id.to_string())
        .collect();
    members.sort();
    let mut expected = [first.id.clone(), id.clone()];
    expected.sort();
    assert_eq!(
        (members.as_slice(), joined.members.len()),
        (&expected[..], 0)
    );

    // The follower's SyncGroup waits for the leader's assignment.
    let generation = first.generation + 1;
    let first = Member {
        generation,
        ..first
    };
    let follower = Member {
        id,
        ..first.clone()
    };
    let syncing = second.wire().send(&follower.sync(&[]), 5)?;
    assert!(second.wire().is_silent_for(Duration::from_millis(50))?);
    let assignments: [(&str, &'static [u8]); 2] = [(&first.id, b"one"), (&follower.id, b"two")];
    let synced = leader.call(&first.sync(&assignments), 5)?;
    assert_eq!(
        (error(synced.error_code), &synced.assignment[..]),
        (None, &b"one"[..])
    );
    let synced = second.wire().receive::<SyncGroupRequest>(syncing, 5)?;
    assert_eq!(
        (error(synced.error_code), &synced.assignment[..]),
        (None, &b"two"[..])
    );
    Ok(())
}

#[test]
fn the_members_that_stay_are_told_when_one_leaves() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let (mut leader, mut second) = (broker.client()?, broker.client()?);
    let first = stable_member(&mut leader, &unique("left"))?;
    let id = second
        .call(&join_request(&first.group, ""), 9)?
        .member_id
        .to_string();
    let joining = second.wire().send(&join_request(&first.group, &id), 9)?;
    leader.call(&join_request(&first.group, &first.id), 9)?;
    let generation = second
        .wire()
        .receive::<JoinGroupRequest>(joining, 9)?
        .generation_id;
    let first = Member {
        generation,
        ..first
    };
    let follower = Member {
        id,
        ..first.clone()
    };
    let assignments: [(&str, &'static [u8]); 2] = [(&first.id, b"one"), (&follower.id, b"two")];
    assert_eq!(
        error(leader.call(&first.sync(&assignments), 5)?.error_code),
        None
    );
    assert_eq!(
        error(second.call(&follower.heartbeat(), 4)?.error_code),
        None
    );
    let leave = LeaveGroupRequest::default()
        .with_group_id(group_id(&first.group))
        .with_members(vec![
            MemberIdentity::default().with_member_id(text(&first.id)),
        ]);
    assert_eq!(error(leader.call(&leave, 5)?.error_code), None);
    let rebalancing = Some(ResponseError::RebalanceInProgress);
    assert_eq!(
        error(second.call(&follower.heartbeat(), 4)?.error_code),
        rebalancing
    );
    let alone = second.call(&join_request(&follower.group, &follower.id), 9)?;
    assert_eq!((error(alone.error_code), alone.members.len()), (None, 1));
    assert_eq!(
        (alone.generation_id, &*alone.leader),
        (generation + 1, &*follower.id)
    );
    Ok(())
}

#[test]
fn a_member_without_heartbeats_is_removed() -> anyhow::Result<()> {
    let options = BrokerOptions::fast().set("group.min.session.timeout.ms", "100");
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    find_coordinator(&mut client, "silent")?;
    let id = client
        .call(&join_request("silent", ""), 9)?
        .member_id
        .to_string();
    let request = join_request("silent", &id).with_session_timeout_ms(500);
    let joined = client.call(&request, 9)?;
    assert_eq!(error(joined.error_code), None);
    let member = Member {
        group: "silent".to_owned(),
        id,
        generation: joined.generation_id,
    };
    assert_eq!(error(client.call(&member.sync(&[]), 5)?.error_code), None);
    // Heartbeats keep it for longer than its session.
    for _ in 0..15 {
        assert!(client.wire().is_silent_for(Duration::from_millis(100))?);
        assert_eq!(error(client.call(&member.heartbeat(), 4)?.error_code), None);
    }
    assert!(client.wire().is_silent_for(Duration::from_millis(1500))?);
    let unknown = Some(ResponseError::UnknownMemberId);
    assert_eq!(
        error(client.call(&member.heartbeat(), 4)?.error_code),
        unknown
    );
    Ok(())
}

#[test]
fn a_first_rebalance_waits_for_more_members() -> anyhow::Result<()> {
    let options = BrokerOptions::fast().set("group.initial.rebalance.delay.ms", "700");
    let broker = TestBroker::start_with(options)?;
    let (mut one, mut two) = (broker.client()?, broker.client()?);
    find_coordinator(&mut one, "gathered")?;
    let mut joining = Vec::new();
    for client in [&mut one, &mut two] {
        let id = client
            .call(&join_request("gathered", ""), 9)?
            .member_id
            .to_string();
        joining.push(client.wire().send(&join_request("gathered", &id), 9)?);
    }
    assert!(one.wire().is_silent_for(Duration::from_millis(300))?);
    let one = one.wire().receive::<JoinGroupRequest>(joining[0], 9)?;
    let two = two.wire().receive::<JoinGroupRequest>(joining[1], 9)?;
    // Both are in the first generation: one rebalance instead of two.
    assert_eq!((one.generation_id, two.generation_id), (1, 1));
    assert_eq!(one.members.len() + two.members.len(), 2);
    Ok(())
}
