//! The task that keeps a consumer in its group: it does what the membership asks for and brings the
//! answers back. It ends with the coordinator that started it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::calls::perform;
use super::leader::{Led, lead};
use super::membership::{Action, Membership, Wanted};
use super::messages::Answer;
use super::settings::{GroupMembershipOperation, GroupSettings};
use crate::cluster::{Cluster, CoordinatorKind};
use crate::consumer::assignor::Assignor;
use crate::error::ClientError;
use crate::metadata::Metadata;

/// A membership, where the task and the application meet.
pub(crate) struct Seat {
    membership: Mutex<Box<dyn Membership>>,
    /// There may be something to do for the task.
    task_due: Notify,
    /// Something has changed that the application may wait for.
    changed: Notify,
    /// What is under way is of no use any more.
    is_abandoned: AtomicBool,
}

impl Seat {
    pub(crate) fn new(membership: Box<dyn Membership>) -> Self {
        Self {
            membership: Mutex::new(membership),
            task_due: Notify::new(),
            changed: Notify::new(),
            is_abandoned: AtomicBool::new(false),
        }
    }

    /// The membership. Not to be held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Box<dyn Membership>> {
        self.membership
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the task look again.
    pub(crate) fn wake_task(&self) {
        self.task_due.notify_one();
    }

    /// Ends membership, and gives up the request under way, if there is one. The task sees both at
    /// once, because both are done under the lock: it never gives up what it began to leave.
    pub(crate) fn leave(&self, operation: GroupMembershipOperation) {
        let mut membership = self.lock();
        membership.leave(operation);
        self.is_abandoned.store(true, Ordering::Release);
        drop(membership);
        self.wake_task();
    }

    /// Ends at the next change after the first poll of the future.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

/// What the task takes from the consumer.
pub(crate) trait Application: Send + Sync {
    /// What it wants to read now, by this metadata; nothing while it has not subscribed.
    fn wanted(&self, metadata: &Metadata) -> Option<Wanted>;

    /// There is a step or an error for the next poll.
    fn wake_poll(&self);
}

enum Done {
    Answered(Answer),
    Led(Result<Led, ClientError>),
}

/// The task's state.
pub(crate) struct GroupTask {
    pub(crate) cluster: Cluster,
    pub(crate) settings: Arc<GroupSettings>,
    pub(crate) assignors: Vec<Arc<dyn Assignor>>,
    pub(crate) seat: Arc<Seat>,
    pub(crate) application: Arc<dyn Application>,
}

/// What is under way, and whether the broker may hold back what comes after it.
struct UnderWay {
    doing: BoxFuture<'static, Done>,
    is_held_back: bool,
}

/// What the task has found when it looked.
struct Look {
    /// Whether what is under way is to be given up, before anything else.
    is_abandoned: bool,
    next: Option<Action>,
    wake_at: Option<Instant>,
}

impl GroupTask {
    /// Runs until it is aborted.
    pub(crate) async fn run(self) {
        let mut metadata_changes = self.cluster.metadata_changes();
        let mut under_way: Option<UnderWay> = None;
        loop {
            let Look {
                is_abandoned,
                next,
                wake_at,
            } = self.look();
            if is_abandoned && under_way.take().is_some_and(|it| it.is_held_back) {
                self.break_connection().await;
            }
            if let Some(action) = next {
                under_way = Some(self.start(action));
                continue;
            }
            tokio::select! {
                () = self.seat.task_due.notified() => {}
                done = finish(&mut under_way) => {
                    under_way = None;
                    self.bring_back(done);
                }
                () = until(wake_at) => {}
                Ok(()) = metadata_changes.changed() => {
                    let metadata = metadata_changes.borrow_and_update().clone();
                    self.seat.lock().on_metadata(&metadata);
                }
            }
        }
    }

    /// The next thing to do, or when to look again. The application is told of what is for it.
    fn look(&self) -> Look {
        let metadata = self.cluster.metadata();
        let wanted = self.application.wanted(&metadata);
        let mut membership = self.seat.lock();
        let is_abandoned = self.seat.is_abandoned.swap(false, Ordering::AcqRel);
        membership.want(wanted);
        let next = membership.next_action(Instant::now(), &metadata);
        let wake_at = membership.wake_at();
        let needs_metadata = membership.needs_metadata();
        let is_for_poll = membership.has_news();
        drop(membership);
        if needs_metadata {
            self.cluster.request_refresh();
        }
        if is_for_poll {
            self.application.wake_poll();
        }
        self.seat.changed.notify_waiters();
        Look {
            is_abandoned,
            next,
            wake_at,
        }
    }

    fn start(&self, action: Action) -> UnderWay {
        let cluster = self.cluster.clone();
        match action {
            Action::Call(call) => {
                let settings = Arc::clone(&self.settings);
                UnderWay {
                    is_held_back: call.is_held_back(),
                    doing: async move { Done::Answered(perform(cluster, &settings, call).await) }
                        .boxed(),
                }
            }
            Action::Lead(joined) => {
                let assignors = self.assignors.clone();
                UnderWay {
                    is_held_back: false,
                    doing: async move { Done::Led(lead(&cluster, &assignors, &joined).await) }
                        .boxed(),
                }
            }
        }
    }

    fn bring_back(&self, done: Done) {
        let now = Instant::now();
        let mut membership = self.seat.lock();
        match done {
            Done::Answered(answer) => membership.on_answer(now, answer),
            Done::Led(led) => membership.on_led(now, led),
        }
    }

    /// JoinGroup and SyncGroup stay at the broker until the group has moved; what is to be heard
    /// before that needs another connection.
    async fn break_connection(&self) {
        let group = &self.settings.group_id;
        let connection = self
            .cluster
            .coordinator_connection(CoordinatorKind::Group, group);
        if let Ok(connection) = connection.await {
            connection.close("the member leaves in the middle of a rebalance");
        }
    }
}

async fn finish(under_way: &mut Option<UnderWay>) -> Done {
    match under_way {
        Some(under_way) => (&mut under_way.doing).await,
        None => std::future::pending().await,
    }
}

async fn until(wake_at: Option<Instant>) {
    match wake_at {
        Some(wake_at) => tokio::time::sleep_until(wake_at).await,
        None => std::future::pending().await,
    }
}
