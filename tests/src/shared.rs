//! The broker that tests share when they do not need one of their own.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::Context;
use uuid::Uuid;

use crate::{BrokerOptions, Client, TestBroker};

static CURRENT: Mutex<Weak<SharedBroker>> = Mutex::new(Weak::new());

/// A broker for as long as some test holds it: a static would never be dropped, and its process
/// would outlive the tests.
///
/// With `RINGBROOK_TEST_BOOTSTRAP=host:port` it is that broker instead, Apache Kafka for example:
/// tests that use it state Kafka's behaviour.
#[derive(Debug)]
pub struct SharedBroker {
    address: SocketAddr,
    process: Option<TestBroker>,
}

impl SharedBroker {
    /// The broker shared at the moment; starts one if there is none.
    ///
    /// # Errors
    /// It does not start.
    pub fn current() -> anyhow::Result<Arc<Self>> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(broker) = current.upgrade() {
            return Ok(broker);
        }
        let broker = Arc::new(Self::start()?);
        *current = Arc::downgrade(&broker);
        Ok(broker)
    }

    /// A broker of ours for one test alone, whatever `RINGBROOK_TEST_BOOTSTRAP` says.
    ///
    /// # Errors
    /// It does not start.
    pub fn own() -> anyhow::Result<Arc<Self>> {
        let process = TestBroker::start()?;
        Ok(Arc::new(Self {
            address: process.address(),
            process: Some(process),
        }))
    }

    fn start() -> anyhow::Result<Self> {
        if let Ok(bootstrap) = std::env::var("RINGBROOK_TEST_BOOTSTRAP") {
            let address = bootstrap.to_socket_addrs()?.next().context("no address")?;
            return Ok(Self {
                address,
                process: None,
            });
        }
        let process = TestBroker::start_with(BrokerOptions::fast())?;
        Ok(Self {
            address: process.address(),
            process: Some(process),
        })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The broker's process, unless it is another broker than ours.
    #[must_use]
    pub fn process(&self) -> Option<&TestBroker> {
        self.process.as_ref()
    }

    /// A connection to it.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn client(&self) -> anyhow::Result<Client> {
        Client::connect(self.address)
    }
}

/// A name that no other test and no other run uses.
#[must_use]
pub fn unique(name: &str) -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!("{name}-{}", &random[..8])
}
