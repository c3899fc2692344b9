//! The table of every broker and topic config: Kafka 4.3's and Ringbrook's own, embedded from
//! `configs.tsv` and parsed once. Not values: those come from files, options and requests.

use std::{fmt, sync::LazyLock};

use super::{
    error::ConfigError,
    validator::Validator,
    value::{ConfigType, Value},
};

/// How much a config matters, as Kafka ranks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// Everyone looks at it.
    High,
    /// Some do.
    Medium,
    /// Few do.
    Low,
}

/// When a change takes effect, and at which level it may be made (Kafka's `DynamicBrokerConfig`).
///
/// Unlike in Kafka `listeners` and `listener.security.protocol.map` are read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// A topic config: changes at once.
    Topic,
    /// A broker config that is read at the start.
    ReadOnly,
    /// A broker config that one broker may change while it runs.
    PerBroker,
    /// A broker config that may change for one broker or for all.
    ClusterWide,
}

/// Why a config that Kafka knows has no effect here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// It names a Java class or sets something of the Java platform.
    Jvm,
    /// It sizes a thread pool or the queue in front of one.
    Threads,
    /// It sets how often finished waits are purged.
    Polling,
    /// It tunes the controllers' quorum or Kafka's metadata log.
    Quorum,
    /// It belongs to TLS, SASL or access control.
    Security,
    /// It matters between several brokers.
    Cluster,
    /// It belongs to tiered storage.
    Tiered,
    /// It belongs to quotas.
    Quotas,
    /// It belongs to the consumer, share or streams group protocols.
    GroupProtocols,
    /// It belongs to a part of transactions that is not served.
    Transactions,
    /// It belongs to client telemetry (KIP-714).
    Telemetry,
    /// It is a setting of a single listener (`listener.name.<name>.`).
    PerListener,
    /// One of Kafka's hidden keys.
    Internal,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jvm => "there is no Java platform here",
            Self::Threads => "there is one event loop per core; see core.threads",
            Self::Polling => "waits end by events and need no purge",
            Self::Quorum => "the metadata of a single node needs no quorum",
            Self::Security => "TLS, SASL and access control are not supported yet",
            Self::Cluster => "several brokers are not supported yet",
            Self::Tiered => "tiered storage is not supported yet",
            Self::Quotas => "quotas are not supported yet",
            Self::GroupProtocols => {
                "the consumer, share and streams group protocols are not supported yet"
            }
            Self::Transactions => "this part of transactions is not supported yet",
            Self::Telemetry => "client telemetry is not supported yet",
            Self::PerListener => "settings of a single listener are not supported yet",
            Self::Internal => "it is one of Kafka's internal keys",
        })
    }
}

/// Whether a config has an effect here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Honoured,
    /// It is accepted and has none.
    Ignored(Ignored),
    /// Kafka 4 no longer knows the name; `documentation` says what to do instead.
    Retired,
}

/// One config.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The key.
    pub name: &'static str,
    /// Type of the value.
    pub config_type: ConfigType,
    /// The default as text; `None` is unset.
    pub default: Option<&'static str>,
    /// The default, parsed.
    pub default_value: Value,
    /// The values allowed.
    pub validator: Validator,
    /// Kafka's ranking.
    pub importance: Importance,
    /// When and where it may change.
    pub update: UpdateMode,
    /// Whether it has an effect here.
    pub support: Support,
    /// One line for DescribeConfigs.
    pub documentation: &'static str,
}

impl Definition {
    /// Whether the value is never shown.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.config_type == ConfigType::Password
    }

    /// Whether this is one of Kafka's hidden keys, which DescribeConfigs leaves out.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.support == Support::Ignored(Ignored::Internal)
    }

    /// Parses and checks `raw`.
    ///
    /// # Errors
    /// [`ConfigError::InvalidValue`] with the key, the value and what is allowed.
    pub fn parse(&self, raw: &str) -> Result<Value, ConfigError> {
        let shown = if self.is_sensitive() { "[hidden]" } else { raw };
        let value = Value::parse(self.config_type, raw)
            .map_err(|reason| ConfigError::invalid(self.name, shown, reason))?;
        match self.validator.check(&value) {
            Ok(()) => Ok(value),
            Err(reason) => Err(ConfigError::invalid(self.name, shown, reason)),
        }
    }
}

