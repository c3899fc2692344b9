//! One connection per node, opened when first needed, again after it ended, with growing pauses
//! and growing patience after failures (KIP-580, KIP-601).
//!
//! Opening goes on when whoever asked for it is cancelled: a caller with little time at every call
//! still gets a connection in the end. All who wait share an attempt and its failure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hashbrown::{Equivalent, HashMap};
use tokio::time::Instant;

use super::{Backoff, Cluster};
use crate::config::{ClientConfig, MetadataRecovery};
use crate::error::ClientError;
use crate::metadata::Metadata;
use crate::net::{Connection, ConnectionSettings, Connector, HostPort};

/// How long one broker gets before the next one is tried, too, when any will do.
const HEAD_START: Duration = Duration::from_millis(500);

/// What a connection is for. A broker answers one request of a connection after the other, so
/// those that it answers late on purpose must not hold up others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Everything but groups: records, metadata, administration.
    Ordinary,
    /// Membership of groups: joining waits for other members while fetches wait for records.
    Group,
}

/// What a connection is known by.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    purpose: Purpose,
    address: HostPort,
}

/// A [`Key`] that owns nothing: finding a connection copies no address.
#[derive(Hash)]
struct KeyRef<'a> {
    purpose: Purpose,
    address: &'a HostPort,
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.purpose == key.purpose && *self.address == key.address
    }
}

pub(super) struct Connections {
    connector: Arc<dyn Connector>,
    settings: ConnectionSettings,
    reconnect: Backoff,
    setup: Backoff,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    is_closed: Arc<AtomicBool>,
}

/// The connection to one address.
struct Slot {
    current: Mutex<Option<Connection>>,
    /// Held while it is opened.
    attempts: tokio::sync::Mutex<Attempts>,
}

struct Attempts {
    reconnect: Backoff,
    setup: Backoff,
    not_before: Instant,
    failed: Option<(Instant, ClientError)>,
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
            setup: Backoff::new(
                config.connection_setup_timeout,
                config.connection_setup_timeout_max,
            ),
            slots: Mutex::default(),
            is_closed: Arc::default(),
        }
    }

    /// The open connection to an address, or a new one.
    pub(super) async fn to(
        &self,
        purpose: Purpose,
        address: &HostPort,
    ) -> Result<Connection, ClientError> {
        let slot = self.slot(purpose, address);
        if let Some(open) = slot.open() {
            return Ok(open);
        }
        if self.is_closed.load(Ordering::Acquire) {
            return Err(ClientError::Closed("client"));
        }
        let opening = Opening {
            slot,
            address: address.clone(),
            connector: Arc::clone(&self.connector),
            settings: self.settings.clone(),
            is_closed: Arc::clone(&self.is_closed),
            asked_at: Instant::now(),
        };
        tokio::spawn(opening.run()).await.unwrap_or_else(|error| {
            Err(ClientError::Disconnected {
                address: address.to_string(),
                reason: format!("opening it was given up: {error}"),
            })
        })
    }

    /// The connection to an address, if it is open.
    fn already_to(&self, address: &HostPort) -> Option<Connection> {
        let purpose = Purpose::Ordinary;
        let slot = self.lock().get(&KeyRef { purpose, address }).cloned();
        slot?.open()
    }

    /// Connections to addresses that are no longer those of brokers are let go: they end as
    /// soon as nobody uses them and what is in flight on them is answered.
    pub(super) fn forget_all_but(&self, is_wanted: impl Fn(&HostPort) -> bool) {
        self.lock().retain(|key, _| is_wanted(&key.address));
    }

    fn slot(&self, purpose: Purpose, address: &HostPort) -> Arc<Slot> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(&KeyRef { purpose, address }) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(Slot {
            current: Mutex::default(),
            attempts: tokio::sync::Mutex::new(Attempts {
                reconnect: self.reconnect.clone(),
                setup: self.setup.clone(),
                not_before: Instant::now(),
                failed: None,
            }),
        });
        let address = address.clone();
        slots.insert(Key { purpose, address }, Arc::clone(&slot));
        slot
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close_all(&self) {
        self.is_closed.store(true, Ordering::Release);
        for slot in self.lock().values() {
            if let Some(connection) = slot.lock().take() {
                connection.close("the client is closed");
            }
        }
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Option<Connection> {
        let current = self.lock();
        let connection = current.as_ref()?;
        (!connection.is_closed()).then(|| connection.clone())
    }
}

