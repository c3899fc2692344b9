//! Configs as DescribeConfigs shows them: value, source, synonyms (Kafka's `ConfigHelper`). Wire
//! types and the choice of resources are `api`'s.

use super::{
    broker::BrokerConfig,
    definition::{self, Definition, UpdateMode},
    layers::{ConfigSource, DynamicConfigs, Layers, Properties},
    topic::{self, TopicLayers},
    value::ConfigType,
};

/// One place where a config, or one of the same meaning, has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The config that has it.
    pub name: String,
    /// The value as it was written; `None` when sensitive.
    pub value: Option<String>,
    /// Where.
    pub source: ConfigSource,
}

/// One config of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// The value that holds; `None` when unset or sensitive.
    pub value: Option<String>,
    /// Where it comes from. Kafka reports a value that a weaker synonym set (`log.retention.hours`
    /// for `retention.ms`) as a default, and so does this.
    pub source: ConfigSource,
    /// Whether it cannot change while the broker runs.
    pub is_read_only: bool,
    /// Whether the value is hidden.
    pub is_sensitive: bool,
    /// Type of the value.
    pub config_type: ConfigType,
    /// What it does; `None` for keys without a definition.
    pub documentation: Option<&'static str>,
    /// All places with a value, the strongest first.
    pub synonyms: Vec<ConfigSynonym>,
}

/// The configs of a topic with `overrides`, sorted by name.
#[must_use]
pub fn describe_topic(
    config: &BrokerConfig,
    dynamic: DynamicConfigs<'_>,
    overrides: &Properties,
) -> Vec<ConfigEntry> {
    let layers = TopicLayers {
        broker: config.layers(dynamic),
        overrides,
    };
    let shown = definition::topic_configs()
        .iter()
        .filter(|topic| !topic.is_internal() || overrides.contains_key(topic.name));
    shown.map(|topic| topic_entry(&layers, topic)).collect()
}

fn topic_entry(layers: &TopicLayers<'_>, topic: &Definition) -> ConfigEntry {
    let value = layers.value(topic).to_text();
    let mut synonyms = Vec::new();
    if layers.overrides.contains_key(topic.name) {
        let (name, source) = (topic.name.to_owned(), ConfigSource::Topic);
        synonyms.push(ConfigSynonym {
            name,
            value: value.clone(),
            source,
        });
    }
    if let Some(broker) = topic::broker_synonyms(topic.name).first() {
        synonyms.extend(broker_places(&layers.broker, broker.name, false));
    }
    ConfigEntry {
        name: topic.name.to_owned(),
        value,
        source: source_of(&synonyms),
        is_read_only: false,
        is_sensitive: false,
        config_type: topic.config_type,
        documentation: Some(topic.documentation),
        synonyms,
    }
}

/// The configs of this broker, sorted by name: every public one, and whatever else the file has.
#[must_use]
pub fn describe_broker(config: &BrokerConfig, dynamic: DynamicConfigs<'_>) -> Vec<ConfigEntry> {
    let layers = config.layers(dynamic);
    let public = definition::broker_configs()
        .iter()
        .filter(|broker| !broker.is_internal());
    let mut entries: Vec<_> = public.map(|broker| broker_entry(&layers, broker)).collect();
    for name in config.statics().keys() {
        match definition::broker_config(name) {
            Some(broker) if broker.is_internal() => entries.push(broker_entry(&layers, broker)),
            Some(_) => {}
            None => entries.push(undefined_entry(name)),
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// The dynamic configs that hold for every broker (resource with an empty name).
#[must_use]
pub fn describe_cluster(config: &BrokerConfig, dynamic: DynamicConfigs<'_>) -> Vec<ConfigEntry> {
    let layers = config.layers(dynamic);
    let describe = |(name, raw): (&String, &String)| {
        let Some(broker) = definition::broker_config(name) else {
            return undefined_entry(name);
        };
        let mut entry = broker_entry(&layers, broker);
        entry
            .synonyms
            .retain(|place| place.source == ConfigSource::DynamicDefaultBroker);
        entry.source = source_of(&entry.synonyms);
        entry.value = (!entry.is_sensitive).then(|| raw.clone());
        entry
    };
    dynamic.cluster.iter().map(describe).collect()
}

fn broker_entry(layers: &Layers<'_>, broker: &Definition) -> ConfigEntry {
    let is_sensitive = broker.is_sensitive();
    let synonyms = broker_places(layers, broker.name, is_sensitive);
    ConfigEntry {
        name: broker.name.to_owned(),
        value: if is_sensitive {
            None
        } else {
            layers.value(broker).to_text()
        },
        source: source_of(&synonyms),
        is_read_only: broker.update == UpdateMode::ReadOnly,
        is_sensitive,
        config_type: broker.config_type,
        documentation: Some(broker.documentation),
        synonyms,
    }
}

/// A key of the file that nothing defines may hold a secret of a plugin, so Kafka hides its value.
fn undefined_entry(name: &str) -> ConfigEntry {
    let name = name.to_owned();
    let source = ConfigSource::StaticBroker;
    ConfigEntry {
        value: None,
        source,
        is_read_only: true,
        is_sensitive: true,
        config_type: ConfigType::Unknown,
        documentation: None,
        synonyms: vec![ConfigSynonym {
            name: name.clone(),
            value: None,
            source,
        }],
        name,
    }
}

/// Every layer with a value for the broker config `name` or one of the same meaning, the strongest
/// first. Places before the first that carries `name` itself are dropped, as Kafka does
/// (`configSynonyms`), which is why `log.retention.hours` never shows beneath `retention.ms`
/// unless `log.retention.ms` is set somewhere.
pub(super) fn broker_places(
    layers: &Layers<'_>,
    name: &str,
    is_sensitive: bool,
) -> Vec<ConfigSynonym> {
    let chain = topic::synonym_chain(name);
    let mut places = Vec::new();
    let mut add = |name: &str, value: &str, source| {
        let value = (!is_sensitive).then(|| value.to_owned());
        places.push(ConfigSynonym {
            name: name.to_owned(),
            value,
            source,
        });
    };
    for (source, layer) in layers.set() {
        for name in &chain {
            if let Some(value) = layer.get(*name) {
                add(name, value, source);
            }
        }
    }
    for name in &chain {
        let default = definition::broker_config(name).and_then(|broker| broker.default);
        if let Some(value) = default {
            add(name, value, ConfigSource::Default);
        }
    }
    let first = places
        .iter()
        .position(|place| place.name == name)
        .unwrap_or(places.len());
    places.split_off(first)
}

pub(super) fn source_of(places: &[ConfigSynonym]) -> ConfigSource {
    places
        .first()
        .map_or(ConfigSource::Default, |place| place.source)
}

#[cfg(test)]
mod tests;
