//! A group under a hand-driven clock: collects answers, keeps timers, holds writes back until told.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::group::classic::action::{Action, Persisted};
use crate::group::classic::request::{
    JoinRequest, JoinResult, Joined, LeavingMember, MemberIdentity, Protocol, SyncRequest,
    SyncResult, Token,
};
use crate::group::classic::state::{ClassicGroup, GroupLimits};
use crate::group::error::GroupError;
use crate::group::schema::GroupMetadataValue;
use crate::group::timers::TimerKind;

pub(super) const SESSION_MS: i32 = 10_000;
pub(super) const REBALANCE_MS: i32 = 60_000;

pub(super) struct Harness {
    pub(super) group: ClassicGroup,
    pub(super) now_ms: i64,
    pub(super) timers: BTreeMap<TimerKind, i64>,
    joins: HashMap<Token, JoinResult>,
    syncs: HashMap<Token, SyncResult>,
    pub(super) outstanding: HashSet<Token>,
    pub(super) writes: VecDeque<(GroupMetadataValue, Persisted)>,
    next_token: u64,
    next_uuid: u128,
    /// Off for large groups, where checking everything at every event takes too long.
    pub(super) checks_every_event: bool,
}

pub(super) fn limits() -> GroupLimits {
    GroupLimits {
        group_max_size: usize::MAX,
        pending_members_max: 100,
        initial_rebalance_delay: Duration::from_secs(3),
        new_member_join_timeout: Duration::from_secs(300),
    }
}

/// Metadata of a consumer that subscribes to one topic.
pub(super) fn subscription(topic: &str) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, u8::try_from(topic.len()).unwrap()];
    bytes.extend_from_slice(topic.as_bytes());
    bytes.extend_from_slice(&[0xff; 4]);
    bytes.into()
}

pub(super) fn join_request(member_id: &str) -> JoinRequest {
    JoinRequest {
        group_id: Arc::from("group"),
        member_id: Arc::from(member_id),
        group_instance_id: None,
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: Arc::from("consumer"),
        protocols: protocols(&["range"]),
        requires_known_member_id: false,
        supports_skipping_assignment: true,
        reason: None,
    }
}

pub(super) fn static_request(instance_id: &str, member_id: &str) -> JoinRequest {
    JoinRequest {
        group_instance_id: Some(Arc::from(instance_id)),
        ..join_request(member_id)
    }
}

pub(super) fn protocols(names: &[&str]) -> Vec<Protocol> {
    names
        .iter()
        .map(|name| Protocol {
            name: Arc::from(*name),
            metadata: subscription("topic"),
        })
        .collect()
}

impl Harness {
    pub(super) fn new() -> Self {
        Self::with_limits(limits())
    }

    pub(super) fn with_limits(limits: GroupLimits) -> Self {
        Self {
            group: ClassicGroup::new(Arc::from("group"), limits, 0),
            now_ms: 0,
            timers: BTreeMap::new(),
            joins: HashMap::new(),
            syncs: HashMap::new(),
            outstanding: HashSet::new(),
            writes: VecDeque::new(),
            next_token: 0,
            next_uuid: 0,
            checks_every_event: true,
        }
    }

    pub(super) fn event<R>(
        &mut self,
        event: impl FnOnce(&mut ClassicGroup, i64, &mut Vec<Action>) -> R,
    ) -> R {
        let mut actions = Vec::new();
        let result = event(&mut self.group, self.now_ms, &mut actions);
        for action in actions {
            match action {
                Action::SetTimer(kind, after) => {
                    let after_ms = i64::try_from(after.as_millis()).unwrap();
                    self.timers.insert(kind, self.now_ms + after_ms);
                }
                Action::CancelTimer(kind) => drop(self.timers.remove(&kind)),
                Action::ReplyJoin(token, result) => {
                    assert!(self.outstanding.remove(&token), "{token:?} answered twice");
                    self.joins.insert(token, result);
                }
                Action::ReplySync(token, result) => {
                    assert!(self.outstanding.remove(&token), "{token:?} answered twice");
                    self.syncs.insert(token, result);
                }
                Action::Persist(record, then) => self.writes.push_back((record, then)),
            }
        }
        if self.checks_every_event {
            self.group.assert_consistent();
        }
        result
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        let token = Token(self.next_token);
        self.outstanding.insert(token);
        token
    }

    pub(super) fn join(&mut self, request: JoinRequest) -> Token {
        let token = self.token();
        self.next_uuid += 1;
        let fresh = Uuid::from_u128(self.next_uuid);
        self.event(|group, now_ms, actions| group.join(request, token, fresh, now_ms, actions));
        token
    }

    pub(super) fn sync(&mut self, request: SyncRequest) -> Token {
        let token = self.token();
        self.event(|group, _, actions| group.sync(request, token, actions));
        token
    }

    pub(super) fn sync_request(&self, member_id: &str) -> SyncRequest {
        SyncRequest {
            group_id: Arc::from("group"),
            member_id: Arc::from(member_id),
            group_instance_id: None,
            generation: self.group.generation,
            protocol_type: self.group.protocol_type.clone(),
            protocol_name: self.group.protocol_name.clone(),
            assignments: Vec::new(),
        }
    }

