//! Members that join, leave, crash, come back and lose answers in any order, while topics change
//! and coordinators take over from each other: no partition is ever owned by two clients, and once
//! they are left alone, each is owned by exactly one of those that subscribe to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::harness::{Harness, harness, join};
use crate::group::assignor::{Assignment, TopicsImage};
use crate::group::consumer::request::ConsumerHeartbeat;
use crate::group::error::GroupError;

const TOPICS: [&str; 4] = ["t0", "t1", "t2", "u0"];
const SUBSCRIPTIONS: [(&[&str], Option<&str>); 5] = [
    (&["t0", "t1", "t2"], None),
    (&["t0"], None),
    (&["t1", "u0"], None),
    (&[], Some("t.*")),
    (&["u0"], Some("t[01]")),
];

/// A consumer, as far as the coordinator can tell.
#[derive(Clone, Debug)]
struct Client {
    member_id: String,
    instance_id: Option<Arc<str>>,
    epoch: i32,
    /// What it consumes at this moment.
    owned: Assignment,
    /// What it has been told to own and has not brought about yet.
    told: Option<Assignment>,
    subscription: usize,
    /// Whether the next heartbeat has to say everything: at first, and when an answer was lost.
    is_full: bool,
}

impl Client {
    fn request(&self) -> ConsumerHeartbeat {
        let (names, regex) = SUBSCRIPTIONS[self.subscription];
        let mut request = join(&self.member_id, names);
        request.member_epoch = self.epoch;
        request.instance_id.clone_from(&self.instance_id);
        request.subscribed_topic_regex = Some(Arc::from(regex.unwrap_or("")));
        // What it is to give up it still owns.
        request.owned = Some(self.owned.clone());
        if !self.is_full {
            request.rebalance_timeout_ms = None;
            request.subscribed_topic_names = None;
            request.subscribed_topic_regex = None;
        }
        request
    }

    /// Gives up what it is not to own any more, and takes the rest.
    fn follow(&mut self) {
        if let Some(told) = self.told.take() {
            self.owned = told;
        }
    }
}

struct World {
    h: Harness,
    clients: BTreeMap<String, Client>,
    /// Static members that left for a while.
    away: Vec<Client>,
    next_id: usize,
}

impl World {
    fn new(assignment_interval_ms: i64) -> Self {
        let mut h = harness();
        h.settings.assignment_interval_ms = assignment_interval_ms;
        h.topics.put(TOPICS[0], 4);
        Self {
            h,
            clients: BTreeMap::new(),
            away: Vec::new(),
            next_id: 0,
        }
    }

    fn enter(&mut self, subscription: usize, is_static: bool) {
        let id = self.next_id;
        self.next_id += 1;
        let member_id = format!("m{id:04}");
        let client = Client {
            member_id: member_id.clone(),
            instance_id: is_static.then(|| Arc::from(format!("i{id}"))),
            epoch: 0,
            owned: Assignment::new(),
            told: None,
            subscription: subscription % SUBSCRIPTIONS.len(),
            is_full: true,
        };
        self.clients.insert(member_id.clone(), client);
        self.heartbeat(&member_id, false);
    }

    fn pick(&self, number: usize) -> Option<String> {
        let count = self.clients.len();
        let index = number.checked_rem(count)?;
        self.clients.keys().nth(index).cloned()
    }

    /// A heartbeat; a lost answer leaves the client none the wiser.
    fn heartbeat(&mut self, member_id: &str, is_lost: bool) {
        let client = &self.clients[member_id];
        let request = client.request();
        let answer = self.h.send(&request);
        let client = self.clients.get_mut(member_id).expect("client");
        if is_lost {
            // It may have said that it does not own yet what it was told before, and been heard.
            // The protocol has no answer to a client that goes on to take that.
            client.told = None;
            client.is_full = true;
            return;
        }
        match answer {
            Ok(answer) => {
                client.epoch = answer.member_epoch;
                client.is_full = false;
                if answer.assignment.is_some() {
                    client.told = answer.assignment;
                }
            }
            Err(refused) => {
                assert!(
                    matches!(
                        refused.error,
                        GroupError::FencedMemberEpoch
                            | GroupError::UnknownMemberId
                            // A static member that was fenced waits until its session is over.
                            | GroupError::UnreleasedInstanceId
                    ),
                    "{refused}"
                );
                client.epoch = 0;
                client.owned.clear();
                client.told = None;
                client.is_full = true;
            }
        }
        self.check();
    }

    /// Nobody consumes what somebody else does, nor what the coordinator has given to another.
    fn check(&self) {
        let mut owners = BTreeMap::<(Uuid, i32), &str>::new();
        for client in self.clients.values() {
            for (id, partitions) in &client.owned {
                for index in partitions {
                    let other = owners.insert((*id, *index), &client.member_id);
                    assert_eq!(other, None, "{id}-{index} also by {}", client.member_id);
                }
            }
        }
        for member in self.h.group.members.values() {
            for partition in member.current.owned() {
                let by = owners.get(&partition);
                assert!(
                    by.is_none_or(|by| **by == *member.member_id),
                    "{partition:?} is given to {} and consumed by {by:?}",
                    member.member_id
                );
            }
        }
    }