/// Every topic config, sorted by name.
#[must_use]
pub fn topic_configs() -> &'static [Definition] {
    &TABLE.topic
}

/// Every broker config, sorted by name; Kafka's internal ones too.
#[must_use]
pub fn broker_configs() -> &'static [Definition] {
    &TABLE.broker
}

/// The topic config `name`.
#[must_use]
pub fn topic_config(name: &str) -> Option<&'static Definition> {
    find(&TABLE.topic, name)
}

/// The broker config `name`.
#[must_use]
pub fn broker_config(name: &str) -> Option<&'static Definition> {
    find(&TABLE.broker, name)
}

/// The broker config that Kafka 4 dropped, called `name` before.
#[must_use]
pub fn retired_config(name: &str) -> Option<&'static Definition> {
    find(&TABLE.retired, name)
}

fn find(sorted: &'static [Definition], name: &str) -> Option<&'static Definition> {
    let index = sorted
        .binary_search_by(|definition| definition.name.cmp(name))
        .ok()?;
    sorted.get(index)
}

struct Table {
    topic: Vec<Definition>,
    broker: Vec<Definition>,
    retired: Vec<Definition>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(include_str!("configs.tsv")));

impl Table {
    /// Panics when the table is malformed: it is part of the program, and a test parses it.
    fn parse(text: &'static str) -> Self {
        let mut table = Self {
            topic: Vec::new(),
            broker: Vec::new(),
            retired: Vec::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (scope, definition) = parse_line(line)
                .unwrap_or_else(|| panic!("configs.tsv: cannot understand the line {line:?}"));
            match scope {
                "topic" => table.topic.push(definition),
                "broker" => table.broker.push(definition),
                "retired" => table.retired.push(definition),
                _ => panic!("configs.tsv: unknown scope {scope:?}"),
            }
        }
        table
    }
}

fn parse_line(line: &'static str) -> Option<(&'static str, Definition)> {
    let fields: Vec<&'static str> = line.split('\t').collect();
    let [
        scope,
        name,
        kind,
        default,
        validator,
        importance,
        update,
        support,
        documentation,
    ] = fields.try_into().ok()?;
    let config_type = ConfigType::from_name(kind)?;
    let default = (default != "null").then_some(default);
    let default_value = match default {
        Some(raw) => Value::parse(config_type, raw).ok()?,
        None => Value::Null,
    };
    let definition = Definition {
        name,
        config_type,
        default,
        default_value,
        validator: Validator::from_notation(validator)?,
        importance: match importance {
            "high" => Importance::High,
            "medium" => Importance::Medium,
            "low" => Importance::Low,
            _ => return None,
        },
        update: match update {
            "topic" => UpdateMode::Topic,
            "read-only" => UpdateMode::ReadOnly,
            "per-broker" => UpdateMode::PerBroker,
            "cluster-wide" => UpdateMode::ClusterWide,
            _ => return None,
        },
        support: parse_support(support)?,
        documentation,
    };
    Some((scope, definition))
}

fn parse_support(text: &str) -> Option<Support> {
    Some(Support::Ignored(match text {
        "honoured" => return Some(Support::Honoured),
        "retired" => return Some(Support::Retired),
        "jvm" => Ignored::Jvm,
        "threads" => Ignored::Threads,
        "polling" => Ignored::Polling,
        "quorum" => Ignored::Quorum,
        "security" => Ignored::Security,
        "cluster" => Ignored::Cluster,
        "tiered" => Ignored::Tiered,
        "quotas" => Ignored::Quotas,
        "groups" => Ignored::GroupProtocols,
        "transactions" => Ignored::Transactions,
        "telemetry" => Ignored::Telemetry,
        "internal" => Ignored::Internal,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests;
