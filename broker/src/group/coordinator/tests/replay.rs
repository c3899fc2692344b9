//! Whatever clients did and whichever writes failed: a coordinator that reads the log back knows
//! what the live one knows.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::harness::{
    Harness, commit_request, join_request, marker, on_a_core, settle, start, sync_request,
    txn_commit_request,
};
use crate::coordinator::CoordinatorLogError;
use crate::coordinator::testing::PARTITIONS;
use crate::group::{
    FetchedTopic, FetchingMember, GroupState, LeavingMember, OffsetCommit, OffsetSelection,
    TopicToFetch,
};

const GROUPS: [&str; 3] = ["alpha", "beta", "gamma"];
const TOPICS: [&str; 3] = ["topic", "other", "third"];
const PRODUCERS: std::ops::Range<i64> = 0..3;

#[derive(Clone, Debug)]
enum Event {
    Commit {
        group: usize,
        topic: usize,
        partition: i32,
        offset: i64,
    },
    DeleteOffsets {
        group: usize,
        topic: usize,
    },
    DeleteGroup(usize),
    DeleteTopic(usize),
    TxnCommit {
        producer_id: i64,
        group: usize,
        topic: usize,
        partition: i32,
        offset: i64,
    },
    EndTransaction {
        producer_id: i64,
        is_commit: bool,
    },
    Join(usize),
    LeaveAll(usize),
    Fail(bool),
    Hold(bool),
    Wait(u64),
    Expire,
}

fn any_event() -> impl Strategy<Value = Event> {
    let (group, topic) = (0..GROUPS.len(), 0..TOPICS.len());
    prop_oneof![
        8 => (group.clone(), topic.clone(), 0..3_i32, any::<i64>()).prop_map(
            |(group, topic, partition, offset)| Event::Commit { group, topic, partition, offset }
        ),
        6 => (PRODUCERS, group.clone(), topic.clone(), 0..3_i32, any::<i64>()).prop_map(
            |(producer_id, group, topic, partition, offset)| Event::TxnCommit {
                producer_id,
                group,
                topic,
                partition,
                offset,
            }
        ),
        4 => (PRODUCERS, any::<bool>()).prop_map(
            |(producer_id, is_commit)| Event::EndTransaction { producer_id, is_commit }
        ),
        2 => (group.clone(), topic.clone())
            .prop_map(|(group, topic)| Event::DeleteOffsets { group, topic }),
        2 => group.clone().prop_map(Event::DeleteGroup),
        1 => topic.prop_map(Event::DeleteTopic),
        2 => group.clone().prop_map(Event::Join),
        2 => group.prop_map(Event::LeaveAll),
        2 => prop::bool::weighted(0.3).prop_map(Event::Fail),
        3 => any::<bool>().prop_map(Event::Hold),
        2 => (0..8_u64).prop_map(Event::Wait),
        1 => Just(Event::Expire),
    ]
}

fn commit(h: &Harness, group_id: &str, topic: &str, partition: i32, offset: i64) {
    let described = h.groups.describe_group(group_id).ok();
    let member = described.and_then(|described| described.members.into_iter().next());
    let request = commit_request(group_id, &[(topic, partition, offset)]);
    let generation = if member.is_some() { 1 } else { -1 };
    let member_id = member.map_or_else(|| Arc::from(""), |member| member.member_id);
    h.start_commit(OffsetCommit {
        member_id,
        generation,
        ..request
    });
}

fn leave_all(h: &Harness, group_id: &str) {
    let Ok(described) = h.groups.describe_group(group_id) else {
        return;
    };
    let leaving: Vec<LeavingMember> = described
        .members
        .into_iter()
        .map(|member| LeavingMember {
            member_id: member.member_id,
            group_instance_id: None,
            reason: None,
        })
        .collect();
    let (groups, group_id) = (h.groups.clone(), group_id.to_owned());
    start(async move { groups.leave_group(&group_id, &leaving).await });
}

