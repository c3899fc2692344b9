//! The controller's thread: opens storage, runs openraft, feeds it the submitted commands.
//!
//! openraft writes one entry per call and waits for the disk. Commands that arrive meanwhile are
//! put into the next entry together (group commit), up to [`BATCH_COMMANDS_MAX`] and
//! [`BATCH_BYTES_MAX`]; the queue before that is bounded, and whoever submits waits for a place.
//!
//! One voter needs no heartbeats and no election timer, so openraft's tick is off. Its timer task
//! wakes all the same; the long intervals keep that to once in a minute and a half.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openraft::error::{ClientWriteError, Fatal, RaftError};
use openraft::{Config, ServerState, SnapshotPolicy};
use prost::Message;
use tokio::sync::{mpsc, oneshot};

use super::command::{Applied, Command};
use super::error::ControllerError;
use super::network::NoPeers;
use super::raft_types::{CommandBatch, Raft};
use super::record::commands::CommandRecord;
use super::state_machine::{PublishedImage, StateMachine};
use super::storage::{LogStore, SnapshotFile, StorageError, prepare_directory};

#[cfg(test)]
mod tests;

/// Most commands in one log entry.
pub(super) const BATCH_COMMANDS_MAX: usize = 256;

/// Most encoded bytes in one log entry, unless a single command is larger.
pub(super) const BATCH_BYTES_MAX: usize = 1 << 20;

/// The largest command in encoded bytes: 10,000 partitions of a topic take 100 KB.
pub(super) const COMMAND_BYTES_MAX: usize = 16 << 20;

/// How long a single voter may take to lead. It takes three writes; this is for a stuck disk.
const ELECTION_PATIENCE: Duration = Duration::from_secs(30);

/// Answers the submitter of one command.
pub(super) type Reply = oneshot::Sender<Result<Applied, ControllerError>>;

/// A command in the queue.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) command: Command,
    pub(super) encoded_bytes: usize,
    pub(super) reply: Reply,
}

impl Submission {
    /// Wraps a command and checks its size.
    pub(super) fn new(command: Command, reply: Reply) -> Result<Self, ControllerError> {
        let encoded_bytes = CommandRecord::from(&command).encoded_len();
        if COMMAND_BYTES_MAX < encoded_bytes {
            return Err(ControllerError::CommandTooLarge {
                bytes: encoded_bytes,
                bytes_max: COMMAND_BYTES_MAX,
            });
        }
        Ok(Self {
            command,
            encoded_bytes,
            reply,
        })
    }
}

/// What a node needs to know to start.
#[derive(Debug, Clone)]
pub(super) struct NodeOptions {
    pub(super) directory: PathBuf,
    pub(super) node_id: i32,
    pub(super) cluster_id: Arc<str>,
    pub(super) snapshot_log_bytes: u64,
}

/// A running Raft node with its storage.
pub(super) struct Node {
    raft: Raft,
    log: LogStore,
    published: Arc<PublishedImage>,
    snapshot_bytes: Arc<AtomicU64>,
    snapshot_log_bytes: u64,
    raft_id: u64,
}

impl Node {
    /// Opens the directory and becomes leader of the single-voter quorum. Entries of an earlier
    /// term are applied with the first command, as Raft has it: a leader that crashed before it
    /// could write an entry of its own term has nothing to commit them with.
    pub(super) async fn start(options: &NodeOptions) -> Result<Self, ControllerError> {
        let raft_id = u64::try_from(options.node_id).map_err(|_| {
            ControllerError::Failed(format!("node.id {} is negative", options.node_id))
        })?;
        let directory = &options.directory;
        prepare_directory(directory)?;
        let cluster_id = &options.cluster_id;
        let (snapshots, snapshot) = SnapshotFile::open(directory, Arc::clone(cluster_id))?;
        let recovered = LogStore::open(directory)?;
        let snapshot_end = snapshot.as_ref().and_then(|stored| stored.meta.last_log_id);
        if snapshot_end < recovered.purged {
            return Err(ControllerError::Storage(StorageError::Corrupt {
                path: directory.join("snapshot"),
                position: 0,
                reason: "absent or older than the start of the log".to_owned(),
            }));
        }
        if 0 < recovered.torn_bytes {
            tracing::warn!(
                torn_bytes = recovered.torn_bytes,
                "metadata log ended in a torn write, cut off"
            );
        }
        tracing::info!(
            entries = recovered.entries,
            snapshot = snapshot_end.is_some(),
            "opened metadata log"
        );
        let state_machine = StateMachine::new(snapshots, snapshot, Arc::clone(cluster_id));
        let (published, snapshot_bytes) =
            (state_machine.published(), state_machine.snapshot_bytes());
        let log = recovered.store.clone();
        let raft = Raft::new(
            raft_id,
            raft_config()?,
            NoPeers,
            recovered.store,
            state_machine,
        )
        .await
        .map_err(fatal)?;
        let snapshot_log_bytes = options.snapshot_log_bytes;
        let node = Self {
            raft,
            log,
            published,
            snapshot_bytes,
            snapshot_log_bytes,
            raft_id,
        };
        node.lead(options).await?;
        Ok(node)
    }

    /// Where the images are published.
    pub(super) fn published(&self) -> Arc<PublishedImage> {
        Arc::clone(&self.published)
    }

