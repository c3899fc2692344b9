//! What holds for a topic, by strength and by unit.

use super::*;
use crate::config::{ConfigSources, definition::UpdateMode};

fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn value(name: &str, overrides: &[(&str, &str)], statics: &[(&str, &str)]) -> Value {
    let (overrides, statics) = (properties(overrides), properties(statics));
    let broker = Layers {
        dynamic: DynamicConfigs::none(),
        statics: &statics,
    };
    TopicLayers {
        broker,
        overrides: &overrides,
    }
    .named(name)
}

#[test]
fn every_synonym_is_a_broker_config_with_the_same_default() {
    for topic in definition::topic_configs() {
        let synonyms = broker_synonyms(topic.name);
        for synonym in &synonyms {
            let broker = definition::broker_config(synonym.name);
            assert!(broker.is_some(), "{} -> {}", topic.name, synonym.name);
        }
        if let Some(first) = synonyms.first() {
            let broker = definition::broker_config(first.name).expect("checked above");
            assert_eq!(broker.update, UpdateMode::ClusterWide, "{}", first.name);
        }
        assert_eq!(
            value(topic.name, &[], &[]),
            topic.default_value,
            "{}",
            topic.name
        );
    }
}

#[test]
fn topic_configs_without_a_broker_config_are_the_known_ones() {
    let without: Vec<&str> = definition::topic_configs()
        .iter()
        .map(|topic| topic.name)
        .filter(|name| broker_synonyms(name).is_empty())
        .collect();
    assert_eq!(
        without,
        [
            "follower.replication.throttled.replicas",
            "internal.segment.bytes",
            "leader.replication.throttled.replicas",
            "remote.log.copy.disable",
            "remote.log.delete.on.disable",
            "remote.storage.enable",
        ]
    );
}

#[test]
fn retention_takes_milliseconds_before_minutes_before_hours() {
    let hours = ("log.retention.hours", "2");
    let minutes = ("log.retention.minutes", "3");
    let millis = ("log.retention.ms", "4");
    let retention = |statics: &[(&str, &str)]| value("retention.ms", &[], statics);
    assert_eq!(retention(&[hours]), Value::Long(7_200_000));
    assert_eq!(retention(&[hours, minutes]), Value::Long(180_000));
    assert_eq!(retention(&[hours, minutes, millis]), Value::Long(4));
    assert_eq!(retention(&[("log.retention.hours", "-1")]), Value::Long(-1));
    assert_eq!(
        value("retention.ms", &[("retention.ms", "5")], &[millis]),
        Value::Long(5)
    );
}

#[test]
fn rolls_and_flushes_have_their_chains_too() {
    let two_hours = Value::Long(7_200_000);
    assert_eq!(
        value("segment.ms", &[], &[("log.roll.hours", "2")]),
        two_hours
    );
    let both = [("log.roll.hours", "2"), ("log.roll.ms", "9")];
    assert_eq!(value("segment.ms", &[], &both), Value::Long(9));
    assert_eq!(
        value("segment.jitter.ms", &[], &[("log.roll.jitter.hours", "2")]),
        two_hours
    );
    let scheduler = ("log.flush.scheduler.interval.ms", "7");
    assert_eq!(value("flush.ms", &[], &[scheduler]), Value::Long(7));
    let both = [scheduler, ("log.flush.interval.ms", "8")];
    assert_eq!(value("flush.ms", &[], &both), Value::Long(8));
}

#[test]
fn dynamic_broker_configs_stand_between_topic_and_file() {
    let (config, _) = BrokerConfig::load(ConfigSources {
        overrides: vec![("log.retention.hours".to_owned(), "2".to_owned())],
        ..Default::default()
    })
    .expect("valid");
    let cluster = properties(&[("log.retention.ms", "1000")]);
    let none = Properties::new();
    let dynamic = DynamicConfigs {
        broker: &none,
        cluster: &cluster,
    };
    let layers = TopicLayers {
        broker: config.layers(dynamic),
        overrides: &none,
    };
    assert_eq!(layers.long("retention.ms"), 1000);
}

#[test]
fn refusals_speak_as_kafka_does() {
    let refused = |name: &str, value: &str| validate(name, value).unwrap_err().to_string();
    assert_eq!(refused("nope", "1"), "Unknown topic config name: nope");
    assert_eq!(
        refused("retention.ms", "-5"),
        "Invalid value -5 for configuration retention.ms: Value must be at least -1"
    );
    assert_eq!(
        refused("cleanup.policy", "shred"),
        "Invalid value shred for configuration cleanup.policy: String must be one of: compact, \
         delete"
    );
    assert!(validate("cleanup.policy", "compact,delete").is_ok());
    assert!(validate("min.insync.replicas", "0").is_err());
    assert!(validate("flush.before.ack", "false").is_ok());
}

#[test]
fn overrides_are_checked_against_each_other_and_the_broker() {
    let (config, _) = BrokerConfig::load(ConfigSources::default()).expect("valid");
    let check =
        |pairs: &[(&str, &str)]| validate_all(&config, DynamicConfigs::none(), &properties(pairs));
    assert!(
        check(&[
            ("min.compaction.lag.ms", "5"),
            ("max.compaction.lag.ms", "5")
        ])
        .is_ok()
    );
    let text = check(&[
        ("min.compaction.lag.ms", "6"),
        ("max.compaction.lag.ms", "5"),
    ]);
    let expected =
        "conflict topic config setting min.compaction.lag.ms (6) > max.compaction.lag.ms (5)";
    assert_eq!(text.unwrap_err().to_string(), expected);
    assert!(check(&[("remote.storage.enable", "true")]).is_err());
    assert!(check(&[("remote.storage.enable", "false")]).is_ok());
    assert!(
        check(&[("log.retention.ms", "1")]).is_err(),
        "a broker config, not a topic's"
    );
}
