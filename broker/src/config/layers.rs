//! Where a broker config's value comes from: dynamic for this broker, dynamic for all, the file
//! and options of this start, or the default. Read by `settings.rs`, `topic.rs`, `describe.rs`.

use std::{collections::BTreeMap, time::Duration};

use super::{
    definition::{self, Definition},
    value::Value,
};

/// Keys and values as text.
pub type Properties = BTreeMap<String, String>;

static NONE: Properties = Properties::new();

/// The source of a value, with the codes of `DescribeConfigsResponse.ConfigSource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic = 1,
    /// Set dynamically for one broker.
    DynamicBroker = 2,
    /// Set dynamically for every broker.
    DynamicDefaultBroker = 3,
    /// From the properties file or the command line.
    StaticBroker = 4,
    /// The definition's default.
    Default = 5,
    /// Set on the group.
    Group = 8,
}

impl ConfigSource {
    /// The code on the wire (DescribeConfigs response, `ConfigSource`).
    #[must_use]
    pub fn code(self) -> i8 {
        self as i8
    }
}

/// The dynamic broker configs as the metadata holds them.
#[derive(Debug, Clone, Copy)]
pub struct DynamicConfigs<'a> {
    /// Of this broker (resource name: its id).
    pub broker: &'a Properties,
    /// Of every broker (resource name: empty).
    pub cluster: &'a Properties,
}

impl DynamicConfigs<'_> {
    /// No dynamic configs.
    #[must_use]
    pub fn none() -> Self {
        DynamicConfigs {
            broker: &NONE,
            cluster: &NONE,
        }
    }
}

/// All layers of broker configs, the strongest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layers<'a> {
    pub(super) dynamic: DynamicConfigs<'a>,
    pub(super) statics: &'a Properties,
}

impl<'a> Layers<'a> {
    /// The layers above the defaults, strongest first.
    pub(super) fn set(&self) -> [(ConfigSource, &'a Properties); 3] {
        [
            (ConfigSource::DynamicBroker, self.dynamic.broker),
            (ConfigSource::DynamicDefaultBroker, self.dynamic.cluster),
            (ConfigSource::StaticBroker, self.statics),
        ]
    }

    /// The effective value of a broker config. Layers are checked when they are written, so a
    /// value that does not parse (a newer version's, say) falls through to the next layer.
    pub(super) fn value(&self, definition: &Definition) -> Value {
        self.set()
            .into_iter()
            .filter_map(|(_, layer)| layer.get(definition.name))
            .find_map(|raw| definition.parse(raw).ok())
            .unwrap_or_else(|| definition.default_value.clone())
    }

    fn named(&self, name: &str) -> Value {
        match definition::broker_config(name) {
            Some(definition) => self.value(definition),
            None => panic!("the code reads the broker config {name}, which configs.tsv lacks"),
        }
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        match self.named(name) {
            Value::Boolean(value) => value,
            other => panic!("{name} is not a boolean: {other:?}"),
        }
    }

    pub(super) fn int(&self, name: &str) -> i32 {
        match self.named(name) {
            Value::Int(value) => value,
            other => panic!("{name} is not an int: {other:?}"),
        }
    }

    pub(super) fn double(&self, name: &str) -> f64 {
        match self.named(name) {
            Value::Double(value) => value,
            other => panic!("{name} is not a double: {other:?}"),
        }
    }

    pub(super) fn short(&self, name: &str) -> i16 {
        match i16::try_from(self.int(name)) {
            Ok(value) => value,
            Err(_) => panic!("{name} is not a short"),
        }
    }

    /// An int or long; `None` when unset.
    pub(super) fn optional_long(&self, name: &str) -> Option<i64> {
        match self.named(name) {
            Value::Null => None,
            Value::Int(value) => Some(i64::from(value)),
            Value::Long(value) => Some(value),
            other => panic!("{name} is not a number: {other:?}"),
        }
    }

    pub(super) fn long(&self, name: &str) -> i64 {
        match self.optional_long(name) {
            Some(value) => value,
            None => panic!("{name} has no default"),
        }
    }

    /// An int or long as a size or count: negative values count as 0.
    pub(super) fn size(&self, name: &str) -> usize {
        usize::try_from(self.long(name).max(0)).unwrap_or(usize::MAX)
    }

    /// An int or long of milliseconds; negative values count as 0.
    pub(super) fn millis(&self, name: &str) -> Duration {
        Duration::from_millis(self.long(name).max(0).unsigned_abs())
    }

    pub(super) fn optional_text(&self, name: &str) -> Option<String> {
        match self.named(name) {
            Value::Null => None,
            Value::Text(value) => Some(value),
            other => panic!("{name} is not a string: {other:?}"),
        }
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.optional_text(name).unwrap_or_default()
    }

    /// A list; `None` when unset.
    pub(super) fn optional_list(&self, name: &str) -> Option<Vec<String>> {
        match self.named(name) {
            Value::Null => None,
            Value::List(items) => Some(items),
            other => panic!("{name} is not a list: {other:?}"),
        }
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.optional_list(name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
