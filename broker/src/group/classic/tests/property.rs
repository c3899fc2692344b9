//! Random histories of clients that join, sync, crash, leave and come back, of writes that fail and
//! time that passes. Whatever happened, once clients behave and writes succeed the group settles:
//! every live client is a member with its own assignment, every request was answered exactly once
//! (the harness checks that), and generations only ever grew.

use std::sync::Arc;

use proptest::prelude::*;

use super::harness::{Harness, join_request, limits, static_request};
use crate::group::classic::request::{JoinRequest, SyncRequest, Token};
use crate::group::classic::state::{GroupLimits, GroupState};
use crate::group::error::GroupError;

#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle,
    Joining(Token),
    Syncing(Token),
    Member,
}

/// A client the way librdkafka and the Java consumer behave.
struct Client {
    instance_id: Option<String>,
    requires_known_member_id: bool,
    member_id: Arc<str>,
    generation: i32,
    phase: Phase,
    is_alive: bool,
}

impl Client {
    fn new(index: usize, is_static: bool) -> Self {
        Self {
            instance_id: is_static.then(|| format!("instance-{index}")),
            requires_known_member_id: index.is_multiple_of(2),
            member_id: Arc::from(""),
            generation: -1,
            phase: Phase::Idle,
            is_alive: true,
        }
    }

    fn request(&self) -> JoinRequest {
        let request = match &self.instance_id {
            Some(instance_id) => static_request(instance_id, &self.member_id),
            None => join_request(&self.member_id),
        };
        JoinRequest {
            requires_known_member_id: self.requires_known_member_id,
            ..request
        }
    }

    fn step(&mut self, h: &mut Harness) {
        match self.phase {
            Phase::Idle => self.phase = Phase::Joining(h.join(self.request())),
            Phase::Joining(token) => self.after_join(h, token),
            Phase::Syncing(token) => self.after_sync(h, token),
            Phase::Member => {
                let instance_id = self.instance_id.as_deref();
                let beat = h.heartbeat_as(&self.member_id, instance_id, self.generation);
                if let Err(error) = beat {
                    self.recover(error);
                }
            }
        }
    }

    fn after_join(&mut self, h: &mut Harness, token: Token) {
        match h.join_answer(token) {
            None => {}
            Some(Err(refused)) if refused.error == GroupError::MemberIdRequired => {
                self.member_id = Arc::clone(&refused.member_id);
                self.phase = Phase::Idle;
            }
            Some(Err(refused)) => self.recover(refused.error),
            Some(Ok(joined)) => {
                assert!(
                    self.generation <= joined.generation,
                    "generations only grow"
                );
                self.generation = joined.generation;
                self.member_id = Arc::clone(&joined.member_id);
                let leads = joined.leader == joined.member_id && !joined.skip_assignment;
                let assignments = joined
                    .members
                    .iter()
                    .filter(|_| leads)
                    .map(|member| {
                        let id = &member.member_id;
                        (Arc::clone(id), bytes::Bytes::copy_from_slice(id.as_bytes()))
                    })
                    .collect();
                let request = SyncRequest {
                    generation: self.generation,
                    group_instance_id: self.instance_id.as_deref().map(Arc::from),
                    protocol_name: Some(Arc::from("range")),
                    assignments,
                    ..h.sync_request(&self.member_id)
                };
                self.phase = Phase::Syncing(h.sync(request));
            }
        }
    }

    fn after_sync(&mut self, h: &Harness, token: Token) {
        match h.sync_answer(token) {
            None => {}
            Some(Err(error)) => self.recover(*error),
            Some(Ok(synced)) => {
                if self.instance_id.is_none() {
                    assert_eq!(&*synced.assignment, self.member_id.as_bytes());
                }
                self.phase = Phase::Member;
            }
        }
    }

    fn recover(&mut self, error: GroupError) {
        self.phase = Phase::Idle;
        match error {
            GroupError::UnknownMemberId | GroupError::IllegalGeneration => {
                self.member_id = Arc::from("");
            }
            // Another process has our instance id: a real client stops.
            GroupError::FencedInstanceId => self.is_alive = false,
            GroupError::RebalanceInProgress
            | GroupError::CoordinatorNotAvailable
            | GroupError::NotCoordinator => {}
            other => panic!("{other:?}"),
        }
    }

    /// The process is killed; a new one with the same configuration may come.
    fn crash(&mut self) {
        self.is_alive = false;
        self.member_id = Arc::from("");
        self.phase = Phase::Idle;
    }

    fn leave(&mut self, h: &mut Harness) {
        if !self.member_id.is_empty() {
            h.leave_as(&self.member_id, self.instance_id.as_deref())
                .ok();
        }
        self.crash();
    }
}

#[derive(Clone, Debug)]
enum Event {
    Step(usize),
    Crash(usize),
    Leave(usize),
    Restart(usize),
    Write(bool),
    Wait(i64),
}

