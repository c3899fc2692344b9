//! Asking for metadata: by age, on demand, and until a topic is there.

use std::sync::{Arc, Weak};

use ringbrook_protocol::messages::metadata_request::MetadataRequestTopic;
use ringbrook_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use ringbrook_protocol::{ResponseError, StrBytes};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::warn;

use super::{Backoff, Cluster, Inner};
use crate::error::{BrokerError, ClientError};
use crate::metadata::{Metadata, TopicMetadata};

impl Cluster {
    /// Says that metadata may be wrong: it is refreshed soon, in the background.
    pub fn request_refresh(&self) {
        self.inner.is_stale.notify_one();
    }

    /// Keeps a topic's metadata from now on; says whether that is new. It is there after the next
    /// refresh.
    pub fn watch_topic(&self, name: &str) -> bool {
        self.inner.interest.add(name)
    }

    /// Keeps a topic's metadata no longer.
    pub fn unwatch_topic(&self, name: &str) {
        self.inner.interest.remove(name);
    }

    /// Whether the metadata of all topics is kept: for subscriptions by pattern.
    pub fn watch_all_topics(&self, is_all: bool) {
        self.inner.interest.set_all(is_all);
    }

    /// Asks a broker for metadata now and publishes it. One attempt; callers at the same time share
    /// it.
    ///
    /// # Errors
    /// No broker answers.
    pub async fn refresh(&self) -> Result<Arc<Metadata>, ClientError> {
        self.refresh_with(true).await
    }

    /// As [`Cluster::refresh`], without creating topics that do not exist.
    ///
    /// # Errors
    /// See [`Cluster::refresh`].
    pub async fn refresh_existing(&self) -> Result<Arc<Metadata>, ClientError> {
        self.refresh_with(false).await
    }

    async fn refresh_with(&self, is_creating: bool) -> Result<Arc<Metadata>, ClientError> {
        let asked_at = Instant::now();
        let _one_at_a_time = self.inner.refreshing.lock().await;
        let latest = self.metadata();
        // While this caller waited, another one asked after it had come.
        if latest
            .received_at
            .is_some_and(|received_at| asked_at < received_at)
            && self.knows_all_wanted(&latest)
        {
            return Ok(latest);
        }
        let names = self.inner.interest.names();
        let answer = self.ask(names.as_deref(), is_creating).await?;
        let metadata = Metadata::updated(&latest, answer, names.is_none());
        let metadata = Arc::new(metadata);
        self.inner.metadata.send_replace(Arc::clone(&metadata));
        Ok(metadata)
    }

    fn knows_all_wanted(&self, metadata: &Metadata) -> bool {
        let names = self.inner.interest.names();
        names.is_some_and(|names| names.iter().all(|name| metadata.topic(name).is_some()))
    }

    async fn ask(
        &self,
        names: Option<&[Arc<str>]>,
        is_creating: bool,
    ) -> Result<MetadataResponse, ClientError> {
        let connection = self.any_connection().await?;
        let version = connection.version_of::<MetadataRequest>()?;
        let topics = names.map(|names| {
            let topic = |name: &Arc<str>| {
                let name = TopicName(StrBytes::from_string(name.to_string()));
                MetadataRequestTopic::default().with_name(Some(name))
            };
            names.iter().map(topic).collect()
        });
        let request = MetadataRequest::default()
            .with_topics(topics)
            .with_allow_auto_topic_creation(is_creating);
        let answer = connection.call(version, &request).await?;
        BrokerError::check(answer.error_code, "asking for metadata")?;
        Ok(answer)
    }

    /// A topic's metadata, waiting until `deadline` for the topic to be there. The topic is kept
    /// from now on, and created if the broker creates topics by itself.
    ///
    /// # Errors
    /// The topic is not there in time, or the broker says that it cannot be.
    pub async fn topic(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<Arc<TopicMetadata>, ClientError> {
        self.watch_topic(name);
        if let Some(topic) = usable(&self.metadata(), name)? {
            return Ok(topic);
        }
        self.retry(&format!("waiting for topic {name}"), deadline, async || {
            let metadata = self.refresh().await?;
            usable(&metadata, name)?.ok_or_else(|| {
                let topic = metadata.topic(name);
                let code = topic.map_or(0, |topic| topic.error_code);
                let missing = ResponseError::UnknownTopicOrPartition.code();
                let code = if code == 0 { missing } else { code };
                BrokerError::new(code, format!("topic {name}")).into()
            })
        })
        .await
    }
}

/// The topic when it can be used; nothing when it may be there later.
fn usable(metadata: &Metadata, name: &str) -> Result<Option<Arc<TopicMetadata>>, ClientError> {
    let Some(topic) = metadata.topic(name) else {
        return Ok(None);
    };
    if topic.error_code == 0 {
        return Ok(Some(Arc::clone(topic)));
    }
    let error = BrokerError::new(topic.error_code, format!("topic {name}"));
    if error.is_retriable() {
        return Ok(None);
    }
    Err(error.into())
}

/// Refreshes by age and on demand for as long as there are handles.
pub(super) async fn keep_fresh(inner: Weak<Inner>, is_stale: Arc<Notify>) {
    let mut failures = None;
    loop {
        let Some(max_age) = inner.upgrade().map(|inner| inner.config.metadata_max_age) else {
            return;
        };
        // No handle is held while waiting: the last one's end wakes this up.
        let woken = tokio::time::timeout(max_age, is_stale.notified()).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let cluster = Cluster { inner };
        if woken.is_err() && cluster.metadata().received_at.is_none() {
            continue;
        }
        let pause = match cluster.refresh_with(false).await {
            Ok(_) => {
                failures = None;
                cluster.config().retry_backoff
            }
            Err(error) => {
                warn!(%error, "metadata cannot be refreshed; trying again");
                is_stale.notify_one();
                let backoff = failures.get_or_insert_with(|| Backoff::of_retries(cluster.config()));
                backoff.next_pause()
            }
        };
        drop(cluster);
        tokio::time::sleep(pause).await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.is_stale.notify_one();
    }
}
