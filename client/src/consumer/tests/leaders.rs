//! Leaders that move, and followers near by.

use ringbrook_protocol::ResponseError as E;
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::fetch_response::NodeEndpoint;
use ringbrook_protocol::messages::{
    FetchRequest, FetchResponse, MetadataRequest, MetadataResponse, OffsetForLeaderEpochRequest,
};

use super::*;
use crate::testing::Reply;

/// Metadata goes on saying that the first broker leads.
fn keep_metadata_stale(fake: &FakeCluster) {
    fake.on::<MetadataRequest>(|_, _| {
        Reply::changed(|answer: &mut MetadataResponse| {
            for partition in answer.topics.iter_mut().flat_map(|it| &mut it.partitions) {
                partition.leader_id = 0.into();
                partition.leader_epoch = 0;
            }
        })
    });
}

/// KIP-951: the answer that refuses says who leads, long before metadata does.
#[tokio::test(start_paused = true)]
async fn a_leader_told_beside_an_error_is_asked() {
    let fake = FakeCluster::new(3);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a"]);
    let consumer = consumer(&fake, &[0]);
    assert_eq!(values(&consumer, 1).await, ["a"]);
    keep_metadata_stale(&fake);
    for (leader, epoch) in [(1, 1), (2, 2), (0, 3)] {
        fake.topics(|topics| topics.move_leader("t", 0, leader));
        append(&fake, 0, &["b"]);
        assert_eq!(values(&consumer, 1).await, ["b"]);
        let known = consumer.cluster().metadata();
        let known = known.partition("t", 0).unwrap();
        assert_eq!((known.leader, known.leader_epoch), (Some(leader), epoch));
    }
}

/// A leader that metadata does not list yet is reached where the answer says.
#[tokio::test(start_paused = true)]
async fn a_new_broker_told_beside_an_error_is_reached() {
    for is_told in [true, false] {
        let fake = FakeCluster::new(2);
        fake.topics(|topics| topics.create("t", 1, &[0]));
        append(&fake, 0, &["a"]);
        fake.unregister_node(1);
        let consumer = consumer(&fake, &[0]);
        assert_eq!(values(&consumer, 1).await, ["a"]);
        keep_metadata_stale(&fake);
        fake.topics(|topics| topics.move_leader("t", 0, 1));
        fake.on::<FetchRequest>(move |_, _| {
            Reply::changed(move |answer: &mut FetchResponse| {
                let endpoint = NodeEndpoint::default()
                    .with_node_id(1.into())
                    .with_host(StrBytes::from_static_str("node-1"))
                    .with_port(9092);
                answer.node_endpoints = is_told.then_some(endpoint).into_iter().collect();
            })
        });
        append(&fake, 0, &["b"]);
        let records = consumer.poll(SHORT).await.unwrap();
        assert_eq!(records.count(), usize::from(is_told));
    }
}

/// A follower that is gone was asked for as long as metadata listed it.
#[tokio::test(start_paused = true)]
async fn a_preferred_replica_is_left_when_it_fails() {
    for is_out_of_range in [false, true] {
        let fake = FakeCluster::new(2);
        fake.create_topic("t", 1);
        append(&fake, 0, &["a"]);
        fake.next_at::<FetchRequest>(0, |_, _| {
            Reply::changed(|answer: &mut FetchResponse| {
                let data = &mut answer.responses[0].partitions[0];
                data.preferred_read_replica = 1.into();
                data.records = None;
            })
        });
        if is_out_of_range {
            // The follower is behind: no reason to give the position up.
            fake.next_error::<FetchRequest>(E::OffsetOutOfRange);
        } else {
            fake.stop_node(1);
        }
        let none = ConsumerConfig {
            auto_offset_reset: AutoOffsetReset::None,
            ..config(&fake)
        };
        let consumer = consumer_of(&fake, none);
        consumer.assign([tp(0)]).unwrap();
        consumer.seek(&tp(0), 0).unwrap();
        assert_eq!(values(&consumer, 1).await, ["a"]);
        let asked = fake.requests::<FetchRequest>();
        assert_eq!(asked.last().unwrap().0.node, 0);
    }
}

