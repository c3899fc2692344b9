//! The settings of listeners, sockets and connections. Parsing of one listener is `listener.rs`;
//! `net` opens what stands here.

use std::time::Duration;

use super::{
    error::ConfigError,
    layers::Layers,
    listener::{Listener, SecurityProtocols, parse_listeners},
    warning::ConfigWarning,
};

/// Listeners, sockets, connections and what they carry. A field is called as its key.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkConfig {
    /// The listeners to open, in the order of `listeners`; those of `controller.listener.names`
    /// are left out. Never empty.
    pub listeners: Vec<Listener>,
    /// What clients are told, by listener name: a subset of `listeners`, never empty. A port of 0
    /// stands for the one the system chose. Hosts are filled in.
    pub advertised_listeners: Vec<Listener>,
    /// The listener that brokers use among themselves; one of the advertised ones.
    pub inter_broker_listener: String,
    /// `SO_SNDBUF`; the system's choice when `None`.
    pub socket_send_buffer_bytes: Option<usize>,
    /// `SO_RCVBUF`; the system's choice when `None`.
    pub socket_receive_buffer_bytes: Option<usize>,
    /// Largest frame accepted after its length, in bytes.
    pub socket_request_max_bytes: usize,
    /// Backlog of `listen(2)`.
    pub socket_listen_backlog_size: i32,
    /// Idle time after which a connection is closed; never when `None`.
    pub connections_max_idle: Option<Duration>,
    /// Most open connections.
    pub max_connections: usize,
    /// Most open connections from one address.
    pub max_connections_per_ip: usize,
    /// The same for single hosts or addresses.
    pub max_connections_per_ip_overrides: Vec<(String, usize)>,
    /// Most new connections per second.
    pub max_connection_creation_rate: usize,
    /// Bytes of requests in flight beyond which sockets are not read; no limit when `None`.
    pub queued_max_request_bytes: Option<usize>,
    /// Most bytes answered to one fetch request.
    pub fetch_max_bytes: usize,
    /// Most incremental fetch sessions.
    pub fetch_session_cache_slots: usize,
}

impl NetworkConfig {
    /// Reads the settings. Advertised hosts that are to be this machine's name stay empty until
    /// [`NetworkConfig::fill_advertised_host`].
    ///
    /// # Errors
    /// A malformed listener, one with a security protocol other than PLAINTEXT, or settings that
    /// contradict each other.
    pub(super) fn read(
        layers: &Layers<'_>,
        warnings: &mut Vec<ConfigWarning>,
    ) -> Result<Self, ConfigError> {
        let listeners = client_listeners(layers, warnings)?;
        let protocols = SecurityProtocols::parse(&layers.text("listener.security.protocol.map"))?;
        for listener in &listeners {
            protocols.require_plaintext(listener)?;
        }
        let advertised_listeners = advertised_listeners(layers, &listeners)?;
        let inter_broker_listener =
            inter_broker_listener(layers, &protocols, &advertised_listeners)?;
        let idle_ms = layers.long("connections.max.idle.ms");
        Ok(Self {
            listeners,
            advertised_listeners,
            inter_broker_listener,
            socket_send_buffer_bytes: buffer_bytes(layers, "socket.send.buffer.bytes")?,
            socket_receive_buffer_bytes: buffer_bytes(layers, "socket.receive.buffer.bytes")?,
            socket_request_max_bytes: layers.size("socket.request.max.bytes"),
            socket_listen_backlog_size: layers.int("socket.listen.backlog.size"),
            connections_max_idle: (0 <= idle_ms).then(|| layers.millis("connections.max.idle.ms")),
            max_connections: layers.size("max.connections"),
            max_connections_per_ip: layers.size("max.connections.per.ip"),
            max_connections_per_ip_overrides: connection_overrides(layers)?,
            max_connection_creation_rate: layers.size("max.connection.creation.rate"),
            queued_max_request_bytes: match layers.size("queued.max.request.bytes") {
                0 => None,
                bytes => Some(bytes),
            },
            fetch_max_bytes: layers.size("fetch.max.bytes"),
            fetch_session_cache_slots: layers.size("max.incremental.fetch.session.cache.slots"),
        })
    }

    /// Host and port to tell clients for the listener `name`, bound to `port`; `None` for a
    /// listener that is not advertised.
    #[must_use]
    pub fn advertised(&self, name: &str, port: u16) -> Option<(String, u16)> {
        let listener = self
            .advertised_listeners
            .iter()
            .find(|listener| listener.name == name)?;
        let port = if listener.port == 0 {
            port
        } else {
            listener.port
        };
        Some((listener.host.clone(), port))
    }

    /// Whether an advertised listener waits for this machine's name.
    pub(super) fn needs_advertised_host(&self) -> bool {
        self.advertised_listeners
            .iter()
            .any(|listener| listener.host.is_empty())
    }

