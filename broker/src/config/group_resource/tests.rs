//! Tests of group configs; texts are those of Kafka 4.3.1.

use super::*;
use crate::config::ConfigSources;

fn broker(pairs: &[(&str, &str)]) -> BrokerConfig {
    let sources = ConfigSources {
        overrides: set(pairs).into_iter().collect(),
        ..ConfigSources::default()
    };
    BrokerConfig::load(sources)
        .expect("a valid configuration")
        .0
}

fn set(pairs: &[(&str, &str)]) -> Properties {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn refused(configs: &[(&str, &str)]) -> String {
    validate_group(&broker(&[]), DynamicConfigs::none(), &set(configs))
        .expect_err("it is refused")
        .to_string()
}

#[test]
fn names_and_types_are_checked_value_by_value() {
    assert!(validate_group_value(SESSION.name, "50000").is_ok());
    for (name, value, text) in [
        ("no.such", "1", "Unknown group config name: no.such"),
        (
            SESSION.name,
            "many",
            "Invalid value many for configuration consumer.session.timeout.ms: Not a number of \
             type INT",
        ),
        (
            "consumer.assignment.interval.ms",
            "-1",
            "Invalid value -1 for configuration consumer.assignment.interval.ms: Value must be at \
             least 0",
        ),
    ] {
        let error = validate_group_value(name, value).expect_err("it is refused");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn values_stay_within_the_bounds_of_the_broker() {
    assert_eq!(
        refused(&[(SESSION.name, "44999")]),
        "consumer.session.timeout.ms must be greater than or equal to \
         group.consumer.min.session.timeout.ms"
    );
    assert_eq!(
        refused(&[(HEARTBEAT.name, "15001")]),
        "consumer.heartbeat.interval.ms must be less than or equal to \
         group.consumer.max.heartbeat.interval.ms"
    );
    let bounds = [(SESSION.name, "45000"), (HEARTBEAT.name, "15000")];
    assert!(validate_group(&broker(&[]), DynamicConfigs::none(), &set(&bounds)).is_ok());
}

#[test]
fn a_session_is_longer_than_the_heartbeat_interval_whoever_sets_them() {
    let broker = broker(&[("group.consumer.min.session.timeout.ms", "1000")]);
    let check = |configs: &[(&str, &str)]| {
        validate_group(&broker, DynamicConfigs::none(), &set(configs)).map_err(|e| e.to_string())
    };
    let text = "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms";
    assert_eq!(check(&[(SESSION.name, "5000")]), Err(text.to_owned()));
    assert_eq!(check(&[(SESSION.name, "5001")]), Ok(()));
    let both = [(SESSION.name, "6000"), (HEARTBEAT.name, "6000")];
    assert_eq!(check(&both), Err(text.to_owned()));
}

#[test]
fn a_description_shows_where_each_value_comes_from() {
    let broker = broker(&[("group.consumer.heartbeat.interval.ms", "6000")]);
    let configs = set(&[(SESSION.name, "50000")]);
    let entries = describe_group(&broker, DynamicConfigs::none(), &configs);
    let found: Vec<_> = entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry.value.as_deref(), entry.source))
        .collect();
    assert_eq!(
        found,
        [
            (
                "consumer.assignment.interval.ms",
                Some("1000"),
                ConfigSource::Default
            ),
            (HEARTBEAT.name, Some("6000"), ConfigSource::StaticBroker),
            (SESSION.name, Some("50000"), ConfigSource::Group),
        ]
    );
    let session: Vec<_> = entries[2]
        .synonyms
        .iter()
        .map(|place| (place.name.as_str(), place.source))
        .collect();
    assert_eq!(
        session,
        [
            (SESSION.name, ConfigSource::Group),
            ("group.consumer.session.timeout.ms", ConfigSource::Default),
        ]
    );
    assert!(entries.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn what_is_set_holds_within_the_bounds_of_the_broker() {
    let groups = broker(&[]).groups.consumer;
    let unset = consumer_configs(&groups, &set(&[]));
    assert_eq!(unset, ConsumerGroupConfigs::default());
    let configs = set(&[(SESSION.name, "50000"), (ASSIGNMENT.name, "0")]);
    let found = consumer_configs(&groups, &configs);
    assert_eq!(found.session_timeout, Some(Duration::from_secs(50)));
    assert_eq!(found.assignment_interval_ms, Some(0));
    assert_eq!(found.heartbeat_interval_ms, None);
    // Set when the bounds were others.
    let configs = set(&[(SESSION.name, "1000"), (HEARTBEAT.name, "99999")]);
    let found = consumer_configs(&groups, &configs);
    assert_eq!(found.session_timeout, Some(Duration::from_secs(45)));
    assert_eq!(found.heartbeat_interval_ms, Some(15_000));
}
