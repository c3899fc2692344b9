//! The controller as the rest of the broker sees it.
//!
//! Everything here may be called from any thread and any async runtime; the work happens on the
//! controller's own thread. Dropping the last handle stops that thread, [`Controller::shutdown`]
//! also waits for it.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::command::{
    Applied, BrokerRegistration, Command, ConfigAlteration, NewPartitions, NewTopic,
    ProducerIdBlock, TopicSelector,
};
use super::error::{ControllerError, MetadataError};
use super::features::{self, FeatureUpdate};
use super::image::{Endpoint, MetadataImage, TopicImage};
use super::node::{Node, NodeOptions, Submission};
use super::state_machine::PublishedImage;

#[cfg(test)]
mod tests;

/// Commands that may wait for the controller's thread; further submitters wait for a place.
const QUEUE_COMMANDS_MAX: usize = 1024;

/// Log size in bytes from which a snapshot is worth while: about 10,000 creations of topics, which
/// take about 20 ms to apply again at the next start.
const SNAPSHOT_LOG_BYTES: u64 = 1 << 20;

/// What a controller needs to know to start.
#[derive(Debug, Clone)]
pub struct ControllerOptions {
    /// The metadata directory, by [`super::metadata_directory`]. Created if absent.
    pub dir: PathBuf,
    /// `node.id`; must not change for a directory.
    pub node_id: i32,
    /// `cluster.id` of `meta.properties`.
    pub cluster_id: String,
    /// Advertised listeners of the broker in this process.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Log size in bytes from which snapshots are written; [`ControllerOptions::new`] sets it.
    pub snapshot_log_bytes: u64,
}

impl ControllerOptions {
    /// Options with defaults for all that is not asked for.
    pub fn new(
        dir: impl Into<PathBuf>,
        node_id: i32,
        cluster_id: impl Into<String>,
        endpoints: Vec<Endpoint>,
    ) -> Self {
        Self {
            dir: dir.into(),
            node_id,
            cluster_id: cluster_id.into(),
            endpoints,
            rack: None,
            snapshot_log_bytes: SNAPSHOT_LOG_BYTES,
        }
    }
}

/// A handle on the running controller. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Controller {
    queue: mpsc::Sender<Submission>,
    published: Arc<PublishedImage>,
    thread: Arc<Mutex<Option<ControllerThread>>>,
    broker_epoch: i64,
}

/// The running thread. It stops when `stop` is sent or dropped; submit futures that are never
/// polled can't keep it alive, as their queue senders would.
#[derive(Debug)]
struct ControllerThread {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Controller {
    /// Opens the metadata directory, starts the controller on its own thread, and registers this
    /// process as a broker. When this returns, [`Controller::image`] is complete. Blocks: a
    /// directory of 1,000 topics takes a few milliseconds and one write to disk.
    ///
    /// # Errors
    /// [`ControllerError::Storage`] when the directory can't be used, with file and place;
    /// [`ControllerError::WrongNode`] when it belongs to another node.
    pub fn start(options: ControllerOptions) -> Result<Self, ControllerError> {
        let (started_sender, started) = std::sync::mpsc::sync_channel(1);
        let (queue, receiver) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let node_options = NodeOptions {
            directory: options.dir.clone(),
            node_id: options.node_id,
            cluster_id: Arc::from(options.cluster_id.as_str()),
            snapshot_log_bytes: options.snapshot_log_bytes,
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("controller".to_owned())
            .spawn(move || run(&node_options, receiver, stopped, &started_sender))
            .map_err(|error| ControllerError::Failed(format!("cannot start a thread: {error}")))?;
        // The sender is dropped unused only when the thread panicked.
        let published = started.recv().map_err(|_| ControllerError::Stopped)??;
        let mut controller = Self {
            queue,
            published,
            thread: Arc::new(Mutex::new(Some(ControllerThread { stop, thread }))),
            broker_epoch: -1,
        };
        let registration = BrokerRegistration {
            id: options.node_id,
            incarnation_id: Uuid::new_v4(),
            endpoints: options.endpoints,
            rack: options.rack,
        };
        controller.broker_epoch = controller.register(registration)?;
        controller.finalize_initial_features()?;
        Ok(controller)
    }

    /// The latest image. Costs a few nanoseconds; keep it for the length of a request, so that
    /// the request sees one state.
    #[must_use]
    pub fn image(&self) -> Arc<MetadataImage> {
        self.published.load()
    }

    /// Tells the version of each new image, after [`Controller::image`] returns it. Versions may
    /// be skipped.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// The epoch of this broker's registration.
    #[must_use]
    pub fn broker_epoch(&self) -> i64 {
        self.broker_epoch
    }

    /// Submits a command. When the future is done, the command is durable, applied and visible in
    /// the image. Commands of one task are carried out in order if it awaits each; dropping the
    /// future does not take the command back. Waits for a place when the queue is full.
    ///
    /// # Errors
    /// [`ControllerError::CommandTooLarge`] at once; otherwise the controller has stopped or
    /// failed, and it is unknown whether the command is applied.
    pub fn submit(
        &self,
        command: Command,
    ) -> impl Future<Output = Result<Applied, ControllerError>> + Send + 'static {
        let queue = self.queue.clone();
        async move {
            let (reply, outcome) = oneshot::channel();
            let submission = Submission::new(command, reply)?;
            queue
                .send(submission)
                .await
                .map_err(|_| ControllerError::Stopped)?;
            outcome.await.map_err(|_| ControllerError::Stopped)?
        }
    }

