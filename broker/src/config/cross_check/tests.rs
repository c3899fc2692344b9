//! Each rule, broken once.

use super::*;
use crate::config::broker::ConfigSources;

fn load(pairs: &[(&str, &str)]) -> Result<Vec<String>, ConfigError> {
    let overrides = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let (_, warnings) = BrokerConfig::load(ConfigSources {
        overrides,
        ..Default::default()
    })?;
    Ok(warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn contradictions_stop_the_start() {
    for (pairs, expected) in [
        (vec![("process.roles", "controller")], "must contain broker"),
        (
            vec![("authorizer.class.name", "org.example.Authorizer")],
            "access control",
        ),
        (vec![("log.retention.hours", "0")], "at least 1, or -1"),
        (vec![("log.roll.ms", "0")], "log.roll.ms"),
        (vec![("log.roll.jitter.ms", "-1")], "log.roll.jitter.ms"),
        (
            vec![("group.max.session.timeout.ms", "5999")],
            "group.min.session.timeout.ms",
        ),
        (
            vec![("group.consumer.max.session.timeout.ms", "44999")],
            "group.consumer.min.session.timeout.ms",
        ),
        (
            vec![("group.consumer.heartbeat.interval.ms", "4999")],
            "group.consumer.min.heartbeat.interval.ms",
        ),
        (
            vec![("group.consumer.assignment.interval.ms", "15001")],
            "group.consumer.max.assignment.interval.ms",
        ),
        (
            vec![
                ("group.consumer.min.session.timeout.ms", "1"),
                ("group.consumer.session.timeout.ms", "5000"),
            ],
            "must be less than group.consumer.session.timeout.ms=5000",
        ),
        (
            vec![("group.consumer.assignors", "uniform,sticky")],
            "uniform and range",
        ),
        (
            vec![("queued.max.request.bytes", "1024")],
            "socket.request.max.bytes",
        ),
        (
            vec![("max.connections.per.ip", "0")],
            "max.connections.per.ip.overrides",
        ),
        (vec![("default.replication.factor", "0")], "32767"),
        (vec![("offsets.topic.compression.codec", "5")], "zstd"),
        (
            vec![
                ("log.cleaner.min.compaction.lag.ms", "10"),
                ("log.cleaner.max.compaction.lag.ms", "5"),
            ],
            "min.compaction.lag.ms",
        ),
        (vec![("node.id", "1"), ("broker.id", "2")], "broker.id"),
        (
            vec![("log.cleaner.dedupe.buffer.size", "1048576")],
            "per cleaner thread",
        ),
        (vec![("log.cleaner.threads", "128")], "per cleaner thread"),
    ] {
        let text = load(&pairs).expect_err(expected).to_string();
        assert!(text.contains(expected), "{pairs:?}: {text}");
    }
}

#[test]
fn limits_that_cannot_be_reached_are_noted() {
    let said = load(&[("message.max.bytes", "209715200")]).expect("valid");
    assert!(
        said.iter()
            .any(|line| line.contains("socket.request.max.bytes")),
        "{said:?}"
    );
    let said = load(&[("log.segment.bytes", "1048576")]).expect("valid");
    assert!(
        said.iter()
            .any(|line| line.contains("log.segment.bytes=1048576")),
        "{said:?}"
    );
}

#[test]
fn a_quorum_of_other_nodes_is_noted() {
    let own = load(&[
        ("node.id", "3"),
        ("controller.quorum.voters", "3@localhost:9093"),
    ]);
    assert_eq!(
        own.expect("valid").len(),
        1,
        "the voters key itself is ignored"
    );
    let others = load(&[("controller.quorum.voters", "1@a:9093,2@b:9093")]).expect("valid");
    assert!(
        others
            .iter()
            .any(|line| line.contains("a cluster of its own")),
        "{others:?}"
    );
    let broker = load(&[("process.roles", "broker")]).expect("valid");
    assert!(
        broker
            .iter()
            .any(|line| line.contains("a cluster of its own")),
        "{broker:?}"
    );
}