/// What opening needs, apart from whoever asked for it.
struct Opening {
    slot: Arc<Slot>,
    address: HostPort,
    connector: Arc<dyn Connector>,
    settings: ConnectionSettings,
    is_closed: Arc<AtomicBool>,
    asked_at: Instant,
}

impl Opening {
    async fn run(mut self) -> Result<Connection, ClientError> {
        let slot = Arc::clone(&self.slot);
        let mut attempts = slot.attempts.lock().await;
        if let Some(open) = slot.open() {
            return Ok(open);
        }
        // Another one tried meanwhile, for this caller too.
        if let Some((failed_at, error)) = &attempts.failed
            && self.asked_at < *failed_at
        {
            return Err(error.clone());
        }
        tokio::time::sleep_until(attempts.not_before).await;
        self.settings.setup_timeout = attempts.setup.next_pause();
        let address = self.address.clone();
        let opened = Connection::open(&*self.connector, address, &self.settings).await;
        match opened {
            Ok(connection) => {
                attempts.reconnect.reset();
                attempts.setup.reset();
                // A broker that takes connections only to end them is not stormed either.
                attempts.not_before = Instant::now() + attempts.reconnect.next_pause();
                *slot.lock() = Some(connection.clone());
                // Whoever closes all connections sets this first: one of both sees the other.
                if self.is_closed.load(Ordering::Acquire) {
                    connection.close("the client is closed");
                    return Err(ClientError::Closed("client"));
                }
                Ok(connection)
            }
            Err(error) => {
                let now = Instant::now();
                attempts.not_before = now + attempts.reconnect.next_pause();
                attempts.failed = Some((now, error.clone()));
                Err(error)
            }
        }
    }
}

impl Cluster {
    /// The connection to a node.
    ///
    /// # Errors
    /// The node is not in the metadata, or cannot be reached now. Metadata counts as stale then.
    pub async fn connection(&self, node_id: i32) -> Result<Connection, ClientError> {
        self.connection_for(Purpose::Ordinary, node_id).await
    }

    pub(super) async fn connection_for(
        &self,
        purpose: Purpose,
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
        let connected = self.inner.connections.to(purpose, &node.address).await;
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

    /// A connection to any broker: the open one with the least to do, or else to the first that
    /// can be reached, of the brokers in the metadata and then of `bootstrap.servers`. A broker
    /// that lets a connection wait holds nobody up: the next one is tried meanwhile.
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
        let config = self.config();
        let has_to_stay = config.metadata_recovery == MetadataRecovery::None && !known.is_empty();
        let mut candidates = known;
        if !has_to_stay {
            let mut bootstrap = config.bootstrap_servers.clone();
            bootstrap.retain(|address| !candidates.contains(address));
            fastrand::shuffle(&mut bootstrap);
            candidates.extend(bootstrap);
        }
        self.first_of(candidates).await.map_err(|last| {
            // Who is refused by name would be refused again.
            if let Some(error) = last.as_ref().filter(|error| !error.is_retriable()) {
                return error.clone();
            }
            let bootstrap = config.bootstrap_servers.iter().map(ToString::to_string);
            ClientError::NoBroker {
                bootstrap: bootstrap.collect::<Vec<_>>().join(","),
                last: last.map(|error| error.to_string()).unwrap_or_default(),
            }
        })
    }

    /// The first connection that opens; the last error if none does.
    async fn first_of(&self, candidates: Vec<HostPort>) -> Result<Connection, Option<ClientError>> {
        let connections = &self.inner.connections;
        let mut candidates = candidates.iter();
        let mut attempts = FuturesUnordered::new();
        let mut next = candidates.next();
        let mut last = None;
        loop {
            if let Some(address) = next.take() {
                attempts.push(connections.to(Purpose::Ordinary, address));
            }
            tokio::select! {
                biased;
                Some(opened) = attempts.next() => match opened {
                    Ok(connection) => return Ok(connection),
                    Err(error) => {
                        last = Some(error);
                        next = candidates.next();
                    }
                },
                () = tokio::time::sleep(HEAD_START), if candidates.len() != 0 => {
                    next = candidates.next();
                }
                else => return Err(last),
            }
        }
    }

    /// Ends all connections, for good; what is in flight fails. For the end of a client that does
    /// not wait.
    pub fn close_connections(&self) {
        self.inner.connections.close_all();
    }
}

fn known_addresses(metadata: &Metadata) -> Vec<HostPort> {
    let nodes = metadata.nodes();
    let mut addresses: Vec<_> = nodes.into_iter().map(|node| node.address.clone()).collect();
    fastrand::shuffle(&mut addresses);
    addresses
}

#[cfg(test)]
mod tests;