fn any_event(clients: usize) -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (0..clients).prop_map(Event::Step),
        1 => (0..clients).prop_map(Event::Crash),
        1 => (0..clients).prop_map(Event::Leave),
        2 => (0..clients).prop_map(Event::Restart),
        3 => prop::bool::weighted(0.8).prop_map(Event::Write),
        3 => prop_oneof![0..100_i64, 0..4_000_i64, 0..70_000_i64].prop_map(Event::Wait),
    ]
}

fn apply(h: &mut Harness, clients: &mut [Client], event: &Event) {
    let before = h.group.generation;
    match *event {
        Event::Step(index) if clients[index].is_alive => clients[index].step(h),
        Event::Crash(index) => clients[index].crash(),
        Event::Leave(index) if clients[index].is_alive => clients[index].leave(h),
        Event::Restart(index) => clients[index].is_alive = true,
        Event::Write(succeeds) if !h.writes.is_empty() => {
            let result = if succeeds {
                Ok(())
            } else {
                Err(GroupError::NotEnoughReplicas)
            };
            h.finish_write(result);
        }
        Event::Wait(by_ms) => h.advance(by_ms),
        Event::Step(_) | Event::Leave(_) | Event::Write(_) => {}
    }
    assert!(before <= h.group.generation);
}

/// Lets everybody behave for `seconds`, then checks that the group has settled.
fn settle(h: &mut Harness, clients: &mut [Client], seconds: usize) {
    for _ in 0..seconds {
        for client in clients.iter_mut().filter(|client| client.is_alive) {
            client.step(h);
        }
        h.finish_writes();
        h.advance(1_000);
    }
    let alive: Vec<&Client> = clients.iter().filter(|client| client.is_alive).collect();
    let expected = if alive.is_empty() {
        GroupState::Empty
    } else {
        GroupState::Stable
    };
    assert_eq!(h.group.state(), expected);
    assert_eq!(h.group.members.len(), alive.len());
    for client in alive {
        assert!(matches!(client.phase, Phase::Member), "{:?}", client.phase);
        assert!(h.group.has_member(&client.member_id));
        assert_eq!(client.generation, h.group.generation);
    }
    assert!(
        h.outstanding.is_empty(),
        "requests left without an answer: {:?}",
        h.outstanding
    );
    assert!(h.group.pending_joins.is_empty());
    assert_eq!(
        h.timers.len(),
        h.group.members.len(),
        "one session per member, nothing else"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_history_settles(
        statics in prop::collection::vec(prop::bool::weighted(0.3), 1..9),
        events in prop::collection::vec(any_event(8), 0..250),
    ) {
        let mut h = Harness::new();
        let mut clients: Vec<Client> = statics
            .iter()
            .enumerate()
            .map(|(index, is_static)| Client::new(index, *is_static))
            .collect();
        for event in &events {
            let is_about_somebody = match event {
                Event::Step(i) | Event::Crash(i) | Event::Leave(i) | Event::Restart(i) =>
                    *i < clients.len(),
                Event::Write(_) | Event::Wait(_) => true,
            };
            if is_about_somebody {
                apply(&mut h, &mut clients, event);
            }
        }
        settle(&mut h, &mut clients, 400);
    }

    #[test]
    fn a_limited_group_never_grows_beyond_its_maximum(
        events in prop::collection::vec(any_event(8), 0..250),
    ) {
        let mut h = Harness::with_limits(GroupLimits { group_max_size: 3, ..limits() });
        let mut clients: Vec<Client> = (0..8).map(|index| Client::new(index, false)).collect();
        for event in &events {
            if let Event::Step(index) = event
                && let Phase::Joining(token) = clients[*index].phase
                && let Some(Err(refused)) = h.join_answer(token)
                && refused.error == GroupError::GroupMaxSizeReached
            {
                clients[*index].crash();
                continue;
            }
            apply(&mut h, &mut clients, event);
            if matches!(h.group.state(), GroupState::CompletingRebalance | GroupState::Stable) {
                prop_assert!(h.group.members.len() <= 3, "{} members", h.group.members.len());
            }
        }
    }
}

#[test]
fn hundreds_of_members_settle_and_survive_the_loss_of_half() {
    let mut h = Harness::with_limits(GroupLimits {
        pending_members_max: 1_000,
        ..limits()
    });
    h.checks_every_event = false;
    let mut clients: Vec<Client> = (0..400)
        .map(|index| Client::new(index, index.is_multiple_of(5)))
        .collect();
    settle(&mut h, &mut clients, 90);
    let generation = h.group.generation;
    assert!(
        generation <= 5,
        "{generation} generations to bring 400 members together"
    );
    for client in clients.iter_mut().skip(1).step_by(2) {
        client.crash();
    }
    settle(&mut h, &mut clients, 200);
    assert_eq!(h.group.members.len(), 200);
    h.group.assert_consistent();
}