    fn act(&mut self, kind: u8, number: usize) {
        match kind {
            0..=2 => self.enter(number, kind == 2),
            3 => {
                if let Some(id) = self.pick(number) {
                    let client = self.clients.remove(&id).expect("client");
                    let request = ConsumerHeartbeat {
                        member_epoch: -1,
                        ..client.request()
                    };
                    drop(self.h.send(&request));
                }
            }
            // A crash: its session ends some time.
            4 => drop(self.pick(number).map(|id| self.clients.remove(&id))),
            5 => self.leave_for_now(number),
            6 => self.come_back(number),
            7 => {
                if let Some(id) = self.pick(number) {
                    let client = self.clients.get_mut(&id).expect("client");
                    client.subscription = number % SUBSCRIPTIONS.len();
                    client.is_full = true;
                    self.heartbeat(&id, false);
                }
            }
            8 => {
                let topic = TOPICS[number % TOPICS.len()];
                let count = i32::try_from(1 + number % 9).expect("small");
                self.h.topics.put(topic, count);
            }
            9 => self.h.topics.remove(TOPICS[number % TOPICS.len()]),
            10 => self.h.restart(),
            11 => self.h.resolve(),
            12 => self.let_time_pass(Duration::from_millis(
                u64::try_from(number % 3000).expect("small"),
            )),
            13 => {
                if let Some(id) = self.pick(number) {
                    self.heartbeat(&id, true);
                }
            }
            14 | 15 => {
                if let Some(id) = self.pick(number) {
                    self.clients.get_mut(&id).expect("client").follow();
                    self.check();
                }
            }
            _ => {
                if let Some(id) = self.pick(number) {
                    self.heartbeat(&id, false);
                }
            }
        }
    }

    fn leave_for_now(&mut self, number: usize) {
        let Some(id) = self.pick(number) else { return };
        let Some(instance_id) = self.clients[&id].instance_id.clone() else {
            return;
        };
        let mut client = self.clients.remove(&id).expect("client");
        if self.h.leave_for_now(&id, &instance_id).is_ok() {
            client.owned.clear();
            self.away.push(client);
        }
    }

    fn come_back(&mut self, number: usize) {
        let Some(index) = number.checked_rem(self.away.len()) else {
            return;
        };
        let mut client = self.away.swap_remove(index);
        let id = format!("m{:04}", self.next_id);
        self.next_id += 1;
        client.member_id.clone_from(&id);
        client.epoch = 0;
        client.told = None;
        client.is_full = true;
        self.clients.insert(id.clone(), client);
        self.heartbeat(&id, false);
    }

    /// Living clients are heard of often enough, so that only the dead time out.
    fn let_time_pass(&mut self, time: Duration) {
        self.h.pass(time);
        let ids: Vec<String> = self.clients.keys().cloned().collect();
        for id in ids {
            self.clients.get_mut(&id).expect("client").follow();
            self.heartbeat(&id, false);
        }
    }

    /// Nothing happens any more but heartbeats.
    fn settle(&mut self) {
        for _ in 0..80 {
            self.h.resolve();
            self.let_time_pass(Duration::from_secs(1));
        }
        // Twice that time: a client whose answer is lost is full once and then not any more.
        let ids: Vec<String> = self.clients.keys().cloned().collect();
        for id in ids {
            self.clients.get_mut(&id).expect("client").follow();
        }
        self.check();
        let expected = if self.clients.is_empty() {
            "Empty"
        } else {
            "Stable"
        };
        assert_eq!(self.h.state(), expected);
        for topic in TOPICS {
            self.check_topic(topic);
        }
    }

    fn check_topic(&self, topic: &str) {
        let subscribers: Vec<&Client> = self
            .clients
            .values()
            .filter(|client| is_subscribed(client.subscription, topic))
            .collect();
        let id = self.h.topics.topic(topic).map(|topic| topic.id);
        for client in self.clients.values() {
            for owned in client.owned.keys() {
                assert!(
                    self.h.topics.topic_by_id(*owned).is_some(),
                    "{owned} is gone"
                );
            }
        }
        let Some(id) = id else { return };
        let mut owned = 0;
        for client in self.clients.values() {
            let partitions = client.owned.get(&id).map_or(0, |of_topic| of_topic.len());
            assert!(
                partitions == 0 || is_subscribed(client.subscription, topic),
                "{topic} of {}",
                client.member_id
            );
            owned += partitions;
        }
        let wanted = if subscribers.is_empty() {
            0
        } else {
            usize::try_from(self.h.partition_count(id)).expect("positive")
        };
        assert_eq!(owned, wanted, "{topic}");
    }
}

fn is_subscribed(subscription: usize, topic: &str) -> bool {
    let (names, regex) = SUBSCRIPTIONS[subscription];
    let by_regex = match regex {
        Some("t.*") => topic.starts_with('t'),
        Some(_) => topic == "t0" || topic == "t1",
        None => false,
    };
    by_regex || names.contains(&topic)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn groups_converge_and_never_give_a_partition_to_two(
        assignment_interval_ms in prop_oneof![Just(0_i64), Just(1000)],
        events in proptest::collection::vec((0..24_u8, any::<u16>()), 1..120),
    ) {
        let mut world = World::new(assignment_interval_ms);
        for (kind, number) in events {
            world.act(kind, usize::from(number));
        }
        world.settle();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn groups_of_hundreds_converge(
        events in proptest::collection::vec((3..24_u8, any::<u16>()), 400..600),
    ) {
        let mut world = World::new(1000);
        world.h.topics.put("t1", 300);
        for index in 0..250 {
            world.enter(index % 2 * 3, index % 5 == 0);
        }
        for (kind, number) in events {
            world.act(kind, usize::from(number));
        }
        world.settle();
    }
}
