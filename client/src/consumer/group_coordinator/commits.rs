//! When to commit, as whom, and whether to try again.

use std::time::Duration;

use ringbrook_protocol::ResponseError as Code;
use std::sync::PoisonError;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::Inner;
use crate::cluster::Backoff;
use crate::config::IsolationLevel;
use crate::consumer::commit::{CommitJob, Offsets, lost_its_place};
use crate::consumer::group::Identity;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// How long a rebalance waits for the commit before it, at most.
const COMMIT_BEFORE_REVOCATION_MAX: Duration = Duration::from_secs(60);

impl Inner {
    /// The positions of all assigned partitions, as they may be committed.
    pub(in super::super) fn consumed(&self) -> Offsets {
        self.shared.lock().subscriptions.all_consumed()
    }

    /// As whom to commit.
    ///
    /// # Errors
    /// The member has lost its place in the group.
    pub(in super::super) fn identity(&self) -> Result<Identity, ClientError> {
        if !self.shared.lock().subscriptions.is_auto_assigned() {
            return Ok(Identity::none());
        }
        let identity = self.seat.lock().identity();
        if identity == Identity::none() {
            return Err(lost_its_place(&self.committer.group_id));
        }
        Ok(identity)
    }

    /// Commits and waits for the answer, trying again what may succeed later.
    ///
    /// # Errors
    /// The coordinator refuses, the member has lost its place, or time is up.
    pub(in super::super) async fn commit_until(
        &self,
        offsets: Offsets,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        if offsets.is_empty() {
            self.commits.flush(deadline).await;
            return Ok(());
        }
        let started = Instant::now();
        let mut backoff = Backoff::of_retries(self.shared.cluster.config());
        let mut last = None;
        loop {
            let identity = self.identity()?;
            let commit = self.commits.commit(identity.clone(), offsets.clone());
            match tokio::time::timeout_at(deadline, commit).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) if !self.is_passing(&error, &identity) => return Err(error),
                Ok(Err(error)) => last = Some(Box::new(error)),
                Err(_) => {}
            }
            let pause = backoff.next_pause();
            if deadline <= Instant::now() + pause {
                return Err(ClientError::Timeout {
                    what: format!("committing offsets of group {}", self.committer.group_id),
                    after: started.elapsed(),
                    last,
                });
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether the same commit may succeed later. A stale epoch may be a newer one by now.
    fn is_passing(&self, error: &ClientError, identity: &Identity) -> bool {
        match error.response_error() {
            Some(Code::StaleMemberEpoch) => self.identity().is_ok_and(|now| now != *identity),
            Some(Code::RebalanceInProgress) => false,
            _ => error.is_retriable(),
        }
    }

    /// Commits once, in the order of calls, and tells what came of it.
    pub(in super::super) fn commit_async(
        &self,
        offsets: Offsets,
        done: impl FnOnce(Result<(), ClientError>) + Send + 'static,
    ) {
        match self.identity() {
            Ok(identity) => self.commits.push(CommitJob {
                identity,
                offsets,
                done: Box::new(done),
            }),
            Err(error) => done(Err(error)),
        }
    }

    /// Commits positions when it is time.
    pub(super) fn commit_by_time(&self, now: Instant) {
        let is_due = self.auto_commit_at().is_some_and(|at| at <= now);
        if !is_due {
            return;
        }
        self.commit_later(now);
        let offsets = self.consumed();
        if offsets.is_empty() {
            return;
        }
        let group = std::sync::Arc::clone(&self.committer.group_id);
        self.commit_async(offsets, move |committed| match committed {
            Ok(()) => {}
            Err(error) if error.is_retriable() => {
                debug!(%group, %error, "offsets are not committed")
            }
            Err(error) => warn!(%group, %error, "offsets are not committed"),
        });
    }

    /// Positions are committed next `auto.commit.interval.ms` from `now`.
    pub(super) fn commit_later(&self, now: Instant) {
        if let Some(at) = self.auto_commit_at().as_mut() {
            *at = now + self.shared.config.auto_commit_interval;
        }
    }

    fn auto_commit_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        let at = self.auto_commit_at.lock();
        at.unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read so far is committed, so that whoever reads on does not read it again. If that
    /// cannot be, the rebalance goes on all the same.
    pub(super) async fn commit_before_revocation(&self) {
        let longest = self.shared.config.max_poll_interval;
        let deadline = Instant::now() + longest.min(COMMIT_BEFORE_REVOCATION_MAX);
        if let Err(error) = self.commit_until(self.consumed(), deadline).await {
            let group = &self.committer.group_id;
            warn!(%group, %error, "offsets are not committed before the rebalance");
        }
    }

    /// Committed offsets of those partitions that have one. One attempt.
    ///
    /// # Errors
    /// The coordinator cannot be reached or refuses.
    pub(in super::super) async fn committed_once(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Offsets, ClientError> {
        let identity = self.identity().unwrap_or_else(|_| Identity::none());
        let must_be_stable = self.shared.config.isolation_level == IsolationLevel::ReadCommitted;
        let fetched = self
            .committer
            .fetch(&identity, partitions, must_be_stable)
            .await;
        if let Err(error) = &fetched {
            self.committer.note(error);
        }
        fetched
    }

    /// As [`Inner::committed_once`], trying again what may succeed later.
    ///
    /// # Errors
    /// The coordinator refuses, or time is up.
    pub(in super::super) async fn committed_until(
        &self,
        partitions: &[TopicPartition],
        deadline: Instant,
    ) -> Result<Offsets, ClientError> {
        let what = format!("asking for offsets of group {}", self.committer.group_id);
        let cluster = &self.shared.cluster;
        cluster
            .retry(&what, deadline, || self.committed_once(partitions))
            .await
    }
}
