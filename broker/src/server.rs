//! Starting and stopping a broker: which part comes when, and what is said about it.
//!
//! Order of the start: ports (so that a second broker fails at once), log dirs, metadata, logs,
//! replicas, coordinators, cores, and only then connections are accepted. The stop is the reverse.

mod background;
mod broker;
mod coordinator_batch;
mod coordinator_loading;
mod coordinator_log;
mod dir_watch;
mod group_cluster;
mod internal_topics;
mod marker_writer;
mod startup_error;
mod topic_creation;
mod topic_log_config;
mod transactions;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ringbrook_engine::io::UringDisk;
use ringbrook_engine::{Clock, LogDirs, LogManager, LogManagerOptions, OpenSummary, SystemClock};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::sync::watch;

use crate::config::{BrokerConfig, Listener};
use crate::controller::image::Endpoint;
use crate::controller::{
    Command, Controller, ControllerOptions, MetadataImage, metadata_directory,
};
use crate::net::core_thread::{self, CoreThread, core_queue};
use crate::net::listener;
use crate::replica::ReplicaManager;

pub use broker::Broker;
use broker::BrokerParts;
pub(crate) use internal_topics::InternalTopic;
pub(crate) use marker_writer::MarkerFailure;
pub use startup_error::StartupError;
pub(crate) use topic_creation::TopicCreationError;
pub(crate) use topic_log_config::TopicLogConfig;

/// How long the cores may take to send the answers that are under way.
const QUIESCE_DEADLINE: Duration = Duration::from_secs(5);
/// How long background work may take to end.
const CONTROL_DEADLINE: Duration = Duration::from_secs(5);
/// Kafka's id of the security protocol.
const PLAINTEXT: i16 = 0;
/// A running broker.
pub struct Server {
    broker: Arc<Broker>,
    control: tokio::runtime::Runtime,
    cores: Vec<CoreThread>,
    addresses: Vec<(String, SocketAddr)>,
    opened: OpenSummary,
    stop: watch::Sender<bool>,
    failure: watch::Receiver<Option<String>>,
}

/// A listener whose port is bound but whose connections are not yet accepted.
struct BoundListener {
    name: String,
    socket: std::net::TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Starts a broker; when this returns, it accepts connections.
    ///
    /// # Errors
    /// See [`StartupError`]; each is one sentence for the operator.
    pub fn start(config: BrokerConfig) -> Result<Self, StartupError> {
        let node_id = config.node_id;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        core_thread::probe().map_err(StartupError::IoUring)?;
        raise_open_files_limit();
        let disk = UringDisk;
        let bound = bind_all(&config)?;
        let dirs = LogDirs::open(&disk, &config.log.dirs, config.node_id, None)?;
        let control = control_runtime()?;
        let metadata_dir = find_metadata(&config, &dirs)?;
        let controller = start_controller(&config, &dirs, &bound, &metadata_dir)?;
        let image = controller.image();
        let effective = Arc::new(ArcSwap::from_pointee(config));
        let topic_config = TopicLogConfig::new(&effective);
        let options = log_manager_options(&effective.load());
        let (logs, opened) = LogManager::open(disk, dirs, options, Arc::clone(&clock), &|topic| {
            topic_config.of(&image, topic)
        })?;
        let image = if opened.is_clean {
            image
        } else {
            renew_leaderships(&controller, node_id)?
        };
        let replicas = ReplicaManager::new(Arc::clone(&logs), topic_config, Arc::clone(&image));
        let queues: Vec<_> = (0..effective.load().core_threads)
            .map(|_| core_queue())
            .collect();
        let cores = queues.iter().map(|(sender, _)| sender.clone()).collect();
        let (applied_sender, applied) = watch::channel(0);
        let listener_names = bound.iter().map(|listener| listener.name.clone()).collect();
        let parts = BrokerParts {
            clock,
            logs,
            replicas,
            controller,
            cores,
            applied,
        };
        let broker =
            Arc::new_cyclic(|broker| Broker::new(effective, parts, listener_names, broker));
        broker.apply_metadata(&image);
        broker.replicas.set_strays_aside();
        applied_sender.send_replace(image.version());
        let mut cores = Vec::with_capacity(queues.len());
        for (index, queue) in queues.into_iter().enumerate() {
            let core = CoreThread::start(index, queue, Arc::clone(&broker));
            cores.push(core.map_err(StartupError::IoUring)?);
        }
        broker.logs.start_cleaner().map_err(StartupError::Thread)?;
        let (stop, stopping) = watch::channel(false);
        let (failed, failure) = watch::channel(None);
        background::spawn(&control, &broker, applied_sender, &stopping);
        let watching = dir_watch::run(Arc::clone(&broker), metadata_dir, failed);
        control.spawn(background::until(stopping.clone(), watching));
        broker.logs.start_moves();
        let addresses = accept_all(&control, bound, &broker, &stopping)?;
        if let Some(scrub) = broker.config().log.scrub {
            broker
                .logs
                .start_scrub(scrub)
                .map_err(StartupError::Thread)?;
        }
        Ok(Self {
            broker,
            control,
            cores,
            addresses,
            opened,
            stop,
            failure,
        })
    }

