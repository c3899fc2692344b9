//! Where reading begins: committed offsets, `auto.offset.reset`, and positions that another leader
//! has to confirm.

use std::sync::Arc;

use hashbrown::HashMap;
use tokio::time::Instant;
use tracing::{debug, info};

use super::{Done, FetchTask};
use crate::clock;
use crate::cluster::Target;
use crate::config::AutoOffsetReset;
use crate::consumer::fetch_plan::{Reset, Validation};
use crate::consumer::list_offsets::{self, EARLIEST, LATEST};
use crate::consumer::offset::OffsetAndMetadata;
use crate::consumer::shared::State;
use crate::consumer::subscription_state::{FetchPosition, leader_of};
use crate::consumer::{FetchState, leader_epochs};
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// What was found out about positions.
pub(super) enum PositionsDone {
    Reset(
        i32,
        Vec<Reset>,
        Result<Vec<(TopicPartition, list_offsets::Answer)>, ClientError>,
    ),
    Validated(
        i32,
        Vec<Validation>,
        Result<Option<Vec<(TopicPartition, leader_epochs::Answer)>>, ClientError>,
    ),
    Committed(
        Vec<TopicPartition>,
        Result<HashMap<TopicPartition, OffsetAndMetadata>, ClientError>,
    ),
}

impl FetchTask {
    /// New partitions begin at what is committed, or without a group where `auto.offset.reset`
    /// says.
    pub(super) fn initialize(&mut self, partitions: Vec<TopicPartition>) {
        let Some(coordinator) = &self.coordinator else {
            self.begin_at(&partitions, &HashMap::new());
            return;
        };
        self.committed.is_under_way = true;
        let coordinator = Arc::clone(coordinator);
        self.under_way.push(Box::pin(async move {
            let committed = coordinator.committed(partitions.clone()).await;
            Done::Positions(PositionsDone::Committed(partitions, committed))
        }));
    }

    fn begin_at(
        &self,
        partitions: &[TopicPartition],
        committed: &HashMap<TopicPartition, OffsetAndMetadata>,
    ) {
        let metadata = self.shared.cluster.metadata();
        let mut state = self.shared.lock();
        for partition in partitions {
            let known = state.subscriptions.partition(partition);
            // A seek may have come first.
            if known.is_none_or(|known| known.fetch_state != FetchState::Initializing) {
                continue;
            }
            let begun = match committed.get(partition) {
                Some(offset) => {
                    let leader = leader_of(&metadata, partition);
                    state.subscriptions.seek(partition, offset, leader)
                }
                None => state.subscriptions.request_reset(partition, None),
            };
            if let Err(error) = begun {
                debug!(%error, "a new partition is no longer assigned");
            }
        }
        drop(state);
        self.shared.settle();
        self.shared.plan_anew();
    }

    pub(super) fn send_resets(&mut self, node: i32, resets: Vec<Reset>, now: Instant) {
        let is_possible = |reset: &Reset| reset.strategy != AutoOffsetReset::None;
        let (resets, without): (Vec<_>, Vec<_>) = resets.into_iter().partition(is_possible);
        if !without.is_empty() {
            self.report_no_offset(&without, now);
        }
        if resets.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        self.under_way.push(Box::pin(async move {
            let questions = resets.iter().map(|it| {
                let timestamp = timestamp_of(it.strategy);
                (it.partition.clone(), it.leader, timestamp)
            });
            let questions: Vec<_> = questions.collect();
            let isolation = shared.config.isolation_level;
            let answers = list_offsets::ask(&shared.cluster, node, isolation, &questions).await;
            Done::Positions(PositionsDone::Reset(node, resets, answers))
        }));
    }

    fn report_no_offset(&self, resets: &[Reset], now: Instant) {
        let mut state = self.shared.lock();
        for Reset { partition, .. } in resets {
            let pause = self.shared.config.client.retry_backoff;
            state.subscriptions.retry_later(partition, now, pause);
            let partition_name = partition.clone();
            let error = ClientError::NoOffset {
                partition: partition_name,
            };
            state.report(partition, error);
        }
        drop(state);
        self.shared.wake_poll();
        self.shared.settle();
    }

    pub(super) fn send_validations(&mut self, node: i32, validations: Vec<Validation>) {
        let shared = Arc::clone(&self.shared);
        self.under_way.push(Box::pin(async move {
            let questions = validations
                .iter()
                .map(|it| (it.partition.clone(), it.position));
            let questions: Vec<_> = questions.collect();
            let answers = leader_epochs::ask(&shared.cluster, node, &questions).await;
            Done::Positions(PositionsDone::Validated(node, validations, answers))
        }));
    }

    pub(super) fn finish_positions(&mut self, done: PositionsDone) {
        match done {
            PositionsDone::Reset(node, resets, answers) => {
                self.finish_resets(node, &resets, answers);
            }
            PositionsDone::Validated(node, validations, answers) => {
                self.finish_validations(node, &validations, answers);
            }
            PositionsDone::Committed(partitions, Ok(committed)) => {
                self.committed.is_under_way = false;
                self.committed.backoff.reset();
                self.begin_at(&partitions, &committed);
            }
            PositionsDone::Committed(_, Err(error)) => {
                self.committed.pause(Instant::now());
                debug!(%error, "committed offsets cannot be looked up");
                if !error.is_retriable() {
                    self.shared.report(error);
                }
            }
        }
        self.shared.settle();
    }

