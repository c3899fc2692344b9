//! The consumer's side of its group: it carries out in `poll` what a rebalance asks for, commits by
//! time, and leaves at the end. Who is a member how is the matter of [`super::group`]; the requests
//! of commits are [`super::commit`]'s.
//!
//! **Invariant:** listeners run in `poll`, `unsubscribe` and `close` only, one at a time.

mod commits;
mod steps;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::assignor::{Assignor, assignor_by_name};
use super::commit::{CommitQueue, Committer, Offsets};
use super::coordinator::Coordinator;
use super::group::settings::{GroupMembershipOperation, GroupSettings};
use super::group::{Application, GroupTask, Membership, Seat, Wanted};
use super::interceptor::OnCommit;
use super::listener::RebalanceListener;
use super::shared::Shared;
use super::subscription_state::Subscription;
use crate::config::{ConfigError, ConsumerConfig, GroupProtocol};
use crate::error::ClientError;
use crate::metadata::Metadata;
use crate::topic_partition::TopicPartition;

/// A consumer's group, from the consumer's side.
pub(super) struct GroupCoordinator {
    pub(super) inner: Arc<Inner>,
    /// The step under way. It outlives the poll that began it.
    stepping: tokio::sync::Mutex<Option<BoxFuture<'static, ()>>>,
    task: JoinHandle<()>,
}

/// What steps and listeners need.
pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    pub(super) seat: Arc<Seat>,
    subscriber: Arc<Subscriber>,
    committer: Committer,
    commits: CommitQueue,
    listener: Mutex<Option<Arc<dyn RebalanceListener>>>,
    /// When positions are committed next; nothing without `enable.auto.commit`.
    auto_commit_at: Mutex<Option<Instant>>,
    /// The application's listener runs now.
    is_listening: AtomicBool,
}

/// What the group's task sees of the consumer.
struct Subscriber {
    shared: Arc<Shared>,
    /// The group is being left, whatever is subscribed to.
    is_leaving: AtomicBool,
    /// What a pattern was matched with: metadata older than this says nothing to it.
    matched_at: Mutex<Option<Instant>>,
}

impl GroupCoordinator {
    /// The group's side of a consumer. `assignors` come before those that the configuration names.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The configuration names an assignor that does not exist.
    pub(super) fn new(
        shared: Arc<Shared>,
        group_id: &str,
        assignors: Vec<Arc<dyn Assignor>>,
        on_commit: OnCommit,
    ) -> Result<Self, ConfigError> {
        let settings = Arc::new(settings_of(&shared.config, group_id));
        let assignors = all_assignors(&shared.config, assignors)?;
        let membership = membership(&shared.config, &settings, assignors.clone());
        let seat = Arc::new(Seat::new(membership));
        let subscriber = Arc::new(Subscriber {
            shared: Arc::clone(&shared),
            is_leaving: AtomicBool::new(false),
            matched_at: Mutex::default(),
        });
        let task = GroupTask {
            cluster: shared.cluster.clone(),
            settings: Arc::clone(&settings),
            assignors,
            seat: Arc::clone(&seat),
            application: Arc::clone(&subscriber) as Arc<dyn Application>,
        };
        let committer = Committer {
            cluster: shared.cluster.clone(),
            group_id: Arc::clone(&settings.group_id),
            instance_id: settings.instance_id.clone(),
        };
        let config = &shared.config;
        let auto_commit_at = config
            .enable_auto_commit
            .then(|| Instant::now() + config.auto_commit_interval);
        let inner = Inner {
            seat,
            subscriber,
            commits: CommitQueue::new(committer.clone(), on_commit),
            committer,
            listener: Mutex::default(),
            auto_commit_at: Mutex::new(auto_commit_at),
            is_listening: AtomicBool::new(false),
            shared,
        };
        Ok(Self {
            inner: Arc::new(inner),
            stepping: tokio::sync::Mutex::default(),
            task: tokio::spawn(task.run()),
        })
    }

