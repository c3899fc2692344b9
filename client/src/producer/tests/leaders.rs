//! Leaders that a broker names beside its refusal (KIP-951).

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::produce_response::NodeEndpoint;
use ringbrook_protocol::messages::{ApiKey, MetadataRequest, MetadataResponse};

use super::*;

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

#[tokio::test(start_paused = true)]
async fn a_leader_told_beside_an_error_gets_the_batch_at_once() {
    let rig = Rig::new(3, &[("linger.ms", "0")]);
    rig.send("a").await.await.unwrap();
    keep_metadata_stale(&rig.fake);
    for (leader, value) in [(1, "b"), (2, "c"), (0, "d")] {
        rig.fake.topics(|topics| topics.move_leader("t", 0, leader));
        let begin = Instant::now();
        rig.send(value).await.await.unwrap();
        // `retry.backoff.ms` is for those who ask the same leader again.
        assert!(begin.elapsed() < Duration::from_millis(50), "{value}");
        let known = rig.producer.cluster().metadata();
        assert_eq!(known.partition("t", 0).unwrap().leader, Some(leader));
    }
    assert_eq!(rig.values(0), ["a", "b", "c", "d"]);
    assert_eq!(rig.fake.requests::<ProduceRequest>().len(), 7);
}

/// Before version 10 nobody tells, and metadata has to.
#[tokio::test(start_paused = true)]
async fn an_old_broker_tells_in_its_metadata_only() {
    let rig = Rig::new(2, &[]);
    rig.fake.serve(ApiKey::Produce, 3, 9);
    rig.send("a").await.await.unwrap();
    rig.fake.topics(|topics| topics.move_leader("t", 0, 1));
    rig.send("b").await.await.unwrap();
    assert_eq!(rig.values(0), ["a", "b"]);
}

/// A leader that metadata does not list yet is reached where the answer says.
#[tokio::test(start_paused = true)]
async fn a_new_broker_told_beside_an_error_is_reached() {
    let settings = [
        ("delivery.timeout.ms", "5000"),
        ("request.timeout.ms", "2000"),
    ];
    for is_told in [true, false] {
        let rig = Rig::new(2, &settings);
        rig.fake.topics(|topics| topics.move_leader("t", 0, 0));
        rig.fake.unregister_node(1);
        rig.send("a").await.await.unwrap();
        keep_metadata_stale(&rig.fake);
        rig.fake.topics(|topics| topics.move_leader("t", 0, 1));
        rig.fake.on::<ProduceRequest>(move |_, _| {
            Reply::changed(move |answer: &mut ProduceResponse| {
                let endpoint = NodeEndpoint::default()
                    .with_node_id(1.into())
                    .with_host(StrBytes::from_static_str("node-1"))
                    .with_port(9092);
                answer.node_endpoints = is_told.then_some(endpoint).into_iter().collect();
            })
        });
        let sent = rig.send("b").await.await;
        assert_eq!(sent.is_ok(), is_told, "{sent:?}");
    }
}
