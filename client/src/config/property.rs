//! One property of one client.

use super::{ConfigError, Parse, Properties};

/// A property: its Kafka name, and how its text becomes part of a configuration `C`.
#[derive(Debug)]
pub struct Property<C: 'static> {
    /// Kafka's name.
    pub name: &'static str,
    /// Kafka's default, as text; empty for none.
    pub default: &'static str,
    /// What it means, in a sentence.
    pub doc: &'static str,
    pub(crate) set: fn(&mut C, Parse<'_>) -> Result<(), ConfigError>,
}

impl<C> Property<C> {
    pub(crate) const fn new(
        name: &'static str,
        default: &'static str,
        doc: &'static str,
        set: fn(&mut C, Parse<'_>) -> Result<(), ConfigError>,
    ) -> Self {
        Self {
            name,
            default,
            doc,
            set,
        }
    }
}

/// Properties of Kafka's Java clients that mean nothing here, by prefix, and what to do instead.
const NOT_APPLICABLE: &[(&str, &str)] = &[
    (
        "bootstrap.controllers",
        "only brokers are asked: set bootstrap.servers",
    ),
    (
        "config.providers",
        "write the values themselves, or put them into the Properties that are read",
    ),
    ("internal.", "it is for Kafka's own use: leave it out"),
    (
        "retries",
        "calls are tried again until default.api.timeout.ms: set that",
    ),
    ("share.", "there is no share consumer yet: leave it out"),
    (
        "transaction.two.phase.commit.enable",
        "there is no two-phase commit yet: leave it out",
    ),
    ("ssl.", "give the builder a connector that speaks TLS"),
    ("sasl.", "give the builder a connector that authenticates"),
    ("security.", "give the builder a connector"),
    ("metric", "counters are read from the client itself"),
    ("auto.include.jmx.reporter", "there is no JMX"),
    (
        "enable.metrics.push",
        "counters are read from the client itself",
    ),
    (
        "key.serializer",
        "serializers are given to the builder, as values",
    ),
    (
        "value.serializer",
        "serializers are given to the builder, as values",
    ),
    (
        "key.deserializer",
        "deserializers are given to the builder, as values",
    ),
    (
        "value.deserializer",
        "deserializers are given to the builder, as values",
    ),
    (
        "partitioner.class",
        "partitioners are given to the builder, as values",
    ),
    (
        "interceptor.classes",
        "interceptors are given to the builder, as values",
    ),
    (
        "send.buffer.bytes",
        "the kernel sizes buffers of sockets by itself",
    ),
    (
        "receive.buffer.bytes",
        "the kernel sizes buffers of sockets by itself",
    ),
];

/// Values under which a property that does not apply says nothing and is passed over.
const HARMLESS: &[(&str, &str)] = &[
    ("config.providers", ""),
    ("enable.metrics.push", "false"),
    ("interceptor.classes", ""),
    ("metric.reporters", ""),
    ("receive.buffer.bytes", "-1"),
    ("retries", "2147483647"),
    ("security.protocol", "PLAINTEXT"),
    ("security.providers", ""),
    ("send.buffer.bytes", "-1"),
    ("share.acknowledgement.mode", "implicit"),
    ("transaction.two.phase.commit.enable", "false"),
];

/// Sets a configuration from properties, by the `tables` of its parts.
///
/// # Errors
/// An unknown name, one that does not apply, or a value that the property does not take.
pub(crate) fn apply<C>(
    config: &mut C,
    table: &[&[Property<C>]],
    properties: &Properties,
) -> Result<(), ConfigError> {
    for (name, text) in properties.iter() {
        let known = table.iter().copied().flatten();
        let Some(property) = known.clone().find(|property| property.name == name) else {
            if HARMLESS
                .iter()
                .any(|(it, value)| *it == name && value.eq_ignore_ascii_case(text))
            {
                continue;
            }
            return Err(unknown(name, known.map(|property| property.name)));
        };
        let name = property.name;
        (property.set)(config, Parse { name, text })?;
    }
    Ok(())
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> ConfigError {
    let not_applicable = NOT_APPLICABLE.iter().find(|(it, _)| name.starts_with(it));
    if let Some((_, instead)) = not_applicable {
        return ConfigError::NotApplicable {
            name: name.to_owned(),
            instead,
        };
    }
    let near = known
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.len() / 4)
        .map(|(_, known)| known);
    ConfigError::Unknown {
        name: name.to_owned(),
        near,
    }
}
