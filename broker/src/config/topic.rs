//! Topic configs: the check of one, and what holds for a topic: its override, else the broker's
//! setting of the same meaning, else the default (Kafka's `ServerTopicConfigSynonyms`).

use super::{
    broker::BrokerConfig,
    definition::{self, Definition},
    error::ConfigError,
    layers::{DynamicConfigs, Layers, Properties},
    value::Value,
};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// A broker config that sets the default of a topic config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerSynonym {
    /// The broker config.
    pub name: &'static str,
    /// What its value is multiplied with to have the topic config's unit.
    pub factor: i64,
}

/// The broker configs behind a topic config, the strongest first; empty when there is none.
#[must_use]
pub fn broker_synonyms(topic_config: &str) -> Vec<BrokerSynonym> {
    let same = |name| vec![BrokerSynonym { name, factor: 1 }];
    let scaled = |names: &[(&'static str, i64)]| {
        names
            .iter()
            .map(|&(name, factor)| BrokerSynonym { name, factor })
            .collect()
    };
    match topic_config {
        "segment.ms" => scaled(&[("log.roll.ms", 1), ("log.roll.hours", HOUR_MS)]),
        "segment.jitter.ms" => scaled(&[
            ("log.roll.jitter.ms", 1),
            ("log.roll.jitter.hours", HOUR_MS),
        ]),
        "retention.ms" => scaled(&[
            ("log.retention.ms", 1),
            ("log.retention.minutes", MINUTE_MS),
            ("log.retention.hours", HOUR_MS),
        ]),
        "flush.ms" => scaled(&[
            ("log.flush.interval.ms", 1),
            ("log.flush.scheduler.interval.ms", 1),
        ]),
        "segment.index.bytes" => same("log.index.size.max.bytes"),
        "flush.messages" => same("log.flush.interval.messages"),
        "file.delete.delay.ms" => same("log.segment.delete.delay.ms"),
        "max.message.bytes" => same("message.max.bytes"),
        "min.cleanable.dirty.ratio" => same("log.cleaner.min.cleanable.ratio"),
        _ => ["", "log.", "log.cleaner."]
            .iter()
            .find_map(|prefix| definition::broker_config(&format!("{prefix}{topic_config}")))
            .map_or_else(Vec::new, |broker| same(broker.name)),
    }
}

/// The broker configs that set the same thing as `name`, itself among them, the strongest first
/// (Kafka's `brokerConfigSynonyms`).
pub(super) fn synonym_chain(name: &str) -> Vec<&str> {
    let chain: &[&str] = match name {
        "log.roll.ms" | "log.roll.hours" => &["log.roll.ms", "log.roll.hours"],
        "log.roll.jitter.ms" | "log.roll.jitter.hours" => {
            &["log.roll.jitter.ms", "log.roll.jitter.hours"]
        }
        "log.flush.interval.ms" => &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" => &[
            "log.retention.ms",
            "log.retention.minutes",
            "log.retention.hours",
        ],
        _ => return vec![name],
    };
    chain.to_vec()
}

/// Checks one topic config.
///
/// # Errors
/// [`ConfigError::UnknownTopicConfig`] and [`ConfigError::InvalidValue`].
pub fn validate(name: &str, value: &str) -> Result<Value, ConfigError> {
    match definition::topic_config(name) {
        Some(definition) => definition.parse(value),
        None => Err(ConfigError::UnknownTopicConfig {
            name: name.to_owned(),
        }),
    }
}

/// Checks all configs of a topic, together with what holds beneath them.
///
/// # Errors
/// Those of [`validate`], and [`ConfigError::Conflict`] for overrides that do not go together.
pub fn validate_all(
    config: &BrokerConfig,
    dynamic: DynamicConfigs<'_>,
    overrides: &Properties,
) -> Result<(), ConfigError> {
    for (name, value) in overrides {
        validate(name, value)?;
    }
    TopicLayers {
        broker: config.layers(dynamic),
        overrides,
    }
    .check_rules()
}