    /// Submits a command from a thread that may block.
    ///
    /// # Errors
    /// As [`Controller::submit`].
    ///
    /// # Panics
    /// Inside an async runtime.
    pub fn submit_blocking(&self, command: Command) -> Result<Applied, ControllerError> {
        let (reply, outcome) = oneshot::channel();
        let submission = Submission::new(command, reply)?;
        self.queue
            .blocking_send(submission)
            .map_err(|_| ControllerError::Stopped)?;
        outcome
            .blocking_recv()
            .map_err(|_| ControllerError::Stopped)?
    }

    /// Submits a command if there is a place in the queue now; `None` if there is none.
    pub(super) fn try_submit(
        &self,
        command: Command,
    ) -> Option<oneshot::Receiver<Result<Applied, ControllerError>>> {
        let (reply, outcome) = oneshot::channel();
        let submission = Submission::new(command, reply).ok()?;
        self.queue.try_send(submission).ok()?;
        Some(outcome)
    }

    /// Creates topics; results are in the order of `topics`.
    ///
    /// # Errors
    /// As [`Controller::submit`].
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
    ) -> Result<Vec<Result<Arc<TopicImage>, MetadataError>>, ControllerError> {
        match self.submit(Command::CreateTopics(topics)).await? {
            Applied::TopicsCreated(results) => Ok(results),
            other => Err(mismatch(&other)),
        }
    }

    /// Deletes topics; results are in the order of `selectors`.
    ///
    /// # Errors
    /// As [`Controller::submit`].
    pub async fn delete_topics(
        &self,
        selectors: Vec<TopicSelector>,
    ) -> Result<Vec<Result<Arc<TopicImage>, MetadataError>>, ControllerError> {
        match self.submit(Command::DeleteTopics(selectors)).await? {
            Applied::TopicsDeleted(results) => Ok(results),
            other => Err(mismatch(&other)),
        }
    }

    /// Adds partitions to topics; results are in the order of `additions`.
    ///
    /// # Errors
    /// As [`Controller::submit`].
    pub async fn create_partitions(
        &self,
        additions: Vec<NewPartitions>,
    ) -> Result<Vec<Result<Arc<TopicImage>, MetadataError>>, ControllerError> {
        match self.submit(Command::CreatePartitions(additions)).await? {
            Applied::PartitionsCreated(results) => Ok(results),
            other => Err(mismatch(&other)),
        }
    }

