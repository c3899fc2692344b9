//! Whether a broker config may be changed while the broker runs, and to what (Kafka's
//! `DynamicBrokerConfig.validateConfigs`). Called by `api` for AlterConfigs; storing the change is
//! the controller's.

use super::{
    definition::{self, Ignored, Support, UpdateMode},
    error::ConfigError,
    value::Value,
};

/// For whom a dynamic broker config is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerScope {
    /// One broker.
    Broker,
    /// Every broker.
    Cluster,
}

/// Checks one change of a broker config. Rules over several keys are checked by
/// `BrokerConfig::with_dynamic` on the result. Unlike Kafka, which keeps unknown keys for plugins,
/// this refuses them: there are no plugins here, and a typing error would go unseen.
///
/// # Errors
/// An unknown or read-only key, a value that is not allowed, a key that is set per broker or per
/// listener only.
pub fn check_broker_change(
    scope: BrokerScope,
    name: &str,
    value: &str,
) -> Result<Value, ConfigError> {
    let owned = || name.to_owned();
    if name.starts_with("listener.name.") {
        return Err(ConfigError::invalid(
            name,
            value,
            Ignored::PerListener.to_string(),
        ));
    }
    let Some(known) = definition::broker_config(name) else {
        return Err(ConfigError::UnknownBrokerConfig { name: owned() });
    };
    let is_key_material = known.support == Support::Ignored(Ignored::Security)
        && ["ssl.key.", "ssl.keystore.", "ssl.truststore."]
            .iter()
            .any(|p| name.starts_with(p));
    match known.update {
        UpdateMode::ReadOnly | UpdateMode::Topic => Err(ConfigError::NotDynamic { name: owned() }),
        _ if is_key_material => Err(ConfigError::NeedsListenerPrefix { name: owned() }),
        UpdateMode::PerBroker if scope == BrokerScope::Cluster => {
            Err(ConfigError::PerBrokerOnly { name: owned() })
        }
        UpdateMode::PerBroker | UpdateMode::ClusterWide => known.parse(value),
    }
}

#[cfg(test)]
mod tests;
