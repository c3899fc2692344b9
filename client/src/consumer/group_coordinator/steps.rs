//! Carrying out the steps of a rebalance.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{GroupCoordinator, Inner};
use crate::consumer::group::steps::{Partitions, Step};
use crate::consumer::listener::RebalanceListener;
use crate::consumer::rebalance_context::RebalanceContext;
use crate::topic_partition::TopicPartition;

impl GroupCoordinator {
    /// Carries out all steps that are due, or as much of them as can be until `deadline`: the next
    /// call goes on there. Only listeners are waited for however long they take. Dropping the
    /// future keeps the step that it was at.
    pub(super) async fn run_steps(&self, deadline: Instant) {
        let seat = &self.inner.seat;
        let mut running = self.stepping.lock().await;
        loop {
            if running.is_none() {
                let Some(step) = seat.lock().begin_step() else {
                    return;
                };
                *running = Some(carry_out(Arc::clone(&self.inner), step).boxed());
            }
            if let Some(doing) = running.as_mut() {
                let in_time = tokio::time::timeout_at(deadline, doing.as_mut()).await;
                if in_time.is_err() {
                    if !self.inner.is_listening.load(Ordering::Acquire) {
                        return;
                    }
                    doing.await;
                }
            }
            *running = None;
            seat.lock().finish_step();
            seat.wake_task();
        }
    }
}

async fn carry_out(inner: Arc<Inner>, step: Step) {
    let context = RebalanceContext::new(Arc::clone(&inner));
    let listener: Option<Arc<dyn RebalanceListener>> = inner.listener().clone();
    match step {
        Step::Revoke {
            revoked,
            remaining,
            is_told,
        } => {
            let revoked = list(revoked);
            inner.stop_reading(&revoked);
            if inner.shared.config.enable_auto_commit {
                inner.commit_before_revocation().await;
            }
            if is_told {
                info!(group = %inner.committer.group_id, ?revoked, "partitions are revoked");
                if let Some(listener) = &listener {
                    let told = listener.on_partitions_revoked(&context, &revoked);
                    inner.listening(told).await;
                }
            }
            inner.take_over(remaining, false);
        }
        Step::Lose { lost } => {
            let lost = list(lost);
            inner.stop_reading(&lost);
            warn!(group = %inner.committer.group_id, ?lost, "partitions are lost");
            if let Some(listener) = &listener {
                let told = listener.on_partitions_lost(&context, &lost);
                inner.listening(told).await;
            }
            inner.take_over(Partitions::new(), false);
        }
        Step::Assign { assigned, added } => {
            let added = list(added);
            info!(group = %inner.committer.group_id, ?added, "partitions are assigned");
            inner.take_over(assigned, listener.is_some());
            if let Some(listener) = &listener {
                let told = listener.on_partitions_assigned(&context, &added);
                inner.listening(told).await;
                inner.shared.lock().subscriptions.enable_assigned(&added);
                inner.shared.plan_anew();
            }
            inner.commit_later(Instant::now());
        }
    }
}

fn list(partitions: Partitions) -> Vec<TopicPartition> {
    partitions.into_iter().collect()
}

impl Inner {
    /// Has the application's listener run.
    async fn listening(&self, told: BoxFuture<'_, ()>) {
        self.is_listening.store(true, Ordering::Release);
        told.await;
        self.is_listening.store(false, Ordering::Release);
    }

    /// Nothing more of these is handed out: positions must not move behind what is committed.
    fn stop_reading(&self, partitions: &[TopicPartition]) {
        if !partitions.is_empty() {
            let mut state = self.shared.lock();
            state.subscriptions.mark_pending_revocation(partitions);
            drop(state);
            self.shared.plan_anew();
        }
    }

    /// From now on it is these that are read.
    fn take_over(&self, partitions: Partitions, is_callback_pending: bool) {
        let mut state = self.shared.lock();
        let subscriptions = &mut state.subscriptions;
        if subscriptions.is_auto_assigned() {
            subscriptions.assign_from_subscribed(partitions, is_callback_pending);
        }
        drop(state);
        self.shared.assignment_changed();
    }
}