    /// The leader's sync: everybody gets its own member id as its assignment.
    pub(super) fn leader_sync(&mut self) -> Token {
        let leader = self.group.leader.clone().expect("a leader");
        let mut request = self.sync_request(&leader);
        request.assignments = self
            .group
            .members
            .keys()
            .map(|id| (Arc::clone(id), Bytes::copy_from_slice(id.as_bytes())))
            .collect();
        self.sync(request)
    }

    pub(super) fn heartbeat(&mut self, member_id: &str) -> Result<(), GroupError> {
        let generation = self.group.generation;
        self.heartbeat_as(member_id, None, generation)
    }

    pub(super) fn heartbeat_as(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        let identity = MemberIdentity {
            member_id,
            group_instance_id: instance_id,
        };
        self.event(|group, _, actions| group.heartbeat(identity, generation, actions))
    }

    pub(super) fn leave(&mut self, member_id: &str) -> Result<(), GroupError> {
        self.leave_as(member_id, None)
    }

    pub(super) fn leave_as(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), GroupError> {
        let leaving = LeavingMember {
            member_id: Arc::from(member_id),
            group_instance_id: instance_id.map(Arc::from),
            reason: None,
        };
        let answers = self.event(|group, now_ms, actions| group.leave(&[leaving], now_ms, actions));
        answers.and_then(|all| all[0])
    }

    pub(super) fn commit(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        let identity = MemberIdentity {
            member_id,
            group_instance_id: instance_id,
        };
        self.group
            .validate_offset_commit(identity, generation, false)
    }

    /// Finishes the oldest write.
    pub(super) fn finish_write(&mut self, result: Result<(), GroupError>) -> GroupMetadataValue {
        let (record, what) = self.writes.pop_front().expect("a write");
        self.event(|group, now_ms, actions| group.persisted(what, result, now_ms, actions));
        record
    }

    pub(super) fn finish_writes(&mut self) {
        while !self.writes.is_empty() {
            self.finish_write(Ok(()));
        }
    }

    /// Lets time pass and fires the timers on the way.
    pub(super) fn advance(&mut self, by_ms: i64) {
        let until = self.now_ms + by_ms;
        while let Some((kind, at)) = self
            .timers
            .iter()
            .filter(|(_, at)| **at <= until)
            .min_by_key(|(_, at)| **at)
            .map(|(kind, at)| (kind.clone(), *at))
        {
            self.timers.remove(&kind);
            self.now_ms = at.max(self.now_ms);
            self.event(|group, now_ms, actions| group.timer_fired(&kind, now_ms, actions));
        }
        self.now_ms = until;
    }

    pub(super) fn is_parked(&self, token: Token) -> bool {
        self.outstanding.contains(&token)
    }

    pub(super) fn joined(&self, token: Token) -> &Joined {
        match self.joins.get(&token) {
            Some(Ok(joined)) => joined,
            other => panic!("join {token:?}: {other:?}"),
        }
    }

    /// The error of a join and the member id that came with it.
    pub(super) fn refused(&self, token: Token) -> (GroupError, &str) {
        match self.joins.get(&token) {
            Some(Err(refused)) => (refused.error, &refused.member_id),
            other => panic!("join {token:?}: {other:?}"),
        }
    }

    pub(super) fn join_answer(&self, token: Token) -> Option<&JoinResult> {
        self.joins.get(&token)
    }

    pub(super) fn sync_answer(&self, token: Token) -> Option<&SyncResult> {
        self.syncs.get(&token)
    }

    pub(super) fn assignment(&self, token: Token) -> Result<&[u8], GroupError> {
        match self.syncs.get(&token) {
            Some(Ok(synced)) => Ok(&synced.assignment),
            Some(Err(error)) => Err(*error),
            None => panic!("sync {token:?} is not answered"),
        }
    }

    /// Brings a group of `count` dynamic members to Stable; returns their member ids, leader first.
    pub(super) fn stable(count: usize) -> (Self, Vec<Arc<str>>) {
        let mut harness = Self::new();
        let requests = (0..count).map(|_| join_request("")).collect();
        let ids = harness.stabilize(requests);
        (harness, ids)
    }

    /// Joins everybody to the Empty group and lets the first generation become Stable.
    pub(super) fn stabilize(&mut self, requests: Vec<JoinRequest>) -> Vec<Arc<str>> {
        let tokens: Vec<Token> = requests
            .into_iter()
            .map(|request| self.join(request))
            .collect();
        self.advance(6_000);
        let ids: Vec<Arc<str>> = tokens
            .iter()
            .map(|token| Arc::clone(&self.joined(*token).member_id))
            .collect();
        self.sync_all();
        ids
    }

    /// Every member syncs and the assignment is written.
    pub(super) fn sync_all(&mut self) {
        let ids: Vec<Arc<str>> = self.group.members.keys().cloned().collect();
        for id in ids {
            if self.group.is_leader(&id) {
                self.leader_sync();
            } else {
                let request = self.sync_request(&id);
                self.sync(request);
            }
        }
        self.finish_writes();
    }
}