    /// Subscribes, or changes the subscription and its listener.
    ///
    /// # Errors
    /// Partitions were assigned by hand.
    pub(super) fn subscribe(
        &self,
        subscription: Subscription,
        listener: Option<Arc<dyn RebalanceListener>>,
    ) -> Result<(), ClientError> {
        let inner = &self.inner;
        inner.shared.lock().subscriptions.subscribe(subscription)?;
        *inner.listener() = listener;
        *inner.subscriber.matched_at() = Some(Instant::now());
        // For what the broker matches, names of topics that are known here by their ids only.
        let needs_all = inner.shared.lock().subscriptions.is_by_pattern();
        inner.shared.cluster.watch_all_topics(needs_all);
        if needs_all {
            inner.shared.cluster.request_refresh();
        }
        inner.shared.watch_topics();
        inner.seat.wake_task();
        Ok(())
    }

    /// Gives up all partitions, leaves the group and ends the subscription; when the future is
    /// dropped, without waiting for the group and the listener.
    ///
    /// # Errors
    /// The group could not be told in time; it notices at the session timeout.
    pub(super) async fn unsubscribe(&self, deadline: Instant) -> Result<(), ClientError> {
        let _ended = EndOfSubscription(&self.inner);
        self.leave(GroupMembershipOperation::Default, deadline)
            .await
    }

    async fn leave(
        &self,
        operation: GroupMembershipOperation,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let seat = &self.inner.seat;
        self.inner
            .subscriber
            .is_leaving
            .store(true, Ordering::Release);
        seat.leave(operation);
        let leaving = async {
            self.run_steps(deadline).await;
            loop {
                let mut changed = std::pin::pin!(seat.changed());
                changed.as_mut().enable();
                if seat.lock().has_left() {
                    return;
                }
                changed.await;
            }
        };
        let started = Instant::now();
        tokio::time::timeout_at(deadline, leaving)
            .await
            .map_err(|_| ClientError::Timeout {
                what: format!("leaving group {}", self.inner.committer.group_id),
                after: started.elapsed(),
                last: None,
            })
    }

    /// Commits what is to be committed, runs the listener and leaves.
    ///
    /// # Errors
    /// Offsets could not be committed, or the group could not be told in time.
    pub(super) async fn close(
        &self,
        operation: GroupMembershipOperation,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let inner = &self.inner;
        let is_by_hand = !inner.shared.lock().subscriptions.is_auto_assigned();
        let committed = if is_by_hand && inner.shared.config.enable_auto_commit {
            // With a subscription that is done before partitions are given up.
            inner.commit_until(inner.consumed(), deadline).await
        } else {
            Ok(())
        };
        let left = self.leave(operation, deadline).await;
        inner.commits.flush(deadline).await;
        committed.and(left)
    }
}

/// Ends the subscription when it goes, however far leaving the group has come.
struct EndOfSubscription<'a>(&'a Inner);

impl Drop for EndOfSubscription<'_> {
    fn drop(&mut self) {
        let inner = self.0;
        inner.shared.lock().subscriptions.unsubscribe();
        *inner.listener() = None;
        // Nothing is subscribed to: the group's task goes on leaving without this.
        inner.subscriber.is_leaving.store(false, Ordering::Release);
        inner.shared.assignment_changed();
    }
}

impl Coordinator for GroupCoordinator {
    fn on_poll(&self, deadline: Instant) -> BoxFuture<'_, Result<(), ClientError>> {
        async move {
            let inner = &self.inner;
            let now = Instant::now();
            let (is_new, has_news) = {
                let mut membership = inner.seat.lock();
                (membership.on_poll(now), membership.has_news())
            };
            if is_new {
                inner.seat.wake_task();
            }
            inner.commit_by_time(now);
            if has_news {
                self.run_steps(deadline).await;
            }
            // Taken when nothing is awaited any more: a poll that is dropped must not keep it.
            let error = inner.seat.lock().take_error();
            match error {
                None => Ok(()),
                Some(error) => {
                    inner.seat.wake_task();
                    Err(error)
                }
            }
        }
        .boxed()
    }

    fn committed(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> BoxFuture<'_, Result<Offsets, ClientError>> {
        async move { self.inner.committed_once(&partitions).await }.boxed()
    }
}

