//! Asking for metadata: by age, on demand, and until a topic is there.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use ringbrook_protocol::messages::metadata_request::MetadataRequestTopic;
use ringbrook_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use ringbrook_protocol::{ResponseError, StrBytes};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::retries::Retries;
use super::{Backoff, Cluster, Inner};
use crate::config::MetadataRecovery;
use crate::error::{BrokerError, ClientError};
use crate::metadata::{LeaderHints, Metadata, TopicMetadata};

impl Cluster {
    /// Says that metadata may be wrong: it is refreshed soon, in the background.
    pub fn request_refresh(&self) {
        self.inner.is_stale.store(true, Ordering::Relaxed);
        self.inner.wanted.notify_one();
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

    /// Whether topics may be created by asking for them, where the broker does that
    /// (`auto.create.topics.enable`): `allow.auto.create.topics`. True at first.
    pub fn allow_topic_creation(&self, is_allowed: bool) {
        let may_create = &self.inner.may_create_topics;
        may_create.store(is_allowed, Ordering::Release);
    }

    /// Asks a broker for metadata now and publishes it. One attempt; callers at the same time share
    /// it. Dropping the future leaves what is known as it is.
    ///
    /// # Errors
    /// No broker answers.
    pub async fn refresh(&self) -> Result<Arc<Metadata>, ClientError> {
        let may_create = self.inner.may_create_topics.load(Ordering::Acquire);
        self.refresh_with(may_create).await
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
        self.inner.is_stale.store(false, Ordering::Relaxed);
        let answer = match self.ask(names.as_deref(), is_creating).await {
            Ok(answer) => answer,
            Err(error) => {
                self.inner.is_stale.store(true, Ordering::Relaxed);
                if error.response_error() == Some(ResponseError::RebootstrapRequired) {
                    self.rebootstrap();
                }
                return Err(error);
            }
        };
        // Topics that nobody wants any more are not kept, those wanted meanwhile are.
        let is_wanted = |name: &str| self.inner.interest.contains(name);
        self.inner.metadata.send_modify(|latest| {
            // Meanwhile leaders may have been learned from other answers.
            let updated = Metadata::updated(latest, answer, names.is_none(), is_wanted);
            *latest = Arc::new(updated);
        });
        let metadata = self.metadata();
        self.inner.drop_connections_to_others(&metadata);
        Ok(metadata)
    }

    /// Takes over leaders that a broker has told beside an error (KIP-951), without asking for
    /// metadata; says whether any is news.
    pub(crate) fn learn_leaders(&self, hints: &LeaderHints) -> bool {
        self.inner.metadata.send_if_modified(|latest| {
            let learned = latest.with_leaders(hints);
            let is_news = learned.is_some();
            if let Some(learned) = learned {
                *latest = Arc::new(learned);
            }
            is_news
        })
    }

    /// Forgets the brokers, so that `bootstrap.servers` are asked next (KIP-899, KIP-1102). Topics
    /// stay: their leader epochs tell old answers from new ones.
    fn rebootstrap(&self) {
        if self.config().metadata_recovery == MetadataRecovery::None {
            return;
        }
        warn!("starting again with bootstrap.servers");
        let metadata = Arc::new(self.metadata().without_nodes());
        self.inner.metadata.send_replace(Arc::clone(&metadata));
        self.inner.drop_connections_to_others(&metadata);
    }

    /// Makes sure that there is metadata, and that what is said to be wrong has been asked for
    /// again, if that is possible now.
    ///
    /// # Errors
    /// There is none and no broker can be asked.
    pub(super) async fn ensure_metadata(&self) -> Result<(), ClientError> {
        let is_known = self.metadata().received_at.is_some();
        if is_known && !self.inner.is_stale.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.refresh_with(false).await {
            Err(error) if !is_known => Err(error),
            _ => Ok(()),
        }
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
        if answer.brokers.is_empty() {
            return Err(ClientError::NoBroker {
                bootstrap: connection.address().to_string(),
                last: "its metadata lists no broker".to_owned(),
            });
        }
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
        self.held_topic(name, deadline).await
    }

    /// As [`Cluster::topic`], for callers that watch the topic or hold it themselves.
    pub(crate) async fn held_topic(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<Arc<TopicMetadata>, ClientError> {
        // An error that is known is asked about again: somebody may have given the right meanwhile.
        if let Ok(Some(topic)) = usable(&self.metadata(), name) {
            return Ok(topic);
        }
        let mut retries = Retries::new(self, deadline);
        loop {
            let outcome = timeout_at(deadline, self.topic_now(name)).await;
            if let Some(settled) = retries.settle(outcome) {
                return settled;
            }
            retries.pause(&format!("waiting for topic {name}")).await?;
        }
    }

    async fn topic_now(&self, name: &str) -> Result<Arc<TopicMetadata>, ClientError> {
        let metadata = self.refresh().await?;
        usable(&metadata, name)?.ok_or_else(|| {
            let topic = metadata.topic(name);
            let code = topic.map_or(0, |topic| topic.error_code);
            let missing = ResponseError::UnknownTopicOrPartition.code();
            let code = if code == 0 { missing } else { code };
            BrokerError::new(code, format!("topic {name}")).into()
        })
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
pub(super) async fn keep_fresh(inner: Weak<Inner>, wanted: Arc<Notify>) {
    let mut failing: Option<Failing> = None;
    loop {
        let Some(max_age) = inner.upgrade().map(|inner| inner.config.metadata_max_age) else {
            return;
        };
        // No handle is held while waiting: the last one's end wakes this up.
        let woken = tokio::time::timeout(max_age, wanted.notified()).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let cluster = Cluster { inner };
        if woken.is_err() && cluster.metadata().received_at.is_none() {
            continue;
        }
        let pause = match cluster.refresh_with(false).await {
            Ok(_) => {
                failing = None;
                cluster.config().retry_backoff
            }
            Err(error) => {
                warn!(%error, "metadata cannot be refreshed; trying again");
                wanted.notify_one();
                let failing = failing.get_or_insert_with(|| Failing {
                    since: Instant::now(),
                    backoff: Backoff::of_retries(cluster.config()),
                });
                if cluster.config().rebootstrap_trigger <= failing.since.elapsed() {
                    cluster.rebootstrap();
                    failing.since = Instant::now();
                }
                failing.backoff.next_pause()
            }
        };
        drop(cluster);
        tokio::time::sleep(pause).await;
    }
}

/// Metadata cannot be refreshed.
struct Failing {
    since: Instant,
    backoff: Backoff,
}

impl Inner {
    /// Connections to brokers that have left end by themselves when nobody uses them.
    fn drop_connections_to_others(&self, metadata: &Metadata) {
        let nodes = metadata.nodes();
        self.connections.forget_all_but(|address| {
            nodes.iter().any(|node| node.address == *address)
                || self.config.bootstrap_servers.contains(address)
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.wanted.notify_one();
    }
}

#[cfg(test)]
mod tests;
