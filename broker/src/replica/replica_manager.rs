//! The partitions that this broker serves, kept in step with the cluster's metadata.
//!
//! Readers take an immutable snapshot ([`Served`]); [`ReplicaManager::apply`] is the only writer.
//! It blocks on the file system and runs on a background thread, never on a core.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use ringbrook_engine::io::UringDisk;
use ringbrook_engine::{EngineError, LogConfig, LogManager};
use uuid::Uuid;

use super::partition::{Log, Partition};
use crate::controller::MetadataImage;
use crate::controller::image::TopicImage;
use crate::server::TopicLogConfig;

/// A topic's partitions on this broker; by partition number, `None` where the log could not be
/// opened.
pub(crate) struct TopicReplicas {
    image: Arc<TopicImage>,
    partitions: Vec<Option<Arc<Partition>>>,
}

/// What is served at a moment.
pub(crate) struct Served {
    /// The metadata that this was made from: what clients are told.
    pub(crate) image: Arc<MetadataImage>,
    by_name: HashMap<Arc<str>, Arc<TopicReplicas>, foldhash::fast::RandomState>,
    by_id: HashMap<Uuid, Arc<TopicReplicas>, foldhash::fast::RandomState>,
}

/// Why a partition is not served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotServed {
    /// No topic of that name, or no such partition in it.
    UnknownTopicOrPartition,
    /// No topic of that id.
    UnknownTopicId,
    /// The log of the partition could not be opened, or its log dir is offline.
    StorageFailed,
}

impl Served {
    fn nothing(image: Arc<MetadataImage>) -> Self {
        Self {
            image,
            by_name: HashMap::default(),
            by_id: HashMap::default(),
        }
    }

    fn add(&mut self, replicas: Arc<TopicReplicas>) {
        let (name, id) = (Arc::clone(&replicas.image.name), replicas.image.id);
        self.by_name.insert(name, Arc::clone(&replicas));
        self.by_id.insert(id, replicas);
    }

    /// The topics that are served and not in `image`.
    fn removed_in(&self, image: &MetadataImage) -> Vec<Arc<TopicReplicas>> {
        let topics = self.by_id.iter();
        let removed = topics.filter(|(id, _)| image.topic_by_id(**id).is_none());
        removed.map(|(_, replicas)| Arc::clone(replicas)).collect()
    }

    /// The same without `removed`.
    fn without(&self, removed: &[Arc<TopicReplicas>]) -> Self {
        let mut rest = Self::nothing(Arc::clone(&self.image));
        for replicas in self.by_id.values() {
            if !removed.iter().any(|removed| Arc::ptr_eq(removed, replicas)) {
                rest.add(Arc::clone(replicas));
            }
        }
        rest
    }

    /// The partition `index` of the topic called `topic`.
    pub(crate) fn partition(&self, topic: &str, index: i32) -> Result<&Arc<Partition>, NotServed> {
        self.replica(topic, index).and_then(online)
    }

    /// The partition `index` of the topic with `id`.
    pub(crate) fn partition_by_id(
        &self,
        id: Uuid,
        index: i32,
    ) -> Result<&Arc<Partition>, NotServed> {
        self.replica_by_id(id, index).and_then(online)
    }

    /// Like [`Served::partition`], also when its log dir went offline: an append says so itself.
    pub(crate) fn replica(&self, topic: &str, index: i32) -> Result<&Arc<Partition>, NotServed> {
        self.by_name
            .get(topic)
            .ok_or(NotServed::UnknownTopicOrPartition)?
            .replica(index)
    }

    /// [`Served::replica`] of the topic with `id`.
    pub(crate) fn replica_by_id(&self, id: Uuid, index: i32) -> Result<&Arc<Partition>, NotServed> {
        self.by_id
            .get(&id)
            .ok_or(NotServed::UnknownTopicId)?
            .replica(index)
    }

    /// Whether the partition is one of this broker's and its log dir is offline.
    pub(crate) fn is_offline(&self, topic: &str, index: i32) -> bool {
        self.partition(topic, index).err() == Some(NotServed::StorageFailed)
    }

    /// All partitions that are served, and those whose log dir went offline since.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.by_name
            .values()
            .flat_map(|topic| topic.partitions.iter().flatten())
    }
}

impl TopicReplicas {
    /// The partition, also when its log dir is offline.
    fn hosted(&self, index: i32) -> Option<&Arc<Partition>> {
        let index = usize::try_from(index).ok()?;
        self.partitions.get(index)?.as_ref()
    }

    fn replica(&self, index: i32) -> Result<&Arc<Partition>, NotServed> {
        let index = usize::try_from(index).map_err(|_| NotServed::UnknownTopicOrPartition)?;
        match self.partitions.get(index) {
            Some(Some(partition)) => Ok(partition),
            Some(None) => Err(NotServed::StorageFailed),
            None => Err(NotServed::UnknownTopicOrPartition),
        }
    }
}

fn online(partition: &Arc<Partition>) -> Result<&Arc<Partition>, NotServed> {
    if partition.is_offline() {
        Err(NotServed::StorageFailed)
    } else {
        Ok(partition)
    }
}

/// See the module's documentation.
pub(crate) struct ReplicaManager {
    logs: Arc<LogManager<UringDisk>>,
    topic_log_config: TopicLogConfig,
    served: ArcSwap<Served>,
    /// Held while metadata is applied, so that images are applied one after the other.
    applying: Mutex<()>,
}

impl ReplicaManager {
    /// Serves nothing until the first image is applied.
    pub(crate) fn new(
        logs: Arc<LogManager<UringDisk>>,
        topic_log_config: TopicLogConfig,
        image: Arc<MetadataImage>,
    ) -> Self {
        let served = ArcSwap::from_pointee(Served::nothing(image));
        Self {
            logs,
            topic_log_config,
            served,
            applying: Mutex::default(),
        }
    }

