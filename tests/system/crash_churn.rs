//! kill -9 while topics come and go and offsets are committed: what was acknowledged holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use ringbrook_protocol::messages::delete_topics_request::DeleteTopicState;
use ringbrook_protocol::messages::{DeleteTopicsRequest, MetadataRequest};
use ringbrook_tests::{Client, TestBroker, batch, topic_name, wait_until};
use uuid::Uuid;

use crate::group::{Member, commit, fetched_offset, find_coordinator};

const KILLS: i64 = 6;
/// Names are used again and again, so that an old topic's records could come back under them.
const NAMES: [&str; 4] = ["one", "two", "three", "four"];

/// What the broker has acknowledged of a name: the topic's id and the only value in it.
type Acknowledged = BTreeMap<&'static str, (Uuid, Option<String>)>;

/// The name whose change was under way when the broker was killed, and the value on its way.
#[derive(Debug, Default)]
struct UnderWay {
    name: Option<&'static str>,
    value: Option<String>,
}

/// Creates, fills and deletes topics until the connection breaks.
fn churn(client: &mut Client, acknowledged: &mut Acknowledged, count: &AtomicI64) -> UnderWay {
    let mut under_way = UnderWay::default();
    loop {
        let index = count.load(Ordering::Relaxed);
        let name = NAMES[usize::try_from(index * 7 % 4).unwrap_or(0)];
        under_way.name = Some(name);
        under_way.value = None;
        if acknowledged.contains_key(name) {
            let state = DeleteTopicState::default().with_name(Some(topic_name(name)));
            let request = DeleteTopicsRequest::default()
                .with_topics(vec![state])
                .with_timeout_ms(30_000);
            let Ok(response) = client.call(&request, 6) else {
                return under_way;
            };
            assert_eq!(
                response.responses[0].error_code, 0,
                "{name} cannot be deleted"
            );
            acknowledged.remove(name);
        } else {
            let Ok(id) = client.create_topic(name, 1, &[]) else {
                return under_way;
            };
            acknowledged.insert(name, (id, None));
            let value = format!("{name}/{index}");
            under_way.value = Some(value.clone());
            let Ok(offset) = client.produce(name, 0, batch(&[&value])) else {
                return under_way;
            };
            assert_eq!(offset, 0, "{name} is not empty when it is new");
            acknowledged.insert(name, (id, Some(value)));
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Compares the broker with what it acknowledged, and learns what became of the change under way.
fn verify(
    client: &mut Client,
    acknowledged: &mut Acknowledged,
    under_way: &UnderWay,
) -> anyhow::Result<()> {
    let response = client.call(&MetadataRequest::default().with_topics(None), 12)?;
    let mut found = BTreeMap::new();
    for topic in response.topics {
        found.insert(topic.name.context("a name")?.to_string(), topic.topic_id);
    }
    for name in NAMES {
        let id = found.remove(name);
        if under_way.name == Some(name) && under_way.value.is_none() {
            // Created or deleted, or not.
            match id {
                None => drop(acknowledged.remove(name)),
                Some(id) => {
                    let values = client.texts(name, 0, 0)?;
                    let known = acknowledged.entry(name).or_insert((id, None));
                    ensure!(known.0 == id, "{name} has another id");
                    ensure!(
                        values == known.1.clone().into_iter().collect::<Vec<_>>(),
                        "{name}"
                    );
                }
            }
            continue;
        }
        let known = acknowledged.get_mut(name);
        ensure!(
            id == known.as_ref().map(|known| known.0),
            "{name}: {id:?} instead of {known:?}"
        );
        let Some(known) = known else { continue };
        let values = client.texts(name, 0, 0)?;
        if under_way.name == Some(name) && known.1.is_none() && !values.is_empty() {
            known.1.clone_from(&under_way.value);
        }
        ensure!(
            values == known.1.clone().into_iter().collect::<Vec<_>>(),
            "{name}: {values:?}"
        );
    }
    ensure!(found.is_empty(), "unknown topics: {found:?}");
    Ok(())
}

#[test]
fn acknowledged_topics_and_deletions_survive_kills_in_between() -> anyhow::Result<()> {
    let mut broker = TestBroker::start()?;
    let mut acknowledged = Acknowledged::new();
    let count = AtomicI64::new(0);
    for round in 0..KILLS {
        let mut client = broker.client()?;
        let under_way = std::thread::scope(|scope| {
            let churning = scope.spawn(|| churn(&mut client, &mut acknowledged, &count));
            let enough = count.load(Ordering::Relaxed) + 5 + round;
            let is_reached = wait_until(Duration::from_secs(60), || {
                enough <= count.load(Ordering::Relaxed) || churning.is_finished()
            });
            broker.kill()?;
            let under_way = churning.join().expect("no panic");
            ensure!(is_reached, "stuck at {under_way:?}");
            anyhow::Ok(under_way)
        })?;
        broker = broker.kill_and_restart()?;
        verify(&mut broker.client()?, &mut acknowledged, &under_way)
            .with_context(|| format!("round {round}, {under_way:?}: {}", broker.log()))?;
    }
    Ok(())
}

#[test]
fn the_last_acknowledged_commit_survives_kills_in_between() -> anyhow::Result<()> {
    let mut broker = TestBroker::start()?;
    broker.client()?.create_topic("consumed", 1, &[])?;
    let member = Member::simple("committers");
    let acknowledged = AtomicI64::new(-1);
    for _ in 0..KILLS {
        let mut client = broker.client()?;
        find_coordinator(&mut client, &member.group)?;
        let before = fetched_offset(&mut client, &member.group, "consumed", 0)?.0;
        let last = acknowledged.load(Ordering::Relaxed);
        // One more may have been stored without its answer getting through.
        ensure!(
            before == last || before == last + 1,
            "{before} is stored, {last} acknowledged"
        );
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for offset in before + 1.. {
                    match commit(&mut client, &member.commit("consumed", 0, offset)) {
                        Ok(None) => acknowledged.store(offset, Ordering::Relaxed),
                        Ok(refused) => panic!("commit of {offset} refused: {refused:?}"),
                        // Killed.
                        Err(_) => return,
                    }
                }
            });
            let is_reached = wait_until(Duration::from_secs(60), || {
                before + 200 <= acknowledged.load(Ordering::Relaxed)
            });
            broker.kill()?;
            ensure!(is_reached, "commits are stuck");
            Ok(())
        })?;
        broker = broker.kill_and_restart()?;
    }
    Ok(())
}