    /// The addresses that the broker listens on, by listener name.
    #[must_use]
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// One line about the broker that has started: version, listeners, log dirs, core threads,
    /// durability mode, what was recovered.
    #[must_use]
    pub fn banner(&self) -> String {
        let config = self.broker.config();
        let listeners: Vec<_> = self
            .addresses
            .iter()
            .map(|(name, address)| format!("{name}://{address}"))
            .collect();
        let dirs: Vec<_> = config
            .log
            .dirs
            .iter()
            .map(|dir| dir.display().to_string())
            .collect();
        let durability = if config.log.flush_before_ack {
            "durable before acknowledging (log.flush.before.ack=true)"
        } else {
            "page cache before acknowledging (log.flush.before.ack=false)"
        };
        format!(
            "ringbrook {} listening on {}; log dirs {}; {} core threads; {durability}; {}",
            env!("CARGO_PKG_VERSION"),
            listeners.join(", "),
            dirs.join(", "),
            self.cores.len(),
            recovered(&self.opened),
        )
    }

    /// Waits until the broker cannot go on, and says why: no log dir is left, or the metadata
    /// cannot be written. Then it should be stopped.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // The watching task ends without a word only when the broker stops.
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops cleanly: no new requests, answers under way are sent, logs are flushed and closed, and
    /// the clean-shutdown markers are written.
    ///
    /// # Errors
    /// A log could not be closed: the next start recovers it.
    pub fn stop(self) -> Result<(), StartupError> {
        self.stop.send_replace(true);
        let quiesced: Vec<_> = self.cores.iter().map(CoreThread::quiesce).collect();
        for core in quiesced {
            if core.recv_timeout(QUIESCE_DEADLINE).is_err() {
                tracing::warn!("a core did not end its connections in time");
            }
        }
        self.control.shutdown_timeout(CONTROL_DEADLINE);
        self.broker.controller.shutdown();
        // While the rings still run: closing waits for the writes that are under way.
        let closed = self.broker.logs.shutdown();
        for core in self.cores {
            core.stop();
        }
        let scrub = self.broker.logs.scrub_report();
        tracing::info!(
            counts = %self.broker.metrics,
            transactions = %self.broker.transactions.counts(),
            scrubbed_segments = scrub.segments,
            damages_found = scrub.damages_count,
            "stopped"
        );
        Ok(closed?)
    }
}

/// What was found on disk, for the banner.
fn recovered(opened: &OpenSummary) -> String {
    let OpenSummary {
        logs,
        is_clean,
        recovered_segments,
        walked_bytes,
        truncated_bytes,
        elapsed,
    } = opened;
    let how = if *logs == 0 {
        return "nothing to recover".to_owned();
    } else if *is_clean {
        "after a clean shutdown".to_owned()
    } else {
        format!(
            "recovered {recovered_segments} segments by checking {walked_bytes} bytes, \
             cut {truncated_bytes}"
        )
    };
    format!(
        "{logs} partitions opened in {} ms, {how}",
        elapsed.as_millis()
    )
}

/// Lets the process open as many files as the system permits: one per connection and segment in
/// use. Running out of them would take log dirs offline.
fn raise_open_files_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "limit on open files not raised");
    }
}

fn control_runtime() -> Result<tokio::runtime::Runtime, StartupError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(8)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(StartupError::Thread)
}

