//! The cluster as a client sees it: connections by node, metadata that is kept fresh, coordinators,
//! and retries. Producer, consumer and admin stand on it and never open connections themselves.
//!
//! All of it may be used from any task at once; a handle is cheap to clone. Every future may be
//! dropped at any moment: a request that was sent is still carried out by its broker, its answer is
//! passed over, and those who wait for the same connection or metadata are not held up. Metadata is
//! refreshed by age, and as soon as somebody says that it is wrong, by one task that ends with the
//! last handle.

mod backoff;
mod calls;
mod connections;
mod coordinators;
mod interest;
mod refresh;
mod retries;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Notify, watch};

pub use backoff::Backoff;
pub use calls::Target;
pub use coordinators::CoordinatorKind;
pub(crate) use retries::Retries;

use crate::config::{ClientConfig, ConfigError};
use crate::metadata::Metadata;
use crate::net::Connector;

/// A handle to the cluster.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    connections: connections::Connections,
    metadata: watch::Sender<Arc<Metadata>>,
    interest: interest::Interest,
    /// Whether asking for a topic's metadata may create it.
    may_create_topics: AtomicBool,
    coordinators: coordinators::Coordinators,
    /// One refresh at a time.
    refreshing: tokio::sync::Mutex<()>,
    /// Metadata is said to be wrong, and has not been asked for since.
    is_stale: AtomicBool,
    /// Wakes the task that refreshes.
    wanted: Arc<Notify>,
}

impl Cluster {
    /// A cluster of which only `bootstrap.servers` is known; nothing is asked yet. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// The configuration is unusable.
    pub fn new(config: ClientConfig, connector: Arc<dyn Connector>) -> Result<Self, ConfigError> {
        config.check()?;
        let inner = Arc::new(Inner {
            connections: connections::Connections::new(&config, connector),
            config,
            metadata: watch::Sender::new(Arc::new(Metadata::unknown())),
            interest: interest::Interest::default(),
            may_create_topics: AtomicBool::new(true),
            coordinators: coordinators::Coordinators::default(),
            refreshing: tokio::sync::Mutex::default(),
            is_stale: AtomicBool::default(),
            wanted: Arc::default(),
        });
        let wanted = Arc::clone(&inner.wanted);
        tokio::spawn(refresh::keep_fresh(Arc::downgrade(&inner), wanted));
        Ok(Self { inner })
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// What is known now.
    #[must_use]
    pub fn metadata(&self) -> Arc<Metadata> {
        Arc::clone(&self.inner.metadata.borrow())
    }

    /// What is known, as it changes.
    #[must_use]
    pub fn metadata_changes(&self) -> watch::Receiver<Arc<Metadata>> {
        self.inner.metadata.subscribe()
    }
}
