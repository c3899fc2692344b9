//! Tests of fetch sessions.

use super::*;

fn topic(name: &str) -> Uuid {
    Uuid::from_u128(name.bytes().map(u128::from).sum())
}

fn want(partition: &str, offset: i64) -> (TopicPartition, Wanted) {
    let (name, index) = partition.split_once('-').unwrap();
    let wanted = Wanted {
        topic_id: topic(name),
        fetch_offset: offset,
        current_leader_epoch: 1,
        partition_max_bytes: 10,
    };
    (TopicPartition::new(name, index.parse().unwrap()), wanted)
}

fn partitions(names: &[&str]) -> Vec<TopicPartition> {
    names.iter().map(|name| want(name, 0).0).collect()
}

fn sent(request: &SessionRequest) -> Vec<String> {
    let sent = request.to_send.iter();
    sent.map(|(it, wanted)| format!("{it}@{}", wanted.fetch_offset))
        .collect()
}

/// A session that the broker has opened with id 7 for a-0 and a-1, both at 0.
fn open() -> FetchSession {
    let mut session = FetchSession::new();
    let request = session.next_request(vec![want("a-0", 0), want("a-1", 0)]);
    assert_eq!((request.session_id, request.session_epoch), (0, 0));
    assert_eq!(sent(&request), ["a-0@0", "a-1@0"]);
    session
        .on_response(7, &partitions(&["a-0", "a-1"]))
        .unwrap();
    session
}

#[test]
fn only_what_changed_is_sent_in_an_open_session() {
    let mut session = open();
    let wanted = vec![want("a-1", 5), want("a-0", 0), want("b-0", 2)];
    let request = session.next_request(wanted);
    assert_eq!((request.session_id, request.session_epoch), (7, 1));
    assert_eq!(sent(&request), ["a-1@5", "b-0@2"]);
    assert!(request.to_forget.is_empty());
    session.on_response(7, &partitions(&["a-0"])).unwrap();

    let request = session.next_request(vec![want("b-0", 2)]);
    assert_eq!(request.session_epoch, 2);
    assert!(request.to_send.is_empty());
    let mut forgotten: Vec<_> = request
        .to_forget
        .iter()
        .map(|(it, _)| it.to_string())
        .collect();
    forgotten.sort();
    assert_eq!(forgotten, ["a-0", "a-1"]);
}

#[test]
fn a_topic_created_anew_is_forgotten_by_its_old_id() {
    let mut session = open();
    let (partition, mut wanted) = want("a-0", 0);
    wanted.topic_id = Uuid::from_u128(99);
    let request = session.next_request(vec![(partition, wanted), want("a-1", 0)]);
    assert_eq!(sent(&request), ["a-0@0"]);
    assert_eq!(request.to_forget, [(want("a-0", 0).0, topic("a"))]);
}

#[test]
fn after_an_error_everything_is_sent_in_a_new_session() {
    for (error, id) in [
        (Some(ResponseError::FetchSessionIdNotFound), 0),
        (Some(ResponseError::InvalidFetchSessionEpoch), 7),
        (Some(ResponseError::FetchSessionTopicIdError), 7),
        (None, 7),
    ] {
        let mut session = open();
        session.on_error(error);
        let request = session.next_request(vec![want("a-0", 0), want("a-1", 0)]);
        assert_eq!((request.session_id, request.session_epoch), (id, 0));
        assert_eq!(sent(&request), ["a-0@0", "a-1@0"]);
        assert!(request.to_forget.is_empty());
    }
}

#[test]
fn answers_to_other_questions_start_anew() {
    let mut session = open();
    session.next_request(vec![want("a-0", 1), want("a-1", 0)]);
    session.on_response(7, &partitions(&["b-0"])).unwrap_err();
    let request = session.next_request(vec![want("a-0", 1)]);
    assert_eq!((request.session_id, request.session_epoch), (7, 0));

    // A full request has to be answered in full.
    let mut session = FetchSession::new();
    session.next_request(vec![want("a-0", 1), want("a-1", 0)]);
    session.on_response(7, &partitions(&["a-0"])).unwrap_err();
    let request = session.next_request(vec![want("a-0", 1)]);
    assert_eq!((request.session_id, request.session_epoch), (0, 0));
}

#[test]
fn without_a_place_for_a_session_every_request_is_full() {
    let mut session = FetchSession::new();
    for _ in 0..2 {
        let request = session.next_request(vec![want("a-0", 1)]);
        assert_eq!((request.session_id, request.session_epoch), (0, 0));
        assert_eq!(sent(&request), ["a-0@1"]);
        session.on_response(0, &partitions(&["a-0"])).unwrap();
    }
    assert_eq!(session.final_request(), None);
}

#[test]
fn a_session_is_by_ids_or_by_names() {
    let mut session = open();
    let (partition, mut wanted) = want("c-0", 0);
    wanted.topic_id = Uuid::nil();
    let request = session.next_request(vec![want("a-0", 0), (partition, wanted)]);
    assert!(!request.has_topic_ids);
    assert_eq!((request.session_id, request.session_epoch), (7, 0));
    assert_eq!(sent(&request), ["a-0@0", "c-0@0"]);
}

#[test]
fn epochs_go_round_without_the_first() {
    assert_eq!(following(0), 1);
    assert_eq!(following(i32::MAX), 1);
    let last = open().final_request().unwrap();
    assert_eq!((last.session_id, last.session_epoch), (7, -1));
}
