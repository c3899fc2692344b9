//! The task that keeps records coming: one per consumer, which ends with it.
//!
//! It sends fetches (one per broker at a time, the next as soon as little of the earlier answers is
//! left unread), finds positions, confirms them after a change of leaders, and puts what comes into
//! the buffer that `poll` reads. It decides nothing about assignments.

mod answer;
mod positions;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hashbrown::HashMap;
use ringbrook_protocol::messages::FetchResponse;
use tokio::time::Instant;
use tracing::debug;

use super::coordinator::Coordinator;
use super::fetch_plan::{self, Asked, Circumstances, NodeFetch, Plan};
use super::fetch_request;
use super::fetch_session::FetchSession;
use super::shared::Shared;
use crate::cluster::Backoff;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// What was under way and is done.
enum Done {
    Fetch(FetchDone),
    Positions(positions::PositionsDone),
    Metadata(Result<(), ClientError>),
}

struct FetchDone {
    node: i32,
    asked: HashMap<TopicPartition, Asked>,
    /// Whether the request opened a session.
    is_first: bool,
    answer: Result<FetchResponse, ClientError>,
}

/// What the task knows of one broker.
struct NodeState {
    session: FetchSession,
    is_busy: bool,
    not_before: Option<Instant>,
    backoff: Backoff,
}

pub(super) struct FetchTask {
    shared: Arc<Shared>,
    coordinator: Option<Arc<dyn Coordinator>>,
    nodes: HashMap<i32, NodeState>,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    metadata: Retried,
    committed: Retried,
}

/// Something that is done once at a time, and after a failure only later.
struct Retried {
    is_under_way: bool,
    not_before: Option<Instant>,
    backoff: Backoff,
}

impl Retried {
    fn is_due(&self, now: Instant) -> bool {
        !self.is_under_way && self.not_before.is_none_or(|at| at <= now)
    }

    fn pause(&mut self, now: Instant) {
        self.is_under_way = false;
        self.not_before = Some(now + self.backoff.next_pause());
    }
}

impl FetchTask {
    pub(super) fn new(shared: Arc<Shared>, coordinator: Option<Arc<dyn Coordinator>>) -> Self {
        let retried = || Retried {
            is_under_way: false,
            not_before: None,
            backoff: Backoff::of_retries(&shared.config.client),
        };
        Self {
            metadata: retried(),
            committed: retried(),
            coordinator,
            nodes: HashMap::new(),
            under_way: FuturesUnordered::new(),
            shared,
        }
    }

    /// Runs until the consumer is closed.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut changes = shared.cluster.metadata_changes();
        while !shared.is_closed() {
            let wake_at = self.act();
            let is_waiting = wake_at.is_some();
            let wake_at = wake_at.unwrap_or_else(Instant::now);
            tokio::select! {
                Some(done) = self.under_way.next() => self.finish(done),
                () = shared.plan_due() => {}
                changed = changes.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let metadata = Arc::clone(&changes.borrow_and_update());
                    shared.lock().subscriptions.on_metadata(&metadata);
                }
                () = tokio::time::sleep_until(wake_at), if is_waiting => {}
            }
        }
        self.end_sessions();
    }

    /// Sends what is due; returns when to look again if nothing happens.
    fn act(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let shared = Arc::clone(&self.shared);
        let metadata = shared.cluster.metadata();
        let (plan, next_retry) = {
            let mut state = shared.lock();
            let nodes = &self.nodes;
            let is_busy = |node: i32| nodes.get(&node).is_some_and(|it| it.is_busy_at(now));
            let about = Circumstances {
                metadata: &metadata,
                config: &shared.config,
                now,
                is_busy: &is_busy,
                patience: shared.config.client.request_timeout,
            };
            let plan = fetch_plan::plan(&mut state, &about);
            (plan, state.subscriptions.next_retry(now))
        };
        self.send(plan, now);
        let pauses = self.nodes.values().filter_map(|it| it.not_before);
        let others = [self.metadata.not_before, self.committed.not_before];
        let pauses = pauses.chain(others.into_iter().flatten());
        let next_pause = pauses.filter(|at| now < *at).min();
        [next_retry, next_pause].into_iter().flatten().min()
    }

    fn send(&mut self, plan: Plan, now: Instant) {
        for (node, fetch) in plan.fetches {
            self.send_fetch(node, fetch);
        }
        for (node, resets) in plan.resets {
            self.send_resets(node, resets, now);
        }
        for (node, validations) in plan.validations {
            self.send_validations(node, validations);
        }
        if !plan.initializing.is_empty() && self.committed.is_due(now) {
            self.initialize(plan.initializing);
        }
        if plan.is_metadata_needed && self.metadata.is_due(now) {
            self.metadata.is_under_way = true;
            let shared = Arc::clone(&self.shared);
            self.under_way.push(Box::pin(async move {
                Done::Metadata(shared.refresh_metadata().await)
            }));
        }
    }

    fn send_fetch(&mut self, node: i32, fetch: NodeFetch) {
        let config = &self.shared.config.client;
        let state = self.nodes.entry(node).or_insert_with(|| NodeState {
            session: FetchSession::new(),
            is_busy: false,
            not_before: None,
            backoff: Backoff::of_retries(config),
        });
        state.is_busy = true;
        let request = state.session.next_request(fetch.wanted);
        let shared = Arc::clone(&self.shared);
        self.under_way.push(Box::pin(async move {
            let asking = fetch_request::ask(&shared.cluster, node, &shared.config, &request);
            Done::Fetch(FetchDone {
                node,
                asked: fetch.asked,
                is_first: request.session_id == 0,
                answer: asking.await,
            })
        }));
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Fetch(done) => self.finish_fetch(done),
            Done::Positions(done) => self.finish_positions(done),
            Done::Metadata(result) => {
                // Also after a success: a topic that is not there yet is asked for again later.
                self.metadata.pause(Instant::now());
                match result {
                    Ok(()) => self.metadata.backoff.reset(),
                    Err(error) if error.is_retriable() => debug!(%error, "no metadata yet"),
                    Err(error) => self.shared.report(error),
                }
            }
        }
    }

    /// Tells brokers that sessions are over; their memory is scarce. Nobody waits for the answers.
    fn end_sessions(&self) {
        for (node, state) in &self.nodes {
            let open = self.shared.cluster.open_connection(*node);
            if let Some((connection, request)) = open.zip(state.session.final_request())
                && let Err(error) = fetch_request::end(&connection, &self.shared.config, &request)
            {
                debug!(%error, node, "the fetch session cannot be ended");
            }
        }
    }
}

impl NodeState {
    fn is_busy_at(&self, now: Instant) -> bool {
        self.is_busy || self.not_before.is_some_and(|at| now < at)
    }
}
