//! Positions that another leader has to confirm (KIP-320).

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use ringbrook_protocol::messages::{
    ApiKey, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, TopicName,
};

use super::*;
use crate::testing::Reply;

/// The leader's log of epoch 0 ends at `end`.
fn epoch_ends_at(fake: &FakeCluster, epoch: i32, end: i64) {
    fake.on::<OffsetForLeaderEpochRequest>(move |_, _| {
        let end = EpochEndOffset::default()
            .with_leader_epoch(epoch)
            .with_end_offset(end);
        let topic = OffsetForLeaderTopicResult::default()
            .with_topic(TopicName(StrBytes::from_static_str("t")))
            .with_partitions(vec![end]);
        Reply::answer(OffsetForLeaderEpochResponse::default().with_topics(vec![topic]))
    });
}

async fn after_two(fake: &FakeCluster, reset: AutoOffsetReset) -> TextConsumer {
    fake.create_topic("t", 1);
    append(fake, 0, &["a", "b"]);
    let config = ConsumerConfig {
        auto_offset_reset: reset,
        ..config(fake)
    };
    let consumer = consumer_of(fake, config);
    consumer.assign([tp(0)]).unwrap();
    consumer.seek(&tp(0), 0).unwrap();
    assert_eq!(values(&consumer, 2).await, ["a", "b"]);
    consumer
}

async fn lead_by_another(fake: &FakeCluster, consumer: &TextConsumer) {
    fake.topics(|topics| topics.move_leader("t", 0, 1));
    consumer.cluster().refresh().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_position_that_the_new_leader_has_is_kept() {
    let fake = FakeCluster::new(2);
    let consumer = after_two(&fake, AutoOffsetReset::None).await;
    epoch_ends_at(&fake, 0, 2);
    lead_by_another(&fake, &consumer).await;
    append(&fake, 0, &["c"]);
    assert_eq!(values(&consumer, 1).await, ["c"]);
    let asked = fake.requests::<OffsetForLeaderEpochRequest>();
    let asked = &asked[0].1.topics[0].partitions[0];
    assert_eq!((asked.leader_epoch, asked.current_leader_epoch), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_truncated_log_is_read_from_where_it_parts() {
    let fake = FakeCluster::new(2);
    let consumer = after_two(&fake, AutoOffsetReset::Latest).await;
    epoch_ends_at(&fake, 0, 1);
    lead_by_another(&fake, &consumer).await;
    assert_eq!(values(&consumer, 1).await, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_truncation_without_a_reset_is_told() {
    for (epoch, end, end_offset) in [(0, 1, Some(1)), (-1, -1, None)] {
        let fake = FakeCluster::new(2);
        let consumer = after_two(&fake, AutoOffsetReset::None).await;
        epoch_ends_at(&fake, epoch, end);
        lead_by_another(&fake, &consumer).await;
        let error = consumer.poll(LONG).await.unwrap_err();
        let ClientError::LogTruncation {
            offset,
            end_offset: found,
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((offset, found), (2, end_offset));
        consumer.seek(&tp(0), 0).unwrap();
        assert_eq!(values(&consumer, 2).await, ["a", "b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_epoch_resets_the_position() {
    let fake = FakeCluster::new(2);
    let consumer = after_two(&fake, AutoOffsetReset::Earliest).await;
    epoch_ends_at(&fake, -1, -1);
    lead_by_another(&fake, &consumer).await;
    assert_eq!(values(&consumer, 2).await, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_cannot_be_asked_is_believed() {
    let fake = FakeCluster::new(2);
    fake.serve(ApiKey::OffsetForLeaderEpoch, 1, 0);
    let consumer = after_two(&fake, AutoOffsetReset::None).await;
    lead_by_another(&fake, &consumer).await;
    append(&fake, 0, &["c"]);
    assert_eq!(values(&consumer, 1).await, ["c"]);
    assert!(fake.requests::<OffsetForLeaderEpochRequest>().is_empty());
}
