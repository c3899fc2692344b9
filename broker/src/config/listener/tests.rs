//! Listener syntax as Kafka takes it, and the clashes it refuses.

use super::*;

fn parse(item: &str) -> Result<Listener, ConfigError> {
    Listener::parse("listeners", item)
}

fn parse_all(items: &[&str]) -> Result<Vec<Listener>, ConfigError> {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    parse_listeners("listeners", &items)
}

#[test]
fn hosts_are_names_ipv4_ipv6_or_nothing() {
    let parts = |item: &str| {
        let listener = parse(item).expect("valid");
        (listener.name, listener.host, listener.port)
    };
    let expect = |name: &str, host: &str, port| (name.to_owned(), host.to_owned(), port);
    assert_eq!(parts("PLAINTEXT://:9092"), expect("PLAINTEXT", "", 9092));
    assert_eq!(
        parts("plaintext://my-host.example:1"),
        expect("PLAINTEXT", "my-host.example", 1)
    );
    assert_eq!(parts("A://127.0.0.1:0"), expect("A", "127.0.0.1", 0));
    assert_eq!(parts("A://[::1]:9092"), expect("A", "::1", 9092));
    assert_eq!(
        parts("A://fe80::1%eth0:9092"),
        expect("A", "fe80::1%eth0", 9092)
    );
}

#[test]
fn printing_gives_back_what_was_parsed() {
    for item in [
        "PLAINTEXT://:9092",
        "A://host_1:1",
        "B://[2001:db8::1]:65535",
    ] {
        assert_eq!(parse(item).expect("valid").to_string(), item);
    }
}

#[test]
fn malformed_listeners_are_refused_with_key_and_value() {
    for item in [
        "",
        "9092",
        "://h:1",
        "A:/h:1",
        "A://h",
        "A://h:",
        "A://h:65536",
        "A://h:-1",
        "A://[::1:1",
    ] {
        let text = parse(item).expect_err(item).to_string();
        assert!(text.contains("listeners") && text.contains(item), "{text}");
    }
    assert!(parse("A://ho st:1").is_err());
    assert!(parse("A://h/x:1").is_err());
}

#[test]
fn names_and_ports_must_differ() {
    assert!(parse_all(&["A://h:1", "a://h:2"]).is_err());
    assert!(parse_all(&["A://h:1", "B://g:1"]).is_err());
    assert!(
        parse_all(&["A://h:0", "B://g:0"]).is_ok(),
        "the system chooses both"
    );
    assert!(
        parse_all(&["A://127.0.0.1:1", "B://[::1]:1"]).is_ok(),
        "one port, two families"
    );
    let advertised = ["A://h:1".to_owned(), "B://h:1".to_owned()];
    assert!(
        parse_listeners("advertised.listeners", &advertised).is_ok(),
        "behind one proxy"
    );
}

#[test]
fn wildcards_are_the_empty_host_and_the_unspecified_addresses() {
    for (item, expected) in [
        ("A://:1", true),
        ("A://0.0.0.0:1", true),
        ("A://[::]:1", true),
        ("A://127.0.0.1:1", false),
        ("A://localhost:1", false),
    ] {
        assert_eq!(
            parse(item).expect("valid").is_wildcard(),
            expected,
            "{item}"
        );
    }
}

#[test]
fn hosts_resolve_to_the_address_to_bind() {
    let resolve = |item: &str| parse(item).expect("valid").resolve();
    assert_eq!(
        resolve("A://127.0.0.1:5").expect("an address").to_string(),
        "127.0.0.1:5"
    );
    assert_eq!(
        resolve("A://[::1]:5").expect("an address").to_string(),
        "[::1]:5"
    );
    assert!(
        resolve("A://:5")
            .expect("every address")
            .ip()
            .is_unspecified()
    );
    assert!(resolve("A://no..such..host:5").is_err());
}

#[test]
fn only_plaintext_is_served_for_now() {
    let protocols = SecurityProtocols::parse("internal:PLAINTEXT, OUT:sasl_ssl").expect("valid");
    let listener = |item| parse(item).expect("valid");
    assert!(
        protocols
            .require_plaintext(&listener("INTERNAL://h:1"))
            .is_ok()
    );
    let text = protocols
        .require_plaintext(&listener("OUT://h:1"))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("SASL_SSL") && text.contains("not supported yet"),
        "{text}"
    );
    let text = protocols
        .require_plaintext(&listener("NEW://h:1"))
        .unwrap_err()
        .to_string();
    assert!(text.contains("NEW:PLAINTEXT"), "{text}");
}

#[test]
fn a_bad_protocol_map_is_refused() {
    for text in ["A", "A:TLS", "A:SSL,a:PLAINTEXT"] {
        assert!(SecurityProtocols::parse(text).is_err(), "{text}");
    }
    assert!(SecurityProtocols::parse("").is_ok());
}
