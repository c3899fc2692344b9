//! A group, its clients, the topics and the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::sample::Index;
use ringbrook_engine::{Clock, ManualClock};
use uuid::Uuid;

use super::super::harness::{config, settle};
use super::classic_client::ClassicClient;
use super::consumer_client::ConsumerClient;
use crate::coordinator::testing::{MemoryLog, PARTITIONS, shared};
use crate::group::assignor::fake_topics::FakeTopics;
use crate::group::assignor::{Assignment, TopicsImage};
use crate::group::{ClusterView, GroupCoordinator, GroupOverrides};

const GROUP_ID: &str = "group";
const TICK: Duration = Duration::from_millis(1500);
/// Enough for sessions to end and for the rebalances after that, one after the other.
const QUIET_TICKS_MAX: usize = 400;

/// Partitions by topic id.
pub(super) type Used = BTreeSet<(Uuid, i32)>;

pub(super) fn partitions_of(assignment: &Assignment) -> Used {
    let topics = assignment.iter();
    topics
        .flat_map(|(id, partitions)| partitions.iter().map(move |index| (*id, *index)))
        .collect()
}

/// The cluster of the group.
#[derive(Default)]
pub(super) struct FakeCluster {
    topics: Mutex<Arc<FakeTopics>>,
}

impl FakeCluster {
    fn now(&self) -> Arc<FakeTopics> {
        Arc::clone(&self.topics.lock().unwrap())
    }

    fn set(&self, name: &str, id: u128, partition_count: i32) {
        let mut topics = self.topics.lock().unwrap();
        let mut next = FakeTopics {
            version: topics.version,
            topics: topics.topics.clone(),
            racks: Vec::new(),
        };
        next.insert(name, id, partition_count);
        *topics = Arc::new(next);
    }

    pub(super) fn partitions(&self) -> Used {
        let topics = self.now();
        let topics = topics.topics.values();
        topics
            .flat_map(|topic| (0..topic.partition_count).map(|index| (topic.id, index)))
            .collect()
    }

    pub(super) fn named(&self, partitions: &Used) -> Vec<(Arc<str>, Vec<i32>)> {
        let topics = self.now();
        let mut named: BTreeMap<Arc<str>, Vec<i32>> = BTreeMap::new();
        for (id, index) in partitions {
            let name = topics.topic_by_id(*id).unwrap().name;
            named.entry(name).or_default().push(*index);
        }
        named.into_iter().collect()
    }

    pub(super) fn ids(&self, named: &[(Arc<str>, Vec<i32>)]) -> Used {
        let topics = self.now();
        let ids = named.iter().flat_map(|(name, partitions)| {
            let id = topics.topic(name).unwrap().id;
            partitions.iter().map(move |index| (id, *index))
        });
        ids.collect()
    }
}

impl ClusterView for FakeCluster {
    fn topics(&self) -> Arc<dyn TopicsImage + Send + Sync> {
        self.now()
    }

    fn group_overrides(&self, _group_id: &str) -> GroupOverrides {
        GroupOverrides::default()
    }

    fn allows_consumer_protocol(&self) -> bool {
        true
    }
}

/// Something that happens to the group.
#[derive(Clone, Debug)]
pub(super) enum Event {
    ConsumersJoin(usize),
    ClassicMembersJoin(usize),
    Leave(Vec<Index>),
    Crash(Vec<Index>),
    /// Clients leave and come back with the other protocol.
    ChangeProtocol(Vec<Index>),
    AllConsumersLeave,
    AllClassicMembersLeave,
    CoordinatorRestarts,
    TopicGrows(Index),
}

enum Client {
    Consumer(ConsumerClient),
    Classic(ClassicClient),
}

impl Client {
    fn used(&self) -> &Used {
        match self {
            Self::Consumer(client) => client.used(),
            Self::Classic(client) => client.used(),
        }
    }

    fn member_id(&self) -> &Arc<str> {
        match self {
            Self::Consumer(client) => client.member_id(),
            Self::Classic(client) => client.member_id(),
        }
    }
}

