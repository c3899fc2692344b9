//! Sessions without a log: what is asked for, and what belongs into an answer.

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};

use super::*;

const NOW_MS: i64 = 1_000_000;

fn topic(partitions: &[i32]) -> FetchTopic {
    let partitions = partitions.iter().map(|index| {
        FetchPartition::default()
            .with_partition(*index)
            .with_fetch_offset(5)
    });
    FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str("t")))
        .with_partitions(partitions.collect())
}

fn request(id: i32, epoch: i32, partitions: &[i32]) -> FetchRequest {
    let topics = if partitions.is_empty() {
        Vec::new()
    } else {
        vec![topic(partitions)]
    };
    FetchRequest::default()
        .with_session_id(id)
        .with_session_epoch(epoch)
        .with_topics(topics)
}

fn idle(high_watermark: i64) -> PartitionRead {
    PartitionRead {
        high_watermark,
        ..PartitionRead::empty()
    }
}

/// A session over partitions 0 and 1 whose first answer told a high watermark of 5.
fn begun(sessions: &FetchSessions) -> i32 {
    let mut first = request(0, 0, &[0, 1]);
    let session = sessions
        .begin(&mut first, false, NOW_MS)
        .expect("a full fetch");
    let interests = session.interests(&first);
    assert_eq!(session.end(&interests, &[idle(5), idle(5)]), [true, true]);
    assert_ne!(session.response_id(), NO_SESSION);
    session.response_id()
}

/// The session's fetch with `epoch` that names no partitions, and what it asks for.
fn incremental(sessions: &FetchSessions, id: i32, epoch: i32) -> (SessionContext, Vec<Interest>) {
    let mut request = request(id, epoch, &[]);
    let session = sessions
        .begin(&mut request, false, NOW_MS)
        .expect("the next epoch");
    let interests = session.interests(&request);
    (session, interests)
}

fn indexes(interests: &[Interest]) -> Vec<i32> {
    interests.iter().map(|interest| interest.index).collect()
}

#[test]
fn an_incremental_fetch_asks_for_the_partitions_of_the_session() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions);
    let (_, interests) = incremental(&sessions, id, 1);
    assert_eq!(indexes(&interests), [0, 1]);
}

#[test]
fn an_incremental_answer_has_only_what_changed() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions);
    let (session, interests) = incremental(&sessions, id, 1);
    assert_eq!(session.end(&interests, &[idle(5), idle(6)]), [false, true]);
}

#[test]
fn a_partition_with_data_is_asked_last_next_time() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions);
    let (session, interests) = incremental(&sessions, id, 1);
    let with_data = PartitionRead {
        bytes: 10,
        ..idle(5)
    };
    assert_eq!(
        session.end(&interests, &[with_data, idle(5)]),
        [true, false]
    );
    let (_, interests) = incremental(&sessions, id, 2);
    assert_eq!(indexes(&interests), [1, 0]);
}

#[test]
fn partitions_are_added_and_forgotten() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions);
    let mut second = request(id, 1, &[7]);
    second.forgotten_topics_data.push(
        ForgottenTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str("t")))
            .with_partitions(vec![0]),
    );
    let session = sessions
        .begin(&mut second, false, NOW_MS)
        .expect("the next epoch");
    assert_eq!(indexes(&session.interests(&second)), [1, 7]);
}

#[test]
fn wrong_epochs_ids_and_naming_are_refused() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions);
    let error = |id, epoch, uses_ids| {
        sessions
            .begin(&mut request(id, epoch, &[]), uses_ids, NOW_MS)
            .err()
    };
    assert_eq!(
        error(id, 2, false),
        Some(ResponseError::InvalidFetchSessionEpoch)
    );
    assert_eq!(
        error(id + 1, 1, false),
        Some(ResponseError::FetchSessionIdNotFound)
    );
    assert_eq!(
        error(id, 1, true),
        Some(ResponseError::FetchSessionTopicIdError)
    );
}

#[test]
fn the_final_epoch_closes_the_session() {
    let sessions = FetchSessions::new(10);
    let id = begun(&sessions);
    let closed = sessions.begin(&mut request(id, FINAL_EPOCH, &[0]), false, NOW_MS);
    assert_eq!(closed.expect("a full fetch").response_id(), NO_SESSION);
    let error = sessions
        .begin(&mut request(id, 1, &[]), false, NOW_MS)
        .err();
    assert_eq!(error, Some(ResponseError::FetchSessionIdNotFound));
}

#[test]
fn a_full_cache_gives_no_session_until_one_is_old() {
    let sessions = FetchSessions::new(1);
    let id = begun(&sessions);
    let refused = sessions
        .begin(&mut request(0, 0, &[0]), false, NOW_MS)
        .expect("a full fetch");
    assert_eq!(refused.response_id(), NO_SESSION);
    let later_ms = NOW_MS + EVICTION_MS + 1;
    let taken = sessions
        .begin(&mut request(0, 0, &[0]), false, later_ms)
        .expect("a full fetch");
    assert!(![NO_SESSION, id].contains(&taken.response_id()));
}

#[test]
fn epochs_wrap_to_one() {
    assert_eq!(next_epoch(i32::MAX), 1);
}
