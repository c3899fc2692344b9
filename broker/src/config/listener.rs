//! Listeners: `NAME://host:port`, their security protocols, and which of them are for clients.
//! Parsing and name lookup; `net` opens them.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
};

use super::error::ConfigError;

/// An address to listen on, or to tell clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The listener's name, in capitals.
    pub name: String,
    /// Host name or address, without brackets; empty is every address of the machine.
    pub host: String,
    /// TCP port; 0 lets the system choose one.
    pub port: u16,
}

impl Listener {
    /// Parses one item of the config `key`; names are raised to capitals, as Kafka does.
    ///
    /// # Errors
    /// [`ConfigError::InvalidValue`] when it is not `NAME://host:port`.
    pub fn parse(key: &str, item: &str) -> Result<Self, ConfigError> {
        let refuse = |reason: &str| ConfigError::invalid(key, item, reason);
        let form = "a listener has the form NAME://host:port";
        let (name, address) = item.split_once("://").ok_or_else(|| refuse(form))?;
        let (host, port) = address.rsplit_once(':').ok_or_else(|| refuse(form))?;
        if name.is_empty() {
            return Err(refuse(form));
        }
        let port = port
            .parse()
            .map_err(|_| refuse("the port must lie between 0 and 65535"))?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(|| refuse(form))?,
            None => host,
        };
        let is_host_char = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
        if !host.chars().all(is_host_char) {
            return Err(refuse(
                "the host has characters that no host name or address has",
            ));
        }
        Ok(Self {
            name: name.to_ascii_uppercase(),
            host: host.to_owned(),
            port,
        })
    }

    /// The address to bind (blocking: host names are looked up). An empty host is every address of
    /// both families where the machine has IPv6, as in Kafka, else every IPv4 address.
    ///
    /// # Errors
    /// The host does not resolve.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        if self.host.is_empty() {
            let has_ipv6 = fs::metadata("/proc/net/if_inet6").is_ok();
            let any: IpAddr = if has_ipv6 {
                Ipv6Addr::UNSPECIFIED.into()
            } else {
                Ipv4Addr::UNSPECIFIED.into()
            };
            return Ok(SocketAddr::new(any, self.port));
        }
        let mut found = (self.host.as_str(), self.port).to_socket_addrs()?;
        found
            .next()
            .ok_or_else(|| io::Error::other(format!("{} has no address", self.host)))
    }

    /// Whether the host stands for every address of the machine.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.host.is_empty()
            || self
                .host
                .parse()
                .is_ok_and(|address: IpAddr| address.is_unspecified())
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, host, port } = self;
        if host.contains(':') {
            return write!(f, "{name}://[{host}]:{port}");
        }
        write!(f, "{name}://{host}:{port}")
    }
}

/// Parses every item of the config `key`. Names must differ, and so must ports when the listeners
/// are to be opened, but for an IPv4 and an IPv6 address that share one (Kafka 3.7 and later).
///
/// # Errors
/// [`ConfigError::InvalidValue`] for an item, [`ConfigError::Conflict`] for two of them.
pub(super) fn parse_listeners(key: &str, items: &[String]) -> Result<Vec<Listener>, ConfigError> {
    let mut listeners: Vec<Listener> = Vec::with_capacity(items.len());
    for item in items {
        let listener = Listener::parse(key, item)?;
        if listeners.iter().any(|other| other.name == listener.name) {
            let text = format!("{key}: each listener must have a different name: {listener}");
            return Err(ConfigError::Conflict(text));
        }
        let clashes = |other: &&Listener| key == "listeners" && ports_clash(other, &listener);
        if let Some(other) = listeners.iter().find(clashes) {
            let text = format!(
                "{key}: each listener must have a different port, but {other} and \
                                {listener} share one"
            );
            return Err(ConfigError::Conflict(text));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

fn ports_clash(a: &Listener, b: &Listener) -> bool {
    if a.port != b.port || a.port == 0 {
        return false;
    }
    let families = (a.host.parse(), b.host.parse());
    !matches!(
        families,
        (Ok(IpAddr::V4(_)), Ok(IpAddr::V6(_))) | (Ok(IpAddr::V6(_)), Ok(IpAddr::V4(_)))
    )
}

/// `listener.security.protocol.map`: protocol by listener name, both in capitals.
#[derive(Debug)]
pub(super) struct SecurityProtocols(BTreeMap<String, String>);

impl SecurityProtocols {
    const KEY: &'static str = "listener.security.protocol.map";

    /// Parses the config's value.
    ///
    /// # Errors
    /// [`ConfigError::InvalidValue`] for an entry that is not `NAME:PROTOCOL`, a name given twice
    /// and a protocol that does not exist.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut by_name = BTreeMap::new();
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let refuse = |reason: &str| ConfigError::invalid(Self::KEY, entry, reason);
            let (name, protocol) = entry
                .rsplit_once(':')
                .ok_or_else(|| refuse("an entry has the form NAME:PROTOCOL"))?;
            let protocol = protocol.trim().to_ascii_uppercase();
            if !["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"].contains(&protocol.as_str()) {
                return Err(refuse(
                    "the protocol must be one of: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL",
                ));
            }
            if by_name
                .insert(name.trim().to_ascii_uppercase(), protocol)
                .is_some()
            {
                return Err(refuse("the listener is named twice"));
            }
        }
        Ok(Self(by_name))
    }

    /// Checks that `listener` can be served.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] when the name has no protocol, or one not supported yet.
    pub(super) fn require_plaintext(&self, listener: &Listener) -> Result<(), ConfigError> {
        let name = &listener.name;
        match self.0.get(name).map(String::as_str) {
            Some("PLAINTEXT") => Ok(()),
            Some(protocol) => Err(ConfigError::Conflict(format!(
                "the listener {listener} has the security protocol {protocol}, which is not \
                 supported yet: only PLAINTEXT is"
            ))),
            None => Err(ConfigError::Conflict(format!(
                "no security protocol defined for listener {name}: add {name}:PLAINTEXT to {}",
                Self::KEY
            ))),
        }
    }

    /// The only listener among `names` with `protocol`, if there is one.
    pub(super) fn first_with<'a>(
        &self,
        protocol: &str,
        listeners: &'a [Listener],
    ) -> Option<&'a Listener> {
        listeners.iter().find(|listener| {
            self.0
                .get(&listener.name)
                .is_some_and(|found| found == protocol)
        })
    }
}

#[cfg(test)]
mod tests;
