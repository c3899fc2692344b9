//! A client of the classic protocol, as small as can be. An eager one stops using everything
//! before it joins; a cooperative one says what it uses, stops using what it does not get any more
//! after its sync, and then joins again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::super::harness::{Pending, start};
use super::world::{FakeCluster, Used};
use crate::group::schema::{ConsumerAssignment, Subscription};
use crate::group::{
    GroupCoordinator, GroupError, JoinRequest, JoinResult, Joined, LeavingMember, MemberIdentity,
    Protocol, SyncRequest, SyncResult,
};

type LeaveResult = Result<Vec<Result<(), GroupError>>, GroupError>;

/// What the client is waiting for.
enum Phase {
    /// It has to join.
    Outside,
    Joining(Pending<JoinResult>),
    Syncing(Pending<SyncResult>),
    Member,
}

/// A member of the classic protocol.
pub(super) struct ClassicClient {
    group_id: Arc<str>,
    client_id: Arc<str>,
    member_id: Arc<str>,
    topics: BTreeSet<Arc<str>>,
    is_cooperative: bool,
    generation: i32,
    used: Used,
    /// What it shared out when it led the group.
    led: Option<Used>,
    phase: Phase,
}

impl ClassicClient {
    pub(super) fn new(
        group_id: &Arc<str>,
        topics: &BTreeSet<Arc<str>>,
        number: usize,
        is_cooperative: bool,
    ) -> Self {
        Self {
            group_id: Arc::clone(group_id),
            client_id: format!("classic-{number:04}").into(),
            member_id: Arc::from(""),
            topics: topics.clone(),
            is_cooperative,
            generation: -1,
            used: Used::new(),
            led: None,
            phase: Phase::Outside,
        }
    }

    pub(super) fn used(&self) -> &Used {
        &self.used
    }

    pub(super) fn is_member(&self) -> bool {
        matches!(self.phase, Phase::Member)
    }

    pub(super) fn member_id(&self) -> &Arc<str> {
        &self.member_id
    }

    /// One tick: joins, or sends a heartbeat.
    pub(super) fn step(&mut self, groups: &GroupCoordinator, cluster: &FakeCluster) {
        match self.phase {
            Phase::Outside => self.join(groups, cluster),
            // A leader watches the topics.
            Phase::Member
                if self
                    .led
                    .as_ref()
                    .is_some_and(|led| *led != cluster.partitions()) =>
            {
                self.join(groups, cluster);
            }
            Phase::Member => {
                let identity = MemberIdentity {
                    member_id: &self.member_id,
                    group_instance_id: None,
                };
                if let Err(error) = groups.heartbeat(&self.group_id, identity, self.generation) {
                    self.refused(error);
                }
            }
            Phase::Joining(_) | Phase::Syncing(_) => {}
        }
    }

    fn join(&mut self, groups: &GroupCoordinator, cluster: &FakeCluster) {
        if !self.is_cooperative {
            self.used.clear();
        }
        let request = JoinRequest {
            group_id: Arc::clone(&self.group_id),
            member_id: Arc::clone(&self.member_id),
            group_instance_id: None,
            client_id: Arc::clone(&self.client_id),
            client_host: Arc::from("/127.0.0.1"),
            session_timeout_ms: 45_000,
            rebalance_timeout_ms: 300_000,
            protocol_type: Arc::from("consumer"),
            protocols: vec![Protocol {
                name: Arc::from("assignor"),
                metadata: self.metadata(cluster),
            }],
            requires_known_member_id: true,
            supports_skipping_assignment: true,
            reason: None,
        };
        let groups = groups.clone();
        let join = async move { groups.join_group(request).await };
        self.phase = Phase::Joining(start(join));
    }

    /// The subscription in version 1.
    fn metadata(&self, cluster: &FakeCluster) -> Bytes {
        let mut bytes = BytesMut::new();
        let put_string = |bytes: &mut BytesMut, text: &str| {
            bytes.put_i16(i16::try_from(text.len()).unwrap());
            bytes.put_slice(text.as_bytes());
        };
        let put_len = |bytes: &mut BytesMut, len: usize| {
            bytes.put_i32(i32::try_from(len).unwrap());
        };
        bytes.put_i16(1);
        put_len(&mut bytes, self.topics.len());
        for topic in &self.topics {
            put_string(&mut bytes, topic);
        }
        bytes.put_i32(-1);
        let owned = cluster.named(&self.used);
        put_len(&mut bytes, owned.len());
        for (topic, partitions) in &owned {
            put_string(&mut bytes, topic);
            put_len(&mut bytes, partitions.len());
            partitions.iter().for_each(|index| bytes.put_i32(*index));
        }
        bytes.freeze()
    }