    /// Advertises `host` where no host was given.
    pub(super) fn fill_advertised_host(&mut self, host: &str) {
        for listener in self
            .advertised_listeners
            .iter_mut()
            .filter(|l| l.host.is_empty())
        {
            host.clone_into(&mut listener.host);
        }
    }
}

fn controller_names(layers: &Layers<'_>) -> Vec<String> {
    let names = layers.list("controller.listener.names");
    names
        .into_iter()
        .map(|name| name.to_ascii_uppercase())
        .collect()
}

/// `listeners` without the controller's: a single node has no other controller to talk to.
fn client_listeners(
    layers: &Layers<'_>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Vec<Listener>, ConfigError> {
    let controller_names = controller_names(layers);
    let all = parse_listeners("listeners", &layers.list("listeners"))?;
    let (controller, client): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|listener| controller_names.contains(&listener.name));
    for Listener { name, .. } in controller {
        warnings.push(ConfigWarning::ControllerListener { name });
    }
    if client.is_empty() {
        return Err(ConfigError::Conflict(
            "listeners has none for clients: all of them appear in controller.listener.names"
                .to_owned(),
        ));
    }
    Ok(client)
}

fn advertised_listeners(
    layers: &Layers<'_>,
    listeners: &[Listener],
) -> Result<Vec<Listener>, ConfigError> {
    let key = "advertised.listeners";
    let controller_names = controller_names(layers);
    let advertised: Vec<Listener> = match layers.optional_list(key) {
        None => listeners.to_vec(),
        Some(items) => parse_listeners(key, &items)?
            .into_iter()
            .filter(|listener| !controller_names.contains(&listener.name))
            .collect(),
    };
    if advertised.is_empty() {
        return Err(ConfigError::Conflict(format!("{key} has none for clients")));
    }
    for listener in &advertised {
        if !listeners.iter().any(|opened| opened.name == listener.name) {
            let text = format!("{key} has {listener}, but listeners has none of that name");
            return Err(ConfigError::Conflict(text));
        }
        if listener.is_wildcard() && !listener.host.is_empty() {
            return Err(ConfigError::Conflict(format!(
                "clients cannot reach {listener}: set {key} to an address they can connect to"
            )));
        }
    }
    Ok(advertised)
}

fn inter_broker_listener(
    layers: &Layers<'_>,
    protocols: &SecurityProtocols,
    advertised: &[Listener],
) -> Result<String, ConfigError> {
    let (name_key, protocol_key) = (
        "inter.broker.listener.name",
        "security.inter.broker.protocol",
    );
    let name = layers.optional_text(name_key);
    if name.is_some() && layers.statics.contains_key(protocol_key) {
        let text = format!("only one of {name_key} and {protocol_key} may be set");
        return Err(ConfigError::Conflict(text));
    }
    let found = match &name {
        Some(name) => advertised
            .iter()
            .find(|l| l.name.eq_ignore_ascii_case(name)),
        None => protocols.first_with(&layers.text(protocol_key), advertised),
    };
    found.map(|listener| listener.name.clone()).ok_or_else(|| {
        let wanted = match name {
            Some(name) => format!("{name_key}={name}"),
            None => format!("{protocol_key}={}", layers.text(protocol_key)),
        };
        let names: Vec<&str> = advertised
            .iter()
            .map(|listener| listener.name.as_str())
            .collect();
        ConfigError::Conflict(format!(
            "{wanted} must name one of the advertised listeners: {}",
            names.join(", ")
        ))
    })
}

fn buffer_bytes(layers: &Layers<'_>, key: &str) -> Result<Option<usize>, ConfigError> {
    match layers.int(key) {
        -1 => Ok(None),
        bytes if 1 <= bytes => Ok(Some(layers.size(key))),
        bytes => {
            let reason = "Value must be at least 1, or -1 for the system's choice";
            Err(ConfigError::invalid(key, &bytes.to_string(), reason))
        }
    }
}

fn connection_overrides(layers: &Layers<'_>) -> Result<Vec<(String, usize)>, ConfigError> {
    let key = "max.connections.per.ip.overrides";
    let text = layers.text(key);
    let entries = text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries
        .map(|entry| match entry.rsplit_once(':') {
            Some((host, count)) if !host.is_empty() => match count.trim().parse() {
                Ok(count) => Ok((host.trim_matches(['[', ']']).to_owned(), count)),
                Err(_) => Err(ConfigError::invalid(
                    key,
                    entry,
                    "the count is not a number",
                )),
            },
            _ => Err(ConfigError::invalid(
                key,
                entry,
                "an entry has the form host:count",
            )),
        })
        .collect()
}

#[cfg(test)]
mod tests;
