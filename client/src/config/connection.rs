//! What producer, consumer and admin share: brokers, connections, metadata, retries.

use std::time::Duration;

use super::{ConfigError, Property};
use crate::net::HostPort;

/// What a client does when it can reach none of the brokers it knows: `metadata.recovery.strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataRecovery {
    /// It goes on trying them.
    None,
    /// It starts again with `bootstrap.servers`.
    Rebootstrap,
}

/// The part of the configuration that all clients share.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `bootstrap.servers`.
    pub bootstrap_servers: Vec<HostPort>,
    /// `client.id`.
    pub client_id: String,
    /// `client.rack`.
    pub client_rack: String,
    /// `request.timeout.ms`.
    pub request_timeout: Duration,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Duration,
    /// `metadata.recovery.strategy`.
    pub metadata_recovery: MetadataRecovery,
    /// `metadata.recovery.rebootstrap.trigger.ms`: after so long without metadata it starts again
    /// with `bootstrap.servers`.
    pub rebootstrap_trigger: Duration,
    /// `connections.max.idle.ms`; nothing (-1 as text) for no limit.
    pub connections_max_idle: Option<Duration>,
    /// `reconnect.backoff.ms`.
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`.
    pub reconnect_backoff_max: Duration,
    /// `retry.backoff.ms`.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`.
    pub connection_setup_timeout: Duration,
    /// `socket.connection.setup.timeout.max.ms`.
    pub connection_setup_timeout_max: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            bootstrap_servers: Vec::new(),
            client_id: String::new(),
            client_rack: String::new(),
            request_timeout: Duration::from_secs(30),
            metadata_max_age: Duration::from_secs(300),
            metadata_recovery: MetadataRecovery::Rebootstrap,
            rebootstrap_trigger: Duration::from_secs(300),
            connections_max_idle: Some(Duration::from_secs(540)),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            connection_setup_timeout: Duration::from_secs(10),
            connection_setup_timeout_max: Duration::from_secs(30),
        }
    }
}

impl ClientConfig {
    /// Checks what no single property can.
    ///
    /// # Errors
    /// `bootstrap.servers` is missing, or values contradict each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.bootstrap_servers.is_empty() {
            return Err(ConfigError::Missing {
                name: "bootstrap.servers",
                hint: ", such as bootstrap.servers=localhost:9092",
            });
        }
        Ok(())
    }
}

/// A configuration with the part that all clients share.
pub(crate) trait HasClient {
    fn client(&mut self) -> &mut ClientConfig;
}

/// The properties of brokers and connections that all clients share.
pub(crate) fn connection_properties<C: HasClient + 'static>() -> &'static [Property<C>] {
    const {
        &[
            Property::new(
                "bootstrap.servers",
                "",
                "Brokers to ask first, by commas",
                |c, p| {
                    let servers = p
                        .list()
                        .map(|item| item.parse().map_err(|error: String| p.invalid(error)));
                    c.client().bootstrap_servers = servers.collect::<Result<_, _>>()?;
                    Ok(())
                },
            ),
            Property::new("client.id", "", "How the client calls itself", |c, p| {
                p.text.clone_into(&mut c.client().client_id);
                Ok(())
            }),
            Property::new(
                "client.rack",
                "",
                "Where it stands, to read near by",
                |c, p| {
                    p.text.clone_into(&mut c.client().client_rack);
                    Ok(())
                },
            ),
            Property::new(
                "client.dns.lookup",
                "use_all_dns_ips",
                "How names of brokers are resolved: all addresses of a name are tried",
                |_, p| match p.text.trim() {
                    "use_all_dns_ips" => Ok(()),
                    _ => Err(p.invalid("use_all_dns_ips; only Kerberos needs canonical names")),
                },
            ),
            Property::new(
                "request.timeout.ms",
                "30000",
                "How long an answer may take",
                |c, p| p.millis(1).map(|it| c.client().request_timeout = it),
            ),
            Property::new(
                "metadata.max.age.ms",
                "300000",
                "When metadata is too old",
                |c, p| p.millis(0).map(|it| c.client().metadata_max_age = it),
            ),
            Property::new(
                "connections.max.idle.ms",
                "540000",
                "When unused connections are closed",
                |c, p| {
                    c.client().connections_max_idle = p.millis_or_never()?;
                    Ok(())
                },
            ),
        ]
    }
}

/// The properties that say when all clients try again.
pub(crate) fn retry_properties<C: HasClient + 'static>() -> &'static [Property<C>] {
    const {
        &[
            Property::new(
                "metadata.recovery.strategy",
                "rebootstrap",
                "What to do when no known broker can be reached",
                |c, p| {
                    c.client().metadata_recovery = p.one_of(&RECOVERIES)?;
                    Ok(())
                },
            ),
            Property::new(
                "metadata.recovery.rebootstrap.trigger.ms",
                "300000",
                "When missing metadata makes it start again with bootstrap.servers",
                |c, p| p.millis(0).map(|it| c.client().rebootstrap_trigger = it),
            ),
            Property::new(
                "reconnect.backoff.ms",
                "50",
                "The first pause before connecting again",
                |c, p| p.millis(0).map(|it| c.client().reconnect_backoff = it),
            ),
            Property::new(
                "reconnect.backoff.max.ms",
                "1000",
                "The longest pause before connecting again",
                |c, p| p.millis(0).map(|it| c.client().reconnect_backoff_max = it),
            ),
            Property::new(
                "retry.backoff.ms",
                "100",
                "The first pause before a request is retried",
                |c, p| p.millis(0).map(|it| c.client().retry_backoff = it),
            ),
            Property::new(
                "retry.backoff.max.ms",
                "1000",
                "The longest pause before a request is retried",
                |c, p| p.millis(0).map(|it| c.client().retry_backoff_max = it),
            ),
            Property::new(
                "socket.connection.setup.timeout.ms",
                "10000",
                "How long connecting may take",
                |c, p| {
                    p.millis(1)
                        .map(|it| c.client().connection_setup_timeout = it)
                },
            ),
            Property::new(
                "socket.connection.setup.timeout.max.ms",
                "30000",
                "How long connecting may take after failures",
                |c, p| {
                    p.millis(1)
                        .map(|it| c.client().connection_setup_timeout_max = it)
                },
            ),
        ]
    }
}

/// The values of `metadata.recovery.strategy`.
const RECOVERIES: [(&str, MetadataRecovery); 2] = [
    ("none", MetadataRecovery::None),
    ("rebootstrap", MetadataRecovery::Rebootstrap),
];
