//! Tests of a consumer's configuration.

use super::*;
use crate::config::Parse;

const SERVER: (&str, &str) = ("bootstrap.servers", "a:1");

fn of(pairs: &[(&str, &str)]) -> Result<ConsumerConfig, ConfigError> {
    let pairs = [SERVER].iter().chain(pairs).copied();
    ConsumerConfig::from_properties(&pairs.collect())
}

#[test]
fn defaults_as_text_and_as_value_agree() {
    let mut config = ConsumerConfig::default();
    for property in ConsumerConfig::properties() {
        let name = property.name;
        let text = property.default;
        (property.set)(&mut config, Parse { name, text }).unwrap();
    }
    let expected = format!("{:?}", ConsumerConfig::default());
    assert_eq!(format!("{config:?}"), expected);
}

#[test]
fn properties_are_read_by_kafkas_names() {
    let config = of(&[
        ("group.id", "g"),
        ("group.instance.id", "i"),
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "earliest"),
        ("max.poll.records", "7"),
        ("check.crcs", "false"),
        ("fetch.max.wait.ms", "11"),
        (
            "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor, range, mine",
        ),
    ])
    .unwrap();
    assert_eq!(config.group_id.as_deref(), Some("g"));
    assert_eq!(config.isolation_level, IsolationLevel::ReadCommitted);
    assert_eq!(config.auto_offset_reset, AutoOffsetReset::Earliest);
    assert_eq!(config.max_poll_records, 7);
    assert!(!config.check_crcs);
    assert!(config.enable_auto_commit);
    assert_eq!(config.fetch_max_wait, Duration::from_millis(11));
    let strategy = config.partition_assignment_strategy;
    assert_eq!(strategy, ["cooperative-sticky", "range", "mine"]);
}

#[test]
fn without_a_group_nothing_is_committed_by_default() {
    assert!(!of(&[]).unwrap().enable_auto_commit);
    assert!(of(&[("group.id", "g")]).unwrap().enable_auto_commit);
}

#[test]
fn durations_are_those_of_iso_8601() {
    let reset = |text: &str| of(&[("auto.offset.reset", text)]).map(|it| it.auto_offset_reset);
    for (text, seconds) in [
        ("by_duration:PT1H", 3_600.0),
        ("by_duration:P1D", 86_400.0),
        ("by_duration:P1DT2H3M4.5S", 93_784.5),
        ("BY_DURATION:pt0.25s", 0.25),
        ("by_duration:PT0S", 0.0),
    ] {
        let expected = AutoOffsetReset::ByDuration(Duration::from_secs_f64(seconds));
        assert_eq!(reset(text).unwrap(), expected, "{text}");
    }
    for text in [
        "by_duration:",
        "by_duration:P",
        "by_duration:PT",
        "by_duration:P1DT",
        "by_duration:-PT1H",
        "by_duration:PT-1H",
        "by_duration:PT1.5H",
        "by_duration:PT1M1H",
        "by_duration:PT1e9S",
        "by_duration:1H",
        "smallest",
        "",
    ] {
        reset(text).unwrap_err();
    }
}

#[test]
fn what_cannot_be_used_says_what_to_do() {
    for (pairs, text) in [
        (
            vec![("heartbeat.interval.ms", "45000")],
            "heartbeat.interval.ms (45000) has to be below session.timeout.ms (45000), by Kafka's \
             advice at most a third of it",
        ),
        (
            vec![("group.instance.id", "i")],
            "group.instance.id needs group.id: set the group it is a member of",
        ),
        (
            vec![("group.remote.assignor", "uniform")],
            "group.remote.assignor needs group.protocol=consumer; for the classic protocol set \
             partition.assignment.strategy",
        ),
        (
            vec![
                ("group.protocol", "consumer"),
                ("session.timeout.ms", "45000"),
            ],
            "session.timeout.ms cannot be set with group.protocol=consumer, where the broker \
             decides it: leave it away, or set group.protocol=classic",
        ),
        (
            vec![("max.poll.records", "0")],
            "max.poll.records=0 is not valid: a whole number from 1 to 2147483647",
        ),
        (
            vec![("fetch.max.byte", "1")],
            "unknown property fetch.max.byte; did you mean fetch.max.bytes?",
        ),
    ] {
        assert_eq!(of(&pairs).unwrap_err().to_string(), text);
    }
}
