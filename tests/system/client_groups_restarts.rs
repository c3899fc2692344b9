//! Groups of native members whose broker is stopped or killed (ours, so that it can be) and comes
//! back: members stay members, nobody is told anything, nothing is read twice; and what was
//! committed is there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use futures_util::future::join_all;
use ringbrook_client::Admin;
use ringbrook_client::TopicPartition;
use ringbrook_client::admin::{CreateTopicsOptions, NewTopic};
use ringbrook_client::config::{ConsumerConfig, Properties};
use ringbrook_client::consumer::Consumer;
use ringbrook_client::producer::Producer;
use ringbrook_client::serialization::StringSerializer;
use ringbrook_tests::exactly_once::Target;
use ringbrook_tests::{now, unique};

use crate::client_admin::admin_of;
use crate::client_groups::{DEADLINE, Member, Told, indexes, is_split, producer_of, send_to};

const EAGER: &[(&str, &str)] = &[("heartbeat.interval.ms", "200")];
const COOPERATIVE: &[(&str, &str)] = &[
    ("heartbeat.interval.ms", "200"),
    ("partition.assignment.strategy", "cooperative-sticky"),
];
const NEXT: &[(&str, &str)] = &[("group.protocol", "consumer")];

/// A broker that ends and comes back at the same address, and two members of a group.
struct Scene {
    target: Target,
    _admin: Admin,
    producer: Producer<String, String>,
    topic: String,
    members: Vec<Member>,
    told: Vec<Told>,
    sent: BTreeSet<String>,
    read: BTreeMap<String, usize>,
}

fn member_at(
    address: SocketAddr,
    group: &str,
    settings: &[(&str, &str)],
) -> anyhow::Result<Member> {
    let mut properties: Properties = settings.iter().copied().collect();
    properties.set("bootstrap.servers", address.to_string());
    properties.set("group.id", group);
    properties.set("auto.offset.reset", "earliest");
    let config = ConsumerConfig::from_properties(&properties)?;
    Ok(Consumer::new(config, StringSerializer, StringSerializer)?)
}

impl Scene {
    /// Two members, of which the second has not subscribed yet.
    async fn new(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let target = Target::start()?;
        let address = target.address();
        let admin = admin_of(&address.to_string())?;
        let topics = [NewTopic::new("t").partitions(4).replication_factor(1)];
        let created = admin.create_topics(&topics, CreateTopicsOptions::default());
        created.await.all()?;
        let group = unique("restarts");
        let mut scene = Self {
            producer: producer_of(address)?,
            target,
            _admin: admin,
            topic: "t".to_owned(),
            members: Vec::new(),
            told: vec![Told::default(), Told::default()],
            sent: BTreeSet::new(),
            read: BTreeMap::new(),
        };
        for _ in 0..2 {
            scene.members.push(member_at(address, &group, settings)?);
        }
        scene.subscribe(0)?;
        Ok(scene)
    }

    fn subscribe(&self, index: usize) -> anyhow::Result<()> {
        let told = self.told[index].clone();
        Ok(self.members[index].subscribe_with([self.topic.as_str()], told)?)
    }

    async fn send(&mut self, round: &str) -> anyhow::Result<()> {
        for partition in 0..4 {
            let values: Vec<_> = (0..5)
                .map(|it| format!("{round} {partition} {it}"))
                .collect();
            send_to(&self.producer, &self.topic, partition, &values).await?;
            self.sent.extend(values);
        }
        Ok(())
    }

