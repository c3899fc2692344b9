//! What a consumer's handle, its fetch task and its coordinator share.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::fetch_buffer::FetchBuffer;
use super::subscription_state::SubscriptionState;
use crate::cluster::Cluster;
use crate::config::ConsumerConfig;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// Shared by the parts of one consumer.
pub(crate) struct Shared {
    pub(crate) cluster: Cluster,
    pub(crate) config: ConsumerConfig,
    state: Mutex<State>,
    /// There is something for `poll`.
    poll_ready: Notify,
    /// There is something for the fetch task.
    plan_due: Notify,
    /// A partition came to a position, or cannot.
    settled: Notify,
    is_woken: AtomicBool,
    is_closed: AtomicBool,
}

/// What changes, behind one lock that nobody holds across an await.
pub(crate) struct State {
    pub(crate) subscriptions: SubscriptionState,
    pub(super) buffer: FetchBuffer,
    errors: VecDeque<(Option<(TopicPartition, u64)>, ClientError)>,
    watched: BTreeSet<Arc<str>>,
}

impl Shared {
    pub(super) fn new(cluster: Cluster, config: ConsumerConfig) -> Self {
        let state = State {
            subscriptions: SubscriptionState::new(config.auto_offset_reset),
            buffer: FetchBuffer::default(),
            errors: VecDeque::new(),
            watched: BTreeSet::new(),
        };
        Self {
            cluster,
            config,
            state: Mutex::new(state),
            poll_ready: Notify::new(),
            plan_due: Notify::new(),
            settled: Notify::new(),
            is_woken: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Subscription, assignment and buffered records. Not to be held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `poll` look again: for records, errors and the coordinator.
    pub(crate) fn wake_poll(&self) {
        self.poll_ready.notify_one();
    }

    /// Lets the fetch task look again at what is assigned and where.
    pub(crate) fn plan_anew(&self) {
        self.plan_due.notify_one();
    }

    /// Lets those look again who wait for a partition's position.
    pub(super) fn settle(&self) {
        self.settled.notify_waiters();
    }

    pub(super) fn poll_ready(&self) -> Notified<'_> {
        self.poll_ready.notified()
    }

    pub(super) fn plan_due(&self) -> Notified<'_> {
        self.plan_due.notified()
    }

    pub(super) fn settled(&self) -> Notified<'_> {
        self.settled.notified()
    }

    /// `wakeup`: the call that waits, or the next one that would, ends.
    pub(super) fn wakeup(&self) {
        self.is_woken.store(true, Ordering::Release);
        self.wake_poll();
        self.settle();
    }

    /// Whether calls may wait: not when the consumer is closed or was woken up, which counts once.
    ///
    /// # Errors
    /// [`ClientError::Closed`], [`ClientError::Wakeup`].
    pub(crate) fn check_waiting(&self) -> Result<(), ClientError> {
        self.check_open()?;
        if self.is_woken.load(Ordering::Acquire) && self.is_woken.swap(false, Ordering::AcqRel) {
            return Err(ClientError::Wakeup);
        }
        Ok(())
    }

    /// Does what may take a while, unless the consumer is closed or woken up.
    ///
    /// # Errors
    /// [`ClientError::Closed`], [`ClientError::Wakeup`], or what `doing` says.
    pub(crate) async fn unless_woken<T>(
        &self,
        doing: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let mut doing = pin!(doing);
        loop {
            // Listens before it looks: no wakeup in between is missed.
            let mut settled = pin!(self.settled());
            settled.as_mut().enable();
            self.check_waiting()?;
            tokio::select! {
                biased;
                done = &mut doing => return done,
                () = settled => {}
            }
        }
    }

    /// Whether calls may be made.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub(crate) fn check_open(&self) -> Result<(), ClientError> {
        if self.is_closed() {
            return Err(ClientError::Closed("consumer"));
        }
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Nothing more is fetched or handed out.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.plan_anew();
        self.wake_poll();
        self.settle();
    }

    /// Asks for metadata now, of topics that this may create.
    ///
    /// # Errors
    /// No broker answers.
    pub(super) async fn refresh_metadata(&self) -> Result<(), ClientError> {
        self.cluster.refresh().await.map(drop)
    }

    /// Keeps the metadata of exactly the topics that are assigned or subscribed to. To be called
    /// when either changed.
    pub(crate) fn watch_topics(&self) {
        let mut state = self.lock();
        let mut topics = state.subscriptions.assigned_topics();
        topics.append(&mut state.subscriptions.subscribed_topics());
        for gone in state.watched.difference(&topics) {
            self.cluster.unwatch_topic(gone);
        }
        for new in topics.difference(&state.watched) {
            self.cluster.watch_topic(new);
        }
        state.watched = topics;
    }

    /// After the assignment changed: what is buffered of others goes, what is new is fetched.
    pub(super) fn assignment_changed(&self) {
        let mut state = self.lock();
        let State {
            subscriptions,
            buffer,
            ..
        } = &mut *state;
        buffer.retain_parked(|fetch| subscriptions.is_assigned(&fetch.partition));
        drop(state);
        self.watch_topics();
        self.plan_anew();
        self.wake_poll();
    }

    /// Has `poll` return an error that concerns no single partition.
    pub(crate) fn report(&self, error: ClientError) {
        let mut state = self.lock();
        if !state.errors.iter().any(|(about, _)| about.is_none()) {
            state.errors.push_back((None, error));
        }
        drop(state);
        self.wake_poll();
        self.settle();
    }
}

impl State {
    /// Has `poll` return an error about a partition, unless it is moved before.
    pub(super) fn report(&mut self, partition: &TopicPartition, error: ClientError) {
        let Some(state) = self.subscriptions.partition(partition) else {
            return;
        };
        let about = Some((partition.clone(), state.generation));
        if !self.errors.iter().any(|(known, _)| *known == about) {
            self.errors.push_back((about, error));
        }
    }

    /// The first error for `poll` that still holds.
    pub(super) fn take_error(&mut self) -> Option<ClientError> {
        while let Some((about, error)) = self.errors.pop_front() {
            let Some((partition, generation)) = about else {
                return Some(error);
            };
            let state = self.subscriptions.partition(&partition);
            if state.is_some_and(|state| state.generation == generation) {
                return Some(error);
            }
        }
        None
    }

    /// The first error about a partition, taken out.
    pub(super) fn take_error_of(&mut self, partition: &TopicPartition) -> Option<ClientError> {
        let is_about = |about: &Option<(TopicPartition, u64)>| {
            about.as_ref().is_none_or(|(about, _)| about == partition)
        };
        let index = self.errors.iter().position(|(about, _)| is_about(about))?;
        self.errors.remove(index).map(|(_, error)| error)
    }
}
