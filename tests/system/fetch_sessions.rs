//! Incremental fetch sessions (KIP-227).

use std::time::Duration;

use anyhow::{Context, ensure};
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::fetch_request::{FetchTopic, ForgottenTopic};
use ringbrook_protocol::messages::{FetchRequest, FetchResponse};
use ringbrook_tests::{
    BrokerOptions, Client, SharedBroker, TestBroker, batch, error, fetch_request, read, topic_name,
    unique,
};

const BY_NAME: i16 = 12;
const BY_ID: i16 = 13;

/// A topic of three partitions and a session over all of them.
struct Session {
    client: Client,
    topic: String,
    id: i32,
}

fn named(topic: &str) -> FetchTopic {
    FetchTopic::default().with_topic(topic_name(topic))
}

/// A request within a session that changes nothing.
fn unchanged(id: i32, epoch: i32) -> FetchRequest {
    fetch_request(named(""), &[])
        .with_topics(Vec::new())
        .with_session_id(id)
        .with_session_epoch(epoch)
}

/// The partitions that a response lists with the number of their records.
fn listed(response: &FetchResponse) -> anyhow::Result<Vec<(i32, usize)>> {
    ensure!(
        response.error_code == 0,
        "fetch failed: {:?}",
        error(response.error_code)
    );
    let mut listed = Vec::new();
    for partition in response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions)
    {
        ensure!(
            partition.error_code == 0,
            "failed: {:?}",
            error(partition.error_code)
        );
        let records = read(partition.records.as_deref().context("records are null")?)?;
        listed.push((partition.partition_index, records.len()));
    }
    Ok(listed)
}

fn begin(broker: &SharedBroker) -> anyhow::Result<Session> {
    let mut client = broker.client()?;
    let topic = unique("session");
    client.create_topic(&topic, 3, &[])?;
    client.produce(&topic, 0, batch(&["a", "b"]))?;
    let request = fetch_request(named(&topic), &[(0, 0), (1, 0), (2, 0)]).with_session_epoch(0);
    let response = client.call(&request, BY_NAME)?;
    assert_eq!(
        listed(&response)?,
        [(0, 2), (1, 0), (2, 0)],
        "a full fetch lists everything"
    );
    assert_ne!(response.session_id, 0, "no session was made");
    Ok(Session {
        client,
        topic,
        id: response.session_id,
    })
}

impl Session {
    fn call(&mut self, request: &FetchRequest) -> anyhow::Result<FetchResponse> {
        Ok(self.client.call(request, BY_NAME)?)
    }

    fn next(&mut self, epoch: i32) -> anyhow::Result<FetchResponse> {
        self.call(&unchanged(self.id, epoch))
    }
}

#[test]
fn an_incremental_fetch_lists_only_what_changed() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut session = begin(&broker)?;
    let topic = session.topic.clone();
    // Partition 0 has been read.
    let moved = fetch_request(named(&topic), &[(0, 2)])
        .with_session_id(session.id)
        .with_session_epoch(1);
    let response = session.call(&moved)?;
    assert_eq!(
        (listed(&response)?, response.session_id),
        (vec![], session.id)
    );
    session.client.produce(&topic, 1, batch(&["c"]))?;
    assert_eq!(listed(&session.next(2)?)?, [(1, 1)]);
    // Not moved on: the same records again, as they are still there to be read.
    assert_eq!(listed(&session.next(3)?)?, [(1, 1)]);
    session.client.produce(&topic, 2, batch(&["d"]))?;
    let mut both = listed(&session.next(4)?)?;
    both.sort_unstable();
    assert_eq!(both, [(1, 1), (2, 1)]);
    Ok(())
}

