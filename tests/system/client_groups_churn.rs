//! Groups whose members join and leave at random while records come: at no moment is a partition
//! at two members, what was committed is not read again, all records are read, and in the end all
//! partitions are shared evenly.
//!
//! `RINGBROOK_TEST_SEED` repeats who joins and leaves when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::BoxFuture;
use ringbrook_client::TopicPartition;
use ringbrook_client::consumer::{RebalanceContext, RebalanceListener};
use ringbrook_tests::{now_ms, unique};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client_admin::Ground;
use crate::client_groups::{DEADLINE, Member};

const PARTITIONS: i32 = 40;
const MEMBERS_MAX: usize = 30;
const STEPS: usize = 60;

const RANGE: &[(&str, &str)] = &[
    ("partition.assignment.strategy", "range"),
    ("heartbeat.interval.ms", "200"),
];
const COOPERATIVE: &[(&str, &str)] = &[
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("heartbeat.interval.ms", "200"),
];
const NEXT: &[(&str, &str)] = &[("group.protocol", "consumer")];

/// What all members have told of what they have, read and committed.
#[derive(Debug, Default)]
struct Ledger {
    owners: BTreeMap<i32, usize>,
    /// The offset behind the last record of which a commit has succeeded.
    committed: BTreeMap<i32, i64>,
    read: BTreeSet<(i32, i64)>,
    read_again: usize,
    rebalances: usize,
    refused: BTreeMap<String, usize>,
    /// What must not be.
    wrong: Vec<String>,
}

impl Ledger {
    fn assigned(&mut self, member: usize, partition: i32) {
        if let Some(other) = self.owners.insert(partition, member) {
            self.wrong.push(format!(
                "{partition} given to {member} while {other} has it"
            ));
        }
    }

    fn revoked(&mut self, member: usize, partition: i32) {
        if self.owners.remove(&partition) != Some(member) {
            self.wrong.push(format!(
                "{partition} taken from {member}, which did not have it"
            ));
        }
    }

    fn read(&mut self, member: usize, partition: i32, offset: i64) {
        let committed = self.committed.get(&partition).copied();
        if committed.is_some_and(|committed| offset < committed) {
            self.wrong.push(format!(
                "{partition} at {offset} read by {member} behind {committed:?}"
            ));
        }
        if !self.read.insert((partition, offset)) {
            self.read_again += 1;
        }
    }

    fn committed(&mut self, offsets: &[(i32, i64)]) {
        for (partition, offset) in offsets {
            let known = self.committed.entry(*partition).or_default();
            *known = (*known).max(*offset);
        }
    }

    fn is_shared_evenly(&self) -> bool {
        let mut sizes = BTreeMap::<usize, usize>::new();
        for member in self.owners.values() {
            *sizes.entry(*member).or_default() += 1;
        }
        let (min, max) = (sizes.values().min(), sizes.values().max());
        self.owners.keys().copied().eq(0..PARTITIONS) && max.copied() <= min.map(|it| it + 1)
    }

    fn owners_count(&self) -> usize {
        self.owners.values().collect::<BTreeSet<_>>().len()
    }
}

/// The ledger, with the member that writes into it.
#[derive(Clone)]
struct Entry {
    ledger: Arc<Mutex<Ledger>>,
    member: usize,
}

impl Entry {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no entry panics")
    }

    fn each(&self, partitions: &[TopicPartition], note: fn(&mut Ledger, usize, i32)) {
        let mut ledger = self.ledger();
        ledger.rebalances += 1;
        for it in partitions {
            note(&mut ledger, self.member, it.partition);
        }
    }
}

impl RebalanceListener for Entry {
    fn on_partitions_assigned<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        self.each(partitions, Ledger::assigned);
        Box::pin(std::future::ready(()))
    }

    fn on_partitions_revoked<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        self.each(partitions, Ledger::revoked);
        Box::pin(std::future::ready(()))
    }

    fn on_partitions_lost<'a>(
        &'a self,
        _consumer: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        // Nobody stays away, so nobody is put out; but who closes in the middle of a rebalance
        // cannot know whether what it had was given to others meanwhile.
        let mut ledger = self.ledger();
        for it in partitions {
            if ledger.owners.get(&it.partition) == Some(&self.member) {
                ledger.owners.remove(&it.partition);
            }
        }
        Box::pin(std::future::ready(()))
    }
}