fn bind_all(config: &BrokerConfig) -> Result<Vec<BoundListener>, StartupError> {
    let backlog = config.network.socket_listen_backlog_size;
    let bind = |listener: &Listener| -> io::Result<BoundListener> {
        let socket = listener::bind(listener.resolve()?, backlog)?;
        let address = socket.local_addr()?;
        Ok(BoundListener {
            name: listener.name.clone(),
            socket,
            address,
        })
    };
    let listeners = config.network.listeners.iter();
    let bound = listeners.map(|listener| {
        bind(listener).map_err(|source| StartupError::Bind {
            listener: listener.name.clone(),
            address: format!("{}:{}", listener.host, listener.port),
            source,
        })
    });
    bound.collect()
}

/// The directory of the metadata. While a log dir is offline it must exist: new metadata would take
/// the place of that in the dir that is offline.
fn find_metadata(
    config: &BrokerConfig,
    log_dirs: &LogDirs<UringDisk>,
) -> Result<PathBuf, StartupError> {
    let mut dirs = vec![config.log.metadata_dir.clone()];
    dirs.extend(
        config
            .log
            .dirs
            .iter()
            .filter(|dir| **dir != config.log.metadata_dir)
            .cloned(),
    );
    let metadata = metadata_directory(&dirs)?;
    match log_dirs.first_offline() {
        Some((dir, reason)) if !metadata.is_dir() => {
            Err(StartupError::MetadataOffline { dir, reason })
        }
        _ => Ok(metadata),
    }
}

fn start_controller(
    config: &BrokerConfig,
    log_dirs: &LogDirs<UringDisk>,
    bound: &[BoundListener],
    metadata_dir: &Path,
) -> Result<Controller, StartupError> {
    let endpoints = bound.iter().filter_map(|listener| {
        let (host, port) = config
            .network
            .advertised(&listener.name, listener.address.port())?;
        let listener = listener.name.clone();
        Some(Endpoint {
            listener,
            host,
            port,
            security_protocol: PLAINTEXT,
        })
    });
    let mut options = ControllerOptions::new(
        metadata_dir,
        config.node_id,
        log_dirs.cluster_id(),
        endpoints.collect(),
    );
    options.rack.clone_from(&config.rack);
    Ok(Controller::start(options)?)
}

/// Begins a new leader epoch everywhere: without `flush.before.ack` records may be lost, and their
/// offsets must not come again in the same epoch.
fn renew_leaderships(
    controller: &Controller,
    node_id: i32,
) -> Result<Arc<MetadataImage>, StartupError> {
    controller.submit_blocking(Command::RenewLeaderships { broker_id: node_id })?;
    Ok(controller.image())
}

fn log_manager_options(config: &BrokerConfig) -> LogManagerOptions {
    let log = &config.log;
    let ms = |interval: Duration| i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
    LogManagerOptions {
        min_free_bytes: log.dir_min_free_bytes,
        recovery_threads_per_data_dir: log.recovery_threads_per_data_dir,
        producer_id_expiration_ms: ms(log.producer_id_expiration),
        producer_id_expiration_check_interval_ms: ms(log.producer_id_expiration_check_interval),
        initial_task_delay_ms: ms(log.initial_task_delay),
        retention_check_interval_ms: ms(log.retention_check_interval),
        flush_offset_checkpoint_interval_ms: ms(log.recovery_point_checkpoint_interval),
        flush_start_offset_checkpoint_interval_ms: ms(log.log_start_offset_checkpoint_interval),
        high_watermark_checkpoint_interval_ms: ms(log.high_watermark_checkpoint_interval),
        cleaner: log.cleaner,
    }
}

fn accept_all(
    control: &tokio::runtime::Runtime,
    bound: Vec<BoundListener>,
    broker: &Arc<Broker>,
    stopping: &watch::Receiver<bool>,
) -> Result<Vec<(String, SocketAddr)>, StartupError> {
    let mut addresses = Vec::new();
    for (index, listener) in bound.into_iter().enumerate() {
        addresses.push((listener.name, listener.address));
        let _runtime = control.enter();
        let socket =
            tokio::net::TcpListener::from_std(listener.socket).map_err(StartupError::Thread)?;
        let accept = listener::accept(socket, index, broker.cores.clone(), Arc::clone(broker));
        let mut stopping = stopping.clone();
        control.spawn(async move {
            tokio::select! {
                () = accept => {}
                _ = stopping.wait_for(|is_stopping| *is_stopping) => {}
            }
        });
    }
    Ok(addresses)
}
