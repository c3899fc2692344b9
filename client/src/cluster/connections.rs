//! One connection per node, opened when first needed, again after it ended, with growing pauses
//! after failures.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use tokio::time::Instant;

use super::{Backoff, Cluster};
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::metadata::Metadata;
use crate::net::{Connection, ConnectionSettings, Connector, HostPort};

pub(super) struct Connections {
    connector: Arc<dyn Connector>,
    settings: ConnectionSettings,
    reconnect: Backoff,
    slots: Mutex<HashMap<HostPort, Arc<Slot>>>,
}

/// The connection to one address. The lock is held while it is opened, so that everybody who
/// needs it waits for the same attempt.
struct Slot(tokio::sync::Mutex<Attempt>);

struct Attempt {
    connection: Option<Connection>,
    backoff: Backoff,
    not_before: Instant,
}

impl Connections {
    pub(super) fn new(config: &ClientConfig, connector: Arc<dyn Connector>) -> Self {
        Self {
            connector,
            settings: ConnectionSettings {
                client_id: config.client_id.clone(),
                request_timeout: config.request_timeout,
                setup_timeout: config.connection_setup_timeout,
                max_idle: config.connections_max_idle,
            },
            reconnect: Backoff::new(config.reconnect_backoff, config.reconnect_backoff_max),
            slots: Mutex::default(),
        }
    }

    /// The open connection to an address, or a new one.
    async fn to(&self, address: &HostPort) -> Result<Connection, ClientError> {
        let slot = self.slot(address);
        let mut attempt = slot.0.lock().await;
        if let Some(open) = attempt.open() {
            return Ok(open);
        }
        tokio::time::sleep_until(attempt.not_before).await;
        let opened = Connection::open(&*self.connector, address.clone(), &self.settings).await;
        match &opened {
            Ok(connection) => {
                attempt.backoff.reset();
                attempt.connection = Some(connection.clone());
            }
            Err(_) => {
                attempt.not_before = Instant::now() + attempt.backoff.next_pause();
            }
        }
        opened
    }

    /// The connection to an address, if it is open and nobody is opening it.
    fn already_to(&self, address: &HostPort) -> Option<Connection> {
        self.slot(address).0.try_lock().ok()?.open()
    }

    fn slot(&self, address: &HostPort) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry_ref(address).or_insert_with(|| {
            Arc::new(Slot(tokio::sync::Mutex::new(Attempt {
                connection: None,
                backoff: self.reconnect.clone(),
                not_before: Instant::now(),
            })))
        });
        Arc::clone(slot)
    }

    pub(super) fn close_all(&self) {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.values() {
            if let Ok(attempt) = slot.0.try_lock()
                && let Some(connection) = &attempt.connection
            {
                connection.close("the client is closed");
            }
        }
    }
}

impl Attempt {
    fn open(&self) -> Option<Connection> {
        let connection = self.connection.as_ref()?;
        (!connection.is_closed()).then(|| connection.clone())
    }
}

impl Cluster {
    /// The connection to a node.
    ///
    /// # Errors
    /// The node is not in the metadata, or cannot be reached now. Metadata counts as stale then.
    pub async fn connection(&self, node_id: i32) -> Result<Connection, ClientError> {
        self.connection_among(&self.inner.connections, node_id)
            .await
    }

    /// The connection to a node as a coordinator of groups: another than for everything else.
    ///
    /// # Errors
    /// See [`Cluster::connection`].
    pub(super) async fn group_connection(&self, node_id: i32) -> Result<Connection, ClientError> {
        self.connection_among(&self.inner.group_connections, node_id)
            .await
    }

    async fn connection_among(
        &self,
        connections: &Connections,
        node_id: i32,
    ) -> Result<Connection, ClientError> {
        let metadata = self.metadata();
        let Some(node) = metadata.node(node_id) else {
            self.request_refresh();
            return Err(ClientError::Disconnected {
                address: format!("node {node_id}"),
                reason: "the metadata does not list it".to_owned(),
            });
        };
        let connected = connections.to(&node.address).await;
        if connected.is_err() {
            self.request_refresh();
        }
        connected
    }

    /// The connection to a node, if it is open.
    #[must_use]
    pub fn open_connection(&self, node_id: i32) -> Option<Connection> {
        let metadata = self.metadata();
        let node = metadata.node(node_id)?;
        self.inner.connections.already_to(&node.address)
    }

    /// A connection to any broker: an open one, or else to the first that can be reached, of the
    /// brokers in the metadata and then of `bootstrap.servers`.
    ///
    /// # Errors
    /// None can be reached.
    pub async fn any_connection(&self) -> Result<Connection, ClientError> {
        let connections = &self.inner.connections;
        let known = known_addresses(&self.metadata());
        let open = known
            .iter()
            .filter_map(|address| connections.already_to(address))
            .min_by_key(Connection::in_flight_count);
        if let Some(open) = open {
            return Ok(open);
        }
        let bootstrap = &self.inner.config.bootstrap_servers;
        let mut last = None;
        for address in known.iter().chain(bootstrap) {
            match connections.to(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        let bootstrap: Vec<_> = bootstrap.iter().map(ToString::to_string).collect();
        Err(ClientError::NoBroker {
            bootstrap: bootstrap.join(","),
            last: last.map(|error| error.to_string()).unwrap_or_default(),
        })
    }

    /// Ends all connections; what is in flight fails. For the end of a client that does not wait.
    pub fn close_connections(&self) {
        self.inner.connections.close_all();
        self.inner.group_connections.close_all();
    }
}

fn known_addresses(metadata: &Metadata) -> Vec<HostPort> {
    let nodes = metadata.nodes();
    let mut addresses: Vec<_> = nodes.into_iter().map(|node| node.address.clone()).collect();
    fastrand::shuffle(&mut addresses);
    addresses
}