    /// What is served now.
    pub(crate) fn served(&self) -> arc_swap::Guard<Arc<Served>> {
        self.served.load()
    }

    /// The metadata that clients are told: topics whose partitions are being served.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.served.load().image)
    }

    /// Brings the served partitions in step with `image`: creates logs, changes configurations,
    /// deletes the logs of deleted topics. Blocks on the file system.
    ///
    /// A partition whose log cannot be created is logged and answered as a storage failure.
    pub(crate) fn apply(&self, image: &Arc<MetadataImage>) {
        let _applying = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = self.served.load_full();
        let removed = before.removed_in(image);
        if !removed.is_empty() {
            // Before anything new is opened: a new topic may have the name of a deleted one.
            before = Arc::new(before.without(&removed));
            self.served.store(Arc::clone(&before));
            for replicas in removed {
                self.delete_topic(&replicas);
            }
        }
        let mut after = Served::nothing(Arc::clone(image));
        for topic in image.topics() {
            let known = before.by_id.get(&topic.id);
            let replicas = match known {
                Some(known) if Arc::ptr_eq(&known.image, topic) => Arc::clone(known),
                _ => Arc::new(self.open_topic(&before.image, image, topic, known)),
            };
            after.add(replicas);
        }
        self.served.store(Arc::new(after));
        self.apply_configs(&before.image, image);
    }

    /// Sets aside the logs that were found on disk and belong to no topic of the metadata. Called
    /// once, after the first image is applied.
    pub(crate) fn set_strays_aside(&self) {
        self.logs.set_namesakes_aside();
        let served = self.served.load();
        for log in self.logs.logs() {
            let (topic, partition) = (log.topic(), log.partition());
            if served.partition(topic, partition).is_err()
                && served.image.partition(topic, partition).is_none()
                && let Err(error) = self.logs.set_aside_log(topic, partition)
            {
                not_served(topic, partition, error);
            }
        }
    }

    /// Opens or creates the logs of a topic; `before` is the metadata applied before `image`.
    fn open_topic(
        &self,
        before: &MetadataImage,
        image: &MetadataImage,
        topic: &Arc<TopicImage>,
        known: Option<&Arc<TopicReplicas>>,
    ) -> TopicReplicas {
        let config = self.topic_log_config.of(image, &topic.name);
        let before = before.topic_by_id(topic.id);
        let is_new = |index| before.is_none_or(|before| before.partition(index).is_none());
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for (partition, index) in topic.partitions.iter().zip(0i32..) {
            let existing = known.and_then(|known| known.hosted(index));
            let replica = match existing {
                Some(existing) => Ok(Arc::clone(existing)),
                None => self
                    .open_log(topic, index, &config, is_new(index))
                    .map(|log| Partition::new(Arc::clone(&topic.name), index, log)),
            };
            let led = replica.and_then(|replica| {
                replica.lead(partition.leader_epoch)?;
                Ok(replica)
            });
            partitions.push(
                led.map_err(|error| not_served(&topic.name, index, error))
                    .ok(),
            );
        }
        TopicReplicas {
            image: Arc::clone(topic),
            partitions,
        }
    }

    fn open_log(
        &self,
        topic: &TopicImage,
        index: i32,
        config: &LogConfig,
        is_new: bool,
    ) -> Result<Arc<Log>, EngineError> {
        let found = self.logs.log(&topic.name, index);
        let found_id = found.as_ref().and_then(|log| log.topic_id());
        match found {
            Some(log) if found_id.is_none_or(|id| id == topic.id) => Ok(log),
            Some(_) => {
                // Of an earlier topic of that name, whose deletion a crash kept from the disk.
                self.logs.set_aside_log(&topic.name, index)?;
                self.create_log(topic, index, config)
            }
            None => {
                if !is_new {
                    // Its log may lie in a dir that is offline: an empty one must not take its
                    // place.
                    self.logs.check_all_online()?;
                }
                self.create_log(topic, index, config)
            }
        }
    }

    /// Creates a log; a log dir that fails meanwhile does not keep it from another one.
    fn create_log(
        &self,
        topic: &TopicImage,
        index: i32,
        config: &LogConfig,
    ) -> Result<Arc<Log>, EngineError> {
        loop {
            let offline = self.logs.offline_dirs().len();
            let created = self.logs.create_log(&topic.name, index, topic.id, *config);
            match created {
                Err(error) if offline < self.logs.offline_dirs().len() => {
                    not_served(&topic.name, index, error);
                }
                created => return created,
            }
        }
    }

    /// Hands changed topic configurations to the logs.
    fn apply_configs(&self, before: &Arc<MetadataImage>, image: &Arc<MetadataImage>) {
        if image.configs_delta(before).is_empty() {
            return;
        }
        for (name, topic) in &self.served.load().by_name {
            let config = self.topic_log_config.of(image, name);
            for partition in topic.partitions.iter().flatten() {
                partition.log().update_config(config);
            }
        }
    }

    fn delete_topic(&self, replicas: &TopicReplicas) {
        for partition in replicas.partitions.iter().flatten() {
            partition.retire();
            if let Err(error) = self.logs.delete_log(partition.topic(), partition.index()) {
                let error = anyhow::Error::from(error);
                tracing::error!(
                    topic = &**partition.topic(),
                    partition = partition.index(),
                    error = format!("{error:#}"),
                    "log of a deleted topic not deleted"
                );
            }
        }
    }
}

fn not_served(topic: &str, partition: i32, error: EngineError) {
    let error = anyhow::Error::from(error);
    tracing::error!(
        topic,
        partition,
        error = format!("{error:#}"),
        "partition is not served"
    );
}
