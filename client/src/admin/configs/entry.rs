//! One configuration of one resource, and where its value comes from.

use ringbrook_protocol::messages::create_topics_response::CreatableTopicConfigs;
use ringbrook_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsSynonym,
};

/// Where a value comes from (`ConfigEntry.ConfigSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigSource {
    /// A source that this client does not know.
    Unknown(i8),
    /// Set for the topic.
    DynamicTopicConfig,
    /// Set for the broker while it runs.
    DynamicBrokerConfig,
    /// Set for all brokers while they run.
    DynamicDefaultBrokerConfig,
    /// From the broker's properties file.
    StaticBrokerConfig,
    /// Nobody has set it.
    DefaultConfig,
    /// Set for the broker's logger.
    DynamicBrokerLoggerConfig,
    /// Set for the subscription to clients' metrics.
    DynamicClientMetricsConfig,
    /// Set for the group.
    DynamicGroupConfig,
}

impl ConfigSource {
    fn of_id(id: i8) -> Self {
        match id {
            1 => Self::DynamicTopicConfig,
            2 => Self::DynamicBrokerConfig,
            3 => Self::DynamicDefaultBrokerConfig,
            4 => Self::StaticBrokerConfig,
            5 => Self::DefaultConfig,
            6 => Self::DynamicBrokerLoggerConfig,
            7 => Self::DynamicClientMetricsConfig,
            8 => Self::DynamicGroupConfig,
            id => Self::Unknown(id),
        }
    }

    /// Kafka's name, as its tools print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown(_) => "UNKNOWN",
            Self::DynamicTopicConfig => "DYNAMIC_TOPIC_CONFIG",
            Self::DynamicBrokerConfig => "DYNAMIC_BROKER_CONFIG",
            Self::DynamicDefaultBrokerConfig => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Self::StaticBrokerConfig => "STATIC_BROKER_CONFIG",
            Self::DefaultConfig => "DEFAULT_CONFIG",
            Self::DynamicBrokerLoggerConfig => "DYNAMIC_BROKER_LOGGER_CONFIG",
            Self::DynamicClientMetricsConfig => "DYNAMIC_CLIENT_METRICS_CONFIG",
            Self::DynamicGroupConfig => "DYNAMIC_GROUP_CONFIG",
        }
    }
}

/// The type of a value (`ConfigEntry.ConfigType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigType {
    /// The broker does not say, or this client does not know the type.
    Unknown(i8),
    /// `true` or `false`.
    Boolean,
    /// A text.
    String,
    /// A number of 32 bits.
    Int,
    /// A number of 16 bits.
    Short,
    /// A number of 64 bits.
    Long,
    /// A number with a fraction.
    Double,
    /// Values with commas between them.
    List,
    /// The name of a class.
    Class,
    /// A secret.
    Password,
}

impl ConfigType {
    fn of_id(id: i8) -> Self {
        match id {
            1 => Self::Boolean,
            2 => Self::String,
            3 => Self::Int,
            4 => Self::Short,
            5 => Self::Long,
            6 => Self::Double,
            7 => Self::List,
            8 => Self::Class,
            9 => Self::Password,
            id => Self::Unknown(id),
        }
    }
}

/// A value that holds, or would hold, if nothing stood above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// Its name there: a topic's `retention.ms` is the broker's `log.retention.ms`.
    pub name: String,
    /// Its value; nothing for a secret.
    pub value: Option<String>,
    /// Where it is set.
    pub source: ConfigSource,
}

/// One configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; nothing when it has none or is a secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it is a secret.
    pub is_sensitive: bool,
    /// Whether it cannot be altered while the broker runs.
    pub is_read_only: bool,
    /// Its type.
    pub config_type: ConfigType,
    /// Where it is set, what counts first first; empty unless asked for.
    pub synonyms: Vec<ConfigSynonym>,
    /// What it is for, in the broker's words; nothing unless asked for.
    pub documentation: Option<String>,
}

impl ConfigEntry {
    /// Whether nobody has set it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::DefaultConfig
    }
}

impl From<DescribeConfigsSynonym> for ConfigSynonym {
    fn from(synonym: DescribeConfigsSynonym) -> Self {
        Self {
            name: synonym.name.to_string(),
            value: synonym.value.map(|value| value.to_string()),
            source: ConfigSource::of_id(synonym.source),
        }
    }
}

impl From<DescribeConfigsResourceResult> for ConfigEntry {
    fn from(entry: DescribeConfigsResourceResult) -> Self {
        Self {
            name: entry.name.to_string(),
            value: entry.value.map(|value| value.to_string()),
            source: ConfigSource::of_id(entry.config_source),
            is_sensitive: entry.is_sensitive,
            is_read_only: entry.read_only,
            config_type: ConfigType::of_id(entry.config_type),
            synonyms: entry.synonyms.into_iter().map(Into::into).collect(),
            documentation: entry.documentation.map(|text| text.to_string()),
        }
    }
}

impl From<CreatableTopicConfigs> for ConfigEntry {
    fn from(entry: CreatableTopicConfigs) -> Self {
        Self {
            name: entry.name.to_string(),
            value: entry.value.map(|value| value.to_string()),
            source: ConfigSource::of_id(entry.config_source),
            is_sensitive: entry.is_sensitive,
            is_read_only: entry.read_only,
            config_type: ConfigType::Unknown(0),
            synonyms: Vec::new(),
            documentation: None,
        }
    }
}
