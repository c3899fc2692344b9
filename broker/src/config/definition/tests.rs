//! The table holds together: it parses, it is sorted, its defaults are allowed values.

use super::*;

#[test]
fn the_table_is_complete_and_sorted() {
    // The counts of Kafka 4.3 (34 topic and 374 broker configs), and Ringbrook's own.
    assert_eq!(topic_configs().len(), 34 + 1);
    assert_eq!(broker_configs().len(), 374 + 7);
    for table in [topic_configs(), broker_configs(), &TABLE.retired] {
        assert!(
            table.is_sorted_by(|a, b| a.name < b.name),
            "sorted, without duplicates"
        );
    }
}

#[test]
fn every_default_is_an_allowed_value_and_prints_as_it_is_written() {
    for definition in topic_configs().iter().chain(broker_configs()) {
        let Some(default) = definition.default else {
            continue;
        };
        let value = definition.parse(default);
        assert!(value.is_ok(), "{}: {}", definition.name, value.unwrap_err());
        assert_eq!(
            definition.default_value.to_string(),
            default,
            "{}",
            definition.name
        );
    }
}

#[test]
fn every_config_has_a_line_of_documentation() {
    for definition in topic_configs().iter().chain(broker_configs()) {
        let text = definition.documentation;
        assert!(
            20 <= text.len() && text.ends_with('.'),
            "{}: {text:?}",
            definition.name
        );
    }
}

#[test]
fn lookups_find_first_middle_and_last_and_miss_the_rest() {
    for table in [topic_configs(), broker_configs()] {
        for definition in table {
            let found = topic_config(definition.name).or_else(|| broker_config(definition.name));
            assert_eq!(found.map(|found| found.name), Some(definition.name));
        }
    }
    assert!(broker_config("retention.ms").is_none());
    assert!(topic_config("log.retention.ms").is_none());
    assert!(broker_config("").is_none());
    assert_eq!(
        retired_config("zookeeper.connect").map(|d| d.support),
        Some(Support::Retired)
    );
}

#[test]
fn a_refused_value_names_key_value_and_range() {
    let definition = broker_config("log.segment.bytes").expect("in the table");
    assert_eq!(
        definition.parse("1000").unwrap_err().to_string(),
        "Invalid value 1000 for configuration log.segment.bytes: Value must be at least 1048576"
    );
    assert_eq!(
        definition.parse("1G").unwrap_err().to_string(),
        "Invalid value 1G for configuration log.segment.bytes: Not a number of type INT"
    );
}

#[test]
fn update_modes_follow_kafka() {
    let mode = |name| broker_config(name).map(|definition| definition.update);
    assert_eq!(mode("log.retention.ms"), Some(UpdateMode::ClusterWide));
    assert_eq!(mode("log.retention.hours"), Some(UpdateMode::ReadOnly));
    assert_eq!(mode("message.max.bytes"), Some(UpdateMode::ClusterWide));
    assert_eq!(mode("ssl.keystore.location"), Some(UpdateMode::PerBroker));
    assert_eq!(mode("log.dirs"), Some(UpdateMode::ReadOnly));
    assert_eq!(mode("listeners"), Some(UpdateMode::ReadOnly));
}
