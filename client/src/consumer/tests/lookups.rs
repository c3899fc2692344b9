//! What is asked about topics beside reading them.

use futures_util::FutureExt;
use ringbrook_protocol::ResponseError as E;
use ringbrook_protocol::messages::{ListOffsetsRequest, MetadataRequest};

use super::*;
use crate::testing::Reply;

/// Whether the last request for metadata names a topic.
async fn is_wanted(fake: &FakeCluster, consumer: &TextConsumer, topic: &str) -> bool {
    consumer.cluster().refresh().await.unwrap();
    let requests = fake.requests::<MetadataRequest>();
    let (_, last) = requests.last().unwrap();
    let names = last.topics.iter().flatten().flat_map(|it| &it.name);
    names.into_iter().any(|it| it.as_str() == topic)
}

/// The end of one lookup took the topic out of the metadata that the other waited for.
#[tokio::test(start_paused = true)]
async fn a_lookup_that_ends_leaves_the_topic_to_others() {
    let fake = FakeCluster::new(1);
    let consumer = consumer_of(&fake, config(&fake));
    let after_some_time = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        consumer.wakeup();
        tokio::time::sleep(Duration::from_secs(5)).await;
        fake.create_topic("t", 3);
    };
    let (first, second, ()) = tokio::join!(
        consumer.partitions_for("t"),
        consumer.partitions_for("t"),
        after_some_time
    );
    let mut found = [first, second].into_iter();
    let woken = found.find_map(Result::err).unwrap();
    assert!(matches!(woken, ClientError::Wakeup), "{woken}");
    assert_eq!(consumer.partitions_for("t").await.unwrap().len(), 3);
    assert!(!is_wanted(&fake, &consumer, "t").await);
    // Lookups of a topic that is read do not end its metadata either.
    consumer.assign([tp(0)]).unwrap();
    consumer.end_offsets(&[tp(0)]).await.unwrap();
    assert!(is_wanted(&fake, &consumer, "t").await);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_is_dropped_leaves_nothing_behind() {
    let fake = FakeCluster::new(1);
    let consumer = consumer_of(&fake, config(&fake));
    assert!(consumer.partitions_for("t").now_or_never().is_none());
    assert!(consumer.end_offsets(&[tp(0)]).now_or_never().is_none());
    assert!(!is_wanted(&fake, &consumer, "t").await);
}

#[tokio::test(start_paused = true)]
async fn topics_are_created_by_asking_only_if_that_is_allowed() {
    for is_allowed in [true, false] {
        let fake = FakeCluster::new(1);
        fake.topics(|topics| topics.auto_create(2));
        let consumer = consumer_of(
            &fake,
            ConsumerConfig {
                allow_auto_create_topics: is_allowed,
                ..config(&fake)
            },
        );
        let found = consumer.partitions_for("t").await;
        let ends = consumer.end_offsets(&[tp(1)]).await;
        consumer.assign([tp(0)]).unwrap();
        assert!(consumer.poll(SHORT).await.unwrap().is_empty());
        if is_allowed {
            assert_eq!(found.unwrap().len(), 2);
            assert_eq!(ends.unwrap()[&tp(1)], 0);
            continue;
        }
        for error in [found.unwrap_err(), ends.unwrap_err()] {
            assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
        }
        let requests = fake.requests::<MetadataRequest>();
        let is_creating = |(_, it): &(_, MetadataRequest)| it.allow_auto_topic_creation;
        assert!(!requests.iter().any(is_creating));
    }
}

#[tokio::test(start_paused = true)]
async fn lookups_wait_out_what_passes_and_tell_what_does_not() {
    let fake = FakeCluster::new(2);
    fake.create_topic("t", 2);
    append(&fake, 1, &["a", "b"]);
    let consumer = consumer_of(&fake, config(&fake));
    for error in PASSING {
        fake.next_error::<ListOffsetsRequest>(error);
        let ends = consumer.end_offsets(&[tp(0), tp(1)]).await.unwrap();
        assert_eq!((ends[&tp(0)], ends[&tp(1)]), (0, 2), "{error:?}");
    }
    fake.next_at::<ListOffsetsRequest>(1, |_, _| Reply::builtin().hang_up());
    fake.next_at::<ListOffsetsRequest>(1, |_, _| Reply::builtin().cut_after(9));
    fake.next_at::<ListOffsetsRequest>(1, |_, _| Reply::builtin().delayed(SHORT));
    fake.next_at::<ListOffsetsRequest>(0, |_, _| Reply::ignored());
    let ends = consumer.end_offsets(&[tp(0), tp(1)]).await.unwrap();
    assert_eq!((ends[&tp(0)], ends[&tp(1)]), (0, 2));
    for error in [
        E::TopicAuthorizationFailed,
        E::UnsupportedForMessageFormat,
        E::InvalidRequest,
        E::UnknownServerError,
    ] {
        fake.next_error::<ListOffsetsRequest>(error);
        let told = consumer.end_offsets(&[tp(1)]).await.unwrap_err();
        assert_eq!(told.response_error(), Some(error));
    }
    assert_eq!(fake.steps_left_count(), 0);
}