    fn finish_resets(
        &self,
        node: i32,
        resets: &[Reset],
        answers: Result<Vec<(TopicPartition, list_offsets::Answer)>, ClientError>,
    ) {
        let mut failed = Vec::new();
        let mut state = self.shared.lock();
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                let partitions = resets.iter().map(|it| it.partition.clone());
                failed.extend(partitions.map(|partition| (partition, error.clone())));
                Vec::new()
            }
        };
        let mut answers: HashMap<_, _> = answers.into_iter().collect();
        for reset in resets {
            let Some(answer) = answers.remove(&reset.partition) else {
                continue;
            };
            match answer {
                Ok(Some(found)) => {
                    info!(partition = %reset.partition, offset = found.offset, "position reset");
                    let position = FetchPosition {
                        offset: found.offset,
                        offset_epoch: found.leader_epoch,
                        current_leader: reset.leader,
                    };
                    let partition = &reset.partition;
                    state
                        .subscriptions
                        .finish_reset(partition, reset.generation, position);
                }
                // No record is that young: reading begins behind the last one.
                Ok(None) => read_latest(&mut state, reset),
                Err(error) => failed.push((reset.partition.clone(), error.into())),
            }
        }
        drop(state);
        self.fail_positions(node, failed);
    }

    fn finish_validations(
        &self,
        node: i32,
        validations: &[Validation],
        answers: Result<Option<Vec<(TopicPartition, leader_epochs::Answer)>>, ClientError>,
    ) {
        let mut failed = Vec::new();
        let mut state = self.shared.lock();
        let answers = match answers {
            Ok(Some(answers)) => answers,
            // A broker that consumers cannot ask: the position has to do.
            Ok(None) => {
                let confirmed = |it: &Validation| (it.partition.clone(), Ok(Some(i64::MAX)));
                validations.iter().map(confirmed).collect()
            }
            Err(error) => {
                let partitions = validations.iter().map(|it| it.partition.clone());
                failed.extend(partitions.map(|partition| (partition, error.clone())));
                Vec::new()
            }
        };
        let mut answers: HashMap<_, _> = answers.into_iter().collect();
        for validation in validations {
            match answers.remove(&validation.partition) {
                Some(Ok(end)) => confirm(&mut state, validation, end),
                Some(Err(error)) => failed.push((validation.partition.clone(), error.into())),
                None => {}
            }
        }
        drop(state);
        self.shared.wake_poll();
        self.fail_positions(node, failed);
    }

    /// Asks again later, and tells `poll` what will not pass.
    fn fail_positions(&self, node: i32, failed: Vec<(TopicPartition, ClientError)>) {
        let pause = self.shared.config.client.retry_backoff;
        let now = Instant::now();
        for (partition, error) in failed {
            debug!(%partition, %error, "no position yet");
            self.shared.cluster.note_error(Target::Node(node), &error);
            let mut state = self.shared.lock();
            state.subscriptions.retry_later(&partition, now, pause);
            if !error.is_retriable() {
                state.report(&partition, error);
                drop(state);
                self.shared.wake_poll();
            }
        }
    }
}

fn timestamp_of(strategy: AutoOffsetReset) -> i64 {
    match strategy {
        AutoOffsetReset::Earliest => EARLIEST,
        AutoOffsetReset::Latest | AutoOffsetReset::None => LATEST,
        AutoOffsetReset::ByDuration(age) => {
            let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            clock::now_ms().saturating_sub(age_ms).max(0)
        }
    }
}

fn read_latest(state: &mut State, reset: &Reset) {
    let known = state.subscriptions.partition(&reset.partition);
    if known.is_none_or(|known| known.generation != reset.generation) {
        return;
    }
    let latest = Some(AutoOffsetReset::Latest);
    if let Err(error) = state.subscriptions.request_reset(&reset.partition, latest) {
        debug!(%error, "a partition without a position is no longer assigned");
    }
}

/// Compares a position with where its epoch ends in the leader's log.
fn confirm(state: &mut State, asked: &Validation, end: Option<i64>) {
    let default_reset = state.subscriptions.default_reset();
    let generation = state.subscriptions.new_generation();
    let Some(known) = state.subscriptions.partition_mut(&asked.partition) else {
        return;
    };
    let is_current = known.generation == asked.generation
        && known.fetch_state == FetchState::AwaitValidation
        && known
            .position
            .is_some_and(|it| it.offset == asked.position.offset);
    if !is_current {
        return;
    }
    if end.is_some_and(|end| asked.position.offset <= end) {
        known.fetch_state = FetchState::Fetching;
        known.retry_at = None;
        return;
    }
    let (partition, offset) = (asked.partition.clone(), asked.position.offset);
    info!(%partition, offset, ?end, "the log was truncated before the position");
    match (default_reset, end) {
        (AutoOffsetReset::None, end_offset) => {
            let error = ClientError::LogTruncation {
                partition: partition.clone(),
                offset,
                end_offset,
            };
            state.report(&partition, error);
        }
        // Reading goes on where the logs part.
        (_, Some(end)) => known.start_at(
            FetchPosition {
                offset: end,
                ..asked.position
            },
            generation,
        ),
        (_, None) => {
            if let Err(error) = state.subscriptions.request_reset(&partition, None) {
                debug!(%error, "a partition whose log was truncated is no longer assigned");
            }
        }
    }
}