async fn apply(h: &Harness, event: &Event) {
    let groups = h.groups.clone();
    match *event {
        Event::Commit {
            group,
            topic,
            partition,
            offset,
        } => {
            commit(h, GROUPS[group], TOPICS[topic], partition, offset);
        }
        Event::TxnCommit {
            producer_id,
            group,
            topic,
            partition,
            offset,
        } => {
            let offsets = [(TOPICS[topic], partition, offset)];
            let request = txn_commit_request(GROUPS[group], producer_id, &offsets);
            start(async move { groups.txn_offset_commit(request).await });
        }
        Event::EndTransaction {
            producer_id,
            is_commit,
        } => end_everywhere(h, producer_id, is_commit),
        Event::DeleteOffsets { group, topic } => {
            let topics = vec![(Arc::from(TOPICS[topic]), vec![0, 1])];
            start(async move {
                groups
                    .offset_delete(&Arc::from(GROUPS[group]), topics)
                    .await
            });
        }
        Event::DeleteGroup(group) => {
            start(async move { groups.delete_groups(&[Arc::from(GROUPS[group])]).await });
        }
        Event::DeleteTopic(topic) => {
            start(async move { groups.on_topics_deleted(&[Arc::from(TOPICS[topic])]).await });
        }
        Event::Join(group) => {
            start(async move {
                if let Ok(joined) = groups.join_group(join_request(GROUPS[group], "")).await {
                    groups
                        .sync_group(sync_request(GROUPS[group], &joined))
                        .await
                        .ok();
                }
            });
        }
        Event::LeaveAll(group) => leave_all(h, GROUPS[group]),
        Event::Fail(fails) => h
            .log
            .fail_with(fails.then_some(CoordinatorLogError::NotEnoughReplicas)),
        Event::Hold(true) => h.log.hold(),
        Event::Hold(false) => h.log.release(),
        Event::Wait(seconds) => h.advance(Duration::from_secs(seconds)).await,
        Event::Expire => {
            start(async move { groups.expire_offsets().await });
        }
    }
    for _ in 0..2 {
        tokio::task::yield_now().await;
    }
}

/// The transaction coordinator sends a marker to every partition.
fn end_everywhere(h: &Harness, producer_id: i64, is_commit: bool) {
    for partition in 0..PARTITIONS {
        let groups = h.groups.clone();
        let marker = marker(producer_id, is_commit);
        start(async move { groups.complete_transaction(partition, marker).await });
    }
}

async fn offsets(h: &Harness, group_id: &str) -> Vec<FetchedTopic> {
    let topics = TOPICS.map(|topic| TopicToFetch {
        topic: Arc::from(topic),
        topic_id: Uuid::nil(),
        partitions: vec![0, 1, 2],
    });
    let mut fetched = Vec::new();
    for selection in [
        OffsetSelection::All,
        OffsetSelection::Topics(topics.to_vec()),
    ] {
        for require_stable in [false, true] {
            let found = h.groups.offset_fetch(
                group_id,
                FetchingMember::ANYBODY,
                &selection,
                require_stable,
            );
            fetched.extend(found.await.unwrap());
        }
    }
    fetched
}

async fn check(events: Vec<Event>) {
    let h = Harness::new().await;
    for event in &events {
        apply(&h, event).await;
    }
    h.log.fail_with(None);
    h.log.release();
    settle().await;
    let restarted = h.restarted().await;
    for group_id in GROUPS {
        assert_eq!(
            offsets(&restarted, group_id).await,
            offsets(&h, group_id).await,
            "{group_id}"
        );
        let live = h.groups.describe_group(group_id);
        let read = restarted.groups.describe_group(group_id);
        match (&live, &read) {
            (Ok(live), _) if live.state == GroupState::Stable => {
                assert_eq!(read.as_ref(), Ok(live));
            }
            // A generation that never got its assignment written is not there after a restart.
            (Ok(_), _) => {}
            (Err(_), Ok(read)) => panic!("{read:?} came back"),
            (Err(_), Err(_)) => {}
        }
    }
    // Transactions that were open at the restart end after it.
    for producer_id in PRODUCERS {
        end_everywhere(&restarted, producer_id, producer_id != 1);
    }
    settle().await;
    let again = restarted.restarted().await;
    for group_id in GROUPS {
        let found = offsets(&restarted, group_id).await;
        assert_eq!(offsets(&again, group_id).await, found, "{group_id}");
        let mut partitions = found.iter().flat_map(|topic| &topic.partitions);
        assert!(partitions.all(|(_, fetched)| fetched.is_ok()), "{found:?}");
    }
    // Everybody goes; nothing may be left parked or queued.
    h.advance(Duration::from_secs(400)).await;
    for partition in 0..PARTITIONS {
        h.groups.assert_quiet(partition);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_restarted_coordinator_knows_what_the_live_one_knew(
        events in prop::collection::vec(any_event(), 0..60),
    ) {
        on_a_core(check(events));
    }
}
