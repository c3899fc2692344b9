//! Groups that native members share with librdkafka's: whoever leads, no partition is ever at two
//! members, all are at one in the end, and every record is read.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::join_all;
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use ringbrook_client::admin::GroupType;
use ringbrook_tests::unique;

use crate::client_admin::Ground;
use crate::client_groups::{DEADLINE, Member, indexes};

const PARTITIONS: i32 = 6;

/// Both sides' settings for the same way to share partitions.
struct Way {
    name: &'static str,
    common: &'static [(&'static str, &'static str)],
}

const WAYS: [Way; 4] = [
    Way {
        name: "range",
        common: &[
            ("partition.assignment.strategy", "range"),
            ("heartbeat.interval.ms", "200"),
        ],
    },
    Way {
        name: "round-robin",
        common: &[
            ("partition.assignment.strategy", "roundrobin"),
            ("heartbeat.interval.ms", "200"),
        ],
    },
    Way {
        name: "cooperative-sticky",
        common: &[
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("heartbeat.interval.ms", "200"),
        ],
    },
    Way {
        name: "the consumer protocol",
        common: &[("group.protocol", "consumer")],
    },
];

/// A group of both kinds of members, its topic, and what was sent and read.
struct Mixed {
    ground: Ground,
    way: &'static Way,
    topic: String,
    group: String,
    native: Vec<Member>,
    foreign: Vec<BaseConsumer>,
    sent: BTreeSet<String>,
    read: BTreeSet<String>,
}

impl Mixed {
    async fn new(way: &'static Way) -> anyhow::Result<Self> {
        let ground = Ground::new()?;
        let topic = ground.topic("groups-mixed", PARTITIONS).await?;
        Ok(Self {
            ground,
            way,
            topic,
            group: unique("groups-mixed"),
            native: Vec::new(),
            foreign: Vec::new(),
            sent: BTreeSet::new(),
            read: BTreeSet::new(),
        })
    }

    fn add_native(&mut self) -> anyhow::Result<()> {
        self.add_native_by(self.way)
    }

    /// A native member that goes another way than the group began with.
    fn add_native_by(&mut self, way: &Way) -> anyhow::Result<()> {
        let member = self.ground.member(&self.group, way.common)?;
        member.subscribe([self.topic.as_str()])?;
        self.native.push(member);
        Ok(())
    }

    fn add_foreign(&mut self) -> anyhow::Result<()> {
        let mut config = ClientConfig::new();
        config
            .set(
                "bootstrap.servers",
                self.ground.broker.address().to_string(),
            )
            .set("broker.address.family", "v4")
            .set("group.id", &self.group)
            .set("auto.offset.reset", "earliest")
            .set("auto.commit.interval.ms", "100")
            .set("fetch.wait.max.ms", "100");
        for (key, value) in self.way.common {
            config.set(*key, *value);
        }
        let member: BaseConsumer = config.create()?;
        member.subscribe(&[&self.topic])?;
        self.foreign.push(member);
        Ok(())
    }

    /// Who has what now, native members first. Assignments change in polls only, so nothing moves
    /// while this looks.
    fn shares(&self) -> anyhow::Result<Vec<BTreeSet<i32>>> {
        let mut shares: Vec<_> = self.native.iter().map(indexes).collect();
        for member in &self.foreign {
            let assigned = member.assignment()?;
            shares.push(
                assigned
                    .elements()
                    .iter()
                    .map(|it| it.partition())
                    .collect(),
            );
        }
        let count: usize = shares.iter().map(BTreeSet::len).sum();
        let all: BTreeSet<_> = shares.iter().flatten().collect();
        let way = self.way.name;
        ensure!(
            count == all.len(),
            "{way}: at two members at once: {shares:?}"
        );
        Ok(shares)
    }

    fn is_shared_evenly(&self) -> anyhow::Result<bool> {
        let shares = self.shares()?;
        let sizes = || shares.iter().map(BTreeSet::len);
        let (min, max) = (sizes().min(), sizes().max());
        let all: BTreeSet<_> = shares.iter().flatten().copied().collect();
        Ok(all == (0..PARTITIONS).collect() && max <= min.map(|it| it + 1))
    }