    /// Takes the answer, if there is one, and goes on.
    pub(super) fn absorb(&mut self, groups: &GroupCoordinator, cluster: &FakeCluster) {
        match &self.phase {
            Phase::Joining(pending) => match pending.take() {
                None => {}
                Some(Ok(joined)) => self.sync(groups, &joined, cluster),
                Some(Err(refused)) => {
                    self.phase = Phase::Outside;
                    if refused.error == GroupError::MemberIdRequired {
                        self.member_id = refused.member_id;
                        self.join(groups, cluster);
                    } else {
                        self.refused(refused.error);
                    }
                }
            },
            Phase::Syncing(pending) => match pending.take() {
                None => {}
                Some(Ok(synced)) => self.synced(&synced.assignment, cluster),
                Some(Err(error)) => {
                    self.phase = Phase::Outside;
                    self.refused(error);
                }
            },
            Phase::Outside | Phase::Member => {}
        }
    }

    fn sync(&mut self, groups: &GroupCoordinator, joined: &Joined, cluster: &FakeCluster) {
        self.member_id = Arc::clone(&joined.member_id);
        self.generation = joined.generation;
        let is_leader = joined.leader == joined.member_id;
        self.led = is_leader.then(|| cluster.partitions());
        let request = SyncRequest {
            group_id: Arc::clone(&self.group_id),
            member_id: Arc::clone(&self.member_id),
            group_instance_id: None,
            generation: self.generation,
            protocol_type: joined.protocol_type.clone(),
            protocol_name: joined.protocol_name.clone(),
            assignments: if is_leader {
                assign(joined, cluster)
            } else {
                Vec::new()
            },
        };
        let groups = groups.clone();
        let sync = async move { groups.sync_group(request).await };
        self.phase = Phase::Syncing(start(sync));
    }

    fn synced(&mut self, assignment: &[u8], cluster: &FakeCluster) {
        let assigned = ConsumerAssignment::decode(assignment).unwrap().partitions;
        let assigned = cluster.ids(&assigned);
        let must_revoke = !self.used.is_subset(&assigned);
        self.used = assigned;
        // Who gave something up joins again at once, so that others can have it.
        self.phase = if must_revoke {
            Phase::Outside
        } else {
            Phase::Member
        };
    }

    fn refused(&mut self, error: GroupError) {
        match error {
            GroupError::RebalanceInProgress => self.phase = Phase::Outside,
            GroupError::IllegalGeneration => {
                self.used.clear();
                self.phase = Phase::Outside;
            }
            GroupError::UnknownMemberId => {
                self.used.clear();
                self.member_id = Arc::from("");
                self.phase = Phase::Outside;
            }
            GroupError::CoordinatorLoadInProgress
            | GroupError::NotCoordinator
            | GroupError::CoordinatorNotAvailable => {}
            other => panic!("{} gets {other}", self.client_id),
        }
    }

    /// Leaves for good.
    pub(super) fn leave(self, groups: &GroupCoordinator) -> Option<Pending<LeaveResult>> {
        let member_id = Arc::clone(&self.member_id);
        let group_id = Arc::clone(&self.group_id);
        self.crash();
        if member_id.is_empty() {
            return None;
        }
        let leaving = [LeavingMember {
            member_id,
            group_instance_id: None,
            reason: None,
        }];
        let groups = groups.clone();
        Some(start(async move {
            groups.leave_group(&group_id, &leaving).await
        }))
    }

    /// Goes away without a word.
    pub(super) fn crash(self) {
        match self.phase {
            Phase::Joining(pending) => pending.abandon(),
            Phase::Syncing(pending) => pending.abandon(),
            Phase::Outside | Phase::Member => {}
        }
    }
}

/// What the leader does: everybody keeps up to its share of what it has, and the rest goes to who
/// has least, but only what nobody has any more. Cooperative members give up the surplus and join
/// again; eager ones have nothing.
fn assign(joined: &Joined, cluster: &FakeCluster) -> Vec<(Arc<str>, Bytes)> {
    let mut owned: BTreeMap<Arc<str>, Used> = BTreeMap::new();
    let mut owners: BTreeMap<_, Arc<str>> = BTreeMap::new();
    for member in &joined.members {
        let said = Subscription::decode(&member.metadata).unwrap();
        let of_member = owned.entry(Arc::clone(&member.member_id)).or_default();
        for partition in cluster.ids(&said.owned_partitions) {
            let id = Arc::clone(&member.member_id);
            if owners.insert(partition, id).is_none() {
                of_member.insert(partition);
            }
        }
    }
    let all = cluster.partitions();
    let share = all.len().div_ceil(owned.len());
    for partitions in owned.values_mut() {
        while share < partitions.len() {
            partitions.pop_last();
        }
    }
    for partition in all {
        if !owners.contains_key(&partition) {
            let least = owned.values_mut().min_by_key(|partitions| partitions.len());
            least.unwrap().insert(partition);
        }
    }
    let encode = |partitions: &Used| ConsumerAssignment::encode(1, &cluster.named(partitions));
    owned
        .iter()
        .map(|(member_id, partitions)| (Arc::clone(member_id), encode(partitions).unwrap()))
        .collect()
}
