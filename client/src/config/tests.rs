//! All names of Kafka's clients, 4.3.1: each is honoured with Kafka's default, or refused with
//! words that say what to do. The lists are the names that `ProducerConfig`, `ConsumerConfig` and
//! `AdminClientConfig` define.

use std::collections::BTreeSet;

use super::*;

/// What all clients honour, with the default.
const HONOURED_BY_ALL: &[(&str, &str)] = &[
    ("bootstrap.servers", ""),
    ("client.dns.lookup", "use_all_dns_ips"),
    ("client.id", ""),
    ("metadata.max.age.ms", "300000"),
    ("metadata.recovery.rebootstrap.trigger.ms", "300000"),
    ("metadata.recovery.strategy", "rebootstrap"),
    ("reconnect.backoff.max.ms", "1000"),
    ("reconnect.backoff.ms", "50"),
    ("request.timeout.ms", "30000"),
    ("retry.backoff.max.ms", "1000"),
    ("retry.backoff.ms", "100"),
    ("socket.connection.setup.timeout.max.ms", "30000"),
    ("socket.connection.setup.timeout.ms", "10000"),
];

/// What only producers honour, or with another default.
const PRODUCER: &[(&str, &str)] = &[
    ("acks", "all"),
    ("batch.size", "16384"),
    ("buffer.memory", "33554432"),
    ("compression.gzip.level", "-1"),
    ("compression.lz4.level", "9"),
    ("compression.type", "none"),
    ("compression.zstd.level", "3"),
    ("connections.max.idle.ms", "540000"),
    ("delivery.timeout.ms", "120000"),
    ("enable.idempotence", "true"),
    ("linger.ms", "5"),
    ("max.block.ms", "60000"),
    ("max.in.flight.requests.per.connection", "5"),
    ("max.request.size", "1048576"),
    ("metadata.max.idle.ms", "300000"),
    ("partitioner.adaptive.partitioning.enable", "true"),
    ("partitioner.availability.timeout.ms", "0"),
    ("partitioner.ignore.keys", "false"),
    ("retries", "2147483647"),
    ("transaction.timeout.ms", "60000"),
    ("transactional.id", ""),
];

/// What only consumers honour, or with another default.
const CONSUMER: &[(&str, &str)] = &[
    ("allow.auto.create.topics", "true"),
    ("auto.commit.interval.ms", "5000"),
    ("auto.offset.reset", "latest"),
    ("check.crcs", "true"),
    ("client.rack", ""),
    ("connections.max.idle.ms", "540000"),
    ("default.api.timeout.ms", "60000"),
    ("enable.auto.commit", "true"),
    ("exclude.internal.topics", "true"),
    ("fetch.max.bytes", "52428800"),
    ("fetch.max.wait.ms", "500"),
    ("fetch.min.bytes", "1"),
    ("group.id", ""),
    ("group.instance.id", ""),
    ("group.protocol", "classic"),
    ("group.remote.assignor", ""),
    ("heartbeat.interval.ms", "3000"),
    ("isolation.level", "read_uncommitted"),
    ("max.partition.fetch.bytes", "1048576"),
    ("max.poll.interval.ms", "300000"),
    ("max.poll.records", "500"),
    ("partition.assignment.strategy", "range,cooperative-sticky"),
    ("session.timeout.ms", "45000"),
];

/// What only admin clients honour, or with another default.
const ADMIN: &[(&str, &str)] = &[
    ("connections.max.idle.ms", "300000"),
    ("default.api.timeout.ms", "60000"),
];

/// What no client honours, of what all have with Kafka.
const REFUSED_BY_ALL: &[&str] = &[
    "config.providers",
    "enable.metrics.push",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "receive.buffer.bytes",
    "security.protocol",
    "security.providers",
    "send.buffer.bytes",
];

/// What they do not honour besides.
const REFUSED_BY_PRODUCERS: &[&str] = &[
    "interceptor.classes",
    "key.serializer",
    "partitioner.class",
    "transaction.two.phase.commit.enable",
    "value.serializer",
];

/// What they do not honour besides.
const REFUSED_BY_CONSUMERS: &[&str] = &[
    "interceptor.classes",
    "internal.throw.on.fetch.stable.offset.unsupported",
    "key.deserializer",
    "share.acknowledgement.mode",
    "share.acquire.mode",
    "value.deserializer",
];

/// What they do not honour besides.
const REFUSED_BY_ADMINS: &[&str] = &["bootstrap.controllers", "retries"];

