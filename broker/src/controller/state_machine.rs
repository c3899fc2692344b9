//! openraft's state machine: applies committed entries, publishes the image, keeps snapshots.
//!
//! The image lives in memory; after a restart it is the last snapshot plus the log behind it. What
//! a command does is in `apply.rs`, this file only drives it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use openraft::storage::RaftStateMachine;
use openraft::{AnyError, EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageIOError};
use tokio::sync::watch;

use super::apply::apply;
use super::image::MetadataImage;
use super::raft_types::{
    BatchOutcome, CommandBatch, Entry, LogId, RaftStorageError, Snapshot, SnapshotBytes,
    SnapshotMeta, StoredMembership, TypeConfig,
};
use super::storage::{SnapshotFile, StorageError, StoredSnapshot};

#[cfg(test)]
mod tests;

/// The image everybody reads, and the news that there is another one.
#[derive(Debug)]
pub(super) struct PublishedImage {
    image: ArcSwap<MetadataImage>,
    version: watch::Sender<u64>,
}

impl PublishedImage {
    /// Publishes a first image.
    pub(super) fn new(image: MetadataImage) -> Self {
        let version = watch::Sender::new(image.version());
        Self {
            image: ArcSwap::from_pointee(image),
            version,
        }
    }

    /// The latest image.
    pub(super) fn load(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// Receives the version of each image after it can be loaded.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn publish(&self, image: MetadataImage) {
        let version = image.version();
        self.image.store(Arc::new(image));
        self.version.send_replace(version);
    }
}

/// The replicated state of one node.
#[derive(Debug)]
pub(super) struct StateMachine {
    image: MetadataImage,
    last_applied: Option<LogId>,
    last_membership: StoredMembership,
    snapshots: SnapshotFile,
    /// Size of the latest snapshot: the log may grow to it before the next one is worth writing.
    snapshot_bytes: Arc<AtomicU64>,
    published: Arc<PublishedImage>,
}

impl StateMachine {
    /// The state of `snapshot`, or the empty one.
    pub(super) fn new(
        snapshots: SnapshotFile,
        snapshot: Option<StoredSnapshot>,
        cluster_id: Arc<str>,
    ) -> Self {
        let (image, meta, bytes) = snapshot.map_or_else(
            || (MetadataImage::empty(cluster_id), SnapshotMeta::default(), 0),
            |stored| (stored.image, stored.meta, stored.content.len()),
        );
        Self {
            last_applied: meta.last_log_id,
            last_membership: meta.last_membership,
            snapshots,
            snapshot_bytes: Arc::new(AtomicU64::new(bytes as u64)),
            published: Arc::new(PublishedImage::new(image.clone())),
            image,
        }
    }

    /// Where the images are published.
    pub(super) fn published(&self) -> Arc<PublishedImage> {
        Arc::clone(&self.published)
    }

    /// Size in bytes of the latest snapshot, as it changes.
    pub(super) fn snapshot_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.snapshot_bytes)
    }

    fn apply_entry(&mut self, entry: Entry) -> BatchOutcome {
        let log_id = entry.log_id;
        self.last_applied = Some(log_id);
        self.image.place_at(Some(&log_id));
        match entry.payload {
            EntryPayload::Blank => BatchOutcome(Vec::new()),
            EntryPayload::Normal(CommandBatch(commands)) => {
                let outcome = |command| apply(&mut self.image, command, log_id.index);
                BatchOutcome(commands.iter().map(outcome).collect())
            }
            EntryPayload::Membership(membership) => {
                self.last_membership = StoredMembership::new(Some(log_id), membership);
                BatchOutcome(Vec::new())
            }
        }
    }
}

fn write_error(error: StorageError) -> RaftStorageError {
    StorageIOError::write_snapshot(None, AnyError::new(&error)).into()
}

fn read_error(error: StorageError) -> RaftStorageError {
    StorageIOError::read_snapshot(None, AnyError::new(&error)).into()
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId>, StoredMembership), RaftStorageError> {
        Ok((self.last_applied, self.last_membership.clone()))
    }

    /// Applies the entries and publishes one image for all of them, before anybody hears of an
    /// outcome: who submitted a command finds it in the image.
    async fn apply<I>(&mut self, entries: I) -> Result<Vec<BatchOutcome>, RaftStorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let outcomes = entries
            .into_iter()
            .map(|entry| self.apply_entry(entry))
            .collect();
        self.published.publish(self.image.clone());
        Ok(outcomes)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            image: self.image.clone(),
            last_applied: self.last_applied,
            last_membership: self.last_membership.clone(),
            snapshots: self.snapshots.clone(),
            snapshot_bytes: Arc::clone(&self.snapshot_bytes),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<SnapshotBytes>, RaftStorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta,
        snapshot: Box<SnapshotBytes>,
    ) -> Result<(), RaftStorageError> {
        // Place and membership are part of the content, so `_meta` tells nothing new.
        let stored = self.snapshots.install(snapshot.0).map_err(write_error)?;
        self.snapshot_bytes
            .store(stored.content.len() as u64, Ordering::Relaxed);
        self.last_applied = stored.meta.last_log_id;
        self.last_membership = stored.meta.last_membership;
        self.image = stored.image;
        self.published.publish(self.image.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, RaftStorageError> {
        let stored = self.snapshots.read().map_err(read_error)?;
        Ok(stored.map(|stored| Snapshot {
            meta: stored.meta,
            snapshot: Box::new(SnapshotBytes(stored.content)),
        }))
    }
}

/// Writes a snapshot of the image it was made with, while the state machine goes on.
#[derive(Debug)]
pub(super) struct SnapshotBuilder {
    image: MetadataImage,
    last_applied: Option<LogId>,
    last_membership: StoredMembership,
    snapshots: SnapshotFile,
    snapshot_bytes: Arc<AtomicU64>,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    /// Encodes and writes on a thread of its own: with many topics it takes longer than a
    /// heartbeat.
    async fn build_snapshot(&mut self) -> Result<Snapshot, RaftStorageError> {
        let (image, snapshots) = (self.image.clone(), self.snapshots.clone());
        let (last_applied, membership) = (self.last_applied, self.last_membership.clone());
        let written =
            tokio::task::spawn_blocking(move || snapshots.write(&image, last_applied, membership))
                .await
                .map_err(|panic| StorageIOError::write_snapshot(None, AnyError::new(&panic)))?;
        let (meta, content) = written.map_err(write_error)?;
        self.snapshot_bytes
            .store(content.len() as u64, Ordering::Relaxed);
        Ok(Snapshot {
            meta,
            snapshot: Box::new(SnapshotBytes(content)),
        })
    }
}