    /// Bootstraps the quorum on the first start, takes up its lead on later ones, and waits for it.
    async fn lead(&self, options: &NodeOptions) -> Result<(), ControllerError> {
        if self.raft.is_initialized().await.map_err(fatal)? {
            let metrics = self.raft.metrics().borrow().clone();
            let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
            if !voters.contains(&self.raft_id) {
                return Err(ControllerError::WrongNode {
                    dir: options.directory.clone(),
                    expected: options.node_id,
                    found: voters,
                });
            }
            // Does nothing when the stored vote says that this node leads already.
            self.raft.trigger().elect().await.map_err(fatal)?;
        } else {
            self.raft
                .initialize(BTreeSet::from([self.raft_id]))
                .await
                .map_err(|error| ControllerError::Failed(error.to_string()))?;
        }
        self.raft
            .wait(Some(ELECTION_PATIENCE))
            .state(ServerState::Leader, "lead the metadata quorum")
            .await
            .map(|_| ())
            .map_err(|error| ControllerError::Failed(error.to_string()))
    }

    /// Carries out commands until `stop` says so or its sender is gone, then those still queued,
    /// and shuts openraft down.
    pub(super) async fn run(
        self,
        mut queue: mpsc::Receiver<Submission>,
        mut stop: oneshot::Receiver<()>,
    ) {
        let mut carried_over = None;
        loop {
            let first = match carried_over.take() {
                Some(submission) => submission,
                None => tokio::select! {
                    submission = next(&mut queue, &mut stop) => match submission {
                        Some(submission) => submission,
                        None => break,
                    },
                    // Who waits for the controller's end hears of it; nothing can be written.
                    () = broken(&self.raft) => {
                        tracing::error!("the metadata cannot be written any more");
                        break;
                    }
                },
            };
            let batch;
            (batch, carried_over) = fill_batch(first, &mut queue);
            self.carry_out(batch).await;
            self.snapshot_if_due().await;
        }
        if let Err(error) = self.raft.shutdown().await {
            tracing::error!(%error, "controller did not shut down cleanly");
        }
    }

    async fn carry_out(&self, batch: Vec<Submission>) {
        let (commands, replies): (Vec<Command>, Vec<Reply>) = batch
            .into_iter()
            .map(|submission| (submission.command, submission.reply))
            .unzip();
        let written = self.raft.client_write(CommandBatch(commands.into())).await;
        let mut outcomes = match written {
            Ok(response) => response.data.0.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => {
                let error = write_failure(error);
                tracing::error!(%error, "metadata commands failed");
                vec![Err(error); replies.len()]
            }
        };
        assert_eq!(outcomes.len(), replies.len(), "a command has no outcome");
        for (reply, outcome) in replies.into_iter().zip(outcomes.drain(..)) {
            // Who submitted may have stopped waiting; the command is applied all the same.
            drop(reply.send(outcome));
        }
    }

    /// Has a snapshot written when the log is large in itself and compared with the last snapshot:
    /// so all snapshots together write at most as much as the log did.
    async fn snapshot_if_due(&self) {
        let due = self
            .snapshot_log_bytes
            .max(self.snapshot_bytes.load(Ordering::Relaxed));
        if due < self.log.len_bytes()
            && let Err(error) = self.raft.trigger().snapshot().await
        {
            tracing::error!(%error, "metadata snapshot could not be started");
        }
    }
}

/// Waits until a storage failure, which is final, has ended openraft.
async fn broken(raft: &Raft) {
    let mut metrics = raft.metrics();
    while metrics.borrow_and_update().running_state.is_ok() {
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

/// The next submission; `None` when the controller stops and nothing is queued any more.
async fn next(
    queue: &mut mpsc::Receiver<Submission>,
    stop: &mut oneshot::Receiver<()>,
) -> Option<Submission> {
    if !queue.is_closed() {
        tokio::select! {
            submission = queue.recv() => return submission,
            _ = stop => queue.close(),
        }
    }
    queue.recv().await
}

/// Takes what else is waiting, up to the limits of a batch; the second is what no longer fitted.
fn fill_batch(
    first: Submission,
    queue: &mut mpsc::Receiver<Submission>,
) -> (Vec<Submission>, Option<Submission>) {
    let mut bytes = first.encoded_bytes;
    let mut batch = vec![first];
    while batch.len() < BATCH_COMMANDS_MAX {
        let Ok(next) = queue.try_recv() else { break };
        bytes += next.encoded_bytes;
        if BATCH_BYTES_MAX < bytes {
            return (batch, Some(next));
        }
        batch.push(next);
    }
    (batch, None)
}

fn raft_config() -> Result<Arc<Config>, ControllerError> {
    let config = Config {
        cluster_name: "metadata".to_owned(),
        enable_tick: false,
        heartbeat_interval: 60_000,
        election_timeout_min: 120_000,
        election_timeout_max: 180_000,
        // Snapshots are triggered by size; what a snapshot covers is purged at once.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        ..Config::default()
    };
    let config = config.validate();
    config
        .map(Arc::new)
        .map_err(|error| ControllerError::Failed(error.to_string()))
}

fn fatal(error: Fatal<u64>) -> ControllerError {
    match error {
        Fatal::Stopped => ControllerError::Stopped,
        other => ControllerError::Failed(other.to_string()),
    }
}

fn write_failure(
    error: RaftError<u64, ClientWriteError<u64, openraft::EmptyNode>>,
) -> ControllerError {
    match error {
        RaftError::Fatal(error) => fatal(error),
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
            let leader = forward.leader_id.and_then(|id| i32::try_from(id).ok());
            ControllerError::NotController { leader }
        }
        RaftError::APIError(other) => ControllerError::Failed(other.to_string()),
    }
}