/// What all clients have with Kafka for TLS and SASL.
const SECURITY: &[&str] = &[
    "sasl.client.callback.handler.class",
    "sasl.jaas.config",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.service.name",
    "sasl.kerberos.ticket.renew.jitter",
    "sasl.kerberos.ticket.renew.window.factor",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.login.connect.timeout.ms",
    "sasl.login.read.timeout.ms",
    "sasl.login.refresh.buffer.seconds",
    "sasl.login.refresh.min.period.seconds",
    "sasl.login.refresh.window.factor",
    "sasl.login.refresh.window.jitter",
    "sasl.login.retry.backoff.max.ms",
    "sasl.login.retry.backoff.ms",
    "sasl.mechanism",
    "sasl.oauthbearer.assertion.algorithm",
    "sasl.oauthbearer.assertion.claim.aud",
    "sasl.oauthbearer.assertion.claim.exp.seconds",
    "sasl.oauthbearer.assertion.claim.iss",
    "sasl.oauthbearer.assertion.claim.jti.include",
    "sasl.oauthbearer.assertion.claim.nbf.seconds",
    "sasl.oauthbearer.assertion.claim.sub",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.template.file",
    "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.clock.skew.seconds",
    "sasl.oauthbearer.expected.audience",
    "sasl.oauthbearer.expected.issuer",
    "sasl.oauthbearer.header.urlencode",
    "sasl.oauthbearer.jwks.endpoint.refresh.ms",
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
    "sasl.oauthbearer.jwks.endpoint.url",
    "sasl.oauthbearer.jwt.retriever.class",
    "sasl.oauthbearer.jwt.validator.class",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.scope.claim.name",
    "sasl.oauthbearer.sub.claim.name",
    "sasl.oauthbearer.token.endpoint.url",
    "ssl.cipher.suites",
    "ssl.enabled.protocols",
    "ssl.endpoint.identification.algorithm",
    "ssl.engine.factory.class",
    "ssl.key.password",
    "ssl.keymanager.algorithm",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.protocol",
    "ssl.provider",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Honoured by all clients here, though Kafka has it for consumers only.
const BEYOND_KAFKA: &str = "client.rack";

fn compare<C: 'static>(
    properties: impl Iterator<Item = &'static Property<C>>,
    own: &[(&'static str, &'static str)],
    refused: &[&str],
    read: impl Fn(&Properties) -> Result<C, ConfigError>,
) {
    let properties = properties.filter(|property| property.name != BEYOND_KAFKA);
    let ours: BTreeSet<_> = properties.map(|it| (it.name, it.default)).collect();
    let own = own.iter().filter(|(name, _)| *name != BEYOND_KAFKA);
    let kafkas: BTreeSet<_> = HONOURED_BY_ALL.iter().chain(own).copied().collect();
    assert_eq!(ours, kafkas);
    for name in REFUSED_BY_ALL.iter().chain(SECURITY).chain(refused) {
        let error = read(
            &[("bootstrap.servers", "a:1"), (*name, "x")]
                .into_iter()
                .collect(),
        );
        match error.err() {
            Some(ConfigError::NotApplicable { name: it, .. }) if it == *name => {}
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_producer_knows_all_of_kafkas_names() {
    let properties = ProducerConfig::tables().into_iter().flatten();
    compare(
        properties,
        PRODUCER,
        REFUSED_BY_PRODUCERS,
        ProducerConfig::from_properties,
    );
}

#[test]
fn a_consumer_knows_all_of_kafkas_names() {
    compare(
        ConsumerConfig::properties(),
        CONSUMER,
        REFUSED_BY_CONSUMERS,
        ConsumerConfig::from_properties,
    );
}

#[test]
fn an_admin_client_knows_all_of_kafkas_names() {
    compare(
        AdminConfig::properties(),
        ADMIN,
        REFUSED_BY_ADMINS,
        AdminConfig::from_properties,
    );
}

/// Files written for Java often carry defaults of what means nothing here.
#[test]
fn what_does_not_apply_is_passed_over_when_it_says_nothing() {
    let properties: Properties = [
        ("bootstrap.servers", "a:1"),
        ("config.providers", ""),
        ("enable.metrics.push", "false"),
        ("receive.buffer.bytes", "-1"),
        ("security.protocol", "plaintext"),
        ("send.buffer.bytes", "-1"),
    ]
    .into_iter()
    .collect();
    ProducerConfig::from_properties(&properties).unwrap();
    ConsumerConfig::from_properties(&properties).unwrap();
    AdminConfig::from_properties(&properties.with("retries", "2147483647")).unwrap();
}