/// How a member commits.
#[derive(Debug, Clone, Copy)]
enum Commits {
    Sync,
    Async,
    ByTime,
}

/// A member that lives in a task of its own until it is told to leave.
struct Life {
    leave: watch::Sender<bool>,
    task: JoinHandle<anyhow::Result<()>>,
}

async fn live(
    member: Member,
    entry: Entry,
    commits: Commits,
    leave: watch::Receiver<bool>,
    polls: Arc<watch::Sender<u64>>,
) -> anyhow::Result<()> {
    while !*leave.borrow() {
        let records = member.poll(Duration::from_millis(50)).await?;
        polls.send_modify(|count| *count += 1);
        let mut offsets = BTreeMap::new();
        for record in &records {
            entry
                .ledger()
                .read(entry.member, record.partition, record.offset);
            offsets.insert(record.partition, record.offset + 1);
        }
        if offsets.is_empty() {
            continue;
        }
        let offsets: Vec<_> = offsets.into_iter().collect();
        match commits {
            Commits::ByTime => {}
            Commits::Sync => note(&entry, &offsets, member.commit_sync().await),
            Commits::Async => {
                let entry = entry.clone();
                member.commit_async(move |result| note(&entry, &offsets, result))?;
            }
        }
    }
    Ok(member.close().await?)
}

fn note(entry: &Entry, offsets: &[(i32, i64)], result: Result<(), ringbrook_client::ClientError>) {
    match result {
        Ok(()) => entry.ledger().committed(offsets),
        Err(error) => {
            let code = error.response_error().map(|code| format!("{code:?}"));
            let code = code.unwrap_or_else(|| error.to_string());
            *entry.ledger().refused.entry(code).or_default() += 1;
        }
    }
}

/// A group in which members come and go.
struct Churn {
    ground: Ground,
    settings: &'static [(&'static str, &'static str)],
    topic: String,
    group: String,
    ledger: Arc<Mutex<Ledger>>,
    polls: Arc<watch::Sender<u64>>,
    members: Vec<Life>,
    members_ever: usize,
    sent: BTreeSet<(i32, i64)>,
    next_offsets: BTreeMap<i32, i64>,
}

impl Churn {
    async fn new(settings: &'static [(&'static str, &'static str)]) -> anyhow::Result<Self> {
        let ground = Ground::new()?;
        Ok(Self {
            topic: ground.topic("groups-churn", PARTITIONS).await?,
            ground,
            settings,
            group: unique("groups-churn"),
            ledger: Arc::default(),
            polls: Arc::new(watch::Sender::new(0)),
            members: Vec::new(),
            members_ever: 0,
            sent: BTreeSet::new(),
            next_offsets: BTreeMap::new(),
        })
    }

    fn join(&mut self, commits: Commits) -> anyhow::Result<()> {
        let by_time = matches!(commits, Commits::ByTime);
        let auto = ("enable.auto.commit", if by_time { "true" } else { "false" });
        let often = ("auto.commit.interval.ms", "100");
        let settings = [self.settings, &[auto, often]].concat();
        let member = self.ground.member(&self.group, &settings)?;
        let entry = Entry {
            ledger: Arc::clone(&self.ledger),
            member: self.members_ever,
        };
        self.members_ever += 1;
        member.subscribe_with([self.topic.as_str()], entry.clone())?;
        let (leave, is_leaving) = watch::channel(false);
        let polls = Arc::clone(&self.polls);
        let task = tokio::spawn(live(member, entry, commits, is_leaving, polls));
        self.members.push(Life { leave, task });
        Ok(())
    }

    /// Tells a member to leave; it does so in its own time.
    fn leave(&mut self, index: usize) -> JoinHandle<anyhow::Result<()>> {
        let life = self.members.swap_remove(index);
        life.leave.send_replace(true);
        life.task
    }