/// The leader is asked again after `metadata.max.age.ms`: another follower may be nearer by then.
#[tokio::test(start_paused = true)]
async fn a_replica_is_preferred_for_a_time() {
    let fake = FakeCluster::new(2);
    fake.create_topic("t", 1);
    fake.on::<FetchRequest>(|asked, _| match asked.node {
        0 => Reply::changed(|answer: &mut FetchResponse| {
            for data in answer
                .responses
                .iter_mut()
                .flat_map(|it| &mut it.partitions)
            {
                data.preferred_read_replica = 1.into();
            }
        }),
        _ => Reply::answer(FetchResponse::default()).delayed(Duration::from_millis(500)),
    });
    let consumer = consumer(&fake, &[0]);
    assert!(
        consumer
            .poll(Duration::from_secs(1_000))
            .await
            .unwrap()
            .is_empty()
    );
    let asked = fake.requests::<FetchRequest>();
    let leader = asked.iter().filter(|(it, _)| it.node == 0);
    let times: Vec<_> = leader.map(|(it, _)| it.at).collect();
    assert!(3 <= times.len(), "{times:?}");
    for pair in times.windows(2) {
        assert!(Duration::from_mins(5) <= pair[1] - pair[0], "{times:?}");
    }
}

async fn moved(fake: &FakeCluster) -> TextConsumer {
    fake.create_topic("t", 1);
    append(fake, 0, &["a"]);
    let consumer = consumer(fake, &[0]);
    assert_eq!(values(&consumer, 1).await, ["a"]);
    fake.topics(|topics| topics.move_leader("t", 0, 1));
    append(fake, 0, &["b"]);
    consumer
}

#[tokio::test(start_paused = true)]
async fn errors_of_leader_epochs_are_waited_out() {
    for error in PASSING {
        let fake = FakeCluster::new(2);
        fake.next_error::<OffsetForLeaderEpochRequest>(error);
        let consumer = moved(&fake).await;
        assert_eq!(values(&consumer, 1).await, ["b"], "{error:?}");
        assert_eq!(fake.steps_left_count(), 0);
    }
    let fake = FakeCluster::new(2);
    fake.next::<OffsetForLeaderEpochRequest>(|_, _| Reply::builtin().hang_up());
    fake.next::<OffsetForLeaderEpochRequest>(|_, _| Reply::builtin().cut_after(11));
    fake.next::<OffsetForLeaderEpochRequest>(|_, _| Reply::builtin().delayed(SHORT));
    let consumer = moved(&fake).await;
    assert_eq!(values(&consumer, 1).await, ["b"]);
    let fake = FakeCluster::new(2);
    fake.next::<OffsetForLeaderEpochRequest>(|_, _| Reply::ignored());
    let consumer = moved(&fake).await;
    assert_eq!(values(&consumer, 1).await, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn errors_of_leader_epochs_that_do_not_pass_are_told() {
    for error in [E::TopicAuthorizationFailed, E::InvalidRequest] {
        let fake = FakeCluster::new(2);
        fake.next_error::<OffsetForLeaderEpochRequest>(error);
        let consumer = moved(&fake).await;
        let told = consumer.poll(LONG).await.unwrap_err();
        assert_eq!(told.response_error(), Some(error));
        assert_eq!(values(&consumer, 1).await, ["b"]);
    }
}

/// A log that lost records to another leader is read on from where both are the same.
#[tokio::test(start_paused = true)]
async fn a_truncation_is_found_through_the_new_leaders_log() {
    let fake = FakeCluster::new(2);
    fake.create_topic("t", 1);
    append(&fake, 0, &["a"]);
    append(&fake, 0, &["b"]);
    append(&fake, 0, &["lost"]);
    let consumer = consumer(&fake, &[0]);
    assert_eq!(values(&consumer, 3).await, ["a", "b", "lost"]);
    fake.topics(|topics| {
        topics.partition("t", 0).log.truncate(2);
        topics.move_leader("t", 0, 1);
    });
    append(&fake, 0, &["c"]);
    append(&fake, 0, &["d"]);
    assert_eq!(values(&consumer, 2).await, ["c", "d"]);
    assert!(!fake.requests::<OffsetForLeaderEpochRequest>().is_empty());
}
