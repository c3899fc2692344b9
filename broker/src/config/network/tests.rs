//! Listeners as a whole file states them.

use super::*;
use crate::config::layers::{DynamicConfigs, Properties};

fn read(pairs: &[(&str, &str)]) -> Result<(NetworkConfig, Vec<ConfigWarning>), ConfigError> {
    let statics: Properties = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let layers = Layers {
        dynamic: DynamicConfigs::none(),
        statics: &statics,
    };
    let mut warnings = Vec::new();
    Ok((NetworkConfig::read(&layers, &mut warnings)?, warnings))
}

fn print(listeners: &[Listener]) -> Vec<String> {
    listeners.iter().map(ToString::to_string).collect()
}

#[test]
fn the_defaults_are_kafkas() {
    let (network, warnings) = read(&[]).expect("valid");
    assert_eq!(print(&network.listeners), ["PLAINTEXT://:9092"]);
    assert!(network.needs_advertised_host());
    assert_eq!(network.inter_broker_listener, "PLAINTEXT");
    assert_eq!(network.socket_request_max_bytes, 100 << 20);
    assert_eq!(network.socket_send_buffer_bytes, Some(102_400));
    assert_eq!(network.connections_max_idle, Some(Duration::from_secs(600)));
    assert_eq!(network.queued_max_request_bytes, None);
    assert_eq!(warnings, []);
}

#[test]
fn a_controller_listener_is_tolerated_and_not_opened() {
    let (network, warnings) = read(&[
        ("listeners", "PLAINTEXT://:9092,controller://:9093"),
        (
            "advertised.listeners",
            "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
        ),
        ("controller.listener.names", "CONTROLLER"),
        ("inter.broker.listener.name", "plaintext"),
        (
            "listener.security.protocol.map",
            "CONTROLLER:SSL,PLAINTEXT:PLAINTEXT",
        ),
    ])
    .expect("valid");
    assert_eq!(print(&network.listeners), ["PLAINTEXT://:9092"]);
    assert_eq!(
        print(&network.advertised_listeners),
        ["PLAINTEXT://localhost:9092"]
    );
    assert_eq!(
        warnings,
        [ConfigWarning::ControllerListener {
            name: "CONTROLLER".to_owned()
        }]
    );
}

#[test]
fn several_listeners_keep_their_order_and_names() {
    let (mut network, _) = read(&[
        ("listeners", "IN://127.0.0.1:9092,OUT://:9094"),
        (
            "listener.security.protocol.map",
            "IN:PLAINTEXT,OUT:PLAINTEXT",
        ),
        ("inter.broker.listener.name", "OUT"),
    ])
    .expect("valid");
    network.fill_advertised_host("box");
    assert_eq!(
        print(&network.advertised_listeners),
        ["IN://127.0.0.1:9092", "OUT://box:9094"]
    );
    assert_eq!(network.inter_broker_listener, "OUT");
}

#[test]
fn a_port_the_system_chose_is_the_one_advertised() {
    let (network, _) = read(&[
        (
            "listeners",
            "A://127.0.0.1:0,B://127.0.0.1:9094,C://127.0.0.1:9095",
        ),
        ("advertised.listeners", "A://127.0.0.1:0,B://proxy:19094"),
        (
            "listener.security.protocol.map",
            "A:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT",
        ),
        ("inter.broker.listener.name", "A"),
    ])
    .expect("valid");
    assert_eq!(
        network.advertised("A", 40_001),
        Some(("127.0.0.1".to_owned(), 40_001))
    );
    assert_eq!(
        network.advertised("B", 9094),
        Some(("proxy".to_owned(), 19_094))
    );
    assert_eq!(network.advertised("C", 9095), None);
}

#[test]
fn what_cannot_be_served_or_reached_is_refused() {
    for (pairs, expected) in [
        (vec![("listeners", "SSL://:9093")], "not supported yet"),
        (vec![("listeners", "IN://:9093")], "IN:PLAINTEXT"),
        (
            vec![("listeners", "PLAINTEXT://0.0.0.0:9092")],
            "advertised.listeners",
        ),
        (
            vec![("listeners", "PLAINTEXT://[::]:9092")],
            "advertised.listeners",
        ),
        (
            vec![("advertised.listeners", "OTHER://h:1")],
            "has none of that name",
        ),
        (vec![("inter.broker.listener.name", "OTHER")], "PLAINTEXT"),
        (
            vec![("security.inter.broker.protocol", "SSL")],
            "advertised listeners",
        ),
        (
            vec![
                ("inter.broker.listener.name", "PLAINTEXT"),
                ("security.inter.broker.protocol", "PLAINTEXT"),
            ],
            "only one of",
        ),
        (
            vec![("controller.listener.names", "PLAINTEXT")],
            "none for clients",
        ),
        (vec![("socket.send.buffer.bytes", "0")], "at least 1"),
        (
            vec![("max.connections.per.ip.overrides", "h")],
            "host:count",
        ),
        (
            vec![("max.connections.per.ip.overrides", "h:x")],
            "not a number",
        ),
    ] {
        let text = read(&pairs).expect_err(expected).to_string();
        assert!(text.contains(expected), "{pairs:?}: {text}");
    }
}

#[test]
fn limits_are_read_with_their_special_values() {
    let (network, _) = read(&[
        ("connections.max.idle.ms", "-1"),
        ("socket.receive.buffer.bytes", "-1"),
        ("queued.max.request.bytes", "209715200"),
        ("max.connections.per.ip.overrides", "127.0.0.1:200, [::1]:3"),
    ])
    .expect("valid");
    assert_eq!(network.connections_max_idle, None);
    assert_eq!(network.socket_receive_buffer_bytes, None);
    assert_eq!(network.queued_max_request_bytes, Some(200 << 20));
    let expected = [("127.0.0.1".to_owned(), 200), ("::1".to_owned(), 3)];
    assert_eq!(network.max_connections_per_ip_overrides, expected);
}
