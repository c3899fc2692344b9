//! Configuration under Kafka's names: definitions, `server.properties`, dynamic broker configs and
//! topic overrides. Pure but for reading the file at the start; `api` asks it for DescribeConfigs
//! and for the checks of every change.
//!
//! Reading order: `definition` (the table `configs.tsv`) with `value` and `validator`; `broker`
//! (one start's settings) from `server_properties`, `layers`, `listener`, `network`, `settings`,
//! `transactions` and `cross_check`; `topic`, `topic_config` and `describe` (what holds for a
//! topic, and how to show it); `group_resource` (what is set on a group); `dynamic` (changes while
//! the broker runs).

mod broker;
mod cross_check;
pub mod definition;
mod describe;
mod dynamic;
mod error;
mod group_resource;
mod layers;
mod listener;
mod network;
mod server_properties;
mod settings;
pub mod topic;
mod topic_config;
mod transactions;
mod validator;
mod value;
mod warning;

pub use broker::{BrokerConfig, ConfigSources};
pub use describe::{ConfigEntry, ConfigSynonym, describe_broker, describe_cluster, describe_topic};
pub use dynamic::{BrokerScope, check_broker_change};
pub use error::ConfigError;
pub use group_resource::{
    ConsumerGroupConfigs, consumer_configs, describe_group, validate_group, validate_group_value,
};
pub use layers::{ConfigSource, DynamicConfigs, Properties};
pub use listener::Listener;
pub use network::NetworkConfig;
pub use settings::{ConsumerGroupsConfig, GroupsConfig, LogsConfig, OffsetsConfig, TopicsConfig};
pub use topic_config::TopicConfig;
pub use transactions::{TransactionStateLogConfig, TransactionsConfig};
pub use validator::Validator;
pub use value::{ConfigType, Value};
pub use warning::ConfigWarning;