/// All of it.
pub(super) struct World {
    log: Arc<MemoryLog>,
    clock: Arc<ManualClock>,
    cluster: Arc<FakeCluster>,
    groups: GroupCoordinator,
    clients: Vec<Client>,
    is_cooperative: bool,
    next_number: usize,
    ticks: usize,
}

impl World {
    /// A world without members, with three topics.
    pub(super) async fn new(is_cooperative: bool) -> Self {
        let cluster = Arc::new(FakeCluster::default());
        for (name, id, partition_count) in [("a", 1, 7), ("b", 2, 12), ("c", 3, 1)] {
            cluster.set(name, id, partition_count);
        }
        let log = Arc::<MemoryLog>::default();
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let groups = coordinator(&log, &cluster, &clock).await;
        Self {
            log,
            clock,
            cluster,
            groups,
            clients: Vec::new(),
            is_cooperative,
            next_number: 0,
            ticks: 0,
        }
    }

    pub(super) async fn happen(&mut self, event: Event) {
        match event {
            Event::ConsumersJoin(count) => (0..count).for_each(|_| self.join(true)),
            Event::ClassicMembersJoin(count) => (0..count).for_each(|_| self.join(false)),
            Event::Leave(who) => {
                for client in self.pick(&who) {
                    self.leave(client);
                }
            }
            Event::Crash(who) => {
                for client in self.pick(&who) {
                    crash(client);
                }
            }
            Event::ChangeProtocol(who) => {
                for client in self.pick(&who) {
                    let was_consumer = matches!(client, Client::Consumer(_));
                    self.leave(client);
                    self.join(!was_consumer);
                }
            }
            Event::AllConsumersLeave => self.leave_all(|it| matches!(it, Client::Consumer(_))),
            Event::AllClassicMembersLeave => self.leave_all(|it| matches!(it, Client::Classic(_))),
            Event::CoordinatorRestarts => self.restart_coordinator().await,
            Event::TopicGrows(which) => {
                let topics = self.cluster.now();
                let names: Vec<_> = topics.topics.keys().collect();
                let topic = &topics.topics[*which.get(&names)];
                let id = topic.id.as_u128();
                self.cluster.set(&topic.name, id, topic.partition_count + 3);
            }
        }
        settle().await;
    }

    /// A client of one protocol leaves, and one of the other takes its place.
    pub(super) async fn roll_one(&mut self, to_consumer: bool) {
        let place = self
            .clients
            .iter()
            .position(|client| matches!(client, Client::Consumer(_)) != to_consumer);
        let client = self.clients.remove(place.expect("there is one left"));
        self.leave(client);
        self.join(to_consumer);
        settle().await;
    }