    async fn poll_once(&mut self) -> anyhow::Result<()> {
        let polls = self
            .native
            .iter()
            .map(|it| it.poll(Duration::from_millis(20)));
        for records in join_all(polls).await {
            self.read
                .extend(records?.into_iter().filter_map(|it| it.value));
        }
        for member in &self.foreign {
            while let Some(message) = member.poll(Duration::ZERO) {
                let message = message?;
                let value = message.payload().context("records have values")?;
                self.read.insert(String::from_utf8(value.to_vec())?);
            }
        }
        Ok(())
    }

    /// Sends something to every partition, and polls until everything is shared and read.
    async fn settle(&mut self, round: &str) -> anyhow::Result<()> {
        for partition in 0..PARTITIONS {
            let values: Vec<_> = (0..5)
                .map(|it| format!("{round} {partition} {it}"))
                .collect();
            self.ground.produce(&self.topic, partition, &values).await?;
            self.sent.extend(values);
        }
        let settled = tokio::time::timeout(DEADLINE, async {
            while !(self.is_shared_evenly()? && self.read == self.sent) {
                self.poll_once().await?;
            }
            anyhow::Ok(())
        });
        let settled = settled.await;
        let (way, shares) = (self.way.name, self.shares()?);
        let missing: Vec<_> = self.sent.difference(&self.read).collect();
        settled.with_context(|| {
            format!("{way}, {round}: does not settle: {shares:?}; not read: {missing:?}")
        })?
    }

    /// Which protocol the group follows, as the broker says.
    async fn kind(&self) -> anyhow::Result<GroupType> {
        let described = self
            .ground
            .admin
            .describe_consumer_groups([self.group.as_str()]);
        Ok(described.await.only(&self.group)?.group_type)
    }

    async fn close_native(&mut self) -> anyhow::Result<()> {
        Ok(self.native.remove(0).close().await?)
    }

    async fn close_foreign(&mut self) -> anyhow::Result<()> {
        let member = self.foreign.remove(0);
        // Closes, which takes a while.
        Ok(tokio::task::spawn_blocking(move || drop(member)).await?)
    }
}

#[tokio::test]
async fn client_groups_mixed_with_librdkafka_join_a_native_leader() -> anyhow::Result<()> {
    for way in &WAYS {
        let mut group = Mixed::new(way).await?;
        group.add_native()?;
        group.settle("native alone").await?;
        group.add_foreign()?;
        group.settle("foreign joins").await?;
        group.add_native()?;
        group.settle("second native joins").await?;
        group.close_foreign().await?;
        group.settle("foreign leaves").await?;
        group.add_foreign()?;
        group.settle("foreign comes back").await?;
        group.close_native().await?;
        group.close_native().await?;
        group.settle("natives leave").await?;
        group.close_foreign().await?;
    }
    Ok(())
}

#[tokio::test]
async fn client_groups_mixed_with_librdkafka_join_a_foreign_leader() -> anyhow::Result<()> {
    for way in &WAYS {
        let mut group = Mixed::new(way).await?;
        group.add_foreign()?;
        group.settle("foreign alone").await?;
        group.add_native()?;
        group.add_native()?;
        group.settle("natives join").await?;
        group.add_foreign()?;
        group.settle("second foreign joins").await?;
        group.close_native().await?;
        group.settle("native leaves").await?;
        group.close_foreign().await?;
        group.close_foreign().await?;
        group.settle("foreigners leave").await?;
        group.close_native().await?;
    }
    Ok(())
}

/// Member by member from the classic protocol to the consumer protocol, and back (KIP-848): while
/// both kinds are there, both read.
#[tokio::test]
async fn client_groups_mixed_of_both_protocols_move_online() -> anyhow::Result<()> {
    let [classics @ .., next] = &WAYS;
    for way in classics {
        let mut group = Mixed::new(way).await?;
        group.add_native()?;
        group.add_native()?;
        group.settle("two classic ones").await?;
        ensure!(group.kind().await? == GroupType::Classic);
        group.add_native_by(next)?;
        group.settle("and one of the consumer protocol").await?;
        ensure!(group.kind().await? == GroupType::Consumer);
        group.close_native().await?;
        group.add_native_by(next)?;
        group.settle("two of the consumer protocol").await?;
        group.close_native().await?;
        group.settle("no classic one").await?;
        // And back.
        group.add_native()?;
        group.settle("a classic one again").await?;
        group.close_native().await?;
        group.add_foreign()?;
        group.settle("also librdkafka's classic one").await?;
        group.close_native().await?;
        group.settle("classic ones only").await?;
        ensure!(group.kind().await? == GroupType::Classic);
        group.close_native().await?;
        group.close_foreign().await?;
    }
    Ok(())
}