    async fn send(&mut self, partition: i32) -> anyhow::Result<()> {
        let values: Vec<_> = (0..3).map(|it| it.to_string()).collect();
        self.ground.produce(&self.topic, partition, &values).await?;
        for _ in values {
            let offset = self.next_offsets.entry(partition).or_default();
            self.sent.insert((partition, *offset));
            *offset += 1;
        }
        Ok(())
    }

    /// Waits until members have polled so often, all together.
    async fn after_polls(&self, count: u64) -> anyhow::Result<()> {
        let mut polls = self.polls.subscribe();
        let target = *polls.borrow() + count;
        let polled = polls.wait_for(|count| target <= *count);
        tokio::time::timeout(DEADLINE, polled).await??;
        Ok(())
    }

    async fn settled(&self) -> anyhow::Result<()> {
        let mut polls = self.polls.subscribe();
        let is_settled = || {
            let ledger = self.ledger.lock().expect("no entry panics");
            let is_shared = ledger.owners_count() == self.members.len();
            is_shared && ledger.is_shared_evenly() && ledger.read == self.sent
        };
        let settled = polls.wait_for(|_| is_settled());
        let settled = tokio::time::timeout(DEADLINE, settled).await;
        let ledger = self.ledger.lock().expect("no entry panics");
        let missing: Vec<_> = self.sent.difference(&ledger.read).collect();
        let members = self.members.len();
        settled.with_context(|| {
            format!("{members} members do not settle; not read: {missing:?}; {ledger:?}")
        })??;
        Ok(())
    }
}

async fn churn(settings: &'static [(&'static str, &'static str)], seed: u64) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut group = Churn::new(settings).await?;
    let mut leaving = Vec::new();
    for step in 0..STEPS {
        // First there are more and more, then fewer and fewer.
        let joins = if step < STEPS * 2 / 3 { 80 } else { 30 };
        let is_few = group.members.len() < 2;
        if is_few || (group.members.len() < MEMBERS_MAX && random.u8(0..100) < joins) {
            let all = [Commits::Sync, Commits::Async, Commits::ByTime];
            group.join(all[random.usize(0..all.len())])?;
        } else {
            let index = random.usize(0..group.members.len());
            leaving.push(group.leave(index));
        }
        group.send(random.i32(0..PARTITIONS)).await?;
        group.after_polls(random.u64(0..40)).await?;
    }
    group.settled().await?;
    while let Some(index) = group.members.len().checked_sub(1) {
        leaving.push(group.leave(index));
    }
    for task in leaving {
        task.await??;
    }
    let ledger = group.ledger.lock().expect("no entry panics");
    eprintln!(
        "{settings:?}: {} members, {} calls of listeners; {} of {} records read again; commits \
         refused: {:?}",
        group.members_ever,
        ledger.rebalances,
        ledger.read_again,
        ledger.read.len(),
        ledger.refused
    );
    ensure!(ledger.wrong.is_empty(), "seed {seed}: {:?}", ledger.wrong);
    ensure!(20 < group.members_ever, "{} members", group.members_ever);
    ensure!(ledger.owners.is_empty(), "{:?}", ledger.owners);
    Ok(())
}

async fn churn_seeded(settings: &'static [(&'static str, &'static str)]) -> anyhow::Result<()> {
    let seed = std::env::var("RINGBROOK_TEST_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| now_ms().unsigned_abs() % 1_000_000);
    eprintln!("RINGBROOK_TEST_SEED={seed} repeats who joins and leaves when");
    churn(settings, seed).await
}

#[tokio::test]
async fn client_groups_churn_of_eager_members_converges() -> anyhow::Result<()> {
    churn_seeded(RANGE).await
}

#[tokio::test]
async fn client_groups_churn_of_cooperative_members_converges() -> anyhow::Result<()> {
    churn_seeded(COOPERATIVE).await
}

#[tokio::test]
async fn client_groups_churn_of_the_consumer_protocol_converges() -> anyhow::Result<()> {
    churn_seeded(NEXT).await
}