    /// Changes configurations; results are in the order of `alterations`.
    ///
    /// # Errors
    /// As [`Controller::submit`].
    pub async fn alter_configs(
        &self,
        alterations: Vec<ConfigAlteration>,
    ) -> Result<Vec<Result<(), MetadataError>>, ControllerError> {
        match self.submit(Command::AlterConfigs(alterations)).await? {
            Applied::ConfigsAltered(results) => Ok(results),
            other => Err(mismatch(&other)),
        }
    }

    /// Waits until the controller has ended: it was shut down, or its files cannot be written.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }

    /// Stops the controller after what is queued, and waits until its files are closed. Further
    /// submissions end in [`ControllerError::Stopped`]. Blocks; a second call does nothing.
    pub fn shutdown(&self) {
        let running = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(ControllerThread { stop, thread }) = running else {
            return;
        };
        drop(stop);
        if thread.join().is_err() {
            tracing::error!("the controller's thread panicked");
        }
    }

    /// Sets finalized levels of features, all or none, or only finds out whether that is allowed.
    ///
    /// # Errors
    /// The outer as [`Controller::submit`], the inner when a level is not allowed.
    pub async fn update_features(
        &self,
        node_id: i32,
        updates: &[FeatureUpdate],
        validate_only: bool,
    ) -> Result<Result<(), MetadataError>, ControllerError> {
        loop {
            let levels = match features::plan(&self.image(), node_id, updates) {
                Ok(levels) => levels,
                Err(error) => return Ok(Err(error)),
            };
            if validate_only {
                return Ok(Ok(()));
            }
            match self.submit(Command::UpdateFeatures(levels)).await? {
                // Another update came between, so the loop ends when nobody updates any more.
                Applied::FeaturesUpdated(Err(MetadataError::FeatureLevelChanged { .. })) => {}
                Applied::FeaturesUpdated(result) => return Ok(result),
                other => return Err(mismatch(&other)),
            }
        }
    }

    /// Finalizes the initial levels on a new cluster: one that has no `metadata.version`.
    fn finalize_initial_features(&self) -> Result<(), ControllerError> {
        if self.image().feature_level(features::METADATA_VERSION) != 0 {
            return Ok(());
        }
        match self.submit_blocking(Command::UpdateFeatures(features::initial_levels()))? {
            Applied::FeaturesUpdated(Ok(())) => Ok(()),
            Applied::FeaturesUpdated(Err(error)) => Err(ControllerError::Failed(error.to_string())),
            other => Err(mismatch(&other)),
        }
    }

    fn register(&self, registration: BrokerRegistration) -> Result<i64, ControllerError> {
        match self.submit_blocking(Command::RegisterBroker(registration))? {
            Applied::BrokerRegistered(Ok(epoch)) => Ok(epoch),
            Applied::BrokerRegistered(Err(error)) => {
                Err(ControllerError::Failed(error.to_string()))
            }
            other => Err(mismatch(&other)),
        }
    }
}

/// The block out of the outcome of [`Command::AllocateProducerIds`].
pub(super) fn producer_id_block(
    applied: Applied,
) -> Result<Result<ProducerIdBlock, MetadataError>, ControllerError> {
    match applied {
        Applied::ProducerIdsAllocated(result) => Ok(result),
        other => Err(mismatch(&other)),
    }
}

fn mismatch(applied: &Applied) -> ControllerError {
    ControllerError::Failed(format!("outcome of another command: {applied:?}"))
}

/// The controller's thread.
fn run(
    options: &NodeOptions,
    queue: mpsc::Receiver<Submission>,
    stop: oneshot::Receiver<()>,
    started: &std::sync::mpsc::SyncSender<Result<Arc<PublishedImage>, ControllerError>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = ControllerError::Failed(format!("cannot start a runtime: {error}"));
            // The receiver waits for exactly one message.
            drop(started.send(Err(error)));
            return;
        }
    };
    runtime.block_on(async {
        match Node::start(options).await {
            Ok(node) => {
                drop(started.send(Ok(node.published())));
                node.run(queue, stop).await;
            }
            Err(error) => drop(started.send(Err(error))),
        }
    });
}
