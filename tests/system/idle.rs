//! Connections over which nothing comes are closed (`connections.max.idle.ms`).

use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_tests::{BrokerOptions, TestBroker, fetch_request, topic_name};

/// Answers that were awaited must not keep a connection from counting as idle afterwards.
#[test]
fn a_connection_whose_pipelined_requests_are_answered_becomes_idle() -> anyhow::Result<()> {
    let options = BrokerOptions::fast().set("connections.max.idle.ms", "400");
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    client.create_topic("idle", 1, &[])?;
    let topic = FetchTopic::default().with_topic(topic_name("idle"));
    let request = fetch_request(topic, &[(0, 0)])
        .with_max_wait_ms(50)
        .with_min_bytes(1);
    let wire = client.wire();
    let (_, first) = wire.frame(&request, 11)?;
    let (_, second) = wire.frame(&request, 11)?;
    wire.send_raw(&[first, second].concat())?;
    wire.read_frame()?;
    wire.read_frame()?;
    assert!(wire.is_closed_by_broker());
    Ok(())
}
