//! The broker of a campaign: one of its own that it may hurt, or one that runs already.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use crate::exactly_once::Random;
use crate::{BrokerOptions, Client, TestBroker, now, now_ms};

/// Ports that the system does not give to connections of clients.
const PORTS: (u64, u64) = (10_000, 32_000);
/// Ports tried, and starts tried on the same port.
const ATTEMPTS: usize = 20;

/// Where the workers connect to.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    options: BrokerOptions,
    data_dir: Arc<TempDir>,
    /// None while it is away.
    process: Option<TestBroker>,
    starts_at: Option<Instant>,
}

impl Target {
    /// A broker that runs already, and that is not ours to hurt.
    #[must_use]
    pub fn running(address: SocketAddr) -> Self {
        Self { address, own: None }
    }

    /// Starts a broker that keeps its port over restarts, as librdkafka's clients need it.
    ///
    /// # Errors
    /// It does not start.
    pub fn start() -> anyhow::Result<Self> {
        let mut random = Random::new(u64::from(std::process::id()) ^ now_ms().unsigned_abs());
        let mut last = Err(anyhow::anyhow!("no port is free"));
        for _ in 0..ATTEMPTS {
            let port = u16::try_from(random.between(PORTS.0, PORTS.1))?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if TcpListener::bind(address).is_err() {
                continue;
            }
            let options = options(address);
            match TestBroker::start_with(options.clone()) {
                Ok(process) => {
                    let own = Own {
                        options,
                        data_dir: process.data_dir(),
                        process: Some(process),
                        starts_at: None,
                    };
                    let own = Some(own);
                    return Ok(Self { address, own });
                }
                Err(error) => last = Err(error),
            }
        }
        last
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether faults may be done to it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// A connection to it.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn client(&self) -> anyhow::Result<Client> {
        Client::connect(self.address)
    }

    /// What the broker has logged since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        let process = self.own.as_ref().and_then(|own| own.process.as_ref());
        process.map(TestBroker::log).unwrap_or_default()
    }

    /// Ends the broker, by SIGKILL or cleanly, until it is time to start it again. Whether it was
    /// running.
    ///
    /// # Errors
    /// It does not stop cleanly.
    pub fn end(&mut self, is_kill: bool, away: Duration) -> anyhow::Result<bool> {
        let Some(own) = &mut self.own else {
            return Ok(false);
        };
        let Some(mut process) = own.process.take() else {
            return Ok(false);
        };
        own.starts_at = Some(now() + away);
        if is_kill {
            process.kill()?;
        } else {
            process.stop()?;
        }
        Ok(true)
    }

    /// Starts the broker again if it is away and it is time, or at once if `is_urgent`.
    ///
    /// # Errors
    /// It does not start.
    pub fn step(&mut self, is_urgent: bool) -> anyhow::Result<()> {
        let Some(own) = &mut self.own else {
            return Ok(());
        };
        let is_due = own.starts_at.is_some_and(|time| is_urgent || time <= now());
        if own.process.is_some() || !is_due {
            return Ok(());
        }
        let mut last = Err(anyhow::anyhow!("not tried"));
        for _ in 0..ATTEMPTS {
            last = TestBroker::start_in(own.options.clone(), Arc::clone(&own.data_dir));
            // A client that tries the port may have connected to itself, which holds it a moment.
            if last.as_ref().is_ok_and(|it| it.address() == self.address) {
                break;
            }
        }
        own.process = Some(last.context("starting the broker again")?);
        own.starts_at = None;
        Ok(())
    }

    /// Stops the broker if it is ours.
    ///
    /// # Errors
    /// It does not stop cleanly.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let process = self.own.as_mut().and_then(|own| own.process.take());
        process.map_or(Ok(()), TestBroker::stop)
    }
}

/// Sessions and transactions end soon, segments are small.
fn options(address: SocketAddr) -> BrokerOptions {
    let mut options = BrokerOptions::fast();
    for (key, value) in SETTINGS {
        options = options.set(key, value);
    }
    options.set("listeners", &format!("PLAINTEXT://{address}"))
}

const SETTINGS: &[(&str, &str)] = &[
    ("log.segment.bytes", "1048576"),
    ("group.min.session.timeout.ms", "1000"),
    ("transaction.state.log.num.partitions", "4"),
    (
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        "500",
    ),
    ("group.consumer.min.session.timeout.ms", "1000"),
    ("group.consumer.session.timeout.ms", "2000"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    ("group.consumer.heartbeat.interval.ms", "300"),
];