impl Drop for GroupCoordinator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inner {
    /// `group.id`.
    pub(super) fn group_id(&self) -> &Arc<str> {
        &self.committer.group_id
    }

    fn listener(&self) -> std::sync::MutexGuard<'_, Option<Arc<dyn RebalanceListener>>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `default.api.timeout.ms` from now.
    pub(super) fn api_deadline(&self) -> Instant {
        Instant::now() + self.shared.config.default_api_timeout
    }
}

impl Subscriber {
    fn matched_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.matched_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The topics that the pattern matches, if metadata is newer than what it was matched with.
    fn match_anew(&self, metadata: &Metadata) {
        let mut matched_at = self.matched_at();
        if metadata.received_at <= *matched_at {
            return;
        }
        *matched_at = metadata.received_at;
        drop(matched_at);
        let excludes_internal = self.shared.config.exclude_internal_topics;
        let mut state = self.shared.lock();
        let Subscription::Pattern(pattern, _) = state.subscriptions.subscription() else {
            return;
        };
        let matched = metadata
            .topics()
            .into_iter()
            .filter(|topic| topic.error_code == 0 && !(excludes_internal && topic.is_internal))
            .filter(|topic| pattern.is_match(&topic.name))
            .map(|topic| Arc::clone(&topic.name))
            .collect();
        state.subscriptions.set_matched_topics(matched);
    }
}

impl Application for Subscriber {
    fn wanted(&self, metadata: &Metadata) -> Option<Wanted> {
        if self.is_leaving.load(Ordering::Acquire) {
            return None;
        }
        self.match_anew(metadata);
        let state = self.shared.lock();
        match state.subscriptions.subscription() {
            Subscription::Topics(topics) | Subscription::Pattern(_, topics) => Some(Wanted {
                topics: topics.clone(),
                broker_pattern: None,
            }),
            Subscription::BrokerPattern(pattern) => Some(Wanted {
                broker_pattern: Some(Arc::clone(pattern)),
                ..Wanted::default()
            }),
            Subscription::None | Subscription::Assigned => None,
        }
    }

    fn wake_poll(&self) {
        self.shared.wake_poll();
    }
}

fn settings_of(config: &ConsumerConfig, group_id: &str) -> GroupSettings {
    let optional = |text: Option<&str>| text.filter(|it| !it.is_empty()).map(Arc::from);
    GroupSettings {
        group_id: group_id.into(),
        instance_id: optional(config.group_instance_id.as_deref()),
        rack_id: optional(Some(&config.client.client_rack)),
        session_timeout: config.session_timeout,
        heartbeat_interval: config.heartbeat_interval,
        max_poll_interval: config.max_poll_interval,
        remote_assignor: optional(config.group_remote_assignor.as_deref()),
        retry_backoff: config.client.retry_backoff,
        retry_backoff_max: config.client.retry_backoff_max,
    }
}

fn all_assignors(
    config: &ConsumerConfig,
    mut assignors: Vec<Arc<dyn Assignor>>,
) -> Result<Vec<Arc<dyn Assignor>>, ConfigError> {
    if assignors.is_empty() {
        for name in &config.partition_assignment_strategy {
            assignors.push(assignor_by_name(name).ok_or_else(|| {
                ConfigError::Invalid {
                    name: "partition.assignment.strategy",
                    value: name.clone(),
                    expected:
                        "range, roundrobin, sticky, cooperative-sticky, or the names of Kafka's \
                           classes for them; others are given to the consumer as values"
                            .to_owned(),
                }
            })?);
        }
    }
    Ok(assignors)
}

fn membership(
    config: &ConsumerConfig,
    settings: &Arc<GroupSettings>,
    assignors: Vec<Arc<dyn Assignor>>,
) -> Box<dyn Membership> {
    let settings = Arc::clone(settings);
    let now = Instant::now();
    match config.group_protocol {
        GroupProtocol::Classic => super::group::classic(settings, assignors, now),
        GroupProtocol::Consumer => {
            let member_id = Uuid::new_v4().to_string();
            super::group::consumer_protocol(settings, member_id.into(), now)
        }
    }
}