    /// The protocol of the group.
    pub(super) fn kind(&self) -> &'static str {
        match self.groups.describe_consumer_group(GROUP_ID) {
            Ok(_) => "consumer",
            Err(_) => "classic",
        }
    }

    fn join(&mut self, is_consumer: bool) {
        let (group_id, number) = (Arc::from(GROUP_ID), self.next_number);
        self.next_number += 1;
        let topics = self.cluster.now().topics.keys().cloned().collect();
        self.clients.push(if is_consumer {
            Client::Consumer(ConsumerClient::new(&group_id, &topics, number))
        } else {
            let is_cooperative = self.is_cooperative;
            Client::Classic(ClassicClient::new(
                &group_id,
                &topics,
                number,
                is_cooperative,
            ))
        });
    }

    fn pick(&mut self, who: &[Index]) -> Vec<Client> {
        let mut picked = Vec::new();
        for index in who {
            if !self.clients.is_empty() {
                let place = index.index(self.clients.len());
                picked.push(self.clients.swap_remove(place));
            }
        }
        picked
    }

    fn leave_all(&mut self, is_meant: impl Fn(&Client) -> bool) {
        let clients = std::mem::take(&mut self.clients);
        for client in clients {
            if is_meant(&client) {
                self.leave(client);
            } else {
                self.clients.push(client);
            }
        }
    }

    /// A client that leaves has stopped using its partitions before it says so.
    fn leave(&self, client: Client) {
        match client {
            Client::Consumer(client) => drop(client.leave(&self.groups)),
            Client::Classic(client) => drop(client.leave(&self.groups)),
        }
    }

    /// The coordinator is gone with all that is not in its log, and another takes over.
    async fn restart_coordinator(&mut self) {
        for partition in 0..PARTITIONS {
            self.groups.unload(partition);
        }
        settle().await;
        self.groups = coordinator(&self.log, &self.cluster, &self.clock).await;
        self.absorb().await;
    }

    /// Time passes, timers fire, and every client does what it does.
    pub(super) async fn tick(&mut self) {
        self.ticks += 1;
        self.clock.advance(TICK);
        self.groups.fire_due_timers();
        settle().await;
        for client in &mut self.clients {
            match client {
                Client::Consumer(client) => client.step(&self.groups, self.ticks),
                Client::Classic(client) => client.step(&self.groups, &self.cluster),
            }
        }
        self.absorb().await;
    }

    /// Lets every client take its answer; twice, as some answers lead to another request.
    async fn absorb(&mut self) {
        for _ in 0..3 {
            settle().await;
            for client in &mut self.clients {
                match client {
                    Client::Consumer(client) => client.absorb(),
                    Client::Classic(client) => client.absorb(&self.groups, &self.cluster),
                }
            }
            self.assert_nobody_shares();
        }
    }

    fn assert_nobody_shares(&self) {
        let mut users: BTreeMap<(Uuid, i32), &Arc<str>> = BTreeMap::new();
        for client in &self.clients {
            for partition in client.used() {
                if let Some(other) = users.insert(*partition, client.member_id()) {
                    let (one, kind) = (client.member_id(), self.kind());
                    let tick = self.ticks;
                    panic!("tick {tick}: {one} and {other} use {partition:?} ({kind} group)");
                }
            }
        }
    }

    /// Waits until everybody has what they are to have.
    pub(super) async fn assert_converges(&mut self) {
        for _ in 0..QUIET_TICKS_MAX {
            self.tick().await;
            if self.is_settled() {
                return;
            }
        }
        panic!(
            "{} clients use {} of {} partitions in a {} group: {:?}",
            self.clients.len(),
            self.clients
                .iter()
                .map(|client| client.used().len())
                .sum::<usize>(),
            self.cluster.partitions().len(),
            self.kind(),
            self.groups.describe_consumer_group(GROUP_ID),
        );
    }

    fn is_settled(&self) -> bool {
        if self.clients.is_empty() {
            return true;
        }
        let used: usize = self.clients.iter().map(|client| client.used().len()).sum();
        let are_members = self.clients.iter().all(|client| match client {
            Client::Consumer(client) => 0 < client.epoch(),
            Client::Classic(client) => client.is_member(),
        });
        are_members && used == self.cluster.partitions().len() && self.is_stable()
    }

    fn is_stable(&self) -> bool {
        match self.groups.describe_consumer_group(GROUP_ID) {
            Ok(group) => group.state == "Stable" && group.members.len() == self.clients.len(),
            Err(_) => true,
        }
    }
}

fn crash(client: Client) {
    match client {
        Client::Consumer(client) => client.crash(),
        Client::Classic(client) => client.crash(),
    }
}

async fn coordinator(
    log: &Arc<MemoryLog>,
    cluster: &Arc<FakeCluster>,
    clock: &Arc<ManualClock>,
) -> GroupCoordinator {
    let (cluster, clock) = (Arc::clone(cluster), Arc::clone(clock));
    let groups = GroupCoordinator::new(config(), shared(log), cluster, clock as Arc<dyn Clock>);
    for partition in 0..PARTITIONS {
        groups.load(partition).await.expect("the log can be read");
    }
    groups
}
