//! Which broker configs may change, where, and to what.

use super::*;

fn refused(scope: BrokerScope, name: &str, value: &str) -> String {
    check_broker_change(scope, name, value)
        .expect_err(name)
        .to_string()
}

#[test]
fn cluster_wide_configs_change_at_both_levels() {
    for scope in [BrokerScope::Broker, BrokerScope::Cluster] {
        for (name, value) in [
            ("log.retention.ms", "1000"),
            ("message.max.bytes", "2000000"),
            ("log.flush.before.ack", "false"),
            ("log.cleaner.threads", "2"),
        ] {
            assert!(check_broker_change(scope, name, value).is_ok(), "{name}");
        }
    }
}

#[test]
fn refusals_speak_as_kafka_does() {
    assert_eq!(
        refused(BrokerScope::Broker, "log.dirs", "/a"),
        "Cannot update these configs dynamically: Set(log.dirs)"
    );
    assert_eq!(
        refused(BrokerScope::Cluster, "sasl.jaas.config", "x"),
        "Cannot update these configs at default cluster level, broker id must be specified: \
         Set(sasl.jaas.config)"
    );
    assert_eq!(
        refused(BrokerScope::Broker, "ssl.keystore.location", "x"),
        "These security configs can be dynamically updated only per-listener using the listener \
         prefix: Set(ssl.keystore.location)"
    );
    assert_eq!(
        refused(BrokerScope::Broker, "message.max.bytes", "-1"),
        "Invalid value -1 for configuration message.max.bytes: Value must be at least 0"
    );
    assert_eq!(
        refused(BrokerScope::Cluster, "no.such.config", "1"),
        "Unknown broker config name: no.such.config"
    );
    assert!(
        refused(BrokerScope::Broker, "listener.name.in.max.connections", "1")
            .contains("not supported yet")
    );
}
