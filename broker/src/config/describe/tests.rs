//! Sources and synonyms as Kafka's `kafka-configs --describe --all` shows them.

use super::*;
use crate::config::ConfigSources;

fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn config(statics: &[(&str, &str)]) -> BrokerConfig {
    let overrides = properties(statics).into_iter().collect();
    BrokerConfig::load(ConfigSources {
        overrides,
        ..Default::default()
    })
    .expect("valid")
    .0
}

fn find(entries: Vec<ConfigEntry>, name: &str) -> ConfigEntry {
    entries
        .into_iter()
        .find(|entry| entry.name == name)
        .expect("described")
}

fn places(entry: &ConfigEntry) -> Vec<(ConfigSource, &str, Option<&str>)> {
    let place = |place: &'_ ConfigSynonym| place.source;
    entry
        .synonyms
        .iter()
        .map(|synonym| {
            (
                place(synonym),
                synonym.name.as_str(),
                synonym.value.as_deref(),
            )
        })
        .collect()
}

#[test]
fn a_topics_override_comes_before_the_brokers_layers() {
    let config = config(&[("message.max.bytes", "2000000")]);
    let cluster = properties(&[("message.max.bytes", "3000000")]);
    let none = Properties::new();
    let dynamic = DynamicConfigs {
        broker: &none,
        cluster: &cluster,
    };
    let overrides = properties(&[("max.message.bytes", "4000000")]);

    let entry = find(
        describe_topic(&config, dynamic, &overrides),
        "max.message.bytes",
    );
    assert_eq!(
        (entry.value.as_deref(), entry.source),
        (Some("4000000"), ConfigSource::Topic)
    );
    assert_eq!(
        places(&entry),
        [
            (ConfigSource::Topic, "max.message.bytes", Some("4000000")),
            (
                ConfigSource::DynamicDefaultBroker,
                "message.max.bytes",
                Some("3000000")
            ),
            (
                ConfigSource::StaticBroker,
                "message.max.bytes",
                Some("2000000")
            ),
            (ConfigSource::Default, "message.max.bytes", Some("1048588")),
        ]
    );
    let entry = find(describe_topic(&config, dynamic, &none), "max.message.bytes");
    assert_eq!(entry.source, ConfigSource::DynamicDefaultBroker);
    assert_eq!(entry.value.as_deref(), Some("3000000"));
}

#[test]
fn weaker_synonyms_show_beneath_the_name_only() {
    let described = |config: &BrokerConfig| {
        let entries = describe_topic(config, DynamicConfigs::none(), &Properties::new());
        find(entries, "retention.ms")
    };
    let entry = described(&config(&[("log.retention.hours", "24")]));
    assert_eq!(
        (entry.value.as_deref(), entry.source),
        (Some("86400000"), ConfigSource::Default)
    );
    assert_eq!(places(&entry), []);

    let entry = described(&config(&[
        ("log.retention.hours", "24"),
        ("log.retention.ms", "5"),
    ]));
    assert_eq!(
        (entry.value.as_deref(), entry.source),
        (Some("5"), ConfigSource::StaticBroker)
    );
    assert_eq!(
        places(&entry),
        [
            (ConfigSource::StaticBroker, "log.retention.ms", Some("5")),
            (
                ConfigSource::StaticBroker,
                "log.retention.hours",
                Some("24")
            ),
            (ConfigSource::Default, "log.retention.hours", Some("168")),
        ]
    );
}

#[test]
fn a_topic_has_every_public_config_once() {
    let none = Properties::new();
    let entries = describe_topic(&config(&[]), DynamicConfigs::none(), &none);
    assert_eq!(entries.len(), 34, "Kafka's 33 and flush.before.ack");
    assert!(
        entries
            .iter()
            .all(|entry| !entry.is_read_only && !entry.is_sensitive)
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry.source == ConfigSource::Default)
    );
    let entry = find(entries, "min.cleanable.dirty.ratio");
    assert_eq!(entry.value.as_deref(), Some("0.5"));
    assert_eq!(entry.config_type.code(), 6);
}

#[test]
fn a_broker_has_every_public_config_and_its_files_unknown_keys_hidden() {
    let config = config(&[
        ("my.plugin.secret", "x"),
        ("ssl.keystore.password", "y"),
        ("log.dirs", "/a , /b"),
        ("unstable.api.versions.enable", "true"),
    ]);
    let entries = describe_broker(&config, DynamicConfigs::none());
    assert!(entries.is_sorted_by(|a, b| a.name < b.name));
    for (name, value) in [("my.plugin.secret", "x"), ("ssl.keystore.password", "y")] {
        let entry = find(entries.clone(), name);
        assert!(entry.is_sensitive && entry.value.is_none(), "{name}");
        assert!(
            places(&entry).iter().all(|place| place.2 != Some(value)),
            "{name}"
        );
    }
    assert_eq!(
        find(entries.clone(), "log.dirs").value.as_deref(),
        Some("/a,/b")
    );
    assert!(find(entries.clone(), "log.dirs").is_read_only);
    assert!(!find(entries.clone(), "log.retention.ms").is_read_only);
    assert_eq!(find(entries.clone(), "log.retention.ms").value, None);
    assert_eq!(
        find(entries, "unstable.api.versions.enable").source,
        ConfigSource::StaticBroker,
        "internal, and shown because the file has it"
    );
}

#[test]
fn the_cluster_shows_its_dynamic_configs_only() {
    let config = config(&[("message.max.bytes", "2000000")]);
    let cluster = properties(&[("message.max.bytes", "3000000")]);
    let broker = properties(&[("message.max.bytes", "4000000")]);
    let dynamic = DynamicConfigs {
        broker: &broker,
        cluster: &cluster,
    };
    let entries = describe_cluster(&config, dynamic);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].value.as_deref(), Some("3000000"));
    let source = ConfigSource::DynamicDefaultBroker;
    assert_eq!(
        places(&entries[0]),
        [(source, "message.max.bytes", Some("3000000"))]
    );
    assert_eq!(describe_cluster(&config, DynamicConfigs::none()), []);
}

#[test]
fn codes_are_those_of_the_wire() {
    assert_eq!(ConfigSource::Topic.code(), 1);
    assert_eq!(ConfigSource::DynamicBroker.code(), 2);
    assert_eq!(ConfigSource::DynamicDefaultBroker.code(), 3);
    assert_eq!(ConfigSource::StaticBroker.code(), 4);
    assert_eq!(ConfigSource::Default.code(), 5);
    assert_eq!(ConfigType::Boolean.code(), 1);
    assert_eq!(ConfigType::Password.code(), 9);
}
