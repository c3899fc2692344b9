//! Tests of the producer's configuration: names, defaults, contradictions.

use super::*;

fn of(pairs: &[(&str, &str)]) -> Result<ProducerConfig, ConfigError> {
    let server = [("bootstrap.servers", "a:1")];
    let pairs = server.iter().chain(pairs).copied();
    ProducerConfig::from_properties(&pairs.collect())
}

#[test]
fn defaults_as_text_and_as_value_agree() {
    let mut config = ProducerConfig::default();
    for property in ProducerConfig::tables().into_iter().flatten() {
        let (name, text) = (property.name, property.default);
        (property.set)(&mut config, crate::config::Parse { name, text }).unwrap();
    }
    // These two remember whether somebody has set them.
    assert_eq!(config.delivery_timeout.take(), Some(DELIVERY_TIMEOUT));
    assert_eq!(config.enable_idempotence.take(), Some(true));
    assert!(config.is_idempotent());
    assert_eq!(config.effective_delivery_timeout(), DELIVERY_TIMEOUT);
    let expected = format!("{:?}", ProducerConfig::default());
    assert_eq!(format!("{config:?}"), expected);
}

#[test]
fn properties_are_read_by_kafkas_names() {
    let config = of(&[
        ("acks", "-1"),
        ("linger.ms", "20"),
        ("batch.size", "131072"),
        ("compression.type", "zstd"),
        ("compression.zstd.level", "-5"),
        ("transactional.id", "t"),
        ("max.in.flight.requests.per.connection", "1"),
    ])
    .unwrap();
    assert_eq!(config.acks.code(), -1);
    assert_eq!(config.linger, Duration::from_millis(20));
    assert_eq!(config.batch_size, 128 * 1024);
    assert_eq!(config.compression_type, Codec::Zstd);
    assert_eq!(config.compression_level(), Some(-5));
    assert_eq!(config.transactional_id.as_deref(), Some("t"));
    assert!(config.is_idempotent());
}

/// As Kafka's `postProcessAndValidateIdempotenceConfigs`: an explicit wish is an error, the default
/// gives way.
#[test]
fn idempotence_gives_way_unless_it_was_asked_for() {
    for demand in [
        ("acks", "1"),
        ("acks", "0"),
        ("retries", "0"),
        ("max.in.flight.requests.per.connection", "6"),
    ] {
        assert!(!of(&[demand]).unwrap().is_idempotent());
        let error = of(&[demand, ("enable.idempotence", "true")]).unwrap_err();
        assert!(
            error.to_string().starts_with("idempotence demands"),
            "{error}"
        );
        of(&[demand, ("transactional.id", "t")]).unwrap_err();
    }
    assert!(
        !of(&[("enable.idempotence", "false")])
            .unwrap()
            .is_idempotent()
    );
}

#[test]
fn the_delivery_timeout_covers_linger_and_request() {
    let error = of(&[("delivery.timeout.ms", "30004")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "delivery.timeout.ms (30004) must not be below linger.ms + request.timeout.ms (30005): \
         raise the one or lower the others"
    );
    of(&[("delivery.timeout.ms", "30005")]).unwrap();
    let config = of(&[("linger.ms", "200000")]).unwrap();
    assert_eq!(
        config.effective_delivery_timeout(),
        Duration::from_secs(230)
    );
}

#[test]
fn what_cannot_be_used_says_what_to_do() {
    for (pair, text) in [
        (("acks", "2"), "acks=2 is not valid: one of all, -1, 1, 0"),
        (
            ("compression.type", "brotli"),
            "compression.type=brotli is not valid: none, gzip, snappy, lz4 or zstd",
        ),
        (
            ("compression.gzip.level", "10"),
            "compression.gzip.level=10 is not valid: a level from 1 to 9",
        ),
        (
            ("partitioner.class", "X"),
            "partitioner.class does not apply to this client: \
             partitioners are given to the builder, as values",
        ),
        (
            ("lingers.ms", "5"),
            "unknown property lingers.ms; did you mean linger.ms?",
        ),
    ] {
        assert_eq!(of(&[pair]).unwrap_err().to_string(), text);
    }
}
