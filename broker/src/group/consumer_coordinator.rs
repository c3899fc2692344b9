//! What the handlers of the consumer group APIs call (KIP-848), and what consumer groups need done
//! outside of a shard's lock: finding the topics of regular expressions, and reading a partition
//! back whose groups are ahead of its log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::assignor::resolve_topic_regexes;
use super::consumer::describe::DescribedConsumerGroup;
use super::consumer::request::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, Refused};
use super::coordinator::GroupCoordinator;
use super::entry::Group;
use super::error::GroupError;
use super::shard::Shard;

/// How long to wait after the first failed attempt to read a partition back; doubled each time.
const RELOAD_DELAY_MIN: Duration = Duration::from_millis(100);
const RELOAD_DELAY_MAX: Duration = Duration::from_secs(5);

impl GroupCoordinator {
    /// Whether consumer groups may be used at all.
    pub fn allows_consumer_protocol(&self) -> bool {
        self.cluster().allows_consumer_protocol()
    }

    /// ConsumerGroupHeartbeat. Resolves when what the answer says is on disk.
    ///
    /// # Errors
    /// `InvalidRequest` and `UnsupportedAssignor` for a request that cannot be; `GroupIdNotFound`;
    /// what `ConsumerGroup::heartbeat` and `ConsumerGroup::leave` refuse; a failed write.
    pub async fn consumer_group_heartbeat(
        &self,
        mut request: ConsumerHeartbeat,
    ) -> Result<ConsumerHeartbeatAnswer, Refused> {
        request.validate(&self.config().consumer)?;
        if request.member_id.is_empty() {
            request.member_id = Arc::from(Uuid::new_v4().to_string());
        }
        let shard = self.shard_of(&request.group_id)?;
        let now = self.environment().now();
        let receiver = shard.lock_active()?.consumer_heartbeat(&request, now);
        self.drain_if_needed(&shard);
        receiver
            .await
            .unwrap_or_else(|_| Err(GroupError::NotCoordinator.into()))
    }

    /// ConsumerGroupDescribe for one group.
    ///
    /// # Errors
    /// `GroupIdNotFound`, and what concerns the coordinator.
    pub fn describe_consumer_group(
        &self,
        group_id: &str,
    ) -> Result<DescribedConsumerGroup, Refused> {
        let shard = self.shard_of(group_id)?;
        let state = shard.lock_active()?;
        match state.groups.get(group_id).map(|entry| &entry.group) {
            Some(Group::Consumer(group)) if !group.is_dead() => {
                Ok(group.describe(&self.config().consumer))
            }
            Some(Group::Classic(_)) => {
                let text = format!("Group {group_id} is not a consumer group.");
                Err(Refused::new(GroupError::GroupIdNotFound, text))
            }
            Some(Group::Consumer(_)) | None => {
                let text = format!("Group {group_id} not found.");
                Err(Refused::new(GroupError::GroupIdNotFound, text))
            }
        }
    }

    /// Finds the topics that match a group's regular expressions, on a thread that may block, and
    /// tells the group.
    pub(crate) async fn resolve_regexes(
        self,
        shard: Arc<Shard>,
        group_id: Arc<str>,
        regexes: BTreeSet<Arc<str>>,
    ) {
        let topics = self.cluster().topics();
        let searched = Arc::clone(&topics);
        let task = move || resolve_topic_regexes(&regexes, &*searched);
        let found = tokio::task::spawn_blocking(task).await;
        if let Err(error) = &found {
            tracing::error!(group = %group_id, %error, "cannot resolve regular expressions");
        }
        let now = self.environment().now();
        shard
            .lock()
            .regexes_resolved(&group_id, found.ok(), &*topics, now);
        self.drain_if_needed(&shard);
    }

    /// Reads the shard's partition back if its groups are ahead of its log. Members get
    /// `CoordinatorLoadInProgress` meanwhile and go on with what was written.
    pub(crate) async fn reload_if_lost(&self, shard: &Arc<Shard>) {
        let is_lost = std::mem::take(&mut shard.lock().must_reload);
        if !is_lost || !self.give_up(shard) {
            return;
        }
        let mut delay = RELOAD_DELAY_MIN;
        loop {
            match self.load(shard.partition).await {
                Ok(loaded) => {
                    tracing::info!(partition = shard.partition, ?loaded, "groups read back");
                    return;
                }
                // It has been given to somebody else, or is gone.
                Err(GroupError::NotCoordinator | GroupError::UnknownTopicOrPartition) => return,
                Err(error) => {
                    tracing::warn!(partition = shard.partition, %error, "groups not read back");
                    tokio::time::sleep(delay).await;
                    delay = RELOAD_DELAY_MAX.min(delay * 2);
                }
            }
        }
    }
}