#[test]
fn a_forgotten_partition_is_no_longer_listed() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut session = begin(&broker)?;
    let topic = session.topic.clone();
    let forgotten = ForgottenTopic::default()
        .with_topic(topic_name(&topic))
        .with_partitions(vec![0, 1]);
    let request = unchanged(session.id, 1).with_forgotten_topics_data(vec![forgotten]);
    assert_eq!(listed(&session.call(&request)?)?, []);
    for partition in 0..3 {
        session
            .client
            .produce(&topic, partition, batch(&["more"]))?;
    }
    assert_eq!(listed(&session.next(2)?)?, [(2, 1)]);
    // It may come back.
    let again = fetch_request(named(&topic), &[(1, 0)])
        .with_session_id(session.id)
        .with_session_epoch(3);
    let mut listed = listed(&session.call(&again)?)?;
    listed.sort_unstable();
    assert_eq!(listed, [(1, 1), (2, 1)]);
    Ok(())
}

#[test]
fn an_append_wakes_a_waiting_incremental_fetch() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut session = begin(&broker)?;
    let topic = session.topic.clone();
    let moved = fetch_request(named(&topic), &[(0, 2)])
        .with_session_id(session.id)
        .with_session_epoch(1)
        .with_max_wait_ms(30_000)
        .with_min_bytes(1);
    let sent = session.client.wire().send(&moved, BY_NAME)?;
    assert!(
        session
            .client
            .wire()
            .is_silent_for(Duration::from_millis(50))?
    );
    broker.client()?.produce(&topic, 2, batch(&["wake"]))?;
    let response = session
        .client
        .wire()
        .receive::<FetchRequest>(sent, BY_NAME)?;
    assert_eq!(listed(&response)?, [(2, 1)]);
    Ok(())
}

#[test]
fn a_wrong_epoch_or_id_is_refused() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut session = begin(&broker)?;
    let invalid_epoch = Some(ResponseError::InvalidFetchSessionEpoch);
    let not_found = Some(ResponseError::FetchSessionIdNotFound);
    assert_eq!(error(session.next(2)?.error_code), invalid_epoch);
    assert_eq!(error(session.next(1)?.error_code), None);
    assert_eq!(error(session.next(1)?.error_code), invalid_epoch);
    let unknown = unchanged(session.id ^ 0x2aaa_aaaa, 1);
    let response = session.call(&unknown)?;
    assert_eq!(
        (error(response.error_code), response.responses.len()),
        (not_found, 0)
    );
    Ok(())
}

#[test]
fn a_session_ends_when_told_so() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut session = begin(&broker)?;
    let topic = session.topic.clone();
    let not_found = Some(ResponseError::FetchSessionIdNotFound);
    let last = fetch_request(named(&topic), &[(0, 0)]).with_session_id(session.id);
    let response = session.call(&last)?;
    assert_eq!((listed(&response)?, response.session_id), (vec![(0, 2)], 0));
    assert_eq!(error(session.next(1)?.error_code), not_found);
    // Epoch 0 with an id ends that session and begins another.
    let mut session = begin(&broker)?;
    let topic = session.topic.clone();
    let anew = fetch_request(named(&topic), &[(0, 0)]).with_session_id(session.id);
    let response = session.call(&anew.with_session_epoch(0))?;
    assert_ne!(response.session_id, 0);
    assert_ne!(response.session_id, session.id);
    assert_eq!(error(session.next(1)?.error_code), not_found);
    Ok(())
}

#[test]
fn a_session_by_names_may_not_go_on_by_ids() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut session = begin(&broker)?;
    let response = session.client.call(&unchanged(session.id, 1), BY_ID)?;
    let expected = Some(ResponseError::FetchSessionTopicIdError);
    assert_eq!(error(response.error_code), expected);
    Ok(())
}

#[test]
fn a_full_cache_answers_without_a_session() -> anyhow::Result<()> {
    let options = BrokerOptions::fast().set("max.incremental.fetch.session.cache.slots", "2");
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    client.create_topic("cached", 1, &[])?;
    let request = fetch_request(named("cached"), &[(0, 0)]).with_session_epoch(0);
    let mut has_session = Vec::new();
    for _ in 0..4 {
        has_session.push(broker.client()?.call(&request, BY_NAME)?.session_id != 0);
    }
    assert_eq!(has_session, [true, true, false, false]);
    Ok(())
}
