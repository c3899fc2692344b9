//! The configuration of an admin client.

use std::time::Duration;

use super::{
    ClientConfig, ConfigError, HasClient, Properties, Property, apply, connection_properties,
    retry_properties,
};
use crate::net::HostPort;

/// The configuration of an admin client.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Brokers, connections, retries.
    pub client: ClientConfig,
    /// `default.api.timeout.ms`: how long a call may take in all, retries included.
    pub default_api_timeout: Duration,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            client: ClientConfig {
                connections_max_idle: Some(Duration::from_mins(5)),
                ..ClientConfig::default()
            },
            default_api_timeout: Duration::from_secs(60),
        }
    }
}

impl HasClient for AdminConfig {
    fn client(&mut self) -> &mut ClientConfig {
        &mut self.client
    }
}

/// What only admin clients have, or have another default for.
const PROPERTIES: &[Property<AdminConfig>] = &[
    Property::new(
        "default.api.timeout.ms",
        "60000",
        "How long a call may take, retries included",
        |config, it| {
            config.default_api_timeout = it.millis(0)?;
            Ok(())
        },
    ),
    Property::new(
        "connections.max.idle.ms",
        "300000",
        "When unused connections are closed",
        |config, it| {
            config.client.connections_max_idle = it.millis_or_never()?;
            Ok(())
        },
    ),
];

/// The first of a name counts.
fn tables() -> [&'static [Property<AdminConfig>]; 3] {
    [PROPERTIES, connection_properties(), retry_properties()]
}

impl AdminConfig {
    /// With Kafka's defaults, for these brokers.
    #[must_use]
    pub fn new(bootstrap_servers: Vec<HostPort>) -> Self {
        let mut config = Self::default();
        config.client.bootstrap_servers = bootstrap_servers;
        config
    }

    /// From Kafka's property names.
    ///
    /// # Errors
    /// An unknown name, a value that is not valid, or no `bootstrap.servers`.
    pub fn from_properties(properties: &Properties) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        apply(&mut config, &tables(), properties)?;
        config.check()?;
        Ok(config)
    }

    /// All properties of an admin client, with defaults and meanings.
    pub fn properties() -> impl Iterator<Item = &'static Property<Self>> {
        let [own, others @ ..] = tables();
        let is_own = |name| own.iter().any(|property| property.name == name);
        let others = others.into_iter().flatten();
        own.iter()
            .chain(others.filter(move |property| !is_own(property.name)))
    }

    /// Checks what no single property can.
    ///
    /// # Errors
    /// `bootstrap.servers` is missing, or values contradict each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.client.check()?;
        if self.default_api_timeout < self.client.request_timeout {
            return Err(ConfigError::Contradiction(format!(
                "default.api.timeout.ms ({}) must not be below request.timeout.ms ({}): raise the \
                 one or lower the other",
                self.default_api_timeout.as_millis(),
                self.client.request_timeout.as_millis()
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<AdminConfig, ConfigError> {
        AdminConfig::from_properties(&pairs.iter().copied().collect())
    }

    #[test]
    fn properties_are_read_by_kafkas_names() {
        let config = of(&[
            ("bootstrap.servers", "a:1, b:2"),
            ("client.id", "me"),
            ("retry.backoff.ms", "7"),
            ("default.api.timeout.ms", "31000"),
            ("security.protocol", "PLAINTEXT"),
        ])
        .unwrap();
        assert_eq!(config.client.bootstrap_servers.len(), 2);
        assert_eq!(config.client.client_id, "me");
        assert_eq!(config.client.retry_backoff, Duration::from_millis(7));
        assert_eq!(config.default_api_timeout, Duration::from_secs(31));
    }

    #[test]
    fn defaults_as_text_and_as_value_agree() {
        let mut config = AdminConfig::default();
        for property in AdminConfig::properties() {
            let name = property.name;
            let text = property.default;
            (property.set)(&mut config, crate::config::Parse { name, text }).unwrap();
        }
        let expected = format!("{:?}", AdminConfig::default());
        assert_eq!(format!("{config:?}"), expected);
    }

    #[test]
    fn what_cannot_be_used_says_what_to_do() {
        let server = ("bootstrap.servers", "a:1");
        for (pairs, text) in [
            (
                vec![],
                "bootstrap.servers has to be set, such as bootstrap.servers=localhost:9092",
            ),
            (
                vec![("bootstrap.server", "a:1")],
                "unknown property bootstrap.server; did you mean bootstrap.servers?",
            ),
            (vec![server, ("zzz", "1")], "unknown property zzz"),
            (
                vec![server, ("request.timeout.ms", "soon")],
                "request.timeout.ms=soon is not valid: a whole number from 1 to 2147483647",
            ),
            (
                vec![("bootstrap.servers", "a")],
                "bootstrap.servers=a is not valid: \"a\" is not host:port, such as localhost:9092",
            ),
            (
                vec![server, ("sasl.mechanism", "PLAIN")],
                "sasl.mechanism does not apply to this client: \
                 give the builder a connector that authenticates",
            ),
            (
                vec![server, ("security.protocol", "SSL")],
                "security.protocol does not apply to this client: give the builder a connector",
            ),
            (
                vec![server, ("default.api.timeout.ms", "1")],
                "default.api.timeout.ms (1) must not be below request.timeout.ms (30000): \
                 raise the one or lower the other",
            ),
        ] {
            assert_eq!(of(&pairs).unwrap_err().to_string(), text);
        }
    }
}
