//! What producer, consumer and admin share: brokers, connections, metadata, retries.

use std::time::Duration;

use super::{ConfigError, Property};
use crate::net::HostPort;

/// How `client.dns.lookup` treats the addresses of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsLookup {
    /// All addresses of a name are tried in turn.
    UseAllDnsIps,
    /// Bootstrap names are replaced by the canonical names of their addresses.
    ResolveCanonicalBootstrapServersOnly,
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
    /// `client.dns.lookup`.
    pub dns_lookup: DnsLookup,
    /// `request.timeout.ms`.
    pub request_timeout: Duration,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Duration,
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
            dns_lookup: DnsLookup::UseAllDnsIps,
            request_timeout: Duration::from_secs(30),
            metadata_max_age: Duration::from_secs(300),
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
                "How names of brokers are resolved",
                |c, p| {
                    c.client().dns_lookup = p.one_of(&DNS_LOOKUPS)?;
                    Ok(())
                },
            ),
            Property::new(
                "request.timeout.ms",
                "30000",
                "How long an answer may take",
                |c, p| {
                    c.client().request_timeout = p.millis(1)?;
                    Ok(())
                },
            ),
            Property::new(
                "metadata.max.age.ms",
                "300000",
                "When metadata is too old",
                |c, p| {
                    c.client().metadata_max_age = p.millis(0)?;
                    Ok(())
                },
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
                "reconnect.backoff.ms",
                "50",
                "The first pause before connecting again",
                |c, p| {
                    c.client().reconnect_backoff = p.millis(0)?;
                    Ok(())
                },
            ),
            Property::new(
                "reconnect.backoff.max.ms",
                "1000",
                "The longest pause before connecting again",
                |c, p| {
                    c.client().reconnect_backoff_max = p.millis(0)?;
                    Ok(())
                },
            ),
            Property::new(
                "retry.backoff.ms",
                "100",
                "The first pause before a request is retried",
                |c, p| {
                    c.client().retry_backoff = p.millis(0)?;
                    Ok(())
                },
            ),
            Property::new(
                "retry.backoff.max.ms",
                "1000",
                "The longest pause before a request is retried",
                |c, p| {
                    c.client().retry_backoff_max = p.millis(0)?;
                    Ok(())
                },
            ),
            Property::new(
                "socket.connection.setup.timeout.ms",
                "10000",
                "How long connecting may take",
                |c, p| {
                    c.client().connection_setup_timeout = p.millis(1)?;
                    Ok(())
                },
            ),
            Property::new(
                "socket.connection.setup.timeout.max.ms",
                "30000",
                "How long connecting may take after failures",
                |c, p| {
                    c.client().connection_setup_timeout_max = p.millis(1)?;
                    Ok(())
                },
            ),
        ]
    }
}

/// The values of `client.dns.lookup`.
const DNS_LOOKUPS: [(&str, DnsLookup); 2] = [
    ("use_all_dns_ips", DnsLookup::UseAllDnsIps),
    (
        "resolve_canonical_bootstrap_servers_only",
        DnsLookup::ResolveCanonicalBootstrapServersOnly,
    ),
];