/// The overrides of a topic above the layers of the broker.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopicLayers<'a> {
    pub(super) broker: Layers<'a>,
    pub(super) overrides: &'a Properties,
}

static NO_OVERRIDES: Properties = Properties::new();

impl<'a> TopicLayers<'a> {
    /// A topic without overrides.
    pub(super) fn of_broker(broker: Layers<'a>) -> Self {
        Self {
            broker,
            overrides: &NO_OVERRIDES,
        }
    }

    /// The value that holds. Overrides are checked when they are written, so one that does not
    /// parse gives way to the broker's setting.
    pub(super) fn value(&self, definition: &Definition) -> Value {
        self.overrides
            .get(definition.name)
            .and_then(|raw| definition.parse(raw).ok())
            .or_else(|| self.broker_value(definition))
            .unwrap_or_else(|| definition.default_value.clone())
    }

    fn broker_value(&self, definition: &Definition) -> Option<Value> {
        broker_synonyms(definition.name)
            .into_iter()
            .find_map(|synonym| {
                let broker = definition::broker_config(synonym.name)?;
                let scaled = match self.broker.value(broker) {
                    Value::Null => return None,
                    Value::Int(value) if synonym.factor != 1 => {
                        Value::Long(i64::from(value).saturating_mul(synonym.factor))
                    }
                    value => value,
                };
                // Any negative retention of the broker means no limit, as in KafkaConfig.
                Some(match scaled {
                    Value::Long(value) if definition.name == "retention.ms" => {
                        Value::Long(value.max(-1))
                    }
                    value => value,
                })
            })
    }

    pub(super) fn named(&self, name: &str) -> Value {
        match definition::topic_config(name) {
            Some(definition) => self.value(definition),
            None => panic!("the code reads the topic config {name}, which configs.tsv lacks"),
        }
    }

    pub(super) fn long(&self, name: &str) -> i64 {
        match self.named(name) {
            Value::Long(value) => value,
            Value::Int(value) => i64::from(value),
            other => panic!("{name} is not a number: {other:?}"),
        }
    }

    pub(super) fn int(&self, name: &str) -> i32 {
        match self.named(name) {
            Value::Int(value) => value,
            other => panic!("{name} is not an int: {other:?}"),
        }
    }

    /// An int as a number of bytes; negative values count as 0.
    pub(super) fn bytes(&self, name: &str) -> u32 {
        self.int(name).max(0).unsigned_abs()
    }

    pub(super) fn double(&self, name: &str) -> f64 {
        match self.named(name) {
            Value::Double(value) => value,
            other => panic!("{name} is not a double: {other:?}"),
        }
    }

    pub(super) fn text(&self, name: &str) -> String {
        match self.named(name) {
            Value::Text(value) => value,
            other => panic!("{name} is not a string: {other:?}"),
        }
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        match self.named(name) {
            Value::List(items) => items,
            other => panic!("{name} is not a list: {other:?}"),
        }
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        match self.named(name) {
            Value::Boolean(value) => value,
            other => panic!("{name} is not a boolean: {other:?}"),
        }
    }

    /// Rules over several configs (Kafka's `LogConfig.validateTopicLogConfigValues`).
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] for the first rule broken.
    pub(super) fn check_rules(&self) -> Result<(), ConfigError> {
        let (shortest, longest) = ("min.compaction.lag.ms", "max.compaction.lag.ms");
        let (low, high) = (self.long(shortest), self.long(longest));
        if high < low {
            return Err(ConfigError::Conflict(format!(
                "conflict topic config setting {shortest} ({low}) > {longest} ({high})"
            )));
        }
        if self.boolean("remote.storage.enable") {
            return Err(ConfigError::Conflict(
                "Tiered Storage functionality is disabled in the broker. Topic cannot be \
                 configured with remote log storage."
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
