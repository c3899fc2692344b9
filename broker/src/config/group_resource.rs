//! Configs of one group as a resource of its own (`GROUP`): what may be set, and how it is shown.
//! What a set value means for the group is the group coordinator's.
//!
//! Each has a broker config of the same meaning, called `group.<name>`, which holds when the group
//! has no value, and two more that bound it. Kafka (`GroupConfig`) knows configs of share and
//! streams groups too; here they are unknown until those groups exist.

use std::time::Duration;

use super::broker::BrokerConfig;
use super::definition::{self, Definition};
use super::describe::{ConfigEntry, ConfigSynonym, broker_places, source_of};
use super::error::ConfigError;
use super::layers::{ConfigSource, DynamicConfigs, Layers, Properties};
use super::settings::ConsumerGroupsConfig;
use super::value::{ConfigType, Value};

/// One group config.
struct GroupConfig {
    name: &'static str,
    /// The broker config that holds unless the group has a value.
    broker: &'static str,
    /// The broker configs that bound the value.
    min: &'static str,
    max: &'static str,
}

const ASSIGNMENT: GroupConfig = GroupConfig {
    name: "consumer.assignment.interval.ms",
    broker: "group.consumer.assignment.interval.ms",
    min: "group.consumer.min.assignment.interval.ms",
    max: "group.consumer.max.assignment.interval.ms",
};

const HEARTBEAT: GroupConfig = GroupConfig {
    name: "consumer.heartbeat.interval.ms",
    broker: "group.consumer.heartbeat.interval.ms",
    min: "group.consumer.min.heartbeat.interval.ms",
    max: "group.consumer.max.heartbeat.interval.ms",
};

const SESSION: GroupConfig = GroupConfig {
    name: "consumer.session.timeout.ms",
    broker: "group.consumer.session.timeout.ms",
    min: "group.consumer.min.session.timeout.ms",
    max: "group.consumer.max.session.timeout.ms",
};

/// All of them, sorted by name.
const GROUP_CONFIGS: [GroupConfig; 3] = [ASSIGNMENT, HEARTBEAT, SESSION];

impl GroupConfig {
    fn definition(&self) -> &'static Definition {
        match definition::broker_config(self.broker) {
            Some(definition) => definition,
            None => panic!("configs.tsv lacks {}", self.broker),
        }
    }

    /// Parses `raw` under the group's name for the config.
    fn parse(&self, raw: &str) -> Result<i32, ConfigError> {
        let definition = self.definition();
        let value = Value::parse(ConfigType::Int, raw)
            .map_err(|reason| ConfigError::invalid(self.name, raw, reason))?;
        definition
            .validator
            .check(&value)
            .map_err(|reason| ConfigError::invalid(self.name, raw, reason))?;
        match value {
            Value::Int(value) => Ok(value),
            other => panic!("{} is not an int: {other:?}", self.name),
        }
    }

    /// The group's value, or the broker's.
    fn effective(&self, layers: &Layers<'_>, configs: &Properties) -> Result<i32, ConfigError> {
        match configs.get(self.name) {
            Some(raw) => self.parse(raw),
            None => Ok(layers.int(self.broker)),
        }
    }
}

/// What is set for one consumer group; the rest is the broker's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConsumerGroupConfigs {
    /// How long a member that is not heard of is in the group.
    pub session_timeout: Option<Duration>,
    /// How often a member is to be heard of, ms.
    pub heartbeat_interval_ms: Option<i32>,
    /// Shortest time between two assignments, ms.
    pub assignment_interval_ms: Option<i32>,
}

/// What holds for a group with these explicit configs. A value outside the broker's bounds, which
/// may have been set under others, counts as the nearest bound, as in Kafka's
/// `GroupConfig.evaluate`.
#[must_use]
pub fn consumer_configs(
    broker: &ConsumerGroupsConfig,
    configs: &Properties,
) -> ConsumerGroupConfigs {
    let value = |config: &GroupConfig, (low, high): (i32, i32)| {
        let value = config.parse(configs.get(config.name)?).ok()?;
        Some(value.max(low).min(high))
    };
    let session_timeout_ms = value(&SESSION, broker.session_timeout_bounds_ms);
    ConsumerGroupConfigs {
        session_timeout: session_timeout_ms
            .map(|ms| Duration::from_millis(u64::from(ms.max(0).unsigned_abs()))),
        heartbeat_interval_ms: value(&HEARTBEAT, broker.heartbeat_interval_bounds_ms),
        assignment_interval_ms: value(&ASSIGNMENT, broker.assignment_interval_bounds_ms),
    }
}

/// Checks one value by itself.
///
/// # Errors
/// An unknown name, or a value of the wrong type or that no broker would take.
pub fn validate_group_value(name: &str, raw: &str) -> Result<(), ConfigError> {
    match GROUP_CONFIGS.iter().find(|config| config.name == name) {
        Some(config) => config.parse(raw).map(drop),
        None => Err(ConfigError::UnknownGroupConfig {
            name: name.to_owned(),
        }),
    }
}

/// Checks that `configs` may be all that is set on a group (Kafka's `GroupConfig.validate`).
///
/// # Errors
/// A value outside the broker's bounds, or a session that is no longer than a heartbeat interval.
pub fn validate_group(
    config: &BrokerConfig,
    dynamic: DynamicConfigs<'_>,
    configs: &Properties,
) -> Result<(), ConfigError> {
    let layers = config.layers(dynamic);
    for bounded in &GROUP_CONFIGS {
        let Some(raw) = configs.get(bounded.name) else {
            continue;
        };
        let value = bounded.parse(raw)?;
        let (name, min, max) = (bounded.name, bounded.min, bounded.max);
        if value < layers.int(min) {
            let text = format!("{name} must be greater than or equal to {min}");
            return Err(ConfigError::Conflict(text));
        }
        if layers.int(max) < value {
            let text = format!("{name} must be less than or equal to {max}");
            return Err(ConfigError::Conflict(text));
        }
    }
    if SESSION.effective(&layers, configs)? <= HEARTBEAT.effective(&layers, configs)? {
        let text = format!("{} must be greater than {}", SESSION.name, HEARTBEAT.name);
        return Err(ConfigError::Conflict(text));
    }
    Ok(())
}

/// The configs of a group with these explicit ones, sorted by name.
#[must_use]
pub fn describe_group(
    config: &BrokerConfig,
    dynamic: DynamicConfigs<'_>,
    configs: &Properties,
) -> Vec<ConfigEntry> {
    let layers = config.layers(dynamic);
    let describe = |group: &GroupConfig| {
        let definition = group.definition();
        let set = configs.get(group.name).map(|raw| ConfigSynonym {
            name: group.name.to_owned(),
            value: Some(raw.clone()),
            source: ConfigSource::Group,
        });
        let mut synonyms: Vec<_> = set.into_iter().collect();
        synonyms.extend(broker_places(&layers, group.broker, false));
        ConfigEntry {
            name: group.name.to_owned(),
            value: match configs.get(group.name) {
                Some(raw) => Some(raw.clone()),
                None => layers.value(definition).to_text(),
            },
            source: source_of(&synonyms),
            is_read_only: false,
            is_sensitive: false,
            config_type: definition.config_type,
            documentation: Some(definition.documentation),
            synonyms,
        }
    };
    GROUP_CONFIGS.iter().map(describe).collect()
}

#[cfg(test)]
mod tests;
