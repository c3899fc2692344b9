//! Members in processes of their own that are killed, or stopped and woken up: others take over
//! what they had, and who comes back learns that it has nothing any more.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use ringbrook_client::admin::{AlterConfigOp, ConfigResource};
use ringbrook_tests::{now, unique};
use rustix::process::{Pid, Signal, kill_process};

use crate::client_admin::Ground;
use crate::client_groups::{DEADLINE, Member, indexes};

const PARTITIONS: i32 = 4;
/// The least that brokers take for classic members by default.
const SESSION: Duration = Duration::from_secs(6);

const EAGER: &[(&str, &str)] = &[
    ("session.timeout.ms", "6000"),
    ("heartbeat.interval.ms", "300"),
];
const COOPERATIVE: &[(&str, &str)] = &[
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("session.timeout.ms", "6000"),
    ("heartbeat.interval.ms", "300"),
];
/// Its session timeout is a configuration of the group.
const NEXT: &[(&str, &str)] = &[("group.protocol", "consumer")];

/// A running `group-member`, and what it has said. Killed when dropped.
struct MemberProcess {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl MemberProcess {
    fn start(
        ground: &Ground,
        group: &str,
        topic: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_group-member"));
        command.arg(ground.broker.address().to_string());
        command.args([group, topic]);
        command.args(settings.iter().map(|(key, value)| format!("{key}={value}")));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = Arc::<Mutex<Vec<String>>>::default();
        let into = Arc::clone(&said);
        let stdout = child.stdout.take().context("stdout is piped")?;
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                into.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        Ok(Self { child, said })
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id())?;
        let pid = Pid::from_raw(pid).context("a process id")?;
        Ok(kill_process(pid, signal)?)
    }

    fn said(&self) -> Vec<String> {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn has_said(&self, word: &str) -> bool {
        self.said()
            .iter()
            .any(|line| line.split(' ').next() == Some(word))
    }

    /// What it has by its own account.
    fn owned(&self) -> BTreeSet<i32> {
        let mut owned = BTreeSet::new();
        for line in self.said() {
            let mut words = line.split(' ');
            let what = words.next();
            let partitions = words.filter_map(|word| word.parse().ok());
            match what {
                Some("assigned") => owned.extend(partitions),
                Some("revoked" | "lost") => partitions.for_each(|it| {
                    owned.remove(&it);
                }),
                _ => {}
            }
        }
        owned
    }

    fn read(&self) -> BTreeSet<String> {
        let said = self.said();
        let read = said.iter().filter_map(|line| line.strip_prefix("read "));
        read.map(str::to_owned).collect()
    }
}

impl Drop for MemberProcess {
    fn drop(&mut self) {
        // Fail when the test has ended it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A group of one member in this process and one in another, which share the partitions.
struct Pair {
    ground: Ground,
    topic: String,
    here: Member,
    there: MemberProcess,
    sent: BTreeSet<String>,
    read: BTreeSet<String>,
}

impl Pair {
    async fn settled(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let ground = Ground::new()?;
        let topic = ground.topic("groups-processes", PARTITIONS).await?;
        let group = unique("groups-processes");
        let session_ms = SESSION.as_millis().to_string();
        let session = AlterConfigOp::set("consumer.session.timeout.ms", session_ms);
        let changes = BTreeMap::from([(ConfigResource::group(&group), vec![session])]);
        let changed = ground.admin.incremental_alter_configs(&changes, false);
        changed.await.all()?;
        let here = ground.member(&group, settings)?;
        here.subscribe([topic.as_str()])?;
        let there = MemberProcess::start(&ground, &group, &topic, settings)?;
        let mut pair = Self {
            ground,
            topic,
            here,
            there,
            sent: BTreeSet::new(),
            read: BTreeSet::new(),
        };
        pair.poll_until("both have a half", Self::is_halved).await?;
        Ok(pair)
    }

    fn is_halved(&self) -> bool {
        let (here, there) = (indexes(&self.here), self.there.owned());
        here.len() == 2 && there.len() == 2 && here.is_disjoint(&there)
    }

    fn has_all(&self) -> bool {
        indexes(&self.here).len() == 4
    }

    fn is_all_read(&self) -> bool {
        &self.read | &self.there.read() == self.sent
    }

    async fn send(&mut self, round: &str) -> anyhow::Result<()> {
        for partition in 0..PARTITIONS {
            let values: Vec<_> = (0..5)
                .map(|it| format!("{round} {partition} {it}"))
                .collect();
            self.ground.produce(&self.topic, partition, &values).await?;
            self.sent.extend(values);
        }
        Ok(())
    }

    async fn poll_until(&mut self, what: &str, is_done: fn(&Self) -> bool) -> anyhow::Result<()> {
        let end = now() + DEADLINE;
        while !is_done(self) {
            let said = || self.there.said();
            ensure!(
                now() < end,
                "{what}? {:?}, {:?}",
                self.here.assignment(),
                said()
            );
            let records = self.here.poll(Duration::from_millis(50)).await?;
            self.read
                .extend(records.into_iter().filter_map(|it| it.value));
        }
        Ok(())
    }
}

#[tokio::test]
async fn client_groups_processes_that_are_killed_are_replaced_after_their_session()
-> anyhow::Result<()> {
    for settings in [EAGER, COOPERATIVE, NEXT] {
        let mut pair = Pair::settled(settings).await?;
        pair.send("before").await?;
        pair.poll_until("all of before is read", Pair::is_all_read)
            .await?;
        pair.there.signal(Signal::KILL)?;
        let killed_at = now();
        pair.send("after").await?;
        pair.poll_until("all is taken over", Pair::has_all).await?;
        let took = now() - killed_at;
        ensure!(SESSION / 2 <= took, "{settings:?}: after {took:?} already");
        ensure!(took <= SESSION * 3, "{settings:?}: after {took:?} only");
        pair.poll_until("all is read", Pair::is_all_read).await?;
        pair.here.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn client_groups_processes_that_were_stopped_learn_that_they_lost() -> anyhow::Result<()> {
    for settings in [EAGER, COOPERATIVE, NEXT] {
        let mut pair = Pair::settled(settings).await?;
        let had = pair.there.owned();
        ensure!(!pair.there.has_said("lost"), "{:?}", pair.there.said());
        pair.there.signal(Signal::STOP)?;
        pair.send("meanwhile").await?;
        pair.poll_until("all is taken over", Pair::has_all).await?;
        pair.poll_until("all is read", Pair::is_all_read).await?;
        pair.there.signal(Signal::CONT)?;
        let is_back = |pair: &Pair| pair.there.has_said("lost") && pair.is_halved();
        pair.poll_until("it comes back", is_back).await?;
        let said = pair.there.said();
        let lost = had
            .iter()
            .fold("lost".to_owned(), |line, it| format!("{line} {it}"));
        ensure!(said.contains(&lost), "{settings:?}: {said:?}");
        pair.send("again").await?;
        pair.poll_until("all of again is read", Pair::is_all_read)
            .await?;
        pair.here.close().await?;
    }
    Ok(())
}
