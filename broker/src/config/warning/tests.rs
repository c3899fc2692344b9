//! Each kind of remark, and the keys that deserve none.

use super::*;

fn said(name: &str, value: &str) -> Option<String> {
    warning_for(name, value).map(|warning| warning.to_string())
}

#[test]
fn honoured_keys_and_ignored_ones_at_their_default_are_silent() {
    assert_eq!(said("log.dirs", "/data"), None);
    assert_eq!(said("num.network.threads", "3"), None);
    assert_eq!(said("num.io.threads", " 8 "), None);
}

#[test]
fn an_ignored_key_says_why() {
    assert_eq!(
        said("num.io.threads", "16").as_deref(),
        Some("num.io.threads is ignored: there is one event loop per core; see core.threads")
    );
    let text = said("listener.name.internal.scram-sha-512.sasl.jaas.config", "x");
    assert!(text.is_some_and(|text| text.ends_with("not supported yet")));
}

#[test]
fn a_retired_key_says_what_became_of_it() {
    let text = said("zookeeper.connect", "localhost:2181").expect("a warning");
    assert!(
        text.starts_with("zookeeper.connect is ignored: Kafka 4 no longer has it"),
        "{text}"
    );
}

#[test]
fn a_topic_config_names_the_brokers() {
    assert_eq!(
        said("retention.ms", "1").as_deref(),
        Some("retention.ms is a topic config: its default for topics is log.retention.ms")
    );
    let text = said("remote.log.copy.disable", "true").expect("a warning");
    assert!(text.contains("no effect"), "{text}");
}

#[test]
fn an_unknown_key_names_the_nearest_only_when_it_is_near() {
    assert_eq!(
        said("log.retension.hour", "1").as_deref(),
        Some("unknown config log.retension.hour: did you mean log.retention.hours?")
    );
    assert_eq!(nearest_name("lisntners"), Some("listeners"));
    assert_eq!(nearest_name("log.dris"), Some("log.dirs"));
    assert_eq!(
        nearest_name("advertised.listener"),
        Some("advertised.listeners")
    );
    assert_eq!(nearest_name("my.plugin.setting"), None);
    assert_eq!(nearest_name("x"), None);
    assert_eq!(
        said("my.plugin.setting", "1").as_deref(),
        Some("unknown config my.plugin.setting")
    );
}