    async fn poll_once(&mut self, count: usize) -> anyhow::Result<()> {
        let members = self.members.iter().take(count);
        let polls = members.map(|it| it.poll(Duration::from_millis(50)));
        for records in join_all(polls).await {
            for value in records?.into_iter().filter_map(|it| it.value) {
                *self.read.entry(value).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Polls the first `count` members until `is_done`.
    async fn poll_until(
        &mut self,
        count: usize,
        what: &str,
        is_done: impl Fn(&Self) -> bool,
    ) -> anyhow::Result<()> {
        let end = now() + DEADLINE;
        while !is_done(self) {
            let seen: Vec<_> = self.members.iter().map(indexes).collect();
            ensure!(now() < end, "{what}? {seen:?}, {:?}", self.target.log());
            self.poll_once(count).await?;
        }
        Ok(())
    }

    fn is_halved(&self) -> bool {
        is_split(&[&self.members[0], &self.members[1]], 4)
    }

    fn is_all_read(&self) -> bool {
        self.read.keys().eq(&self.sent)
    }

    /// Ends the broker, polls `count` members while it is away, and has it back.
    async fn restart(&mut self, is_kill: bool, count: usize) -> anyhow::Result<()> {
        self.target.end(is_kill, Duration::from_secs(1))?;
        let back = now() + Duration::from_secs(1);
        while now() < back {
            self.poll_once(count).await?;
        }
        self.target.step(true)
    }

    fn identities(&self) -> anyhow::Result<Vec<(i32, String)>> {
        let mut identities = Vec::new();
        for member in &self.members {
            let it = member.group_metadata()?;
            identities.push((it.generation_id, it.member_id.to_string()));
        }
        Ok(identities)
    }
}

#[tokio::test]
async fn client_groups_restarts_of_the_broker_disturb_no_member() -> anyhow::Result<()> {
    for settings in [EAGER, COOPERATIVE, NEXT] {
        let mut scene = Scene::new(settings).await?;
        scene.subscribe(1)?;
        scene
            .poll_until(2, "both have a half", Scene::is_halved)
            .await?;
        for is_kill in [false, true] {
            let round = format!("{settings:?} {is_kill}");
            scene.send(&format!("{round} before")).await?;
            scene.poll_until(2, &round, Scene::is_all_read).await?;
            for member in &scene.members {
                member.commit_sync().await?;
            }
            let (identities, _) = (
                scene.identities()?,
                scene.told.iter().map(Told::take).count(),
            );
            scene.restart(is_kill, 2).await?;
            scene.send(&format!("{round} after")).await?;
            scene.poll_until(2, &round, Scene::is_all_read).await?;
            for member in &scene.members {
                // Proves that the broker still counts on it.
                member.commit_sync().await?;
            }
            assert_eq!(scene.identities()?, identities, "{round}");
            for told in &scene.told {
                assert_eq!(told.take(), [], "{round}");
            }
        }
        let twice = scene.read.iter().find(|(_, times)| **times != 1);
        assert_eq!(twice, None, "{settings:?}");
        for member in &scene.members {
            member.close().await?;
        }
        scene.target.stop()?;
    }
    Ok(())
}

#[tokio::test]
async fn client_groups_restarts_in_the_middle_of_a_rebalance_are_survived() -> anyhow::Result<()> {
    for settings in [EAGER, COOPERATIVE, NEXT] {
        for is_kill in [false, true] {
            let round = format!("{settings:?} {is_kill}");
            let mut scene = Scene::new(settings).await?;
            let alone = |scene: &Scene| is_split(&[&scene.members[0]], 4);
            scene.poll_until(1, &round, alone).await?;
            scene.send(&format!("{round} before")).await?;
            scene.poll_until(1, &round, Scene::is_all_read).await?;
            // The second one asks to join; the first one does not poll, so the group waits for it.
            scene.subscribe(1)?;
            let joining = scene.members[1].poll(Duration::from_millis(300));
            ensure!(joining.await?.is_empty(), "{round}");
            scene.restart(is_kill, 2).await?;
            scene.poll_until(2, &round, Scene::is_halved).await?;
            scene.send(&format!("{round} after")).await?;
            scene.poll_until(2, &round, Scene::is_all_read).await?;
            for member in &scene.members {
                member.close().await?;
            }
            scene.target.stop()?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn client_groups_restarts_lose_no_commit() -> anyhow::Result<()> {
    for settings in [EAGER, NEXT] {
        let mut scene = Scene::new(settings).await?;
        let alone = |scene: &Scene| is_split(&[&scene.members[0]], 4);
        scene.poll_until(1, "the only one has all", alone).await?;
        let partition = TopicPartition::new("t", 0);
        for offset in 1..=6_i64 {
            let offsets = [(partition.clone(), offset.into())].into();
            if offset % 2 == 0 {
                scene.members[0].commit_offsets(offsets).await?;
            } else {
                let (done, outcome) = tokio::sync::oneshot::channel();
                let tell = move |result| done.send(result).expect("the test waits");
                scene.members[0].commit_offsets_async(offsets, tell)?;
                outcome.await??;
            }
            scene.restart(true, 1).await?;
            let committed = scene.members[0].committed(std::slice::from_ref(&partition));
            let committed = committed.await?.get(&partition).map(|it| it.offset);
            assert_eq!(committed, Some(offset), "{settings:?}");
        }
        scene.members[0].close().await?;
        scene.target.stop()?;
    }
    Ok(())
}
