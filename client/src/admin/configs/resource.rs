//! What has a configuration.

use std::collections::BTreeMap;
use std::fmt;

/// A kind of thing that has a configuration, with Kafka's numbers (`ConfigResource.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigResourceType {
    /// A kind that this client does not know.
    Unknown(i8),
    /// A topic, by name.
    Topic,
    /// A broker, by id; all brokers with an empty name.
    Broker,
    /// A broker's loggers, by the broker's id.
    BrokerLogger,
    /// A subscription to clients' metrics (KIP-714), by name.
    ClientMetrics,
    /// A group, by id.
    Group,
}

impl ConfigResourceType {
    /// Kafka's number.
    #[must_use]
    pub fn id(self) -> i8 {
        match self {
            Self::Unknown(id) => id,
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }

    /// From Kafka's number.
    #[must_use]
    pub fn of_id(id: i8) -> Self {
        match id {
            2 => Self::Topic,
            4 => Self::Broker,
            8 => Self::BrokerLogger,
            16 => Self::ClientMetrics,
            32 => Self::Group,
            id => Self::Unknown(id),
        }
    }
}

/// Something that has a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Its kind.
    pub kind: ConfigResourceType,
    /// Its name.
    pub name: String,
}

impl ConfigResource {
    /// The resource of this kind and name.
    pub fn new(kind: ConfigResourceType, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// A topic.
    pub fn topic(name: impl Into<String>) -> Self {
        Self::new(ConfigResourceType::Topic, name)
    }

    /// A broker.
    #[must_use]
    pub fn broker(id: i32) -> Self {
        Self::new(ConfigResourceType::Broker, id.to_string())
    }

    /// What holds for all brokers that have nothing of their own.
    #[must_use]
    pub fn all_brokers() -> Self {
        Self::new(ConfigResourceType::Broker, "")
    }

    /// A group.
    pub fn group(id: impl Into<String>) -> Self {
        Self::new(ConfigResourceType::Group, id)
    }

    /// The broker that has to be asked, if only one can answer: a broker about itself.
    pub(super) fn node(&self) -> Option<i32> {
        match self.kind {
            ConfigResourceType::Broker | ConfigResourceType::BrokerLogger => self.name.parse().ok(),
            _ => None,
        }
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ConfigResourceType::Unknown(id) => return write!(f, "resource {id} {}", self.name),
            ConfigResourceType::Topic => "topic",
            ConfigResourceType::Broker if self.name.is_empty() => {
                return f.write_str("all brokers");
            }
            ConfigResourceType::Broker => "broker",
            ConfigResourceType::BrokerLogger => "loggers of broker",
            ConfigResourceType::ClientMetrics => "client metrics",
            ConfigResourceType::Group => "group",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// Resources by the broker that has to be asked about them.
pub(super) fn by_node(resources: &[ConfigResource]) -> BTreeMap<Option<i32>, Vec<ConfigResource>> {
    let mut nodes = BTreeMap::<_, Vec<_>>::new();
    for it in resources {
        nodes.entry(it.node()).or_default().push(it.clone());
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_back() {
        for id in i8::MIN..=i8::MAX {
            assert_eq!(ConfigResourceType::of_id(id).id(), id);
        }
    }

    #[test]
    fn only_single_brokers_must_be_asked_themselves() {
        assert_eq!(ConfigResource::broker(3).node(), Some(3));
        assert_eq!(ConfigResource::all_brokers().node(), None);
        assert_eq!(ConfigResource::topic("3").node(), None);
    }
}
